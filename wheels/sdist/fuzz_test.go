package sdist

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

// opens checks that whatever the archive: it is refused by an error of ours, or its
// stream is clean and within bounds.
func opens(t *testing.T, data []byte, name string) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	small := limits{members: 1000, total: 1 << 22, free: 1 << 20, ratio: 10}
	s, err := open(path, name, "", true, small)
	if err != nil {
		var bad *BadError
		var errs strict.Errors
		if !errors.As(err, &bad) && !errors.As(err, &errs) {
			t.Fatalf("%T: %v", err, err)
		}
		return
	}
	if s.Size > small.total || s.Newest.Year() < 1980 || s.Newest.Year() > 2099 || s.Build.Backend == "" {
		t.Errorf("got %+v", s)
	}
	seen := map[string]bool{}
	pr, pw := io.Pipe()
	go func() {
		w := tar.NewWriter(pw)
		err := s.WriteTar(w, "top", 1, 1)
		if err == nil {
			err = w.Close()
		}
		pw.CloseWithError(err)
	}()
	err = each(tar.NewReader(pr), func(hdr *tar.Header, r io.Reader) error {
		name := strings.TrimSuffix(hdr.Name, "/")
		if seen[name] || name != "top" && !strings.HasPrefix(name, "top/") || slices.Contains(strings.Split(name, "/"), "..") {
			t.Errorf("member %q", hdr.Name)
		}
		seen[name] = true
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err != nil {
		t.Errorf("what was read before is not written: %v", err)
	}
}

func FuzzTar(f *testing.F) {
	data := tarball(f, plain()...)
	f.Add(data)
	f.Add(gzipped(f, data))
	f.Add(xzed(f, data))
	f.Add(tarball(f, file("a/setup.py", ""), link(tar.TypeSymlink, "a/b/c", "../d"), link(tar.TypeLink, "a/e", "a/setup.py"), dir("./")))
	f.Fuzz(func(t *testing.T, data []byte) { opens(t, data, "foo-1.0.tar.gz") })
}

func FuzzZip(f *testing.F) {
	f.Add(zipped(f, plain()...))
	f.Add(rawZip(nil, setupPy, raw{name: "foo-1.0/l", body: "setup.py", mode: fs.ModeSymlink}, raw{name: "foo-1.0/d/", mode: fs.ModeDir}))
	f.Add(rawZip(nil, setupPy, raw{name: "foo-1.0/a", body: "abc", flags: 8, streamed: true, after: "\xc2\x41\x24\x35\x03\x00\x00\x00\x03\x00\x00\x00"}))
	f.Fuzz(func(t *testing.T, data []byte) { opens(t, data, "foo-1.0.zip") })
}

// FuzzSystem checks that what is accepted has requirements that can be read, a backend
// that can be imported and paths within the source.
func FuzzSystem(f *testing.F) {
	f.Add("[build-system]\nrequires = ['a', 'b>1']\nbuild-backend = 'a:b'\nbackend-path = ['.']\n[project]\nx = 1")
	f.Add("build-system = {requires = []}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := system("x/pyproject.toml", []byte(text))
		if err != nil {
			var errs strict.Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		for _, r := range s.Requires {
			if _, err := pep.ParseRequirement(r); err != nil {
				t.Error(err)
			}
		}
		for _, dir := range s.Path {
			if !fs.ValidPath(dir) {
				t.Errorf("path %q", dir)
			}
		}
		if !isObject(s.Backend) {
			t.Errorf("backend %q", s.Backend)
		}
	})
}
