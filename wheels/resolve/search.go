package resolve

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
)

// search is one call of Resolve. What was read is kept over attempts.
type search struct {
	*Resolver
	*reader
	roots       []*need
	constraints map[string][]*need
	user        map[string]pep.Specifiers // of roots and constraints together
	prefer      map[string]pep.Version
	pages       map[string]*project
	read        map[*release]*metadata
	yanked      map[*release]bool // false: not to be had in any case; true: something holds to it
	desperate   bool              // prereleases count like others

	// Of an attempt.
	*solver
	variables []*variable
	byName    map[string]*variable // "setuptools-scm", "setuptools-scm[toml]"
	facts     []*fact              // in the order they were found
	links     []*clause            // an extra has the version of its package
}

// fact is what a clause says.
type fact struct {
	by      *variable // who needs; nil: the caller
	release *release  // of by
	need    *need
	limit   bool // need is a constraint
	none    bool // nothing fits need
	bad     string
	clauses []*clause
}

// chosen is a package of the answer.
type chosen struct {
	name    string
	release *release
	extras  []string
	needs   []*need // on it
}

// errAgain says that an attempt began with too little.
var errAgain = errors.New("yanked releases are wanted")

// maxLooks is where a search is given up: how often a clause was looked at, which
// takes a few seconds.
const maxLooks = 10_000_000

// search tries, first without prereleases that nothing names.
func (s *search) search(ctx context.Context) ([]*chosen, error) {
	for {
		why, err := s.attempt(ctx)
		switch {
		case errors.Is(err, errAgain):
			continue
		case err != nil:
			return nil, err
		case why == nil:
			found := s.chosen()
			if !s.dropUnasked(found) {
				return found, nil
			}
		case !s.desperate && s.hidden():
			s.desperate = true
		default:
			return nil, s.explain(why)
		}
	}
}

// hidden is whether there are prereleases that an attempt did not consider.
func (s *search) hidden() bool {
	for _, v := range s.variables {
		if slices.ContainsFunc(v.releases, func(rel *release) bool { return rel.version.IsPrerelease() }) {
			return true
		}
	}
	return false
}

// usable is whether a release can be had.
func (s *search) usable(rel *release) bool {
	return rel.wheel != nil && (len(rel.unfit.yanks) == 0 || s.yanked[rel])
}

// pin notes the yanked release that a requirement holds to, and tells whether
// that is new.
func (s *search) pin(n *need) (news bool) {
	p := s.pages[n.name]
	if p == nil {
		return false
	}
	for _, rel := range p.releases {
		if _, told := s.yanked[rel]; !told && rel.wheel != nil && len(rel.unfit.yanks) > 0 && pinned(n.spec, rel.version) {
			s.yanked[rel] = true
			news = true
		}
	}
	return news
}

// dropUnasked gives up yanked releases that nothing of the answer holds to: what
// did was dropped on the way.
func (s *search) dropUnasked(found []*chosen) (dropped bool) {
	for _, c := range found {
		if len(c.release.unfit.yanks) > 0 && !slices.ContainsFunc(c.needs, func(n *need) bool { return pinned(n.spec, c.release.version) }) {
			s.yanked[c.release] = false
			dropped = true
		}
	}
	return dropped
}

