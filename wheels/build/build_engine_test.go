//go:build engine

package build

import (
	"archive/zip"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/internal/engine"
)

// TestContainer builds in containers of one image.
func TestContainer(t *testing.T) {
	b := newBuilder(t)
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *Builder)
	}{
		{"pure", pure},
		{"extension", extension},
		{"requirements", requirements},
		{"surroundings", surroundings},
		{"sealed", sealed},
		{"network", network},
		{"memory", memory},
		{"processes", processes},
		{"time", timeLimit},
		{"cancelled", cancelled},
		{"bad output", badOutput},
		{"warm", warm},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, b) })
	}
}

const pureBackend = `
import os, zipfile
def build_wheel(d, settings=None, m=None):
    name = "x-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(d, name), "w") as z:
        z.write("data.txt", "x/data.txt")
        z.writestr("x/uid", repr((os.getuid(), os.stat("data.txt").st_uid)))
    print("built it")
    return name
`

func pure(t *testing.T, b *Builder) {
	var log bytes.Buffer
	job := backend(pureBackend)
	job.Log = &log
	r := start(t, b, job)
	if got := requires(t, r); len(got) > 0 {
		t.Error(got)
	}
	dir := t.TempDir()
	name, err := r.Wheel(t.Context(), dir)
	if err != nil || name != "x-1-py3-none-any.whl" {
		t.Fatal(name, err)
	}
	got := unzip(t, filepath.Join(dir, name))
	if want := map[string]string{"x/data.txt": "data", "x/uid": "(1000, 1000)"}; !cmp.Equal(want, got) {
		t.Error(got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
	if want := "\n==> get_requires_for_build_wheel\n\n==> build_wheel\nbuilt it\n"; log.String() != want {
		t.Errorf("%q", log.String())
	}
}

func unzip(t *testing.T, file string) map[string]string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}

// extension compiles C with the flags of the environment, and with -g from who
// insists.
func extension(t *testing.T, b *Builder) {
	job := backend(`
import os, subprocess, sysconfig, zipfile
def build_wheel(d, settings=None, m=None):
    flags = os.environ["CFLAGS"].split() + os.environ["LDFLAGS"].split()
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", *flags, "-g", "-I", sysconfig.get_path("include"),
        os.path.abspath("x.c"), "-o", "x.so"], check=True)
    name = "x-1-cp313-cp313-linux_x86_64.whl"
    with zipfile.ZipFile(os.path.join(d, name), "w") as z:
        z.write("x.so")
    return name
`)
	job.Source.(source)["x.c"] = `
#include <Python.h>
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "x", __FILE__, -1};
PyMODINIT_FUNC PyInit_x(void) { return PyModule_Create(&def); }
`
	var made []string
	for range 2 {
		r := start(t, b, job)
		dir := t.TempDir()
		name, err := r.Wheel(t.Context(), dir)
		if err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(tailOf(err), "\n"))
		}
		made = append(made, unzip(t, filepath.Join(dir, name))["x.so"])
	}
	if made[0] != made[1] {
		t.Error("two builds differ")
	}
	file := filepath.Join(t.TempDir(), "x.so")
	if err := os.WriteFile(file, []byte(made[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	missing, err := elfcheck.Hardened(file)
	if err != nil || len(missing) > 0 {
		t.Error(missing, err)
	}
	if strings.Contains(made[0], Dir+"/") || !strings.Contains(made[0], "./x.c") {
		t.Error("a path of the builder in the extension")
	}
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Section(".debug_info") != nil {
		t.Error("debug information")
	}
}

func tailOf(err error) []string {
	if failed, ok := errors.AsType[*FailedError](err); ok {
		return failed.Tail
	}
	return nil
}

// requirements are importable and have programs, as soon as they are added.
func requirements(t *testing.T, b *Builder) {
	job := backend(`
import subprocess
def get_requires_for_build_wheel(settings=None):
    import first
    got = [first.x]
    try:
        import second
        got += [second.x, subprocess.check_output(["say", "hello"], text=True).strip()]
    except ImportError:
        got += ["no second"]
    from importlib.metadata import version
    return got + [version("first")]
`)
	job.Wheels = []Wheel{makeWheel(t, "first-1.5-py3-none-any.whl",
		member{"first.py", "x = 'first'\n", 0}, member{"first-1.5.dist-info/METADATA", "Metadata-Version: 2.1\nName: first\nVersion: 1.5\n", 0})}
	r := start(t, b, job)
	if got := requires(t, r); !slices.Equal(got, []string{"first", "no second", "1.5"}) {
		t.Error(got)
	}
	second := makeWheel(t, "second-1-py3-none-any.whl",
		member{"second.py", "import sys\nx = 'second'\ndef main():\n  print('said', *sys.argv[1:])\n", 0},
		member{"second-1.dist-info/METADATA", "Name: second\n", 0},
		member{"second-1.dist-info/entry_points.txt", "[console_scripts]\nsay = second:main\n", 0})
	if err := r.Add(t.Context(), []Wheel{second}); err != nil {
		t.Fatal(err)
	}
	if got := requires(t, r); !slices.Equal(got, []string{"first", "second", "said hello", "1.5"}) {
		t.Error(got)
	}
	if err := r.Add(t.Context(), []Wheel{second}); err == nil {
		t.Error("added twice")
	}
	// A wheel that is none is no failure of the build, and leaves no container.
	job.Wheels = []Wheel{{Path: os.DevNull, Name: "none-1-py3-none-any.whl"}}
	if _, err := b.Start(t.Context(), job); err == nil || tailOf(err) != nil || !strings.Contains(err.Error(), "build requirement none-1-py3-none-any.whl: zip: not a valid zip file") {
		t.Error(err)
	}
}

// surroundings are what a hook finds around it.
func surroundings(t *testing.T, b *Builder) {
	job := backend(`
import os, sys
def get_requires_for_build_wheel(settings=None):
    try:
        import pip
        sees = "pip"
    except ImportError:
        sees = "nothing"
    home = os.environ.pop("HOME")
    return [f"{k}={v}" for k, v in sorted(os.environ.items()) if k not in ("CFLAGS", "CXXFLAGS", "FFLAGS", "LDFLAGS", "LC_CTYPE")] + [
        sys.prefix, sys.base_prefix, sys.executable, home, repr(os.listdir(home)), os.getcwd(), sees,
        repr([p for p in sys.path if not p.startswith("/usr/lib")]), oct(os.umask(0)), open("/sys/class/net/lo/operstate").read().strip(),
        repr(os.listdir("/sys/class/net"))]
`)
	job.Env = map[string]string{"OWN": "1"}
	r := start(t, b, job)
	want := []string{
		"CARGO_BUILD_JOBS=2", "CMAKE_BUILD_PARALLEL_LEVEL=2", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "MAKEFLAGS=-j2", "MAX_JOBS=2",
		"NPY_NUM_BUILD_JOBS=2", "OWN=1", "PATH=/build/env/bin:/usr/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0",
		"PYTHONNOUSERSITE=1", "SOURCE_DATE_EPOCH=1000000000", "TMPDIR=/tmp", "TZ=UTC",
		"/build/env", "/usr", "/build/env/bin/python", "/build/home", "[]", "/build/src", "nothing",
		"['/build/src', '/build/env/lib/python3.13/site-packages']", "0o22", "unknown", "['lo']",
	}
	if diff := cmp.Diff(want, requires(t, r)); diff != "" {
		t.Error(diff)
	}
}

// sealed: a build changes nothing but its source and its output.
func sealed(t *testing.T, b *Builder) {
	job := backend(`
import os
def get_requires_for_build_wheel(settings=None):
    site = "/build/env/lib/python3.13/site-packages"
    done = []
    def attempt(what, *args):
        try:
            what(*args)
            done.append(repr(args))
        except OSError:
            pass
    for name in (site + "/first.py", site + "/new.py", "/build/build.py", "/build/job.json", "/build/env/bin/new", "/build/new",
                 "/etc/resolv.conf", "/usr/new", "/build/src/new", "/build/out/new", "/build/home/new", "/tmp/new"):
        attempt(open, name, "a")
    for name in ("/build/env", "/build/build.py", "/build/src", site + "/first.py", "/build"):
        attempt(os.rename, name, name + "2")
        attempt(os.chmod, name, 0o777)
    return done
`)
	job.Wheels = []Wheel{makeWheel(t, "first-1-py3-none-any.whl", member{"first.py", "", 0}, member{"first-1.dist-info/METADATA", "", 0})}
	r := start(t, b, job)
	want := []string{
		"('/build/src/new', 'a')", "('/build/out/new', 'a')", "('/build/home/new', 'a')", "('/tmp/new', 'a')", "('/build/src', 511)",
	}
	if diff := cmp.Diff(want, requires(t, r)); diff != "" {
		t.Error(diff)
	}
}

func network(t *testing.T, b *Builder) {
	var log bytes.Buffer
	job := backend(`
import socket, urllib.request
def get_requires_for_build_wheel(settings=None):
    for family, flags in ((0, 0), (0, socket.AI_ADDRCONFIG), (socket.AF_INET6, 0)):
        try:
            socket.getaddrinfo(f"{family}-{flags}.example.org", 443, family=family, flags=flags)
        except OSError as e:
            print(e)
    socket.getfqdn()
    try:
        socket.gethostbyaddr("192.0.2.7")
    except OSError:
        pass
    print("the middle of a line ", end="", flush=True)
    urllib.request.urlopen("https://Files.example.org/x.tar.gz")
def build_wheel(d, settings=None, m=None):
    raise OSError("curl: (7) Failed to connect to 192.0.2.7 port 443 after 0 ms")
`)
	job.Log = &log
	r := start(t, b, job)
	_, err := r.Requires(t.Context())
	failed, ok := errors.AsType[*FailedError](err)
	if !ok {
		t.Fatal(err)
	}
	if want := []string{"0-0.example.org", "0-32.example.org", "10-0.example.org", "files.example.org"}; !cmp.Equal(want, failed.Reached) || failed.Kind != Raised {
		t.Errorf("%+v", failed)
	}
	if !strings.Contains(err.Error(), "x 1: get_requires_for_build_wheel: urllib.error.URLError") || !strings.Contains(err.Error(), "it asked for 0-0.example.org, ") {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "\nthe middle of a line \npybake: the build asks for files.example.org\nTraceback") {
		t.Error(log.String())
	}
	_, err = r.Wheel(t.Context(), t.TempDir())
	if failed, ok := errors.AsType[*FailedError](err); !ok || !cmp.Equal([]string{"192.0.2.7"}, failed.Reached) || failed.Step != "build_wheel" {
		t.Error(err)
	}
}

func memory(t *testing.T, b *Builder) {
	r := start(t, b.with(128<<20, 200, 5*time.Minute), backend(`
def get_requires_for_build_wheel(settings=None):
    print("about to", flush=True)
    return [str(len(b"x" * (1 << 30)))]
`))
	_, err := r.Requires(t.Context())
	want := &FailedError{
		Package: "x 1", Step: "get_requires_for_build_wheel", Kind: OutOfMemory, Cause: "out of memory at 128 MiB", Tail: []string{"about to"},
	}
	if failed, _ := errors.AsType[*FailedError](err); !cmp.Equal(want, failed) {
		t.Errorf("%v: %+v", err, failed)
	}
}

// processes: what a hook starts is bounded, and does not outlive it.
func processes(t *testing.T, b *Builder) {
	r := start(t, b.with(1<<30, 50, 5*time.Minute), backend(`
import os, signal, time
def get_requires_for_build_wheel(settings=None):
    mine = [p for p in os.listdir("/proc") if p.isdigit() and os.stat("/proc/" + p).st_uid == 1000]
    n = 0
    try:
        while n < 1000:
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.setsid()
                time.sleep(1000)
            n += 1
    except BlockingIOError:
        pass
    return [f"{len(mine)} processes", "all" if n >= 50 else "bounded"]
`))
	for range 2 { // the second finds nothing of the first
		if got := requires(t, r); !slices.Equal(got, []string{"2 processes", "bounded"}) {
			t.Error(got)
		}
	}
}

func timeLimit(t *testing.T, b *Builder) {
	r := start(t, b.with(1<<30, 200, 3*time.Second), backend(`
import time
def get_requires_for_build_wheel(settings=None):
    time.sleep(1000)
`))
	_, err := r.Requires(t.Context())
	failed, _ := errors.AsType[*FailedError](err)
	if failed == nil || failed.Kind != TimedOut || failed.Cause != "no end after 3 s" {
		t.Errorf("%v: %+v", err, failed)
	}
	if exists(t, b, r.container.ID) {
		t.Error("the container is left")
	}
}

func cancelled(t *testing.T, b *Builder) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	job := backend("import time\ndef build_wheel(d, c=None, m=None):\n  print('here', flush=True)\n  time.sleep(1000)\n")
	job.Log = onText{"here", func() { cancel(enough) }}
	r := start(t, b, job)
	_, err := r.Wheel(ctx, t.TempDir())
	if _, failed := errors.AsType[*FailedError](err); failed || !errors.Is(err, enough) {
		t.Error(err)
	}
	if exists(t, b, r.container.ID) {
		t.Error("the container is left")
	}
	if _, err := b.Start(ctx, job); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// onText calls a function when a text is written.
type onText struct {
	text string
	call func()
}

func (o onText) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(o.text)) {
		o.call()
	}
	return len(p), nil
}

