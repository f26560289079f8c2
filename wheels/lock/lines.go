package lock

import (
	"bytes"
	"strings"
)

// logical is a line of pip, with its continuations.
type logical struct {
	text string // as long as in the file: what is left out are spaces
	pos  int    // offset in the file
}

// lines joins the lines of a file as pip does: a backslash at the end continues
// a line, a line that is all comment ends it.
func lines(data []byte, each func(logical) bool) {
	text := bytes.Clone(data)
	start := 0
	for pos := 0; pos < len(text); {
		end := len(text)
		if i := bytes.IndexByte(text[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		body := bytes.TrimRight(text[pos:end], "\r\n")
		comment := bytes.HasPrefix(bytes.TrimLeft(body, " \t"), []byte("#"))
		more := bytes.HasSuffix(body, []byte("\\")) && !comment
		if more {
			body = body[:len(body)-1]
		}
		for i := pos + len(body); i < end; i++ {
			text[i] = ' '
		}
		pos = end
		if !more || pos == len(text) {
			if !each(logical{withoutComment(string(text[start:end])), start}) {
				return
			}
			start = end
		}
	}
}

// withoutComment cuts at a # that starts the line or follows a space.
func withoutComment(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t') {
			return s[:i]
		}
	}
	return s
}

// word is a part of a line between spaces, with its offset in the file.
type word struct {
	text string
	pos  int
}

const maxWords = 100_000 // of a line

// words splits a line at spaces outside of quotes, and takes the quotes off. Of a
// line that has too many there is one more than maxWords.
func words(l logical) []word {
	var list []word
	var b strings.Builder
	start, quote := -1, byte(0)
	for i := 0; i <= len(l.text) && len(list) <= maxWords; i++ {
		var c byte = ' '
		if i < len(l.text) {
			c = l.text[i]
		}
		space := c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'
		switch {
		case space && (quote == 0 || i == len(l.text)):
			if start >= 0 {
				list = append(list, word{b.String(), l.pos + start})
				b.Reset()
			}
			start = -1
			continue
		case quote != 0 && c == quote:
			quote = 0
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		default:
			b.WriteByte(c)
		}
		if start < 0 {
			start = i
		}
	}
	return list
}

// shortOptions are the options that a line may start with, by their short names.
var shortOptions = map[string]string{
	"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links",
}

// splitOption makes "-rfile", "--requirement=file" and "-r file" one.
func splitOption(list []word) (name string, value word, rest []word) {
	text := list[0].text
	rest = list[1:]
	value = list[0]
	value.text = ""
	if !strings.HasPrefix(text, "--") && len(text) >= 2 {
		name = shortOptions[text[:2]]
		if name == "" {
			return text, value, rest
		}
		value.text, value.pos = strings.TrimPrefix(text[2:], "="), value.pos+2
	} else if before, after, ok := strings.Cut(text, "="); ok {
		name, value.text, value.pos = before, after, value.pos+len(before)+1
	} else {
		name = text
	}
	if value.text == "" && len(rest) > 0 && !strings.HasPrefix(rest[0].text, "-") {
		value, rest = rest[0], rest[1:]
	}
	return name, value, rest
}

// optionsFrom is where the options after a requirement start, or -1.
func optionsFrom(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '-' && i > 0 && (s[i-1] == ' ' || s[i-1] == '\t') {
			return i
		}
	}
	return -1
}
