package pep

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxInput = 256 << 10 // bytes of anything that is parsed
	maxDepth = 100       // parentheses in a marker
)

// Error is what a parser could not read, and where.
type Error struct {
	What  string // "version", "specifier", "requirement", "marker", "tag", "wheel name", "sdist name"
	Input string // all of it
	Col   int    // byte offset into Input, from 0
	Cause string // "expected a version after ~="
}

func (e *Error) Error() string {
	in := e.Input
	if len(in) > 80 {
		in = strings.ToValidUTF8(in[:80], "") + "…"
	}
	return fmt.Sprintf("parse %s %q: byte %d: %s", e.What, in, e.Col, e.Cause)
}

// within is err, of a parser that was given input[col:] or a part of it, as an
// error of what about input.
func within(err error, what, input string, col int) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return &Error{what, input, col + e.Col, e.Cause}
}

// checkInput refuses what no parser should look at.
func checkInput(what, s string) error {
	if len(s) > maxInput {
		return &Error{what, s, maxInput, fmt.Sprintf("longer than %d bytes", maxInput)}
	}
	if utf8.ValidString(s) {
		return nil
	}
	col := 0
	for col < len(s) {
		r, n := utf8.DecodeRuneInString(s[col:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		col += n
	}
	return &Error{what, s, col, "not UTF-8"}
}

// isSpace is str.isspace of Python, which is also \s in its regular expressions.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// trim is str.strip of Python; lead is how many bytes went at the front.
func trim(s string) (t string, lead int) {
	t = strings.TrimLeftFunc(s, isSpace)
	return strings.TrimRightFunc(t, isSpace), len(s) - len(t)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlnum(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// snippet is the start of s, as an error message shows it.
func snippet(s string) string {
	if s == "" {
		return "the end"
	}
	for i, n := 0, 0; i < len(s); n++ {
		if n == 12 {
			s = s[:i]
			break
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return fmt.Sprintf("%q", s)
}
