package lock

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

// Target is what a lock is selected for: CPython on Linux, and what is asked of
// the lock.
type Target struct {
	Python       string // "3.13.5"
	FreeThreaded bool
	Arch         string // "x86_64"
	Glibc        [2]int // {2, 41}

	// LegacyTags is a Python whose pip takes no manylinux_X_Y tags (PEP 600), only
	// manylinux1, 2010 and 2014.
	LegacyTags bool

	Extras          []string // of the project
	Groups          []string // beside the default ones
	NoGroups        []string // not these
	NoDefaultGroups bool     // of the default groups only "main" and "default"

	// As of pip: names, or ":all:" for those not named in the other list.
	NoBinary   []string // take no wheel
	OnlyBinary []string // build nothing
}

// Selection is what a target needs of a lock.
type Selection struct {
	Packages []Selected // by name
	Left     []Left     // selected, but not to be installed
	Notes    []string
}

// Selected is a package at the version that the target gets.
type Selected struct {
	Name       string
	Version    string
	Extras     []string
	Source     Source
	Options    []string
	Candidates []Candidate // the best first, at least one
	Wheels     []string    // names of all wheels of it that the lock knows, whether they fit or not
	Pos        Pos

	// Dependencies are the names of what it needs of the selection, sorted; nil
	// where the lock tells no dependencies.
	Dependencies []string
}

// Candidate is a file that a package may come from.
type Candidate struct {
	File
	Origin string // "wheel", "sdist", or "" where only the index knows
	Why    string // "cp313-cp313-manylinux_2_28_x86_64 fits best of 3 wheels"
}

// Left is a package that was left out.
type Left struct {
	Name, Version, Why string
	Pos                Pos
}

// selector is one selection being made.
type selector struct {
	*Lock
	target Target
	env    pep.Env
	python pep.Version
	ranks  map[pep.Tag]int
	extras map[string]bool // asked for, normalised
	groups map[string]bool // likewise, with the default ones
	noted  map[string]bool
	needs  map[string][]string // names by the name that needs them
	errs   strict.Errors
	result Selection
}

func (s *selector) errorf(p Pos, format string, args ...any) {
	if len(s.errs) < maxErrors {
		s.errs = append(s.errs, &strict.Error{File: p.File, Line: p.Line, Col: p.Col, Msg: fmt.Sprintf(format, args...)})
	}
}

func (s *selector) notef(format string, args ...any) {
	s.result.Notes = append(s.result.Notes, fmt.Sprintf(format, args...))
}

// prepare makes the environment of the target, and refuses one that the lock is
// not for. An error is of the target; what is wrong between both is in errs.
func (s *selector) prepare() error {
	t := s.target
	var err error
	if s.env, err = pep.EnvFor(t.Python, t.Arch); err != nil {
		return fmt.Errorf("select from %s: %w", s.File, err)
	}
	if s.python, err = pep.ParseVersion(t.Python); err != nil {
		return fmt.Errorf("select from %s: %w", s.File, err)
	}
	release := s.python.Release()
	s.ranks = pep.Target{Python: [2]int{release[0], release[1]}, FreeThreaded: t.FreeThreaded, Arch: t.Arch, Glibc: t.Glibc}.Ranks()
	if t.LegacyTags {
		s.ranks = maps.Clone(s.ranks)
		maps.DeleteFunc(s.ranks, func(tag pep.Tag, _ int) bool { return strings.HasPrefix(tag.Platform, "manylinux_") })
	}
	if err := s.names(); err != nil {
		return fmt.Errorf("select from %s: %w", s.File, err)
	}
	if !s.Lock.python.holds(s.python) {
		s.errorf(s.pythonPos, "requires Python %s, which excludes %s", s.RequiresPython, t.Python)
	}
	if len(s.Environments) > 0 && !slices.ContainsFunc(s.Environments, func(c Condition) bool { return s.holds(c.Marker, nil, c.Pos) }) {
		var markers []string
		for _, c := range s.Environments {
			markers = append(markers, c.Marker.String())
		}
		s.errorf(s.Environments[0].Pos, "the lock is not for Python %s on Linux %s, but only for: %s", t.Python, t.Arch, strings.Join(markers, " | "))
	}
	return nil
}

// names checks the names of the target against those of the lock.
func (s *selector) names() error {
	t := s.target
	s.extras, s.groups = map[string]bool{}, map[string]bool{}
	for _, g := range s.DefaultGroups {
		if !t.NoDefaultGroups || g == "main" || g == "default" {
			s.groups[g] = true
		}
	}
	provided := set(s.Extras)
	for _, x := range t.Extras {
		if x = pep.NormalizeName(x); !provided[x] {
			return unknown("extra", x, s.Extras)
		}
		s.extras[x] = true
	}
	known := set(slices.Concat(s.Groups, s.DefaultGroups))
	for i, g := range slices.Concat(t.Groups, t.NoGroups) {
		g = pep.NormalizeName(g)
		if g == "dev" && !known[g] && known["develop"] {
			g = "develop" // as pipenv calls the section
		}
		if !known[g] {
			return unknown("group", g, s.Groups)
		}
		s.groups[g] = i < len(t.Groups)
	}
	if s.extrasAreGroups {
		for g, on := range s.groups {
			if on && provided[g] {
				s.extras[g] = true
			}
		}
		for x := range s.extras {
			s.groups[x] = true
		}
	}
	return nil
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[s] = true
	}
	return m
}

func unknown(what, name string, known []string) error {
	switch near := strict.Near(name, known); {
	case len(near) > 0:
		return fmt.Errorf("no %s %q in the lock; did you mean %q?", what, name, near[0])
	case len(known) == 0:
		return fmt.Errorf("no %s %q: the lock has no %ss", what, name, what)
	}
	return fmt.Errorf("no %s %q in the lock; it has %s", what, name, strings.Join(known, ", "))
}

// holds evaluates a marker. extra says what the variable extra is, as a set.
func (s *selector) holds(m *pep.Marker, extra func(string) bool, pos Pos) bool {
	if m == nil {
		return true
	}
	ok, err := m.EvalFunc(func(c pep.Comparison) (bool, error) {
		var name string
		switch {
		case c.Left.Variable && c.Left.Text == "extra":
			name = c.Right.Text
		case c.Right.Variable && c.Right.Text == "extra":
			name = c.Left.Text
		case c.Right.Variable && c.Right.Text == "extras":
			return c.Eval(s.env, one(c.Left.Text, s.extras), nil)
		case c.Right.Variable && c.Right.Text == "dependency_groups":
			return c.Eval(s.env, nil, one(c.Left.Text, s.groups))
		default:
			return c.Eval(s.env, []string{}, nil)
		}
		has := extra != nil && extra(pep.NormalizeName(name))
		return has == (c.Op == "==" || c.Op == "in"), nil
	})
	if err != nil {
		s.errorf(pos, "%v", err)
	}
	return ok
}

// holdsAny is whether one of the conditions holds, or there is none.
func (s *selector) holdsAny(list []Condition, extra func(string) bool) bool {
	for _, c := range list {
		if (c.Group == "" || s.groups[c.Group]) && s.holds(c.Marker, extra, c.Pos) {
			return true
		}
	}
	return len(list) == 0
}

// one is the part of a set that a comparison with a literal looks at; not nil.
func one(literal string, of map[string]bool) []string {
	if name := pep.NormalizeName(literal); of[name] {
		return []string{name}
	}
	return []string{}
}

func (s *selector) asked(extra string) bool { return s.extras[extra] }
