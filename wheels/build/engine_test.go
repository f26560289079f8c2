//go:build engine

package build

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
)

// quiet is a reporter whom nobody listens to.
type quiet struct{}

func (quiet) Step(string) func(error) { return func(error) {} }
func (quiet) Note(string, ...any)     {}
func (quiet) Output() io.Writer       { return io.Discard }

// newBuilder is a builder with an image of trixie, in which the distro's own Python
// stands for a baked one. The image, and what it stands on, is removed afterwards.
func newBuilder(t *testing.T) *Builder {
	t.Helper()
	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	e, err := engine.Connect(t.Context(), address, t.TempDir())
	if err != nil {
		t.Fatalf("the tests with tag engine need a container engine: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	m := &distro.Maker{Engine: e, Fetcher: &fetch.Fetcher{Cache: t.TempDir()}, Report: quiet{}, Environ: os.Environ()}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value := os.Getenv(name); value != "" {
				m.Proxy = append(m.Proxy, name+"="+value)
			}
		}
	}
	bundle := os.Getenv("SSL_CERT_FILE")
	if bundle == "" {
		bundle = "/etc/ssl/certs/ca-certificates.crt"
	}
	if m.CABundle, err = os.ReadFile(bundle); err != nil {
		t.Fatal(err)
	}
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	target := distro.Target{Arch: "amd64"}
	if target.Distro, err = set.Distro("trixie"); err != nil {
		t.Fatal(err)
	}
	// Another component than usual: images of other names than the real ones.
	target.Distro.Base.Image = "pybake-build-test/no-such-image:1"
	target.Distro.Base.Mmdebstrap.Components = []string{"main", "non-free"}
	base, err := m.Base(t.Context(), target, nil)
	if err != nil {
		t.Fatalf("the tests with tag engine need mmdebstrap and an apt mirror: %v", err)
	}
	removeImage(t, e, distro.BaseRef(target, base.Digest))
	packages, err := m.Resolve(t.Context(), target, base, []string{"gcc", "libc6-dev", "libpython3-dev", "python3"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	image, err := m.Builder(t.Context(), target, base, packages, "builder")
	if err != nil {
		t.Fatal(err)
	}
	removeImage(t, e, image)
	return &Builder{Engine: e, Image: image, Prefix: "/usr", Series: "3.13", Memory: 1 << 30, PIDs: 200, Limit: 5 * time.Minute}
}

func removeImage(t *testing.T, e *engine.Engine, ref string) {
	t.Cleanup(func() {
		if err := e.RemoveImage(context.Background(), ref); err != nil {
			t.Error(err)
		}
	})
}

// with is a builder of the same image with other limits.
func (b *Builder) with(memory, pids int64, limit time.Duration) *Builder {
	return &Builder{Engine: b.Engine, Image: b.Image, Prefix: b.Prefix, Series: b.Series, Memory: memory, PIDs: pids, Limit: limit, Envs: b.environments()}
}

// backend is a job whose backend is in its tree.
func backend(code string) Job {
	return Job{
		Name: "x", Version: "1", Source: source{"own.py": code, "data.txt": "data"},
		Backend: "own", BackendPath: []string{"."}, Epoch: time.Unix(1e9, 0), Jobs: 2,
	}
}

// start starts a job that is closed when the test ends.
func start(t *testing.T, b *Builder, job Job) *Run {
	t.Helper()
	r, err := b.Start(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 { // once more is no error
			if err := r.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

// closed closes a builder, twice, and sees to it that nothing of it is left.
func closed(t *testing.T, b *Builder) {
	t.Helper()
	for range 2 {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	left, err := b.Engine.Leftovers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		if l.Owner != engine.OwnerForeign {
			t.Errorf("%s %s is left", l.Kind, l.Name)
		}
	}
}

// exists is whether the engine knows a container.
func exists(t *testing.T, b *Builder, id string) bool {
	t.Helper()
	left, err := b.Engine.Leftovers(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		if l.ID == id {
			return true
		}
	}
	return false
}

// requires runs the hook that returns strings.
func requires(t *testing.T, r *Run) []string {
	t.Helper()
	got, err := r.Requires(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}
