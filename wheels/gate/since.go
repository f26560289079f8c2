package gate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// difference is how a house differs from one that was proved.
type difference struct {
	install []*part  // that are not in the other one, or are other ones there
	remove  []string // names of those that are not in this one, or are other ones here
	again   []string // names of wheels to use anew
	linked  bool     // files that are linked have changed, or through whom wheels come by those of others
}

// bundled are distributions that an environment may have by itself.
var bundled = []string{"pip", "setuptools", "wheel", "distribute"}

// since works out what of a house is to be proved when old was: what has changed,
// and all that could notice. For that it goes by what the wheels say that they
// require, and by what their imports were seen to look at. A reason says why the whole house is to be proved.
func since(old, new *record, parts []*part) (d difference, reason string) {
	d.remove, d.again = []string{}, []string{}
	if old.State != new.State {
		return d, "the Python, the base or its packages have changed"
	}
	names, tops := map[string]bool{}, map[string]bool{} // of all that has changed
	touch := func(name string, k *known) {
		names[name] = true
		for _, top := range k.Tops {
			tops[top] = true
		}
	}
	for _, p := range parts {
		now, before := new.Wheels[p.Name], old.Wheels[p.Name]
		switch {
		case p.startup:
			return d, p.Label + " has files that Python runs at its start"
		case before != nil && before.SHA256 == now.SHA256 && before.Excuses == now.Excuses:
			continue
		case before == nil || before.SHA256 != now.SHA256:
			if now.Shares {
				return d, p.Label + " has files in the place of another wheel's"
			}
			d.install = append(d.install, p)
		}
		d.linked = d.linked || now.Linked || before == nil || !slices.Equal(before.Requires, now.Requires)
		d.again = append(d.again, p.Name)
		touch(p.Name, now)
	}
	for _, name := range slices.Sorted(maps.Keys(old.Wheels)) {
		now, before := new.Wheels[name], old.Wheels[name]
		if now != nil && now.SHA256 == before.SHA256 {
			continue
		}
		if before.Shares {
			return d, name + " had files in the place of another wheel's"
		}
		d.remove = append(d.remove, name)
		d.linked = d.linked || before.Linked || now == nil
		touch(name, before)
	}
	for name := range names {
		if slices.Contains(bundled, name) {
			return d, name + " may be part of the environment itself"
		}
	}
	if len(names) == 0 {
		return d, ""
	}
	if reason := d.spread(old, new, names, tops); reason != "" {
		return d, reason
	}
	slices.Sort(d.again)
	if len(parts) > 3 && 2*len(d.again) > len(parts) {
		return d, fmt.Sprintf("%d of %d wheels are to be used anew", len(d.again), len(parts))
	}
	return d, ""
}

// spread adds to again what could notice that something has changed. What is only
// used anew has the files that it had: who has not read them cannot notice.
func (d *difference) spread(old, new *record, names, tops map[string]bool) (reason string) {
	in := func(set map[string]bool, list ...[]string) bool {
		return slices.ContainsFunc(slices.Concat(list...), func(s string) bool { return set[s] })
	}
	anew, read := maps.Clone(names), maps.Clone(tops)
	for found := true; found; {
		found = false
		for _, name := range slices.Sorted(maps.Keys(new.Wheels)) {
			if anew[name] {
				continue
			}
			k := old.Wheels[name]
			var u used
			if err := json.Unmarshal(k.Used, &u); err != nil {
				return fmt.Sprintf("of %s nothing is known: %v", name, err)
			}
			if u.All || k.Linked && d.linked || in(names, k.Requires, u.Dists) || in(tops, k.Tops, u.Wants) || in(read, u.Reads) {
				d.again = append(d.again, name)
				anew[name], found = true, true
				for _, top := range k.Tops {
					read[top] = true
				}
			}
		}
	}
	return ""
}
