package lock

import (
	"path"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// pipfile reads a Pipfile.lock. Each section is a group: "default", "develop",
// which can also be asked for as "dev", and those of later versions of pipenv.
func (r *reader) pipfile(d *document, root *node) {
	meta := d.want(root, "_meta", tableKind)
	if meta == nil {
		return
	}
	if spec := d.need(meta, "pipfile-spec", intKind); spec == nil {
		return
	} else if spec.text != "6" {
		d.errorf(spec, "pipfile-spec %s is not known: want 6", spec.text)
		return
	}
	l := r.lock
	l.Format, l.DefaultGroups = "Pipfile.lock 6", []string{"default"}
	sources := r.pipfileSources(d, meta)
	requires := d.want(meta, "requires", tableKind)
	if v := d.want(requires, "python_full_version", stringKind); v != nil {
		l.pipfilePython(d, v, "=="+v.text)
	} else if v := d.want(requires, "python_version", stringKind); v != nil && v.text != "*" {
		l.pipfilePython(d, v, "=="+v.text+".*")
	}
	for _, section := range root.items {
		if section == meta || d.is(section, tableKind) == nil {
			continue
		}
		l.Groups = append(l.Groups, pep.NormalizeName(section.name))
		for _, n := range section.items {
			if d.is(n, tableKind) != nil && len(l.Packages) <= maxPkgs {
				r.pipfilePackage(d, n, pep.NormalizeName(section.name), sources)
			}
		}
	}
}

// pipfilePython is the Python that the lock was made for. It holds nothing that
// only another one would need, so it is for no other.
func (l *Lock) pipfilePython(d *document, n *node, text string) {
	specs, err := pep.ParseSpecifiers(text)
	if err != nil {
		d.errorf(n, "%.40q is not a version of Python", n.text)
	}
	l.RequiresPython, l.python, l.pythonPos = text, constraint{specs}, d.pos(n)
}

func (r *reader) pipfileSources(d *document, meta *node) map[string]string {
	sources := map[string]string{}
	for _, n := range d.list(meta, "sources", tableKind) {
		address := d.need(n, "url", stringKind)
		if address == nil {
			continue
		}
		if _, ok := d.address(address, address.text); !ok {
			continue
		}
		index := Index{Name: d.str(n, "name"), URL: strings.TrimSuffix(address.text, "/"), Kind: "index"}
		sources[index.Name] = index.URL
		r.addIndex(index)
	}
	return sources
}

func (r *reader) pipfilePackage(d *document, n *node, group string, sources map[string]string) {
	pkg := Package{Name: d.name(n, n.name), Source: Source{Kind: Registry}, Pos: d.pos(n)}
	pkg.When = []Condition{{Group: group, Marker: d.pipfileMarker(n), Pos: pkg.Pos}}
	for _, x := range d.list(n, "extras", stringKind) {
		pkg.Extras = append(pkg.Extras, d.name(x, x.text))
	}
	if index := d.want(n, "index", stringKind); index != nil {
		if pkg.Source.URL = sources[index.text]; pkg.Source.URL == "" {
			d.errorf(index, "%.80q is none of the sources in _meta", index.text)
		}
	}
	if v := d.want(n, "version", stringKind); v != nil {
		before := len(*d.errs)
		if version, ok := d.specifiers(v).Pin(); !ok && len(*d.errs) == before {
			d.errorf(v, "%s %s is not pinned: want ==VERSION", pkg.Name, v.text)
		} else {
			pkg.version, pkg.Version = version, version.String()
		}
	}
	r.pipfileOrigin(d, n, &pkg)
	if len(r.lock.Packages) == maxPkgs {
		d.errorf(n, "more than %d packages", maxPkgs)
	}
	r.lock.Packages = append(r.lock.Packages, pkg)
}

// pipfileMarker joins markers with what the keys that are named like a variable
// of a marker say: "sys_platform": "== 'win32'".
func (d *document) pipfileMarker(n *node) *pep.Marker {
	var all []pep.Marker
	for _, m := range n.items {
		text := m.text
		switch m.name {
		case "markers":
		case "os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release", "platform_system",
			"platform_version", "python_version", "python_full_version", "implementation_name", "implementation_version":
			text = m.name + " " + m.text
		default:
			continue
		}
		if d.is(m, stringKind) == nil {
			continue
		}
		if marker := d.marker(m, text); marker != nil {
			all = append(all, *marker)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return &all[0]
	}
	return &pep.Marker{Join: "and", Args: all}
}

// pipfileOrigin reads where a package comes from, and its hashes.
func (r *reader) pipfileOrigin(d *document, n *node, pkg *Package) {
	hashList := d.list(n, "hashes", stringKind)
	var hashes []string
	for _, h := range hashList {
		hashes = append(hashes, h.text)
	}
	at, kind := n, ""
	for _, key := range []string{"git", "hg", "svn", "bzr", "path", "file", "url"} {
		if origin := n.get(key); origin != nil {
			at, kind = origin, key
			break
		}
	}
	if kind != "" && d.is(at, stringKind) == nil {
		return
	}
	switch kind {
	case "":
		if pkg.Version == "" && n.get("version") == nil {
			d.errorf(n, "%s is not pinned: want a version", pkg.Name)
		}
		pkg.Hashes = d.hashes(n, hashes, hashList...)
	case "git":
		pkg.Source = d.git(at, strings.TrimPrefix(at.text, "git+"), d.str(n, "ref"), d.str(n, "subdirectory"))
	case "path", "file", "url":
		if strings.Contains(at.text, "://") {
			r.pipfileArchive(d, n, at, pkg, d.hashes(n, hashes, hashList...))
			return
		}
		pkg.Source = d.local(at, at.text)
		if pkg.Source.Kind == Archive {
			pkg.Files = []File{{Name: path.Base(pkg.Source.Path), Path: pkg.Source.Path, Hashes: d.hashes(n, hashes, hashList...)}}
		}
	default:
		d.errorf(at, "version control %s: only git is read", kind)
	}
}

func (r *reader) pipfileArchive(d *document, n, at *node, pkg *Package, hashes []string) {
	u, ok := d.address(at, at.text)
	if !ok {
		return
	}
	pkg.Source = Source{Kind: URL, URL: at.text, Subdirectory: d.subdirectory(n, d.str(n, "subdirectory"))}
	pkg.Files = []File{{Name: baseName(u), URL: at.text, Hashes: hashes}}
	if isWheel(baseName(u)) {
		d.checkFile(at, pkg, baseName(u))
	}
}
