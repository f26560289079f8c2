package python

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/nfpm"
)

// stagedTree is what a build leaves, a file or two of every kind.
var stagedTree = []string{
	"opt/python/3.13/bin/python3.13",
	"opt/python/3.13/bin/python3.13-config",
	"opt/python/3.13/bin/idle3.13",
	"opt/python/3.13/include/python3.13/Python.h",
	"opt/python/3.13/lib/libpython3.13.so.1.0",
	"opt/python/3.13/lib/libpython3.so",
	"opt/python/3.13/lib/python3.13/LICENSE.txt",
	"opt/python/3.13/lib/python3.13/os.py",
	"opt/python/3.13/lib/python3.13/__pycache__/os.cpython-313.pyc",
	"opt/python/3.13/lib/python3.13/turtle.py",
	"opt/python/3.13/lib/python3.13/__pycache__/turtle.cpython-313.pyc",
	"opt/python/3.13/lib/python3.13/ensurepip/__init__.py",
	"opt/python/3.13/lib/python3.13/ensurepip/__pycache__/__init__.cpython-313.pyc",
	"opt/python/3.13/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so",
	"opt/python/3.13/lib/python3.13/lib-dynload/_testcapi.cpython-313-x86_64-linux-gnu.so",
	"opt/python/3.13/lib/python3.13/test/test_json.py",
	"usr/lib/debug/.build-id/ab/cdef.debug",
	"usr/share/gdb/auto-load/opt/python/3.13/bin/python3.13-gdb.py",
}

