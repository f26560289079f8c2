package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree lists the files and directories below dir, and what is beside it.
func tree(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, _ fs.DirEntry, err error) error {
		files = append(files, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWriteLayout(t *testing.T) {
	for _, made := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "out")
		if made {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		one, two, three := newImage(t, "", "base", "app"), newImage(t, "2", "base", "app"), newImage(t, "3", "base", "app")
		write := func(i Image, refs ...string) {
			t.Helper()
			if err := i.WriteLayout(t.Context(), dir+"/", refs...); err != nil {
				t.Fatal(err)
			}
		}
		write(one, "shop:1", "shop")
		checkLayout(t, dir, one, "shop:1", "shop:latest")
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if beside := slices.DeleteFunc(tree(t, dir), func(f string) bool { return strings.HasPrefix(f, dir) }); len(beside) != 1 {
			t.Errorf("beside the layout: %q", beside)
		}
		before := tree(t, dir)
		write(one, "shop:1", "shop")
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("written once more: %s", diff)
		}
		checkLayout(t, dir, one, "shop:1", "shop:latest")
		write(two, "shop:2", "shop")
		checkLayout(t, dir, one, "shop:1")
		checkLayout(t, dir, two, "shop:2", "shop:latest")
		write(three)
		write(three)
		checkLayout(t, dir, three, "")
		checkLayout(t, dir, two, "shop:2", "shop:latest")

		blob := filepath.Join(dir, "blobs/sha256", strings.TrimPrefix(one.Layers[1].Digest, "sha256:"))
		for _, spoil := range []func(string) error{os.Remove, damages["its digest is"], damages["has 100 bytes, not"]} {
			if err := spoil(blob); err != nil {
				t.Fatal(err)
			}
			write(one, "shop:1")
			checkLayout(t, dir, one, "shop:1")
		}
	}
}

func TestWriteLayoutRefuses(t *testing.T) {
	i := newImage(t, "", "base", "app")
	for want, files := range map[string]map[string]string{
		"the directory is not empty and no OCI layout": {"out/notes.txt": "mine"},
		"not a directory": {"out": "mine"},
		`oci-layout: version "9" of layouts is unknown`:  {"out/oci-layout": `{"imageLayoutVersion":"9"}`, "out/index.json": "{}"},
		"oci-layout: unexpected end of JSON input":       {"out/oci-layout": ""},
		"out/index.json: no such file or directory":      {"out/oci-layout": layoutText},
		"index.json: version 0 of the schema is unknown": {"out/oci-layout": layoutText, "out/index.json": "{}"},
		"index.json: invalid character":                  {"out/oci-layout": layoutText, "out/index.json": "<"},
		"out/blobs: not a directory":                     {"out/oci-layout": layoutText, "out/index.json": `{"schemaVersion":2}`, "out/blobs": ""},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		for name, content := range files {
			file := filepath.Join(filepath.Dir(dir), name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		before := tree(t, dir)
		err := i.WriteLayout(t.Context(), dir, "shop")
		if err == nil || !strings.HasPrefix(err.Error(), "write OCI layout "+dir+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("%s: %s", want, diff)
		}
	}
	if err := i.WriteLayout(t.Context(), filepath.Join(t.TempDir(), "no/such")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no parent: %v", err)
	}
}

// after is a context that ends when it was asked so many times.
type after struct {
	context.Context
	n   int
	err error
}

func (a *after) Err() error {
	if a.n--; a.n < 0 {
		return a.err
	}
	return nil
}

func (a *after) Value(any) any { return nil } // so that the cause is Err

func TestWriteLayoutStops(t *testing.T) {
	old, i := newImage(t, "old", "base", "app"), newImage(t, "", "base", "app")
	stop := errors.New("enough")
	for _, exists := range []bool{false, true} {
		for n := 0; ; n++ {
			dir := filepath.Join(t.TempDir(), "out")
			if exists {
				if err := old.WriteLayout(t.Context(), dir, "shop"); err != nil {
					t.Fatal(err)
				}
			}
			err := i.WriteLayout(&after{t.Context(), n, stop}, dir, "shop")
			if err == nil {
				if n < 4 {
					t.Errorf("asked %d times", n)
				}
				break
			}
			if !errors.Is(err, stop) {
				t.Fatal(err)
			}
			if exists {
				checkLayout(t, dir, old, "shop:latest")
			}
			for _, f := range tree(t, dir) {
				if strings.Contains(f, ".pybake") || !exists && strings.HasPrefix(f, dir) {
					t.Errorf("left: %s", f)
				}
			}
		}
	}
	for want, damage := range damages {
		i := newImage(t, "", "base", "app")
		if err := damage(i.Layers[1].Path); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "out")
		err := i.WriteLayout(t.Context(), dir, "shop")
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s: layer app: ", dir)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if left := tree(t, dir); len(left) != 1 {
			t.Errorf("left: %q", left)
		}
	}
}
