package lock

import (
	"maps"
	"slices"
	"strings"
)

// walker finds what the roots of a graph need.
type walker struct {
	*selector
	byName  map[string][]int
	wants   map[string]map[string]constraint // of all edges so far, by name and text
	active  map[int]map[string]bool          // the packages reached, with their extras
	named   map[string]bool                  // names of what is active in conflicts, of the last round
	roots   map[int]bool                     // projects that the extras and groups are asked of
	queue   []int
	picked  map[string]int
	restart bool
	told    map[Pos]bool
	steps   int
	gaveUp  bool
}

// maxSteps bounds how many edges and choices are looked at, which only a lock
// that was made to take long needs.
const maxSteps = 200_000

// spent is whether the steps are used up, which is an error.
func (w *walker) spent() bool {
	if w.steps++; w.steps >= maxSteps && !w.gaveUp {
		w.gaveUp = true
		w.errorf(Pos{File: w.File}, "gave up after %d steps: too many alternatives", maxSteps)
	}
	return w.steps >= maxSteps
}

// rounds bounds how often the walk starts again because a later edge asked for
// less than what an earlier one had taken.
const rounds = 100

// walk is the packages of a graph that its roots reach.
func (s *selector) walk() []int {
	w := &walker{selector: s, byName: map[string][]int{}, wants: map[string]map[string]constraint{}, named: map[string]bool{}}
	for i, p := range s.Packages {
		w.byName[p.Name] = append(w.byName[p.Name], i)
	}
	errs := s.errs
	for range rounds {
		s.errs = errs
		w.round()
		if named := w.conflictNames(); !w.restart && maps.Equal(named, w.named) {
			break
		} else if w.named = named; w.steps >= maxSteps {
			break
		}
	}
	w.checkConflicts()
	return slices.Sorted(maps.Keys(w.active))
}

// round walks once from the roots.
func (w *walker) round() {
	w.active, w.roots, w.picked = map[int]map[string]bool{}, map[int]bool{}, map[string]int{}
	w.queue, w.restart, w.told, w.needs = nil, false, map[Pos]bool{}, map[string][]string{}
	for _, dep := range w.Roots {
		if dep.Group != "" && !w.groups[dep.Group] || dep.Extra != "" && !w.asked(dep.Extra) {
			continue
		}
		if i, ok := w.follow(nil, dep, w.asked); ok && w.Packages[i].Source.Kind == Project {
			w.roots[i] = true
			maps.Copy(w.active[i], w.extras)
		}
	}
	for len(w.queue) > 0 {
		i := w.queue[0]
		w.queue = w.queue[1:]
		p, extras := &w.Packages[i], w.active[i]
		has := func(x string) bool { return extras[x] || w.named[x] }
		for _, dep := range p.Dependencies {
			if dep.Extra != "" && !extras[dep.Extra] {
				continue
			}
			if dep.Group != "" && !(w.roots[i] && w.groups[dep.Group]) {
				continue
			}
			w.follow(p, dep, has)
		}
	}
}

// follow takes an edge, if its marker holds.
func (w *walker) follow(from *Package, dep Dependency, extra func(string) bool) (int, bool) {
	if w.spent() || w.told[dep.Pos] || !dep.python.holds(w.python) || !w.holds(dep.Marker, extra, dep.Pos) {
		return 0, false
	}
	i, ok := w.pick(dep)
	if w.steps >= maxSteps {
		return 0, false
	}
	if !ok && w.elsewhere(dep) {
		return 0, false
	}
	if !ok {
		w.told[dep.Pos] = true
		w.missing(from, dep)
		return 0, false
	}
	if from != nil {
		w.needs[from.Name] = append(w.needs[from.Name], dep.Name)
	}
	extras := w.active[i]
	again := extras == nil
	if again {
		extras = map[string]bool{}
		w.active[i] = extras
	}
	for _, x := range dep.Extras {
		if !extras[x] {
			extras[x], again = true, true
		}
	}
	if again {
		w.queue = append(w.queue, i)
	}
	return i, true
}

