package check

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/pep"
)

// Limits of what is read of a file.
const (
	headSize = 256      // of a program: Linux reads as much of a #! line
	maxText  = 64 << 20 // of METADATA and RECORD
	maxKept  = 64 << 20 // of an ELF file that is held in memory
)

// Facts are what the checks ask of the contents of one layer. They depend on the
// layer alone, so they are read once and kept beside it, as JSON.
type Facts struct {
	Entries []layer.Entry             `json:"entries"`
	ELF     map[string]*elfcheck.File `json:"elf,omitempty"`    // by path
	Broken  map[string]string         `json:"broken,omitempty"` // ELF files that cannot be read, with the reason
	Heads   map[string][]byte         `json:"heads,omitempty"`  // how programs and bytecode begin
	Keys    []string                  `json:"keys,omitempty"`   // files that begin as private keys do (RFC 7468)
	Texts   map[string][]byte         `json:"texts,omitempty"`  // METADATA and RECORD of distributions, and the loader's cache
}

// ReadFacts reads a layer.
func ReadFacts(ctx context.Context, blob layer.Blob) (*Facts, error) {
	f := &Facts{ELF: map[string]*elfcheck.File{}, Broken: map[string]string{}, Heads: map[string][]byte{}, Texts: map[string][]byte{}}
	return f, blob.Walk(func(e layer.Entry, content io.Reader) error {
		f.Entries = append(f.Entries, e)
		if err := ctx.Err(); err != nil || e.Type != tar.TypeReg {
			return err
		}
		if isInfo(e.Name) || e.Name == loaderCache {
			text, err := io.ReadAll(io.LimitReader(content, maxText))
			f.Texts[e.Name] = text
			return err
		}
		return f.file(e, content)
	})
}

// loaderCache is what ldconfig writes.
const loaderCache = "etc/ld.so.cache"

// isInfo is whether a file is a METADATA or RECORD of a distribution.
func isInfo(name string) bool {
	dir, base := path.Split(name)
	return (base == "METADATA" || base == "RECORD") && strings.HasSuffix(dir, ".dist-info/")
}

// file reads of a file what the checks ask for.
func (f *Facts) file(e layer.Entry, content io.Reader) error {
	head := make([]byte, headSize)
	n, err := io.ReadFull(content, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	switch {
	case elfcheck.Magic(head):
		file, why, err := readELF(io.MultiReader(bytes.NewReader(head), content), e.Size)
		if err != nil {
			return err
		}
		if file == nil {
			f.Broken[e.Name] = why
		} else {
			f.ELF[e.Name] = file
		}
	case bytes.HasPrefix(head, []byte("-----BEGIN")) && bytes.Contains(head, []byte("PRIVATE KEY-----")):
		f.Keys = append(f.Keys, e.Name)
	case strings.HasSuffix(e.Name, ".pyc"):
		f.Heads[e.Name] = slices.Clone(head[:min(n, pycHead)])
	case e.Mode&0o111 != 0:
		f.Heads[e.Name] = head
	}
	return nil
}

// Stack is what layers show together.
func Stack(facts []*Facts) *layer.Tree {
	var lists [][]layer.Entry
	for _, f := range facts {
		lists = append(lists, f.Entries)
	}
	return layer.Stack(lists...)
}

// state is an image with what was read of it: of what its layers show.
type state struct {
	Image
	ctx  context.Context
	Tree *layer.Tree

	elf    map[string]*elfcheck.File // above the base, by path
	broken map[string]string         // ELF files that cannot be read, with the reason
	heads  map[string][]byte         // of programs and bytecode
	cache  []byte                    // of the loader

	dists  []*dist          // by name
	byName map[string]*dist // normalised
	owners map[string]*dist // by path

	packages map[string]string // of the distro, by path; see packageOf
}

// read collects what the layers show.
func read(ctx context.Context, i Image) *state {
	s := &state{
		Image: i, ctx: ctx, Tree: Stack(i.Facts), elf: map[string]*elfcheck.File{}, broken: map[string]string{}, heads: map[string][]byte{},
		byName: map[string]*dist{}, owners: map[string]*dist{},
	}
	texts := map[string][]byte{}
	for n, f := range i.Facts {
		seen := func(name string) bool { return s.layerOf(name) == n }
		if n >= i.Base {
			collect(s.elf, f.ELF, seen)
			collect(s.broken, f.Broken, seen)
			collect(texts, f.Texts, func(name string) bool { return seen(name) && i.inSite(name) })
		}
		collect(s.heads, f.Heads, seen)
		if seen(loaderCache) {
			s.cache = f.Texts[loaderCache]
		}
	}
	s.readDists(texts)
	return s
}

func collect[V any](into, from map[string]V, seen func(string) bool) {
	for name, v := range from {
		if seen(name) {
			into[name] = v
		}
	}
}

// inSite is whether a METADATA or RECORD is one of /venv.
func (i Image) inSite(name string) bool {
	return i.Series != "" && path.Dir(path.Dir(name)) == i.site()
}

// layerOf is the number of the layer whose file of this name is seen; -1 for none.
func (s *state) layerOf(name string) int {
	e, ok := s.Tree.Entry(name)
	if !ok {
		return -1
	}
	return s.Tree.Layer(e)
}

// readELF reads an ELF file. What is wrong with it is no error, but why.
func readELF(r io.Reader, size int64) (f *elfcheck.File, why string, err error) {
	var at io.ReaderAt
	if size <= maxKept {
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, "", err
		}
		at = bytes.NewReader(data)
	} else {
		tmp, err := os.CreateTemp("", "pybake-check-")
		if err != nil {
			return nil, "", err
		}
		defer os.Remove(tmp.Name())
		defer tmp.Close()
		if _, err := io.Copy(tmp, r); err != nil {
			return nil, "", err
		}
		at = tmp
	}
	if f, err = elfcheck.Read(at, size); err != nil {
		return nil, err.Error(), nil
	}
	return f, "", nil
}

