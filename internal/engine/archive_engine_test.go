//go:build engine

package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
)

// namesIn lists the names of a tar, read to the end of the stream.
func namesIn(t *testing.T, r io.Reader) (names []string) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {
		t.Errorf("%d bytes after the end, %v", n, err)
	}
	return names
}

func TestChangesAndRoot(t *testing.T) {
	c := start(t, Spec{Tmpfs: map[string]string{"/tmp": "", "/scratch": ""}, Network: true, CABundle: []byte("x")})
	root := Command{User: "0:0"}
	output(t, c, Command{}, "write", "/build/new", "text")
	output(t, c, root, "write", "/tmp/new", "text")
	output(t, c, root, "remove", "/bin/box")
	if err := c.Put(t.Context(), "/", tarOf(tar.Header{Name: "tree/ä b/file", Mode: 0o644}, []byte("x"))); err != nil {
		t.Fatal(err)
	}
	got, err := c.Changes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Change{{"/bin", false}, {"/bin/box", true}, {"/build", false}, {"/build/new", false}, {"/run", false}, {"/sbin", false}, {"/tree", false}, {"/tree/ä b", false}, {"/tree/ä b/file", false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	r, err := c.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	names := namesIn(t, r)
	for name, want := range map[string]bool{"build/new": true, "tree/ä b/file": true, "bin/sleep": true, "bin/box": false, "tmp/new": false, "run/pybake/ca.pem": false} {
		if slices.Contains(names, name) != want {
			t.Errorf("%s in the root is %v: %q", name, !want, names)
		}
	}

	if err := c.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Changes(t.Context()); !IsGone(err) {
		t.Errorf("changes after the end: %v", err)
	}
	if _, err := c.Root(t.Context()); !IsGone(err) {
		t.Errorf("root after the end: %v", err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	e := connect(t, t.TempDir())
	const ref = "pybake-engine-test:save"
	img, err := e.Import(t.Context(), tarOf(tar.Header{Name: "file", Mode: 0o644}, []byte(time.Now().String())), ref, ImageConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveImage(context.Background(), ref); err != nil {
			t.Error(err)
		}
	})
	if len(img.Layers) != 1 || !strings.HasPrefix(img.Layers[0], "sha256:") {
		t.Errorf("layers: %v", img.Layers)
	}
	save := func(refs ...string) *bytes.Buffer {
		r, err := e.Save(t.Context(), refs)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var buf bytes.Buffer
		if _, err := buf.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		return &buf
	}
	both := save(ref, boxRef)
	if names := namesIn(t, save(img.ID)); !slices.Contains(names, "manifest.json") {
		t.Errorf("an archive without manifest.json: %q", names)
	}
	if err := e.RemoveImage(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context(), bytes.NewReader(both.Bytes())); err != nil {
		t.Fatal(err)
	}
	if got, found, err := e.Image(t.Context(), ref); err != nil || !found || got.ID != img.ID || !slices.Equal(got.Layers, img.Layers) {
		t.Errorf("loaded %+v, %v, %v; want %+v", got, found, err, img)
	}

	if _, err := e.Save(t.Context(), []string{"pybake-engine-test:missing"}); !cerrdefs.IsNotFound(err) || IsGone(err) {
		t.Errorf("save of a missing image: %v", err)
	}
	if _, err := e.Save(t.Context(), nil); err == nil {
		t.Error("save of nothing")
	}
	broken := errors.New("broken")
	for name, r := range map[string]io.Reader{
		"nothing":         strings.NewReader(""),
		"garbage":         strings.NewReader(strings.Repeat("no tar at all\n", 1<<20)),
		"a tar of others": tarOf(tar.Header{Name: "x", Mode: 0o644}, []byte("x")),
		"no manifest":     tarOf(tar.Header{Name: "manifest.json", Mode: 0o644}, []byte("{")),
		"no such layer":   tarOf(tar.Header{Name: "manifest.json", Mode: 0o644}, []byte(`[{"Config":"a.json","Layers":["b.tar"]}]`)),
		"half":            bytes.NewReader(both.Bytes()[:both.Len()/2]),
	} {
		if err := e.Load(t.Context(), r); err == nil || IsGone(err) {
			t.Errorf("load of %s: %v", name, err)
		} else {
			t.Logf("load of %s: %v", name, err)
		}
	}
	if err := e.Load(t.Context(), io.MultiReader(bytes.NewReader(both.Bytes()[:1<<20]), errReader{broken})); !errors.Is(err, broken) {
		t.Errorf("load of an unreadable archive: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(both.Bytes()[:1<<20])
		cancel(broken)
	}()
	err = e.Load(ctx, r)
	w.Close()
	if !errors.Is(err, broken) || IsGone(err) {
		t.Errorf("cancelled: %v", err)
	}
}
