package resolve

import (
	"slices"

	"github.com/pybake/pybake/internal/pep"
)

// variable is a package, or an extra of it, in an attempt.
type variable struct {
	v        int
	name     string
	extra    string
	project  *project
	releases []*release // the value n is releases[n-1]; the first to be tried first
	known    set        // values whose needs are clauses
}

// within is the values of a variable that satisfy a requirement.
func (s *search) within(v *variable, n *need) set {
	out := newSet(64 * len(s.full[v.v]))
	spec := slices.Concat(n.spec, s.user[n.name])
	pre := s.desperate || v.project.address || spec.NamesPrerelease()
	pre = pre || !slices.ContainsFunc(v.releases, func(rel *release) bool {
		return !rel.version.IsPrerelease() && spec.Contains(rel.version, pep.PreAllow)
	})
	for i, rel := range v.releases {
		if n.spec.Contains(rel.version, pep.PreAllow) && (pre || !rel.version.IsPrerelease()) {
			out.add(i + 1)
		}
	}
	return out
}

// variable is that of a package or an extra. A new one comes with what is true
// of it whoever asks.
func (s *search) variable(name, extra string) (v *variable, why *clause, err error) {
	key := name
	if extra != "" {
		key += "[" + extra + "]"
	}
	if v := s.byName[key]; v != nil {
		return v, nil, nil
	}
	v = &variable{name: name, extra: extra, project: s.pages[name]}
	s.byName[key] = v
	s.variables = append(s.variables, v)
	if extra != "" {
		base := s.byName[name]
		v.releases = base.releases
		v.v = s.solver.variable(len(v.releases) + 1)
		why, err = s.link(v, base)
	} else {
		v.releases = s.order(v.project)
		v.v = s.solver.variable(len(v.releases) + 1)
		why, err = s.limit(v)
	}
	v.known = newSet(len(v.releases) + 1)
	return v, why, err
}

// order is the releases that can be had, those to be tried first at the
// beginning: yanked ones at the end, and prereleases there if nobody named one.
func (s *search) order(p *project) []*release {
	last := func(rel *release) int {
		switch {
		case len(rel.unfit.yanks) > 0:
			return 2
		case s.desperate && rel.version.IsPrerelease() && !s.user[p.name].NamesPrerelease():
			return 1
		}
		return 0
	}
	out := slices.Clone(p.releases)
	out = slices.DeleteFunc(out, func(rel *release) bool { return !s.usable(rel) })
	slices.SortStableFunc(out, func(a, b *release) int { return last(a) - last(b) })
	return out
}

// link says that an extra has the version of its package.
func (s *search) link(v, base *variable) (why *clause, err error) {
	for i := range v.releases {
		one := newSet(64 * len(s.full[v.v]))
		one.add(i + 1)
		c := s.newClause(term{v.v, one}, term{base.v, s.full[base.v].minus(one)})
		s.links = append(s.links, c)
		if why, err := s.outcome(s.add(c)); why != nil || err != nil {
			return why, err
		}
	}
	return nil, nil
}

// limit states the constraints on a package.
func (s *search) limit(v *variable) (why *clause, err error) {
	for _, n := range s.constraints[v.name] {
		f := &fact{need: n, limit: true}
		s.facts = append(s.facts, f)
		allowed := newSet(64 * len(s.full[v.v]))
		allowed.add(0)
		for i, rel := range v.releases {
			if n.spec.Contains(rel.version, pep.PreAllow) {
				allowed.add(i + 1)
			}
		}
		if why, err := s.claim(f, []term{{v.v, s.full[v.v].minus(allowed)}}); why != nil || err != nil {
			return why, err
		}
	}
	return nil, nil
}