// attempt searches from the beginning. If there is no way it returns why.
func (s *search) attempt(ctx context.Context) (why *clause, err error) {
	s.solver = &solver{limit: maxLooks}
	s.variables, s.byName, s.facts, s.links = nil, map[string]*variable{}, nil, nil
	for _, n := range s.roots {
		if why, err := s.state(&fact{need: n}); why != nil || err != nil {
			return why, err
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v := s.next()
		if v == nil {
			return nil, nil
		}
		value := s.value(v)
		if !v.known.has(value) {
			v.known.add(value)
			why, err = s.expand(ctx, v, value)
		} else {
			why, err = s.outcome(s.decide(v.v, value))
		}
		if why != nil || err != nil {
			return why, err
		}
	}
}

// outcome is that of the solver, with an error if it gave up.
func (s *search) outcome(why *clause, ok bool) (*clause, error) {
	if !ok && why == nil {
		return nil, &LimitError{s.asker(), s.conflicts}
	}
	return why, nil
}

// next is the variable to look at: one that has to be there, and whose value is
// not settled or whose needs are not known.
func (s *search) next() *variable {
	var open *variable
	for _, v := range s.variables {
		now := s.now[v.v]
		if now.has(0) {
			continue
		}
		if now.count() > 1 {
			if open == nil {
				open = v
			}
		} else if !v.known.has(now.first()) {
			return v
		}
	}
	return open
}

// value is the one to try.
func (s *search) value(v *variable) int {
	now := s.now[v.v]
	if want, ok := s.prefer[v.name]; ok {
		for i, rel := range v.releases {
			if rel.version.Compare(want) == 0 && now.has(i+1) {
				return i + 1
			}
		}
	}
	return now.first()
}

// expand states what a version needs.
func (s *search) expand(ctx context.Context, v *variable, value int) (why *clause, err error) {
	rel := v.releases[value-1]
	m, err := s.metadataOf(ctx, v.project, rel)
	if err != nil {
		return nil, err
	}
	part := m.part(s, v.extra)
	if bad := m.bad + part.bad; bad != "" {
		if m.bad != "" {
			bad = m.bad
		}
		return s.state(&fact{by: v, release: rel, bad: bad})
	}
	s.load(ctx, part.needs, func(n *need, problem error) {
		if p := (*index.UnknownProjectError)(nil); err == nil && !errors.As(problem, &p) {
			err = problem
		}
	})
	if err != nil {
		return nil, err
	}
	for _, n := range part.needs {
		again := s.pin(n)
		for _, c := range s.constraints[n.name] {
			again = s.pin(c) || again
		}
		if again {
			return nil, errAgain
		}
	}
	for _, n := range part.needs {
		if why, err := s.state(&fact{by: v, release: rel, need: n}); why != nil || err != nil {
			return why, err
		}
	}
	return nil, nil
}

// state takes a fact in.
func (s *search) state(f *fact) (why *clause, err error) {
	s.facts = append(s.facts, f)
	var given []term
	if f.by != nil {
		values := newSet(64 * len(s.full[f.by.v]))
		values.add(1 + slices.Index(f.by.releases, f.release))
		given = []term{{f.by.v, values}}
	}
	if f.need == nil {
		return s.claim(f, given)
	}
	for _, extra := range append([]string{""}, f.need.extras...) {
		v, why, err := s.variable(f.need.name, extra)
		if why != nil || err != nil {
			return why, err
		}
		within := s.within(v, f.need)
		f.none = within.empty()
		if why, err := s.claim(f, slices.Concat(given, []term{{v.v, s.full[v.v].minus(within)}})); why != nil || err != nil {
			return why, err
		}
	}
	return nil, nil
}

func (s *search) claim(f *fact, terms []term) (why *clause, err error) {
	c := s.newClause(terms...)
	if c == nil {
		return nil, nil
	}
	c.fact = f
	f.clauses = append(f.clauses, c)
	return s.outcome(s.add(c))
}

// chosen is the answer, by name.
func (s *search) chosen() []*chosen {
	byName := map[string]*chosen{}
	var out []*chosen
	values := map[*variable]*release{}
	for _, v := range s.variables {
		now := s.now[v.v]
		if now.has(0) {
			continue
		}
		rel := v.releases[now.first()-1]
		values[v] = rel
		if v.extra != "" {
			byName[v.name].extras = append(byName[v.name].extras, v.extra)
			continue
		}
		c := &chosen{name: v.name, release: rel}
		byName[v.name] = c
		out = append(out, c)
	}
	for _, f := range s.facts {
		if f.need != nil && (f.by == nil || values[f.by] == f.release) {
			if c := byName[f.need.name]; c != nil {
				c.needs = append(c.needs, f.need)
			}
		}
	}
	slices.SortFunc(out, func(a, b *chosen) int { return strings.Compare(a.name, b.name) })
	return out
}
