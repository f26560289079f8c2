package lock

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// uv reads a uv.lock.
func (r *reader) uv(d *document, root *node) {
	version := d.need(root, "version", intKind)
	if version == nil {
		return
	}
	if version.text != "1" {
		d.errorf(version, "version %s of uv.lock is not known: want 1", version.text)
		return
	}
	l := r.lock
	l.Format, l.graph, l.exact = "uv.lock 1", true, true
	if revision := d.want(root, "revision", intKind); revision != nil {
		l.Format += "." + revision.text
	}
	l.requirePython(d, root)
	for _, e := range d.list(root, "supported-markers", stringKind) {
		l.Environments = append(l.Environments, Condition{Marker: d.marker(e, e.text), Pos: d.pos(e)})
	}
	d.uvOptions(root, l)
	u := &uvReader{reader: r, d: d, members: map[string]bool{}}
	manifest := d.want(root, "manifest", tableKind)
	for _, m := range d.list(manifest, "members", stringKind) {
		u.members[d.name(m, m.text)] = true
	}
	for _, n := range d.packages(root, "package") {
		u.pkg(n)
	}
	u.conflicts(root)
	u.roots(manifest)
	u.defaults()
}

// uvOptions reads the bound of the age of what was resolved. One that is a span
// is told in days, and the date beside it means nothing.
func (d *document) uvOptions(root *node, l *Lock) {
	options := d.want(root, "options", tableKind)
	newer := d.want(options, "exclude-newer", stringKind)
	if newer == nil || options.get("exclude-newer-span") != nil {
		return
	}
	if l.ExcludeNewer = when(newer); l.ExcludeNewer.IsZero() {
		d.errorf(newer, "%.40q is not a time: want 2026-01-02T03:04:05Z", newer.text)
	}
}

type uvReader struct {
	*reader
	d       *document
	members map[string]bool // of the workspace; empty for a project alone
}

func (u *uvReader) pkg(n *node) {
	d := u.d
	name := d.need(n, "name", stringKind)
	source := d.need(n, "source", tableKind)
	if name == nil || source == nil {
		return
	}
	pkg := Package{Name: d.name(name, name.text), Pos: d.pos(n)}
	if v := d.want(n, "version", stringKind); v != nil {
		d.setVersion(v, &pkg, v.text)
	}
	pkg.Source = u.source(source, &pkg)
	metadata := d.want(n, "metadata", tableKind)
	for _, extra := range d.list(metadata, "provides-extras", stringKind) {
		pkg.Extras = append(pkg.Extras, d.name(extra, extra.text))
	}
	for _, group := range d.table(metadata, "requires-dev") {
		pkg.groups = append(pkg.groups, d.name(group, group.name))
	}
	for _, m := range d.list(n, "resolution-markers", stringKind) {
		pkg.When = append(pkg.When, Condition{Marker: d.marker(m, m.text), Pos: d.pos(m)})
	}
	u.dependencies(n, "dependencies", "", "", &pkg)
	for _, extra := range d.table(n, "optional-dependencies") {
		u.dependencies(n.get("optional-dependencies"), extra.name, extra.name, "", &pkg)
	}
	for _, key := range []string{"dev-dependencies", "dependency-groups"} {
		for _, group := range d.table(n, key) {
			u.dependencies(n.get(key), group.name, "", group.name, &pkg)
		}
	}
	u.files(n, &pkg)
	u.lock.Packages = append(u.lock.Packages, pkg)
}

// source reads what tells packages apart beside name and version.
func (u *uvReader) source(n *node, pkg *Package) Source {
	d := u.d
	if len(n.items) == 0 {
		d.errorf(n, "the source is empty")
		return Source{}
	}
	kind := n.items[0]
	if d.is(kind, stringKind) == nil {
		return Source{}
	}
	switch kind.name {
	case "registry":
		if !strings.Contains(kind.text, "://") {
			p, _ := d.path(kind, kind.text)
			return Source{Kind: Registry, Path: p}
		}
		if _, ok := d.address(kind, kind.text); ok {
			u.addIndex(Index{URL: strings.TrimSuffix(kind.text, "/"), Kind: "index"})
		}
		return Source{Kind: Registry, URL: strings.TrimSuffix(kind.text, "/")}
	case "git":
		return u.git(kind)
	case "url":
		d.address(kind, kind.text)
		return Source{Kind: URL, URL: kind.text, Subdirectory: d.subdirectory(n, d.str(n, "subdirectory"))}
	case "path":
		p, _ := d.path(kind, kind.text)
		return Source{Kind: Archive, Path: p}
	case "directory", "editable", "virtual":
		source := d.local(kind, kind.text)
		if source.Kind == Archive {
			source.Kind = Directory
		}
		if u.members[pkg.Name] {
			source.Kind = Project
		}
		if kind.name == "virtual" && source.Kind != Project {
			source.Kind = Project // is never built; only its dependencies count
		}
		return source
	}
	d.errorf(n, "source %.40q is not known", kind.name)
	return Source{}
}

