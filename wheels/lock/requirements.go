package lock

import (
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// requirements reads a requirements.txt and the files that it includes.
func (r *reader) requirements(d *document) {
	r.lock.Format = "requirements.txt"
	q := &requirements{reader: r, seen: map[string]bool{d.file: true}, limits: map[string][]limit{}}
	q.file(d, false)
	q.settle()
}

type requirements struct {
	*reader
	size   int             // bytes of the files so far
	open   []string        // the files that include each other now
	seen   map[string]bool // files read, by name, those of -c after a "-c "
	limits map[string][]limit
	pinned []pinned

	limited int  // lines so far
	many    bool // too many
}

// pinned is a package and what is still to be checked of it.
type pinned struct {
	index  int // of Lock.Packages
	doc    *document
	at     offset
	specs  pep.Specifiers
	hashes []string // as written
	free   bool     // no hash is needed: git, a directory, the project
}

// file reads one file; limits is whether it is one of constraints.
func (q *requirements) file(d *document, limits bool) {
	if q.size += len(d.data); q.size > maxPlain {
		d.errorOf("more than %d MiB together, which is as much as is read of requirements", maxPlain>>20)
		return
	}
	q.open = append(q.open, d.file)
	lines(d.data, func(l logical) bool {
		if text := strings.TrimLeft(l.text, " \t"); strings.HasPrefix(text, "-") {
			q.option(d, q.words(d, l), limits)
		} else if strings.TrimSpace(text) != "" {
			q.requirement(d, l, limits)
		}
		return !d.full() && !q.many
	})
	q.open = q.open[:len(q.open)-1]
}

// words is the words of a line, none if there are too many.
func (q *requirements) words(d *document, l logical) []word {
	list := words(l)
	if len(list) > maxWords {
		d.errorf(offset(l.pos), "more than %d words in a line", maxWords)
		return nil
	}
	return list
}

// option reads a line of options.
func (q *requirements) option(d *document, list []word, limits bool) {
	for len(list) > 0 {
		at := offset(list[0].pos)
		name, value, rest := splitOption(list)
		list = rest
		switch {
		case name == "--requirement" || name == "--constraint":
			q.include(d, value, limits || name == "--constraint")
		case name == "--editable":
			q.editable(d, value)
		case name == "--require-hashes":
		case name == "--hash":
			d.errorf(at, "--hash without a requirement: is the backslash at the end of the line before missing?")
		case !slices.Contains(q.options.Allow, name):
			d.errorf(at, "%.40s is not allowed in a lock unless it is allowed by name", name)
		default:
			q.allowed(d, name, value)
		}
	}
}

// allowed takes an option that the caller let pass.
func (q *requirements) allowed(d *document, name string, value word) {
	at := offset(value.pos)
	switch name {
	case "--index-url", "--extra-index-url", "--find-links":
		kind := map[string]string{"--index-url": "index", "--extra-index-url": "extra-index", "--find-links": "find-links"}[name]
		if _, ok := d.address(at, value.text); ok {
			q.addIndex(Index{URL: strings.TrimSuffix(value.text, "/"), Kind: kind})
		}
	case "--no-binary", "--only-binary":
		list := &q.lock.NoBinary
		if name == "--only-binary" {
			list = &q.lock.OnlyBinary
		}
		for _, p := range strings.Split(value.text, ",") {
			switch p = strings.TrimSpace(p); p {
			case "":
			case ":none:":
				*list = nil
			case ":all:":
				*list = append(*list, p)
			default:
				*list = append(*list, d.name(at, p))
			}
		}
	}
}

// include reads the file of -r or -c.
func (q *requirements) include(d *document, value word, limits bool) {
	at := offset(value.pos)
	if strings.Contains(value.text, "://") {
		d.errorf(at, "an address: only a file within the project can be included")
		return
	}
	name := path.Join(path.Dir(d.file), value.text)
	if value.text == "" || path.IsAbs(value.text) || !fs.ValidPath(name) {
		d.errorf(at, "%.200q: only a file within the project can be included", value.text)
		return
	}
	if slices.Contains(q.open, name) {
		d.errorf(at, "%s includes itself: %s", name, strings.Join(append(slices.Clone(q.open), name), " → "))
		return
	}
	key := name
	if limits {
		key = "-c " + name
	}
	if q.seen[key] {
		return // reading it again changes nothing
	}
	q.seen[key] = true
	if len(q.open) > maxDepth {
		d.errorf(at, "files included more than %d deep", maxDepth)
		return
	}
	included, err := q.reader.open(name)
	if err != nil {
		d.parseError(at, err)
	} else if included != nil {
		q.file(included, limits)
	}
}

// editable takes -e of the project itself and nothing else.
func (q *requirements) editable(d *document, value word) {
	text, _, _ := strings.Cut(value.text, "[")
	if text = strings.TrimSuffix(text, "/"); text != "." {
		d.errorf(offset(value.pos), "-e of anything but the project itself (-e .)")
		return
	}
	pos := d.place(value.pos)
	q.add(d, offset(value.pos), Package{Source: Source{Kind: Project, Path: "."}, When: []Condition{{Pos: pos}}, Pos: pos})
}

// add adds a package, unless there are too many, which is told once.
func (q *requirements) add(d *document, at offset, pkg Package) bool {
	if q.many {
		return false
	}
	if q.many = len(q.lock.Packages) == maxPkgs; q.many {
		d.errorf(at, "more than %d packages", maxPkgs)
		return false
	}
	q.lock.Packages = append(q.lock.Packages, pkg)
	return true
}

// requirement reads a line that is one.
func (q *requirements) requirement(d *document, l logical, limits bool) {
	text := l.text
	p := pinned{doc: d}
	pkg := Package{}
	if i := optionsFrom(text); i >= 0 {
		q.perRequirement(d, &p, &pkg, q.words(d, logical{text[i:], l.pos + i}))
		text = text[:i]
	}
	lead := len(text) - len(strings.TrimLeft(text, " \t"))
	at := offset(l.pos + lead)
	text = strings.TrimSpace(text)
	pkg.Pos, p.at = d.pos(at), at

	before := len(*d.errs)
	if strings.HasPrefix(text, ".") || strings.Contains(strings.SplitN(text, " ", 2)[0], "/") {
		q.bare(d, at, &p, &pkg, text)
	} else {
		q.named(d, at, &p, &pkg, text)
	}
	if len(*d.errs) > before || d.full() {
		return
	}
	if q.limited++; limits && q.limited > 2*maxPkgs {
		d.errorf(at, "more than %d lines of packages and constraints", 2*maxPkgs)
		q.many = true
	}
	if limits {
		q.limits[pkg.Name] = append(q.limits[pkg.Name], limit{p.specs, p.hashes, pkg.Pos})
		return
	}
	p.index = len(q.lock.Packages)
	if q.add(d, at, pkg) {
		q.pinned = append(q.pinned, p)
	}
}

func (q *requirements) perRequirement(d *document, p *pinned, pkg *Package, list []word) {
	for len(list) > 0 {
		at := offset(list[0].pos)
		name, value, rest := splitOption(list)
		list = rest
		switch {
		case name == "--hash":
			before := len(*d.errs)
			if d.hash(offset(value.pos), value.text); len(*d.errs) > before {
				p.free = true // which is told already
			}
			p.hashes = append(p.hashes, value.text)
		case !strings.HasPrefix(name, "-"):
			d.errorf(at, "%.80q: want --hash", name)
		case !slices.Contains(q.options.Allow, name):
			d.errorf(at, "%.40s is not allowed in a lock unless it is allowed by name", name)
		default:
			pkg.Options = append(pkg.Options, name+"="+value.text)
		}
	}
}

// named reads "foo[extra]==1.0; marker" and "foo @ address ; marker".
func (q *requirements) named(d *document, at offset, p *pinned, pkg *Package, text string) {
	if !d.spend(at, 1+strings.Count(text, ".")/4+strings.Count(text, ",")) {
		return
	}
	req, err := pep.ParseRequirement(text)
	if err != nil {
		d.parseError(at, err)
		return
	}
	pkg.Name, pkg.Extras = pep.NormalizeName(req.Name), req.Extras
	pkg.When = []Condition{{Marker: req.Marker, Pos: pkg.Pos}}
	pkg.Source = Source{Kind: Registry}
	p.specs = req.Specifiers
	if req.URL != "" {
		q.direct(d, at, p, pkg, req.URL)
	}
}

// bare reads an address or a path without a name.
func (q *requirements) bare(d *document, at offset, p *pinned, pkg *Package, text string) {
	text, marker, _ := strings.Cut(text, " ;")
	text = strings.TrimSpace(text)
	pkg.When = []Condition{{Marker: d.marker(at, marker), Pos: pkg.Pos}}
	if strings.Contains(text, "://") {
		q.direct(d, at, p, pkg, text)
		return
	}
	text, _, _ = strings.Cut(text, "[")
	pkg.Source, p.free = d.local(at, text), true
	switch pkg.Source.Kind {
	case Archive:
		p.free = false
		q.archiveName(d, at, pkg, path.Base(pkg.Source.Path))
		pkg.Files = []File{{Name: path.Base(pkg.Source.Path), Path: pkg.Source.Path}}
	case Directory:
		if pkg.Source.Path != "" {
			pkg.Name = pep.NormalizeName(path.Base(pkg.Source.Path))
		}
	}
}

// direct reads an address: an archive or git.
func (q *requirements) direct(d *document, at offset, p *pinned, pkg *Package, text string) {
	address, fragment, _ := strings.Cut(text, "#")
	values, err := url.ParseQuery(fragment)
	if err != nil {
		d.errorf(at, "the part after # of the address is malformed")
		return
	}
	if pkg.Name == "" && values.Get("egg") != "" {
		pkg.Name = d.name(at, values.Get("egg"))
	}
	if scheme, _, _ := strings.Cut(address, "://"); strings.Contains(scheme, "+") || scheme == "git" {
		i := strings.LastIndex(address, "@")
		if !strings.HasPrefix(scheme, "git+") {
			d.errorf(at, "%.20q address: of version control only git is read", scheme)
			return
		}
		commit := ""
		if i > strings.LastIndex(address, "/") {
			address, commit = address[:i], address[i+1:]
		}
		pkg.Source, p.free = d.git(at, address, commit, values.Get("subdirectory")), true
		if pkg.Name == "" {
			d.errorf(at, "no name: write NAME @ %s…", scheme)
		}
		return
	}
	u, ok := d.address(at, address)
	if !ok {
		return
	}
	for algorithm := range values {
		if strong(algorithm) {
			p.hashes = append(p.hashes, algorithm+":"+values.Get(algorithm))
		}
	}
	q.archiveName(d, at, pkg, baseName(u))
	pkg.Source = Source{Kind: URL, URL: address, Subdirectory: d.subdirectory(at, values.Get("subdirectory"))}
	pkg.Files = []File{{Name: baseName(u), URL: address}}
}

// archiveName takes name and version from the file name of an archive. That of
// an sdist need not tell them ("v1.0.zip"), but then the requirement must.
func (q *requirements) archiveName(d *document, at offset, pkg *Package, file string) {
	if isWheel(file) {
		w, err := pep.ParseWheelName(file)
		if err != nil {
			d.parseError(at, err)
		} else if pkg.Name != "" && pkg.Name != w.Name {
			d.errorf(at, "file %.200q is not of %s but of %s", file, pkg.Name, w.Name)
		} else {
			pkg.Name, pkg.version, pkg.Version = w.Name, w.Version, w.Version.String()
		}
		return
	}
	if s, err := pep.ParseSdistName(file, pkg.Name); err == nil && isSdist(file) {
		pkg.Name, pkg.version, pkg.Version = s.Name, s.Version, s.Version.String()
	} else if pkg.Name == "" {
		d.errorf(at, "no name: write NAME @ address")
	}
}
