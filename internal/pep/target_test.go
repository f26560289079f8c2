package pep

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvFor(t *testing.T) {
	got, err := EnvFor("3.13.5", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	want := Env{
		ImplementationName: "cpython", ImplementationVersion: "3.13.5", OSName: "posix", PlatformMachine: "x86_64",
		PlatformPythonImplementation: "CPython", PlatformSystem: "Linux",
		PythonFullVersion: "3.13.5", PythonVersion: "3.13", SysPlatform: "linux",
	}
	if got != want {
		t.Error(cmp.Diff(want, got))
	}
	if got, err = EnvFor("3.14.0rc1", "aarch64"); err != nil || got.PythonVersion != "3.14" || got.PythonFullVersion != "3.14.0rc1" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, python := range []string{"", "3", "3.13", "3.13.5.1", "python3.13.5"} {
		if env, err := EnvFor(python, "x86_64"); err == nil {
			t.Errorf("%q: %+v", python, env)
		}
	}
}

// TestEvalFunc gives extra the meaning of a lock in which several are on.
func TestEvalFunc(t *testing.T) {
	env, err := EnvFor("3.13.5", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	on := []string{"cpu", "test"}
	for text, want := range map[string]bool{
		"extra == 'cpu' and extra == 'test'":      true,
		"extra == 'cpu' and extra == 'gpu'":       false,
		"extra == 'gpu' or os_name == 'posix'":    true,
		"extra != 'gpu' and os_name == 'nt'":      false,
		"(extra == 'cpu') and os_name == 'posix'": true,
	} {
		m, err := ParseMarker(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.EvalFunc(func(c Comparison) (bool, error) {
			if c.Left.Variable && c.Left.Text == "extra" {
				return slices.Contains(on, c.Right.Text) == (c.Op == "=="), nil
			}
			return c.Eval(env, nil, nil)
		})
		if got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	env, err := EnvFor("3.13.5", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"'a' in extras":                       `marker "a" in extras: extras has no value here`,
		"os_name == 'posix' or 'a' in extras": `marker "a" in extras: extras has no value here`,
		"os_name ~= 'posix'":                  `marker os_name ~= "posix": ~= means nothing for strings`,
		"'a' == 'b'":                          `marker "a" == "b": b has no value here`,
		"os_name == 'nt' and platform_machine === 'a b'": `marker platform_machine === "a b": === means nothing for strings`,
	} {
		m, err := ParseMarker(text)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := m.Eval(env, nil, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v\nwant %s", text, ok, err, want)
		}
	}
	for text, want := range map[string]string{
		"extra == 'a'":             `marker extra == "a": extra has no value here`,
		"extras == 'a'":            `marker extras == "a": extras is a set, it goes right of in and not in`,
		"'a' ~= extras":            `marker "a" ~= extras: ~= means nothing for a set`,
		"dependency_groups in 'a'": `marker dependency_groups in "a": dependency_groups is a set, it goes right of in and not in`,
	} {
		m, err := ParseMarker(text)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := m.Eval(env, []string{"a"}, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v\nwant %s", text, ok, err, want)
		}
	}
}

func TestPin(t *testing.T) {
	for text, want := range map[string]string{
		"==1.0": "1.0", "===1.0.0": "1.0.0", ">=1,==2.1+cpu": "2.1+cpu",
		"": "", ">=1": "", "==1.*": "", "===whatever": "", "!=1": "",
	} {
		s, err := ParseSpecifiers(text)
		if err != nil {
			t.Fatal(err)
		}
		v, ok := s.Pin()
		if v.String() != want || ok != (want != "") {
			t.Errorf("%q: %s, %v", text, v, ok)
		}
	}
}

func TestRelease(t *testing.T) {
	got := mustVersion(t, "1!3.013.20240131235959999999999rc1").Release()
	if want := []int{3, 13, math.MaxInt}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestZeroVersion(t *testing.T) {
	var zero Version
	one := mustVersion(t, "0.dev0")
	if !zero.IsZero() || zero.String() != "" || zero.Canonical() != "" || zero.Public() != "" || zero.Compare(one) >= 0 || one.IsZero() {
		t.Errorf("zero version: %q, %d", zero, zero.Compare(one))
	}
	if s := (Specifiers{}); !s.Contains(one, PreAuto) {
		t.Error("the empty set does not hold every version")
	}
}

// TestRank picks among the wheels of one release as they are on an index.
func TestRank(t *testing.T) {
	wheels := []string{
		"x-1.0-cp313-cp313-macosx_11_0_arm64.whl",
		"x-1.0-py3-none-any.whl",
		"x-1.0-cp39-abi3-manylinux_2_28_x86_64.whl",
		"x-1.0-cp313-cp313-musllinux_1_2_x86_64.whl",
		"x-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
		"x-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
		"x-1.0-cp313-cp313t-manylinux_2_28_x86_64.whl",
		"x-1.0-cp313-cp313-manylinux_2_41_x86_64.whl",
		"x-1.0-cp313-cp313-manylinux_2_28_aarch64.whl",
		"x-1.0-cp314-abi3-manylinux_2_28_x86_64.whl",
	}
	for _, c := range []struct {
		target Target
		best   []int // all that fit, the best first
	}{
		{Target{Python: [2]int{3, 13}, Arch: "x86_64", Glibc: [2]int{2, 36}}, []int{5, 4, 2, 1}},
		{Target{Python: [2]int{3, 13}, Arch: "x86_64", Glibc: [2]int{2, 41}}, []int{7, 5, 4, 2, 1}},
		{Target{Python: [2]int{3, 13}, FreeThreaded: true, Arch: "x86_64", Glibc: [2]int{2, 36}}, []int{6, 1}},
		{Target{Python: [2]int{3, 12}, Arch: "x86_64", Glibc: [2]int{2, 31}}, []int{2, 1}},
		{Target{Python: [2]int{3, 13}, Arch: "aarch64", Glibc: [2]int{2, 36}}, []int{8, 1}},
		{Target{Python: [2]int{3, 13}, Arch: "x86_64", Musl: [2]int{1, 2}}, []int{3, 1}},
		{Target{Python: [2]int{3, 8}, Arch: "x86_64", Glibc: [2]int{2, 36}}, []int{1}},
	} {
		ranks := c.target.Ranks()
		var fit []int
		place := map[int]int{}
		for i, name := range wheels {
			w, err := ParseWheelName(name)
			if err != nil {
				t.Fatal(err)
			}
			if rank, ok := w.Rank(ranks); ok {
				fit = append(fit, i)
				place[i] = rank
			}
		}
		slices.SortFunc(fit, func(a, b int) int { return place[a] - place[b] })
		if !slices.Equal(fit, c.best) {
			t.Errorf("%+v: %v, want %v", c.target, fit, c.best)
		}
	}
}

func TestCompareBuild(t *testing.T) {
	var builds []WheelName
	for _, build := range []string{"", "-0", "-1", "-1a", "-2", "-10", "-10b"} {
		w, err := ParseWheelName("x-1.0" + build + "-py3-none-any.whl")
		if err != nil {
			t.Fatal(err)
		}
		builds = append(builds, w)
	}
	for i, a := range builds {
		for j, b := range builds {
			if got, want := a.CompareBuild(b), max(-1, min(1, i-j)); got != want {
				t.Errorf("%s and %s: %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestParsePlatform(t *testing.T) {
	for s, want := range map[string]Platform{
		"linux_x86_64":           {"linux", [2]int{}, "x86_64"},
		"manylinux1_i686":        {"manylinux", [2]int{2, 5}, "i686"},
		"manylinux2010_x86_64":   {"manylinux", [2]int{2, 12}, "x86_64"},
		"manylinux2014_aarch64":  {"manylinux", [2]int{2, 17}, "aarch64"},
		"manylinux_2_39_riscv64": {"manylinux", [2]int{2, 39}, "riscv64"},
		"musllinux_1_2_x86_64":   {"musllinux", [2]int{1, 2}, "x86_64"},
	} {
		if got, ok := ParsePlatform(s); !ok || got != want {
			t.Errorf("%s: %+v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "any", "linux", "linux_", "win_amd64", "macosx_11_0_arm64", "manylinux_2_x86_64", "manylinux_2_17", "manylinux_2_17_", "manylinux_2_99999999_x86_64", "manylinux2021_x86_64"} {
		if got, ok := ParsePlatform(s); ok {
			t.Errorf("%q: %+v", s, got)
		}
	}
	// Each platform that a target takes can be taken apart, into no more than it has.
	target := Target{Python: [2]int{3, 13}, Arch: "x86_64", Glibc: [2]int{2, 41}}
	for _, s := range target.Platforms() {
		if p, ok := ParsePlatform(s); !ok || p.Arch != target.Arch || slices.Compare(p.Libc[:], target.Glibc[:]) > 0 {
			t.Errorf("%s: %+v, %v", s, p, ok)
		}
	}
}

// TestLegacySdists reads file names that PEP 625 does not allow and indexes hold.
func TestLegacySdists(t *testing.T) {
	for _, c := range []struct{ file, project, name, version, ext string }{
		{"foo-3.2.3-2.tar.gz", "foo", "foo", "3.2.3.post2", ".tar.gz"},
		{"foo-3.2.3-2.tar.gz", "foo-3.2.3", "foo-3-2-3", "2", ".tar.gz"},
		{"a-b-c-1.0.zip", "A.b_C", "a-b-c", "1.0", ".zip"},
		{"A__b-1.0.tar.bz2", "a-b", "a-b", "1.0", ".tar.bz2"},
		{"torch-2.1+cpu.tar.gz", "torch", "torch", "2.1+cpu", ".tar.gz"},
		{"zope.interface-5.4.0.tgz", "zope_interface", "zope-interface", "5.4.0", ".tgz"},
		{"foo-1.0-rc1.tar.xz", "foo", "foo", "1.0rc1", ".tar.xz"},
		{"foo-1.0-rc-1.tar", "foo", "foo", "1.0rc1", ".tar"},
		{"backports.ssl-match-hostname-3.5.tar.Z", "backports-ssl_match-hostname", "backports-ssl-match-hostname", "3.5", ".tar.Z"},
		{"python-dateutil-2.8.2.tar.gz", "", "python-dateutil", "2.8.2", ".tar.gz"},
	} {
		s, err := ParseSdistName(c.file, c.project)
		if err != nil || s.Name != c.name || s.Version.String() != c.version || s.Ext != c.ext {
			t.Errorf("%s of %q: %+v, %v", c.file, c.project, s, err)
		}
	}
	for _, c := range [][2]string{
		{"foo-1.0.tar.gz", "bar"}, {"foo-1.0.tar.gz", "fo"}, {"foo-1.0.tar.gz", "foo-1"}, {"foo-bar-1.0.tar.gz", "foo"},
		{"foo.tar.gz", "foo"}, {"foo-.tar.gz", "foo"}, {"foobar-1.0.tar.gz", "foo-bar"}, {"foo-1.0.egg", "foo"},
	} {
		if s, err := ParseSdistName(c[0], c[1]); err == nil {
			t.Errorf("%s of %s: %+v", c[0], c[1], s)
		}
	}
}

func TestWheelNameKeepsWhatWasWritten(t *testing.T) {
	const file = "Foo.Bar_baz-2.1+cpu-007abc-cp39.cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
	w, err := ParseWheelName(file)
	if err != nil {
		t.Fatal(err)
	}
	if w.Name != "foo-bar-baz" || w.Dist != "Foo.Bar_baz" || w.Build != "007abc" || w.Version.Local() != "cpu" || len(w.Tags()) != 4 || w.String() != file {
		t.Errorf("%+v, %s", w, w)
	}
}

func TestValidName(t *testing.T) {
	for _, s := range []string{"", "-a", "a-", "a b", "é", "a/b", ".", "a\n"} {
		if ValidName(s) {
			t.Errorf("%q is valid", s)
		}
	}
}

func TestExpandGroup(t *testing.T) {
	groups := map[string][]any{
		"Test_all": {map[string]any{"include-group": "LINT"}, "pytest>=8", map[string]any{"include-group": "lint"}},
		"lint":     {"ruff", "mypy; python_version < '3.14'"},
		"loop-a":   {map[string]any{"include-group": "loop.b"}},
		"loop_b":   {map[string]any{"include-group": "loop-a"}},
		"twice":    {}, "Twice": {},
		"bad":     {"a b"},
		"number":  {1},
		"other":   {map[string]any{"path": "x"}},
		"nowhere": {map[string]any{"include-group": "gone"}},
	}
	for i := 1; i < 30; i++ { // 2 to the power of 29 includes
		next := map[string]any{"include-group": strings.Repeat("z", i+1)}
		groups[strings.Repeat("z", i)] = []any{next, next}
	}
	groups[strings.Repeat("z", 30)] = nil
	got, err := ExpandGroup(groups, "test.ALL")
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, r := range got {
		text = append(text, r.String())
	}
	want := `ruff|mypy; python_version < "3.14"|pytest>=8|ruff|mypy; python_version < "3.14"`
	if strings.Join(text, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(text, "|"), want)
	}
	for name, want := range map[string]string{
		"loop-a":  "dependency group loop-a: circle: loop-a > loop-b > loop-a",
		"twice":   "dependency group twice: 2 groups are named twice, want one",
		"gone":    "dependency group gone: 0 groups are named gone, want one",
		"bad":     `dependency group bad: bad, entry 1: parse requirement "a b": byte 2: expected "[", "@", a specifier, ";" or the end, found "b"`,
		"number":  "dependency group number: number, entry 1: int, want a string or a table",
		"other":   "dependency group other: other, entry 1: want {include-group = NAME}",
		"nowhere": "dependency group nowhere: 0 groups are named gone, want one",
		"z":       "dependency group z: more than 2000 entries",
	} {
		if got, err := ExpandGroup(groups, name); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v\nwant %s", name, got, err, want)
		}
	}
}
