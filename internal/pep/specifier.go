package pep

import (
	"slices"
	"strings"
)

// Prereleases says whether Contains and Filter admit prereleases.
type Prereleases int

const (
	// PreAuto is the rule of PEP 440: prereleases only where a specifier names
	// one, or where nothing else satisfies.
	PreAuto Prereleases = iota
	PreAllow
	PreDeny
)

// Specifier is one PEP 440 version specifier. Make it with ParseSpecifier.
type Specifier struct {
	Op   string // "==", "!=", "<=", ">=", "<", ">", "~=" or "==="
	Text string // the version as written, "1.0.*"; anything for ===

	version  Version // without the .*; zero where === holds no version
	wildcard bool
}

// Specifiers is a set of specifiers that hold together. The empty set holds
// every version.
type Specifiers []Specifier

// ParseSpecifier reads one specifier, such as "~= 2.2".
func ParseSpecifier(s string) (Specifier, error) {
	if err := checkInput("specifier", s); err != nil {
		return Specifier{}, err
	}
	text, lead := trim(s)
	sp, end, cause := scanSpecifier(text, 0)
	if cause == "" && end < len(text) {
		cause = sp.trailing(text[end:])
	}
	if cause != "" {
		return Specifier{}, &Error{"specifier", s, lead + end, cause}
	}
	return sp, nil
}

// ParseSpecifiers reads specifiers between commas. Empty ones are left out, as
// everyone writes a comma too many.
func ParseSpecifiers(s string) (Specifiers, error) {
	if err := checkInput("specifier", s); err != nil {
		return nil, err
	}
	var out Specifiers
	col := 0
	for part := range strings.SplitSeq(s, ",") {
		if text, lead := trim(part); text != "" {
			sp, err := ParseSpecifier(text)
			if err != nil {
				return nil, within(err, "specifier", s, col+lead)
			}
			out = append(out, sp)
		}
		col += len(part) + 1
	}
	return out, nil
}

// scanSpecifier reads the longest specifier that begins at i. If there is none,
// cause says why, and end where.
func scanSpecifier(s string, i int) (sp Specifier, end int, cause string) {
	for _, op := range []string{"===", "==", "!=", "~=", "<=", ">=", "<", ">"} {
		if strings.HasPrefix(s[i:], op) {
			sp.Op = op
			break
		}
	}
	if sp.Op == "" {
		return sp, i, "expected one of == != <= >= < > ~= ===, found " + snippet(s[i:])
	}
	start := i + len(sp.Op)
	start = len(s) - len(strings.TrimLeftFunc(s[start:], isSpace))
	if sp.Op == "===" {
		end = len(s)
		if n := strings.IndexFunc(s[start:], func(r rune) bool { return isSpace(r) || r == ';' || r == ')' }); n >= 0 {
			end = start + n
		}
		sp.Text = s[start:end]
		sp.version, _ = ParseVersion(sp.Text)
		return sp, end, ""
	}
	sp.version, end = scanPublic(s, start)
	if end == start {
		return sp, start, "expected a version after " + sp.Op + ", found " + snippet(s[start:])
	}
	if sp.Op == "~=" && len(sp.version.release) < 2 {
		return sp, start, "~= needs a version of two or more numbers"
	}
	if sp.Op == "==" || sp.Op == "!=" {
		if strings.HasPrefix(s[end:], ".*") && sp.version.isRelease() {
			sp.wildcard = true
			end += len(".*")
		} else {
			sp.version.local, end = scanLocal(s, end)
		}
	}
	sp.Text = s[start:end]
	return sp, end, ""
}

// trailing is why rest may not follow the specifier.
func (s Specifier) trailing(rest string) string {
	switch {
	case strings.HasPrefix(rest, ".*") && (s.Op == "==" || s.Op == "!="):
		return ".* goes after a release only, not after a pre, post, dev or local part"
	case strings.HasPrefix(rest, ".*"):
		return ".* goes with == and != only"
	case strings.HasPrefix(rest, "+"):
		return "a local part goes with == and != only"
	}
	return "unexpected " + snippet(rest)
}

// isRelease is whether v has neither a pre, post, dev nor local part.
func (v Version) isRelease() bool {
	return v.pre == "" && v.post == "" && v.dev == "" && v.local == nil
}

// String is the operator and the version as written: ">=1.0.0".
func (s Specifier) String() string { return s.Op + s.Text }

// key is equal for specifiers that hold the same versions by the same operator.
func (s Specifier) key() string {
	switch {
	case s.Op == "===" || s.wildcard:
		return s.String()
	case s.Op == "~=":
		return s.Op + s.version.String()
	}
	return s.Op + s.version.Canonical()
}

