package python

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: run go test -update if this is meant (-want +got):\n%s", file, diff)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// loadSet is the embedded recipes with files of a project over them.
func loadSet(t *testing.T, files map[string]string) *recipes.Set {
	t.Helper()
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := recipes.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sum is a SHA-256 made of one digit.
func sum(digit string) string { return strings.Repeat(digit, 64) }

// pkg is a pinned package.
func pkg(text string) project.Package {
	var p project.Package
	if err := p.UnmarshalText([]byte(text)); err != nil {
		panic(err) // the text is a constant
	}
	return p
}

// pins are everything that a plan of a series on a distro needs, with packages
// that are made up.
func pins(t *testing.T, set *recipes.Set, series, codename string) *project.Lock {
	t.Helper()
	s, err := set.Series(series)
	if err != nil {
		t.Fatal(err)
	}
	d, err := set.Distro(codename)
	if err != nil {
		t.Fatal(err)
	}
	request := slices.Concat(d.Builder.Packages, s.Builder)
	slices.Sort(request)
	return &project.Lock{
		Format: project.LockFormat,
		Bases: []project.BasePin{{
			Distro: codename, Arch: "amd64", Origin: "mmdebstrap", Digest: "sha256:" + sum("1"),
			Packages: []project.Package{pkg("apt 3.0.3 amd64"), pkg("libc6 2.41-12 amd64")},
		}},
		Builders: []project.SetPin{{
			Distro: codename, Arch: "amd64", For: "python " + series, Request: slices.Compact(request),
			Packages: []project.Package{
				pkg("gcc 4:14.2.0-1 amd64 sha256:" + sum("2")),
				pkg("gcc-14 14.2.0-19 amd64 sha256:" + sum("3")),
				pkg("gcc-14-base 14.2.0-19 amd64 sha256:" + sum("4")),
				pkg("tzdata 2025b-4 all sha256:" + sum("5")),
			},
		}},
		Profiles: []project.ProfilePin{{
			Series: series, Distro: codename, Arch: "amd64", Variant: "pgo " + strings.TrimPrefix(hashJSON(s.Configure, s.CFlags, s.Builtin), "sha256:")[:12],
			Compiler: "gcc-14 14.2.0-19", Workload: strings.Join(s.Profile, " ") + "; workload.py " + hashOf(workloadScript)[len("sha256:"):][:12], Digest: "sha256:" + sum("6"),
		}},
	}
}

// request is one of trixie with everything as usual.
func request(version string) Request {
	return Request{Version: version, Distro: "trixie", Arch: "amd64", Release: 1}
}

// planFor is the plan of a request with recipes and pins as they come.
func planFor(t *testing.T, req Request) *Plan {
	t.Helper()
	set := loadSet(t, nil)
	series := strings.Join(strings.SplitN(req.Version, ".", 3)[:2], ".")
	p, err := NewPlan(req, set, pins(t, set, series, req.Distro))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
