package fetch

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Rules say what an archive may contain and what becomes of it. Refused, with
// the member's name, are always:
//
//   - names that are absolute, empty, longer than 4096 bytes, or contain ".."
//     or NUL; so are targets of links;
//   - symbolic links out of the tree. A target may go up at its beginning
//     only ("../../lib/x"), never after it went down ("a/../x"), so that no
//     chain of links leads outside either;
//   - hard links to anything but a regular file that came before;
//   - members below a file or a symbolic link, and second members of the same
//     name (a directory may be repeated);
//   - devices, fifos, and types that are none of regular file (sparse too),
//     directory and link;
//   - more bytes or members than the limits.
type Rules struct {
	// StripTop replaces the one directory that holds everything, such as
	// "Python-3.13.5", by Top; an archive that is empty or has something
	// beside that directory is then refused. Links must not leave it.
	StripTop bool
	Top      string // "src/python"; put before every name; "" for nothing

	UID, GID int       // owner in a tar stream; Unpack never changes owners
	MTime    time.Time // of everything; zero: as in the archive
	MaxBytes int64     // of all files together; 0: 8 GiB
	MaxFiles int       // members, and directories that they imply; 0: 500,000

	// AllowAbsoluteLinks lets symbolic links with absolute targets be, as
	// staged installs contain them.
	AllowAbsoluteLinks bool
}

// sink takes the members that passed the rules. Names are clean, relative,
// and below Rules.Top; a directory precedes what is in it.
type sink interface {
	// dir is called a second time, not fresh, when a directory that was
	// implied by an earlier member turns up with its own mode and time.
	dir(name string, from *tar.Header, fresh bool) error
	file(name string, from *tar.Header, r io.Reader) error
	symlink(name string, from *tar.Header) error
	hardlink(name, target string, from *tar.Header) error
	end() error
}

// each passes every member of an archive through the rules to a sink.
func each(src io.Reader, rules Rules, s sink) error {
	t, err := newTree(rules, rules.StripTop)
	if err != nil {
		return err
	}
	r := tar.NewReader(src)
	for last := ""; ; {
		hdr, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read archive after member %.200q: %w", last, err)
		}
		if err := t.add(hdr, r, s); err != nil {
			return err
		}
		last = hdr.Name
	}
	if t.strip && t.top == "" {
		return errors.New("archive is empty")
	}
	return s.end()
}

type kind byte

const (
	absent kind = iota
	impliedDir
	aDir
	aFile
	aLink
)

// tree is what an archive has put where so far. Its names are those inside
// the stripped directory; "." is that directory.
type tree struct {
	rules Rules
	strip bool
	top   string // the directory that is stripped, once known
	kinds map[string]kind
	count int
	bytes int64
}

func newTree(rules Rules, strip bool) (*tree, error) {
	if rules.Top != "" && !filepath.IsLocal(rules.Top) {
		return nil, fmt.Errorf("archive top %q: not a relative path", rules.Top)
	}
	if rules.Top = path.Clean(rules.Top); rules.Top == "." {
		rules.Top = ""
	}
	if rules.MaxBytes == 0 {
		rules.MaxBytes = 8 << 30
	}
	if rules.MaxFiles == 0 {
		rules.MaxFiles = 500_000
	}
	return &tree{rules: rules, strip: strip, kinds: map[string]kind{}}, nil
}

// add passes one member to the sink, or refuses it.
func (t *tree) add(hdr *tar.Header, r io.Reader, s sink) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil // git archive's comment
	}
	if err := t.member(hdr, r, s); err != nil {
		return fmt.Errorf("archive member %.200q: %w", hdr.Name, err)
	}
	return nil
}

func (t *tree) member(hdr *tar.Header, r io.Reader, s sink) error {
	if err := t.room(); err != nil {
		return err
	}
	name, err := t.inner(hdr.Name)
	if err != nil {
		return err
	}
	if name == "" { // "./", beside the directory to strip
		if hdr.Typeflag != tar.TypeDir {
			return errors.New("is not a directory")
		}
		return nil
	}
	was := t.kinds[name]
	if hdr.Typeflag == tar.TypeDir {
		return t.dir(name, hdr, s)
	}
	switch {
	case name == ".":
		return errors.New("is not a directory")
	case was != absent:
		return errors.New("occurs twice")
	}
	if err := t.parents(name, hdr, s); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		if hdr.Size > t.rules.MaxBytes-t.bytes {
			return fmt.Errorf("archive is larger than the limit of %d bytes", t.rules.MaxBytes)
		}
		t.bytes += hdr.Size
		t.kinds[name] = aFile
		return s.file(t.outer(name), hdr, r)
	case tar.TypeSymlink:
		if err := t.target(name, hdr.Linkname); err != nil {
			return err
		}
		t.kinds[name] = aLink
		return s.symlink(t.outer(name), hdr)
	case tar.TypeLink:
		target, err := t.inner(hdr.Linkname)
		if err != nil {
			return fmt.Errorf("hard link to %.200q: %w", hdr.Linkname, err)
		}
		if t.kinds[target] != aFile {
			return fmt.Errorf("hard link to %.200q: no regular file before it", hdr.Linkname)
		}
		t.kinds[name] = aFile
		return s.hardlink(t.outer(name), t.outer(target), hdr)
	case tar.TypeChar, tar.TypeBlock:
		return errors.New("is a device")
	case tar.TypeFifo:
		return errors.New("is a fifo")
	}
	return fmt.Errorf("is of unknown type %q", hdr.Typeflag)
}

