package whl

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// field is one header field.
type field struct {
	name  string // in lower case
	value string // unfolded: one line
}

// parseHeaders reads the fields of METADATA and WHEEL as Python's email parser
// does, which everybody uses: they end at the first line that is neither a field
// nor a continuation; what follows is the body.
func parseHeaders(text []byte) []field {
	var fields []field
	ignored := true
	var folded []byte // the lines that continue the last field
	unfold := func() {
		if len(folded) > 0 {
			last := &fields[len(fields)-1]
			last.value = strings.TrimSpace(last.value + string(folded))
			folded = folded[:0]
		}
	}
	for len(text) > 0 {
		var line []byte
		line, text = cutLine(text)
		if len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if rest := bytes.TrimSpace(line); !ignored && len(rest) > 0 {
				folded = append(append(folded, ' '), rest...)
			}
			continue
		}
		unfold()
		if bytes.HasPrefix(line, []byte("From ")) {
			ignored = true
			continue
		}
		colon := bytes.IndexFunc(line, func(r rune) bool { return r == ':' || r <= ' ' || r > '~' })
		if colon < 0 || line[colon] != ':' {
			break
		}
		if ignored = colon == 0; ignored {
			continue
		}
		fields = append(fields, field{strings.ToLower(string(line[:colon])), strings.TrimSpace(string(line[colon+1:]))})
	}
	unfold()
	return fields
}

// cutLine divides text after its first line, which ends with \n, \r or \r\n.
func cutLine(text []byte) (line, rest []byte) {
	i := bytes.IndexAny(text, "\r\n")
	if i < 0 {
		return text, nil
	}
	line, rest = text[:i], text[i+1:]
	if text[i] == '\r' && len(rest) > 0 && rest[0] == '\n' {
		rest = rest[1:]
	}
	return line, rest
}

// fields are header fields by name.
type fields map[string][]string

func readFields(text []byte) fields {
	out := fields{}
	for _, f := range parseHeaders(text) {
		out[f.name] = append(out[f.name], f.value)
	}
	return out
}

// one is the value of a field that has one. Several are an error unless they are
// the same.
func (f fields) one(name string) (value string, problem string) {
	for i, v := range f[strings.ToLower(name)] {
		switch {
		case !utf8.ValidString(v):
			return "", name + " is not UTF-8"
		case i > 0 && v != value:
			return "", "two values of " + name + ": " + quote(value) + " and " + quote(v)
		}
		value = v
	}
	return value, ""
}

// all are the values of a field that may have several.
func (f fields) all(name string) (values []string, problem string) {
	for _, v := range f[strings.ToLower(name)] {
		if !utf8.ValidString(v) {
			return nil, name + " is not UTF-8"
		}
		if v != "" {
			values = append(values, v)
		}
	}
	return values, ""
}
