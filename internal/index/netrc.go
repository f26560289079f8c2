package index

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Netrc is a netrc file, as curl and Python read it: entries of "machine HOST",
// or "default" for any host, each with "login USER" and "password WORD".
// Words are separated by white space, or stand in double quotes with a
// backslash before what is meant as it is. "#" at the beginning of a word that
// is no value starts a comment. "macdef" goes on to the next empty line.
type Netrc struct {
	entries []netrcEntry
}

type netrcEntry struct {
	host            string // empty: default
	login, password string
}

// ParseNetrc reads a netrc file. An error names the file and a line, and
// nothing else of the file.
func ParseNetrc(file string, data []byte) (*Netrc, error) {
	if len(data) > maxINI || !utf8.Valid(data) || strings.ContainsRune(string(data), 0) {
		return nil, fmt.Errorf("%s: not a text in UTF-8 of at most %d bytes", file, maxINI)
	}
	s := &netrcScanner{text: strings.TrimPrefix(string(data), "\ufeff"), line: 1}
	n := &Netrc{}
	var entry *netrcEntry
	for {
		word, ok := s.word()
		if !ok {
			return n, nil
		}
		at := s.line
		if strings.HasPrefix(word, "#") {
			s.skipLine()
			continue
		}
		value := func() (string, error) {
			v, ok := s.word()
			if !ok {
				return "", fmt.Errorf("%s:%d: %s without a value", file, at, word)
			}
			return v, nil
		}
		var err error
		switch {
		case word == "machine":
			n.entries = append(n.entries, netrcEntry{})
			entry = &n.entries[len(n.entries)-1]
			entry.host, err = value()
		case word == "default":
			n.entries = append(n.entries, netrcEntry{})
			entry = &n.entries[len(n.entries)-1]
		case word == "macdef":
			s.skipMacro()
		case entry == nil:
			err = fmt.Errorf("%s:%d: expected machine or default", file, at)
		case word == "login" || word == "user":
			entry.login, err = value()
		case word == "password":
			entry.password, err = value()
		case word == "account":
			_, err = value()
		default:
			err = fmt.Errorf("%s:%d: expected machine, default, login, password, account or macdef", file, at)
		}
		if err != nil {
			return nil, err
		}
	}
}

// find is the first entry of a host; with a user, of that user; else, if
// allowed, that of default.
func (n *Netrc) find(host, user string, byDefault bool) (login, password string, ok bool) {
	for _, e := range n.entries {
		if e.host == "" && !byDefault || e.host != "" && !strings.EqualFold(e.host, host) {
			continue
		}
		if user == "" || e.login == user {
			return e.login, e.password, true
		}
	}
	return "", "", false
}

type netrcScanner struct {
	text string
	line int
}

func (s *netrcScanner) word() (string, bool) {
	trimmed := strings.TrimLeftFunc(s.text, unicode.IsSpace)
	s.line += strings.Count(s.text[:len(s.text)-len(trimmed)], "\n")
	s.text = trimmed
	if s.text == "" {
		return "", false
	}
	if s.text[0] == '"' {
		return s.quoted(), true
	}
	end := strings.IndexFunc(s.text, unicode.IsSpace)
	if end < 0 {
		end = len(s.text)
	}
	word := s.text[:end]
	s.text = s.text[end:]
	return word, true
}

func (s *netrcScanner) quoted() string {
	var b strings.Builder
	for i := 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.line += strings.Count(s.text[:i], "\n")
			s.text = s.text[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(s.text):
			i++
			b.WriteByte(s.text[i])
		default:
			b.WriteByte(c)
		}
	}
	s.text = ""
	return b.String()
}

func (s *netrcScanner) skipLine() {
	end := strings.IndexByte(s.text, '\n')
	if end < 0 {
		end = len(s.text)
	}
	s.text = s.text[end:]
}

// skipMacro goes on to the next empty line.
func (s *netrcScanner) skipMacro() {
	for s.skipLine(); s.text != ""; s.skipLine() {
		s.line++
		if s.text = s.text[1:]; strings.HasPrefix(s.text, "\n") || strings.HasPrefix(s.text, "\r\n") {
			return
		}
	}
}
