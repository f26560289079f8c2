package check

import (
	"encoding/binary"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/internal/pep"
)

// loader finds libraries as ld.so(8) does.
type loader struct {
	*state
	cache    map[string][]string // of ld.so.cache: paths by library
	defaults []string            // directories
	library  []string            // LD_LIBRARY_PATH
	carried  map[*dist]map[string]bool
}

func (s *state) librariesResolve() (f found, err error) {
	l := &loader{state: s, carried: map[*dist]map[string]bool{}}
	l.cache = s.readCache()
	for e := range s.Tree.All() {
		if dir, base := path.Split(e.Name); (dir == "usr/lib/" || dir == "lib/") && strings.Contains(base, "-linux-gnu") {
			l.defaults = append(l.defaults, e.Name)
		}
	}
	l.defaults = append(l.defaults, "lib", "usr/lib", "lib64", "usr/lib64")
	l.library = strings.FieldsFunc(s.variable("LD_LIBRARY_PATH"), func(r rune) bool { return r == ':' || r == ';' })
	count := 0
	for _, name := range slices.Sorted(maps.Keys(s.elf)) {
		file := s.elf[name]
		if !s.runs(file) {
			continue
		}
		count++
		for _, needed := range file.Needed {
			if why, ok := l.excuse(name, needed); ok {
				if why != "" {
					f.note("/%s needs %s: %s", name, needed, why)
				}
				continue
			}
			f.bad("/%s needs %s, which is not there%s", name, needed, s.of(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.broken)) {
		f.note("/%s: %s", name, s.broken[name])
	}
	f.notes = slices.Insert(f.notes, 0, plural(count, "file"))
	return f, nil
}

// of names the distribution of a file.
func (s *state) of(name string) string {
	if d := s.owners[name]; d != nil {
		return " (" + d.label() + ")"
	}
	return ""
}

// runs is whether a file is a program or library for this machine and its C
// library; some wheels carry one for each.
func (s *state) runs(f *elfcheck.File) bool {
	musl := slices.ContainsFunc(f.Needed, func(n string) bool { return strings.HasPrefix(n, "libc.musl-") || n == "libc.so" })
	return f.Linked() && f.Machine == s.Machine && !musl
}

// excuse is whether a library is found, or why it need not be.
func (l *loader) excuse(name, needed string) (why string, ok bool) {
	if l.find(name, needed) || l.carriedFor(l.owners[name])[needed] {
		return "", true
	}
	if d := l.owners[name]; d != nil {
		for pattern, why := range l.Absent[d.name] {
			if match, err := path.Match(pattern, needed); match && err == nil {
				return why, true
			}
		}
	}
	return "", false
}

// find is whether the loader finds what a file needs by itself.
func (l *loader) find(name, needed string) bool {
	if strings.Contains(needed, "/") {
		return path.IsAbs(needed) && l.there(needed)
	}
	file := l.elf[name]
	dirs := l.library
	if len(file.RunPath) == 0 {
		dirs = slices.Concat(file.RPath, dirs)
	}
	for _, dir := range slices.Concat(dirs, file.RunPath) {
		dir = l.expand(dir, path.Dir("/"+name))
		if path.IsAbs(dir) && l.there(path.Join(dir, needed)) {
			return true
		}
	}
	for _, dir := range l.defaults {
		if l.there(path.Join(dir, needed)) {
			return true
		}
	}
	return slices.ContainsFunc(l.cache[needed], l.there)
}

// expand replaces the tokens of a run path (ld.so(8), "Dynamic string tokens").
// $LIB and $PLATFORM are not known here; nobody uses them in packages or wheels.
func (l *loader) expand(dir, origin string) string {
	return strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin).Replace(dir)
}

// there is whether a path leads to a library of this machine. Those of the base
// are believed to be.
func (l *loader) there(name string) bool {
	e, ok := l.Tree.Lookup(name)
	if !ok || !isFile(e) {
		return false
	}
	if l.Tree.Layer(e) < l.Base {
		return true
	}
	f := l.elf[content(e)]
	return f != nil && f.Machine == l.Machine
}

// carriedFor are the names of the libraries in a distribution and in all that it
// requires; for nil those of all files that belong to no distribution.
func (l *loader) carriedFor(d *dist) map[string]bool {
	if names, ok := l.carried[d]; ok {
		return names
	}
	seen := map[*dist]bool{d: true}
	for queue := []*dist{d}; len(queue) > 0; queue = queue[1:] {
		if queue[0] == nil {
			break
		}
		for _, text := range queue[0].metadata.RequiresDist {
			req, err := pep.ParseRequirement(text)
			if next := l.byName[pep.NormalizeName(req.Name)]; err == nil && next != nil && !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	names := map[string]bool{}
	for name, f := range l.elf {
		if !seen[l.owners[name]] || !l.runs(f) {
			continue
		}
		if f.Soname != "" {
			names[f.Soname] = true
		}
		if !isModule(name, f) {
			names[path.Base(name)] = true
		}
	}
	l.carried[d] = names
	return names
}

// isModule is whether a library is an extension module of Python.
func isModule(name string, f *elfcheck.File) bool {
	module, _, _ := strings.Cut(path.Base(name), ".")
	return slices.Contains(f.Inits, module)
}

// variable is one of the environment.
func (i Image) variable(name string) string {
	value := ""
	for _, line := range i.Env {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value = v
		}
	}
	return value
}

// readCache reads /etc/ld.so.cache; an image without one has none.
func (s *state) readCache() map[string][]string { return parseCache(s.cache, order(s.Machine)) }

func order(machine string) binary.ByteOrder {
	if machine == "s390x" {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// The cache (glibc, dl-cache.h): a magic, the number of entries and 24 more
// bytes, then entries of 24 bytes, of which the second and third word are the
// offsets, from the magic on, of the library's name and path. Older glibcs put
// another table before it.
const (
	cacheMagic = "glibc-ld.so.cache1.1"
	cacheHead  = 48
	cacheEntry = 24
)

// parseCache is the paths in a cache by library. What is out of bounds is left out.
func parseCache(data []byte, order binary.ByteOrder) map[string][]string {
	found := map[string][]string{}
	at := strings.Index(string(data), cacheMagic)
	if at < 0 || len(data) < at+cacheHead {
		return found
	}
	data = data[at:]
	text := func(offset uint32) string {
		if int64(offset) >= int64(len(data)) {
			return ""
		}
		name, _, ok := strings.Cut(string(data[offset:min(int64(offset)+4096, int64(len(data)))]), "\x00")
		if !ok {
			return ""
		}
		return name
	}
	entries := data[cacheHead:]
	for n := order.Uint32(data[len(cacheMagic):]); n > 0 && len(entries) >= cacheEntry; n-- {
		if name, file := text(order.Uint32(entries[4:])), text(order.Uint32(entries[8:])); name != "" && file != "" {
			found[name] = append(found[name], file)
		}
		entries = entries[cacheEntry:]
	}
	return found
}
