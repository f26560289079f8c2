//go:build engine

package python

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/nfpm"
)

// quiet is a reporter whom nobody listens to.
type quiet struct{}

func (quiet) Step(string) func(error) { return func(error) {} }
func (quiet) Note(string, ...any)     {}
func (quiet) Output() io.Writer       { return io.Discard }

// toolchain is a container of a builder image with a compiler, the base image
// and the maker of both. The base of the plan is an image that other tests share; the images
// that stand on it are removed.
func toolchain(t *testing.T, p *Plan) (c *engine.Container, baseRef string, m *distro.Maker) {
	t.Helper()
	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	e, err := engine.Connect(t.Context(), address, t.TempDir())
	if err != nil {
		t.Fatalf("the tests with tag engine need a container engine: %v", err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	m = &distro.Maker{
		Engine: e, Fetcher: &fetch.Fetcher{Cache: t.TempDir()}, Report: quiet{}, Environ: os.Environ(),
	}
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
	// Another component than usual: images of other names than the real ones.
	target := p.Target()
	target.Distro.Base.Image = "pybake-python-test/no-such-image:1"
	target.Distro.Base.Mmdebstrap.Components = []string{"main", "non-free-firmware"}
	base, err := m.Base(t.Context(), target, nil)
	if err != nil {
		t.Fatalf("the tests with tag engine need mmdebstrap and an apt mirror: %v", err)
	}
	baseRef = distro.BaseRef(target, base.Digest)
	refs := []string{baseRef}
	t.Cleanup(func() {
		for _, ref := range refs {
			if err := e.RemoveImage(context.Background(), ref); err != nil {
				t.Error(err)
			}
		}
	})
	packages, err := m.Resolve(t.Context(), target, base, []string{"dpkg-dev", "gcc", "libc6-dev", "libfaketime"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	image, err := m.Builder(t.Context(), target, base, packages, "builder")
	if err != nil {
		t.Fatal(err)
	}
	refs = slices.Insert(refs, 0, image)
	c, err = e.Start(t.Context(), engine.Spec{Image: image, Purpose: "python-test", Limit: 10 * time.Minute, PIDs: 500})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c, baseRef, m
}

// TestToolchain runs what needs a real compiler, in one container.
func TestToolchain(t *testing.T) {
	p := planFor(t, request("3.13.5"))
	c, base, m := toolchain(t, p)
	t.Run("hardened", func(t *testing.T) { hardenedFaults(t, c) })
	t.Run("collect", func(t *testing.T) { collects(t, c, p) })
	t.Run("installed", func(t *testing.T) { installedFaults(t, m, base, p) })
	t.Run("circumstances", func(t *testing.T) { circumstancesVary(t, c) })
}

// faults are ELF files with what the checks find in them.
var faults = []struct {
	name, flags string
	want        []string // the checks, and what they say
}{
	{"library", "-shared", nil},
	{"program", "-pie", nil},
	{"origin", "-shared -Wl,-rpath,'$ORIGIN/../lib'", nil},
	{"norelro", "-shared -Wl,-z,norelro", []string{"hardening: no RELRO"}},
	{"lazy", "-shared -Wl,-z,lazy", []string{"hardening: no BIND_NOW"}},
	{"execstack", "-shared -Wl,-z,execstack", []string{"hardening: executable stack"}},
	{"runpath", "-shared -Wl,--enable-new-dtags,-rpath,/run/path", []string{"run-paths: run path /run/path"}},
	{"rpath", "-shared -Wl,--disable-new-dtags,-rpath,/r/path", []string{"run-paths: run path /r/path"}},
	{"nopie", "-no-pie", []string{"hardening: not position independent"}},
	{"nobuildid", "-shared -Wl,--build-id=none", []string{"symbols: no build id"}},
	{"textrel", "-shared -Wl,-z,notext -DTEXTREL", []string{"hardening: text relocations"}},
	{"unfortified", "-shared -U_FORTIFY_SOURCE", []string{"fortified: calls printf, which fortified code never does"}},
	{"unoptimised", "-shared -O0 -U_FORTIFY_SOURCE", []string{"fortified: calls printf, which fortified code never does"}},
	{"unprotected", "-shared -fno-stack-protector", []string{"stack-protector: compiled without -fstack-protector-strong: GNU C17"}},
	{"unprotected-lto", "-shared -flto -fno-stack-protector", []string{"stack-protector: compiled without -fstack-protector-strong: GNU C17"}},
	{"lto", "-shared -flto=auto", nil},
	{"unprotected-bare", "-shared -g0 -fno-stack-protector", []string{"stack-protector: has no __stack_chk_fail"}},
	{"bare", "-shared -g0", nil},
	// Not loaded but linked, by who embeds 3.9: config-3.9-x86_64-linux-gnu/python.o.
	{"object", "-c", nil},
	{"static", "-static", []string{"hardening: not position independent, no BIND_NOW"}},
	{
		"everything", "-no-pie -Wl,-z,norelro -Wl,-z,lazy -Wl,-z,execstack -Wl,--build-id=none -Wl,-rpath,/x -U_FORTIFY_SOURCE -fno-stack-protector",
		[]string{
			"hardening: not position independent, no RELRO, executable stack, no BIND_NOW", "run-paths: run path /x",
			"fortified: calls printf", "stack-protector: compiled without", "symbols: no build id",
		},
	},
}

// faulty.c has an address in its code if it should need text relocations.
const faultySource = `
#ifdef TEXTREL
__asm__(".text\n.globl here\nhere: .8byte here\n");
#endif
#include <stdio.h>
int f(char *s) { char text[64]; snprintf(text, sizeof text, "%s!", s); return printf("%s %d", text, (int)sizeof text); }
int main(int n, char **args) { return f(args[n - 1]); }
`

// hardenedFaults compiles one file for every fault.
func hardenedFaults(t *testing.T, c *engine.Container) {
	j := &job{Container: c}
	if err := j.putFiles(t.Context(), jobSrc, []fetch.MemFile{{Name: "faulty.c", Data: []byte(faultySource)}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			said, err := run(t, c, jobSrc, fmt.Sprintf(`gcc -g -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIC \
				-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id %s faulty.c -o faulty
				objcopy --only-keep-debug --compress-debug-sections faulty faulty.debug
				[ "$(readelf -h faulty | sed -n 's/ *Type: *\([A-Z]*\).*/\1/p')" = REL ] || strip --strip-unneeded faulty`, tt.flags))
			if err != nil {
				t.Fatalf("gcc: %v: %s", err, said)
			}
			here := func(name string) string {
				data, err := readFile(t.Context(), c, jobSrc+"/"+name)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), name)
				write(t, file, string(data))
				return file
			}
			f := elfFile{File: nfpm.File{Path: "/faulty", Source: here("faulty")}, pkg: "pybake-python3.13", debug: here("faulty.debug")}
			if f.elf, err = elfcheck.Open(f.Source); err != nil {
				t.Fatal(err)
			}
			var elfs []elfFile // a file that has yet to be linked is not looked at
			if f.elf.Linked() {
				elfs = append(elfs, f)
			}
			var got []string
			for _, check := range []struct {
				name string
				run  func(elfFile) error
			}{
				{"hardening", checkHardening}, {"run-paths", checkRunPaths},
				{"fortified", func(f elfFile) error {
					imports, err := elfcheck.Imports(f.Source)
					if err != nil {
						return err
					}
					return checkFortified(imports)
				}},
				{"stack-protector", checkStack}, {"symbols", checkSymbols},
			} {
				for _, f := range elfs {
					if err := check.run(f); err != nil {
						got = append(got, check.name+": "+err.Error())
					}
				}
			}
			same := func(got, want string) bool { return strings.HasPrefix(got, want) }
			if !slices.EqualFunc(got, tt.want, same) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func run(t *testing.T, c *engine.Container, dir, script string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := c.Exec(t.Context(), engine.Command{Argv: []string{"sh", "-euc", script}, Dir: dir, Stdout: &out, Stderr: &out})
	return out.String(), err
}

// collects brings a small tree here, with Depends that dpkg-shlibdeps found.
func collects(t *testing.T, c *engine.Container, p *Plan) {
	tree := `
		cd /build/stage/opt/python/3.13
		printf '#include <math.h>\nvolatile double x; int f(void) { return cos(x); }\n' > /tmp/a.c
		gcc -shared -fPIC /tmp/a.c -lm -o lib/python3.13/lib-dynload/_ssl.so
		gcc -shared -fPIC /tmp/a.c -lm -Wl,-h,libpython3.13.so.1.0 -o lib/libpython3.13.so.1.0
		gcc -shared -fPIC /tmp/a.c -Wl,--no-as-needed -Wl,-h,libpython3.so lib/libpython3.13.so.1.0 -o lib/libpython3.so
		ln -s libpython3.13.so.1.0 lib/libpython3.13.so
		chmod 0700 lib/python3.13/os.py`
	j := &job{Container: c, b: &Builder{Report: quiet{}}, plan: p, log: io.Discard, env: []string{"LC_ALL=C.UTF-8"}}
	err := j.putFiles(t.Context(), jobStage, []fetch.MemFile{
		{Name: "opt/python/3.13/lib/python3.13/LICENSE.txt", Data: []byte("The terms.\n")},
		{Name: "opt/python/3.13/lib/python3.13/os.py", Data: []byte("pass\n")},
		{Name: "opt/python/3.13/lib/python3.13/lib-dynload/.keep"},
		{Name: "opt/python/3.13/lib/python3.13/tkinter/__init__.py"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if said, err := run(t, c, "/", tree); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	s := &stage{plan: p, dir: t.TempDir(), epoch: time.Unix(1e9, 0).UTC()}
	if err := s.collect(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"pybake-python3.13": true, "pybake-libpython3.13": true, "pybake-python3.13-tk": false, "pybake-python3.13-test": false,
	} {
		depends := s.depends[name]
		if want && (len(depends) != 1 || !strings.HasPrefix(depends[0], "libc6 (>= 2.")) || !want && len(depends) > 0 {
			t.Errorf("%s depends on %q", name, depends)
		}
	}
	if string(s.license) != "The terms.\n" {
		t.Errorf("license %q", s.license)
	}
	home := map[string]string{}
	for name, files := range s.files {
		for _, f := range files {
			home[strings.TrimPrefix(f.Path, "/opt/python/3.13/")] = strings.TrimPrefix(name, "pybake-")
			if path := f.Path; strings.HasSuffix(path, "/EXTERNALLY-MANAGED") {
				marker := string(f.Content)
				for _, want := range []string{"[externally-managed]\nError=", "/opt/python/3.13/bin/python3.13 -m venv", "pybake-python3.13-venv"} {
					if !strings.Contains(marker, want) {
						t.Errorf("%s: no %q in:\n%s", path, want, marker)
					}
				}
				if strings.ContainsAny(marker, "{}") {
					t.Errorf("%s is not expanded:\n%s", path, marker)
				}
			}
		}
	}
	want := map[string]string{
		"lib/libpython3.13.so.1.0":           "libpython3.13",
		"lib/libpython3.so":                  "libpython3.13",
		"lib/libpython3.13.so":               "python3.13-dev",
		"lib/python3.13/EXTERNALLY-MANAGED":  "python3.13",
		"lib/python3.13/LICENSE.txt":         "python3.13",
		"lib/python3.13/os.py":               "python3.13",
		"lib/python3.13/lib-dynload/.keep":   "python3.13",
		"lib/python3.13/lib-dynload/_ssl.so": "python3.13",
		"lib/python3.13/tkinter/__init__.py": "python3.13-tk",
	}
	if diff := cmp.Diff(want, home); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(filepath.Join(s.dir, "opt/python/3.13/lib/python3.13/os.py"))
	if err != nil || !info.ModTime().Equal(s.epoch) {
		t.Errorf("os.py is of %v, %v", info.ModTime(), err)
	}

	// A library that no package has is an error that says which.
	broken := `cd /tmp
		gcc -shared -fPIC a.c -Wl,-h,libnobody.so.1 -o libnobody.so
		gcc -shared -fPIC a.c -Wl,--no-as-needed ./libnobody.so -o /build/stage/opt/python/3.13/lib/python3.13/lib-dynload/_ssl.so
		rm libnobody.so`
	if said, err := run(t, c, "/", broken); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	s = &stage{plan: p, dir: t.TempDir(), epoch: s.epoch}
	if err := s.collect(t.Context(), j); err == nil || !strings.Contains(err.Error(), "dependencies of pybake-python3.13: ") || !strings.Contains(err.Error(), "libnobody.so.1") {
		t.Errorf("error %v", err)
	}
}
