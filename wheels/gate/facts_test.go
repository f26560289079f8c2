package gate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/wheels/whl"
)

const site = "lib/python3.13/site-packages"

func wheelName(t *testing.T, file string) pep.WheelName {
	t.Helper()
	name, err := pep.ParseWheelName(file)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPlace(t *testing.T) {
	w := wheelName(t, "Foo_Bar-1.0-py3-none-any.whl")
	for name, want := range map[string]string{
		"foo/a.py":                             site + "/foo/a.py",
		"Foo_Bar-1.0.dist-info/METADATA":       site + "/Foo_Bar-1.0.dist-info/METADATA",
		"Foo_Bar-1.0.data/purelib/foo/b.py":    site + "/foo/b.py",
		"Foo_Bar-1.0.data/platlib/foo/c.so":    site + "/foo/c.so",
		"Foo_Bar-1.0.data/scripts/foo":         "bin/foo",
		"Foo_Bar-1.0.data/data/share/foo.txt":  "share/foo.txt",
		"Foo_Bar-1.0.data/headers/foo.h":       "include/site/python3.13/Foo_Bar/foo.h",
		"Foo_Bar-1.0.data/elsewhere/foo.h":     "",
		"Foo_Bar-1.0.data/stray":               "",
		"foo/Foo_Bar-1.0.data/scripts/foo.txt": site + "/foo/Foo_Bar-1.0.data/scripts/foo.txt",
	} {
		if got := (layout{"3.13"}).place(w, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestModuleName(t *testing.T) {
	for at, want := range map[string]string{
		site + "/lxml/etree.cpython-313-x86_64-linux-gnu.so": "lxml.etree",
		site + "/_yaml.abi3.so":                              "_yaml",
		site + "/pkg/__init__.cpython-313.so":                "pkg",
		site + "/my-pkg/a.abi3.so":                           "",
		site + "/foo.libs/b.so":                              "",
		"lib/libfoo.so":                                      "",
	} {
		if got := moduleName(at, site); got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}
}

func TestParts(t *testing.T) {
	g := &Gate{Series: "3.13", Target: distro.Target{Arch: "amd64"}}
	w := &whl.Wheel{
		File: "Foo_Bar-1.0-cp313-cp313-linux_x86_64.whl", Name: wheelName(t, "Foo_Bar-1.0-cp313-cp313-linux_x86_64.whl"),
		Metadata: whl.Metadata{Name: "Foo.Bar", ReleaseVersion: "1.0.0", RequiresDist: []string{`Baz_Qux>=1; extra == "x"`, "not a requirement!"}},
		Modules:  []string{"foo"},
		Scripts:  []whl.Script{{Name: "foo", Module: "foo.cli", Attr: "main", Extras: []string{"x"}}, {Name: "foo.sh"}},
		Files:    []whl.Entry{{Path: "foo/a.so", SHA256: "aa"}, {Path: "Foo_Bar-1.0.data/scripts/foo.sh", SHA256: "bb"}},
		ELF: []whl.ELF{
			{Path: "foo/a.so", Machine: "x86_64", Linked: true, Module: true, Needed: []string{"libc.so.6"}, RPath: []string{"r"}, RunPath: []string{"p"}},
			{Path: "foo/lib.so", Machine: "x86_64", Linked: true, Soname: "lib.so.1"},
			{Path: "foo/a.o", Machine: "x86_64"},
			{Path: "foo/arm.so", Machine: "aarch64", Linked: true},
			{Path: "foo/musl.so", Machine: "x86_64", Linked: true, Needed: []string{"libc.musl-x86_64.so.1"}},
			{Path: "foo/gpu.bin", Machine: "EM_CUDA", Linked: true, Foreign: true},
		},
	}
	want := []*part{{
		Name: "foo-bar", Version: "1.0.0", Label: "Foo_Bar 1.0.0", Modules: []string{"foo"},
		Scripts: []script{{"foo", "foo.cli", "main", []string{"x"}}},
		ELF: []binary{
			{Path: site + "/foo/a.so", Module: "foo.a", Needed: []string{"libc.so.6"}, runPath: []string{"r", "p"}},
			{Path: site + "/foo/lib.so", soname: "lib.so.1"},
		},
		File: w.File, requires: []string{"baz-qux"},
		files: map[string]member{site + "/foo/a.so": {"foo/a.so", "aa"}, "bin/foo.sh": {"Foo_Bar-1.0.data/scripts/foo.sh", "bb"}},
	}}
	if diff := cmp.Diff(want, g.parts([]*whl.Wheel{w}), cmp.AllowUnexported(part{}, binary{}, member{})); diff != "" {
		t.Error(diff)
	}
}

func TestShallow(t *testing.T) {
	got := shallow([]string{"six", "google.cloud.storage", "ansible_collections.amazon.aws.plugins"})
	if want := []string{"six", "google.cloud.storage"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
