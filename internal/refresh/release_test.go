package refresh

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
)

// fastPins are all pins that 3.13 without PGO and LTO needs on trixie.
func fastPins(t *testing.T, set *recipes.Set) *project.Lock {
	t.Helper()
	series, err := set.Series("3.13")
	if err != nil {
		t.Fatal(err)
	}
	d, err := set.Distro("trixie")
	if err != nil {
		t.Fatal(err)
	}
	request := slices.Concat(d.Builder.Packages, series.Builder)
	slices.Sort(request)
	packages := make([]project.Package, 2)
	for i, text := range []string{"gcc-14 14.2.0-19 amd64", "openssl 3.5.1-1 amd64"} {
		if err := packages[i].UnmarshalText([]byte(text + " sha256:" + strings.Repeat("2", 64))); err != nil {
			t.Fatal(err)
		}
	}
	return &project.Lock{
		Format:   project.LockFormat,
		Bases:    []project.BasePin{{Distro: "trixie", Arch: "amd64", Origin: "mmdebstrap", Digest: "sha256:" + strings.Repeat("1", 64)}},
		Builders: []project.SetPin{{Distro: "trixie", Arch: "amd64", For: "python 3.13", Request: slices.Compact(request), Packages: packages}},
	}
}

// TestRelease goes through the nights of one Python. Each step changes the pins of the
// one before.
func TestRelease(t *testing.T) {
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	pins := fastPins(t, set)
	req := python.Request{Version: "3.13.5", Distro: "trixie", Arch: "amd64", Fast: true}
	base := func(digit string) { pins.Bases[0].Digest = "sha256:" + strings.Repeat(digit, 64) }
	highest, has := 0, map[artifacts.Key]bool{} // of the store
	known := Numbers{Highest: func() int { return highest }, Has: func(key artifacts.Key) bool { return has[key] }}
	keys := map[int]string{}
	for _, step := range []struct {
		name   string
		change func()
		want   int
	}{
		{"the first", func() {}, 1},
		{"nothing moved", func() {}, 1},
		{"a moved base image", func() { base("3") }, 2},
		{"it stays so", func() {}, 2},
		{"a moved package of the toolchain", func() { pins.Builders[0].Packages[1].Version = "3.5.2-1" }, 3},
		{"back to an earlier state: its number is taken by other bits", func() { base("1"); pins.Builders[0].Packages[1].Version = "3.5.1-1" }, 4},
		{"packages that are not in the image of the build", func() {
			pins.Runtimes = append(pins.Runtimes, project.SetPin{Distro: "trixie", Arch: "amd64", For: "image web"})
		}, 4},
		{"another version", func() { req.Version = "3.13.6" }, 1},
		{"and the one before again", func() { req.Version = "3.13.5" }, 4},
		{"the request says a number itself", func() { req.Release = 9 }, 4},
		{"pins that are lost, with a store that has it", func() { pins.Releases, highest = nil, 4 }, 4},
		{"pins that are lost, with a store that has others", func() { pins.Releases = nil; base("7") }, 5},
		{"pins that are older than what is published", func() { highest = 8; base("8") }, 9},
	} {
		step.change()
		pin, err := Release(req, set, pins, known)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if pin.Release != step.want {
			t.Errorf("%s: release %d, want %d", step.name, pin.Release, step.want)
		}
		if pin.Python != req.Version || pin.Distro != "trixie" || pin.Arch != "amd64" || pin.Variant != Fast {
			t.Errorf("%s: pin of %+v", step.name, pin)
		}
		pins.SetRelease(pin)
		numbered := req
		numbered.Release = pin.Release
		plan, err := python.NewPlan(numbered, set, pins)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if req.Version == "3.13.5" {
			if was := keys[pin.Release]; was != "" && was != string(plan.Key) {
				t.Errorf("%s: release %d has other inputs than before", step.name, pin.Release)
			}
			keys[pin.Release] = string(plan.Key)
			has[plan.Key] = true
		}
	}

	t.Run("each variant counts for itself", func(t *testing.T) {
		pins := fastPins(t, set)
		pins.SetRelease(project.ReleasePin{Python: "3.13.5", Distro: "trixie", Arch: "amd64", Variant: Full, Release: 7, Inputs: strings.Repeat("a", 64)})
		pin, err := Release(req, set, pins, Numbers{Highest: func() int { return 0 }})
		if err != nil || pin.Release != 1 {
			t.Errorf("%+v, %v", pin, err)
		}
	})
	t.Run("no pins, no number", func(t *testing.T) {
		full := req
		full.Fast = false
		_, err := Release(full, set, fastPins(t, set), Numbers{Highest: func() int { t.Error("asked for the store"); return 0 }})
		if unpinned, ok := errors.AsType[*python.UnpinnedError](err); !ok || !slices.Equal(unpinned.What, []string{"profile"}) {
			t.Errorf("error %v, want the profile to be missing", err)
		}
	})
}
