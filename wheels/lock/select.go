package lock

import (
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/strict"
)

// Select is what the target needs of the lock. An error is strict.Errors where
// it is about the lock: two versions of one name, a dependency that is missing,
// a target that the lock or a package excludes, no file that fits.
func (l *Lock) Select(target Target) (*Selection, error) {
	s := &selector{Lock: l, target: target, noted: map[string]bool{}, needs: map[string][]string{}}
	s.result.Notes = slices.Clone(l.Notes)
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if len(s.errs) > 0 {
		return nil, s.errs
	}
	var chosen []int
	if l.graph {
		chosen = s.walk()
	} else {
		chosen = s.filter()
	}
	s.collect(chosen)
	if len(s.errs) > 0 {
		strict.Sort(s.errs)
		return nil, s.errs
	}
	return &s.result, nil
}

// filter is the packages of a flat lock that say they are needed.
func (s *selector) filter() []int {
	var chosen []int
	names := map[string]bool{}
	for i := range s.Packages {
		if p := &s.Packages[i]; s.holdsAny(p.When, s.asked) {
			chosen = append(chosen, i)
			names[p.Name] = true
		}
	}
	for _, i := range chosen {
		for _, dep := range s.Packages[i].Dependencies {
			switch p := &s.Packages[i]; {
			case dep.Extra != "" || !s.holds(dep.Marker, nil, dep.Pos):
			case names[dep.Name]:
				s.needs[p.Name] = append(s.needs[p.Name], dep.Name)
			default:
				s.missing(p, dep)
			}
		}
	}
	return chosen
}

// missing tells of a dependency that the target needs and the lock does not
// have, unless that is legal.
func (s *selector) missing(from *Package, dep Dependency) {
	by := "the project"
	if from != nil {
		by = from.Name
	}
	if len(s.errs) >= maxErrors {
		return
	}
	if slices.Contains(s.unlocked, dep.Name) {
		if s.noted[dep.Name] {
			return
		}
		s.noted[dep.Name] = true
		s.notef("%s wants %s, which the lock leaves to the environment", by, dep.Name)
		return
	}
	var there []string
	for _, p := range s.Packages {
		if p.Name == dep.Name {
			there = append(there, p.Version+" at "+p.Pos.String())
		}
	}
	if len(there) == 0 {
		s.errorf(dep.Pos, "%s needs %s, which is missing in the lock", by, dep.Name)
		return
	}
	s.errorf(dep.Pos, "%s needs %s, but what the lock has is not for this target or not the version: %s", by, dep.Name, strings.Join(there, ", "))
}

// collect makes the result of what was chosen.
func (s *selector) collect(chosen []int) {
	byName := map[string]*Package{}
	extras := map[string][]string{}
	var order []*Package
	for _, i := range chosen {
		p := &s.Packages[i]
		if p.Source.Kind == Project {
			why := "the project itself"
			if p.Source.Path != "." {
				why = "a project of the workspace"
			}
			s.result.Left = append(s.result.Left, Left{p.Name, p.Version, why, p.Pos})
			continue
		}
		extras[p.Name] = append(extras[p.Name], p.Extras...)
		first := byName[p.Name]
		switch {
		case first == nil:
			byName[p.Name] = p
			order = append(order, p)
		case first.version.Compare(p.version) != 0 || first.Source.key() != p.Source.key():
			s.errorf(p.Pos, "two of %s are selected for this target: %s at %s and %s at %s",
				p.Name, first.describe(), first.Pos, p.describe(), p.Pos)
		}
	}
	known := slices.ContainsFunc(s.Packages, func(p Package) bool { return len(p.Dependencies) > 0 })
	slices.SortStableFunc(order, func(a, b *Package) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range order {
		if !p.python.holds(s.python) {
			s.errorf(p.Pos, "%s %s requires Python %s, which excludes %s", p.Name, p.Version, p.Python, s.target.Python)
			continue
		}
		list := extras[p.Name]
		slices.Sort(list)
		s.result.Packages = append(s.result.Packages, Selected{
			Name: p.Name, Version: p.Version, Extras: slices.Compact(list), Source: p.Source, Options: p.Options,
			Candidates: s.candidates(p), Wheels: wheelNames(p.Files), Pos: p.Pos,
		})
		if known {
			s.result.Packages[len(s.result.Packages)-1].Dependencies = s.needed(p.Name, byName)
		}
	}
}

// needed is what a package needs of the others that are selected.
func (s *selector) needed(name string, selected map[string]*Package) []string {
	list := []string{}
	for _, dep := range s.needs[name] {
		if dep != name && selected[dep] != nil {
			list = append(list, dep)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// describe is a version, or what else tells packages of one name apart.
func (p *Package) describe() string {
	switch p.Source.Kind {
	case Git:
		return p.Source.URL + "@" + p.Source.Commit
	case URL:
		return p.Source.URL
	case Archive, Directory:
		return p.Source.Path
	}
	if p.Source.URL != "" {
		return p.Version + " of " + p.Source.URL
	}
	return p.Version
}
