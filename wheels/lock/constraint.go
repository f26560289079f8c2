package lock

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// constraint is the versions that somebody wants: those that satisfy one of the
// sets. Nil is any version.
type constraint []pep.Specifiers

func (c constraint) holds(v pep.Version) bool {
	if c == nil {
		return true
	}
	for _, set := range c {
		if set.Contains(v, pep.PreAllow) {
			return true
		}
	}
	return false
}

// exactly is the constraint that only v satisfies.
func exactly(v pep.Version) constraint {
	sp, err := pep.ParseSpecifier("===" + v.String())
	if err != nil {
		return nil
	}
	return constraint{{sp}}
}

// parseConstraint reads the constraints of poetry, which are those of PEP 440
// and also ^1.2, ~1.2, 1.2, 1.*, * and alternatives: "^3.7 || >=4,<5".
func parseConstraint(text string) (constraint, error) {
	if text = strings.TrimSpace(text); text == "" || text == "*" {
		return nil, nil
	}
	var c constraint
	for _, alternative := range strings.Split(strings.ReplaceAll(text, "||", "|"), "|") {
		var set pep.Specifiers
		alternative = strings.NewReplacer("==", "==", "= ", "=", "> ", ">", "< ", "<", "^ ", "^", "~ ", "~").Replace(alternative)
		for _, part := range strings.FieldsFunc(alternative, func(r rune) bool { return r == ',' || r == ' ' }) {
			specs, err := parsePart(part)
			if err != nil {
				return nil, fmt.Errorf("constraint %.80q: %w", text, err)
			}
			set = append(set, specs...)
		}
		if len(set) == 0 {
			return nil, nil // "*" beside others: any
		}
		c = append(c, set)
	}
	return c, nil
}

func parsePart(part string) (pep.Specifiers, error) {
	switch {
	case part == "*":
		return nil, nil
	case strings.HasPrefix(part, "^"):
		return between(part[1:], func(release []int) int {
			for i, n := range release {
				if n > 0 {
					return i
				}
			}
			return len(release) - 1
		})
	case strings.HasPrefix(part, "~") && !strings.HasPrefix(part, "~="):
		return between(part[1:], func(release []int) int { return min(1, len(release)-1) })
	case part[0] >= '0' && part[0] <= '9' || part[0] == 'v':
		return pep.ParseSpecifiers("==" + part)
	case part[0] == '=' && !strings.HasPrefix(part, "=="):
		return pep.ParseSpecifiers("=" + part)
	}
	return pep.ParseSpecifiers(part)
}

// between is from a version to before the next of the number that bump says.
func between(text string, bump func([]int) int) (pep.Specifiers, error) {
	v, err := pep.ParseVersion(strings.TrimSuffix(text, ".*"))
	if err != nil {
		return nil, err
	}
	release := v.Release()
	at := bump(release)
	var next []string
	for i := 0; i <= at; i++ {
		n := release[i]
		if i == at {
			n++
		}
		next = append(next, strconv.Itoa(n))
	}
	upper := strings.Join(next, ".")
	if base := v.Base(); strings.Contains(base, "!") {
		epoch, _, _ := strings.Cut(base, "!")
		upper = epoch + "!" + upper
	}
	return pep.ParseSpecifiers(">=" + v.String() + ",<" + upper)
}
