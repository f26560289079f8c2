package wheels

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/lock"
)

// TestRecipes plans a lock with every package that has a recipe, for every distro, and
// holds what a build takes from a recipe to what is written there.
func TestRecipes(t *testing.T) {
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, name := range set.Wheels() {
		text.WriteString(pinned(name, "1.0", name))
	}
	l, err := lock.Read(fstest.MapFS{"r.txt": {Data: []byte(text.String())}}, "r.txt", lock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range set.Distros() {
		p, err := NewPlan(Request{Lock: l, Name: "r.txt", Python: "3.13.5", Distro: d, Arch: "amd64", Recipes: set})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Packages) != len(set.Wheels()) {
			t.Errorf("%s: %d packages of %d recipes", d.Codename, len(p.Packages), len(set.Wheels()))
		}
		for _, pkg := range p.Packages {
			planned(t, p, pkg)
		}
	}
}

// planned looks at what a build of one package would take.
func planned(t *testing.T, p *Plan, pkg *Package) {
	src := p.sourceOf(pkg)
	written, ok := p.req.Recipes.Wheel(pkg.Name, p.Distro)
	if want := written.At("1.0"); !ok || !reflect.DeepEqual(want, src.recipe) {
		t.Errorf("%s on %s: %+v, want %+v", pkg.Name, p.Distro, src.recipe, want)
	}
	job := task{source: src, p: p}
	if got, want := len(job.env())+len(job.configSettings()), len(src.recipe.Env)+len(src.recipe.ConfigSettings); got != want {
		t.Errorf("%s: %d variables and settings, want %d", pkg.Name, got, want)
	}
	for _, extra := range src.recipe.Build {
		if !strings.Contains(p.toolOwner(src.recipe.Build), " "+extra) {
			t.Errorf("%s: no toolchain with %s", pkg.Name, extra)
		}
	}
	with, err := artifacts.NewKey(KindWheel, src.inputs(p, &project.Lock{}, project.SetPin{}))
	if err != nil {
		t.Fatal(err)
	}
	builds := !reflect.DeepEqual(src.recipe.Building(), recipes.Wheel{Memory: src.recipe.Memory, Minutes: src.recipe.Minutes, Note: src.recipe.Note, Keep: src.recipe.Keep})
	src.recipe = recipes.Wheel{}
	without, err := artifacts.NewKey(KindWheel, src.inputs(p, &project.Lock{}, project.SetPin{}))
	if err != nil {
		t.Fatal(err)
	}
	if (with != without) != builds {
		t.Errorf("%s: the recipe changes what is built: %t, but its key: %t", pkg.Name, builds, with != without)
	}
}
