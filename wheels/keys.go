package wheels

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/cargo"
	"github.com/pybake/pybake/wheels/gate"
	"github.com/pybake/pybake/wheels/lock"
)

// What this package itself does to a wheel and to a house; a change makes all anew.
const (
	wheelFormat = "2"
	houseFormat = "1"
	treeFormat  = "1" // of what is built from a directory

	symbolsFormat = "1" // of what is compiled with symbols
)

// source is what a wheel is built from and with.
type source struct {
	pkg    *Package
	digest string // "sha256:…", "h1:…"
	pin    project.BuildPin
	recipe recipes.Wheel
	stamp  stamp

	cargoLock []byte // of the recipe; or nil
}

// sourceOf is the source of a package, of which nothing has been read yet.
func (p *Plan) sourceOf(pkg *Package) source {
	recipe := p.recipe(pkg.Name, pkg.Version)
	return source{pkg: pkg, recipe: recipe, stamp: p.stamp, cargoLock: p.req.Recipes.CargoLock(recipe.CargoLock)}
}

// tree is whether the source is a directory.
func (s *source) tree() bool { return s.pkg.selected.Source.Kind == lock.Directory }

// sharedInputs are what a wheel that is the same everywhere depends on.
func (s *source) sharedInputs() []artifacts.Input {
	in := []artifacts.Input{
		{Name: "name", Value: s.pkg.Name},
		{Name: "version", Value: s.pkg.Version},
		{Name: "source", Value: s.digest, Note: s.pkg.File},
		{Name: "subdirectory", Value: s.pkg.selected.Source.Subdirectory},
		{Name: "options", Value: strings.Join(s.pkg.selected.Options, "\n")},
		{Name: "recipe", Value: hashJSON(s.recipe.Building())},
		{Name: "format", Value: wheelFormat + " " + build.Format},
	}
	if s.tree() {
		in = append(in, artifacts.Input{Name: "tree", Value: treeFormat})
	}
	if s.stamp.version != "" {
		in = append(in, artifacts.Input{Name: "stamp", Value: s.stamp.version, Note: s.stamp.variable})
	}
	if s.pin.Crates != "" {
		in = append(in, artifacts.Input{Name: "crates", Value: s.pin.Crates}, artifacts.Input{Name: "cargo", Value: cargo.Format})
	}
	if s.pin.Rust != "" {
		in = append(in, artifacts.Input{Name: "rust", Value: s.pin.Rust})
	}
	if s.cargoLock != nil {
		in = append(in, artifacts.Input{Name: "cargo-lock", Value: hashJSON(string(s.cargoLock)), Note: s.recipe.CargoLock})
	}
	for _, p := range s.pin.Packages {
		in = append(in, artifacts.Input{Name: "requires." + p.Name, Value: p.Version + " " + p.File + " " + p.Digest})
	}
	return in
}

// inputs are all that a wheel depends on that compiles something.
func (s *source) inputs(p *Plan, pins *project.Lock, toolchain project.SetPin) []artifacts.Input {
	in := append(s.sharedInputs(),
		artifacts.Input{Name: "abi", Value: p.abi()},
		artifacts.Input{Name: "distro", Value: p.Distro},
		artifacts.Input{Name: "arch", Value: p.Arch},
	)
	if p.req.Symbols {
		in = append(in, artifacts.Input{Name: "symbols", Value: symbolsFormat})
	}
	base, _ := pins.Base(p.Distro, p.Arch)
	in = append(in, artifacts.Input{Name: "base", Value: base.Digest})
	for _, pkg := range toolchain.Packages {
		in = append(in, artifacts.Input{Name: "builder.package." + pkg.Name + ":" + pkg.Arch, Value: pkg.Version + " " + pkg.Digest})
	}
	return in
}

// houseInputs are what a house depends on. wheels says for each package which
// bytes they are: "sha256:…" of a file that is taken, "key:…" of one that is built.
func (p *Plan) houseInputs(python *artifacts.Artifact, pins *project.Lock, wheels map[string]string) []artifacts.Input {
	base, _ := pins.Base(p.Distro, p.Arch)
	in := []artifacts.Input{
		{Name: "lock", Value: p.Lock},
		{Name: "python", Value: string(python.Key), Note: python.Name},
		{Name: "distro", Value: p.Distro},
		{Name: "arch", Value: p.Arch},
		{Name: "base", Value: base.Digest},
		{Name: "gate", Value: gate.Format},
		{Name: "format", Value: houseFormat},
	}
	for _, pkg := range p.Packages {
		in = append(in, artifacts.Input{Name: "wheel." + pkg.Name, Value: pkg.Version + " " + wheels[pkg.Name], Note: pkg.File})
		if recipe := p.recipe(pkg.Name, pkg.Version); !reflect.DeepEqual(recipe, recipes.Wheel{}) {
			in = append(in, artifacts.Input{Name: "recipe." + pkg.Name, Value: hashJSON(recipe)})
		}
	}
	if pin, ok := pins.Runtime(p.Distro, p.Arch, p.owner()); ok {
		for _, pkg := range pin.Packages {
			in = append(in, artifacts.Input{Name: "apt." + pkg.Name + ":" + pkg.Arch, Value: pkg.Version + " " + pkg.Digest})
		}
	}
	return in
}

// recipe is what pybake knows about a version of a package on the distro.
func (p *Plan) recipe(name, version string) recipes.Wheel {
	w, _ := p.req.Recipes.Wheel(name, p.Distro)
	return w.At(version)
}

// owner is in whose name the packages of the distro are pinned that the house
// needs: "wheels requirements.lock 3.13".
func (p *Plan) owner() string { return Kind + " " + houseName(p.req) + " " + p.series() }

func hashJSON(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // lists and maps of strings
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Unpin drops from a lock what a package of the plan is built with on its target, or
// with the name ":all:" what all of them are. It says whether there is such a package.
func (p *Plan) Unpin(l *project.Lock, name string) (known bool) {
	for _, pkg := range p.Packages {
		if name != ":all:" && pkg.Name != pep.NormalizeName(name) {
			continue
		}
		known = true
		l.Builds = slices.DeleteFunc(l.Builds, func(b project.BuildPin) bool {
			return b.Name == pkg.Name && b.Python == p.series() && b.Distro == p.Distro && b.Arch == p.Arch
		})
	}
	return known
}
