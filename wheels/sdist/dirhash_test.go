package sdist

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/dirhash"
)

// TestDirhash holds the hash of a tree without links and programs to that of x/mod,
// which would have to read the tree once more.
func TestDirhash(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pyproject.toml":  "[build-system]\nrequires = [\"flit_core\"]\nbuild-backend = \"flit_core.buildapi\"\n",
		"foo/__init__.py": "x = 1\n", "foo/a.b/c.txt": "", "foo.py": "y = 2\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	src, err := OpenDir(os.DirFS(dir), ".", nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := dirhash.HashDir(dir, "", dirhash.Hash1)
	if err != nil {
		t.Fatal(err)
	}
	if src.Hash() != want {
		t.Errorf("%s, dirhash says %s", src.Hash(), want)
	}
}