// git reads "https://host/repository?subdirectory=dir&tag=v1#commit".
func (u *uvReader) git(n *node) Source {
	address, commit, _ := strings.Cut(n.text, "#")
	address, query, _ := strings.Cut(address, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		u.d.errorf(n, "the part after ? of the address is malformed")
	}
	return u.d.git(n, address, commit, values.Get("subdirectory"))
}

// dependencies reads an array of edges.
func (u *uvReader) dependencies(n *node, key, extra, group string, pkg *Package) {
	d := u.d
	for _, e := range d.list(n, key, tableKind) {
		dep, ok := u.dependency(e)
		if !ok {
			continue
		}
		dep.Extra, dep.Group = pep.NormalizeName(extra), pep.NormalizeName(group)
		pkg.Dependencies = append(pkg.Dependencies, dep)
	}
}

func (u *uvReader) dependency(e *node) (Dependency, bool) {
	d := u.d
	name := d.need(e, "name", stringKind)
	if name == nil {
		return Dependency{}, false
	}
	dep := Dependency{Name: d.name(name, name.text), Pos: d.pos(e)}
	if v := d.want(e, "version", stringKind); v != nil && d.spendText(v, v.text) {
		if version, err := pep.ParseVersion(v.text); err != nil {
			d.parseError(v, err)
		} else {
			dep.want = exactly(version)
		}
	}
	if s := d.want(e, "source", tableKind); s != nil {
		dep.source = u.source(s, &Package{Name: dep.Name}).key()
	}
	if m := d.want(e, "marker", stringKind); m != nil {
		dep.Marker = d.marker(m, m.text)
	}
	for _, key := range []string{"extra", "extras"} { // of a dependency, of a requirement
		for _, x := range d.list(e, key, stringKind) {
			dep.Extras = append(dep.Extras, d.name(x, x.text))
		}
	}
	return dep, true
}

func (u *uvReader) files(n *node, pkg *Package) {
	d := u.d
	list := d.list(n, "wheels", tableKind)
	if sdist := d.want(n, "sdist", tableKind); sdist != nil {
		list = append(list, sdist)
	}
	switch pkg.Source.Kind {
	case Git, Directory, Project:
		return // what is built from a tree has no hash of its own
	case URL, Archive:
		if len(list) == 0 {
			d.errorf(n, "%s: no hash: nothing unhashed is installed", pkg.Name)
		}
	}
	for _, f := range list {
		u.file(f, pkg)
	}
}

func (u *uvReader) file(n *node, pkg *Package) {
	d := u.d
	f := File{Name: d.str(n, "filename"), Size: d.size(n), Time: when(d.want(n, "upload-time", stringKind))}
	address := pkg.Source.URL
	var at place = n
	if a := d.want(n, "url", stringKind); a != nil {
		address, at = a.text, a
	} else if pkg.Source.Kind == Registry {
		address = ""
	}
	if p := d.want(n, "path", stringKind); p != nil {
		f.Path, _ = d.path(p, joinPath(pkg.Source.Path, p.text))
		f.Name = p.text[strings.LastIndex(p.text, "/")+1:]
	} else if pkg.Source.Kind == Archive {
		f.Path = pkg.Source.Path
		f.Name = f.Path[strings.LastIndex(f.Path, "/")+1:]
	} else if address != "" {
		parsed, ok := d.address(at, address)
		if !ok {
			return
		}
		if f.URL = address; f.Name == "" {
			f.Name = baseName(parsed)
		}
	}
	if hash := d.want(n, "hash", stringKind); hash != nil {
		f.Hashes = d.hashes(hash, []string{hash.text})
	} else {
		d.hashes(n, nil)
	}
	if pkg.Source.Kind == Registry || isWheel(f.Name) {
		d.checkFile(n, pkg, f.Name)
	}
	pkg.Files = append(pkg.Files, f)
}

