package wheels

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/lock"
	"github.com/pybake/pybake/wheels/sdist"
)

// tarball is a source distribution, a-1.0.tar.gz.
func tarball(t *testing.T, files map[string]string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a-1.0/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	w.Close()
	z.Close()
	name := filepath.Join(t.TempDir(), "a-1.0.tar.gz")
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestPatch has a build take what the recipe's patch makes of the source.
func TestPatch(t *testing.T) {
	file := tarball(t, map[string]string{
		"setup.py": "x\n", "pyproject.toml": "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n",
	})
	for _, c := range []struct {
		name, diff, kind string
		want, err        string
	}{
		{"a source distribution", "--- a/setup.py\n+++ b/setup.py\n@@ -1 +1 @@\n-x\n+y\n", "registry", "y\n", ""},
		{"of another version", "--- a/setup.py\n+++ b/setup.py\n@@ -1 +1 @@\n-z\n+y\n", "registry", "",
			`a-1.0.tar.gz: recipes/wheels/a/fix.patch: setup.py: hunk 1, line 1 of the file: is "x\n", not "z\n"`},
		{"a directory of the project", "--- a/setup.py\n+++ b/setup.py\n@@ -1 +1 @@\n-x\n+y\n", "directory", "x\n", ""},
	} {
		set, err := recipes.Load(fstest.MapFS{
			"wheels/a.toml":      {Data: []byte("patches = [{ file = \"fix.patch\", why = \"it has to be y\" }]\n")},
			"wheels/a/fix.patch": {Data: []byte(c.diff)},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := &Plan{Distro: "trixie", req: Request{Recipes: set}}
		pkg := &Package{Name: "a", Version: "1.0", selected: lock.Selected{Source: lock.Source{Kind: lock.SourceKind(c.kind)}}}
		job := task{p: p, source: p.sourceOf(pkg)}
		if job.src, err = sdist.Open(file, "a-1.0.tar.gz"); err != nil {
			t.Fatal(err)
		}
		err = job.patch()
		if fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := job.src.WriteTar(w, "src", 0, 0); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "\x00"+c.want) {
			t.Errorf("%s: setup.py is not %q", c.name, c.want)
		}
	}
}