// String is the set in alphabetical order without repetitions, "!=2.0,>=1.0".
func (s Specifiers) String() string {
	sorted := slices.Clone(s)
	slices.SortStableFunc(sorted, func(a, b Specifier) int { return strings.Compare(a.String(), b.String()) })
	var parts []string
	seen := map[string]bool{}
	for _, sp := range sorted {
		if k := sp.key(); !seen[k] {
			seen[k] = true
			parts = append(parts, sp.String())
		}
	}
	return strings.Join(parts, ",")
}

// Pin is the version that s holds to with == or ===, if it holds to one. A
// local part is free where the pin has none: ==2.1 also holds 2.1+cpu.
func (s Specifiers) Pin() (Version, bool) {
	for _, sp := range s {
		if (sp.Op == "==" && !sp.wildcard || sp.Op == "===") && !sp.version.IsZero() {
			return sp.version, true
		}
	}
	return Version{}, false
}

// NamesPrerelease is whether a specifier asks for prereleases by naming one.
func (s Specifiers) NamesPrerelease() bool {
	return slices.ContainsFunc(s, func(sp Specifier) bool {
		return sp.Op != "!=" && !sp.wildcard && sp.version.IsPrerelease()
	})
}

// Contains is whether v satisfies every specifier. Under PreAuto a prerelease
// does, since v is all that is offered.
func (s Specifiers) Contains(v Version, pre Prereleases) bool {
	return s.contains(v, v.String(), pre)
}

// ContainsText is Contains for a version as somebody wrote it, which is what
// === compares with. Text that is no version satisfies === alone.
func (s Specifiers) ContainsText(text string, pre Prereleases) bool {
	v, _ := ParseVersion(text)
	return s.contains(v, text, pre)
}

func (s Specifiers) contains(v Version, text string, pre Prereleases) bool {
	if pre == PreDeny && v.IsPrerelease() {
		return false
	}
	for _, sp := range s {
		if !sp.match(v, text) {
			return false
		}
	}
	return true
}

// Filter is those of versions that satisfy every specifier, in their order.
// Under PreAuto prereleases are among them if a specifier names a prerelease,
// or if no other version satisfies.
func (s Specifiers) Filter(versions []Version, pre Prereleases) []Version {
	if pre == PreAuto && s.NamesPrerelease() {
		pre = PreAllow
	}
	var all, finals []Version
	for _, v := range versions {
		if s.Contains(v, PreAllow) {
			all = append(all, v)
			if !v.IsPrerelease() {
				finals = append(finals, v)
			}
		}
	}
	if pre == PreAllow || pre == PreAuto && finals == nil {
		return all
	}
	return finals
}

// match is whether the version v, written as text, satisfies the specifier;
// prereleases like any other.
func (s Specifier) match(v Version, text string) bool {
	if s.Op == "===" {
		return strings.ToLower(text) == strings.ToLower(s.Text)
	}
	if v.IsZero() {
		return false
	}
	switch s.Op {
	case "==":
		return s.equal(v)
	case "!=":
		return !s.equal(v)
	case ">=":
		return v.Compare(s.version) >= 0
	case "<=":
		return v.withoutLocal().Compare(s.version) <= 0
	case "~=":
		return v.Compare(s.version) >= 0 && v.hasPrefix(s.version, len(s.version.release)-1)
	case "<":
		return s.less(v)
	default:
		return s.greater(v)
	}
}

func (s Specifier) equal(v Version) bool {
	if s.wildcard {
		return v.hasPrefix(s.version, len(s.version.release))
	}
	if s.version.local == nil {
		v = v.withoutLocal()
	}
	return v.Compare(s.version) == 0
}

// less leaves out the prereleases of the version named, unless it is one: 1.0a1
// is before 1.0, but not <1.0.
func (s Specifier) less(v Version) bool {
	bound := s.version
	if !bound.IsPrerelease() {
		bound.dev = "0"
	}
	return v.Compare(bound) < 0
}

// greater leaves out the local versions and the post-releases of the version
// named: 1.0.post1 is after 1.0, but not >1.0.
func (s Specifier) greater(v Version) bool {
	v = v.withoutLocal()
	if v.Compare(s.version) <= 0 {
		return false
	}
	v.post, v.dev = "", ""
	return v.Compare(s.version) != 0
}

// hasPrefix is whether v has the epoch and the first n release numbers of p,
// zeros where it has fewer.
func (v Version) hasPrefix(p Version, n int) bool {
	if v.epoch != p.epoch {
		return false
	}
	for i, want := range p.release[:n] {
		have := num("0")
		if i < len(v.release) {
			have = v.release[i]
		}
		if have != want {
			return false
		}
	}
	return true
}
