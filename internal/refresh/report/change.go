package report

import (
	"cmp"
	"slices"
	"strings"
)

// ledger knows the artifacts of all nights by name.
type ledger struct {
	nights []Night
	of     []map[string]*Artifact // of each night
}

func newLedger(nights []Night) *ledger {
	l := &ledger{nights: nights}
	for i := range nights {
		byName := make(map[string]*Artifact, len(nights[i].Artifacts))
		for k := range nights[i].Artifacts {
			byName[nights[i].Artifacts[k].Name] = &nights[i].Artifacts[k]
		}
		l.of = append(l.of, byName)
	}
	return l
}

// row is an artifact in each night, newest first; nil where it was not in the matrix.
func (l *ledger) row(name string) []*Artifact {
	out := make([]*Artifact, len(l.of))
	for i := range l.of {
		out[i] = l.of[i][name]
	}
	return out
}

// failing is for how many nights in a row an artifact has been broken.
func (l *ledger) failing(name string) int {
	for i, a := range l.row(name) {
		if a == nil || !a.broken() {
			return i
		}
	}
	return len(l.of)
}

// cause is a reason with the artifacts that were rebuilt for it.
type cause struct {
	Reason string
	Of     []*Artifact
}

// resized is an artifact whose size changed.
type resized struct {
	*Artifact
	Old int64
}

// slow is an artifact that took long, and what it took the time before, or 0.
type slow struct {
	*Artifact
	Before float64
}

// changes are what is other than the night before.
type changes struct {
	Broke   []*Artifact // failed, and did not the night before
	Mended  []*Artifact
	Added   []*Artifact
	Removed []*Artifact // of the night before
	Causes  []cause     // most artifacts first
	Resized []resized   // most first
	Slow    []slow      // longest first
}

const (
	tops      = 5   // of lists of the longest and largest
	sizeNoise = 0.1 // percent of a size that nobody wants to hear of
)

// noReason is said of what was built without a reason to compare.
const noReason = "no reason was recorded"

// changes compares the newest night with the one before. If there is none, only
// causes and times are told.
func (l *ledger) changes() (c changes) {
	now := &l.nights[0]
	c.Causes = causes(now)
	for i := range now.Artifacts {
		a := &now.Artifacts[i]
		if a.State == Rebuilt && a.Seconds > 0 {
			c.Slow = append(c.Slow, slow{a, l.secondsBefore(a.Name)})
		}
		if len(l.of) < 2 {
			if a.broken() {
				c.Broke = append(c.Broke, a)
			}
			continue
		}
		before := l.of[1][a.Name]
		if a.broken() && (before == nil || !before.broken()) {
			c.Broke = append(c.Broke, a)
		}
		if before == nil {
			c.Added = append(c.Added, a)
			continue
		}
		if a.current() && before.broken() {
			c.Mended = append(c.Mended, a)
		}
		if grown := a.Size - before.Size; a.Size > 0 && before.Size > 0 &&
			float64(max(grown, -grown))*100 > sizeNoise*float64(before.Size) {
			c.Resized = append(c.Resized, resized{a, before.Size})
		}
	}
	if len(l.of) > 1 {
		for i := range l.nights[1].Artifacts {
			if a := &l.nights[1].Artifacts[i]; l.of[0][a.Name] == nil {
				c.Removed = append(c.Removed, a)
			}
		}
	}
	slices.SortStableFunc(c.Slow, func(a, b slow) int { return cmp.Compare(b.Seconds, a.Seconds) })
	slices.SortStableFunc(c.Resized, func(a, b resized) int { return cmp.Compare(b.by(), a.by()) })
	c.Slow, c.Resized = c.Slow[:min(tops, len(c.Slow))], c.Resized[:min(tops, len(c.Resized))]
	return c
}

// by is how much a size changed.
func (r resized) by() int64 { return max(r.Size-r.Old, r.Old-r.Size) }

// secondsBefore is what the build of an artifact took before the newest night; 0:
// not known.
func (l *ledger) secondsBefore(name string) float64 {
	for _, a := range l.row(name)[1:] {
		if a != nil && a.State == Rebuilt && a.Seconds > 0 {
			return a.Seconds
		}
	}
	return 0
}

// causes are the reasons of what was rebuilt.
func causes(n *Night) (all []cause) {
	index := map[string]int{}
	for i := range n.Artifacts {
		a := &n.Artifacts[i]
		if a.State != Rebuilt {
			continue
		}
		reasons := a.Reasons
		if len(reasons) == 0 {
			reasons = []string{noReason}
		}
		for _, reason := range slices.Compact(slices.Clone(reasons)) {
			k, ok := index[reason]
			if !ok {
				k = len(all)
				all, index[reason] = append(all, cause{Reason: reason}), k
			}
			all[k].Of = append(all[k].Of, a)
		}
	}
	slices.SortStableFunc(all, func(a, b cause) int {
		return cmp.Or(cmp.Compare(len(b.Of), len(a.Of)), strings.Compare(a.Reason, b.Reason))
	})
	return all
}

// held are the artifacts that are not up to date because what they need is broken,
// by the name of that.
func held(n *Night) map[string][]*Artifact {
	over := map[string][]*Artifact{}
	for i := range n.Artifacts {
		for _, need := range n.Artifacts[i].Needs {
			over[need] = append(over[need], &n.Artifacts[i])
		}
	}
	out := map[string][]*Artifact{}
	for i := range n.Artifacts {
		first := &n.Artifacts[i]
		if !first.broken() {
			continue
		}
		seen := map[string]bool{first.Name: true}
		for todo := []string{first.Name}; len(todo) > 0; todo = todo[1:] {
			for _, a := range over[todo[0]] {
				if seen[a.Name] {
					continue
				}
				seen[a.Name] = true
				todo = append(todo, a.Name)
				if !a.current() && !a.broken() {
					out[first.Name] = append(out[first.Name], a)
				}
			}
		}
	}
	return out
}
