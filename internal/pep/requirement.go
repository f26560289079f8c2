package pep

import (
	"slices"
	"strings"
	"unicode"
)

// Requirement is a dependency specifier of PEP 508: a name with specifiers or
// with a URL.
type Requirement struct {
	Name       string     // as written; see NormalizeName
	Extras     []string   // as written, sorted, each once
	Specifiers Specifiers // empty beside a URL
	URL        string     // "git+https://git.example.org/foo@0a1b2c", not checked further
	Marker     *Marker    // nil for none
}

// ParseRequirement reads a requirement, such as
// `requests[socks] (>=2.8.1, ==2.8.*) ; python_version < "2.7"` or
// `pip @ https://example.org/pip.zip ; os_name == "posix"`.
func ParseRequirement(s string) (Requirement, error) {
	if err := checkInput("requirement", s); err != nil {
		return Requirement{}, err
	}
	l := &lexer{what: "requirement", s: s}
	r, err := l.requirement()
	if err != nil {
		return Requirement{}, err
	}
	return r, nil
}

func (l *lexer) requirement() (r Requirement, err error) {
	l.blank()
	if r.Name = l.name(); r.Name == "" {
		return r, l.expected("the name of a project")
	}
	l.blank()
	if r.Extras, err = l.extras(); err != nil {
		return r, err
	}
	l.blank()
	expected := `"[", "@", a specifier, ";" or the end`
	if l.accept("@") {
		if r.URL, err = l.url(); err != nil {
			return r, err
		}
		expected = `";" or the end`
	} else {
		start := l.pos
		if r.Specifiers, err = l.specifiers(); err != nil {
			return r, err
		}
		if l.pos > start {
			expected = `",", ";" or the end`
		}
	}
	l.blank()
	if l.end() {
		return r, nil
	}
	if !l.accept(";") {
		return r, l.expected(expected)
	}
	m, err := l.marker(0)
	if err != nil {
		return r, err
	}
	if !l.end() {
		return r, l.expected(`"and", "or" or the end`)
	}
	m.Parens = false
	r.Marker = &m
	return r, nil
}

func (l *lexer) extras() ([]string, error) {
	if !l.accept("[") {
		return nil, nil
	}
	var extras []string
	l.blank()
	for !l.peek("]") {
		if extras != nil {
			if !l.accept(",") {
				return nil, l.expected(`"," or "]"`)
			}
			l.blank()
		}
		name := l.name()
		if name == "" {
			return nil, l.expected("the name of an extra")
		}
		extras = append(extras, name)
		l.blank()
	}
	l.accept("]")
	slices.Sort(extras)
	return slices.Compact(extras), nil
}

// url reads up to the next blank: a semicolon right after a URL is part of it.
func (l *lexer) url() (string, error) {
	l.blank()
	start := l.pos
	for i, r := range l.s[start:] {
		if r == ' ' || r == '\t' {
			break
		}
		if unicode.IsControl(r) {
			return "", l.fail(start+i, "control character in a URL")
		}
		l.pos += len(string(r))
	}
	if l.pos == start {
		return "", l.expected(`a URL after "@"`)
	}
	return l.s[start:l.pos], nil
}

// specifiers reads specifiers between commas, in parentheses or not; none is
// fine, and so is a comma after the last.
func (l *lexer) specifiers() (Specifiers, error) {
	open := l.pos
	parens := l.accept("(")
	if parens {
		l.blank()
	}
	start, end := l.pos, l.pos
	for l.peek("=") || l.peek("!") || l.peek("<") || l.peek(">") || l.peek("~") {
		sp, next, cause := scanSpecifier(l.s, l.pos)
		if cause == "" && (strings.HasPrefix(l.s[next:], ".*") || strings.HasPrefix(l.s[next:], "+")) {
			cause = sp.trailing(l.s[next:])
		}
		if cause != "" {
			return nil, l.fail(next, "%s", cause)
		}
		l.pos, end = next, next
		l.blank()
		if !l.accept(",") {
			break
		}
		l.blank()
	}
	if parens && !l.accept(")") {
		return nil, l.fail(l.pos, `expected ")" for the "(" at byte %d, found %s`, open, snippet(l.s[l.pos:]))
	}
	// === takes commas in, so the text between is split once more.
	specifiers, err := ParseSpecifiers(l.s[start:end])
	if err != nil {
		return nil, within(err, l.what, l.s, start)
	}
	return specifiers, nil
}

// String is the requirement in the spelling of packaging:
// `requests[socks]==2.8.*,>=2.8.1; python_version < "2.7"`.
func (r Requirement) String() string {
	var b strings.Builder
	b.WriteString(r.Name)
	if len(r.Extras) > 0 {
		b.WriteString("[" + strings.Join(r.Extras, ",") + "]")
	}
	b.WriteString(r.Specifiers.String())
	if r.URL != "" {
		b.WriteString(" @ " + r.URL)
		if r.Marker != nil {
			b.WriteString(" ")
		}
	}
	if r.Marker != nil {
		b.WriteString("; " + r.Marker.String())
	}
	return b.String()
}
