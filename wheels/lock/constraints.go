package lock

import (
	"slices"

	"github.com/pybake/pybake/internal/pep"
)

// limit is a line of a file of constraints.
type limit struct {
	specs  pep.Specifiers
	hashes []string
	pos    Pos
}

// settle holds the pins against the constraints, which may also give the
// version and the hashes, and checks that each is pinned and hashed.
func (q *requirements) settle() {
	if !q.checkForks() {
		return
	}
	for _, p := range q.pinned {
		pkg := &q.lock.Packages[p.index]
		if pkg.Source.Kind == Project || p.doc.full() {
			continue
		}
		if pkg.Source.Kind == Registry && !q.pin(pkg, &p) || p.free {
			continue
		}
		hashes := p.doc.hashes(p.at, p.hashes)
		if len(pkg.Files) > 0 {
			pkg.Files[0].Hashes = hashes
		} else {
			pkg.Hashes = hashes
		}
	}
}

// pin gives a package its version.
func (q *requirements) pin(pkg *Package, p *pinned) bool {
	v, ok := p.specs.Pin()
	limits := q.limits[pkg.Name]
	if !ok {
		limits = append(slices.Clone(limits), limit{specs: p.specs, pos: pkg.Pos})
	}
	if len(limits) > maxForks {
		p.doc.errorf(p.at, "more than %d constraints on %.100s", maxForks, pkg.Name)
		return false
	}
	for _, l := range limits {
		if !ok {
			v, ok = l.specs.Pin()
		}
		switch {
		case len(p.hashes) == 0:
			p.hashes = l.hashes
		case len(l.hashes) > 0:
			p.hashes = slices.DeleteFunc(slices.Clone(p.hashes), func(h string) bool { return !slices.Contains(l.hashes, h) })
		}
	}
	if !ok {
		p.doc.errorf(p.at, "%s%s is not pinned: want ==VERSION", pkg.Name, p.specs)
		return false
	}
	for _, l := range limits {
		if !l.specs.Contains(v, pep.PreAllow) {
			p.doc.errorf(p.at, "%s==%s contradicts %s%s at %s", pkg.Name, v, pkg.Name, l.specs, l.pos)
			return false
		}
	}
	pkg.version, pkg.Version = v, v.String()
	return true
}