// fakeStage is a staged tree as after collect, with dependencies that are made
// up.
func fakeStage(t *testing.T, p *Plan) *stage {
	t.Helper()
	s := &stage{plan: p, dir: t.TempDir(), epoch: time.Date(2025, 6, 11, 15, 4, 5, 0, time.UTC), license: []byte("The terms.\n")}
	for _, name := range stagedTree {
		file := filepath.Join(s.dir, name)
		write(t, file, name+"\n")
		if strings.HasPrefix(name, "opt/python/3.13/bin/") {
			if err := os.Chmod(file, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink("python3.13", filepath.Join(s.dir, "opt/python/3.13/bin/python3")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("libpython3.13.so.1.0", filepath.Join(s.dir, "opt/python/3.13/lib/libpython3.13.so")); err != nil {
		t.Fatal(err)
	}
	tree, err := nfpm.Tree(s.dir, "/")
	if err != nil {
		t.Fatal(err)
	}
	if s.layout, err = newLayout(p); err != nil {
		t.Fatal(err)
	}
	s.divide(tree)
	s.depends = map[string][]string{
		"pybake-python3.13":    {"libc6 (>= 2.38)", "libssl3t64 (>= 3.0.0)"},
		"pybake-libpython3.13": {"libc6 (>= 2.38)"},
	}
	return s
}

func inspectFile(t *testing.T, name string) *nfpm.Contents {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := nfpm.Inspect(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// TestPackages writes the packages of two releases and prints what is in them.
func TestPackages(t *testing.T) {
	p := planFor(t, request("3.13.5"))
	s := fakeStage(t, p)
	for _, release := range []int{1, 2} {
		dir := t.TempDir()
		files, err := s.write(t.Context(), dir, release, p.Distro.Package.Compression)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != len(s.layout.Packages) {
			t.Fatalf("%d packages, want %d", len(files), len(s.layout.Packages))
		}
		var b strings.Builder
		for i, f := range files {
			c := inspectFile(t, filepath.Join(dir, f.Path))
			fmt.Fprintf(&b, "==> %s\n%s", f.Path, c.Control["control"])
			for _, name := range []string{"preinst", "postinst", "prerm", "postrm", "triggers", "conffiles"} {
				if c.Control[name] != nil {
					fmt.Fprintf(&b, "(%s)\n", name)
				}
			}
			for _, e := range c.Files {
				if !e.Mode.IsDir() {
					fmt.Fprintf(&b, "%v %s%s\n", e.Mode, e.Path, arrow(e.Link))
				}
				if e.Owner != "root:root 0:0" || !e.Time.Equal(s.epoch) {
					t.Errorf("%s: %s: %s %v", f.Path, e.Path, e.Owner, e.Time)
				}
			}
			b.WriteString("\n")
			want := artifacts.Package{
				Name: s.layout.Packages[i].Name, Version: c.Fields["Version"], Architecture: c.Fields["Architecture"],
				InstalledSize: f.Package.InstalledSize,
			}
			if diff := cmp.Diff(&want, f.Package); diff != "" {
				t.Errorf("%s: %s", f.Path, diff)
			}
		}
		golden(t, fmt.Sprintf("packages-%d.golden", release), b.String())
	}
}

func arrow(link string) string {
	if link == "" {
		return ""
	}
	return " -> " + link
}

// TestCompanions holds the packages of one build together: what they depend on
// of each other has their own version, in the next release too.
func TestCompanions(t *testing.T) {
	p := planFor(t, request("3.13.5"))
	s := fakeStage(t, p)
	for release, version := range map[int]string{1: "3.13.5-1+deb13", 2: "3.13.5-2+deb13", 12: "3.13.5-12+deb13"} {
		for i := range s.layout.Packages {
			built := s.build(&s.layout.Packages[i], release, "gzip")
			if built.Version != version {
				t.Errorf("%s: version %s", built.Name, built.Version)
			}
			n := 0
			for _, d := range built.Depends {
				if strings.HasPrefix(d, "pybake-") {
					n++
					if !strings.HasSuffix(d, " (= "+version+")") {
						t.Errorf("%s %s depends on %s", built.Name, version, d)
					}
				}
			}
			if (n == 0) != (built.Name == "pybake-python3.13") {
				t.Errorf("%s depends on %d companions", built.Name, n)
			}
		}
	}
}

// TestSameBytes writes the packages twice.
func TestSameBytes(t *testing.T) {
	p := planFor(t, request("3.13.5"))
	var first []artifacts.File
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		files, err := fakeStage(t, p).write(t.Context(), dir, 1, p.Distro.Package.Compression)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = files
		}
		if diff := cmp.Diff(first, files); diff != "" {
			t.Error(diff)
		}
	}
	for _, f := range first {
		if !bytes.Equal(read(t, filepath.Join(dirs[0], f.Path)), read(t, filepath.Join(dirs[1], f.Path))) {
			t.Errorf("%s: other bytes", f.Path)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWriteOnly writes some of the packages.
func TestWriteOnly(t *testing.T) {
	dir := t.TempDir()
	s := fakeStage(t, planFor(t, request("3.13.5")))
	files, err := s.write(t.Context(), dir, 2, "gzip:1", "pybake-python3.13", "pybake-python3.13-venv")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range files {
		want = append(want, f.Path)
	}
	slices.Sort(want)
	if diff := cmp.Diff([]string{"pybake-python3.13-venv_3.13.5-2+deb13_amd64.deb", "pybake-python3.13_3.13.5-2+deb13_amd64.deb"}, want); diff != "" {
		t.Error(diff)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(found) != 2 {
		t.Errorf("%v, %v", found, err)
	}
}

// TestWriteFails leaves no package that is not whole.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	s := fakeStage(t, planFor(t, request("3.13.5")))
	if err := os.Remove(filepath.Join(s.dir, "opt/python/3.13/lib/python3.13/os.py")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.write(t.Context(), dir, 1, "gzip:1", "pybake-python3.13"); err == nil || !strings.Contains(err.Error(), "os.py") {
		t.Errorf("error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestInstalledSize is what the control file says.
func TestInstalledSize(t *testing.T) {
	s := fakeStage(t, planFor(t, request("3.13.5")))
	write(t, filepath.Join(s.dir, "opt/python/3.13/bin/python3.13"), strings.Repeat("x", 3<<20))
	dir := t.TempDir()
	files, err := s.write(t.Context(), dir, 1, "gzip:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		field := inspectFile(t, filepath.Join(dir, f.Path)).Fields["Installed-Size"]
		if got := fmt.Sprint(f.Package.InstalledSize); got != field {
			t.Errorf("%s: manifest %s, control file %s", f.Path, got, field)
		}
	}
}

// TestDocuments reads what policy wants in /usr/share/doc.
func TestDocuments(t *testing.T) {
	p := planFor(t, request("3.13.5"))
	s := fakeStage(t, p)
	for i := range s.layout.Packages {
		r := &s.layout.Packages[i]
		byPath := map[string]nfpm.File{}
		for _, f := range s.build(r, 2, "gzip").Files {
			byPath[f.Path] = f
		}
		doc := "/usr/share/doc/" + r.Name
		if r.DocOf != "" {
			// Policy 12.3: allowed for packages of one source with an exact dependency.
			if byPath[doc].Link != r.DocOf || !slices.Contains(r.Depends, r.DocOf+" (= 3.13.5-1+deb13)") {
				t.Errorf("%s: link to %q, depends %q", doc, byPath[doc].Link, r.Depends)
			}
			continue
		}
		copyright := string(byPath[doc+"/copyright"].Content)
		if !strings.HasPrefix(copyright, "CPython 3.13.5 ") || !strings.HasSuffix(copyright, "\nThe terms.\n") {
			t.Errorf("%s: copyright:\n%s", r.Name, copyright)
		}
		zipped := byPath[doc+"/changelog.Debian.gz"].Content
		z, err := gzip.NewReader(bytes.NewReader(zipped))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if !z.ModTime.IsZero() || z.Name != "" {
			t.Errorf("%s: changelog of %v, named %q: want neither", r.Name, z.ModTime, z.Name)
		}
		want := r.Name + " (3.13.5-2+deb13) trixie; urgency=medium\n\n  * CPython 3.13.5, compiled from the release of that day.\n\n -- " +
			Maintainer + "  Wed, 11 Jun 2025 15:04:05 +0000\n"
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s: changelog: %s", r.Name, diff)
		}
	}
}

// TestOverrides holds every silenced lintian tag to a reason above it.
func TestOverrides(t *testing.T) {
	s := fakeStage(t, planFor(t, request("3.13.5")))
	var b strings.Builder
	for i := range s.layout.Packages {
		r := &s.layout.Packages[i]
		for _, o := range slices.Concat(s.layout.Overrides, r.Overrides) {
			if len(strings.Fields(o.Reason)) < 3 || strings.Contains(o.Reason, "\n") || strings.Fields(o.Tag)[0] == "" {
				t.Errorf("%s: override %q because %q", r.Name, o.Tag, o.Reason)
			}
		}
		file := "/usr/share/lintian/overrides/" + r.Name
		built := s.build(r, 1, "gzip")
		at := slices.IndexFunc(built.Files, func(f nfpm.File) bool { return f.Path == file })
		switch text := s.overrides(r); {
		case at < 0 && text != "", at >= 0 && string(built.Files[at].Content) != text:
			t.Errorf("%s: not the overrides", file)
		case at >= 0:
			fmt.Fprintf(&b, "==> %s\n%s\n", file, text)
		}
	}
	golden(t, "overrides.golden", b.String())
}
