package whl

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// paths looks for the builder's directories in all files.
func (c *checker) paths() error {
	if len(c.want.BuilderPaths) == 0 {
		return nil
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p := new(problems)
	a, err := openArchive(f, info.Size(), defaults(), p)
	if err == nil {
		err = p.err(c.File)
	}
	if err != nil {
		return err
	}
	s := newSearch(c.want.BuilderPaths)
	slices.SortFunc(a.members, func(a, b *member) int { return strings.Compare(a.name, b.name) })
	for _, m := range a.members {
		if m.dir || allowed(c.want.AllowPaths, m.name) {
			continue
		}
		s.reset()
		if err := a.copy(s, m); err != nil && !errors.Is(err, errFound) {
			return fmt.Errorf("%s: %w", quote(m.name), err)
		}
		if s.found != "" {
			c.problem("%s: names the builder: %s", quote(m.name), s.found)
		}
	}
	return nil
}

// search looks for directories in what is written to it.
type search struct {
	dirs    [][]byte
	longest int
	binary  bool   // a NUL came: strings may stand side by side, as Rust has them
	buf     []byte // the end of what came before, then what came
	found   string // quoted, with what is around it
}

// around is how much is shown of what is beside a path.
const around = 40

var errFound = errors.New("found")

func newSearch(dirs []string) *search {
	s := new(search)
	for _, d := range dirs {
		s.dirs = append(s.dirs, []byte(d))
		s.longest = max(s.longest, len(d))
	}
	return s
}

func (s *search) reset() { s.buf, s.binary, s.found = s.buf[:0], false, "" }

func (s *search) Write(p []byte) (int, error) {
	fresh := len(s.buf)
	s.binary = s.binary || bytes.IndexByte(p, 0) >= 0
	s.buf = append(s.buf, p...)
	for _, dir := range s.dirs {
		// A match that ends in the old part was seen already.
		for from := max(0, fresh-len(dir)+1); ; {
			i := bytes.Index(s.buf[from:], dir)
			if i < 0 {
				break
			}
			if at := from + i; s.binary || begins(s.buf, at) {
				s.found = fmt.Sprintf("%q", s.buf[max(0, at-around/2):min(len(s.buf), at+len(dir)+around)])
				return 0, errFound
			}
			from += i + 1
		}
	}
	keep := min(len(s.buf), s.longest+around/2)
	s.buf = s.buf[:copy(s.buf, s.buf[len(s.buf)-keep:])]
	return len(p), nil
}

// begins is whether a path can begin at i: "/build/" does not within "~/build/"
// or "https://example.org/build/", as it does after "file://".
func begins(text []byte, i int) bool {
	if i == 0 || text[i] != '/' {
		return true
	}
	switch c := text[i-1]; {
	case (c == 'I' || c == 'L') && i > 1 && text[i-2] == '-':
		return true // an option of a compiler
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	case strings.IndexByte("_-.~$%)}]*>", c) >= 0:
		return false
	case c == '/':
		return i < 2 || text[i-2] != ':' || bytes.HasSuffix(text[:i], []byte("file://"))
	}
	return true
}