// room counts one more member.
func (t *tree) room() error {
	if t.count++; t.count > t.rules.MaxFiles {
		return fmt.Errorf("archive has more than the limit of %d members", t.rules.MaxFiles)
	}
	return nil
}

// inner checks a member's name and takes the stripped directory from it; what
// is left is "" only for the archive's own "./" when there is one to strip.
func (t *tree) inner(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("name is empty")
	case len(name) > 4096:
		return "", errors.New("name is longer than 4096 bytes")
	case strings.HasPrefix(name, "/"):
		return "", errors.New("name is absolute")
	case strings.Contains(name, "\x00"):
		return "", errors.New("name contains NUL")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New(`name contains ".."`)
		}
	}
	name = path.Clean(name)
	if !t.strip {
		return name, nil
	}
	if name == "." {
		return "", nil
	}
	top, rest, _ := strings.Cut(name, "/")
	if t.top == "" {
		t.top = top
	}
	if top != t.top {
		return "", fmt.Errorf("is beside the archive's one directory %.200q", t.top)
	}
	return path.Clean(rest), nil
}

// outer is the name that the sink sees.
func (t *tree) outer(name string) string { return path.Join(t.rules.Top, name) }

func (t *tree) dir(name string, hdr *tar.Header, s sink) error {
	was := t.kinds[name]
	switch was {
	case aDir:
		return nil
	case aFile, aLink:
		return errors.New("occurs twice")
	}
	if err := t.parents(name, hdr, s); err != nil {
		return err
	}
	t.kinds[name] = aDir
	if t.outer(name) == "." {
		return nil
	}
	return s.dir(t.outer(name), hdr, t.fresh(name, was))
}

// fresh: "." was made by parents when there is a Top.
func (t *tree) fresh(name string, was kind) bool { return was == absent && name != "." }

// parents makes the directories above a member that the archive did not list.
func (t *tree) parents(name string, hdr *tar.Header, s sink) error {
	implied := &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755, ModTime: hdr.ModTime}
	if t.kinds["."] == absent {
		t.kinds["."] = impliedDir
		for i, c := range t.rules.Top + "/" {
			if c == '/' && i > 0 {
				if err := s.dir(t.rules.Top[:i], implied, true); err != nil {
					return err
				}
			}
		}
	}
	for i, c := range name {
		if c != '/' {
			continue
		}
		switch parent := name[:i]; t.kinds[parent] {
		case aFile:
			return fmt.Errorf("is below %.200q, a file", parent)
		case aLink:
			return fmt.Errorf("is below %.200q, a symbolic link", parent)
		case absent:
			if err := t.room(); err != nil {
				return err
			}
			t.kinds[parent] = impliedDir
			if err := s.dir(t.outer(parent), implied, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// target refuses a symbolic link that leads out of the tree. All parents of
// the link are directories, so going up is what it looks like; going down may
// pass through other links, which were held to the same rule.
func (t *tree) target(name, target string) error {
	switch {
	case target == "":
		return errors.New("symbolic link to nowhere")
	case len(target) > 4096:
		return errors.New("symbolic link longer than 4096 bytes")
	case strings.Contains(target, "\x00"):
		return errors.New("symbolic link contains NUL")
	case strings.HasPrefix(target, "/"):
		if t.rules.AllowAbsoluteLinks {
			return nil
		}
		return fmt.Errorf("symbolic link to %.200q: absolute", target)
	}
	depth, down := strings.Count(name, "/"), false
	for part := range strings.SplitSeq(target, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			down = true
		case down:
			return fmt.Errorf("symbolic link to %.200q: goes down and up again", target)
		default:
			if depth--; depth < 0 {
				return fmt.Errorf("symbolic link to %.200q: leaves the archive", target)
			}
		}
	}
	return nil
}
