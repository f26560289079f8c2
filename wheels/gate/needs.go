package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/wheels/whl"
)

// Need is a package of the distro that a wheel needs.
type Need struct {
	Package string // "libpq5"; or of the Python: "pybake-libpython3.13"
	Library string // "libpq.so.5"; empty where a recipe names the package
	Wheel   string // normalised: "psycopg2"
	File    string // the first in the wheel that needs the library: "psycopg2/_psycopg.cpython-313-x86_64-linux-gnu.so"
}

// Needs are the packages of the distro that a house needs itself, without what
// they depend on.
type Needs struct {
	Packages []string // for Closure: sorted, each once; without that of the Python
	By       []Need   // who needs them: sorted by wheel, package and library
}

// Of are the packages that one wheel needs, sorted, each once.
func (n Needs) Of(name string) (packages []string) {
	for _, need := range n.By {
		if need.Wheel == pep.NormalizeName(name) {
			packages = append(packages, need.Package)
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// UnresolvedError says which libraries no package could be found for.
type UnresolvedError struct {
	Target   distro.Target
	Problems []string // "libGL.so.1, wanted by opencv-python 4.11.0 (cv2/cv2.abi3.so): no package has it"
}

func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("runtime packages of %s: name the package in the recipe of the wheel, or the library as one that need not be there:\n  %s", e.Target, strings.Join(e.Problems, "\n  "))
}

// Needs finds the packages of the distro that wheels need beside the base and
// what the Python depends on. extra are runtime packages that recipes name, by
// wheel.
func (g *Gate) Needs(ctx context.Context, wheels []*whl.Wheel, extra map[string][]string) (Needs, error) {
	parts := g.parts(wheels)
	var system map[string]bool
	var known map[string]string
	if slices.ContainsFunc(parts, func(p *part) bool { return len(p.ELF) > 0 }) {
		var err error
		if system, known, err = g.system(ctx); err != nil {
			return Needs{}, err
		}
	}
	wants := together(parts).trace(func(l string) bool { return system[l] }, g.Absent)
	owners, err := g.owners(ctx, slices.DeleteFunc(slices.Clone(wants), g.embeds), known)
	if err != nil {
		return Needs{}, err
	}
	return g.collect(wants, owners, wheels, extra), nil
}

// collect are the needs that come of what is wanted.
func (g *Gate) collect(wants []want, owners map[string]string, wheels []*whl.Wheel, extra map[string][]string) (needs Needs) {
	seen := map[[2]string]bool{}
	for _, w := range wants {
		key := [2]string{w.library, w.part.Name}
		if !seen[key] {
			seen[key] = true
			owner := owners[w.library]
			if g.embeds(w) {
				owner = g.libpython()
			}
			needs.By = append(needs.By, Need{owner, w.library, w.part.Name, w.part.files[w.file].name})
		}
	}
	for _, w := range wheels {
		for _, p := range extra[w.Name.Name] {
			needs.By = append(needs.By, Need{Package: p, Wheel: w.Name.Name})
		}
	}
	slices.SortStableFunc(needs.By, func(a, b Need) int {
		return slices.Compare([]string{a.Wheel, a.Package, a.Library}, []string{b.Wheel, b.Package, b.Library})
	})
	for _, n := range needs.By {
		if n.Package != g.libpython() {
			needs.Packages = append(needs.Packages, n.Package)
		}
	}
	slices.Sort(needs.Packages)
	needs.Packages = slices.Compact(needs.Packages)
	return needs
}

// libpython is the package of the Python that programs need which embed it.
func (g *Gate) libpython() string { return "pybake-libpython" + g.Series }

// embeds is whether a library that is wanted is in that package: where it is, the
// loader looks only by the run path of the file.
func (g *Gate) embeds(w want) bool {
	return slices.Contains(w.runPath, g.Prefix+"/lib") && (w.library == "libpython"+g.Series+".so.1.0" || w.library == "libpython3.so")
}

// system are the libraries of the base and of what the Python depends on; known
// those of other packages that are pinned already, with the packages.
func (g *Gate) system(ctx context.Context) (system map[string]bool, known map[string]string, err error) {
	own, err := g.Distros.Files(ctx, g.Target, g.Base, g.PythonPackages)
	if err != nil {
		return nil, nil, err
	}
	pinned, err := g.Distros.Files(ctx, g.Target, g.Base, g.Known)
	if err != nil {
		return nil, nil, err
	}
	// Where both have a file, the Python's counts.
	all, err := g.Distros.Libraries(ctx, g.Target, g.Base, slices.Concat(own, pinned))
	if err != nil {
		return nil, nil, err
	}
	system, known = map[string]bool{}, map[string]string{}
	for library, file := range all {
		if file == "" || slices.Contains(own, file) {
			system[library] = true
		} else {
			known[library] = g.Known[slices.Index(pinned, file)].Name
		}
	}
	return system, known, nil
}

// owners finds the package of each library that is wanted.
func (g *Gate) owners(ctx context.Context, wants []want, known map[string]string) (map[string]string, error) {
	found := map[string]string{}
	left := libraries(wants)
	take := func(owners map[string]string) {
		left = slices.DeleteFunc(left, func(l string) bool {
			if owners[l] != "" {
				found[l] = owners[l]
			}
			return owners[l] != ""
		})
	}
	take(known)
	for _, image := range g.Builders {
		owners, err := g.Distros.Owners(ctx, g.Target, image, left)
		if err != nil {
			return nil, err
		}
		take(owners)
	}
	if len(left) == 0 {
		return found, nil
	}
	some := strings.Join(left[:min(3, len(left))], ", ")
	if more := len(left) - 3; more > 0 {
		some += fmt.Sprintf(" and %d more", more)
	}
	done := g.Report.Step("packages that have " + some)
	archive, err := g.Distros.FindOwners(ctx, g.Target, g.Base, left)
	done(err)
	if err != nil {
		return nil, err
	}
	unresolved := &UnresolvedError{Target: g.Target}
	for _, library := range left {
		owner, problem := choose(library, archive[library])
		if problem != "" {
			unresolved.Problems = append(unresolved.Problems, fmt.Sprintf("%s, wanted by %s: %s", library, wheelsOf(wants, library), problem))
		}
		found[library] = owner
	}
	if len(unresolved.Problems) > 0 {
		return nil, unresolved
	}
	return found, nil
}

// choose is the package to install for a library, out of all that have it.
func choose(library string, owners []distro.Owner) (name, problem string) {
	names := map[string]bool{}
	for _, o := range owners {
		if o.Component == "main" {
			names[o.Package] = true
		}
	}
	if len(names) == 0 {
		for _, o := range owners {
			names[o.Package] = true
		}
	}
	candidates := slices.Sorted(maps.Keys(names))
	if len(candidates) > 1 {
		named := slices.DeleteFunc(slices.Clone(candidates), func(p string) bool { return !namedAfter(p, library) })
		if len(named) == 1 {
			candidates = named
		}
	}
	switch {
	case len(candidates) == 1:
		return candidates[0], ""
	case len(candidates) > 1:
		return "", "several packages have it: " + strings.Join(candidates, ", ")
	case strings.HasPrefix(library, "libpython"):
		return "", "it is linked to a libpython, which the interpreter does not load: extension modules are not linked to it"
	}
	return "", "no package has it"
}

var (
	sonameVersion = pattern.New(`\.so(\.|$)`)
	// A change of the ABI under the same soname, written behind the name.
	transition = pattern.New(`(t64|v5|c2a|c2|ldbl|gf)$`)
	dashes     = strings.NewReplacer("-", "", "_", "", ".", "")
)

// namedAfter is whether a package has the name that Debian policy 8.1 gives to
// that of a library: libglib-2.0.so.0 is in libglib2.0-0, or libglib2.0-0t64.
func namedAfter(name, library string) bool {
	name = transition.ReplaceAllString(name, "")
	library = strings.ToLower(sonameVersion.ReplaceAllString(library, "-"))
	return dashes.Replace(name) == dashes.Replace(library)
}
