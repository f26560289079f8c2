package sdist

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/strict"
)

// maxInfo is how many bytes of PKG-INFO are read.
const maxInfo = 16 << 20

// stream calls f for every member of the tree, which it is given clean.
func stream(t tree, rules fetch.Rules, f func(hdr *tar.Header, r io.Reader) error) error {
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		w := tar.NewWriter(pw)
		err := t.copy(w, rules)
		if err == nil {
			err = w.Close()
		}
		pw.CloseWithError(err)
		done <- err
	}()
	err := each(tar.NewReader(pr), f)
	pr.CloseWithError(errStop)
	if wrote := <-done; wrote != nil && !errors.Is(wrote, errStop) {
		return wrote
	}
	return err
}

func each(r *tar.Reader, f func(hdr *tar.Header, r io.Reader) error) error {
	for {
		hdr, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(hdr, r); err != nil {
			return err
		}
	}
}

// scan is what one pass over a tree finds.
type scan struct {
	sub    string // where the project is
	hashes *hashes

	found     bool // there is something in sub
	setup     bool // there is a setup.py
	pyproject []byte
	info      []byte
	newest    time.Time
	size      int64
	compiled  int
	cargo     bool
	crates    []File
}

// maxCargo is how many manifests and locks of cargo are kept.
const maxCargo = 2000

func (s *scan) member(hdr *tar.Header, r io.Reader) error {
	name := strings.TrimSuffix(hdr.Name, "/")
	rel := name
	if s.sub != "" {
		var ok bool
		if rel, ok = strings.CutPrefix(name+"/", s.sub+"/"); ok {
			s.found, rel = true, strings.TrimSuffix(rel, "/")
		} else {
			rel = ""
		}
	}
	if hdr.Typeflag == tar.TypeDir {
		return nil
	}
	s.count(name, rel)
	s.setup = s.setup || rel == "setup.py"
	if hdr.Typeflag == tar.TypeReg {
		s.size += hdr.Size
		if hdr.ModTime.After(s.newest) {
			s.newest = hdr.ModTime
		}
	}
	sum := sha256.New()
	if s.hashes != nil {
		r = io.TeeReader(r, sum)
	}
	var err error
	base := path.Base(name)
	switch {
	case rel == "pyproject.toml":
		s.pyproject, err = small(hdr, r, strict.MaxSize)
	case rel == "PKG-INFO":
		s.info, err = small(hdr, r, maxInfo)
	case (base == "Cargo.toml" || base == "Cargo.lock") && hdr.Typeflag == tar.TypeReg && hdr.Size <= strict.MaxSize && !aside(name) && len(s.crates) < maxCargo:
		var data []byte
		data, err = small(hdr, r, strict.MaxSize)
		s.crates = append(s.crates, File{name, data})
	}
	if err == nil && s.hashes != nil {
		err = s.hashes.add(name, hdr, sum, r)
	}
	return err
}

// count takes hints from names on what will be compiled: tests and examples are not.
func (s *scan) count(name, rel string) {
	if aside(name) {
		return
	}
	switch path.Ext(name) {
	case ".c", ".cc", ".cpp", ".cxx", ".cu", ".m", ".mm", ".pyx", ".rs", ".f", ".f77", ".f90", ".f95", ".for", ".s", ".S", ".asm", ".go", ".swg":
		s.compiled++
	}
	if path.Base(rel) == "Cargo.toml" && strings.Count(rel, "/") <= 2 {
		s.cargo = true
	}
}

// aside is whether a file belongs to tests or examples.
func aside(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if hasAnyPrefix(part, "test", "example") {
			return true
		}
	}
	return false
}

// small takes the bytes of a file that is small; never nil.
func small(hdr *tar.Header, r io.Reader, limit int64) ([]byte, error) {
	if hdr.Typeflag != tar.TypeReg {
		return nil, &BadError{Member: hdr.Name, Problem: "is a link; want the file itself"}
	}
	if hdr.Size > limit {
		return nil, &BadError{Member: hdr.Name, Problem: fmt.Sprintf("%d bytes: more than %d, which is as much as is read", hdr.Size, limit)}
	}
	data := make([]byte, hdr.Size)
	_, err := io.ReadFull(r, data)
	return data, err
}

// sum is the hash of what was seen.
func (s *scan) sum() string {
	if s.hashes == nil {
		return ""
	}
	return s.hashes.sum()
}
