// Package simple renders a simple index, from which pip and uv install wheels:
// the pages of its projects as HTML and as JSON, to be served as files. It is
// pure: the same Index gives the same bytes.
//
//	index.html             the projects              PEP 503, 629
//	index.json                                       PEP 691
//	psycopg2/index.html    the files of a project    PEP 503, 592, 629, 658, 714, 792
//	psycopg2/index.json                              PEP 691, 700, 714, 792
//
// Directories are named by the normalised names of the projects. The version of
// the interface is 1.4. Text is UTF-8.
//
// # A file
//
// On its project's page in HTML a file is
//
//	<a href="../../../../pool/5f/5f1c…/x-1.0-py3-none-any.whl#sha256=5f1c…"
//	  data-requires-python="&gt;=3.9"
//	  data-core-metadata="sha256=9a03…" data-dist-info-metadata="sha256=9a03…"
//	  data-yanked="not in generation 8">x-1.0-py3-none-any.whl</a>
//
// on one line, and in JSON, in one line likewise,
//
//	{"filename": "x-1.0-py3-none-any.whl", "url": "../../../../pool/5f/5f1c…/x-1.0-py3-none-any.whl#sha256=5f1c…",
//	 "hashes": {"sha256": "5f1c…"}, "requires-python": ">=3.9", "core-metadata": {"sha256": "9a03…"},
//	 "yanked": "not in generation 8", "size": 4711, "upload-time": "2026-01-02T03:04:05.000000Z"}
//
// What is empty is left out. In JSON the hash is in the URL, too, because pip 22.2
// and 22.3 neither choose nor check a file by "hashes"; and "dist-info-metadata" is
// left out, as PEP 714 advises: versions of pip that know only this name fail over it.
//
// URLs are relative to the page, so that the index works at any address, and from
// a mounted volume as file://…. They are as the page has them when its own URL
// ends in a slash or in index.html. The metadata of a file is at the file's URL
// with ".metadata" behind it.
//
// Files of a project are in the order of their versions, then of their names.
// Several may have the same name, and other bytes, if all but one of them are
// yanked: who names the hash of a yanked one gets it, nobody else does.
//
// # A status
//
// A project has the status "active" unless it is told. The page of a project that
// is "quarantined" lists no files, as PEP 792 demands.
package simple

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pep"
)

// Index is what is rendered.
type Index struct {
	Title  string            // of its first page, for people: "trixie, Python 3.13"
	Depth  int               // directories between the root and the index: simple/trixie/3.13 is 3
	Files  []File            // of all projects, in any order
	Status map[string]Status // by project, in any spelling; one that has no files has no page
}

// File is a wheel.
type File struct {
	Project        string // "psycopg2", in any spelling
	Version        string // "2.9.10"
	Name           string // "psycopg2-2.9.10-cp313-cp313-linux_x86_64.whl"
	SHA256         string // of its bytes, 64 lower-case hex digits
	Size           int64  // bytes
	RequiresPython string // ">=3.9", unchecked; or empty
	MetadataSHA256 string // of the file beside it, Path+".metadata"; empty: there is none
	Yanked         string // why; empty: it is not
	Path           string // from the root: "pool/5f/5f1c…/psycopg2-2.9.10-cp313-cp313-linux_x86_64.whl"
	Uploaded       time.Time
}

// Status is the status of a project by PEP 792.
type Status struct {
	State  string // "active", "archived", "quarantined" or "deprecated"
	Reason string // for people; or empty
}

// Page is a file of the index.
type Page struct {
	Path string // "psycopg2/index.html"
	Data []byte
}

// project is what a page shows.
type project struct {
	name     string // normalised
	versions []string
	files    []File
	status   Status
}

