package index

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pybake/pybake/internal/strict"
)

// Text is a file that somebody has read.
type Text struct {
	Path string // "/etc/pip.conf"
	Data []byte
}

// setting is one value of somebody's configuration.
type setting struct {
	value string
	file  string // or the name of the environment's variable
	line  int    // 0: of the environment
}

func (s setting) errorf(key, format string, args ...any) *strict.Error {
	e := &strict.Error{File: s.file, Line: s.line, Key: key, Msg: fmt.Sprintf(format, args...)}
	if s.line > 0 {
		e.Col = 1
	}
	return e
}

// sortErrors sorts by file and line.
func sortErrors(errs strict.Errors) {
	slices.SortStableFunc(errs, func(a, b *strict.Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// iniFile is section → key → value.
type iniFile map[string]map[string]setting

// maxINI is the longest configuration, in bytes.
const maxINI = 4 << 20

// parseINI reads a file as Python's configparser does for pip: sections, keys
// in lower case, "=" or ":", "#" or ";" at the beginning of a line, values that
// go on in lines that are further in, [DEFAULT]. Nothing of a bad line is
// quoted, as it may hold a password.
func parseINI(text Text) (iniFile, strict.Errors) {
	p := &iniParser{file: text.Path, sections: iniFile{}}
	data := strings.TrimPrefix(string(text.Data), "\ufeff")
	if len(data) > maxINI || !utf8.ValidString(data) || strings.ContainsRune(data, 0) {
		return p.sections, strict.Errors{setting{file: text.Path}.errorf("", "not a text in UTF-8 of at most %d bytes", maxINI)}
	}
	for line := range strings.Lines(data) {
		p.line++
		p.read(strings.TrimRight(line, "\r\n"))
	}
	p.end()
	for key, value := range p.sections["DEFAULT"] {
		for _, section := range p.sections {
			if _, has := section[key]; !has {
				section[key] = value
			}
		}
	}
	return p.sections, p.errs
}

type iniParser struct {
	file     string
	line     int
	sections iniFile
	errs     strict.Errors

	section map[string]setting // nil before the first
	key     string             // whose value may go on; or empty
	value   []string
	at      int // line of the key
	indent  int // of the line that has it
}

func (p *iniParser) read(line string) {
	text := strings.TrimSpace(line)
	if text == "" {
		if p.key != "" {
			p.value = append(p.value, "")
		}
		return
	}
	if text[0] == '#' || text[0] == ';' {
		return
	}
	indent := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsSpace(r) })
	if p.key != "" && indent > p.indent {
		p.value = append(p.value, text)
		return
	}
	p.end()
	p.indent, p.at = indent, p.line
	if text[0] == '[' && strings.Contains(text, "]") {
		name := text[1:strings.LastIndexByte(text, ']')]
		if _, twice := p.sections[name]; twice && name != "DEFAULT" {
			p.errorf("section %.80q: occurs twice", name)
		} else if !twice {
			p.sections[name] = map[string]setting{}
		}
		p.section = p.sections[name]
		return
	}
	key, value, ok := text, "", false
	if i := strings.IndexAny(text, "=:"); i > 0 {
		key, value, ok = strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+1:]), true
	}
	key = strings.ToLower(key)
	switch {
	case p.section == nil:
		p.errorf("before the first [section]")
	case !ok:
		p.errorf("neither [section] nor KEY = VALUE")
	default:
		if _, twice := p.section[key]; twice {
			p.errorf("key %.80q: occurs twice in its section", key)
		}
		p.key, p.value = key, []string{value}
	}
}

// end stores the value that was being read.
func (p *iniParser) end() {
	if p.key != "" {
		p.section[p.key] = setting{strings.TrimSpace(strings.Join(p.value, "\n")), p.file, p.at}
	}
	p.key, p.value = "", nil
}

func (p *iniParser) errorf(format string, args ...any) {
	p.errs = append(p.errs, setting{file: p.file, line: p.line}.errorf("", format, args...))
}
