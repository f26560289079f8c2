package artifacts_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func open(t testing.TB, dir string) *artifacts.Store {
	t.Helper()
	s, err := artifacts.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// write makes files, with directories, below dir.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// publish builds an artifact from files.
func publish(t testing.TB, s *artifacts.Store, kind string, m artifacts.Manifest, files map[string]string) *artifacts.Artifact {
	t.Helper()
	d, err := s.Begin(kind)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	write(t, d.Dir(), files)
	a, err := d.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// simple is a manifest whose key depends on value.
func simple(name, value string) artifacts.Manifest {
	return artifacts.Manifest{Name: name, Inputs: inputs{{Name: "value", Value: value}}}
}

// isEmpty fails the test if a directory of the store holds anything.
func isEmpty(t testing.TB, s *artifacts.Store, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Dir(), dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s/%s is left over", dir, e.Name())
	}
}

var fullManifest = artifacts.Manifest{
	Name:   "python 3.13.5 trixie amd64",
	Labels: map[string]string{"series": "3.13", "distro": "trixie", "arch": "amd64"},
	Inputs: inputs{
		{Name: "cpython.version", Value: "3.13.5"},
		{Name: "builder.package.gcc-14", Value: "14.2.0-19", Note: "from deb.example.org <&>"},
	},
	Files: []artifacts.File{{
		Path:    "pybake-python3.13_3.13.5-1+deb13_amd64.deb",
		Package: &artifacts.Package{Name: "pybake-python3.13", Version: "3.13.5-1+deb13", Architecture: "amd64", InstalledSize: 31000},
	}},
	Checks:   []artifacts.Check{{Name: "packages install", OK: true, Seconds: 2.5}, {Name: "every stdlib module imports", OK: true, Seconds: 4, Detail: "212 modules"}},
	Steps:    []artifacts.Step{{Name: "fetch", Seconds: 0.25}, {Name: "compile", Seconds: 157}},
	Started:  time.Date(2026, 1, 2, 15, 4, 5, 0, time.FixedZone("", 3600)),
	Finished: time.Date(2026, 1, 2, 15, 7, 5, 123456789, time.FixedZone("", 3600)),
}

var fullFiles = map[string]string{
	"pybake-python3.13_3.13.5-1+deb13_amd64.deb": "not really a package\n",
	"extra/notes.txt": "notes\n",
	"logs/build.log":  "cc\n",
}

// What Publish writes is what the documentation says, modes included.
func TestPublish(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	s := open(t, filepath.Join(t.TempDir(), "new", "baked"))
	a := publish(t, s, "python", fullManifest, fullFiles)

	for _, name := range []string{"manifest.json", "SHA256SUMS"} {
		got, err := os.ReadFile(filepath.Join(a.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if *update {
			write(t, "testdata", map[string]string{name: string(got)})
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", golden, d)
		}
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = filepath.Join(s.Dir(), "python", "3.13.5-trixie-amd64")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", check, err, out)
	}
	err := filepath.WalkDir(s.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() == fs.ModeSymlink {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o644)
		if entry.IsDir() {
			want = 0o755
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.Find("python", a.Key)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a, found); d != "" {
		t.Errorf("Find after Publish (-published +found):\n%s", d)
	}
	if want := int64(len("not really a package\nnotes\n")); a.Size() != want {
		t.Errorf("Size() = %d, want %d", a.Size(), want)
	}
	if err := s.Verify(t.Context(), a); err != nil {
		t.Error(err)
	}
	isEmpty(t, s, "tmp")
	isEmpty(t, s, "locks")
}

// Reading creates nothing, and says that nothing is there.
func TestEmptyStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "baked")
	s := open(t, dir)
	key := newKey(t, "python", nil)
	_, find := s.Find("python", key)
	_, lookup := s.Lookup("python 3.13.5")
	_, prefix := s.Lookup(string(key[:6]))
	_, latest := s.Latest("python", nil)
	for what, err := range map[string]error{"Find": find, "Lookup": lookup, "Lookup of a key": prefix, "Latest": latest, "Remove": s.Remove(t.Context(), "python", key)} {
		if !errors.Is(err, artifacts.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
	if list, errs := s.List(); len(list)+len(errs) > 0 {
		t.Errorf("List: %v, %v", list, errs)
	}
	if removed, err := s.Sweep(); len(removed) > 0 || err != nil {
		t.Errorf("Sweep: %v, %v", removed, err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the store was created: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct{ files, want string }{
		{`{"format": 2}`, "format 2 is newer than this pybake reads (1)"},
		{`{"format": 0}`, "format 0 is not known"},
		{`{`, "store.json: unexpected end of JSON input"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"store.json": c.files})
		if _, err := artifacts.Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open with %s: %v, want %q", c.files, err, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(file), map[string]string{"file": ""})
	if _, err := artifacts.Open(file); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("Open of a file: %v, want ENOTDIR", err)
	}
}

// Publish and Point move a stable name; nothing but a link is replaced.
func TestPoint(t *testing.T) {
	s := open(t, t.TempDir())
	one := publish(t, s, "python", simple("python x", "1"), nil)
	two := publish(t, s, "python", simple("python x", "2"), nil)
	pointsAt := func(name string, want *artifacts.Artifact) {
		t.Helper()
		target, err := os.Readlink(filepath.Join(s.Dir(), "python", name))
		if err != nil || target != "../artifacts/python/"+string(want.Key) {
			t.Errorf("python/%s → %q, %v; want %s", name, target, err, want.Key)
		}
	}
	pointsAt("x", two)
	for range 2 {
		if err := errors.Join(s.Point(t.Context(), one, "python x"), s.Point(t.Context(), one, "python y z")); err != nil {
			t.Fatal(err)
		}
		pointsAt("x", one)
		pointsAt("y-z", one)
	}
	// Published again under another name: the first artifact, both names.
	publish(t, s, "python", simple("python other", "1"), map[string]string{"dropped": ""})
	pointsAt("other", one)
	pointsAt("x", one)

	write(t, s.Dir(), map[string]string{"python/mine": "precious"})
	if err := s.Point(t.Context(), one, "python mine"); err == nil || !strings.Contains(err.Error(), "something else is there") {
		t.Errorf("Point at a user's file: %v", err)
	}
	if err := s.Remove(t.Context(), "python", one.Key); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(filepath.Join(s.Dir(), "python"))
	if err != nil || len(names) != 1 || names[0].Name() != "mine" {
		t.Errorf("names after Remove: %v, %v", names, err)
	}
	if err := s.Point(t.Context(), one, "python x"); !errors.Is(err, artifacts.ErrNotFound) {
		t.Errorf("Point at a removed artifact: %v, want ErrNotFound", err)
	}
	isEmpty(t, s, "tmp")
}

// Sweep takes dead drafts, and neither living ones nor what it does not know.
func TestSweep(t *testing.T) {
	s := open(t, t.TempDir())
	living, err := s.Begin("python")
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.Dir(), map[string]string{"tmp/draft-python-1/artifact/a": "", "tmp/mine/a": "", "tmp/draft-file": ""})
	removed, err := s.Sweep()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{filepath.Join(s.Dir(), "tmp", "draft-python-1")}, removed); d != "" {
		t.Errorf("swept (-want +got):\n%s", d)
	}
	for _, path := range []string{living.Dir(), s.Dir() + "/tmp/mine/a", s.Dir() + "/tmp/draft-file"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := living.Publish(t.Context(), simple("python x", "")); err != nil {
		t.Error(err)
	}
}

func BenchmarkFind(b *testing.B) {
	s := open(b, b.TempDir())
	m := artifacts.Manifest{Name: "python 3.13.5 trixie amd64"}
	for i := range 300 {
		m.Inputs = append(m.Inputs, artifacts.Input{
			Name:  fmt.Sprintf("builder.package.lib%03d-dev", i),
			Value: fmt.Sprintf("%d.2.0-19 sha256:%064x", i, i),
			Note:  "from a mirror",
		})
	}
	files := map[string]string{}
	for i := range 10 {
		files[fmt.Sprintf("package%d_3.13.5-1+deb13_amd64.deb", i)] = strings.Repeat("x", 1<<20)
	}
	a := publish(b, s, "python", m, files)
	for b.Loop() {
		if _, err := s.Find("python", a.Key); err != nil {
			b.Fatal(err)
		}
	}
}
