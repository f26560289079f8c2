//go:build engine

package wheels

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/sdist"
)

// quiet is a reporter whom nobody listens to.
type quiet struct{}

func (quiet) Step(string) func(error) { return func(error) {} }
func (quiet) Note(string, ...any)     {}
func (quiet) Output() io.Writer       { return io.Discard }

// workshop is trixie with its own Python in the part of the baked one, and a project.
type workshop struct {
	*Builder
	t     *testing.T
	index *simple
	root  string
	req   AppRequest
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	dir := t.TempDir()
	e, err := engine.Connect(t.Context(), engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}, filepath.Join(dir, "sessions"))
	if err != nil {
		t.Fatalf("the tests with tag engine need a container engine: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w := &workshop{t: t, index: &simple{files: map[string][]byte{}}, root: t.TempDir()}
	w.index.add("setuptools", "80.0", map[string]string{"setuptools/__init__.py": "", "setuptools/build_meta.py": setuptools})
	w.index.add("setuptools_scm", "9.0", map[string]string{"setuptools_scm.py": ""})
	w.index.add("plugin", "1.0", map[string]string{"plugin.py": ""})
	server := httptest.NewServer(w.index)
	t.Cleanup(server.Close)

	w.req = appRequest(t, w.root, "app")
	w.req.Version = "1.4.2"
	// Another component than usual: images of other names than the real ones.
	w.req.Distro.Base.Image = "pybake-app-test/no-such-image:1"
	w.req.Distro.Base.Mmdebstrap.Components = []string{"main", "contrib"}
	w.req.Distro.Wheels.Packages = []string{"python3"}
	fetcher := &fetch.Fetcher{Cache: filepath.Join(dir, "cache")}
	m := &distro.Maker{Engine: e, Fetcher: fetcher, Report: quiet{}, Environ: os.Environ()}
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
	store, err := artifacts.Open(filepath.Join(dir, "baked"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	w.Builder = &Builder{
		Finder: &Finder{Index: &index.Client{Indexes: []index.Index{{URL: server.URL + "/simple/"}}, Cache: filepath.Join(dir, "cache"), Attempts: 1}, Fetcher: fetcher},
		Store:  store, Engine: e, Distros: m, Report: quiet{}, Python: someDebs(t, store), LogDir: filepath.Join(dir, "logs"),
		Pins: &project.Pins{Path: filepath.Join(dir, "pybake.lock")}, Jobs: 1, Memory: 1 << 30, Git: sdist.Git{Program: program, Env: []string{"PATH=" + os.Getenv("PATH")}},
	}
	t.Cleanup(func() { w.removeImages(t) })
	return w
}

// removeImages removes the images that stand on the base of this test, and that.
func (w *workshop) removeImages(t *testing.T) {
	ctx := context.Background()
	w.closing.Wait()
	pins, err := w.Pins.Read()
	if err != nil {
		t.Fatal(err)
	}
	pin, ok := pins.Base("trixie", "amd64")
	if !ok {
		return
	}
	base := distro.BaseRef(distro.Target{Distro: w.req.Distro, Arch: "amd64"}, pin.Digest)
	for _, own := range []func(engine.Image) bool{
		func(i engine.Image) bool {
			return i.Labels[distro.Label] == envImage && i.Labels["org.pybake.base"] == pin.Digest
		},
		func(i engine.Image) bool { return i.Labels["org.pybake.base"] == pin.Digest },
		func(i engine.Image) bool { return slices.Contains(i.Tags, base) },
	} {
		images, err := w.Engine.Images(ctx, distro.Label)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range images {
			for _, tag := range i.Tags {
				if own(i) {
					if err := w.Engine.RemoveImage(ctx, tag); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}

func (w *workshop) plan() *Plan {
	w.t.Helper()
	p, err := NewAppPlan(w.req)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *workshop) app() *AppWheel {
	w.t.Helper()
	a, err := w.App(w.t.Context(), w.plan())
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// inWheel is a file of a wheel.
func inWheel(t *testing.T, a *AppWheel, name string) string {
	t.Helper()
	z, err := zip.OpenReader(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestApp goes through the life of an app whose version the repository would tell.
func TestApp(t *testing.T) {
	w := newWorkshop(t)
	write(t, w.root, map[string]string{
		"app/pyproject.toml": scm, "app/shop.py": "one = 1\n", ".gitignore": "*.log\n", "app/a.log": "", "app/.venv/pyvenv.cfg": "", "beside.py": "",
	})
	git := exec.Command(w.Git.Program, "init", "-q")
	git.Dir = w.root
	if out, err := git.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	first := w.app()
	want := &AppWheel{
		Key: first.Key, Path: filepath.Join(w.Store.Dir(), "artifacts", "wheel", string(first.Key), "shop-1.4.2-py3-none-any.whl"),
		File: "shop-1.4.2-py3-none-any.whl", Name: "shop", Version: "1.4.2", SHA256: first.SHA256, Requires: []string{"flask"}, Scripts: map[string]string{"shop": "shop:main"},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if got := inWheel(t, first, "seen.txt"); got != ".git_archival.txt\npyproject.toml\nshop.py" {
		t.Errorf("the build saw %q", got)
	}
	if data, err := os.ReadFile(first.Path); err != nil || hex.EncodeToString(hash(data)) != first.SHA256 {
		t.Errorf("hash: %v", err)
	}
	if found, err := w.FindApp(t.Context(), w.plan()); err != nil || !cmp.Equal(found, first) {
		t.Errorf("found %+v, %v", found, err)
	}

	// An edit needs neither the index nor a new pin.
	w.Frozen, w.Fetcher.Offline, w.index.closed = true, true, true
	pins, err := os.ReadFile(w.Pins.Path)
	if err != nil {
		t.Fatal(err)
	}
	var wheels []string
	for i := range 2 { // the first makes the image with the environment
		write(t, w.root, map[string]string{"app/shop.py": fmt.Sprintf("two = %d\n", i)})
		edited := w.app()
		if got := inWheel(t, edited, "shop.py"); got != fmt.Sprintf("two = %d\n", i) {
			t.Errorf("after an edit: %q", got)
		}
		if got := inWheel(t, edited, "cached.txt"); got != "True" {
			t.Errorf("bytecode of the environment: %s", got)
		}
		wheels = append(wheels, edited.SHA256)
	}
	if wheels[0] == wheels[1] {
		t.Error("another source, the same wheel")
	}
	if after, err := os.ReadFile(w.Pins.Path); err != nil || !bytes.Equal(pins, after) {
		t.Errorf("pybake.lock has changed: %v", err)
	}
	t.Run("version", func(t *testing.T) {
		w.req.Version = "1.4.3"
		defer func() { w.req.Version = "1.4.2" }()
		if got := w.app(); got.Version != "1.4.3" {
			t.Errorf("version %s", got.Version)
		}
	})
	t.Run("asks for more", func(t *testing.T) { w.asks(t) })
	t.Run("no name", func(t *testing.T) { w.unnamed(t) })
	t.Run("fails", func(t *testing.T) { w.fails(t) })
	t.Run("cancelled", func(t *testing.T) { w.cancelled(t) })
}

func hash(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

// asks has an edit that needs one more build requirement.
func (w *workshop) asks(t *testing.T) {
	write(t, w.root, map[string]string{"app/asks.txt": "plugin"})
	var more *MoreRequiredError
	if _, err := w.App(t.Context(), w.plan()); !errors.As(err, &more) || !slices.Equal(more.Asked, []string{"plugin"}) {
		t.Errorf("frozen: %v", err)
	}
	w.Frozen = false
	if _, err := w.App(t.Context(), w.plan()); !errors.As(err, &more) {
		t.Errorf("offline: %v", err)
	}
	w.Fetcher.Offline, w.index.closed = false, false
	if got := w.app(); got.Name != "shop" {
		t.Errorf("%+v", got)
	}
	pins, err := w.Pins.Read()
	if err != nil || len(pins.Builds) != 1 || !slices.Equal(pins.Builds[0].Dynamic, []string{"plugin"}) {
		t.Errorf("pins: %+v, %v", pins.Builds, err)
	}
}

// unnamed is a project of which only the build tells the name.
func (w *workshop) unnamed(t *testing.T) {
	write(t, w.root, map[string]string{"old/setup.py": "setup(use_scm_version=True)", "old/shop.py": ""})
	req := w.req
	req.Dir = "old"
	p, err := NewAppPlan(req)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := w.App(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != "shop" || got.Version != "1.4.2" {
			t.Errorf("%+v", got)
		}
		if seen := inWheel(t, got, "seen.txt"); seen != ".git_archival.txt\nsetup.py\nshop.py" {
			t.Errorf("the build saw %q", seen)
		}
		write(t, w.root, map[string]string{"old/shop.py": "x = 1\n"})
	}
}

func (w *workshop) fails(t *testing.T) {
	w.req.Version = "" // and so the wheel is of version 0
	write(t, w.root, map[string]string{"app/shop.py": ""})
	if got := w.app(); got.Version != "0" {
		t.Errorf("%+v", got)
	}
	if err := os.Remove(filepath.Join(w.root, "app/shop.py")); err != nil {
		t.Fatal(err)
	}
	var failed *FailedError
	_, err := w.App(t.Context(), w.plan())
	if !errors.As(err, &failed) || len(failed.Failures) != 1 || failed.Failures[0].Step != "build_wheel" || len(failed.Failures[0].Tail) == 0 {
		t.Errorf("%v", err)
	}
}

func (w *workshop) cancelled(t *testing.T) {
	write(t, w.root, map[string]string{"app/shop.py": "", "app/sleep": ""})
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go func() { // until the build has begun
		log := filepath.Join(w.LogDir, "app-shop-3.13.5-trixie-amd64", "shop.log")
		for ctx.Err() == nil {
			if text, err := os.ReadFile(log); err == nil && strings.Contains(string(text), "sleeping") {
				cancel(enough)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if _, err := w.App(ctx, w.plan()); !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	if drafts, err := filepath.Glob(filepath.Join(w.Store.Dir(), "tmp", "*")); err != nil || len(drafts) > 0 {
		t.Errorf("drafts left: %q, %v", drafts, err)
	}
}
