//go:build engine

package distro

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/recipes"
)

// bench is what all tests share: an engine, a cache, and a base image that was
// made once.
type bench struct {
	engine *engine.Engine
	cache  string
	target Target
	base   project.BasePin
	took   []string // steps of making it
}

var shared bench

// TestMain makes the base image of all tests and removes every image
// afterwards. One component more than usual gives the base another digest, so
// that no image of the tests has the name of a real one.
func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests with tag engine need a container engine, mmdebstrap and an apt mirror:", err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "distro-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	set, err := recipes.Load(nil)
	if err != nil {
		return 1, err
	}
	shared.cache = filepath.Join(dir, "cache")
	shared.target.Arch = "amd64"
	if shared.target.Distro, err = set.Distro("trixie"); err != nil {
		return 1, err
	}
	shared.target.Distro.Base.Image = "pybake-distro-test/no-such-image:1"
	shared.target.Distro.Base.Mmdebstrap.Components = []string{"main", "contrib"}

	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	if shared.engine, err = engine.Connect(ctx, address, filepath.Join(dir, "sessions")); err != nil {
		return 1, err
	}
	defer shared.engine.Close(ctx)
	maker, report, err := newMaker(shared.cache)
	if err != nil {
		return 1, err
	}
	if shared.base, err = maker.Base(ctx, shared.target, nil); err != nil {
		return 1, err
	}
	shared.took = report.steps
	removeBuilt(ctx) // what a run left that was killed
	defer removeImages(ctx)
	return m.Run(), nil
}

// removeImages removes what stands on the base of the tests, then the base.
func removeImages(ctx context.Context) {
	removeBuilt(ctx)
	removeImage(ctx, BaseRef(shared.target, shared.base.Digest))
}

func removeBuilt(ctx context.Context) {
	images, err := shared.engine.Images(ctx, "org.pybake.base="+shared.base.Digest)
	if err != nil {
		fmt.Fprintln(os.Stderr, "images are left:", err)
	}
	for _, img := range images {
		for _, ref := range img.Tags {
			removeImage(ctx, ref)
		}
	}
}

func removeImage(ctx context.Context, ref string) {
	if err := shared.engine.RemoveImage(ctx, ref); err != nil {
		fmt.Fprintf(os.Stderr, "image %s is left: %v\n", ref, err)
	}
}

// newMaker is a Maker as cmd makes one, with a cache of its own.
func newMaker(cache string) (*Maker, *report, error) {
	r := &report{}
	m := &Maker{Engine: shared.engine, Fetcher: &fetch.Fetcher{Cache: cache}, Report: r, Environ: os.Environ()}
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
	var err error
	m.CABundle, err = os.ReadFile(bundle)
	return m, r, err
}

// maker uses the shared cache.
func maker(t *testing.T) (*Maker, *report) {
	t.Helper()
	return makerOf(t, shared.cache)
}

func makerOf(t *testing.T, cache string) (*Maker, *report) {
	t.Helper()
	m, r, err := newMaker(cache)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

// offline is a Maker that may not fetch anything.
func offline(t *testing.T, cache string) (*Maker, *report) {
	t.Helper()
	m, r := makerOf(t, cache)
	m.Offline, m.Fetcher.Offline = true, true
	return m, r
}

// report notes the steps that were begun.
type report struct {
	mu    sync.Mutex
	steps []string
	out   bytes.Buffer
}

func (r *report) Step(name string) func(error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, name)
	return func(error) {}
}

func (r *report) Note(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }
func (r *report) Output() io.Writer               { return r }

func (r *report) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(p)
}

// run runs a script in a container and returns what it printed.
func run(t *testing.T, c *engine.Container, user, script string) string {
	t.Helper()
	var out strings.Builder
	err := c.Exec(t.Context(), engine.Command{Argv: []string{"sh", "-euc", script}, User: user, Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, out.String())
	}
	return out.String()
}

// remove removes a container when the test ends.
func remove(t *testing.T, c *engine.Container) {
	t.Cleanup(func() {
		if err := c.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// localDeb writes a package that depends on others and returns its path.
func localDeb(t *testing.T, name string, depends ...string) string {
	t.Helper()
	p := &nfpm.Package{
		Name: name, Version: "1", Arch: "all", Maintainer: "Jo Doe <jo@example.org>", Section: "misc", Priority: "optional",
		Synopsis: "of a test", Depends: depends, Time: time.Unix(1e9, 0), Compression: "xz",
		Files: []nfpm.File{{Path: "/opt/" + name + "/file", Content: []byte(name)}},
	}
	file := filepath.Join(t.TempDir(), p.FileName())
	if err := p.WriteFile(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func names(packages []project.Package) (out []string) {
	for _, p := range packages {
		out = append(out, p.Name)
	}
	return out
}

// resolved is the answer to a request, found once.
var resolved struct {
	sync.Once
	packages []project.Package
	err      error
}

// zlib is everything that zlib1g-dev needs on the base.
func zlib(t *testing.T) []project.Package {
	t.Helper()
	resolved.Do(func() {
		m, _ := maker(t)
		resolved.packages, resolved.err = m.Resolve(context.WithoutCancel(t.Context()), shared.target, shared.base, []string{"zlib1g-dev"}, nil)
	})
	if resolved.err != nil {
		t.Fatal(resolved.err)
	}
	return slices.Clone(resolved.packages)
}
