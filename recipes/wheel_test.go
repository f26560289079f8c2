package recipes

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/strict"
)

// TestWheels looks after the embedded recipes of wheels.
func TestWheels(t *testing.T) {
	s := embeddedSet(t)
	native := 0
	for _, name := range s.Wheels() {
		if w, _ := s.Wheel(name, "trixie"); len(w.Build) > 0 || w.Extension != nil && *w.Extension {
			native++
		}
	}
	if native < 100 {
		t.Errorf("%d recipes of packages that compile something, of %d", native, len(s.Wheels()))
	}
	for _, name := range s.Wheels() {
		for _, d := range s.Distros() {
			w, ok := s.Wheel(name, d.Codename)
			if !ok {
				t.Fatalf("%s: not found", name)
			}
			data, err := json.Marshal(w)
			if err != nil || string(data) == "{}" && len(w.When) == 0 && w.Note == "" && w.Memory == 0 && w.Minutes == 0 {
				t.Errorf("%s on %s: says nothing: %v", name, d.Codename, err)
			}
			for _, pkg := range d.WheelPackages() {
				for _, own := range w.Build {
					if own == pkg {
						t.Errorf("%s: %s is there for every wheel", name, pkg)
					}
				}
			}
		}
	}
	for _, d := range s.Distros() {
		if len(d.WheelPackages()) == 0 {
			t.Errorf("%s: no packages to build wheels with", d.Codename)
		}
		// The version of the compiler is that of a package.
		if !slices.ContainsFunc(d.Rust.Packages, func(name string) bool { return strings.HasPrefix(name, "rustc") }) {
			t.Errorf("%s: no compiler among the packages of Rust", d.Codename)
		}
	}
	if w, ok := s.Wheel("requests", "trixie"); ok || !cmp.Equal(w, Wheel{}) {
		t.Errorf("a recipe of nothing: %+v", w)
	}
}

func TestWheelDistro(t *testing.T) {
	s := embeddedSet(t)
	for codename, want := range map[string]string{"bookworm": "libmagic1", "trixie": "libmagic1t64", "sid": "libmagic1"} {
		if w, _ := s.Wheel("Python.Magic", codename); len(w.Runtime) != 1 || w.Runtime[0] != want {
			t.Errorf("on %s: %q", codename, w.Runtime)
		}
	}
}

func TestWheelAt(t *testing.T) {
	s := embeddedSet(t)
	for version, want := range map[string][]string{
		"5.4.1": {"Cython<3"}, "6.0": {"Cython<3"}, "6.0.1": nil, "7": nil, "": nil, "unknown": nil,
	} {
		w, _ := s.Wheel("pyyaml", "trixie")
		if got := w.At(version).Constraints; !cmp.Equal(want, got) {
			t.Errorf("%q: %q, want %q", version, got, want)
		}
	}
	w := Wheel{
		Build: []string{"gcc"}, Env: map[string]string{"A": "1", "B": "1"}, Requires: []string{"wheel"},
		ConfigSettings: map[string][]string{"x": {"1"}},
		When: []WheelWhen{
			{Versions: "<2", Build: []string{"make"}, Env: map[string]string{"B": "2"}, Constraints: []string{"x<1"}, Requires: []string{"six"}},
			{Versions: ">=1", Env: map[string]string{"C": "3"}, ConfigSettings: map[string][]string{"x": {"2"}, "y": {"3"}}},
		},
	}
	want := Wheel{
		Build: []string{"gcc", "make"}, Env: map[string]string{"A": "1", "B": "2", "C": "3"},
		ConfigSettings: map[string][]string{"x": {"1", "2"}, "y": {"3"}},
		Constraints:    []string{"x<1"}, Requires: []string{"wheel", "six"},
	}
	if diff := cmp.Diff(want, w.At("1.5")); diff != "" {
		t.Error(diff)
	}
	if w.Env["B"] != "1" || len(w.Build) != 1 || len(w.ConfigSettings["x"]) != 1 {
		t.Errorf("the recipe itself changed: %+v", w)
	}
}

func TestWheelBuilding(t *testing.T) {
	yes := true
	w := Wheel{Build: []string{"gcc"}, Extension: &yes, Runtime: []string{"libc6"}, Imports: []string{"a"}, ImportSkip: map[string]string{"b": "c"}, PathSkip: map[string]string{"d": "e"}}
	if got := w.Building(); !cmp.Equal(got, Wheel{Build: []string{"gcc"}, Extension: &yes}) {
		t.Errorf("%+v", got)
	}
}

// TestShipped reads all embedded recipes of packages: Load reads none of them.
func TestShipped(t *testing.T) {
	var errs strict.Errors
	s := embeddedSet(t)
	s.wheels = loadDir(nil, "wheels", all, func(string) Wheel { return Wheel{} }, Wheel.problems, &errs)
	s.checkWheels(&errs)
	s.checkCargoLocks(&errs)
	s.loadPatches(&errs)
	if err := errs.Err(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(embeddedSet(t).Wheels(), slices.Sorted(maps.Keys(s.wheels))); diff != "" {
		t.Error(diff)
	}
	for name, want := range s.wheels {
		if got, ok := shipped(name); !ok || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if w, ok := shipped("no/../such"); ok {
		t.Errorf("%+v", w)
	}
}
