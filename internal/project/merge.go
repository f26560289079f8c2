package project

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Merge adds the pins of another lock that this one does not have. It returns
// what the two pin differently, where l keeps its own: "runtime trixie amd64
// python 3.13".
func (l *Lock) Merge(from *Lock) (other []string) {
	return slices.Concat(
		merge("python", &l.Pythons, from.Pythons),
		merge("release", &l.Releases, from.Releases),
		merge("base", &l.Bases, from.Bases),
		merge("builder", &l.Builders, from.Builders),
		merge("runtime", &l.Runtimes, from.Runtimes),
		merge("profile", &l.Profiles, from.Profiles),
		merge("archive", &l.Archives, from.Archives),
		merge("build", &l.Builds, from.Builds),
	)
}

func merge[P pin](kind string, into *[]P, from []P) (other []string) {
	for _, p := range from {
		known, ok := find(*into, p)
		switch {
		case !ok:
			*into = append(*into, p)
		case !reflect.DeepEqual(known, p):
			id := p.id()
			other = append(other, strings.Join(strings.Fields(fmt.Sprint(kind, " ", strings.Join(id[:], " "))), " "))
		}
	}
	return other
}
