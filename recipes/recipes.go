// Package recipes holds what pybake knows about distros, CPython series and
// CPython releases: data that says how something is built, apart from the code
// that builds it.
//
// The data is embedded and may be overridden by the recipes directory of a
// project, which has the same shape:
//
//	distros/trixie.toml    a Debian or Ubuntu release, by codename
//	python/3.13.toml       a CPython series
//	wheels/psycopg2.toml   a Python package that needs more than it says, by its
//	                       normalised name (PEP 503)
//	profiles/3.13-trixie-amd64.toml, .tar.xz
//	                       what PGO learned of a series with one compiler
//	wheels/psycopg2/*.patch   what its recipe says is changed in the source
//	wheels/*.lock          a Cargo.lock that a recipe of a package names
//	rust.toml              toolchains of Rust, a project's only: see [Toolchain]
//	releases.csv           CPython releases: version,sha256_tar_xz,sha256_tgz
//
// A TOML file of the project goes over the embedded one of the same name key
// by key; an array replaces the whole array. A file of a new name adds a
// recipe and must be complete. The lines of the project's releases.csv are
// added; one that knows another hash for an embedded release is refused,
// because one version is one archive forever. Either hash may be missing, not
// both.
//
// Every problem of these files is reported at once, as [strict.Errors].
// Distro, Series and Wheel marshal to JSON with just what can change an
// artifact, so that their JSON can be an input of a key; what only informs (end
// of life, estimates) is left out of it.
package recipes

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/strict"
)

//go:embed distros/*.toml python/*.toml wheels profiles releases.csv
var embedded embed.FS

// Set is the recipes in force: the embedded ones with the project's over them.
type Set struct {
	distros  map[string]Distro
	series   map[string]Series
	wheels   map[string]Wheel   // the project's; others are read when they are asked for
	profiles map[string]Profile // by "3.13-trixie-amd64"
	releases map[string]Release

	toolchains []Toolchain
	project    fs.FS // nil: none
}

// Load reads the recipes, of packages only those that the project has something of: the
// embedded ones are many, a run needs few, and a test reads all. project is the project's
// recipes directory; nil, or a directory with none of the files, means the embedded ones
// only.
func Load(project fs.FS) (*Set, error) {
	var errs strict.Errors
	s := &Set{
		project: project,
		distros: loadDir(project, "distros", all, func(name string) Distro { return Distro{Codename: name} }, Distro.problems, &errs),
		series:  loadDir(project, "python", all, func(name string) Series { return Series{Series: name} }, Series.problems, &errs),
		wheels:  loadDir(project, "wheels", concerned(project), func(string) Wheel { return Wheel{} }, Wheel.problems, &errs),
	}
	s.loadProfiles(project, &errs)
	s.loadReleases(project, &errs)
	s.loadToolchains(project, &errs)
	s.checkCargoLocks(&errs)
	s.crossCheck(&errs)
	s.loadPatches(&errs)
	return s, errs.Err()
}

// all is what loadDir reads of most directories.
func all(string) bool { return true }

// concerned tells of which packages a project has a recipe or patches.
func concerned(project fs.FS) func(name string) bool {
	return func(name string) bool {
		if project == nil {
			return false
		}
		for _, file := range []string{name + ".toml", name} {
			if _, err := fs.Stat(project, path.Join("wheels", file)); !errors.Is(err, fs.ErrNotExist) {
				return true
			}
		}
		return false
	}
}

// loadDir reads the files NAME.toml of a directory, those of the embedded that are
// wanted and then the project's, and returns the values by name.
func loadDir[T any](project fs.FS, dir string, wanted func(name string) bool, empty func(name string) T, problems func(T, string, *strict.Doc) strict.Errors, errs *strict.Errors) map[string]T {
	values := map[string]T{}
	for _, source := range []fs.FS{embedded, project} {
		if source == nil {
			continue
		}
		entries, err := fs.ReadDir(source, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			add(errs, dir, err)
		}
		for _, entry := range entries {
			name, isTOML := strings.CutSuffix(entry.Name(), ".toml")
			if !isTOML || source == embedded && !wanted(name) {
				continue
			}
			file := path.Join(dir, entry.Name())
			value, known := values[name]
			if !known {
				value = empty(name)
			}
			found := len(*errs)
			doc, err := decode(source, file, &value)
			if err != nil {
				add(errs, file, err)
			}
			if doc != nil && doc.Decoded() {
				*errs = append(*errs, problems(value, name, doc)...)
			}
			strict.Sort((*errs)[found:])
			values[name] = value
		}
	}
	return values
}

func decode(source fs.FS, file string, into any) (*strict.Doc, error) {
	data, err := fs.ReadFile(source, file)
	if err != nil {
		return nil, err
	}
	return strict.Decode(path.Join("recipes", file), data, into)
}

// add collects err, whatever it is, as problems of a file.
func add(errs *strict.Errors, file string, err error) {
	var more strict.Errors
	if errors.As(err, &more) {
		*errs = append(*errs, more...)
		return
	}
	*errs = append(*errs, &strict.Error{File: path.Join("recipes", file), Msg: err.Error(), Err: err})
}