func joinPath(dir, name string) string {
	if dir == "" || strings.HasPrefix(name, dir+"/") {
		return name
	}
	return dir + "/" + name
}

// conflicts reads the sets of extras and groups that exclude each other.
func (u *uvReader) conflicts(root *node) {
	sets := u.d.want(root, "conflicts", arrayKind)
	if sets == nil {
		return
	}
	for _, set := range sets.items {
		if u.d.is(set, arrayKind) == nil {
			continue
		}
		var conflict []ConflictOf
		for _, item := range set.items {
			if u.d.is(item, tableKind) != nil {
				conflict = append(conflict, ConflictOf{
					pep.NormalizeName(u.d.str(item, "package")), pep.NormalizeName(u.d.str(item, "extra")), pep.NormalizeName(u.d.str(item, "group")),
				})
			}
		}
		u.lock.Conflicts = append(u.lock.Conflicts, conflict)
	}
}

// roots are the project beside the lock, or all members of a workspace that has
// none, and what the manifest itself asks for.
func (u *uvReader) roots(manifest *node) {
	l := u.lock
	var project, members []*Package
	for i := range l.Packages {
		switch p := &l.Packages[i]; {
		case p.Source.Kind != Project:
		case p.Source.Path == path.Dir(l.File):
			project = append(project, p)
		case u.members[p.Name] || len(u.members) == 0:
			members = append(members, p)
		}
	}
	if len(project) == 0 {
		project = members
	}
	for _, p := range project {
		l.Roots = append(l.Roots, Dependency{Name: p.Name, Pos: p.Pos, source: p.Source.key()})
		l.Extras, l.Groups = append(l.Extras, p.Extras...), append(l.Groups, p.groups...)
		for _, dep := range p.Dependencies {
			l.provide(dep)
		}
	}
	for _, n := range u.d.list(manifest, "requirements", tableKind) {
		if dep, ok := u.dependency(n); ok {
			dep.want = nil
			l.Roots = append(l.Roots, dep)
		}
	}
	for _, group := range u.d.table(manifest, "dependency-groups") {
		for _, n := range u.d.list(manifest.get("dependency-groups"), group.name, tableKind) {
			if dep, ok := u.dependency(n); ok {
				dep.Group = pep.NormalizeName(group.name)
				l.Roots = append(l.Roots, dep)
				l.provide(dep)
			}
		}
	}
	if len(l.Roots) == 0 && len(l.Packages) > 0 && len(u.errs) == 0 {
		u.d.errorOf("no project: neither a package at the lock's own directory nor requirements in [manifest]")
	}
}

// provide makes the extra or the group of an edge one that can be asked for.
func (l *Lock) provide(dep Dependency) {
	if dep.Extra != "" {
		l.Extras = append(l.Extras, dep.Extra)
	}
	if dep.Group != "" {
		l.Groups = append(l.Groups, dep.Group)
	}
}

// defaults are the groups of [tool.uv] default-groups, or dev.
func (u *uvReader) defaults() {
	l := u.lock
	d, root := u.beside("pyproject.toml")
	given := root.get("tool").get("uv").get("default-groups")
	switch {
	case given != nil && given.kind == stringKind && given.text == "all":
		l.DefaultGroups = slices.Clone(l.Groups)
	case given != nil:
		for _, n := range d.list(root.get("tool").get("uv"), "default-groups", stringKind) {
			l.DefaultGroups = append(l.DefaultGroups, pep.NormalizeName(n.text))
		}
	case slices.Contains(l.Groups, "dev"):
		l.DefaultGroups = []string{"dev"}
	}
}

// conflictName is the extra by which uv names one side of a conflict in its
// markers: extra-7-project-cpu, group-7-project-dev, project-7-project.
func (c ConflictOf) conflictName() string {
	size := strconv.Itoa(len(c.Package))
	switch {
	case c.Extra != "":
		return "extra-" + size + "-" + c.Package + "-" + c.Extra
	case c.Group != "":
		return "group-" + size + "-" + c.Package + "-" + c.Group
	}
	return "project-" + size + "-" + c.Package
}
