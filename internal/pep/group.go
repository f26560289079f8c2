package pep

import (
	"fmt"
	"slices"
	"strings"
)

// ExpandGroup is the requirements of a dependency group (PEP 735), those of the
// groups that it includes in their place. groups is the table
// [dependency-groups] of a pyproject.toml as a TOML parser returns it: each entry
// is a string or a table {include-group = NAME}. Names are in any spelling.
func ExpandGroup(groups map[string][]any, name string) ([]Requirement, error) {
	return expandGroup(groups, name, nil)
}

func expandGroup(groups map[string][]any, name string, path []string) ([]Requirement, error) {
	want := NormalizeName(name)
	if slices.Contains(path, want) {
		return nil, fmt.Errorf("dependency group %s: includes itself: %s", path[0], strings.Join(append(path, want), " > "))
	}
	path = append(path, want)
	var entries []any
	found := 0
	for spelling, e := range groups {
		if NormalizeName(spelling) == want {
			entries = e
			found++
		}
	}
	if found != 1 {
		return nil, fmt.Errorf("dependency group %s: %d groups of that name, want one", name, found)
	}
	var out []Requirement
	for i, entry := range entries {
		switch e := entry.(type) {
		case string:
			r, err := ParseRequirement(e)
			if err != nil {
				return nil, fmt.Errorf("dependency group %s, entry %d: %w", name, i+1, err)
			}
			out = append(out, r)
		case map[string]any:
			include, ok := e["include-group"].(string)
			if !ok || len(e) != 1 {
				return nil, fmt.Errorf("dependency group %s, entry %d: want {include-group = NAME}", name, i+1)
			}
			included, err := expandGroup(groups, include, path)
			if err != nil {
				return nil, err
			}
			out = append(out, included...)
		default:
			return nil, fmt.Errorf("dependency group %s, entry %d: %T, want a string or a table", name, i+1, entry)
		}
	}
	return out, nil
}
