package lock

import (
	"slices"

	"github.com/pybake/pybake/internal/pep"
)

// Candidates are the files that a package may come from, the best first, where the
// lock has hashes only and files is what an index has under them.
func (l *Lock) Candidates(t Target, p Selected, files []File) ([]Candidate, error) {
	s := &selector{Lock: l, target: t}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	list := s.candidates(&Package{Name: p.Name, Version: p.Version, Source: p.Source, Files: files, Pos: p.Pos})
	return list, s.errs.Err()
}

// Own are the names, normalised, that the files beside the lock give the project
// itself: what depends back on them finds nothing in the lock.
func (l *Lock) Own() []string { return slices.Clone(l.unlocked) }

// Admits is whether the lock's own requires-python holds an exact version.
func (l *Lock) Admits(python string) bool {
	v, err := pep.ParseVersion(python)
	return err == nil && l.python.holds(v)
}
