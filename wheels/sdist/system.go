package sdist

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

// System is how a source is built: [build-system] of its pyproject.toml, or what
// holds without.
type System struct {
	Requires []string // requirements, as written
	Backend  string   // "flit_core.buildapi", "setuptools.build_meta:__legacy__"
	Path     []string // directories of the project that the backend is in: {"."}
	Declared bool     // there is such a table
}

const (
	legacyBackend  = "setuptools.build_meta:__legacy__"
	legacyRequires = "setuptools>=40.8.0"
)

// table is what of a pyproject.toml is read.
type table struct {
	System struct {
		Requires []string `toml:"requires"`
		Backend  string   `toml:"build-backend"`
		Path     []string `toml:"backend-path"`
	} `toml:"build-system"`
}

// system reads a pyproject.toml; nil if there is none.
func system(file string, text []byte) (System, error) {
	legacy := System{Requires: []string{legacyRequires}, Backend: legacyBackend}
	if text == nil {
		return legacy, nil
	}
	var t table
	doc, err := strict.Decode(file, text, &t)
	var errs strict.Errors
	if err != nil && !errors.As(err, &errs) {
		return System{}, err
	}
	errs = slices.DeleteFunc(errs, func(e *strict.Error) bool { return e.Msg == "unknown key" })
	if len(errs) > 0 {
		return System{}, errs
	}
	if !doc.Has("build-system") {
		return legacy, nil
	}
	s := System{Requires: t.System.Requires, Backend: t.System.Backend, Path: t.System.Path, Declared: true}
	errs = s.check(doc)
	if s.Backend == "" {
		s.Backend = legacyBackend
	}
	return s, errs.Err()
}

// check finds what is wrong with the table, and cleans its paths.
func (s *System) check(doc *strict.Doc) (errs strict.Errors) {
	report := func(err *strict.Error) { errs = append(errs, err) }
	if !doc.Has("build-system.requires") {
		report(doc.Errorf("build-system.requires", "missing: PEP 518 wants it in the table, and pip refuses to build without"))
	}
	for i, text := range s.Requires {
		if _, err := pep.ParseRequirement(text); err != nil {
			report(doc.Errorf(element("build-system.requires", i), "%w", err))
		}
	}
	if doc.Has("build-system.build-backend") && !isObject(s.Backend) {
		report(doc.Errorf("build-system.build-backend", "%.200q: want module or module:object", s.Backend))
	}
	if len(s.Path) > 0 && !doc.Has("build-system.build-backend") {
		report(doc.Errorf("build-system.backend-path", "there is no build-backend to look for"))
	}
	for i, dir := range s.Path {
		if s.Path[i] = path.Clean(dir); !within(dir) {
			report(doc.Errorf(element("build-system.backend-path", i), "%.200q: want a directory within the source", dir))
		}
	}
	strict.Sort(errs)
	return errs
}

// within is whether a path stays below where it starts.
func within(dir string) bool {
	if path.IsAbs(dir) || strings.ContainsAny(dir, "\\\x00") {
		return false
	}
	return !slices.Contains(strings.Split(dir, "/"), "..")
}

// isObject is whether text is "module" or "module:object", both with dots perhaps.
func isObject(text string) bool {
	for part := range strings.SplitSeq(strings.Replace(text, ":", ".", 1), ".") {
		for i, r := range part {
			if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsNumber(r) && !unicode.IsMark(r)) {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}

func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
