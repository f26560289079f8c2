package recipes

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// Amendment is what a project adds to the recipe of a wheel.
type Amendment struct {
	Build       []string
	Requires    []string
	Constraints []string
	Env         map[string]string
	Rust        string
	Memory      int // MiB
	Minutes     int
}

// Amend is the text for wheels/NAME.toml of the project that adds to the recipe in force
// on a distro: each array with all that it has now, for an array replaces the whole
// array. build is where it is in force, among the distros if it differs there.
func (s *Set) Amend(name, codename string, a Amendment) string {
	w, _ := s.wheel(pep.NormalizeName(name))
	on := w.Distros[codename]
	var b strings.Builder
	list := func(key string, have, more []string) {
		all := slices.Clone(have)
		for _, m := range more {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
		if len(all) > len(have) {
			fmt.Fprintf(&b, "%s = [\"%s\"]\n", key, strings.Join(all, `", "`))
		}
	}
	if on.Build == nil {
		list("build", w.Build, a.Build)
	}
	list("requires", w.Requires, a.Requires)
	list("constraints", w.Constraints, a.Constraints)
	if a.Rust != "" {
		fmt.Fprintf(&b, "rust = %s\n", strconv.Quote(a.Rust))
	}
	if a.Memory > 0 {
		fmt.Fprintf(&b, "memory = %d\n", a.Memory)
	}
	if a.Minutes > 0 {
		fmt.Fprintf(&b, "minutes = %d\n", a.Minutes)
	}
	for _, key := range slices.Sorted(maps.Keys(a.Env)) {
		fmt.Fprintf(&b, "env.%s = %s\n", key, strconv.Quote(a.Env[key]))
	}
	if on.Build != nil {
		list("distros."+codename+".build", on.Build, a.Build)
	}
	return b.String()
}