// where is a path with the layer that it comes from: "/usr/bin/gcc (layer apt)".
func (s *state) where(e layer.Entry) string {
	return fmt.Sprintf("/%s (layer %s)", e.Name, s.Names[s.Tree.Layer(e)])
}

// isFile is whether an entry is a file with content.
func isFile(e layer.Entry) bool { return e.Type == tar.TypeReg || e.Type == tar.TypeLink }

// ours is whether an entry comes from files of the project that pybake only copies.
func (s *state) ours(e layer.Entry) bool { return s.Names[s.Tree.Layer(e)] == "files" }

// asked is the distribution of the lock that a file belongs to; nil if it
// belongs to none.
func (s *state) asked(name string) *dist {
	d := s.owners[name]
	if d == nil || !slices.ContainsFunc(s.Dists, func(l Dist) bool { return pep.NormalizeName(l.Name) == d.name }) {
		return nil
	}
	return d
}

// packageOf is the distro's package that a file belongs to; "" if it belongs to
// none. The lists of files are read at the first question only, as there is
// none about most images.
func (s *state) packageOf(name string) (string, error) {
	if s.packages == nil {
		s.packages = map[string]string{}
		for n, blob := range s.Layers {
			err := blob.Walk(func(e layer.Entry, content io.Reader) error {
				pkg, ok := packageList(e.Name)
				if !ok || !isFile(e) || s.layerOf(e.Name) != n {
					return s.ctx.Err()
				}
				text, err := io.ReadAll(io.LimitReader(content, maxText))
				for line := range strings.Lines(string(text)) {
					s.packages[strings.Trim(line, "/\n")] = pkg
				}
				return err
			})
			if err != nil {
				return "", fmt.Errorf("layer %s: %w", s.Names[n], err)
			}
		}
	}
	// Lists of before the merge of /usr name /lib.
	for _, alias := range []string{name, strings.TrimPrefix(name, "usr/")} {
		if pkg, ok := s.packages[alias]; ok {
			return pkg, nil
		}
	}
	return "", nil
}

// packageList is the package whose files are listed in a file: "perl" of
// "var/lib/dpkg/info/perl:amd64.list".
func packageList(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "var/lib/dpkg/info/")
	pkg, isList := strings.CutSuffix(rest, ".list")
	pkg, _, _ = strings.Cut(pkg, ":")
	return pkg, ok && isList
}

// head is the beginning of a file that a path leads to.
func (s *state) head(e layer.Entry) ([]byte, error) {
	name := content(e)
	if h, ok := s.heads[name]; ok {
		return h, nil
	}
	var head []byte
	done := errors.New("found")
	err := s.Layers[s.Tree.Layer(e)].Walk(func(other layer.Entry, content io.Reader) error {
		if other.Name != name || !isFile(other) {
			return s.ctx.Err()
		}
		var err error
		if head, err = io.ReadAll(io.LimitReader(content, headSize)); err != nil {
			return err
		}
		return done
	})
	switch {
	case errors.Is(err, done):
		return head, nil
	case err == nil:
		return nil, fmt.Errorf("/%s: %w", name, fs.ErrNotExist)
	}
	return nil, err
}

// content is the name of the file that has the content of an entry: hard links
// have none.
func content(e layer.Entry) string {
	if e.Type == tar.TypeLink {
		return e.Link
	}
	return e.Name
}
