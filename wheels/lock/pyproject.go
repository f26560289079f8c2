package lock

import (
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// needProject is the pyproject.toml beside a lock that means nothing without.
func (r *reader) needProject(d *document, since string) (*document, *node) {
	before := len(r.errs)
	pd, root := r.beside("pyproject.toml")
	if root == nil && len(r.errs) == before {
		d.errorOf("needs the pyproject.toml beside it, which is not there: before %s a lock does not say which packages are needed when", since)
	}
	return pd, root
}

// addProject adds the project as a package whose dependencies are the roots.
func (l *Lock) addProject(d *document, name string, deps []Dependency) {
	if name == "" {
		name = "the-project"
	}
	pkg := Package{Name: pep.NormalizeName(name), Source: Source{Kind: Project, Path: "."}, Dependencies: deps, Pos: Pos{d.file, 1, 1}}
	l.Packages = append(l.Packages, pkg)
	l.Roots = []Dependency{{Name: pkg.Name, Pos: pkg.Pos, source: pkg.Source.key()}}
	for _, dep := range deps {
		l.provide(dep)
	}
}

// bootstrap is what old locks leave out on purpose.
var bootstrap = []string{"pip", "setuptools", "distribute", "wheel"}

// project reads of pyproject.toml what a poetry.lock does not hold.
func (p *poetryReader) project() {
	l := p.lock
	l.unlocked = slices.Clone(bootstrap)
	if !p.flat {
		if d, root := p.needProject(p.d, "poetry 2.1 (lock-version 2.1)"); root != nil {
			l.graph = true
			name, deps := poetryRoots(d, root)
			l.addProject(d, name, deps)
			l.DefaultGroups = d.poetryDefaults(root, l.Groups)
		}
		return
	}
	d, root := p.beside("pyproject.toml")
	if root == nil {
		l.DefaultGroups = slices.Clone(l.Groups)
		l.Notes = append(l.Notes, "no pyproject.toml beside the lock: no group is taken to be optional")
		return
	}
	l.unlocked = append(l.unlocked, d.projectName(root))
	l.DefaultGroups = d.poetryDefaults(root, l.Groups)
}

func (d *document) projectName(root *node) string {
	if name := d.str(d.want(root, "project", tableKind), "name"); name != "" {
		return pep.NormalizeName(name)
	}
	return pep.NormalizeName(d.str(root.get("tool").get("poetry"), "name"))
}

// poetryDefaults is the groups that are not optional.
func (d *document) poetryDefaults(root *node, groups []string) []string {
	optional := map[string]bool{}
	for _, n := range d.table(root.get("tool").get("poetry"), "group") {
		optional[pep.NormalizeName(n.name)] = d.flag(n, "optional")
	}
	list := []string{"main"}
	for _, g := range groups {
		if !optional[g] {
			list = append(list, g)
		}
	}
	return list
}

// poetryRoots is the dependencies of a project of poetry.
func poetryRoots(d *document, root *node) (name string, deps []Dependency) {
	tool := d.want(d.want(root, "tool", tableKind), "poetry", tableKind)
	project := d.want(root, "project", tableKind)
	extras := extrasByName(d.want(tool, "extras", tableKind))
	if project.get("dependencies") != nil || project.get("optional-dependencies") != nil {
		deps = d.projectRoots(project)
	} else {
		for _, n := range d.table(tool, "dependencies") {
			deps = append(deps, d.poetryDependency(n, extras, "")...)
		}
	}
	for _, n := range d.table(tool, "dev-dependencies") {
		deps = append(deps, d.poetryDependency(n, nil, "dev")...)
	}
	groups := d.want(tool, "group", tableKind)
	for _, group := range groups.itemsOf() {
		for _, n := range d.groupTables(groups, group) {
			for _, n := range d.table(n, "dependencies") {
				deps = append(deps, d.poetryDependency(n, nil, pep.NormalizeName(group.name))...)
			}
		}
	}
	return d.projectName(root), append(deps, d.groupRoots(root)...)
}

// groupTables is a group of poetry and those that it includes.
func (d *document) groupTables(groups, group *node) []*node {
	list, seen := []*node{group}, map[*node]bool{group: true}
	for i := 0; i < len(list) && d.spend(group, 1); i++ {
		for _, name := range d.list(list[i], "include-groups", stringKind) {
			if next := groups.get(name.text); next != nil && !seen[next] {
				list, seen[next] = append(list, next), true
			}
		}
	}
	return list
}

// projectRoots is what [project] depends on.
func (d *document) projectRoots(project *node) []Dependency {
	deps := d.requirementList(project, "dependencies", "", "")
	for _, extra := range d.table(project, "optional-dependencies") {
		deps = append(deps, d.requirementList(project.get("optional-dependencies"), extra.name, pep.NormalizeName(extra.name), "")...)
	}
	return deps
}

// requirementList reads an array of requirements as edges.
func (d *document) requirementList(n *node, key, extra, group string) []Dependency {
	var deps []Dependency
	for _, item := range d.list(n, key, stringKind) {
		if dep, ok := d.requirement(item, item.text); ok {
			dep.Extra, dep.Group = extra, group
			deps = append(deps, dep)
		}
	}
	return deps
}

// requirement reads a requirement of PEP 508, or "-e path#egg=name" as pdm has
// it, as an edge.
func (d *document) requirement(p place, text string) (Dependency, bool) {
	if rest, editable := strings.CutPrefix(text, "-e "); editable {
		_, egg, ok := strings.Cut(rest, "#egg=")
		if !ok {
			d.errorf(p, "-e without #egg=NAME")
			return Dependency{}, false
		}
		text, _, _ = strings.Cut(egg, "&")
	}
	if !d.spendText(p, text) {
		return Dependency{}, false
	}
	r, err := pep.ParseRequirement(text)
	if err != nil {
		d.parseError(p, err)
		return Dependency{}, false
	}
	dep := Dependency{Name: pep.NormalizeName(r.Name), Marker: r.Marker, Pos: d.pos(p)}
	if len(r.Specifiers) > 0 {
		dep.want = constraint{r.Specifiers}
	}
	for _, x := range r.Extras {
		dep.Extras = append(dep.Extras, pep.NormalizeName(x))
	}
	return dep, true
}

const (
	maxGroups = 500 // of a project: expanding one looks at all
	maxFailed = 5   // of these, as each may tell of the same circle
)

// groupRoots is what the [dependency-groups] of PEP 735 hold.
func (d *document) groupRoots(root *node) []Dependency {
	table := d.want(root, "dependency-groups", tableKind)
	groups := map[string][]any{}
	for _, g := range table.itemsOf() {
		if d.is(g, arrayKind) == nil {
			return nil
		}
		list := []any{}
		for _, item := range g.items {
			if item.kind == tableKind {
				list = append(list, map[string]any{"include-group": d.str(item, "include-group")})
			} else if d.is(item, stringKind) != nil && !strings.HasPrefix(item.text, "-e ") {
				list = append(list, item.text)
			}
		}
		groups[g.name] = list
	}
	if len(groups) > maxGroups {
		d.errorf(table, "more than %d groups", maxGroups)
		return nil
	}
	var deps []Dependency
	failed := 0
	for _, g := range table.itemsOf() {
		requirements, err := pep.ExpandGroup(groups, g.name)
		if !d.spend(g, len(requirements)) {
			return nil
		}
		if err != nil {
			if d.parseError(g, err); failed == maxFailed {
				return nil
			}
			failed++
			continue
		}
		for _, r := range requirements {
			if dep, ok := d.requirement(g, r.String()); ok {
				dep.Group = pep.NormalizeName(g.name)
				deps = append(deps, dep)
			}
		}
	}
	return deps
}
