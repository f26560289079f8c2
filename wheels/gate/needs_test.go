package gate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/distro"
)

func TestChoose(t *testing.T) {
	main := func(names ...string) (owners []distro.Owner) {
		for _, n := range names {
			owners = append(owners, distro.Owner{Package: n, Component: "main"})
		}
		return owners
	}
	for _, test := range []struct {
		library string
		owners  []distro.Owner
		want    string
		problem string
	}{
		{"libpq.so.5", main("libpq5"), "libpq5", ""},
		{"libz.so.1", main("zlib1g"), "zlib1g", ""},
		{"libjpeg.so.62", main("libjpeg62", "libjpeg62-turbo"), "libjpeg62", ""},
		{"libglib-2.0.so.0", main("libglib2.0-0t64", "other"), "libglib2.0-0t64", ""},
		{"libGL.so.1", append(main("libgl1"), distro.Owner{Package: "libgl1-nvidia", Component: "non-free"}), "libgl1", ""},
		{"libnvcuvid.so.1", []distro.Owner{{Package: "libnvcuvid1", Component: "non-free"}}, "libnvcuvid1", ""},
		{"libfoo.so.1", main("libbar", "libqux"), "", "several packages have it: libbar, libqux"},
		{"libfoo.so.1", main("libfoo1", "libfoo1t64"), "", "several packages have it: libfoo1, libfoo1t64"},
		{"libfoo.so.1", nil, "", "no package has it"},
		{"libpython3.13.so.1.0", nil, "", "it is linked to a libpython, which the interpreter does not load: extension modules are not linked to it"},
	} {
		got, problem := choose(test.library, test.owners)
		if got != test.want || problem != test.problem {
			t.Errorf("%s in %v: %q, %q; want %q, %q", test.library, test.owners, got, problem, test.want, test.problem)
		}
	}
}

// TestEmbeds: the libpython that a program's run path leads to is the Python's, and
// nothing that the distro's packages are asked for.
func TestEmbeds(t *testing.T) {
	g := &Gate{Series: "3.13", Prefix: "/opt/python/3.13"}
	const libpython = "libpython3.13.so.1.0"
	run := func(library string, runPath ...string) binary {
		return binary{Needed: []string{library}, runPath: runPath}
	}
	for _, test := range []struct {
		file binary
		want bool
	}{
		{run(libpython, "$ORIGIN", "/opt/python/3.13/lib"), true},
		{run("libpython3.so", "/opt/python/3.13/lib"), true},
		{run(libpython), false},
		{run(libpython, "/opt/python/3.12/lib", "$ORIGIN/lib"), false},
		{run("libpython3.12.so.1.0", "/opt/python/3.13/lib"), false},
		{run("libpq.so.5", "/opt/python/3.13/lib"), false},
	} {
		p := made("server", nil, map[string]binary{"bin/server": test.file})
		wants := together([]*part{p}).trace(func(string) bool { return false }, nil)
		if len(wants) != 1 || g.embeds(wants[0]) != test.want {
			t.Errorf("%+v: %+v", test.file, wants)
		}
	}
	p := made("server", nil, map[string]binary{"bin/server": run(libpython, "/opt/python/3.13/lib"), "bin/tool": needs("libpq.so.5")})
	wants := together([]*part{p}).trace(func(string) bool { return false }, nil)
	got := g.collect(wants, map[string]string{"libpq.so.5": "libpq5"}, nil, nil)
	want := Needs{Packages: []string{"libpq5"}, By: []Need{
		{"libpq5", "libpq.so.5", "server", "bin/tool"}, {"pybake-libpython3.13", libpython, "server", "bin/server"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNamedAfter(t *testing.T) {
	for _, test := range []struct {
		name, library string
		want          bool
	}{
		{"libpq5", "libpq.so.5", true},
		{"libstdc++6", "libstdc++.so.6", true},
		{"libglib2.0-0", "libglib-2.0.so.0", true},
		{"libssl3t64", "libssl.so.3", true},
		{"libicu76", "libicuuc.so.76", false},
		{"libx11-6", "libX11.so.6", true},
		{"libdb5.3t64", "libdb-5.3.so", true},
		{"libpq-dev", "libpq.so.5", false},
		{"libpq6", "libpq.so.5", false},
	} {
		if got := namedAfter(test.name, test.library); got != test.want {
			t.Errorf("%s of %s: %v", test.name, test.library, got)
		}
	}
}

func TestNeedsOf(t *testing.T) {
	n := Needs{By: []Need{
		{Package: "libpq5", Library: "libpq.so.5", Wheel: "my-db"}, {Package: "libpq5", Wheel: "my-db"}, {Package: "libldap2", Wheel: "my-db"},
		{Package: "libgl1", Wheel: "cv"},
	}}
	if diff := cmp.Diff([]string{"libldap2", "libpq5"}, n.Of("My_DB")); diff != "" {
		t.Error(diff)
	}
}

func TestUnresolvedError(t *testing.T) {
	e := &UnresolvedError{Target: distro.Target{Arch: "amd64"}, Problems: []string{"liba.so.1, wanted by x 1 (x.so): no package has it", "libb.so"}}
	want := "runtime packages of -amd64: name the package in the recipe of the wheel, or the library as one that need not be there:\n  liba.so.1, wanted by x 1 (x.so): no package has it\n  libb.so"
	if e.Error() != want {
		t.Errorf("%q", e)
	}
}
