package lock

import (
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// poetry reads a poetry.lock. From lock-version 2.1 on its packages know their
// groups and markers; before, pyproject.toml says what is needed.
func (r *reader) poetry(d *document, root *node) {
	metadata := d.want(root, "metadata", tableKind)
	if metadata == nil {
		return
	}
	l := r.lock
	l.Format = "poetry.lock"
	flat := false
	if version := d.want(metadata, "lock-version", stringKind); version != nil {
		major, minor, _ := strings.Cut(version.text, ".")
		if major != "1" && major != "2" {
			d.errorf(version, "lock-version %.20q of poetry.lock is not known: want 1.0 to 2.x", version.text)
			return
		}
		l.Format += " " + version.text
		flat = major == "2" && minor != "0"
	}
	if v := d.want(metadata, "python-versions", stringKind); v != nil {
		l.RequiresPython, l.python, l.pythonPos = v.text, d.constraint(v, v.text), d.pos(v)
	}
	for _, extra := range d.table(root, "extras") {
		l.Extras = append(l.Extras, d.name(extra, extra.name))
	}
	p := &poetryReader{reader: r, d: d, flat: flat, count: map[string]int{}}
	for _, n := range d.packages(root, "package") {
		p.pkg(n)
	}
	if !r.checkForks() {
		return
	}
	p.metadataFiles(metadata)
	p.project()
}

func (d *document) constraint(p place, text string) constraint {
	if !d.spendText(p, text) {
		return nil
	}
	c, err := parseConstraint(text)
	if err != nil {
		d.parseError(p, err)
	}
	return c
}

type poetryReader struct {
	*reader
	d     *document
	flat  bool
	count map[string]int // entries of each name
}

func (p *poetryReader) pkg(n *node) {
	d := p.d
	name, version := d.need(n, "name", stringKind), d.need(n, "version", stringKind)
	if name == nil || version == nil {
		return
	}
	pkg := Package{Name: d.name(name, name.text), Source: Source{Kind: Registry}, Pos: d.pos(n)}
	d.setVersion(version, &pkg, version.text)
	if v := d.want(n, "python-versions", stringKind); v != nil {
		pkg.Python, pkg.python = v.text, d.constraint(v, v.text)
	}
	if source := d.want(n, "source", tableKind); source != nil {
		pkg.Source = p.source(source)
	}
	p.when(n, &pkg)
	extras := extrasByName(d.want(n, "extras", tableKind))
	for _, dep := range d.table(n, "dependencies") {
		pkg.Dependencies = append(pkg.Dependencies, d.poetryDependency(dep, extras, "")...)
	}
	p.files(n, &pkg)
	p.count[pkg.Name]++
	p.lock.Packages = append(p.lock.Packages, pkg)
}

// when reads groups and markers, which may differ by group.
func (p *poetryReader) when(n *node, pkg *Package) {
	d := p.d
	if m := n.get("marker"); !p.flat && m != nil { // 0.12 and 1.0
		if m = d.is(m, stringKind); m != nil {
			pkg.When = []Condition{{Marker: d.marker(m, m.text), Pos: d.pos(m)}}
		}
		return
	}
	if !p.flat {
		return
	}
	markers := n.get("markers")
	if markers != nil && markers.kind != tableKind && d.is(markers, stringKind) == nil {
		return
	}
	for _, g := range d.list(n, "groups", stringKind) {
		c := Condition{Group: d.name(g, g.text), Pos: pkg.Pos}
		m := markers
		if m != nil && m.kind == tableKind {
			m = d.want(markers, g.text, stringKind)
		}
		if m != nil {
			c.Marker, c.Pos = d.marker(m, m.text), d.pos(m)
		}
		pkg.When = append(pkg.When, c)
		p.lock.Groups = append(p.lock.Groups, c.Group)
	}
	if len(pkg.When) == 0 {
		d.errorf(n, "%s has no groups", pkg.Name)
	}
}

func (p *poetryReader) source(n *node) Source {
	d := p.d
	kind, address := d.need(n, "type", stringKind), d.need(n, "url", stringKind)
	if kind == nil || address == nil {
		return Source{}
	}
	switch kind.text {
	case "legacy":
		if _, ok := d.address(address, address.text); ok {
			p.addIndex(Index{Name: d.str(n, "reference"), URL: strings.TrimSuffix(address.text, "/"), Kind: "index"})
		}
		return Source{Kind: Registry, URL: strings.TrimSuffix(address.text, "/")}
	case "git":
		commit := d.str(n, "resolved_reference")
		if commit == "" {
			commit = d.str(n, "reference")
		}
		return d.git(address, address.text, commit, d.str(n, "subdirectory"))
	case "url":
		d.address(address, address.text)
		return Source{Kind: URL, URL: address.text, Subdirectory: d.subdirectory(n, d.str(n, "subdirectory"))}
	case "file", "directory":
		source := d.local(address, address.text)
		if kind.text == "directory" && source.Kind == Archive {
			source.Kind = Directory
		}
		return source
	}
	d.errorf(kind, "source %.40q is not known", kind.text)
	return Source{}
}

// files reads the files of a package, from lock-version 2.0 on.
func (p *poetryReader) files(n *node, pkg *Package) {
	for _, f := range p.d.list(n, "files", tableKind) {
		if file, ok := p.file(f, pkg); ok {
			p.d.checkFile(f, pkg, file.Name)
			pkg.Files = append(pkg.Files, file)
		}
	}
}

func (p *poetryReader) file(n *node, pkg *Package) (File, bool) {
	d := p.d
	name := d.need(n, "file", stringKind)
	if name == nil {
		return File{}, false
	}
	f := File{Name: name.text}
	if hash := d.want(n, "hash", stringKind); hash != nil {
		f.Hashes = d.hashes(hash, []string{hash.text})
	} else {
		d.hashes(n, nil)
	}
	switch pkg.Source.Kind {
	case URL:
		f.URL = pkg.Source.URL
	case Archive:
		f.Path = pkg.Source.Path
	case Git, Directory, Project:
		return File{}, false
	}
	return f, true
}

// metadataFiles reads what poetry before 1.3 keeps beside the packages: files by
// name, of all versions together, or bare hashes.
func (p *poetryReader) metadataFiles(metadata *node) {
	d := p.d
	files, hashes := d.want(metadata, "files", tableKind), d.want(metadata, "hashes", tableKind)
	if files == nil && hashes == nil {
		return
	}
	lists := map[string]*node{}
	for _, table := range []*node{files, hashes} {
		for _, n := range table.itemsOf() {
			lists[pep.NormalizeName(n.name)] = n
		}
	}
	for i := range p.lock.Packages {
		pkg := &p.lock.Packages[i]
		list := lists[pkg.Name]
		if list == nil || d.is(list, arrayKind) == nil || pkg.Source.Kind != Registry && pkg.Source.Kind != URL && pkg.Source.Kind != Archive {
			continue
		}
		if !d.spend(list, len(list.items)) {
			return
		}
		for _, n := range list.items {
			if n.kind == stringKind {
				pkg.Hashes = append(pkg.Hashes, d.bareHash(n)...)
			} else if d.is(n, tableKind) != nil {
				p.sharedFile(n, pkg)
			}
		}
	}
}

// bareHash reads hexadecimal digits without an algorithm.
func (d *document) bareHash(n *node) []string {
	text := n.text
	if !strings.Contains(text, ":") {
		algorithm := map[int]string{32: "md5", 40: "sha1", 96: "sha384", 128: "sha512"}[len(text)]
		if algorithm == "" {
			algorithm = "sha256"
		}
		text = algorithm + ":" + text
	}
	return d.hashes(n, []string{text})
}

// sharedFile adds a file of a name to the version that it is of.
func (p *poetryReader) sharedFile(n *node, pkg *Package) {
	file, ok := p.file(n, pkg)
	if !ok {
		return
	}
	if p.count[pkg.Name] == 1 {
		p.d.checkFile(n, pkg, file.Name)
	} else if fileProblem(pkg, file.Name) != "" {
		return // of another version
	}
	pkg.Files = append(pkg.Files, file)
}

// poetryDependency reads what stands under one name in a table of dependencies:
// a constraint, a table, or an array of these for different targets. extras is
// what switches optional ones on, by name.
func (d *document) poetryDependency(n *node, extras map[string][]string, group string) []Dependency {
	name := d.name(n, n.name)
	if name == "python" {
		return nil
	}
	var list []Dependency
	for _, n := range n.alternatives() {
		dep := Dependency{Name: name, Group: group, Pos: d.pos(n)}
		if n.kind == stringKind {
			dep.want = d.constraint(n, n.text)
			list = append(list, dep)
			continue
		}
		if d.is(n, tableKind) == nil {
			continue
		}
		if v := d.want(n, "version", stringKind); v != nil {
			dep.want = d.constraint(v, v.text)
		}
		if v := d.want(n, "python", stringKind); v != nil {
			dep.python = d.constraint(v, v.text)
		}
		dep.Marker = d.poetryMarker(n)
		for _, x := range d.list(n, "extras", stringKind) {
			dep.Extras = append(dep.Extras, d.name(x, x.text))
		}
		if !d.flag(n, "optional") || dep.Marker != nil && strings.Contains(dep.Marker.String(), "extra ") {
			list = append(list, dep)
			continue
		}
		if !d.spend(n, len(extras[name])) {
			return nil
		}
		for _, x := range extras[name] {
			dep.Extra = x
			list = append(list, dep)
		}
	}
	return list
}

// alternatives is the elements of an array, or the value itself.
func (n *node) alternatives() []*node {
	if n.kind == arrayKind {
		return n.items
	}
	return []*node{n}
}

// poetryMarker joins markers with platform, which is sys_platform.
func (d *document) poetryMarker(n *node) *pep.Marker {
	var marker *pep.Marker
	if m := d.want(n, "markers", stringKind); m != nil {
		marker = d.marker(m, m.text)
	}
	platform := d.want(n, "platform", stringKind)
	if platform == nil {
		return marker
	}
	on := &pep.Marker{Comparison: pep.Comparison{Left: pep.Operand{Variable: true, Text: "sys_platform"}, Op: "==", Right: pep.Operand{Text: platform.text}}}
	if marker == nil {
		return on
	}
	return &pep.Marker{Join: "and", Args: []pep.Marker{*marker, *on}}
}

// extrasByName is the extras that name a project, with or without a constraint:
// "lockfile (>=0.9)".
func extrasByName(extras *node) map[string][]string {
	byName := map[string][]string{}
	for _, extra := range extras.itemsOf() {
		if extra.kind != arrayKind {
			continue
		}
		for _, item := range extra.items {
			word := item.text[:len(item.text)-len(strings.TrimLeft(item.text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."))]
			name := pep.NormalizeName(word)
			byName[name] = append(byName[name], pep.NormalizeName(extra.name))
		}
	}
	return byName
}
