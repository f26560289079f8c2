package refresh

import (
	"path"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts/publish"
)

// Merge is the set of a publication: for each cell the entry of this night, which
// made gives, or, where that is nil, the one published before, marked stale. A cell
// that was never made under its name takes what was published of the same thing under
// another, such as that of python 3.13.5 for python 3.13, if no cell has that name now.
// All else that was published is left out: it is no longer in the matrix.
func Merge(cells []Outcome, made map[string]*publish.Entry, former *publish.Set, now time.Time) publish.Set {
	var set publish.Set
	named := map[string]bool{} // what is published under these names belongs to a cell
	for _, o := range cells {
		named[o.Name] = true
	}
	for _, o := range cells {
		if e := made[o.Name]; e != nil {
			set.Entries = append(set.Entries, *e)
			continue
		}
		old := Former(former, o.Name)
		if old == nil {
			if old = renamed(former, o.Cell, named); old == nil {
				continue
			}
			named[old.Cell] = true
		}
		e := *old
		e.Cell = o.Name
		stale := publish.Stale{Since: now}
		if old.Stale != nil {
			stale.Since = old.Stale.Since
		}
		if o.Err != nil {
			stale.Why, _, _ = strings.Cut(o.Err.Error(), "\n")
		}
		e.Stale = &stale
		set.Entries = append(set.Entries, e)
	}
	return set
}

// Former is what a set has of a cell, or nil.
func Former(set *publish.Set, cell string) *publish.Entry {
	if set == nil {
		return nil
	}
	for i := range set.Entries {
		if set.Entries[i].Cell == cell {
			return &set.Entries[i]
		}
	}
	return nil
}

// renamed is what a set has of the thing that a cell is, under a name that is not
// among those named; of several the one that was made last, or nil. Things are the
// same if they are of one kind, distro, arch and series, and of one lock or variant.
func renamed(set *publish.Set, c Cell, named map[string]bool) (last *publish.Entry) {
	if set == nil || c.Kind == KindImage { // whose name has all of it
		return nil
	}
	for i := range set.Entries {
		e := &set.Entries[i]
		old, ok := parseName(e.Cell)
		if !ok || named[e.Cell] || old.Kind != c.Kind || old.Distro != c.Distro || old.Arch != c.Arch || SeriesOf(old.Want) != SeriesOf(c.Want) {
			continue
		}
		if c.Kind == KindPython && old.Variant != c.Variant || c.Kind == KindWheels && path.Clean(old.Lock) != path.Clean(c.Lock) {
			continue
		}
		if last == nil || e.Finished.After(last.Finished) {
			last = e
		}
	}
	return last
}

// parseName is what the name of a cell says of a Python or a house:
//
//	python WANT DISTRO ARCH [VARIANT]
//	wheels LOCK WANT DISTRO ARCH
//
// A lock may have spaces in its name.
func parseName(name string) (c Cell, ok bool) {
	kind, rest, _ := strings.Cut(name, " ")
	words := strings.Split(rest, " ")
	c.Kind = kind
	switch {
	case kind == KindPython && len(words) == 3:
		c.Variant = Full
	case kind == KindPython && len(words) == 4:
		words, c.Variant = words[:3], words[3]
	case kind == KindWheels && len(words) >= 4:
		at := len(words) - 3
		words, c.Lock = words[at:], strings.Join(words[:at], " ")
	default:
		return Cell{}, false
	}
	c.Want, c.Distro, c.Arch = words[0], words[1], words[2]
	return c, true
}
