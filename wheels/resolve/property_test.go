package resolve

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/pep"
)

// world is a random universe, and what is asked of it.
type world struct {
	text        string
	names       []string
	versions    map[string][]pep.Version
	yanked      map[string]bool // "a 1.0"
	needs       map[string][]pep.Requirement
	roots       []string
	constraints []pep.Requirement
}

func requirement(t testing.TB, text string) pep.Requirement {
	t.Helper()
	r, err := pep.ParseRequirement(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newWorld makes a small one, with yanked versions if asked to.
func newWorld(t testing.TB, rnd *rand.Rand, yanks bool) *world {
	w := &world{versions: map[string][]pep.Version{}, needs: map[string][]pep.Requirement{}, yanked: map[string]bool{}}
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	number := func() string { return pick("1.0", "2.0", "3.0", "3.0", "2.0b1", "3.0rc1", "4.0b1") }
	spec := func() string {
		switch rnd.IntN(8) {
		case 0, 1:
			return ""
		case 2:
			return "==" + number()
		case 3:
			return "!=" + number()
		case 4, 5:
			return ">=" + number()
		}
		return "<" + number()
	}
	w.names = []string{"a", "b", "c", "d", "e"}[:2+rnd.IntN(4)]
	target := func() string { return pick(w.names...) + pick("", "", "", "[x]", "[y]", "[x,y]") + spec() }
	for _, name := range w.names {
		for _, version := range []string{"1.0", "2.0b1", "2.0", "3.0rc1", "3.0", "4.0b1"} {
			if rnd.IntN(2) == 0 || strings.ContainsAny(version, "br") && rnd.IntN(2) == 0 {
				continue
			}
			key := name + " " + version
			w.text += key
			if yanks && rnd.IntN(4) == 0 {
				w.yanked[key] = true
				w.text += " yanked=bad"
			}
			w.text += "\n"
			v, _ := pep.ParseVersion(version)
			w.versions[name] = append(w.versions[name], v)
			for range rnd.IntN(3) {
				dep := target() + pick("", "", "", `; extra == "x"`, `; extra == "y"`, `; python_version < "3"`)
				w.text += "\t" + dep + "\n"
				w.needs[key] = append(w.needs[key], requirement(t, dep))
			}
		}
	}
	for range 1 + rnd.IntN(3) {
		w.roots = append(w.roots, target())
	}
	for range rnd.IntN(2) {
		w.constraints = append(w.constraints, requirement(t, pick(w.names...)+spec()))
	}
	return w
}

// rules says which versions are good for a requirement.
type rules struct {
	w     *world
	env   pep.Env
	exact bool // prereleases by PEP 440, else any
	yanks bool // yanked versions count where something holds to them
}

// good is by the definition: what users say goes with every requirement.
func (r rules) good(n pep.Requirement, v pep.Version) bool {
	if !n.Specifiers.Contains(v, pep.PreAllow) {
		return false
	}
	if !r.exact {
		return true
	}
	spec := slices.Clone(n.Specifiers)
	for _, c := range r.w.constraints {
		if c.Name == n.Name {
			spec = append(spec, c.Specifiers...)
		}
	}
	for _, text := range r.w.roots {
		if root, _ := pep.ParseRequirement(text); root.Name == n.Name {
			spec = append(spec, root.Specifiers...)
		}
	}
	var offered []pep.Version
	for _, o := range r.w.versions[n.Name] {
		if !r.w.yanked[n.Name+" "+o.String()] {
			offered = append(offered, o)
		}
	}
	return slices.ContainsFunc(spec.Filter(offered, pep.PreAuto), func(o pep.Version) bool { return o.Compare(v) == 0 })
}

// check is what is wrong with an answer: versions by name.
func (r rules) check(answer map[string]pep.Version) error {
	reached := map[string]bool{}
	held := map[string]bool{}
	var visit func(n pep.Requirement) error
	visit = func(n pep.Requirement) error {
		v, ok := answer[n.Name]
		if !ok {
			return fmt.Errorf("%s is missing", n)
		}
		if !r.good(n, v) {
			return fmt.Errorf("%s %s is not good for %s", n.Name, v, n)
		}
		held[n.Name] = held[n.Name] || pinned(n.Specifiers, v)
		for _, extra := range append([]string{""}, n.Extras...) {
			key := n.Name + "[" + extra + "]"
			if reached[key] {
				continue
			}
			reached[key] = true
			for _, dep := range r.w.needs[n.Name+" "+v.String()] {
				env := r.env
				env.Extra = extra
				if dep.Marker != nil {
					if holds, err := dep.Marker.Eval(env, nil, nil); err != nil || !holds {
						continue
					}
				}
				if err := visit(dep); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, root := range r.w.roots {
		n, _ := pep.ParseRequirement(root)
		if err := visit(n); err != nil {
			return err
		}
	}
	for _, c := range r.w.constraints {
		if v, ok := answer[c.Name]; ok && !c.Specifiers.Contains(v, pep.PreAllow) {
			return fmt.Errorf("%s %s: constraint %s", c.Name, v, c)
		} else if ok {
			held[c.Name] = held[c.Name] || pinned(c.Specifiers, v)
		}
	}
	for name, v := range answer {
		if !reached[name+"[]"] {
			return fmt.Errorf("%s is superfluous", name)
		}
		if r.w.yanked[name+" "+v.String()] && (!r.yanks || !held[name]) {
			return fmt.Errorf("%s %s is yanked", name, v)
		}
	}
	return nil
}

// exists tries every answer there is.
func (r rules) exists() bool {
	answer := map[string]pep.Version{}
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(r.w.names) {
			return r.check(answer) == nil
		}
		name := r.w.names[i]
		if delete(answer, name); try(i + 1) {
			return true
		}
		for _, v := range r.w.versions[name] {
			if answer[name] = v; try(i + 1) {
				return true
			}
		}
		delete(answer, name)
		return false
	}
	return try(0)
}

func (w *world) resolver(t testing.TB, f *fake) *Resolver {
	r := trixie(t, f)
	r.Constraints = w.constraints
	return r
}

func answerOf(t testing.TB, r *Resolution) map[string]pep.Version {
	out := map[string]pep.Version{}
	for _, p := range r.Pins {
		v, err := pep.ParseVersion(p.Version)
		if err != nil {
			t.Fatal(err)
		}
		out[p.Name] = v
	}
	return out
}

// checkWorld holds one answer against all answers, and returns whether there was one.
func checkWorld(t *testing.T, w *world, rnd *rand.Rand) bool {
	f := newFake(t, w.text)
	for _, name := range w.names {
		if f.files[name] == nil {
			f.files[name] = nil // known, and without files
		}
	}
	r := w.resolver(t, f)
	got, err := r.Resolve(t.Context(), w.roots)
	exact := rules{w: w, env: r.Env, exact: true}
	loose := rules{w: w, env: r.Env}
	if err != nil {
		conflict, none := (*ConflictError)(nil), (*NoWheelError)(nil)
		if !errors.As(err, &conflict) && !errors.As(err, &none) {
			t.Errorf("unexpected error %v", err)
		}
		if loose.exists() {
			t.Errorf("there is an answer, but: %v", err)
		}
		again, err2 := r.Resolve(t.Context(), w.roots)
		if again != nil || err2.Error() != err.Error() {
			t.Errorf("another error the second time: %v; %v", err, err2)
		}
		return false
	}
	answer := answerOf(t, got)
	loose.yanks = true
	if err := loose.check(answer); err != nil {
		t.Errorf("%s: %v", pins(got), err)
	}
	if len(w.yanked) > 0 {
		return true
	}
	if exact.exists() {
		if err := exact.check(answer); err != nil {
			t.Errorf("%s: %v", pins(got), err)
		}
	}
	// What was found is found again when it is preferred, and in another order of files.
	r.Prefer = map[string]string{}
	for _, p := range got.Pins {
		r.Prefer[p.Name] = p.Version
	}
	for _, files := range f.files {
		rnd.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	}
	again, err := r.Resolve(t.Context(), w.roots)
	if err != nil || pins(again) != pins(got) {
		t.Errorf("%s is not found again: %v, %v", pins(got), again, err)
	}
	return true
}

func TestBruteForce(t *testing.T) {
	const worlds = 1500
	count := map[string]int{}
	for seed := range uint64(worlds) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, rnd, seed%3 == 0)
		found := checkWorld(t, w, rnd)
		count[fmt.Sprintf("found %t, yanked %t", found, len(w.yanked) > 0)]++
		if t.Failed() {
			t.Fatalf("seed %d: requires %q, constraints %v of\n%s", seed, w.roots, w.constraints, w.text)
		}
	}
	t.Log(count)
	for _, kind := range []string{"found true, yanked true", "found true, yanked false", "found false, yanked true", "found false, yanked false"} {
		if count[kind] < worlds/50 {
			t.Errorf("%s: only %d worlds of %d show that", kind, count[kind], worlds)
		}
	}
}
