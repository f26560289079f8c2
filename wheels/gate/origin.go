package gate

import (
	"path"
	"slices"
	"strings"
)

// want is a library that an ELF file of the house needs and that comes from
// nowhere yet.
type want struct {
	library string // "libpq.so.5"
	part    *part
	file    string // path of the file that needs it
	runPath []string
}

// house is all wheels together.
type house struct {
	parts  []*part
	byName map[string]*part
	files  map[string]bool // paths
}

func together(parts []*part) *house {
	h := &house{parts: parts, byName: map[string]*part{}, files: map[string]bool{}}
	for _, p := range parts {
		h.byName[p.Name] = p
		for at := range p.files {
			h.files[at] = true
		}
	}
	return h
}

// trace finds out where the libraries come from that ELF files need: it fills
// in Loaded of every file, and returns what is neither in the house nor in the
// system, in order.
func (h *house) trace(system func(library string) bool, absent map[string]map[string]string) (wants []want) {
	for _, p := range h.parts {
		carried := h.carried(p)
		for i := range p.ELF {
			b := &p.ELF[i]
			b.Loaded = nil
			for _, library := range b.Needed {
				switch {
				case h.onRunPath(b, library):
				case carried[library]:
					b.Loaded = append(b.Loaded, library)
				case system(library):
				case named(absent[p.Name], library):
				default:
					wants = append(wants, want{library, p, b.Path, b.runPath})
				}
			}
		}
	}
	return wants
}

// named is whether one of the keys, which are patterns of path.Match, fits.
func named(patterns map[string]string, library string) bool {
	for pattern := range patterns {
		if ok, err := path.Match(pattern, library); ok && err == nil {
			return true
		}
	}
	return false
}

// onRunPath is whether the file's own run path leads to a file of the house
// (ld.so(8), "Dynamic string tokens").
func (h *house) onRunPath(b *binary, library string) bool {
	if strings.Contains(library, "/") {
		return false
	}
	for _, dir := range b.runPath {
		for _, token := range []string{"$ORIGIN", "${ORIGIN}"} {
			if rest, ok := strings.CutPrefix(dir, token); ok && h.files[path.Join(path.Dir(b.Path), rest, library)] {
				return true
			}
		}
	}
	return false
}

// carried are the libraries in a wheel and in those that it requires, directly
// or not, by the names under which they are loaded or needed.
func (h *house) carried(p *part) map[string]bool {
	names := map[string]bool{}
	seen := map[*part]bool{p: true}
	for queue := []*part{p}; len(queue) > 0; queue = queue[1:] {
		for _, b := range queue[0].ELF {
			if b.Module == "" {
				names[path.Base(b.Path)] = true
			}
			if b.soname != "" {
				names[b.soname] = true
			}
		}
		for _, name := range queue[0].requires {
			if next := h.byName[name]; next != nil && !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return names
}

// wheelsOf says who wants a library, with a file each: "lxml 5.2.1 (lxml/etree.so)".
func wheelsOf(wants []want, library string) string {
	var said []string
	seen := map[*part]bool{}
	for _, w := range wants {
		if w.library == library && !seen[w.part] {
			seen[w.part] = true
			said = append(said, w.part.Label+" ("+w.part.files[w.file].name+")")
		}
	}
	return strings.Join(said, ", ")
}

// libraries are the names that are wanted, sorted, each once.
func libraries(wants []want) (names []string) {
	for _, w := range wants {
		names = append(names, w.library)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
