package sdist

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// project is a directory with a source in libs/foo.
func project(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put(t, root, "libs/foo/pyproject.toml", "[build-system]\nrequires = [\"flit_core\"]\n")
	put(t, root, "libs/foo/a.py", "a = 1\n")
	put(t, root, "libs/foo/a/b.py", "")
	return root
}

func put(t *testing.T, root, name, body string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(body), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func openRoot(t *testing.T, root, dir string) (*Source, error) {
	t.Helper()
	r, err := os.OpenRoot(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return OpenDir(r.FS(), dir, nil)
}

func TestOpenDir(t *testing.T) {
	root := project(t)
	s, err := openRoot(t, root, "libs/foo")
	if err != nil {
		t.Fatal(err)
	}
	// By dirhash.HashDir of golang.org/x/mod with an empty prefix.
	const want = "h1:S5p9kBV6cuCvEBKNUsIWgpnNZutKhaY+5JsPtaHkQNE="
	if s.Hash() != want {
		t.Errorf("got %s, want %s", s.Hash(), want)
	}
	if s.File != "libs/foo" || s.Newest.Format("2006-01-02") != "1980-01-01" || s.Build.Requires[0] != "flit_core" {
		t.Errorf("got %+v", s)
	}
	lines := []string{
		"5 755 build/ ", "5 755 build/src/ ", "5 755 build/src/a/ ", "0 644 build/src/a/b.py ", "0 644 build/src/a.py a = 1\n",
		"0 644 build/src/pyproject.toml [build-system]\nrequires = [\"flit_core\"]\n",
	}
	if diff := cmp.Diff(lines, listing(t, s)); diff != "" {
		t.Error(diff)
	}
	// The same by another file system and from another directory.
	if other, err := OpenDir(os.DirFS(filepath.Join(root, "libs/foo")), ".", nil); err != nil || other.Hash() != want {
		t.Errorf("got %v, %v", other, err)
	}
}

// TestHash: what makes another tree makes another hash, and nothing else does.
func TestHash(t *testing.T) {
	hash := func(change func(dir string) error) string {
		root := project(t)
		if err := change(filepath.Join(root, "libs/foo")); err != nil {
			t.Fatal(err)
		}
		s, err := openRoot(t, root, "libs/foo")
		if err != nil {
			t.Fatal(err)
		}
		return s.Hash()
	}
	same := hash(func(string) error { return nil })
	seen := map[string]string{same: "nothing"}
	for about, change := range map[string]func(dir string) error{
		"a byte":     func(d string) error { return os.WriteFile(d+"/a.py", []byte("a = 2\n"), 0o644) },
		"a name":     func(d string) error { return os.Rename(d+"/a.py", d+"/c.py") },
		"executable": func(d string) error { return os.Chmod(d+"/a.py", 0o755) },
		"one more":   func(d string) error { return os.WriteFile(d+"/c.py", nil, 0o644) },
		"a link":     func(d string) error { return os.Symlink("a.py", d+"/c.py") },
		"its target": func(d string) error { return os.Symlink("a", d+"/c.py") },
	} {
		got := hash(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s: the same as %s", about, other)
		}
		seen[got] = about
	}
	for about, change := range map[string]func(dir string) error{
		"a time":             func(d string) error { return os.Chtimes(d+"/a.py", noon, noon) },
		"a mode":             func(d string) error { return os.Chmod(d+"/a.py", 0o600) },
		"an empty directory": func(d string) error { return os.Mkdir(d+"/empty", 0o755) },
	} {
		if hash(change) != same {
			t.Errorf("%s makes another hash", about)
		}
	}
}

func TestLeftOut(t *testing.T) {
	root := project(t)
	want, err := openRoot(t, root, "libs/foo")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		".git/config", ".hg/x", "sub/.git", "a/__pycache__/b.cpython-313.pyc", "old.pyc", ".tox/x", ".nox/x", ".mypy_cache/x",
		".pytest_cache/x", ".ruff_cache/x", "env/pyvenv.cfg", "env/bin/python", "foo.egg-info/SOURCES.txt", "src/foo.egg-info/PKG-INFO", ".eggs/x",
		"build/lib/a.py", "build/lib.linux-x86_64-cpython-313/a.so", "build/bdist.linux-x86_64/x", "build/temp.linux-x86_64/a.o",
		"dist/foo-1.0-py3-none-any.whl", "dist/foo-1.0.tar.gz",
	} {
		put(t, filepath.Join(root, "libs/foo"), name, "x")
	}
	got, err := openRoot(t, root, "libs/foo")
	if err != nil {
		t.Fatal(err)
	}
	if got.Hash() != want.Hash() {
		t.Errorf("not left out:\n%s", strings.Join(listing(t, got), "\n"))
	}
	for _, name := range []string{"build/notes.py", "build/libs/x", "dist/x.py", "sub/build/lib/x", "sub/dist/x.whl", "egg-info/x", ".github/x", "git"} {
		put(t, filepath.Join(root, "libs/foo"), name, "x")
		if s, err := openRoot(t, root, "libs/foo"); err != nil || s.Hash() == want.Hash() {
			t.Errorf("%s is left out: %v", name, err)
		}
		if err := os.Remove(filepath.Join(root, "libs/foo", name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBadDir(t *testing.T) {
	root := project(t)
	outside := project(t)
	for name, target := range map[string]string{"libs/link": "foo", "out": outside} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, root, "libs/empty/x", "")
	put(t, root, "libs/escape/setup.py", "")
	put(t, root, "libs/broken/setup.py", "a\nb")
	put(t, root, "libs/fifo/setup.py", "")
	put(t, root, "libs/info/setup.py", "")
	put(t, root, "libs/info/PKG-INFO", "rubbish")
	if err := errors.Join(os.Symlink("../../x", filepath.Join(root, "libs/escape/a")), os.WriteFile(filepath.Join(root, "libs/broken/a\nb"), nil, 0o644),
		syscall.Mkfifo(filepath.Join(root, "libs/fifo/pipe"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"libs/link":        `libs/link: "libs/link": is not a directory`,
		"out/libs/foo":     `out/libs/foo: "out": is not a directory`,
		"libs/foo/a.py":    `libs/foo/a.py: "libs/foo/a.py": is not a directory`,
		"libs/empty":       "libs/empty: nothing that builds: neither pyproject.toml nor setup.py",
		"libs/escape":      `libs/escape: "a": symbolic link to "../../x": leaves the archive`,
		"libs/broken":      `libs/broken: "a\nb": name contains a line break`,
		"libs/fifo":        `libs/fifo: pack pipe: neither regular file, directory nor link`,
		"../x":             `directory "../x": want one within the project`,
		"":                 `directory "": want one within the project`,
		"libs/none":        "statat libs/none: no such file or directory",
		"libs/info/../foo": `directory "libs/info/../foo": want one within the project`,
	} {
		for _, fsys := range []string{"root", "dir"} {
			var err error
			if fsys == "root" {
				_, err = openRoot(t, root, dir)
			} else {
				_, err = OpenDir(os.DirFS(root), dir, nil)
			}
			if err == nil || err.Error() != want && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s by %s: got %v, want %s", dir, fsys, err, want)
			}
		}
	}
	if s, err := openRoot(t, root, "libs/info"); err != nil || s.Metadata != nil {
		t.Errorf("got %v, %v", s, err)
	}
}

// TestChanged: what was hashed is what is written, or it is an error.
func TestChanged(t *testing.T) {
	root := project(t)
	s, err := openRoot(t, root, "libs/foo")
	if err != nil {
		t.Fatal(err)
	}
	listing(t, s)
	put(t, root, "libs/foo/a.py", "a = 2\n")
	err = s.WriteTar(tar.NewWriter(io.Discard), "build/src", 0, 0)
	if err == nil || err.Error() != "libs/foo: changed while it was read" {
		t.Errorf("got %v", err)
	}
	full := errors.New("full")
	if err := s.WriteTar(tar.NewWriter(failing{full}), "x", 0, 0); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}