// Pages renders the index, in the order of the paths. All that is wrong with it
// is told at once, each with the name of the file or project: a name that is not
// that of a wheel, or of another project or version; a path that leaves the root
// or ends in another name; a hash that is none; two files of one name with other
// bytes of which neither is yanked; a status that PEP 792 does not have.
func (x *Index) Pages() ([]Page, error) {
	projects, err := x.projects()
	if err != nil {
		return nil, err
	}
	root := strings.Repeat("../", x.Depth+1)
	pages := make([]Page, 0, 2*len(projects)+2)
	pages = append(pages, Page{"index.html", indexHTML(x.Title, projects)}, Page{"index.json", indexJSON(projects)})
	for _, p := range projects {
		pages = append(pages,
			Page{p.name + "/index.html", projectHTML(p, root)},
			Page{p.name + "/index.json", projectJSON(p, root)})
	}
	slices.SortFunc(pages, func(a, b Page) int { return strings.Compare(a.Path, b.Path) })
	return pages, nil
}

// projects checks the index and sorts it into projects.
func (x *Index) projects() ([]project, error) {
	var problems []error
	if x.Depth < 0 {
		problems = append(problems, fmt.Errorf("render a simple index: a depth of %d", x.Depth))
	}
	status, err := x.statuses()
	if err != nil {
		problems = append(problems, err)
	}
	found := map[string][]versioned{}
	for _, f := range x.Files {
		v, err := check(f)
		if err != nil {
			problems = append(problems, fmt.Errorf("list %q in a simple index: %w", f.Name, err))
			continue
		}
		name := pep.NormalizeName(f.Project)
		found[name] = append(found[name], versioned{f, v})
	}
	projects := make([]project, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		files, err := unique(found[name])
		if err != nil {
			problems = append(problems, err)
			continue
		}
		p := project{name: name, status: status[name], files: []File{}, versions: []string{}}
		if p.status.State != quarantined {
			p.list(files)
		}
		projects = append(projects, p)
	}
	return projects, errors.Join(problems...)
}

// list fills in the files and versions of a project.
func (p *project) list(files []versioned) {
	for i, f := range files {
		p.files = append(p.files, f.File)
		if i == 0 || f.version.Compare(files[i-1].version) != 0 {
			p.versions = append(p.versions, f.version.String())
		}
	}
}

// versioned is a file with its version parsed.
type versioned struct {
	File
	version pep.Version
}

// unique sorts the files of a project and lists each once.
func unique(files []versioned) ([]versioned, error) {
	slices.SortFunc(files, func(a, b versioned) int {
		return cmp.Or(a.version.Compare(b.version), strings.Compare(a.Name, b.Name),
			strings.Compare(a.SHA256, b.SHA256), yanked(a)-yanked(b), strings.Compare(a.Yanked, b.Yanked), a.Uploaded.Compare(b.Uploaded))
	})
	var problems []error
	kept := files[:0]
	current := map[string]string{} // the hash of the file that is not yanked, by name
	for _, f := range files {
		if n := len(kept); n > 0 && kept[n-1].Name == f.Name && kept[n-1].SHA256 == f.SHA256 {
			if a, b := bare(kept[n-1]), bare(f); a != b {
				problems = append(problems, fmt.Errorf("list %q in a simple index: the same bytes twice, as %+v and %+v", f.Name, a, b))
			}
			continue
		}
		if f.Yanked == "" {
			if other, twice := current[f.Name]; twice {
				problems = append(problems, fmt.Errorf("list %q in a simple index: two files have this name, with SHA-256 %s and %s, and neither is yanked", f.Name, other, f.SHA256))
			}
			current[f.Name] = f.SHA256
		}
		kept = append(kept, f)
	}
	return kept, errors.Join(problems...)
}

func yanked(f versioned) int {
	if f.Yanked == "" {
		return 0
	}
	return 1
}

// bare is what two listings of the same bytes agree in.
func bare(f versioned) File {
	b := f.File
	b.Project, b.Version, b.Yanked, b.Uploaded = "", "", "", time.Time{}
	return b
}
