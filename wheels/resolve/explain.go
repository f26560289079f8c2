package resolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// claims are facts that are told in one line: the same need of several versions.
type claims struct {
	facts []*fact
	need  *need
	by    *variable // nil: the caller, or a constraint
	limit bool
	none  bool
	bad   string
}

// core is what cannot all hold, in the order it was found, without what the
// contradiction does not need.
func (s *search) core(why *clause) []*claims {
	var core []*claims
	byKey := map[string]*claims{}
	used := map[*fact]bool{}
	for _, f := range why.facts() {
		used[f] = true
	}
	for _, f := range s.facts {
		if !used[f] {
			continue
		}
		key := f.bad
		if f.by != nil {
			key = fmt.Sprintf("%d\x00%s", f.by.v, key)
		}
		if f.need != nil {
			key = fmt.Sprintf("%s\x00%t\x00%s", key, f.limit, f.need.text)
		}
		c := byKey[key]
		if c == nil {
			c = &claims{need: f.need, by: f.by, limit: f.limit, none: f.none, bad: f.bad}
			byKey[key] = c
			core = append(core, c)
		}
		c.facts = append(c.facts, f)
	}
	return s.shrink(core)
}

// explain tells the core in lines, beginning with the packages that several
// claims are about.
func (s *search) explain(why *clause) error {
	core := s.core(why)
	disputed := func(c *claims) int {
		if c.need != nil && slices.ContainsFunc(core, func(o *claims) bool { return o != c && o.need != nil && o.need.name == c.need.name }) {
			return 0
		}
		return 1
	}
	sorted := slices.Clone(core)
	slices.SortStableFunc(sorted, func(a, b *claims) int { return disputed(a) - disputed(b) })
	e := &ConflictError{For: s.asker()}
	for _, c := range sorted {
		if c.none {
			e.Missing = append(e.Missing, &NoWheelError{c.need.text, s.from(core, c), s.pages[c.need.name].nothing(c.need.spec, s.bound)})
		}
		if !c.told(core) {
			e.Lines = append(e.Lines, s.line(core, c))
		}
	}
	e.Lines = append(e.Lines, s.left(core)...)
	const most = 24
	if n := len(e.Lines); n > most {
		e.Lines = append(e.Lines[:most:most], fmt.Sprintf("and %d more", n-most))
	}
	return e
}

// told is whether a line of another claim says the same: that it comes from
// this package, of which any version would do.
func (c *claims) told(core []*claims) bool {
	if c.need == nil || c.limit || c.none || len(c.need.spec) > 0 {
		return false
	}
	return slices.ContainsFunc(core, func(o *claims) bool { return o.by != nil && o.by.name == c.need.name })
}

// shrink leaves out what the contradiction does not need, beginning with what was
// found last.
func (s *search) shrink(core []*claims) []*claims {
	const most = 200
	if len(core) > most {
		return core
	}
	for i := len(core) - 1; i >= 0; i-- {
		if less := slices.Delete(slices.Clone(core), i, i+1); s.contradicts(less) {
			core = less
		}
	}
	return core
}

// contradicts is whether there is no way even if only some facts count.
func (s *search) contradicts(core []*claims) bool {
	const enough = 1_000_000
	t := &solver{limit: enough}
	for _, v := range s.variables {
		t.variable(len(v.releases) + 1)
	}
	for _, c := range s.links {
		if _, ok := t.add(&clause{terms: c.terms}); !ok {
			return false
		}
	}
	for _, c := range core {
		for _, f := range c.facts {
			for _, stated := range f.clauses {
				if why, ok := t.add(&clause{terms: stated.terms}); !ok {
					return why != nil
				}
			}
		}
	}
	for {
		v := slices.IndexFunc(t.now, func(now set) bool { return !now.has(0) && now.count() > 1 })
		if v < 0 {
			return false
		}
		if why, ok := t.decide(v, t.now[v].first()); !ok {
			return why != nil
		}
	}
}

// line is claims for people.
func (s *search) line(core []*claims, c *claims) string {
	switch {
	case c.bad != "":
		return fmt.Sprintf("%s (from %s): %s", c.who(), s.from(core, c), c.bad)
	case c.limit:
		return c.need.text + " (a constraint)"
	case c.none:
		return fmt.Sprintf("%s (from %s): no wheel fits: %s", c.need.text, s.from(core, c), s.pages[c.need.name].nothing(c.need.spec, s.bound))
	}
	return fmt.Sprintf("%s (from %s)", c.need.text, s.from(core, c))
}

// who is the package and the versions that claim something.
func (c *claims) who() string {
	name := c.by.name
	if c.by.extra != "" {
		name += "[" + c.by.extra + "]"
	}
	var of []*release
	for _, f := range c.facts {
		of = append(of, f.release)
	}
	slices.SortFunc(of, func(a, b *release) int { return b.version.Compare(a.version) })
	return name + " " + span(of)
}

// from is who claims something, and who asked for them in turn:
// "hatchling 1.20, itself from foo 1.0's build-system".
func (s *search) from(core []*claims, c *claims) string {
	var chain []string
	seen := map[*variable]bool{}
	for c.by != nil && !seen[c.by] {
		seen[c.by] = true
		if c.bad == "" {
			chain = append(chain, c.who())
		}
		up := slices.IndexFunc(core, func(o *claims) bool {
			return o.need != nil && !o.limit && o.need.name == c.by.name && (o.by == nil || !seen[o.by]) &&
				(c.by.extra == "" || slices.Contains(o.need.extras, c.by.extra))
		})
		if up < 0 {
			return strings.Join(chain, ", itself from ")
		}
		c = core[up]
	}
	return strings.Join(append(chain, s.asker()), ", itself from ")
}

// left tells of versions that would do, were there a wheel of them.
func (s *search) left(core []*claims) (lines []string) {
	spec := map[string]pep.Specifiers{}
	none := map[string]bool{}
	var names []string
	for _, c := range core {
		if c.need == nil {
			continue
		}
		if name := c.need.name; !slices.Contains(names, name) {
			names = append(names, name)
		}
		spec[c.need.name] = slices.Concat(spec[c.need.name], c.need.spec)
		none[c.need.name] = none[c.need.name] || c.none
	}
	for _, name := range names {
		var list []*release
		for _, rel := range s.pages[name].releases {
			if !s.usable(rel) && spec[name].Contains(rel.version, pep.PreAllow) {
				list = append(list, rel)
			}
		}
		if len(list) > 0 && !none[name] {
			lines = append(lines, fmt.Sprintf("%s %s", name, there(list, s.bound, true)))
		}
	}
	return lines
}
