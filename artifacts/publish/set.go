package publish

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/pattern"
)

// Deb is a package of an apt repository.
type Deb struct {
	Blob
	Control string `json:"control"` // its control file
}

// Wheel is a file of a simple index.
type Wheel struct {
	Blob
	Project        string `json:"project"`                  // "psycopg2"
	Version        string `json:"version"`                  // "2.9.10"
	RequiresPython string `json:"requiresPython,omitempty"` // ">=3.9"
	MetadataSHA256 string `json:"metadataSHA256,omitempty"` // of its METADATA, put by PutMetadata; empty: there is none
}

// Stale says of an entry that it is not what it should be today.
type Stale struct {
	Since time.Time `json:"since"`
	Why   string    `json:"why,omitempty"` // "python 3.13.5 trixie: compile: exit status 2"
}

// Entry is what is published of one artifact.
type Entry struct {
	Cell     string        `json:"cell,omitempty"` // what it is for the publisher, whatever is in it: unique in a Set if not empty
	Name     string        `json:"name"`           // "python 3.13.5 trixie amd64"
	Kind     string        `json:"kind"`           // "python"
	Key      artifacts.Key `json:"key"`
	Distro   string        `json:"distro,omitempty"` // "trixie"; debs and wheels need one
	Arch     string        `json:"arch,omitempty"`   // "amd64"; debs need one
	Series   string        `json:"series,omitempty"` // "3.13"; wheels need one
	Finished time.Time     `json:"finished"`
	Stale    *Stale        `json:"stale,omitempty"`
	Debs     []Deb         `json:"debs,omitempty"`
	Wheels   []Wheel       `json:"wheels,omitempty"`
	Files    []Blob        `json:"files,omitempty"` // archives of wheelhouses
	Refs     []string      `json:"refs,omitempty"`  // of images: "registry.example.org/shop@sha256:5f1c…"
	Size     int64         `json:"size,omitempty"`  // of what is published elsewhere: an image's bytes
}

// Set is all that a generation publishes. Its order has no meaning, but is kept.
type Set struct {
	Entries []Entry `json:"entries"`
}

// File is a file that the caller gives.
type File struct {
	Path string // "report/index.html"
	Data []byte
}

// content is the hash of a set, in whatever order, without what says when.
func (s Set) content() (string, error) {
	entries := slices.Clone(s.Entries)
	for i := range entries {
		entries[i].Finished, entries[i].Stale = time.Time{}, nil
	}
	encoded := make([]json.RawMessage, len(entries))
	for i, e := range entries {
		data, err := json.Marshal(e)
		if err != nil {
			return "", err
		}
		encoded[i] = data
	}
	slices.SortFunc(encoded, func(a, b json.RawMessage) int { return cmp.Compare(string(a), string(b)) })
	data, err := json.Marshal(encoded)
	return hashBytes(data), err
}

var (
	distroPattern = pattern.New(`^[a-z][a-z0-9-]*$`)
	seriesPattern = pattern.New(`^[0-9]+\.[0-9]+[a-z]*$`)
)

// check returns all that is wrong with a set in itself.
func (s Set) check() error {
	var errs []error
	cells := map[string]bool{}
	for _, e := range s.Entries {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s: %w", cmp.Or(e.Name, e.Cell, "an entry without a name"), fmt.Errorf(format, args...)))
		}
		if e.Cell != "" && cells[e.Cell] {
			bad("%s is in the set twice", e.Cell)
		}
		cells[e.Cell] = true
		if len(e.Debs)+len(e.Wheels) > 0 && !distroPattern.MatchString(e.Distro) {
			bad("%q is not the codename of a distro", e.Distro)
		}
		if len(e.Wheels) > 0 && !seriesPattern.MatchString(e.Series) {
			bad("%q is not a series of Python", e.Series)
		}
		for _, b := range e.blobs() {
			if err := b.check(); err != nil {
				bad("%w", err)
			}
		}
		for _, w := range e.Wheels {
			if w.MetadataSHA256 != "" && !isHash(w.MetadataSHA256) {
				bad("%s: %q, of its metadata, is not a SHA-256 in lower-case hex digits", w.Name, w.MetadataSHA256)
			}
		}
	}
	return errors.Join(errs...)
}

// blobs are all files of an entry but the metadata of wheels.
func (e *Entry) blobs() (all []Blob) {
	for _, d := range e.Debs {
		all = append(all, d.Blob)
	}
	for _, w := range e.Wheels {
		all = append(all, w.Blob)
	}
	return append(all, e.Files...)
}

// distros are those of debs that the set has, sorted.
func (s Set) distros() (names []string) {
	for _, e := range s.Entries {
		if len(e.Debs) > 0 && !slices.Contains(names, e.Distro) {
			names = append(names, e.Distro)
		}
	}
	slices.Sort(names)
	return names
}

// target is what wheels are for: each has an index of its own.
type target struct{ distro, series string }

func (t target) dir() string { return "simple/" + t.distro + "/" + t.series + "/" }

// ConflictError is a package that was published with other bytes under the same
// name, which holds its version: apt would take the two for one.
type ConflictError struct {
	Name, Distro string
	Old, New     string // SHA-256
	Generation   int    // that has the old one; 0: the set itself
}

func (e *ConflictError) Error() string {
	where := "this set"
	if e.Generation > 0 {
		where = fmt.Sprintf("generation %d", e.Generation)
	}
	return fmt.Sprintf("%s of %s has other bytes than in %s (%.12s, was %.12s): a rebuilt package needs a new version", e.Name, e.Distro, where, e.New, e.Old)
}

// checkDebs returns a [*ConflictError] for each package of the set that has other
// bytes than another of the same name, in the set or in a former generation.
func (s Set) checkDebs(former []*Generation) error {
	type place struct{ distro, name string }
	seen := map[place]ConflictError{}
	var errs []error
	add := func(s Set, number int) {
		for _, e := range s.Entries {
			for _, d := range e.Debs {
				p := place{e.Distro, d.Name}
				first, known := seen[p]
				switch {
				case !known:
					seen[p] = ConflictError{Name: d.Name, Distro: e.Distro, New: d.SHA256, Generation: number}
				case first.Generation == 0 && first.New != d.SHA256:
					errs = append(errs, &ConflictError{d.Name, e.Distro, d.SHA256, first.New, number})
				}
			}
		}
	}
	add(s, 0)
	for _, g := range former {
		add(g.Set, g.Number)
	}
	return errors.Join(errs...)
}
