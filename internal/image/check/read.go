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

// state is an image with what was read of it.
type state struct {
	Image
	ctx context.Context

	elf    map[string]*elfcheck.File // above the base, by path
	broken map[string]string         // ELF files that cannot be read, with the reason
	heads  map[string][]byte         // of programs and bytecode above the base

	dists  []*dist          // by name
	byName map[string]*dist // normalised
	owners map[string]*dist // by path

	packages map[string]string // of the distro, by path; see packageOf
}

// read walks once through the layers above the base.
func read(ctx context.Context, i Image) (*state, error) {
	s := &state{
		Image: i, ctx: ctx, elf: map[string]*elfcheck.File{}, broken: map[string]string{}, heads: map[string][]byte{},
		byName: map[string]*dist{}, owners: map[string]*dist{},
	}
	texts := map[string][]byte{}
	for n := i.Base; n < len(i.Layers); n++ {
		err := i.Layers[n].Walk(func(e layer.Entry, content io.Reader) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if e.Type != tar.TypeReg || s.layerOf(e.Name) != n {
				return nil
			}
			if i.isInfo(e.Name) {
				text, err := io.ReadAll(io.LimitReader(content, maxText))
				texts[e.Name] = text
				return err
			}
			return s.file(e, content)
		})
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", i.Names[n], err)
		}
	}
	s.readDists(texts)
	return s, nil
}

// isInfo is whether a file is a METADATA or RECORD of /venv.
func (i Image) isInfo(name string) bool {
	dir, base := path.Split(name)
	parent, info := path.Split(strings.TrimSuffix(dir, "/"))
	return i.Series != "" && (base == "METADATA" || base == "RECORD") && strings.HasSuffix(info, ".dist-info") && parent == i.site()+"/"
}

// layerOf is the number of the layer whose file of this name is seen; -1 for none.
func (s *state) layerOf(name string) int {
	e, ok := s.Tree.Entry(name)
	if !ok {
		return -1
	}
	return s.Tree.Layer(e)
}

// file reads of a file what the checks ask for.
func (s *state) file(e layer.Entry, content io.Reader) error {
	head := make([]byte, headSize)
	n, err := io.ReadFull(content, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	switch {
	case elfcheck.Magic(head):
		f, why, err := readELF(io.MultiReader(bytes.NewReader(head), content), e.Size)
		if err != nil {
			return err
		}
		if f == nil {
			s.broken[e.Name] = why
		} else {
			s.elf[e.Name] = f
		}
	case strings.HasSuffix(e.Name, ".pyc"):
		s.heads[e.Name] = slices.Clone(head[:min(n, pycHead)])
	case e.Mode&0o111 != 0:
		s.heads[e.Name] = head
	}
	return nil
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
