package gate

import (
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/wheels/whl"
)

// part is a wheel as far as the gate looks at it. Paths are those of installed
// files, below the virtual environment.
type part struct {
	Name    string   `json:"name"`    // normalised: "lxml"
	Version string   `json:"version"` // as its metadata say it: "5.2.1"
	Label   string   `json:"label"`   // "lxml 5.2.1"
	File    string   `json:"file"`    // "lxml-5.2.1-cp313-cp313-manylinux_2_28_x86_64.whl"
	Modules []string `json:"modules"` // to import
	Scripts []script `json:"scripts"`
	ELF     []binary `json:"elf"`
	Back    []string `json:"back"` // what it depends on and the house leaves out, as it is the project itself

	requires []string          // the names of what it depends on, normalised
	files    map[string]member // by path
	startup  bool              // it has files that Python runs at its start
}

// tops are the names of what a wheel has in site-packages: "six" of six.py and of a
// directory six, "six-1.17.0.dist-info". Sorted.
func (p *part) tops(site string) (tops []string) {
	for at := range p.files {
		rest, ok := strings.CutPrefix(at, site+"/")
		if !ok {
			continue
		}
		top, _, below := strings.Cut(rest, "/")
		if !below {
			top, _, _ = strings.Cut(top, ".")
		}
		tops = append(tops, top)
	}
	slices.Sort(tops)
	return slices.Compact(tops)
}

// places are the paths of what is installed of a wheel, below the virtual
// environment.
func (p *part) places() []string {
	places := slices.Collect(maps.Keys(p.files))
	for _, s := range p.Scripts {
		if _, ok := p.files["bin/"+s.Name]; !ok {
			places = append(places, "bin/"+s.Name)
		}
	}
	slices.Sort(places)
	return places
}

// script is a console script or the like.
type script struct {
	Name   string   `json:"name"`
	Module string   `json:"module"`
	Attr   string   `json:"attr"`   // "main", "App.run"; or empty
	Extras []string `json:"extras"` // of the wheel, without which it does not work
}

// binary is a program or a shared library.
type binary struct {
	Path   string   `json:"path"`   // "lib/python3.13/site-packages/lxml/etree.cpython-313-x86_64-linux-gnu.so"
	Module string   `json:"module"` // "lxml.etree", of an extension module; or empty
	Needed []string `json:"needed"` // "libxml2.so.2"
	Loaded []string `json:"loaded"` // of these, what is there only once the wheel's modules have loaded it

	soname  string
	runPath []string
}

// member is a file of a wheel.
type member struct {
	name string // in the archive
	hash string // SHA-256 in hexadecimal
}

// layout is where files of wheels are installed.
type layout struct{ series string } // "3.13"

func (l layout) site() string { return "lib/python" + l.series + "/site-packages" }

// place is where pip puts a file of a wheel; empty for what it does not install.
func (l layout) place(w pep.WheelName, name string) string {
	top, rest, _ := strings.Cut(name, "/")
	if !strings.HasSuffix(top, ".data") {
		return l.site() + "/" + name
	}
	kind, rest, _ := strings.Cut(rest, "/")
	if rest == "" {
		return ""
	}
	switch kind {
	case "purelib", "platlib":
		return l.site() + "/" + rest
	case "scripts":
		return "bin/" + rest
	case "data":
		return rest
	case "headers":
		return "include/site/python" + l.series + "/" + w.Dist + "/" + rest
	}
	return ""
}

// parts are the facts of wheels. project are names that the house leaves out.
func (g *Gate) parts(wheels []*whl.Wheel, project ...string) []*part {
	l := layout{g.Series}
	var parts []*part
	for _, w := range wheels {
		p := &part{
			Name: w.Name.Name, Version: w.Metadata.ReleaseVersion, Label: w.Name.Dist + " " + w.Metadata.ReleaseVersion,
			Modules: shallow(w.Modules), File: w.File, files: map[string]member{}, startup: len(w.PTH) > 0,
		}
		for _, r := range w.Metadata.RequiresDist {
			if req, err := pep.ParseRequirement(r); err == nil {
				name := pep.NormalizeName(req.Name)
				p.requires = append(p.requires, name)
				if slices.Contains(project, name) && !slices.Contains(p.Back, name) {
					p.Back = append(p.Back, name)
				}
			}
		}
		for _, f := range w.Files {
			if at := l.place(w.Name, f.Path); at != "" {
				p.files[at] = member{f.Path, f.SHA256}
			}
		}
		for _, s := range w.Scripts {
			if s.Module != "" {
				p.Scripts = append(p.Scripts, script{s.Name, s.Module, s.Attr, s.Extras})
			}
		}
		for _, f := range w.ELF {
			if b, ok := g.binary(l, w.Name, f); ok {
				p.ELF = append(p.ELF, b)
			}
		}
		parts = append(parts, p)
	}
	return parts
}

// binary is an ELF file that runs on the target; false for all others.
func (g *Gate) binary(l layout, name pep.WheelName, f whl.ELF) (b binary, ok bool) {
	at := l.place(name, f.Path)
	if at == "" || !f.Linked || f.Machine != g.Target.Machine() || musl(f.Needed) {
		return b, false
	}
	b = binary{Path: at, Needed: f.Needed, soname: f.Soname, runPath: slices.Concat(f.RPath, f.RunPath)}
	if f.Module {
		b.Module = moduleName(at, l.site())
	}
	return b, true
}

// musl is whether a file is for that C library, which no distro here has as
// its own: some wheels carry one file for each.
func musl(needed []string) bool {
	return slices.ContainsFunc(needed, func(n string) bool { return strings.HasPrefix(n, "libc.musl-") || n == "libc.so" })
}

// moduleName is the name under which an extension module is imported, by its
// path; empty if nobody can import it.
func moduleName(at, site string) string {
	rest, ok := strings.CutPrefix(at, site+"/")
	if !ok {
		return ""
	}
	parts := strings.Split(rest, "/")
	last := len(parts) - 1
	parts[last], _, _ = strings.Cut(parts[last], ".")
	if parts[last] == "__init__" {
		parts = parts[:last]
	}
	if slices.ContainsFunc(parts, func(s string) bool { return !identifier(s) }) {
		return ""
	}
	return strings.Join(parts, ".")
}

// identifier is whether a name can stand in an import statement; what is not
// ASCII is believed to.
func identifier(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') && r < 0x80 {
			return false
		}
	}
	return s != ""
}

// shallow leaves out modules that lie deeper in namespaces than their third part:
// some wheels have thousands of those.
func shallow(modules []string) []string {
	return slices.DeleteFunc(slices.Clone(modules), func(m string) bool { return strings.Count(m, ".") > 2 })
}
