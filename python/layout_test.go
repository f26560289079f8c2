package python

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompile(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"/a/b", []string{"/a/b"}, []string{"/a/b/c", "/a/bc", "x/a/b", "/a"}},
		{"/a/*", []string{"/a/b", "/a/.b"}, []string{"/a/b/c", "/a"}},
		{"/a/*.so", []string{"/a/b.so", "/a/.so"}, []string{"/a/bxso", "/a/b/c.so", "/a/b.so.1"}},
		{"/a/?", []string{"/a/b", "/a/?"}, []string{"/a/bc", "/a/", "/a//"}},
		{"/a/**", []string{"/a/b", "/a/b/c", "/a/b/c/d.py"}, []string{"/a", "/ab/c"}},
		{"/a/**/test/**", []string{"/a/test/x", "/a/b/test/x", "/a/b/c/test/x/y"}, []string{"/a/btest/x", "/a/test", "/a/b/tests/x"}},
		{"/a/**/b", []string{"/a/b", "/a/x/b", "/a/x/y/b"}, []string{"/a/xb", "/ab"}},
		{"/a/[b].{c}+(d)|e^$", []string{"/a/[b].{c}+(d)|e^$"}, []string{"/a/b.c", "/a/b"}},
		{"/3.1/x", nil, []string{"/3x1/x"}},
		{"**", []string{"", "a", "/a/b"}, nil},
	}
	for _, tt := range tests {
		re := compile(tt.pattern)
		for _, s := range tt.yes {
			if !re.MatchString(s) {
				t.Errorf("%s does not match %s", tt.pattern, s)
			}
		}
		for _, s := range tt.no {
			if re.MatchString(s) {
				t.Errorf("%s matches %s", tt.pattern, s)
			}
		}
	}
}

// installed reads a golden of TestSplit: the paths of an installed CPython,
// files and links, below the prefix where they do not begin with a slash. Of
// the tests and the headers there are a few in every directory.
func installed(t *testing.T, p *Plan) (paths []string) {
	t.Helper()
	for line := range strings.Lines(string(read(t, "testdata/layout-"+p.Series+".golden"))) {
		if name, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "\t"); ok {
			if !strings.HasPrefix(name, "/") {
				name = path.Join(p.Prefix(), name)
			}
			paths = append(paths, name)
		}
	}
	slices.Sort(paths)
	return paths
}

func layoutPlans(t *testing.T) []*Plan {
	return []*Plan{
		planFor(t, request("3.13.5")),
		planFor(t, Request{Version: "3.9.2", Distro: "bullseye", Arch: "amd64", Release: 1}),
	}
}

// TestSplit divides the files of real builds.
func TestSplit(t *testing.T) {
	for _, p := range layoutPlans(t) {
		l, err := newLayout(p)
		if err != nil {
			t.Fatal(err)
		}
		paths := installed(t, p)
		if len(paths) < 1000 {
			t.Fatalf("%s: %d paths", p.Series, len(paths))
		}
		split := l.split(paths)
		var b strings.Builder
		n := 0
		for _, r := range l.Packages {
			b.WriteString(r.Name + "\n")
			n += len(split[r.Name])
			for _, name := range split[r.Name] {
				b.WriteString("\t" + strings.TrimPrefix(name, p.Prefix()+"/") + "\n")
			}
		}
		if n != len(paths) {
			t.Errorf("%s: %d paths in packages, want %d", p.Series, n, len(paths))
		}
		golden(t, "layout-"+p.Series+".golden", b.String())
	}
}

// TestSplitExtensions holds the layout and the recipe together: the recipe
// names every extension module of the build, and those that only the tests use
// are in no other package. What it names beside is linked into the interpreter.
func TestSplitExtensions(t *testing.T) {
	for _, p := range layoutPlans(t) {
		l, err := newLayout(p)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for name, paths := range l.split(installed(t, p)) {
			for _, f := range paths {
				if path.Base(path.Dir(f)) != "lib-dynload" {
					continue
				}
				n++
				module, _, _ := strings.Cut(path.Base(f), ".")
				want := "no package: no recipe names it"
				switch {
				case module == "_tkinter":
					want = "pybake-python" + p.Series + "-tk"
				case slices.Contains(p.Recipe.Extensions, module):
					want = "pybake-python" + p.Series
				case slices.Contains(p.Recipe.TestExtensions, module):
					want = "pybake-python" + p.Series + "-test"
				}
				if name != want {
					t.Errorf("%s is in %s, want %s", module, name, want)
				}
			}
		}
		if all := len(p.Recipe.Extensions) + len(p.Recipe.TestExtensions); n < all-5 {
			t.Errorf("%s: %d extension modules, the recipe names %d", p.Series, n, all)
		}
	}
}

// TestEveryPatternMatches finds patterns of packages.toml that match nothing
// in any of the lists, and so are wrong or of no use.
func TestEveryPatternMatches(t *testing.T) {
	matched := map[string]bool{}
	var all []string
	for _, p := range layoutPlans(t) {
		l, err := newLayout(p)
		if err != nil {
			t.Fatal(err)
		}
		split := l.split(installed(t, p))
		for _, r := range l.Packages {
			if len(split[r.Name]) == 0 {
				t.Errorf("%s is empty", r.Name)
			}
			for j, pattern := range slices.Concat(r.Absolute, r.Files) {
				key := strings.ReplaceAll(r.Name+": "+pattern, p.Series, "{series}")
				if !slices.Contains(all, key) {
					all = append(all, key)
				}
				if slices.ContainsFunc(split[r.Name], r.patterns[j].MatchString) {
					matched[key] = true
				}
			}
		}
	}
	for _, key := range all {
		if !matched[key] {
			t.Errorf("%s: matches nothing", key)
		}
	}
}

// TestLayout expands packages.toml.
func TestLayout(t *testing.T) {
	p := planFor(t, Request{Version: "3.13.5", Distro: "trixie", Arch: "amd64", Release: 1, Fast: true})
	l, err := newLayout(p)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range l.Packages {
		names = append(names, r.Name)
		for _, text := range slices.Concat([]string{r.Synopsis, r.Description}, r.Depends, r.Recommends, r.Suggests, r.Files, r.Absolute) {
			if strings.ContainsAny(text, "{}") {
				t.Errorf("%s: %q is not expanded", r.Name, text)
			}
		}
	}
	want := []string{
		"pybake-python3.13-dbgsym", "pybake-libpython3.13", "pybake-python3.13-test", "pybake-python3.13-venv",
		"pybake-python3.13-tk", "pybake-python3.13-dev", "pybake-python3.13",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"pybake-python3.13 (= 3.13.5-1~fast+deb13)"}, l.Packages[3].Depends); diff != "" {
		t.Error(diff)
	}
}
