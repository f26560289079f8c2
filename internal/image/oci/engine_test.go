//go:build engine

package oci

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/engine"
)

const testRepo = "pybake-oci-test"

func connect(t *testing.T) *engine.Engine {
	t.Helper()
	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	e, err := engine.Connect(t.Context(), address, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	return e
}

// newNames are names of images that are removed after the test.
func newNames(t *testing.T, e *engine.Engine, n int) (names []string) {
	for range n {
		name := testRepo + ":" + strings.ToLower(rand.Text())
		t.Cleanup(func() {
			if err := e.RemoveImage(context.Background(), name); err != nil {
				t.Error(err)
			}
		})
		names = append(names, name)
	}
	return names
}

// knows fails the test unless the engine holds an image by this name.
func (w *weighed) knows(t *testing.T, i Image, ref string) {
	t.Helper()
	id, _ := identities(t, i)
	got, found, err := w.Engine.Image(t.Context(), ref)
	if err != nil || !found || got.ID != id {
		t.Fatalf("%s: %v, found %v, %v; want %s", ref, got.ID, found, err, id)
	}
	var want []string
	for _, l := range i.Layers {
		want = append(want, l.DiffID)
	}
	if !slices.Equal(got.Layers, want) || got.Arch != "amd64" || got.Labels["a"] != "b" || !got.Created.Equal(i.Created.Truncate(1e9)) {
		t.Errorf("%s: %+v", ref, got)
	}
}

// weighed is an engine that notes the sizes of archives.
type weighed struct {
	*engine.Engine
	sizes []int
}

func (w *weighed) Load(ctx context.Context, archive io.Reader) error {
	var b bytes.Buffer
	if _, err := b.ReadFrom(archive); err != nil {
		return err
	}
	w.sizes = append(w.sizes, b.Len())
	return w.Engine.Load(ctx, &b)
}

func TestLoadReally(t *testing.T) {
	e := &weighed{Engine: connect(t)}
	names := newNames(t, e.Engine, 3)
	noise := make([]byte, 300<<10)
	rand.Read(noise)
	i := newImage(t, string(noise), "base", "python", "app")
	if err := i.Load(t.Context(), e, names[:2], nil); err != nil {
		t.Fatal(err)
	}
	e.knows(t, i, names[0])
	e.knows(t, i, names[1])

	next := i
	next.Layers = append(slices.Clone(i.Layers[:2]), newLayer(t, "app", "edited"+rand.Text()))
	have := []string{i.Layers[0].DiffID, i.Layers[1].DiffID, i.Layers[2].DiffID}
	if err := next.Load(t.Context(), e, names[:1], have); err != nil {
		t.Fatal(err)
	}
	e.knows(t, next, names[0])
	e.knows(t, i, names[1])
	if len(e.sizes) != 2 || e.sizes[1] > 20<<10 { // by Docker's own store, which CI has
		t.Errorf("archives of %d bytes", e.sizes)
	}

	// What the engine is said to have, and does not.
	e.sizes = nil
	other := newImage(t, rand.Text(), "base", "app")
	if err := other.Load(t.Context(), e, names[2:], []string{other.Layers[0].DiffID}); err != nil {
		t.Fatal(err)
	}
	e.knows(t, other, names[2])
	if len(e.sizes) != 2 || e.sizes[0] >= e.sizes[1] {
		t.Errorf("archives of %d bytes", e.sizes)
	}
}

func TestLoadInterrupted(t *testing.T) {
	e := &weighed{Engine: connect(t)}
	names := newNames(t, e.Engine, 1)
	old := newImage(t, rand.Text(), "base")
	if err := old.Load(t.Context(), e, names, nil); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 8<<20)
	rand.Read(noise)
	i := newImage(t, string(noise), "base", "app")
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := i.Load(ctx, loader(func(ctx context.Context, r io.Reader) error {
		half := io.LimitReader(r, 9<<20)
		return e.Engine.Load(ctx, io.MultiReader(half, readerFunc(func(p []byte) (int, error) {
			cancel(stop)
			return r.Read(p)
		})))
	}), names, nil)
	if !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	e.knows(t, old, names[0])

	rotten := i.Layers[1].Path
	if err := damages["its digest is"](rotten); err != nil {
		t.Fatal(err)
	}
	if err := i.Load(t.Context(), e.Engine, names, nil); err == nil || !strings.Contains(err.Error(), rotten) {
		t.Errorf("damaged: %v", err)
	}
	e.knows(t, old, names[0])
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
