//go:build engine

package build

import (
	"archive/zip"
	"bytes"
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
)

// TestContainer builds in containers of one image.
func TestContainer(t *testing.T) {
	b := newBuilder(t)
	t.Cleanup(func() { closed(t, b) })
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *Builder)
	}{
		{"pure", pure},
		{"extension", extension},
		{"requirements", requirements},
		{"rebuild", rebuild},
		{"surroundings", surroundings},
		{"sealed", sealed},
		{"network", network},
		{"memory", memory},
		{"processes", processes},
		{"time", timeLimit},
		{"cancelled", cancelled},
		{"bad output", badOutput},
		{"warm", warm},
		{"apart", apart},
		{"hostile", hostile},
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
import base64, hashlib, os, subprocess, sysconfig, zipfile
def build_wheel(d, settings=None, m=None):
    flags = os.environ["CFLAGS"].split() + os.environ["LDFLAGS"].split()
    subprocess.run(["gcc", "-shared", "-fPIC", "-g", *flags, "-g", "-I", sysconfig.get_path("include"),
        os.path.abspath("x.c"), "-o", "x.so"], check=True)
    name = "x-1-cp313-cp313-linux_x86_64.whl"
    row = base64.urlsafe_b64encode(hashlib.sha256(open("x.so", "rb").read()).digest()).rstrip(b"=").decode()
    with zipfile.ZipFile(os.path.join(d, name), "w") as z:
        z.write("x.so")
        z.writestr("x-1.dist-info/RECORD", "x.so,sha256=%s,%d\nx-1.dist-info/RECORD,,\n" % (row, os.path.getsize("x.so")))
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
	linked, err := elfcheck.Open(file)
	if err != nil || len(linked.Missing) > 0 || len(linked.RPath)+len(linked.RunPath) > 0 {
		t.Errorf("%+v, %v", linked, err)
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
	withSymbols(t, b, job)
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
import os, subprocess
def get_requires_for_build_wheel(settings=None):
    import first
    got = [first.x]
    try:
        import second
        got += [second.x, subprocess.check_output(["say", "hello"], text=True).strip()]
    except ImportError:
        got += ["no second"]
    from importlib.metadata import version
    print("environment", os.environ["PATH"].split(":")[0])
    return got + [version("first")]
`)
	var log bytes.Buffer
	job.Log = &log
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
	// An environment is the same whatever came to it first.
	grown := lastEnvironment(log.String())
	job.Wheels = []Wheel{second, job.Wheels[0]}
	requires(t, start(t, b, job))
	if whole := lastEnvironment(log.String()); whole != grown || !strings.HasPrefix(grown, "/build-env/") {
		t.Errorf("%s, and after an addition %s", whole, grown)
	}
	// A wheel that is none is no failure of the build, and leaves no container.
	job.Wheels = []Wheel{{Path: os.DevNull, Name: "none-1-py3-none-any.whl"}}
	if _, err := b.Start(t.Context(), job); err == nil || tailOf(err) != nil || !strings.Contains(err.Error(), "build requirement none-1-py3-none-any.whl: zip: not a valid zip file") {
		t.Error(err)
	}
}

// lastEnvironment is the last one that a log tells of.
func lastEnvironment(log string) string {
	line, _, _ := strings.Cut(log[strings.LastIndex(log, "environment ")+len("environment "):], "\n")
	return line
}

// rebuild asks the backend only if it has not built, and only believes that it needs
// more if it says so.
func rebuild(t *testing.T, b *Builder) {
	const asks = `
def get_requires_for_build_wheel(settings=None):
    print("asked")
    return ["wheel"]
`
	for _, tt := range []struct {
		name, code string
		known      []string
		asked      []string
		fails, log bool
	}{
		{"builds", pureBackend + asks, nil, nil, false, false},
		{"lacks", asks + "def build_wheel(d, c=None, m=None): import wheel\n", nil, []string{"wheel"}, false, true},
		{"fails", asks + "def build_wheel(d, c=None, m=None): 1/0\n", []string{"wheel"}, nil, true, true},
	} {
		var log bytes.Buffer
		job := backend(tt.code)
		job.Log = &log
		asked, name, err := start(t, b, job).Rebuild(t.Context(), tt.known, t.TempDir())
		if !slices.Equal(asked, tt.asked) || (name != "") != (asked == nil && err == nil) || (err != nil) != tt.fails {
			t.Errorf("%s: %q, %q, %v", tt.name, asked, name, err)
		}
		if failed, ok := errors.AsType[*FailedError](err); tt.fails && (!ok || failed.Step != wheelHook || strings.Contains(fmt.Sprint(failed.Tail), "asked")) {
			t.Errorf("%s: %v: %q", tt.name, err, tailOf(err))
		}
		if strings.Contains(log.String(), "asked") != tt.log {
			t.Errorf("%s: %s", tt.name, log.String())
		}
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
		"NPY_NUM_BUILD_JOBS=2", "OWN=1", "PATH=" + r.env + "/bin:/usr/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONHASHSEED=0",
		"PYTHONNOUSERSITE=1", "SOURCE_DATE_EPOCH=1000000000", "TMPDIR=/tmp", "TZ=UTC",
		r.env, "/usr", r.env + "/bin/python", "/build/home", "[]", "/build/src", "nothing",
		"['/build/src', '" + r.env + "/lib/python3.13/site-packages']", "0o22", "unknown", "['lo']",
	}
	if diff := cmp.Diff(want, requires(t, r)); diff != "" {
		t.Error(diff)
	}
}

// sealed: a build changes nothing but its source and its output.
func sealed(t *testing.T, b *Builder) {
	job := backend(`
import os, sys
def get_requires_for_build_wheel(settings=None):
    env = sys.prefix
    site = env + "/lib/python3.13/site-packages"
    done = []
    def attempt(what, *args):
        try:
            what(*args)
            done.append(repr(args))
        except OSError:
            pass
    for name in (site + "/first.py", site + "/new.py", env + "/bin/new", "/build-env/new", "/new",
                 "/etc/resolv.conf", "/etc/hosts", "/usr/new", "/run/new", "/dev/new", "/home/pybake/new", "/build/src/new", "/build/out/new", "/build/home/new", "/tmp/new"):
        attempt(open, name, "a")
    for name in (env, "/build/src", site + "/first.py", "/build"):
        attempt(os.rename, name, name + "2")
        attempt(os.chmod, name, 0o777)
    return done
`)
	job.Wheels = []Wheel{makeWheel(t, "first-1-py3-none-any.whl", member{"first.py", "", 0}, member{"first-1.dist-info/METADATA", "", 0})}
	r := start(t, b, job)
	want := []string{
		"('/build/src/new', 'a')", "('/build/out/new', 'a')", "('/build/home/new', 'a')", "('/tmp/new', 'a')", "('/build/src', '/build/src2')", "('/build', 511)",
	}
	if diff := cmp.Diff(want, requires(t, r)); diff != "" {
		t.Error(diff)
	}
}

func badOutput(t *testing.T, b *Builder) {
	const whl = "x-1-py3-none-any.whl"
	r := start(t, b, backend(`
import os, shutil
def build_wheel(d, settings=None, m=None):
    n = len(os.listdir("/build/home"))
    open(f"/build/home/{n}", "w").close()
    shutil.rmtree(d)
    os.mkdir(d)
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

// warm: a worker that waits is taken, one that died meanwhile is no trouble.
func warm(t *testing.T, b *Builder) {
	b = b.with(1<<30, 200, time.Minute)
	spare := func() *worker {
		b.Warm(t.Context(), 9)
		b.Warm(t.Context(), 9) // one is enough
		w := <-b.workers
		b.workers <- w
		return w
	}
	first := spare()
	if r := start(t, b, backend(pureBackend)); r.worker != first {
		t.Error("the spare container was not taken")
	}
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
	if b.Warm(t.Context(), 9); b.coming != 0 || b.alive != 2 { // those of the runs
		t.Error("a closed builder starts a container")
	}
	// No image: the error is that of Start.
	none := &Builder{Engine: b.Engine, Image: "pybake-build-test/no-such-image:1", Limit: time.Minute, Envs: b.Envs}
	none.Warm(t.Context(), 1)
	if _, err := none.Start(t.Context(), backend("")); err == nil || !strings.Contains(fmt.Sprint(err), "no-such-image") {
		t.Error(err)
	}
}
