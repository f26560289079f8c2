package whl

import (
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// facts are what follows from the names of the files.
func (l *layout) facts() {
	top := &node{}
	elfs := map[string]*ELF{}
	for i := range l.w.ELF {
		elfs[l.w.ELF[i].Path] = &l.w.ELF[i]
	}
	for _, f := range l.w.Files {
		scheme, rest, _ := l.place(f.Path)
		l.sort(f.Path, rest)
		if name, ok := strings.CutPrefix(f.Path, l.data+"/scripts/"); ok && !strings.Contains(name, "/") {
			l.w.Scripts = append(l.w.Scripts, Script{Name: name})
		}
		e := elfs[f.Path]
		if e != nil && e.Linked && !e.Module && sharedName(f.Path) {
			l.w.Bundled = append(l.w.Bundled, f.Path)
		}
		if scheme == "site" && (e == nil || e.Module || e.Unreadable != "") {
			top.add(rest)
		}
	}
	top.modules("", &l.w.Modules)
	slices.Sort(l.w.Modules)
	l.w.Modules = slices.Compact(l.w.Modules)
	slices.SortStableFunc(l.w.Scripts, func(a, b Script) int { return strings.Compare(a.Name, b.Name) })
}

var licenseName = pattern.New(`(?i)^(licen[cs]e|copying|notice|authors|copyright)`)

// sort puts a file into the lists it belongs to; rest is its name where it is
// installed.
func (l *layout) sort(name, rest string) {
	inInfo, ok := strings.CutPrefix(name, l.info+"/")
	switch {
	case ok && strings.HasPrefix(inInfo, "sboms/"):
		l.w.SBOMs = append(l.w.SBOMs, name)
	case ok && (strings.HasPrefix(inInfo, "licenses/") || strings.HasPrefix(inInfo, "license_files/") || licenseName.MatchString(inInfo)):
		l.w.Licenses = append(l.w.Licenses, name)
	case strings.HasSuffix(rest, ".pth") && !strings.Contains(rest, "/"):
		l.w.PTH = append(l.w.PTH, name)
	}
}

// sharedName is whether a file is named like a shared library.
func sharedName(name string) bool {
	base := path.Base(name)
	return strings.HasSuffix(base, ".so") || strings.Contains(base, ".so.")
}

// extension takes the name of an extension module apart, "foo.cpython-313-x86_64-linux-gnu.so":
// its module and what is between it and .so. It is false for other names.
var extensionName = pattern.New(`^([^.]+)\.(?:(cpython-[0-9]+[a-z]*|abi3t?)(?:-[^.]*)?\.)?so$`)

func extension(base string) (module, abi string, ok bool) {
	m := extensionName.FindStringSubmatch(base)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// isModule is whether a shared library is a module of Python: by the suffix that
// only those have, or by the function that its import calls. With a plain .so it
// may be a library to load in other ways.
func isModule(name string, inits []string) bool {
	module, abi, ok := extension(path.Base(name))
	return ok && (abi != "" || slices.Contains(inits, module) || module == "__init__" && len(inits) > 0)
}

// node is a directory of modules.
type node struct {
	dirs   map[string]*node
	single []string
	pkg    bool // has an __init__
}

// add puts a file that is installed among the modules into the tree.
func (n *node) add(name string) {
	parts := strings.Split(name, "/")
	base := parts[len(parts)-1]
	module, ok := strings.CutSuffix(base, ".py")
	if !ok {
		module, _, ok = extension(base)
	}
	if !ok || !identifier(module) {
		return
	}
	for _, p := range parts[:len(parts)-1] {
		if !identifier(p) || p == "__pycache__" || n.pkg {
			return
		}
		if n.dirs[p] == nil {
			if n.dirs == nil {
				n.dirs = map[string]*node{}
			}
			n.dirs[p] = &node{}
		}
		n = n.dirs[p]
	}
	switch module {
	case "__init__":
		n.pkg = len(parts) > 1
	case "__main__":
	default:
		n.single = append(n.single, module)
	}
}

// modules are the packages and modules below a directory that is no package
// itself: for one with an __init__ its own name stands for all.
func (n *node) modules(prefix string, into *[]string) {
	for _, m := range n.single {
		*into = append(*into, prefix+m)
	}
	for name, dir := range n.dirs {
		if dir.pkg {
			*into = append(*into, prefix+name)
			continue
		}
		dir.modules(prefix+name+".", into)
	}
}
