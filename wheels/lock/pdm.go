package lock

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// pdm reads a pdm.lock. With the strategy inherit_metadata its packages know
// their groups and markers; else pyproject.toml says what is needed.
func (r *reader) pdm(d *document, root *node) {
	metadata := d.want(root, "metadata", tableKind)
	version := d.want(metadata, "lock_version", stringKind)
	if version == nil {
		return
	}
	l := r.lock
	major, minor := numbers(version.text)
	if major != 4 && (major != 3 || minor < 1) {
		d.errorf(version, "lock_version %.20q of pdm.lock is not known: want 3.1 to 4.x", version.text)
		return
	}
	l.Format, l.extraEntries, l.extrasAreGroups = "pdm.lock "+version.text, true, true
	l.unlocked = slices.Clone(bootstrap)
	flat := false
	for _, s := range d.list(metadata, "strategy", stringKind) {
		flat = flat || s.text == "inherit_metadata"
	}
	for _, g := range d.list(metadata, "groups", stringKind) {
		l.Groups = append(l.Groups, pep.NormalizeName(g.text))
	}
	if v := d.want(metadata, "requires_python", stringKind); v != nil {
		l.RequiresPython, l.python, l.pythonPos = v.text, d.constraint(v, v.text), d.pos(v)
	}
	for _, n := range d.list(metadata, "targets", tableKind) {
		r.pdmTarget(d, n)
	}
	p := &pdmReader{reader: r, d: d, flat: flat, files: map[string]*node{}}
	for _, n := range d.table(metadata, "files") {
		// The keys are "name version" and "name[extra] version".
		name, version, _ := strings.Cut(n.name, " ")
		name, _, _ = strings.Cut(name, "[")
		p.files[pep.NormalizeName(name)+" "+version] = n
	}
	for _, n := range d.packages(root, "package") {
		p.pkg(n)
	}
	p.project()
}

func numbers(version string) (major, minor int) {
	a, b, _ := strings.Cut(version, ".")
	b, _, _ = strings.Cut(b, ".")
	major, _ = strconv.Atoi(a)
	minor, _ = strconv.Atoi(b)
	return major, minor
}

// pdmTarget reads a target that the lock is for: a Python, a platform, an
// implementation, as a marker.
func (r *reader) pdmTarget(d *document, n *node) {
	var parts []string
	if v := d.want(n, "requires_python", stringKind); v != nil {
		for _, sp := range d.specifiers(v) {
			parts = append(parts, "python_full_version "+sp.Op+" '"+sp.Text+"'")
		}
	}
	if p := d.want(n, "platform", stringKind); p != nil {
		parts = append(parts, platformMarker(p.text)...)
	}
	if i := d.want(n, "implementation", stringKind); i != nil {
		parts = append(parts, "implementation_name == '"+strings.ToLower(i.text)+"'")
	}
	r.lock.Environments = append(r.lock.Environments, Condition{Marker: d.marker(n, strings.Join(parts, " and ")), Pos: d.pos(n)})
}

// platformMarker says as markers what pdm calls a platform: "linux",
// "windows_amd64", "manylinux_2_28_x86_64", "macos_arm64".
func platformMarker(platform string) []string {
	system, arch, _ := strings.Cut(platform, "_")
	names := map[string]string{"linux": "linux", "manylinux": "linux", "musllinux": "linux", "windows": "win32", "macos": "darwin"}
	for prefix, name := range names {
		if strings.HasPrefix(system, prefix) {
			marker := []string{"sys_platform == '" + name + "'"}
			if p, ok := pep.ParsePlatform(platform); ok {
				arch = p.Arch
			} else if i := strings.LastIndex(arch, "_"); name != "linux" && i >= 0 && !strings.HasSuffix(arch, "x86_64") {
				arch = arch[i+1:]
			}
			if arch != "" && name == "linux" {
				marker = append(marker, "platform_machine == '"+arch+"'")
			}
			return marker
		}
	}
	return []string{"sys_platform == '" + strings.ReplaceAll(platform, "'", "") + "'"}
}

type pdmReader struct {
	*reader
	d     *document
	flat  bool
	files map[string]*node // of the metadata, before 4.3: by name and version
}

func (p *pdmReader) pkg(n *node) {
	d := p.d
	name := d.need(n, "name", stringKind)
	if name == nil {
		return
	}
	pkg := Package{Name: d.name(name, name.text), Source: Source{Kind: Registry}, Pos: d.pos(n)}
	if v := d.want(n, "version", stringKind); v != nil {
		d.setVersion(v, &pkg, v.text)
	}
	if v := d.want(n, "requires_python", stringKind); v != nil {
		pkg.Python, pkg.python = v.text, d.constraint(v, v.text)
	}
	for _, x := range d.list(n, "extras", stringKind) {
		pkg.Extras = append(pkg.Extras, d.name(x, x.text))
	}
	pkg.Dependencies = d.requirementList(n, "dependencies", "", "")
	p.source(n, &pkg)
	p.when(n, &pkg)
	p.fileList(n, &pkg)
	p.lock.Packages = append(p.lock.Packages, pkg)
}

