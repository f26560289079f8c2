package lock

import (
	"fmt"
	"time"

	"github.com/pybake/pybake/internal/pep"
)

// Lock is a lock file, whatever its format.
type Lock struct {
	File           string         // "uv.lock", as given to Read
	Format         string         // "uv.lock 1.3", "requirements.txt", "poetry.lock 2.1"
	RequiresPython string         // as the lock says it: ">=3.11", "^3.8"; "" for any
	Environments   []Condition    // the target meets one of them, if there are any
	Indexes        []Index        // in the order of the lock
	Extras         []string       // that can be asked for, normalised, sorted
	Groups         []string       // likewise
	DefaultGroups  []string       // taken unless the target says no
	NoBinary       []string       // of allowed --no-binary lines: names or ":all:"
	OnlyBinary     []string       // of allowed --only-binary lines
	Roots          []Dependency   // of a graph; nil in a flat lock
	Packages       []Package      // in the order of the lock
	Conflicts      [][]ConflictOf // extras and groups that exclude each other
	ExcludeNewer   time.Time      // uv was told to take nothing that is newer; zero for no bound
	Notes          []string       // what a reader should know: "no pyproject.toml: ..."

	python          constraint
	pythonPos       Pos
	graph           bool
	exact           bool     // uv: an edge says all that is needed to find its package
	extraEntries    bool     // pdm: a package has an entry of its own for each set of extras
	extrasAreGroups bool     // pdm: an extra of the project is a group too
	unlocked        []string // names that may be missing: the project, and pip in old locks
}

// Newest is when the newest file that the lock names was uploaded: what it needs
// to be built need not be newer. It is zero if the lock tells no times.
func (l *Lock) Newest() time.Time {
	var newest time.Time
	for _, p := range l.Packages {
		for _, f := range p.Files {
			if f.Time.After(newest) {
				newest = f.Time
			}
		}
	}
	return newest
}

// Pos is a place in a file.
type Pos struct {
	File      string
	Line, Col int // from 1; the column in bytes
}

func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Index is a package index that the lock names.
type Index struct {
	Name string // "pypi"; "" if the lock gives none
	URL  string // may hold ${VAR}, for the caller to fill in
	Kind string // "index", "extra-index" or "find-links"
}

// Package is one entry of a lock.
type Package struct {
	Name         string      // normalised
	Version      string      // normal form; "" for a project or a source tree without one
	Extras       []string    // as the entry has them: it is for these, a project provides them
	When         []Condition // any of them selects the package; in a graph, makes the edges to it real
	Python       string      // requires-python of the package, as the lock says it
	Dependencies []Dependency
	Source       Source
	Files        []File
	Hashes       []string // of files that the lock does not name: the file has one of them
	Options      []string // of an allowed "--config-settings=..." and the like
	Pos          Pos

	version pep.Version
	python  constraint
	groups  []string // of a project: those that it declares
}

// Condition is when a package of a flat lock is needed: in a group that was asked
// for, with a marker that holds. Empty parts always hold.
type Condition struct {
	Group  string
	Marker *pep.Marker
	Pos    Pos
}

// Dependency is an edge of a lock.
type Dependency struct {
	Name   string      // normalised
	Extras []string    // of that package
	Marker *pep.Marker // nil for always
	Extra  string      // only with this extra of the package that has the edge
	Group  string      // only with this group; of roots and of projects
	Pos    Pos

	want   constraint // of the version; nil for any
	python constraint // only for these Pythons
	source string     // key of the source, where the lock gives it
}

// ConflictOf is one side of a conflict: an extra or a group of a package.
type ConflictOf struct {
	Package, Extra, Group string
}

// SourceKind is where a package comes from.
type SourceKind string

const (
	Registry  SourceKind = "registry"  // an index
	URL       SourceKind = "url"       // one archive
	Git       SourceKind = "git"       // a commit
	Archive   SourceKind = "archive"   // an archive within the tree
	Directory SourceKind = "directory" // a source tree within the tree
	Project   SourceKind = "project"   // the project itself or a member of its workspace
)

// Source is where a package comes from. URL is the index, which may be "" for
// any, the archive or the repository.
type Source struct {
	Kind         SourceKind
	URL          string
	Commit       string // of git: 40 or 64 hexadecimal digits
	Subdirectory string // of the archive or repository
	Path         string // within the tree: "libs/foo"
}

func (s Source) key() string {
	return string(s.Kind) + " " + s.URL + "#" + s.Commit + "&" + s.Subdirectory + " " + s.Path
}

// File is a file of a package.
type File struct {
	Name   string    // "foo-1.0-py3-none-any.whl"; "" for one that only the index knows
	URL    string    // "" if only the index knows
	Path   string    // within the tree, instead of URL
	Hashes []string  // "sha256:..." in lower case; of one file: all hold
	Size   int64     // bytes; 0 for unknown
	Time   time.Time // of the upload; zero for unknown
}
