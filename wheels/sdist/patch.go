package sdist

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/patch"
)

// maxPatched is how many bytes a file may have that a patch changes.
const maxPatched = 64 << 20

// Patched is the source with patches applied, and read again: a patch may change what
// builds it. It is as old as before. A directory of the project is not patched, for
// whoever has it can edit it.
func (s *Source) Patched(patches patch.Set) (*Source, error) {
	if len(patches) == 0 {
		return s, nil
	}
	if s.hash != "" {
		return nil, fmt.Errorf("%s: patches are for archives and commits, and this is a directory", s.File)
	}
	return read(&Source{File: s.File, Subdirectory: s.Subdirectory, tree: patched{s.tree, patches}}, &scan{sub: s.Subdirectory})
}

// patched is a tree with patches over it.
type patched struct {
	tree
	patches patch.Set
}

func (p patched) copy(dst *tar.Writer, rules fetch.Rules) error {
	w := patcher{dst: dst, rules: rules, patches: p.patches, left: p.patches.Files(), dirs: map[string]bool{}}
	if err := stream(p.tree, rules, w.member); err != nil {
		return err
	}
	return w.rest()
}

// patcher copies a stream and edits it on the way.
type patcher struct {
	dst     *tar.Writer
	rules   fetch.Rules
	patches patch.Set
	left    []string // files that were not met yet
	dirs    map[string]bool
}

func (w *patcher) member(hdr *tar.Header, r io.Reader) error {
	name := strings.TrimSuffix(hdr.Name, "/")
	if hdr.Typeflag == tar.TypeDir {
		w.dirs[name] = true
	}
	if w.rules.Top != "" {
		name = strings.TrimPrefix(name, w.rules.Top+"/")
	}
	i := slices.Index(w.left, name)
	if i < 0 {
		if err := w.dst.WriteHeader(hdr); err != nil {
			return err
		}
		_, err := io.Copy(w.dst, r)
		return err
	}
	w.left = slices.Delete(w.left, i, i+1)
	data, err := small(hdr, r, maxPatched)
	if err != nil {
		return err
	}
	return w.edit(name, data, hdr)
}

// edit writes what the patches make of a file.
func (w *patcher) edit(name string, data []byte, hdr *tar.Header) error {
	data, err := w.patches.Edit(name, data)
	if err != nil || data == nil {
		return err
	}
	hdr.Size = int64(len(data))
	if err := w.dst.WriteHeader(hdr); err != nil {
		return err
	}
	_, err = w.dst.Write(data)
	return err
}

// rest writes the files that the patches make, with their directories.
func (w *patcher) rest() error {
	for _, name := range w.left {
		full := path.Join(w.rules.Top, name)
		for i, c := range full {
			if c != '/' || w.dirs[full[:i]] || i <= len(w.rules.Top) {
				continue
			}
			w.dirs[full[:i]] = true
			if err := w.dst.WriteHeader(w.header(tar.TypeDir, full[:i]+"/", 0o755)); err != nil {
				return err
			}
		}
		if err := w.edit(name, nil, w.header(tar.TypeReg, full, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

func (w *patcher) header(kind byte, name string, mode int64) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: mode, Uid: w.rules.UID, Gid: w.rules.GID, ModTime: w.rules.MTime}
}