// crossCheck finds references to recipes that do not exist.
func (s *Set) crossCheck(errs *strict.Errors) {
	if len(*errs) > 0 {
		return
	}
	s.checkWheels(errs)
	for _, series := range s.AllSeries() {
		keys := map[string]string{} // to the distro that each names
		for codename := range series.Unsupported {
			keys["unsupported."+codename] = codename
		}
		for codename := range series.Suite.Distros {
			keys["suite.distros."+codename] = codename
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if _, ok := s.distros[keys[key]]; !ok {
				*errs = append(*errs, &strict.Error{
					File: path.Join("recipes/python", series.Series+".toml"), Key: key,
					Msg: "no such distro", Near: first(strict.Near(keys[key], s.codenames())),
				})
			}
		}
	}
}

// Distro is the distro of a codename ("trixie"), else an [UnknownError].
func (s *Set) Distro(codename string) (Distro, error) {
	if d, ok := s.distros[codename]; ok {
		return d, nil
	}
	return Distro{}, &UnknownError{Kind: "distro", Name: codename, Near: strict.Near(codename, s.codenames())}
}

// Distros are all distros, by codename.
func (s *Set) Distros() []Distro {
	return slices.SortedFunc(maps.Values(s.distros), func(a, b Distro) int { return strings.Compare(a.Codename, b.Codename) })
}

func (s *Set) codenames() []string { return slices.Sorted(maps.Keys(s.distros)) }

// Series is the series of a name ("3.13"), else an [UnknownError].
func (s *Set) Series(name string) (Series, error) {
	if v, ok := s.series[name]; ok {
		return v, nil
	}
	var names []string
	for _, series := range s.AllSeries() {
		names = append(names, series.Series)
	}
	return Series{}, &UnknownError{Kind: "series", Name: name, Near: nearest(name, names)}
}

// AllSeries are all series, oldest first.
func (s *Set) AllSeries() []Series {
	return slices.SortedFunc(maps.Values(s.series), func(a, b Series) int { return Compare(a.Series, b.Series) })
}

// Release is the release of an exact version ("3.13.5", "3.15.0b4"). The error
// for a series ("3.13") or a range is a [NotExactError]; for a version that
// the table does not have, an [UnknownError].
func (s *Set) Release(version string) (Release, error) {
	if r, ok := s.releases[version]; ok {
		return r, nil
	}
	v, exact := parseVersion(version)
	if !exact {
		if series, ok := seriesOf(version); ok {
			newest, _ := s.Newest(series)
			return Release{}, &NotExactError{Version: version, Newest: newest.Version}
		}
		return Release{}, &UnknownError{Kind: "release", Name: version}
	}
	var known []string
	for _, r := range s.Releases(v.series()) {
		known = append(known, r.Version)
	}
	if known == nil {
		for _, series := range s.AllSeries() {
			if newest, ok := s.Newest(series.Series); ok {
				known = append(known, newest.Version)
			}
		}
	}
	return Release{}, &UnknownError{Kind: "release", Name: version, Near: nearest(version, known)}
}

// Releases are the releases of a series, oldest first.
func (s *Set) Releases(series string) []Release {
	var releases []Release
	for _, r := range s.releases {
		if r.Series == series {
			releases = append(releases, r)
		}
	}
	slices.SortFunc(releases, func(a, b Release) int { return Compare(a.Version, b.Version) })
	return releases
}

// Newest is the newest release of a series; a prerelease only if the series
// has no other.
func (s *Set) Newest(series string) (Release, bool) {
	releases := s.Releases(series)
	for _, r := range slices.Backward(releases) {
		if !r.Prerelease() {
			return r, true
		}
	}
	if len(releases) == 0 {
		return Release{}, false
	}
	return releases[len(releases)-1], true
}

// Supported is an [UnsupportedError] if CPython of that series is known not to
// build or not to work on the distro, an [UnknownError] if one of them is not
// known. That it is nil promises nothing: see Series.Exercised.
func (s *Set) Supported(series, codename string) error {
	r, err := s.Series(series)
	if err != nil {
		return err
	}
	if _, err := s.Distro(codename); err != nil {
		return err
	}
	if reason := r.Unsupported[codename]; reason != "" {
		return &UnsupportedError{Series: series, Distro: codename, Reason: reason}
	}
	return nil
}

// UnknownError says that there is no recipe or release of a name.
type UnknownError struct {
	Kind string   // "distro", "series" or "release"
	Name string   // as asked for: "trixi"
	Near []string // the nearest known ones, the nearest first; may be empty
}

func (e *UnknownError) Error() string {
	msg := fmt.Sprintf("%s %q: not known", e.Kind, e.Name)
	if len(e.Near) > 0 {
		msg += "; nearest: " + strings.Join(e.Near, ", ")
	}
	return msg
}

// NotExactError says that a series or a range was given where only one
// release will do.
type NotExactError struct {
	Version string // as asked for: "3.13"
	Newest  string // the newest known release it covers: "3.13.5"; or empty
}

func (e *NotExactError) Error() string {
	msg := fmt.Sprintf("release %q: not an exact version", e.Version)
	if e.Newest != "" {
		msg += "; the newest known is " + e.Newest
	}
	return msg
}

// UnsupportedError says that a series is known not to work on a distro.
type UnsupportedError struct {
	Series, Distro string // "3.8", "trixie"
	Reason         string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("python %s on %s: known not to work: %s", e.Series, e.Distro, e.Reason)
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// With is the set with more releases, which replace what it knew of their versions.
func (s *Set) With(more ...Release) *Set {
	with := *s
	with.releases = maps.Clone(s.releases)
	for _, r := range more {
		with.releases[r.Version] = r
	}
	return &with
}
