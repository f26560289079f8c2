package whl

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// entryPoints reads the scripts of entry_points.txt as importlib.metadata does:
// sections, and in each NAME = MODULE:ATTR [EXTRAS]. Other sections may hold any
// values.
func (l *layout) entryPoints() {
	data, ok := l.text("entry_points.txt", false)
	if !ok {
		return
	}
	section, seen := "", map[string]bool{}
	n := 0
	for len(data) > 0 {
		var line []byte
		line, data = cutLine(data)
		n++
		text := strings.TrimSpace(string(line))
		bad := func(format string, args ...any) {
			l.p.add("entry_points.txt line %d: %s: %s", n, quote(text), fmt.Sprintf(format, args...))
		}
		switch {
		case text == "" || text[0] == '#':
			continue
		case !utf8.ValidString(text):
			bad("is not UTF-8")
			continue
		case text[0] == '[' && strings.HasSuffix(text, "]"):
			section = text[1 : len(text)-1]
			continue
		case section == "":
			bad("is in no section")
			continue
		case !strings.Contains(text, "="):
			bad("want NAME = VALUE")
			continue
		case section != "console_scripts" && section != "gui_scripts":
			continue
		}
		name, value, _ := strings.Cut(text, "=")
		s, err := parseScript(strings.TrimSpace(name), strings.TrimSpace(value))
		switch {
		case err != nil:
			bad("%v", err)
		case seen[section+s.Name]:
			bad("is there twice")
		default:
			seen[section+s.Name] = true
			s.GUI = section == "gui_scripts"
			l.w.Scripts = append(l.w.Scripts, s)
		}
	}
}

// parseScript reads one script.
func parseScript(name, value string) (Script, error) {
	switch {
	case name == "" || name == "." || name == "..", strings.ContainsFunc(name, func(r rune) bool {
		return r == '/' || r == '\\' || unicode.IsSpace(r) || unicode.IsControl(r)
	}):
		return Script{}, fmt.Errorf("%s cannot be the name of a command", quote(name))
	case len(name) > 255:
		return Script{}, fmt.Errorf("a name longer than 255 bytes")
	}
	s := Script{Name: name}
	value, extras, hasExtras := strings.Cut(value, "[")
	if hasExtras {
		inner, ok := strings.CutSuffix(extras, "]")
		if !ok {
			return Script{}, fmt.Errorf("want [EXTRA, ...] at the end")
		}
		for e := range strings.SplitSeq(inner, ",") {
			if e = strings.TrimSpace(e); e != "" {
				s.Extras = append(s.Extras, e)
			}
		}
	}
	module, attr, _ := strings.Cut(value, ":")
	s.Module, s.Attr = strings.TrimSpace(module), strings.TrimSpace(attr)
	if !dotted(s.Module) || !dotted(s.Attr) {
		return Script{}, fmt.Errorf("want MODULE:FUNCTION")
	}
	return s, nil
}

// dotted is whether s is identifiers with dots between them.
func dotted(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if !identifier(part) {
			return false
		}
	}
	return true
}

// identifier is whether Python takes s for a name; keywords are.
func identifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsNumber(r) && !unicode.IsMark(r)) {
			return false
		}
	}
	return s != ""
}
