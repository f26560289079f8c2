package image

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/image/install"
	"github.com/pybake/pybake/internal/image/layer"
)

// installed is what installing a wheel gives: files by name, with their directories.
func installed(t *testing.T, dir, name string, files ...string) (tree, string, contents) {
	t.Helper()
	var plain bytes.Buffer
	tw := tar.NewWriter(&plain)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[i+1]))}
		if strings.HasSuffix(files[i], "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(tw, files[i+1])
	}
	tw.Close()
	index := contents{}
	path := filepath.Join(dir, name)
	if err := create(path, func(w io.Writer) error { return fragment(w, &plain, index) }); err != nil {
		t.Fatal(err)
	}
	return tree{wheel: install.Wheel{Name: name}}, path, index
}

// TestCombine: two wheels may have one file if it is the same; the layer has it,
// and every directory, once.
func TestCombine(t *testing.T) {
	dir := t.TempDir()
	a, aPath, aIndex := installed(t, dir, "a-1.whl", "venv/ns/", "", "venv/ns/__init__.py", "", "venv/ns/a.py", "a")
	b, bPath, bIndex := installed(t, dir, "b-1.whl", "venv/ns/", "", "venv/ns/__init__.py", "", "venv/ns/b.py", "b", "venv/b/", "", "venv/b/c.py", "c")
	scratch := t.TempDir()
	fragments, err := combine([]tree{a, b}, []string{aPath, bPath}, []contents{aIndex, bIndex}, 0, scratch)
	if err != nil {
		t.Fatal(err)
	}
	if fragments[1] != aPath {
		t.Errorf("the first tree was written anew: %s", fragments[1])
	}
	blob, err := join(filepath.Join(scratch, blobFile), fragments)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(blob.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	err = layer.Walk(f, func(e layer.Entry, r io.Reader) error {
		text, err := io.ReadAll(r)
		got = append(got, e.Name+" "+string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"venv/b ", "venv/ns ", "venv/ns/__init__.py ", "venv/ns/a.py a", "venv/b/c.py c", "venv/ns/b.py b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCombineClash(t *testing.T) {
	dir := t.TempDir()
	a, aPath, aIndex := installed(t, dir, "a-1.whl", "venv/ns.py", "a")
	for what, files := range map[string][]string{
		"contents":    {"venv/ns.py", "b"},
		"a directory": {"venv/ns.py/", ""},
	} {
		b, bPath, bIndex := installed(t, dir, "b-1.whl", files...)
		got, err := combine([]tree{a, b}, []string{aPath, bPath}, []contents{aIndex, bIndex}, 0, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), "a-1.whl and b-1.whl have different files at /venv/ns.py") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

// What lies below is compared, and not written again.
func TestCombineBelow(t *testing.T) {
	dir := t.TempDir()
	a, aPath, aIndex := installed(t, dir, "a-1.whl", "venv/ns/", "", "venv/ns/__init__.py", "", "venv/tool", "a")
	b, bPath, bIndex := installed(t, dir, "b-1.whl", "venv/ns/", "", "venv/ns/__init__.py", "", "venv/ns/b.py", "b")
	fragments, err := combine([]tree{a, b}, []string{aPath, bPath}, []contents{aIndex, bIndex}, 1, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(fragments) != 2 || slices.Contains(fragments, aPath) || slices.Contains(fragments, bPath) {
		t.Errorf("%q", fragments) // the directories, and b without what a has
	}
	c, cPath, cIndex := installed(t, dir, "c-1.whl", "venv/tool", "c")
	if got, err := combine([]tree{a, c}, []string{aPath, cPath}, []contents{aIndex, cIndex}, 1, t.TempDir()); err == nil || !strings.Contains(err.Error(), "different files at /venv/tool") {
		t.Errorf("%q, %v", got, err)
	}
}