func badOutput(t *testing.T, b *Builder) {
	const whl = "x-1-py3-none-any.whl"
	r := start(t, b, backend(`
import os, shutil
def build_wheel(d, settings=None, m=None):
    n = len(os.listdir("/build/home"))
    open(f"/build/home/{n}", "w").close()
    shutil.rmtree(d, ignore_errors=True)
    name = "x-1-py3-none-any.whl"
    def make(name):
        open(os.path.join(d, name), "w").close()
    if n == 0: pass
    elif n == 1: make(name); make("x-1-py2-none-any.whl")
    elif n == 2: os.symlink("/etc/passwd", os.path.join(d, name))
    elif n == 3: make("a"); os.link(os.path.join(d, "a"), os.path.join(d, name))
    elif n == 4: os.mkfifo(os.path.join(d, name))
    elif n == 5: os.mkdir(os.path.join(d, name)); make(name + "/\033[31mx")
    elif n == 6: name = "x-2-py3-none-any.whl"; make(name)
    elif n == 7: name = "../x"
    return name
`))
	for _, want := range []string{
		"the backend made nothing, not " + whl + " alone",
		"the backend made x-1-py2-none-any.whl, " + whl + ", not " + whl + " alone",
		"the backend made " + whl + " (a symbolic link), not " + whl + " alone",
		" (a hard link), not " + whl + " alone",
		"the backend made " + whl + " (no regular file), not " + whl + " alone",
		"the backend made " + whl + " (a directory), " + whl + "/x, not " + whl + " alone",
		"the wheel x-2-py3-none-any.whl is not of version 1",
		`the backend calls its wheel "../x", which is no name of a wheel`,
	} {
		dir := t.TempDir()
		_, err := r.Wheel(t.Context(), dir)
		failed, _ := errors.AsType[*FailedError](err)
		if failed == nil || failed.Kind != BadOutput || !strings.Contains(failed.Cause, want) {
			t.Errorf("%v, want %s", err, want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Error(entries, err)
		}
	}
}

func warm(t *testing.T, b *Builder) {
	b = b.with(1<<30, 200, time.Minute)
	spare := func() *engine.Container {
		b.Warm(t.Context())
		b.Warm(t.Context()) // one is enough
		s := <-b.spare
		b.spare <- s
		return s.Container
	}
	first := spare()
	if r := start(t, b, backend(pureBackend)); r.container != first {
		t.Error("the spare container was not taken")
	}
	// One that died while it waited is no trouble.
	second := spare()
	if err := second.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := start(t, b, backend(pureBackend))
	if name, err := r.Wheel(t.Context(), t.TempDir()); err != nil {
		t.Error(name, err)
	}
	last := spare()
	for range 2 {
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if exists(t, b, last.ID) {
		t.Error("the spare container is left")
	}
	if b.Warm(t.Context()); b.spare != nil {
		t.Error("a closed builder starts a container")
	}
	// No image: the error is that of Start.
	none := &Builder{Engine: b.Engine, Image: "pybake-build-test/no-such-image:1", Limit: time.Minute}
	none.Warm(t.Context())
	if _, err := none.Start(t.Context(), backend("")); err == nil || !strings.Contains(fmt.Sprint(err), "no-such-image") {
		t.Error(err)
	}
}