// pick is the package that an edge leads to: of those that fit the edge the
// newest that fits all edges to that name, if one does.
func (w *walker) pick(dep Dependency) (int, bool) {
	var fit []int
	for _, i := range w.byName[dep.Name] {
		p := &w.Packages[i]
		if w.spent() {
			return 0, false
		}
		if (dep.source == "" || dep.source == p.Source.key()) && (p.version.IsZero() || dep.want.holds(p.version)) &&
			w.holdsAny(p.When, w.asked) && p.python.holds(w.python) {
			fit = append(fit, i)
		}
	}
	if w.extraEntries {
		fit = w.entriesFor(fit, dep.Extras)
	}
	if len(fit) == 0 {
		return 0, false
	}
	if w.exact && len(fit) > 1 {
		a, b := &w.Packages[fit[0]], &w.Packages[fit[1]]
		w.errorf(dep.Pos, "%s may be %s at %s or %s at %s for this target", dep.Name, a.describe(), a.Pos, b.describe(), b.Pos)
	}
	w.want(dep)
	best := slices.MaxFunc(fit, func(i, j int) int {
		a, b := &w.Packages[i], &w.Packages[j]
		if x, y := w.fitsAll(a), w.fitsAll(b); x != y {
			if x {
				return 1
			}
			return -1
		}
		return a.version.Compare(b.version)
	})
	if before, ok := w.picked[dep.Name]; ok && w.Packages[before].version.Compare(w.Packages[best].version) != 0 && w.fitsAll(&w.Packages[best]) {
		w.restart = true
	}
	w.picked[dep.Name] = best
	return best, true
}

// elsewhere is whether an edge leads to packages that are only for other targets,
// which some locks say at the package alone.
func (w *walker) elsewhere(dep Dependency) bool {
	list := w.byName[dep.Name]
	return len(list) > 0 && !slices.ContainsFunc(list, func(i int) bool { return w.holdsAny(w.Packages[i].When, w.asked) })
}

// want remembers the versions that an edge asks for.
func (w *walker) want(dep Dependency) {
	if dep.want == nil || w.exact {
		return
	}
	if w.wants[dep.Name] == nil {
		w.wants[dep.Name] = map[string]constraint{}
	}
	var text strings.Builder
	for _, set := range dep.want {
		text.WriteString(set.String() + "|")
	}
	w.wants[dep.Name][text.String()] = dep.want
}

func (w *walker) fitsAll(p *Package) bool {
	for _, c := range w.wants[p.Name] {
		if w.spent() || !p.version.IsZero() && !c.holds(p.version) {
			return false
		}
	}
	return true
}

// entriesFor is the entries for a set of extras, or else those for none.
func (w *walker) entriesFor(list []int, extras []string) []int {
	for _, want := range [][]string{extras, nil} {
		var fit []int
		for _, i := range list {
			w.steps += min(len(want), len(w.Packages[i].Extras))
			if sameNames(w.Packages[i].Extras, want) {
				fit = append(fit, i)
			}
		}
		if len(fit) > 0 {
			return fit
		}
	}
	return list
}

func sameNames(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// sides is what is active of the sides of a conflict.
func (w *walker) sides(conflict []ConflictOf) []ConflictOf {
	var active []ConflictOf
	for _, c := range conflict {
		for _, i := range w.byName[c.Package] {
			extras := w.active[i]
			if w.spent() {
				return nil
			}
			if extras == nil {
				continue
			}
			if c.Extra != "" && extras[c.Extra] || c.Group != "" && w.roots[i] && w.groups[c.Group] || c.Extra == "" && c.Group == "" {
				active = append(active, c)
				break
			}
		}
	}
	return active
}

func (w *walker) conflictNames() map[string]bool {
	names := map[string]bool{}
	for _, conflict := range w.Conflicts {
		for _, c := range w.sides(conflict) {
			names[c.conflictName()] = true
		}
	}
	return names
}

func (w *walker) checkConflicts() {
	for _, conflict := range w.Conflicts {
		if active := w.sides(conflict); len(active) > 1 {
			w.errorf(Pos{File: w.File}, "%s and %s exclude each other", active[0], active[1])
		}
	}
}

func (c ConflictOf) String() string {
	switch {
	case c.Extra != "":
		return "extra " + c.Extra + " of " + c.Package
	case c.Group != "":
		return "group " + c.Group + " of " + c.Package
	}
	return c.Package
}
