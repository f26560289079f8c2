package artifacts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
)

// A refused draft leaves the store as it was.
func TestPublishErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		manifest artifacts.Manifest
		files    map[string]string
		prepare  func(dir string) error
		want     string
	}{
		{name: "no name", want: "want the kind python"},
		{name: "name of another kind", manifest: simple("wheel numpy", ""), want: "want the kind python"},
		{name: "name that leaves", manifest: simple("python ../../x", ""), want: `"../../x" is no part of a file name`},
		{name: "hidden name", manifest: simple("python .x", ""), want: `".x" is no part of a file name`},
		{name: "two spaces", manifest: simple("python  x", ""), want: `"" is no part of a file name`},
		{name: "inputs", manifest: artifacts.Manifest{Name: "python x", Inputs: inputs{{}}}, want: "input without a name"},
		{name: "wrong key", manifest: artifacts.Manifest{Name: "python x", Key: "abc"}, want: "the key is given as abc"},
		{name: "missing file", manifest: artifacts.Manifest{Name: "python x", Files: []artifacts.File{{Path: "a.deb"}}}, want: "a.deb: named in the manifest, but not in the draft"},
		{name: "own manifest", manifest: simple("python x", ""), files: map[string]string{"manifest.json": "{}"}, want: "manifest.json: the name is reserved"},
		{name: "own sums", manifest: simple("python x", ""), files: map[string]string{"SHA256SUMS": ""}, want: "SHA256SUMS: the name is reserved"},
		{name: "line break", manifest: simple("python x", ""), files: map[string]string{"a\nb": ""}, want: `"a\nb" is not a plain relative path`},
		{name: "link", manifest: simple("python x", ""), want: "link: neither a file nor a directory",
			prepare: func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "link")) }},
		{name: "fifo", manifest: simple("python x", ""), want: "fifo: neither a file nor a directory",
			prepare: func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o666) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			d, err := s.Begin("python")
			if err != nil {
				t.Fatal(err)
			}
			write(t, d.Dir(), c.files)
			if c.prepare != nil {
				if err := c.prepare(d.Dir()); err != nil {
					t.Fatal(err)
				}
			}
			a, err := d.Publish(t.Context(), c.manifest)
			if a != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Publish = %v, %v; want error with %q", a, err, c.want)
			}
			if err := errors.Join(d.Discard(), d.Discard()); err != nil {
				t.Error(err)
			}
			for _, dir := range []string{"tmp", "artifacts", "python", "locks"} {
				isEmpty(t, s, dir)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	s := open(t, t.TempDir())
	for _, kind := range []string{"", "tmp", "locks", "artifacts", "Python", "a/b", "..", "a b"} {
		if d, err := s.Begin(kind); err == nil {
			d.Discard()
			t.Errorf("Begin(%q) was accepted", kind)
		}
		if _, err := s.Find(kind, newKey(t, kind, nil)); err == nil || errors.Is(err, artifacts.ErrNotFound) {
			t.Errorf("Find of kind %q: %v", kind, err)
		}
		if err := s.Remove(t.Context(), kind, newKey(t, kind, nil)); err == nil {
			t.Errorf("Remove of kind %q was accepted", kind)
		}
	}
}

// A cancelled Publish says so and leaves nothing.
func TestPublishCancelled(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Begin("python")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	write(t, d.Dir(), map[string]string{"a": "a"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Publish(ctx, simple("python x", "")); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish: %v, want context.Canceled", err)
	}
	isEmpty(t, s, "artifacts")
}

func TestPublishTwice(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Begin("python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Publish(t.Context(), simple("python x", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Publish(t.Context(), simple("python x", "")); err == nil {
		t.Error("the second Publish of a draft was accepted")
	}
	if err := d.Discard(); err != nil {
		t.Error(err)
	}
	if _, err := s.Lookup("python/x"); err != nil {
		t.Error("Discard after Publish: ", err)
	}
}

// Of several who publish the same key, one wins and all get its artifact.
func TestConcurrentPublishers(t *testing.T) {
	dir := t.TempDir()
	got := make([]*artifacts.Artifact, 8)
	var group sync.WaitGroup
	for i := range got {
		group.Go(func() {
			s, err := artifacts.Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			d, err := s.Begin("python")
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Discard()
			write(t, d.Dir(), map[string]string{"who": fmt.Sprint(i)})
			if got[i], err = d.Publish(t.Context(), simple("python x", "")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	s := open(t, dir)
	for _, a := range got {
		if d := cmp.Diff(got[0], a); d != "" {
			t.Errorf("two publishers got different artifacts:\n%s", d)
		}
	}
	if err := s.Verify(t.Context(), got[0]); err != nil {
		t.Error(err)
	}
	isEmpty(t, s, "tmp")
	isEmpty(t, s, "locks")
}
