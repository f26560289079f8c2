package sdist

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/strict"
)

func TestSystem(t *testing.T) {
	legacy := System{Requires: []string{"setuptools>=40.8.0"}, Backend: "setuptools.build_meta:__legacy__"}
	for _, test := range []struct {
		about, text string
		want        System
	}{
		{"empty", "", legacy},
		{"no table", "[project]\nname = \"x\"\n[tool.black]\nline-length = 99\n", legacy},
		{"a tool's table of that name", "[tool.build-system]\nrequires = 1\n", legacy},
		{
			"usual", "[build-system]\nrequires = [\"hatchling>=1.27 ; python_version < '3.15'\", \"hatch-vcs\"]\nbuild-backend = \"hatchling.build\"\n",
			System{Requires: []string{"hatchling>=1.27 ; python_version < '3.15'", "hatch-vcs"}, Backend: "hatchling.build", Declared: true},
		},
		{
			"as inline table, after others", "[project]\nversion = 1\n[tool]\na = [{b = 1}]\n[build-system]\nrequires=[]\nbuild-backend='a.b_2:c.d'",
			System{Requires: []string{}, Backend: "a.b_2:c.d", Declared: true},
		},
		{
			"no backend", "build-system.requires = [\"Cython\", \"setuptools\"]",
			System{Requires: []string{"Cython", "setuptools"}, Backend: "setuptools.build_meta:__legacy__", Declared: true},
		},
		{
			"backend in the tree", "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.', 'a/./b/', '', '..a']",
			System{Requires: []string{}, Backend: "backend", Path: []string{".", "a/b", ".", "..a"}, Declared: true},
		},
		{
			"keys that nobody knows", "[build-system]\nrequires = []\nfuture = {x = 1}\n[build-system.more]\ny = []",
			System{Requires: []string{}, Backend: "setuptools.build_meta:__legacy__", Declared: true},
		},
		{
			"an address", "[build-system]\nrequires = [\"a @ https://example.org/a-1.zip\"]",
			System{Requires: []string{"a @ https://example.org/a-1.zip"}, Backend: "setuptools.build_meta:__legacy__", Declared: true},
		},
	} {
		got, err := system("x/pyproject.toml", []byte(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.about, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.about, diff)
		}
	}
	if got, err := system("x", nil); err != nil || !cmp.Equal(got, legacy) {
		t.Errorf("no file: got %+v, %v", got, err)
	}
}

func TestBadSystem(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		{"[build-system]\n", []string{"1:2: build-system.requires: missing: PEP 518 wants it in the table, and pip refuses to build without"}},
		{"[build-system]\nbuild-backend = 'a'\n", []string{"1:2: build-system.requires: missing: PEP 518 wants it in the table, and pip refuses to build without"}},
		{"build-system = 1", []string{"1:16: build-system: want a table, found an integer"}},
		{"[[build-system]]\nrequires = []", []string{"1:3: build-system: want a table, found an array"}},
		{"[build-system]\nrequires = 'a'", []string{"2:12: build-system.requires: want an array of strings, found a string"}},
		{"[build-system]\nrequires = ['a', 2, {b = 1}]", []string{
			"2:18: build-system.requires[1]: want a string, found an integer", "2:21: build-system.requires[2]: want a string, found a table",
		}},
		{"[build-system]\nrequires = ['a', 'b >>', '']", []string{
			"2:18: build-system.requires[1]: parse requirement \"b >>\": byte 3: expected a version after >, found \">\"", "2:26: build-system.requires[2]: parse requirement \"\": byte 0: expected the name of a project, found the end",
		}},
		{"[build-system]\nrequires = []\nbuild-backend = ''", []string{`3:17: build-system.build-backend: "": want module or module:object`}},
		{"[build-system]\nrequires = []\nbuild-backend = ['a']", []string{"3:1: build-system.build-backend: want a string, found an array"}},
		{"[build-system]\nrequires = []\nbuild-backend = 'a'\nbackend-path = ['/usr/lib', 'a/../..', 'a\\b', \"\\u0000\"]", []string{
			`4:17: build-system.backend-path[0]: "/usr/lib": want a directory within the source`,
			`4:29: build-system.backend-path[1]: "a/../..": want a directory within the source`,
			`4:40: build-system.backend-path[2]: "a\\b": want a directory within the source`,
			`4:47: build-system.backend-path[3]: "\x00": want a directory within the source`,
		}},
		{"[build-system]\nrequires = []\nbackend-path = '.'", []string{"3:16: build-system.backend-path: want an array of strings, found a string"}},
		{"[build-system]\nrequires = []\nbackend-path = ['.']", []string{"3:1: build-system.backend-path: there is no build-backend to look for"}},
		{"[build-system]\nrequires = [\n", []string{"2:13: array is incomplete"}},
		{"[build-system]\nrequires = []\nrequires = []\n", []string{"3:1: requires: key requires is already defined"}},
		{"\xef\xbb\xbf[build-system]", []string{"1:1: byte order mark: save the file as UTF-8 without one"}},
		{"[a\xff]", []string{"1:3: byte 0xff: not UTF-8"}},
	} {
		_, err := system("pyproject.toml", []byte(test.text))
		var errs strict.Errors
		if !errors.As(err, &errs) {
			t.Errorf("%q: got %v", test.text, err)
			continue
		}
		var got []string
		for _, e := range errs {
			got = append(got, strings.TrimPrefix(e.Error(), "pyproject.toml:"))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: %s", test.text, diff)
		}
	}
}

func TestIsObject(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "_a.b1": true, "a:b": true, "a.b:c.d": true, "setuptools.build_meta:__legacy__": true, "größe": true,
		"": false, ":": false, "a:": false, ":a": false, "a:b:c": false, "a..b": false, ".a": false, "a.": false, "1a": false,
		"a b": false, "a : b": false, "a-b": false, "a/b": false, "a;b": false, "a\n": false,
	} {
		if isObject(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}
