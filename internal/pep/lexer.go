package pep

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// lexer walks over a requirement or a marker. Blanks are spaces and tabs; a line
// break is an error everywhere but after the operator of a version.
type lexer struct {
	what string
	s    string
	pos  int
}

func (l *lexer) fail(col int, format string, args ...any) error {
	return &Error{l.what, l.s, col, fmt.Sprintf(format, args...)}
}

// expected is the error that want is not what comes next.
func (l *lexer) expected(want string) error {
	return l.fail(l.pos, "expected %s, found %s", want, snippet(l.s[l.pos:]))
}

func (l *lexer) end() bool { return l.pos == len(l.s) }

// blank skips spaces and tabs and reports whether there were any.
func (l *lexer) blank() bool {
	start := l.pos
	for !l.end() && (l.s[l.pos] == ' ' || l.s[l.pos] == '\t') {
		l.pos++
	}
	return l.pos > start
}

func (l *lexer) peek(tok string) bool { return strings.HasPrefix(l.s[l.pos:], tok) }

func (l *lexer) accept(tok string) bool {
	if !l.peek(tok) {
		return false
	}
	l.pos += len(tok)
	return true
}

// name reads the name of a project or an extra, "" if none comes next. An
// underscore may end it, as packaging lets it.
func (l *lexer) name() string {
	end := l.pos
	for end < len(l.s) && (isAlnum(l.s[end]) || end > l.pos && isSep(l.s[end])) {
		end++
	}
	if end == l.pos || l.s[end-1] == '.' || l.s[end-1] == '-' {
		return ""
	}
	name := l.s[l.pos:end]
	l.pos = end
	return name
}

// word is the run of letters, digits, "_" and "." that comes next.
func (l *lexer) word() string {
	end := l.pos
	for end < len(l.s) && (isAlnum(l.s[end]) || l.s[end] == '_' || l.s[end] == '.') {
		end++
	}
	return l.s[l.pos:end]
}

func (l *lexer) acceptWord(word string) bool {
	if l.word() != word {
		return false
	}
	l.pos += len(word)
	return true
}

// literal reads a string in quotes with the escapes of Python.
func (l *lexer) literal() (string, error) {
	start := l.pos
	n := strings.IndexByte(l.s[start+1:], l.s[start])
	if n < 0 {
		return "", l.fail(start, "string without an end")
	}
	l.pos = start + 1 + n + 1
	body := l.s[start+1 : start+1+n]
	var b strings.Builder
	for i := 0; i < len(body); {
		c := body[i]
		switch {
		case c == 0 || c == '\n' || c == '\r':
			return "", l.fail(start+1+i, "NUL or line break in a string")
		case c != '\\':
			b.WriteByte(c)
			i++
		default:
			n := unescape(&b, body[i:])
			if n == 0 {
				return "", l.fail(start+1+i, "invalid escape %s in a string", snippet(body[i:]))
			}
			i += n
		}
	}
	return b.String(), nil
}

// unescape writes what the escape at the start of s stands for and returns how
// many bytes of s it took, 0 if it is invalid. As in Python, a backslash before
// anything else stays one, and one at the end of a line continues it.
func unescape(b *strings.Builder, s string) int {
	if len(s) == 1 {
		return 0
	}
	const simple, meaning = `\'"abfnrtv`, "\\'\"\a\b\f\n\r\t\v"
	if i := strings.IndexByte(simple, s[1]); i >= 0 {
		b.WriteByte(meaning[i])
		return 2
	}
	digits, base := 0, 16
	start := 2
	switch s[1] {
	case '\r', '\n':
		if strings.HasPrefix(s[1:], "\r\n") {
			return 3
		}
		return 2
	case 0, 'N':
		return 0
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3', '4', '5', '6', '7':
		start, base = 1, 8
		for digits < 3 && start+digits < len(s) && '0' <= s[start+digits] && s[start+digits] <= '7' {
			digits++
		}
	default:
		b.WriteByte('\\')
		return 1
	}
	if len(s) < start+digits {
		return 0
	}
	n, err := strconv.ParseUint(s[start:start+digits], base, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return 0
	}
	b.WriteRune(rune(n))
	return start + digits
}

// quote is s as a literal that parses back to s.
func quote(s string) string {
	q := `"`
	if strings.Contains(s, q) && !strings.Contains(s, "'") {
		q = "'"
	}
	var b strings.Builder
	b.WriteString(q)
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == 0 || string(r) == q:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString(q)
	return b.String()
}
