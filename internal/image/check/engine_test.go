//go:build engine

package check

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
)

// bench is what all tests share: an image with trixie's own Python in the part
// of the baked one, and samples in /venv.
type bench struct {
	engine *engine.Engine
	dir    string
	maker  *distro.Maker
	target distro.Target
	digest string // of the base
}

const testRef = "pybake-check-test/image:1"

var shared bench

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
	if shared.dir, err = os.MkdirTemp("", "check-test-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared.dir)
	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	if shared.engine, err = engine.Connect(ctx, address, filepath.Join(shared.dir, "sessions")); err != nil {
		return 1, err
	}
	defer shared.engine.Close(ctx)
	defer removeImages(ctx)
	if err := shared.prepare(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// prepare makes the image, on a base with components more than usual, so that
// no image has the name of a real one or of another package's tests.
func (b *bench) prepare(ctx context.Context) error {
	set, err := recipes.Load(nil)
	if err != nil {
		return err
	}
	b.target = distro.Target{Arch: "amd64"}
	if b.target.Distro, err = set.Distro("trixie"); err != nil {
		return err
	}
	b.target.Distro.Base.Image = "pybake-check-test/no-such-image:1"
	b.target.Distro.Base.Mmdebstrap.Components = []string{"main", "contrib", "non-free", "non-free-firmware"}
	if b.maker, err = newMaker(filepath.Join(b.dir, "cache")); err != nil {
		return err
	}
	base, err := b.maker.Base(ctx, b.target, nil)
	if err != nil {
		return err
	}
	b.digest = base.Digest
	packages, err := b.maker.Resolve(ctx, b.target, base, []string{"python3"}, nil)
	if err != nil {
		return err
	}
	python, err := b.maker.Builder(ctx, b.target, base, packages, "builder")
	if err != nil {
		return err
	}
	c, err := b.engine.Start(ctx, engine.Spec{Image: python, Purpose: "check-test", Limit: 10 * time.Minute})
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := c.Put(ctx, "/", sampleFiles()); err != nil {
		return err
	}
	_, err = c.Commit(ctx, testRef, engine.ImageConfig{Env: []string{"PATH=/venv/bin:/usr/bin:/bin"}})
	return err
}

// removeImages removes what stands on the base of the tests, then the base.
func removeImages(ctx context.Context) {
	refs := []string{testRef}
	if shared.digest != "" {
		refs = append(refs, distro.BaseRef(shared.target, shared.digest))
		images, err := shared.engine.Images(ctx, "org.pybake.base="+shared.digest)
		if err != nil {
			fmt.Fprintln(os.Stderr, "images are left:", err)
		}
		for _, img := range images {
			refs = slices.Insert(refs, 1, img.Tags...)
		}
	}
	for _, ref := range refs {
		if err := shared.engine.RemoveImage(ctx, ref); err != nil {
			fmt.Fprintf(os.Stderr, "image %s is left: %v\n", ref, err)
		}
	}
}

// quiet is a reporter whom nobody listens to.
type quiet struct{}

func (quiet) Step(string) func(error) { return func(error) {} }
func (quiet) Note(string, ...any)     {}
func (quiet) Output() io.Writer       { return io.Discard }

// newMaker is a Maker as cmd makes one, with a cache of its own.
func newMaker(cache string) (*distro.Maker, error) {
	m := &distro.Maker{Engine: shared.engine, Fetcher: &fetch.Fetcher{Cache: cache}, Report: quiet{}, Environ: os.Environ()}
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
	return m, err
}

// sampleFiles are the files of the image beside Python and the distro's.
func sampleFiles() io.Reader {
	text := func(name, text string) member { return member{name: name, text: text} }
	script := func(name, text string) member { return member{name: "venv/bin/" + name, text: text, mode: 0o755} }
	members := slices.Concat(
		[]member{
			{name: "home/app/", uid: 1000, gid: 1000}, {name: "srv/"},
			text("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/usr/sbin/nologin\n"),
			text("srv/colorsys.py", "raise ImportError('of the working directory')\n"),
			{name: "venv/bin/python", link: "/usr/bin/python3.13"}, text("venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n"),
			script("good", "#!/bin/sh\nid -u; pwd; echo $SHOP $HOME; touch /tmp/x\n"),
			script("picky", "#!/bin/sh\necho usage: picky >&2; exit 2\n"),
			script("broken", "#!/venv/bin/python\nimport nobody_has_it\n"),
			script("writer", "#!/bin/sh\ntouch /home/app/x\n"),
			script("lost", "#!/usr/bin/no-such-interpreter\n"),
		},
		installed("good", "1.0", "", text("good/__init__.py", "import good.deep"), text("good/deep.py", ""), text("single.py", ""),
			text("space/inner/part.py", ""), text("tests/__init__.py", "import nobody_has_it"), text("not-a-module.py", "raise SystemExit"),
			text("space/inner/optional.py", "import nobody_has_it"), text("plain.so", "a library")),
		installed("surroundings", "1.0", "", text("surroundings.py", `
import colorsys, os, sys
assert os.environ["SHOP"] == "1" and os.getcwd() == "/srv" and os.getuid() == 1000 and os.environ["HOME"] == "/home/app"
open("/tmp/works", "w").close()
`)),
		installed("writes", "1.0", "", text("writes.py", "import os; open(os.path.expanduser('~/.writes'), 'w').close()")),
		installed("missing", "1.0", "", text("missing/__init__.py", "import nobody_has_it")),
		installed("aborts", "1.0", "", text("aborts.py", "import os; os.abort()"), text("zlast.py", "")),
		installed("exits", "1.0", "", text("exits.py", "import os; print('goodbye', flush=True); os._exit(3)")),
		installed("skipped", "1.0", "", text("skipped.py", ""), text("skipped2.py", "1/0")),
		installed("plugin", "1.0", "the-project>=1", text("plugin.py", "import the_project")),
		installed("nothing", "1.0", "", text("tests/nothing.py", "import nobody_has_it")),
		installed("data", "1.0", "", text("data.txt", "")),
	)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: path.Clean(m.name), Typeflag: tar.TypeReg, Mode: max(m.mode, 0o644), Uid: m.uid, Gid: m.gid, Size: int64(len(m.text))}
		if strings.HasSuffix(m.name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if m.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, m.link
		}
		if strings.HasSuffix(m.name, ".pyc") {
			continue // the samples are run
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(m.text)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return &b
}

// testImage is the image with some distributions to import.
func testImage(dists ...string) Image {
	i := Image{
		Series: "3.13", Python: "3.13.5", Machine: "x86_64", User: "1000:1000", Workdir: "/srv",
		Env: []string{"PATH=/venv/bin:/usr/bin:/bin", "SHOP=1"}, New: map[string]bool{"aborts": false},
	}
	for _, d := range dists {
		i.New[d] = true
	}
	return i
}

// dynamic returns the details of the checks, with "+ " before those that passed.
func dynamicDetails(t *testing.T, i Image, change func(*engine.Spec)) map[string]string {
	t.Helper()
	var log bytes.Buffer
	start := func(s engine.Spec) (*engine.Container, error) {
		if change != nil {
			change(&s)
		}
		return shared.engine.Start(t.Context(), s)
	}
	checks, err := Dynamic(t.Context(), start, testRef, i, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	details := map[string]string{}
	for _, c := range checks {
		details[c.Name] = map[bool]string{true: "+ ", false: "- "}[c.OK] + c.Detail
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %v\n%s", t.Name(), checks, &log)
		}
	})
	return details
}

func TestImports(t *testing.T) {
	i := testImage("good", "surroundings", "skipped", "plugin", "data")
	i.Skip = map[string]map[string]string{"skipped": {"skipped2": "divides by zero"}}
	i.Project = []string{"the_project"}
	got := dynamicDetails(t, i, nil)["modules import"]
	for _, want := range []string{
		"+ 5 modules of 5 distributions\n",
		"good 1.0: import tests: ModuleNotFoundError",
		"good 1.0: import space.inner.optional: ModuleNotFoundError",
		"skipped 1.0: import skipped2: left out: divides by zero",
		"plugin 1.0: import plugin: ModuleNotFoundError: No module named 'the_project'; it depends on the-project, which the lock leaves out",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	i = testImage("missing", "aborts", "exits", "nothing", "gone")
	got = dynamicDetails(t, i, nil)["modules import"]
	for _, want := range []string{
		"- ",
		"missing 1.0: import missing: ModuleNotFoundError: No module named 'nobody_has_it'\n",
		"aborts 1.0: import aborts: killed by signal 6 (SIGABRT)",
		"exits 1.0: import exits: ended the process with status 3: goodbye\n",
		"nothing 1.0: import tests.nothing: ModuleNotFoundError",
		"gone: not installed\n",
		"1 module of 5 distributions",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// What only fails where nothing can be written is seen.
func TestReadOnly(t *testing.T) {
	i := testImage("writes")
	i.Check = []string{"writer"}
	got := dynamicDetails(t, i, nil)
	if d := got["modules import"]; !strings.HasPrefix(d, "- writes 1.0: import writes: OSError: [Errno 30] Read-only file system") {
		t.Errorf("modules import: %s", d)
	}
	if d := got["starts"]; !strings.HasPrefix(d, "- writer: status 1: touch: ") {
		t.Errorf("starts: %s", d)
	}
	for name, d := range dynamicDetails(t, i, func(s *engine.Spec) { s.ReadOnly = false }) {
		if !strings.HasPrefix(d, "+ ") {
			t.Errorf("with a root that can be written, %s: %s", name, d)
		}
	}
}

func TestStarts(t *testing.T) {
	for _, c := range []struct {
		name              string
		check, entrypoint []string
		want              string
	}{
		{"nothing", nil, nil, "+ neither a check nor an ENTRYPOINT"},
		{"check", []string{"good"}, []string{"lost"}, "+ good: 1 /home/app"},
		{"check fails", []string{"picky"}, nil, "- picky: status 2: usage: picky"},
		{"version", nil, []string{"/venv/bin/python"}, "+ /venv/bin/python --version: Python 3.13."},
		{"no version", nil, []string{"picky"}, "+ picky --version: status 2: usage: picky"},
		{"not there", nil, []string{"gone"}, "- gone --version: status 12"},
		{"no interpreter", nil, []string{"lost"}, "- lost --version: status "},
		{"missing module", nil, []string{"broken"}, "- broken --version: status 1: Traceback"},
	} {
		i := testImage()
		i.Check, i.Entrypoint = c.check, c.entrypoint
		got := dynamicDetails(t, i, nil)
		if !strings.HasPrefix(got["starts"], c.want) {
			t.Errorf("%s: %s", c.name, got["starts"])
		}
		if got["modules import"] != "+ nothing is new" {
			t.Errorf("%s: %s", c.name, got["modules import"])
		}
	}
	i := testImage()
	i.Series = ""
	if got := dynamicDetails(t, i, nil); len(got) != 1 {
		t.Errorf("without Python: %v", got)
	}
}

// What does not end is given up, and nothing of it is left.
func TestSlow(t *testing.T) {
	c, err := shared.engine.Start(t.Context(), engine.Spec{Image: testRef, Limit: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testImage().run(t.Context(), c, []string{"sleep", "600"}, time.Second, io.Discard); !errors.Is(err, errSlow) {
		t.Errorf("slow: %v", err)
	}
	noneLeft(t)
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	i := testImage()
	i.Check = []string{"sh", "-c", "echo begun; sleep 600"}
	_, err := Dynamic(ctx, func(s engine.Spec) (*engine.Container, error) { return shared.engine.Start(ctx, s) }, testRef, i, canceller(cancel))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	noneLeft(t)
}

// canceller cancels at the first word.
type canceller func()

func (c canceller) Write(p []byte) (int, error) { c(); return len(p), nil }

func noneLeft(t *testing.T) {
	t.Helper()
	left, err := shared.engine.Leftovers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		if l.Owner == engine.OwnerAlive {
			t.Errorf("left: %+v", l)
		}
	}
}

func TestNoImage(t *testing.T) {
	start := func(s engine.Spec) (*engine.Container, error) { return shared.engine.Start(t.Context(), s) }
	if checks, err := Dynamic(t.Context(), start, "pybake-check-test/none:1", testImage(), io.Discard); err == nil {
		t.Errorf("no image: %v", checks)
	}
}
