package lock

import (
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// pylock reads a pylock.toml (PEP 751).
func (r *reader) pylock(d *document, root *node) {
	version := d.want(root, "lock-version", stringKind)
	if version == nil {
		return
	}
	if major, _, _ := strings.Cut(version.text, "."); major != "1" {
		d.errorf(version, "lock-version %.20q of pylock.toml is not known: want 1.0", version.text)
		return
	}
	l := r.lock
	l.Format = "pylock.toml " + version.text
	if version.text != "1.0" {
		l.Notes = append(l.Notes, "lock-version "+version.text+" is newer than 1.0: what it added is not read")
	}
	if by := d.need(root, "created-by", stringKind); by != nil {
		r.createdBy = by.text
	}
	l.requirePython(d, root)
	for _, e := range d.list(root, "environments", stringKind) {
		l.Environments = append(l.Environments, Condition{Marker: d.marker(e, e.text), Pos: d.pos(e)})
	}
	for key, names := range map[string]*[]string{"extras": &l.Extras, "dependency-groups": &l.Groups, "default-groups": &l.DefaultGroups} {
		for _, n := range d.list(root, key, stringKind) {
			*names = append(*names, d.name(n, n.text))
		}
	}
	if d.need(root, "packages", arrayKind) == nil {
		return
	}
	for _, n := range d.packages(root, "packages") {
		r.pylockPackage(d, n)
	}
}

// requirePython reads the requires-python of the lock, or of the project.
func (l *Lock) requirePython(d *document, n *node) {
	l.RequiresPython, l.python = d.python(n, "requires-python")
	if n = n.get("requires-python"); n != nil {
		l.pythonPos = d.pos(n)
	}
}

// python reads a requires-python.
func (d *document) python(n *node, key string) (string, constraint) {
	s := d.want(n, key, stringKind)
	if s == nil {
		return "", nil
	}
	return s.text, constraint{d.specifiers(s)}
}

// specifiers reads a set of specifiers.
func (d *document) specifiers(n *node) pep.Specifiers {
	if !d.spendText(n, n.text) {
		return nil
	}
	specs, err := pep.ParseSpecifiers(n.text)
	if err != nil {
		d.parseError(n, err)
	}
	return specs
}

func (r *reader) pylockPackage(d *document, n *node) {
	name := d.need(n, "name", stringKind)
	if name == nil {
		return
	}
	pkg := Package{Name: d.name(name, name.text), Pos: d.pos(n)}
	if v := d.want(n, "version", stringKind); v != nil {
		d.setVersion(v, &pkg, v.text)
	}
	pkg.Python, pkg.python = d.python(n, "requires-python")
	condition := Condition{Pos: pkg.Pos}
	if m := d.want(n, "marker", stringKind); m != nil {
		condition = Condition{Marker: d.marker(m, m.text), Pos: d.pos(m)}
	}
	pkg.When = []Condition{condition}
	r.pylockSource(d, n, &pkg)
	r.lock.Packages = append(r.lock.Packages, pkg)
}

func (r *reader) pylockSource(d *document, n *node, pkg *Package) {
	given := []string{}
	for _, key := range []string{"vcs", "directory", "archive", "sdist"} {
		if n.get(key) != nil {
			given = append(given, key)
		}
	}
	if !slices.Contains(given, "sdist") && (n.get("wheels") != nil || n.get("tool").get("pipenv").get("hashes") != nil) {
		given = append(given, "wheels")
	}
	switch {
	case len(given) == 0:
		d.errorf(n, "%s has no files: want one of vcs, directory, archive, sdist and wheels", pkg.Name)
		return
	case len(given) > 1:
		d.errorf(n, "%s has %s: want only one source", pkg.Name, strings.Join(given, " and "))
		return
	}
	switch given[0] {
	case "vcs":
		if vcs := d.want(n, "vcs", tableKind); vcs != nil {
			d.pylockVCS(vcs, pkg)
		}
	case "directory":
		if dir := d.want(n, "directory", tableKind); dir != nil {
			pkg.Source = d.localDirectory(dir)
		}
	case "archive":
		if archive := d.want(n, "archive", tableKind); archive != nil {
			file := d.pylockFile(archive, pkg, true)
			pkg.Source = Source{Kind: URL, URL: file.URL, Path: file.Path, Subdirectory: d.subdirectory(archive, d.str(archive, "subdirectory"))}
			if file.Path != "" {
				pkg.Source.Kind = Archive
			}
			pkg.Files = []File{file}
		}
	default:
		r.pylockFiles(d, n, pkg)
	}
}

func (d *document) localDirectory(n *node) Source {
	p := d.need(n, "path", stringKind)
	if p == nil {
		return Source{Kind: Directory}
	}
	source := d.local(p, p.text)
	if source.Kind == Archive {
		source.Kind = Directory
	}
	source.Subdirectory = d.subdirectory(n, d.str(n, "subdirectory"))
	return source
}

func (d *document) pylockVCS(vcs *node, pkg *Package) {
	if kind := d.need(vcs, "type", stringKind); kind != nil && kind.text != "git" {
		d.errorf(kind, "version control %.20q: only git is read", kind.text)
		return
	}
	commit := d.need(vcs, "commit-id", stringKind)
	if commit == nil {
		return
	}
	if address := d.want(vcs, "url", stringKind); address != nil {
		pkg.Source = d.git(address, address.text, commit.text, d.str(vcs, "subdirectory"))
	} else {
		d.errorf(vcs, "git from a path: want a url")
	}
}

func (r *reader) pylockFiles(d *document, n *node, pkg *Package) {
	pkg.Source = Source{Kind: Registry}
	if index := d.want(n, "index", stringKind); index != nil {
		if _, ok := d.address(index, index.text); ok {
			pkg.Source.URL = strings.TrimSuffix(index.text, "/")
			r.addIndex(Index{URL: pkg.Source.URL, Kind: "index"})
		}
	}
	wheels := d.list(n, "wheels", tableKind)
	names := map[string]int{}
	for _, w := range wheels {
		if name := w.get("name"); name != nil {
			names[name.text]++
		}
	}
	for _, w := range wheels {
		if r.invented(n, w, names) {
			pkg.Hashes = append(pkg.Hashes, d.pylockHashes(w)...)
		} else {
			pkg.Files = append(pkg.Files, d.pylockFile(w, pkg, false))
		}
	}
	for _, h := range d.list(n.get("tool").get("pipenv"), "hashes", stringKind) {
		pkg.Hashes = append(pkg.Hashes, d.hashes(h, []string{h.text})...)
	}
	if s := d.want(n, "sdist", tableKind); s != nil {
		pkg.Files = append(pkg.Files, d.pylockFile(s, pkg, false))
	}
}

// pylockFile reads the table of a wheel, an sdist or an archive. The name of an
// archive need not tell its package.
func (d *document) pylockFile(n *node, pkg *Package, archive bool) File {
	f := File{Name: d.str(n, "name"), Size: d.size(n), Time: when(d.want(n, "upload-time", timeKind))}
	address, local := d.want(n, "url", stringKind), d.want(n, "path", stringKind)
	switch {
	case address != nil:
		if u, ok := d.address(address, address.text); ok {
			f.URL = address.text
			if f.Name == "" {
				f.Name = baseName(u)
			}
		}
	case local != nil:
		f.Path, _ = d.path(local, local.text)
		if i := strings.LastIndex(f.Path, "/"); f.Name == "" {
			f.Name = f.Path[i+1:]
		}
	}
	f.Hashes = d.pylockHashes(n)
	switch {
	case f.Name == "" && !d.full():
		if address == nil && local == nil {
			d.errorf(n, "want url, path or name")
		}
	case !archive || isWheel(f.Name):
		d.checkFile(n, pkg, f.Name)
	}
	return f
}

func (d *document) pylockHashes(n *node) []string {
	hashes := d.need(n, "hashes", tableKind)
	if hashes == nil {
		return nil
	}
	var texts []string
	for _, h := range hashes.items {
		if d.is(h, stringKind) != nil {
			texts = append(texts, h.name+":"+h.text)
		}
	}
	return d.hashes(hashes, texts)
}

// invented is whether the name of a wheel is made up, so that only the hash
// counts. pipenv before 2026.2 gives all files of a package, the sdist too, the
// name of one wheel, and no address or one that it puts together of index and name.
// names is how many wheels have a name.
func (r *reader) invented(n, w *node, names map[string]int) bool {
	name, address := w.get("name"), w.get("url")
	if name == nil || w.get("path") != nil {
		return false
	}
	if r.createdBy == "pipenv" {
		index, of := n.get("index"), n.get("name")
		return address == nil || index != nil && address.text == strings.TrimSuffix(index.text, "/")+"/"+of.text+"/"+name.text
	}
	return address == nil && names[name.text] > 1
}
