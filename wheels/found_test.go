package wheels

import (
	"errors"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/explain"
)

// TestFailureText has what is printed for a failure, from what was found to the recipe.
func TestFailureText(t *testing.T) {
	set, err := recipes.Load(fstest.MapFS{"wheels/thing.toml": {Data: []byte("build = [\"one-dev\"]\n")}})
	if err != nil {
		t.Fatal(err)
	}
	header := explain.Finding{Kind: explain.Header, Name: "hdf5.h", What: "missing: hdf5.h", Files: []string{"/hdf5.h"}}
	hdf5 := []distro.Holder{{Package: "libhdf5-dev", Path: "usr/include/hdf5/serial/hdf5.h"}, {Package: "libhdf5-mpich-dev"}, {Package: "libflann-dev"}}
	usual := limits{memory: 2 << 30, most: 16 << 30, time: time.Hour}
	for _, test := range []struct {
		name     string
		finding  explain.Finding
		holders  map[string][]distro.Holder
		unsought bool
		has      string
		limits   limits
		want     string
	}{
		{"a package has it", header, map[string][]distro.Holder{"/hdf5.h": hdf5}, false, "", usual,
			"\n  missing: hdf5.h, which libhdf5-dev has; also in libhdf5-mpich-dev and libflann-dev\n  fix: put into recipes/wheels/thing.toml:\n      build = [\"one-dev\", \"libhdf5-dev\"]"},
		{"the second file", explain.Finding{Kind: explain.Module, Name: "a.pc", What: "missing: a.pc", Files: []string{"/a.pc", "/hdf5.h"}}, map[string][]distro.Holder{"/hdf5.h": hdf5[:1]}, false, "", usual,
			"\n  missing: a.pc, which libhdf5-dev has\n  fix: put into recipes/wheels/thing.toml:\n      build = [\"one-dev\", \"libhdf5-dev\"]"},
		{"it is there", header, map[string][]distro.Holder{"/hdf5.h": hdf5}, false, "libhdf5-dev", usual,
			"\n  missing: hdf5.h, though libhdf5-dev is there, which has it in /usr/include/hdf5/serial\n  fix: put into recipes/wheels/thing.toml:\n      env.CPATH = \"/usr/include/hdf5/serial\""},
		{"nobody has it", header, nil, false, "", usual, "\n  missing: hdf5.h, which no package of the distro has"},
		{"nobody was asked", header, nil, true, "", usual, "\n  missing: hdf5.h"},
		{"a requirement", explain.Finding{Kind: explain.Requirement, What: "missing: numpy", Requires: []string{"numpy"}, Constraints: []string{"setuptools<81"}}, nil, true, "", usual,
			"\n  missing: numpy\n  fix: put into recipes/wheels/thing.toml:\n      requires = [\"numpy\"]\n      constraints = [\"setuptools<81\"]"},
		{"a compiler", explain.Finding{Kind: explain.Compiler, What: "too old: rustc", Rust: "1.88"}, nil, false, "", usual,
			"\n  too old: rustc\n  fix: put into recipes/wheels/thing.toml:\n      rust = \"1.88\""},
		{"advice", explain.Finding{Kind: explain.Python, What: "too old: thing", Advice: "take a newer thing"}, nil, false, "", usual, "\n  too old: thing\n    take a newer thing"},
		{"memory", explain.Finding{Kind: explain.Limit, Name: "memory", What: "limit: memory"}, nil, false, "", usual,
			"\n  limit: memory\n  fix: put into recipes/wheels/thing.toml:\n      memory = 4096"},
		{"room", explain.Finding{Kind: explain.Limit, Name: "disk", What: "limit: room"}, nil, false, "", usual,
			"\n  limit: room\n  fix: put into recipes/wheels/thing.toml:\n      memory = 4096"},
		{"all memory", explain.Finding{Kind: explain.Limit, Name: "memory", What: "limit: memory"}, nil, false, "", limits{memory: 2 << 30, most: 2 << 30},
			"\n  limit: memory\n    it had all the memory that the engine has for builds: give the engine's machine more"},
		{"time", explain.Finding{Kind: explain.Limit, Name: "time", What: "limit: time"}, nil, false, "", usual,
			"\n  limit: time\n  fix: put into recipes/wheels/thing.toml:\n      minutes = 40"},
	} {
		f := &Failure{Name: "thing", Version: "1.0", Step: "build_wheel", Err: errors.New("broken"), limits: test.limits, has: map[string]bool{test.has: true}}
		f.Found = []Found{{Finding: test.finding}}
		f.Found[0].settle(test.holders, test.unsought, f)
		f.Recipe = set.Amend(f.Name, "trixie", f.amendment())
		if diff := cmp.Diff("thing 1.0: build_wheel: broken"+test.want, f.Error()); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

// TestLimit has what a recipe says of time taken three times, so that the advice helps.
func TestLimit(t *testing.T) {
	for minutes, want := range map[int]time.Duration{0: time.Hour, 10: time.Hour, 40: 2 * time.Hour} {
		task := &task{b: &Builder{}, source: source{recipe: recipes.Wheel{Minutes: minutes}}}
		if got := task.limit(); got != want {
			t.Errorf("%d minutes: %s, want %s", minutes, got, want)
		}
	}
}
