package pep

import (
	"fmt"
	"slices"
	"strings"
)

const maxEntries = 2000 // of a group with all that it includes, counted again each time

// ExpandGroup is the requirements of a dependency group (PEP 735), those of the
// groups that it includes in their place. groups is the table
// [dependency-groups] of a pyproject.toml as a TOML parser returns it: each entry
// is a string or a table {include-group = NAME}. Names are in any spelling.
func ExpandGroup(groups map[string][]any, name string) ([]Requirement, error) {
	g := groupExpander{groups: map[string][][]any{}}
	for spelling, entries := range groups {
		n := NormalizeName(spelling)
		g.groups[n] = append(g.groups[n], entries)
	}
	if err := g.expand(name, nil); err != nil {
		return nil, fmt.Errorf("dependency group %s: %w", name, err)
	}
	return g.out, nil
}

type groupExpander struct {
	groups  map[string][][]any // by normalised name, each spelling one
	entries int
	out     []Requirement
}

// expand adds the requirements of the group name, which path has led to.
func (g *groupExpander) expand(name string, path []string) error {
	want := NormalizeName(name)
	if slices.Contains(path, want) {
		return fmt.Errorf("circle: %s", strings.Join(append(path, want), " > "))
	}
	if n := len(g.groups[want]); n != 1 {
		return fmt.Errorf("%d groups are named %s, want one", n, want)
	}
	path = append(path, want)
	for i, entry := range g.groups[want][0] {
		if g.entries++; g.entries > maxEntries {
			return fmt.Errorf("more than %d entries", maxEntries)
		}
		switch e := entry.(type) {
		case string:
			r, err := ParseRequirement(e)
			if err != nil {
				return fmt.Errorf("%s, entry %d: %w", strings.Join(path, " > "), i+1, err)
			}
			g.out = append(g.out, r)
		case map[string]any:
			include, ok := e["include-group"].(string)
			if !ok || len(e) != 1 {
				return fmt.Errorf("%s, entry %d: want {include-group = NAME}", strings.Join(path, " > "), i+1)
			}
			if err := g.expand(include, path); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s, entry %d: %T, want a string or a table", strings.Join(path, " > "), i+1, entry)
		}
	}
	return nil
}
