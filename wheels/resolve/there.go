package resolve

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pep"
)

// whys are the reasons for which a release cannot be had, as they are told.
var whys = []func(*unfit, time.Time) string{
	func(u *unfit, _ time.Time) string { return told("yanked", u.yanks, ": ", "") },
	func(u *unfit, _ time.Time) string { return told("wheels for Python ", u.python, "", " only") },
	func(u *unfit, _ time.Time) string { return told("wheels for ", u.tags, "", " only") },
	func(u *unfit, _ time.Time) string { return told("wheels for ", u.systems, "", " only") },
	func(u *unfit, _ time.Time) string {
		if u.sdists == 0 {
			return ""
		}
		return "only sdists"
	},
	func(u *unfit, bound time.Time) string { return "newer than " + day(bound) },
}

func told(before string, list []string, between, after string) string {
	if len(list) == 0 {
		return ""
	}
	if list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" }); len(list) == 0 {
		return before
	}
	return before + between + listed(list) + after
}

// because is the first of whys that is true of a release.
func (rel *release) because(bound time.Time) int {
	return slices.IndexFunc(whys, func(why func(*unfit, time.Time) string) bool { return why(&rel.unfit, bound) != "" })
}

// there is what there is of releases that cannot be had: "only sdists". With
// versions they are named in any case.
func there(list []*release, bound time.Time, versions bool) string {
	type group struct {
		of   []*release
		what unfit
	}
	groups := make([]group, len(whys))
	different := 0
	for _, rel := range list {
		g := &groups[rel.because(bound)]
		if g.of = append(g.of, rel); len(g.of) == 1 {
			different++
		}
		g.what.join(rel.unfit)
	}
	var out []string
	for i, g := range groups {
		if len(g.of) == 0 {
			continue
		}
		text := whys[i](&g.what, bound)
		switch {
		case versions || different > 1:
			text = span(g.of) + ": " + text
		case i == len(whys)-1 && len(g.of) > 1:
			text = "all " + text
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func (u *unfit) join(o unfit) {
	u.sdists += o.sdists
	for _, list := range []struct{ to, from *[]string }{{&u.python, &o.python}, {&u.tags, &o.tags}, {&u.systems, &o.systems}, {&u.yanks, &o.yanks}} {
		for _, s := range *list.from {
			*list.to = addOnce(*list.to, s)
		}
	}
}

// nothing is why no release of a project is within specifiers and can be had.
func (p *project) nothing(spec pep.Specifiers, bound time.Time) string {
	var within []*release
	for _, rel := range p.releases {
		if spec.Contains(rel.version, pep.PreAllow) {
			within = append(within, rel)
		}
	}
	switch {
	case p.unknown:
		return "no index knows the project"
	case len(p.releases) == 0:
		return "the index has no files of the project"
	case p.address:
		return "another requirement takes " + p.releases[0].version.String() + " from an address"
	case len(within) == 0:
		return "no such version; the newest is " + p.releases[0].version.String()
	}
	return there(within, bound, false)
}

// span is versions for people, given the newest first: "1.0 to 1.9".
func span(list []*release) string {
	newest, oldest := list[0].version.String(), list[len(list)-1].version.String()
	switch len(list) {
	case 1:
		return newest
	case 2:
		return oldest + " and " + newest
	}
	return oldest + " to " + newest
}

// listed is "a", "a and b", "a, b and c".
func listed(list []string) string {
	const most = 5
	if n := len(list) - 1; n > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", n+1-most)
	} else if n > 0 {
		return strings.Join(list[:n], ", ") + " and " + list[n]
	}
	return list[0]
}

func day(t time.Time) string {
	if t = t.UTC(); t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339)
}