func (p *pdmReader) when(n *node, pkg *Package) {
	d := p.d
	c := Condition{Pos: pkg.Pos}
	if m := d.want(n, "marker", stringKind); m != nil {
		c.Marker, c.Pos = d.marker(m, m.text), d.pos(m)
	}
	if !p.flat {
		if c.Marker != nil {
			pkg.When = []Condition{c}
		}
		return
	}
	groups := d.list(n, "groups", stringKind)
	for _, g := range groups {
		c.Group = pep.NormalizeName(g.text)
		pkg.When = append(pkg.When, c)
	}
	if len(groups) == 0 {
		c.Group = "default"
		pkg.When = []Condition{c}
	}
}

func (p *pdmReader) source(n *node, pkg *Package) {
	d := p.d
	subdirectory := d.subdirectory(n, d.str(n, "subdirectory"))
	switch {
	case n.get("git") != nil:
		if git := d.want(n, "git", stringKind); git != nil {
			commit := d.str(n, "revision")
			if commit == "" {
				commit = d.str(n, "ref")
			}
			pkg.Source = d.git(git, git.text, commit, subdirectory)
		}
	case n.get("url") != nil:
		if u := d.want(n, "url", stringKind); u != nil {
			d.address(u, u.text)
			pkg.Source = Source{Kind: URL, URL: u.text, Subdirectory: subdirectory}
		}
	case n.get("path") != nil:
		if path := d.want(n, "path", stringKind); path != nil {
			pkg.Source = d.local(path, path.text)
		}
	case n.get("hg") != nil || n.get("svn") != nil || n.get("bzr") != nil:
		d.errorf(n, "%s is under a version control that is not read: only git is", pkg.Name)
	}
}

func (p *pdmReader) fileList(n *node, pkg *Package) {
	d := p.d
	list := d.list(n, "files", tableKind)
	if shared := p.files[pkg.Name+" "+d.str(n, "version")]; shared != nil {
		if !d.spend(shared, len(shared.items)) {
			return
		}
		list = append(list, d.list(shared.parent, shared.name, tableKind)...)
	}
	switch pkg.Source.Kind {
	case Git, Directory, Project:
		return
	}
	for _, f := range list {
		p.file(f, pkg)
	}
}

func (p *pdmReader) file(n *node, pkg *Package) {
	d := p.d
	f := File{Name: d.str(n, "file")}
	if address := d.want(n, "url", stringKind); address != nil {
		if u, ok := d.address(address, address.text); ok {
			f.URL = address.text
			if f.Name == "" {
				f.Name = baseName(u)
			}
		}
	}
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
	}
	if pkg.Source.Kind == Registry || isWheel(f.Name) {
		d.checkFile(n, pkg, f.Name)
	}
	pkg.Files = append(pkg.Files, f)
}

// project reads of pyproject.toml what the lock does not hold. Asked for nothing,
// pdm installs all groups that were locked, optional ones too, and of a lock that
// does not tell them default and the development groups.
func (p *pdmReader) project() {
	l := p.lock
	l.DefaultGroups = []string{"default"}
	if len(l.Groups) > 0 {
		l.DefaultGroups = slices.Clone(l.Groups)
	}
	if p.flat {
		d, root := p.beside("pyproject.toml")
		if root == nil {
			l.Extras = slices.DeleteFunc(slices.Clone(l.Groups), func(g string) bool { return g == "default" })
			return
		}
		l.unlocked = append(l.unlocked, d.projectName(root))
		locked := set(l.Groups)
		for _, dep := range d.pdmRoots(root) {
			if dep.Extra != "" && locked[dep.Extra] {
				l.Extras = append(l.Extras, dep.Extra)
			}
		}
		return
	}
	if d, root := p.needProject(p.d, "pdm 2.11 (strategy inherit_metadata)"); root != nil {
		l.graph = true
		told := len(l.Groups) > 0
		l.addProject(d, d.projectName(root), d.pdmRoots(root))
		for _, dep := range l.Packages[len(l.Packages)-1].Dependencies {
			if dep.Group != "" && !told {
				l.DefaultGroups = append(l.DefaultGroups, dep.Group)
			}
		}
		if l.python == nil {
			l.requirePython(d, d.want(root, "project", tableKind))
		}
	}
}

// pdmRoots is the dependencies of a project of pdm.
func (d *document) pdmRoots(root *node) []Dependency {
	deps := d.projectRoots(d.want(root, "project", tableKind))
	dev := d.want(root.get("tool").get("pdm"), "dev-dependencies", tableKind)
	for _, group := range dev.itemsOf() {
		deps = append(deps, d.requirementList(dev, group.name, "", pep.NormalizeName(group.name))...)
	}
	return append(deps, d.groupRoots(root)...)
}
