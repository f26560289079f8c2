package sdist

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/wheels/whl"
)

// Source is what a wheel is built from.
type Source struct {
	File  string // what errors call it: "foo-1.0.tar.gz", "libs/foo"
	Build System

	// Subdirectory is where in the tree the project is, "" for its top. The whole
	// tree is written, for the project may reach for what is beside it; hooks run
	// there.
	Subdirectory string

	Metadata *whl.Metadata // of PKG-INFO; nil if there is none, or outside source distributions none that can be read
	Newest   time.Time     // of the files, to the second, in UTC; from 1980 to 2099: SOURCE_DATE_EPOCH
	Size     int64         // bytes of all files
	Compiled int           // files in languages that are compiled, without tests and examples
	HasCargo bool          // there is a Cargo.toml in the project, two directories down at most
	Cargo    []File        // every Cargo.toml and Cargo.lock of the tree, without tests and examples; sorted

	tree   tree
	hash   string
	unread error // why there are no Metadata though there is a PKG-INFO
}

// File is a small file of a source.
type File struct {
	Name string // in the tree: "src/rust/Cargo.lock"
	Data []byte
}

// tree is where the files are.
type tree interface {
	// copy streams them. Rules say nothing of what is stripped.
	copy(dst *tar.Writer, rules fetch.Rules) error
}

// Open reads a source distribution. Its name is filename; the path may be anything,
// as files in the cache are named by hash.
func Open(path, filename string) (*Source, error) {
	s, err := open(path, filename, "", true, defaults())
	if err != nil {
		return nil, err
	}
	if err := s.checkName(); err != nil {
		return nil, err
	}
	return s, nil
}

// FromArchive reads an archive in which a project is at the top or in a
// subdirectory, "libs/foo". A directory that holds everything is stripped first. What
// follows a "-" in its name, or whether it has a PKG-INFO, does not matter.
func FromArchive(path, filename, subdirectory string) (*Source, error) {
	if subdirectory != "" && (!fs.ValidPath(subdirectory) || subdirectory == ".") {
		return nil, fmt.Errorf("%s: subdirectory %.200q: want one within the archive", filename, subdirectory)
	}
	s, err := open(path, filename, subdirectory, true, defaults())
	var bad *BadError
	if !errors.As(err, &bad) {
		return s, err
	}
	if several, e := hasSeveral(path, filename, defaults()); e != nil || !several {
		return nil, err
	}
	return open(path, filename, subdirectory, false, defaults())
}

func open(path, filename, subdirectory string, strip bool, limits limits) (*Source, error) {
	a, err := newArchive(path, filename, strip, limits)
	if err != nil {
		return nil, err
	}
	return read(&Source{File: filename, Subdirectory: subdirectory, tree: a}, &scan{sub: subdirectory})
}

// read goes over the tree once and fills in what it says.
func read(s *Source, sc *scan) (*Source, error) {
	if err := stream(s.tree, fetch.Rules{}, sc.member); err != nil {
		return nil, blame(s.File, err)
	}
	if s.Subdirectory != "" && !sc.found {
		return nil, &BadError{s.File, s.Subdirectory, "no such directory"}
	}
	if sc.pyproject == nil && !sc.setup {
		where := ""
		if s.Subdirectory != "" {
			where = " in " + s.Subdirectory
		}
		return nil, &BadError{s.File, "", "nothing that builds: neither pyproject.toml nor setup.py" + where}
	}
	s.Cargo = slices.SortedFunc(slices.Values(sc.crates), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var err error
	s.Newest, s.Size, s.Compiled, s.HasCargo, s.hash = clamp(sc.newest), sc.size, sc.compiled, sc.cargo, sc.sum()
	s.Build, err = system(path.Join(s.File, s.Subdirectory, "pyproject.toml"), sc.pyproject)
	if err != nil {
		return nil, err
	}
	if sc.info == nil {
		return s, nil
	}
	if m, err := whl.ParseMetadata(sc.info); err == nil {
		s.Metadata = &m
	} else {
		s.unread = &BadError{s.File, "PKG-INFO", err.Error()}
	}
	return s, nil
}

// clamp brings a time to what zip files and SOURCE_DATE_EPOCH can hold.
func clamp(t time.Time) time.Time {
	oldest := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	switch {
	case t.Before(oldest):
		return oldest
	case !t.Before(end):
		return end.Add(-time.Second)
	}
	return t.UTC().Truncate(time.Second)
}

// checkName holds PKG-INFO to the file's name.
func (s *Source) checkName() error {
	if s.Metadata == nil {
		return s.unread
	}
	m := s.Metadata
	bad := func(why string) error {
		return &BadError{s.File, "PKG-INFO", fmt.Sprintf("is of %s %s: %s", m.Name, m.ReleaseVersion, why)}
	}
	name, err := pep.ParseSdistName(s.File, m.Name)
	if err != nil {
		return bad(err.Error())
	}
	v, err := pep.ParseVersion(m.ReleaseVersion)
	if err != nil {
		return bad(err.Error())
	}
	if v.Compare(name.Version) != 0 {
		return bad("the file's name says " + name.Version.String())
	}
	return nil
}

// Hash is what the files of a directory are, "h1:…"; "" for an archive, whose own
// hash says that.
func (s *Source) Hash() string { return s.hash }

// WriteTar writes the source as a tar stream in which everything is below the
// directory top ("build/src") and belongs to a user. The writer is not closed.
func (s *Source) WriteTar(dst *tar.Writer, top string, uid, gid int) error {
	rules := fetch.Rules{Top: top, UID: uid, GID: gid, MTime: s.Newest}
	if s.hash == "" {
		if err := s.tree.copy(dst, rules); err != nil {
			return fmt.Errorf("%s: %w", s.File, err)
		}
		return nil
	}
	return s.writeHashed(dst, rules)
}
