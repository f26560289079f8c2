package check

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/elfcheck/elftest"
	"github.com/pybake/pybake/internal/image/layer"
)

var staticNames = []string{
	"no compiler", "no headers or static archives", "no installer", "no apt state", "no set-uid beyond the base",
	"no device or world-writable file", "no private key", "shared libraries resolve", "requirements consistent", "entrypoint exists", "bytecode is there",
}

func TestHealthy(t *testing.T) {
	checks, err := Static(t.Context(), makeImage(t, healthy()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range checks {
		names = append(names, c.Name)
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	if diff := cmp.Diff(staticNames, names); diff != "" {
		t.Error(diff)
	}
}

// The image without Python has only what is below and files.
func TestNoPython(t *testing.T) {
	layers := healthy()
	for _, name := range []string{"python", "wheels", "app"} {
		layers[name] = nil
	}
	i := makeImage(t, layers)
	i.Series, i.Python, i.Dists, i.Entrypoint = "", "", nil, nil
	checks, err := Static(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !c.OK || c.Name == "requirements consistent" || c.Name == "bytecode is there" {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	if len(checks) != len(staticNames)-2 {
		t.Errorf("%d checks", len(checks))
	}
}

// fault is one that is planted in a healthy image.
type fault struct {
	layer   string
	members []member
	change  func(*Image)
	check   string // that fails; "" if none does
	detail  string // a line of it, or of "note"
	note    string // of the check that it is a note of
}

func one(m member) []member { return []member{m} }

func program(name string) []member { return one(member{name: name, text: "\x7fELF", mode: 0o755}) }

// cache is an ld.so.cache that knows one library.
func cache(name, file string) string {
	b := []byte(strings.Repeat("x", 16) + cacheMagic)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = append(b, make([]byte, cacheHead-len(cacheMagic)-4)...)
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = binary.LittleEndian.AppendUint32(b, cacheHead+cacheEntry)
	b = binary.LittleEndian.AppendUint32(b, uint32(cacheHead+cacheEntry+len(name)+1))
	b = append(b, make([]byte, 12)...)
	return string(b) + name + "\x00" + file + "\x00"
}

func needs(libraries ...string) string { return library(elftest.Spec{Needed: libraries}) }

var faults = map[string]fault{
	"gcc":             {"apt", program("usr/bin/gcc"), nil, "no compiler", "/usr/bin/gcc (layer apt)", ""},
	"cross compiler":  {"apt", program("usr/bin/x86_64-linux-gnu-g++-14"), nil, "no compiler", "/usr/bin/x86_64-linux-gnu-g++-14 (layer apt)", ""},
	"cc1":             {"base", program("usr/libexec/gcc/x86_64-linux-gnu/14/cc1"), nil, "no compiler", "/usr/libexec/gcc/x86_64-linux-gnu/14/cc1 (layer base)", ""},
	"link to nowhere": {"apt", one(member{name: "usr/bin/cc", link: "/etc/alternatives/cc"}), nil, "", "", ""},
	"link to linker": {"apt", append(program("usr/lib/x"), member{name: "usr/bin/ld", link: "../lib/x"}), nil,
		"no compiler", "/usr/bin/ld (layer apt)", ""},
	"wheel of cmake": {"wheels", installed("cmake", "4.0", "", member{name: "cmake.py"}, member{name: "../../../bin/cmake", text: "#!/venv/bin/python\n", mode: 0o755}),
		func(i *Image) { i.Dists = append(i.Dists, Dist{Name: "cmake", Version: "4.0"}) }, "", "cmake 4.0: /venv/bin/cmake (layer wheels)", "no compiler"},
	"wheel that claims gcc": {"wheels", append(installed("claims", "4.0", "", member{name: "../../../../usr/bin/gcc", text: "\x7fELF", mode: 0o755}), member{name: "usr/bin/gcc", text: "\x7fELF", mode: 0o755}),
		func(i *Image) { i.Dists = append(i.Dists, Dist{Name: "claims", Version: "4.0"}) }, "no compiler", "/usr/bin/gcc (layer wheels)", ""},

	"header":          {"python", one(member{name: "opt/python/3.13/include/Python.h"}), nil, "no headers or static archives", "/opt/python/3.13/include/Python.h (layer python)", ""},
	"static library":  {"apt", one(member{name: "usr/lib/libfoo.a"}), nil, "no headers or static archives", "/usr/lib/libfoo.a (layer apt)", ""},
	"header of wheel": {"wheels", one(member{name: testSite + "flask/flask.hpp"}), nil, "no headers or static archives", "/" + testSite + "flask/flask.hpp (layer wheels)", ""},
	"headers of -dev": {"apt", []member{{name: "usr/include/pq.h"}, {name: "var/lib/dpkg/info/libpq-dev:amd64.list", text: "/usr/include/pq.h\n"}}, nil,
		"no headers or static archives", "/usr/include/pq.h (layer apt), of package libpq-dev", ""},
	"headers of perl": {"apt", []member{{name: "usr/lib/perl/CORE/perl.h"}, {name: "var/lib/dpkg/info/perl.list", text: "/.\n/usr/lib/perl/CORE/perl.h\n"}}, nil,
		"", "package perl: /usr/lib/perl/CORE/perl.h (layer apt)", "no headers or static archives"},
	"headers kept": {"apt", one(member{name: "usr/include/pq.h"}), func(i *Image) { i.Keep = []string{"headers"} }, "", "", ""},
	"headers of a wheel kept": {"wheels", installed("torch", "2.0", "", member{name: "torch/torch.h"}),
		func(i *Image) {
			i.Dists = append(i.Dists, Dist{Name: "torch", Version: "2.0", Keep: []string{"headers"}})
		}, "", "", ""},

	"pip":           {"wheels", installed("pip", "25.1", "", member{name: "pip/__init__.py"}), nil, "no installer", "pip: /" + testSite + "pip-25.1.dist-info (layer wheels)", ""},
	"pip program":   {"wheels", program("venv/bin/pip3"), nil, "no installer", "pip3: /venv/bin/pip3 (layer wheels)", ""},
	"pip of distro": {"apt", one(member{name: "usr/lib/python3/dist-packages/pip/"}), nil, "no installer", "pip: /usr/lib/python3/dist-packages/pip (layer apt)", ""},
	"ensurepip": {"python", one(member{name: "opt/python/3.13/lib/python3.13/ensurepip/"}), nil,
		"no installer", "ensurepip: /opt/python/3.13/lib/python3.13/ensurepip (layer python)", ""},
	"bundled wheel": {"apt", one(member{name: "usr/share/python-wheels/pip-25-py3-none-any.whl"}), nil,
		"no installer", "a wheel to install: /usr/share/python-wheels/pip-25-py3-none-any.whl (layer apt)", ""},
	"setuptools of the lock": {"wheels", installed("setuptools", "80.0", "", member{name: "setuptools/__init__.py"}, member{name: "pkg_resources/__init__.py"}),
		func(i *Image) { i.Dists = append(i.Dists, Dist{Name: "setuptools", Version: "80.0"}) }, "", "", ""},

	"apt list":      {"apt", one(member{name: "var/lib/apt/lists/deb_InRelease", text: "x"}), nil, "no apt state", "list of apt: /var/lib/apt/lists/deb_InRelease (layer apt)", ""},
	"apt archive":   {"apt", one(member{name: "var/cache/apt/archives/x.deb"}), nil, "no apt state", "cache of apt: /var/cache/apt/archives/x.deb (layer apt)", ""},
	"log":           {"apt", one(member{name: "var/log/dpkg.log", text: "x"}), nil, "no apt state", "log: /var/log/dpkg.log (layer apt)", ""},
	"backup":        {"base", one(member{name: "etc/passwd-"}), nil, "no apt state", "backup: /etc/passwd- (layer base)", ""},
	"documentation": {"apt", one(member{name: "usr/share/doc/x/changelog.gz"}), nil, "no apt state", "documentation: /usr/share/doc/x/changelog.gz (layer apt)", ""},

	"set-uid":        {"apt", one(member{name: "usr/bin/sudo", mode: 0o4755}), nil, "no set-uid beyond the base", "/usr/bin/sudo (layer apt): mode 4755, owner 0:0", ""},
	"set-gid":        {"files", one(member{name: "usr/bin/x", mode: 0o2755, gid: 8}), nil, "no set-uid beyond the base", "/usr/bin/x (layer files): mode 2755, owner 0:8", ""},
	"capability":     {"apt", one(member{name: "usr/bin/ping", mode: 0o755, capability: "x"}), nil, "no set-uid beyond the base", "/usr/bin/ping (layer apt): mode 0755, owner 0:0, with capabilities", ""},
	"update of su":   {"apt", one(member{name: "usr/bin/su", mode: 0o4755}), nil, "", "", ""},
	"su of somebody": {"apt", one(member{name: "usr/bin/su", mode: 0o4755, uid: 1}), nil, "no set-uid beyond the base", "/usr/bin/su (layer apt): mode 4755, owner 1:0", ""},

	"writable file":      {"files", one(member{name: "srv/x", mode: 0o666}), nil, "no device or world-writable file", "/srv/x (layer files): mode 0666", ""},
	"writable directory": {"apt", one(member{name: "srv/x/", mode: 0o777}), nil, "no device or world-writable file", "/srv/x (layer apt): mode 0777", ""},
	"private key":        {"apt", one(member{name: "etc/ssl/private/x.key", text: "-----BEGIN RSA PRIVATE KEY-----\nMIIE"}), nil, "no private key", "/etc/ssl/private/x.key (layer apt)", ""},
	"key for tests":      {"wheels", one(member{name: testSite + "flask/test.key", text: "-----BEGIN PRIVATE KEY-----\nMIIE"}), nil, "", "", ""},
	"device":             {"base", one(member{name: "dev/null", kind: tar.TypeChar}), nil, "no device or world-writable file", "/dev/null (layer base): a device or fifo", ""},

	"missing library": {"wheels", one(member{name: testSite + "flask/a.so", text: needs("libnobody.so.3")}), nil,
		"shared libraries resolve", "/" + testSite + "flask/a.so needs libnobody.so.3, which is not there", ""},
	"missing library of apt": {"apt", one(member{name: "usr/bin/a", text: needs("libnobody.so.3"), mode: 0o755}), nil,
		"shared libraries resolve", "/usr/bin/a needs libnobody.so.3, which is not there", ""},
	"library that is text": {"apt", []member{{name: "usr/bin/a", text: needs("liba.so"), mode: 0o755}, {name: "usr/lib/liba.so", text: "INPUT(x)"}}, nil,
		"shared libraries resolve", "/usr/bin/a needs liba.so, which is not there", ""},
	"run path": {"apt", []member{{name: "usr/lib/a/b.so", text: library(elftest.Spec{RunPath: "$ORIGIN/../c", Needed: []string{"libc1.so"}})}, {name: "usr/lib/c/libc1.so", text: needs()}}, nil, "", "", ""},
	"run path before RPATH": {"files", []member{
		{name: "opt/a.so", text: library(elftest.Spec{RPath: "/opt/there", RunPath: "/opt/nowhere", Needed: []string{"libc1.so"}})}, {name: "opt/there/libc1.so", link: "../other"}, {name: "opt/other", text: needs()},
	}, nil, "shared libraries resolve", "/opt/a.so needs libc1.so, which is not there", ""},
	"RPATH": {"files", []member{
		{name: "opt/a.so", text: library(elftest.Spec{RPath: "/opt/there", Needed: []string{"libc1.so"}})}, {name: "opt/there/libc1.so", link: "../other"}, {name: "opt/other", text: needs()},
	}, nil, "", "", ""},
	"cache": {"apt", []member{
		{name: "usr/local/lib/liba.so.1", text: needs()}, {name: "usr/bin/a", text: needs("liba.so.1"), mode: 0o755}, {name: "etc/ld.so.cache", text: cache("liba.so.1", "/usr/local/lib/liba.so.1")},
	}, nil, "", "", ""},
	"not in the cache": {"apt", []member{
		{name: "usr/local/lib/liba.so.1", text: library(elftest.Spec{Machine: 183})}, {name: "usr/bin/a", text: needs("liba.so.1"), mode: 0o755}, {name: "etc/ld.so.cache", text: cache("liba.so.1", "/usr/local/lib/liba.so.1")},
	}, nil, "shared libraries resolve", "/usr/bin/a needs liba.so.1, which is not there", ""},
	"LD_LIBRARY_PATH": {"files", []member{{name: "opt/l/liba.so.1", text: needs()}, {name: "usr/bin/a", text: needs("liba.so.1"), mode: 0o755}},
		func(i *Image) { i.Env = append(i.Env, "LD_LIBRARY_PATH=/opt/l") }, "", "", ""},
	"loaded before": {"wheels", slices.Concat(
		installed("np", "1.0", "", member{name: "np/libblas.so.3", text: library(elftest.Spec{Soname: "libblas.so.3"})}),
		installed("sp", "1.0", "np", member{name: "sp/a.so", text: needs("libblas.so.3")})),
		func(i *Image) {
			i.Dists = append(i.Dists, Dist{Name: "np", Version: "1.0"}, Dist{Name: "sp", Version: "1.0"})
		}, "", "", ""},
	"of a stranger": {"wheels", slices.Concat(
		installed("np", "1.0", "", member{name: "np/libblas.so.3", text: library(elftest.Spec{Soname: "libblas.so.3"})}),
		installed("sp", "1.0", "", member{name: "sp/a.so", text: needs("libblas.so.3")})),
		func(i *Image) {
			i.Dists = append(i.Dists, Dist{Name: "np", Version: "1.0"}, Dist{Name: "sp", Version: "1.0"})
		}, "shared libraries resolve", "/" + testSite + "sp/a.so needs libblas.so.3, which is not there (sp 1.0)", ""},
	"absent": {"wheels", installed("torch", "2.0", "", member{name: "torch/a.so", text: needs("libcuda.so.1")}),
		func(i *Image) {
			i.Dists = append(i.Dists, Dist{Name: "torch", Version: "2.0"})
			i.Absent = map[string]map[string]string{"torch": {"libcuda.so.*": "comes with the driver"}}
		}, "", "/" + testSite + "torch/a.so needs libcuda.so.1: comes with the driver", "shared libraries resolve"},
	"other machine, other libc": {"wheels", []member{
		{name: testSite + "flask/arm.so", text: library(elftest.Spec{Machine: 183, Needed: []string{"libnobody.so"}})},
		{name: testSite + "flask/musl.so", text: needs("libc.musl-x86_64.so.1", "libnobody.so")},
	}, nil, "", "", ""},
	"cut off": {"wheels", one(member{name: testSite + "flask/half.so", text: needs("x")[:100]}), nil, "", "/" + testSite + "flask/half.so", "shared libraries resolve"},

	"missing dependency": {"app", installed("shop", "1.0", "redis>=5", member{name: "shop/__init__.py"}), nil,
		"requirements consistent", "shop 1.0 requires redis>=5, which the lock does not have", ""},
	"old dependency": {"app", installed("shop", "1.0", "flask>=4", member{name: "shop/__init__.py"}), nil,
		"requirements consistent", "shop 1.0 requires flask>=4, and Flask 3.0 is installed", ""},
	"missing for an extra": {"app", installed("shop", "1.0", "flask[ASYNC]", member{name: "shop/__init__.py"}), nil,
		"requirements consistent", "Flask[async] 3.0 requires asgiref>=3, which the lock does not have", ""},
	"not for this Python": {"app", installed("shop", "1.0", "redis; python_full_version < '3.13.5'", member{name: "shop/__init__.py"}), nil, "", "", ""},
	"the project": {"app", installed("shop", "1.0", "mine", member{name: "shop/__init__.py"}), func(i *Image) { i.Project = []string{"mine"} },
		"", "shop 1.0 requires mine, which is the project of the lock itself", "requirements consistent"},
	"not in the lock": {"app", installed("extra", "1.0", "", member{name: "extra.py"}), nil,
		"requirements consistent", "extra 1.0 is installed, and the lock does not have it", ""},
	"not installed": {"", nil, func(i *Image) { i.Dists = append(i.Dists, Dist{Name: "gone", Version: "1"}) },
		"requirements consistent", "gone 1 is not installed", ""},
	"other version": {"", nil, func(i *Image) { i.Dists[0].Version = "3.1" }, "requirements consistent", "Flask 3.0 is installed, and the lock has 3.1", ""},
	"no metadata": {"app", one(member{name: testSite + "shop-1.0.dist-info/METADATA", text: "Name: shop\n"}), nil,
		"requirements consistent", "shop: core metadata: no Metadata-Version; no Version", ""},

	"no entrypoint":         {"", nil, func(i *Image) { i.Entrypoint = []string{"shop2"} }, "entrypoint exists", `ENTRYPOINT "shop2": is not on PATH, /venv/bin:/usr/bin:/bin`, ""},
	"no command":            {"", nil, func(i *Image) { i.Entrypoint, i.Cmd = nil, []string{"/bin/x"} }, "entrypoint exists", `CMD "/bin/x": /bin/x is not there`, ""},
	"command through links": {"", nil, func(i *Image) { i.Entrypoint, i.Cmd = nil, []string{"/bin/sh"} }, "", "/usr/bin/sh", "entrypoint exists"},
	"relative":              {"files", one(member{name: "home/app/run", text: "#! /bin/sh -e\n", mode: 0o755}), func(i *Image) { i.Entrypoint = []string{"./run"} }, "", "/home/app/run, /usr/bin/sh", "entrypoint exists"},
	"not executable": {"files", one(member{name: "run", text: "#!/bin/sh\n", mode: 0o754}), func(i *Image) { i.Entrypoint = []string{"/run"} },
		"entrypoint exists", `ENTRYPOINT "/run": /run (layer files): mode 0754, owner 0:0: user 1000:1000 cannot execute it`, ""},
	"closed directory": {"files", []member{{name: "srv/", mode: 0o700}, {name: "srv/run", text: "#!/bin/sh\n", mode: 0o755}}, func(i *Image) { i.Entrypoint = []string{"/srv/run"} },
		"entrypoint exists", `ENTRYPOINT "/srv/run": /srv/run: user 1000:1000 cannot enter /srv (layer files)`, ""},
	"no interpreter": {"files", one(member{name: "run", text: "#!/usr/bin/perl\n", mode: 0o755}), func(i *Image) { i.Entrypoint = []string{"/run"} },
		"entrypoint exists", `ENTRYPOINT "/run": interpreter of /run (layer files): /usr/bin/perl is not there`, ""},
	"interpreter through env": {"files", one(member{name: "run", text: "#!/usr/bin/env -S A=1 ruby -w\n", mode: 0o755}), func(i *Image) { i.Entrypoint = []string{"/run"} },
		"entrypoint exists", `ENTRYPOINT "/run": interpreter of /run (layer files): is not on PATH, /venv/bin:/usr/bin:/bin`, ""},
	"own interpreter": {"files", one(member{name: "run", text: "#!/run\n", mode: 0o755}), func(i *Image) { i.Entrypoint = []string{"/run"} }, "entrypoint exists", "scripts of scripts", ""},
	"no script":       {"files", one(member{name: "run", text: "echo\n", mode: 0o755}), func(i *Image) { i.Entrypoint = []string{"/run"} }, "entrypoint exists", "neither a program nor a script", ""},
	"other loader": {"files", one(member{name: "run", text: library(elftest.Spec{Interp: "/lib/ld-musl-x86_64.so.1"}), mode: 0o755}), func(i *Image) { i.Entrypoint = []string{"/run"} },
		"entrypoint exists", "wants the loader /lib/ld-musl-x86_64.so.1, which is not there", ""},
	"behind tini": {"apt", program("usr/bin/tini"), func(i *Image) { i.Entrypoint = []string{"/usr/bin/tini", "--", "shop2"} }, "entrypoint exists", `ENTRYPOINT "shop2": is not on PATH`, ""},
	"tini":        {"apt", program("usr/bin/tini"), func(i *Image) { i.Entrypoint = []string{"/usr/bin/tini", "--", "shop"} }, "", "/venv/bin/shop, /opt/python/3.13/bin/python3.13", "entrypoint exists"},
	"tini alone":  {"", nil, func(i *Image) { i.Entrypoint = []string{"/usr/bin/tini", "--", "shop"} }, "entrypoint exists", `ENTRYPOINT "/usr/bin/tini": /usr/bin/tini is not there`, ""},
	"loop":        {"files", []member{{name: "a", link: "b"}, {name: "b", link: "a"}}, func(i *Image) { i.Entrypoint = []string{"/a"} }, "entrypoint exists", "/a is not there", ""},

	"no bytecode": {"app", slices.DeleteFunc(installed("shop", "1.0", "", member{name: "bag.py"}), func(m member) bool { return strings.HasSuffix(m.name, ".pyc") }), nil,
		"bytecode is there", "shop 1.0: no bytecode for 1 module", ""},
	"bytecode with a time": {"app", one(member{name: testSite + "__pycache__/click.cpython-313.pyc", text: "\xf3\x0d\x0d\x0a\x00\x00\x00\x00timesize"}), nil,
		"bytecode is there", "/" + testSite + "__pycache__/click.cpython-313.pyc is no bytecode with an unchecked hash", ""},
	"does not compile": {"python", one(member{name: "opt/python/3.13/lib/python3.13/bad.py"}), nil, "", "/opt/python/3.13/lib/python3.13/bad.py has none", "bytecode is there"},
}

func TestFaults(t *testing.T) {
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			layers := healthy()
			layers[f.layer] = append(layers[f.layer], f.members...)
			i := makeImage(t, layers)
			if f.change != nil {
				f.change(&i)
			}
			checks, err := Static(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range checks {
				// pip that is not in the lock is that, too.
				if !c.OK && c.Name != f.check && name != "pip" {
					t.Errorf("%s: %s", c.Name, c.Detail)
				}
				if c.OK && c.Name == f.check {
					t.Errorf("%s passed: %s", c.Name, c.Detail)
				}
			}
			if f.check+f.note != "" && !strings.Contains(byName(checks)[f.check+f.note].Detail, f.detail) {
				t.Errorf("%s: want %q in\n%s", f.check+f.note, f.detail, byName(checks)[f.check+f.note].Detail)
			}
		})
	}
}

// Every check has a fault that it sees.
func TestFaultsOfAll(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range faults {
		seen[f.check] = true
	}
	for _, name := range staticNames {
		if !seen[name] {
			t.Errorf("no fault for %q", name)
		}
	}
}

func TestIncomplete(t *testing.T) {
	for name, change := range map[string]func(*Image){
		"machine": func(i *Image) { i.Machine = "" },
		"python":  func(i *Image) { i.Python = "3.12.1" },
		"names":   func(i *Image) { i.Names = i.Names[1:] },
		"user":    func(i *Image) { i.User = "app" },
		"facts":   func(i *Image) { i.Facts = i.Facts[1:] },
	} {
		i := makeImage(t, healthy())
		change(&i)
		if checks, err := Static(t.Context(), i); err == nil {
			t.Errorf("%s: %v", name, checks)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Static(ctx, makeImage(t, healthy())); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A layer that cannot be read has no facts.
func TestReadFactsOfNothing(t *testing.T) {
	if f, err := ReadFacts(t.Context(), layer.Blob{Path: "/nowhere"}); err == nil {
		t.Errorf("%+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadFacts(ctx, makeImage(t, healthy()).Layers[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Facts that were kept say what those that were read do.
func TestFactsKept(t *testing.T) {
	i := makeImage(t, healthy())
	want, err := Static(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	for n, f := range i.Facts {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		i.Facts[n] = &Facts{}
		if err := json.Unmarshal(text, i.Facts[n]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Static(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	for n := range want {
		if want[n].Detail != got[n].Detail || want[n].OK != got[n].OK {
			t.Errorf("read: %+v\nkept: %+v", want[n], got[n])
		}
	}
}

// What is wrong with a cache is left out.
func TestParseCache(t *testing.T) {
	good := cache("liba.so.1", "/x/liba.so.1")
	if got := parseCache([]byte(good), binary.LittleEndian); !slices.Equal(got["liba.so.1"], []string{"/x/liba.so.1"}) {
		t.Errorf("got %v", got)
	}
	for n := range len(good) {
		if got := parseCache([]byte(good[:n]), binary.LittleEndian); len(got) > 0 {
			t.Errorf("%d bytes: %v", n, got)
		}
	}
}

func FuzzParseCache(f *testing.F) {
	f.Add([]byte(cache("liba.so.1", "/x/liba.so.1")))
	f.Fuzz(func(t *testing.T, data []byte) { parseCache(data, binary.LittleEndian) })
}

// A large ELF file is read from a temporary file, of which nothing is left.
func TestReadELF(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	text := needs("liba.so.1")
	for _, size := range []int64{int64(len(text)), maxKept + 1} {
		f, why, err := readELF(strings.NewReader(text), size)
		if err != nil || f == nil || !slices.Equal(f.Needed, []string{"liba.so.1"}) {
			t.Errorf("%d bytes: %+v, %s, %v", size, f, why, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	if _, _, err := readELF(strings.NewReader(text), maxKept+1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no room: %v", err)
	}
}
