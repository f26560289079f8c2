package project

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Matrix is the table [matrix]: what `pybake refresh` keeps current. Every Python
// is built on every distro, every lock for each of these; images say themselves
// what they stand on.
type Matrix struct {
	Pythons  []string  `toml:"pythons"`  // "3.13", "3.11.9", ">=3.9, <3.15"; after Load python, if it is not given
	Distros  []string  `toml:"distros"`  // "trixie"; likewise distro
	Variants []string  `toml:"variants"` // "full" or "fast"; likewise "full"
	Locks    []string  `toml:"locks"`    // "requirements.lock"; likewise those of [wheels]
	Images   []string  `toml:"images"`   // "web"; nil, if it is not given: all of the file
	Exclude  []Exclude `toml:"exclude"`
}

// Exclude is an element of exclude: what has all that is given here is left out.
type Exclude struct {
	Python  string `toml:"python"`  // "<3.11", "3.13", "3.11.9"; or empty
	Distro  string `toml:"distro"`  // "trixie"; or empty
	Variant string `toml:"variant"` // "fast"; or empty
	Lock    string `toml:"lock"`    // "gpu.lock": wheelhouses of it; or empty
	Image   string `toml:"image"`   // "web"; or empty
}

const maxRange = 200 // bytes of a range of versions

var variantNames = []string{"full", "fast"}

var (
	exactPattern = pattern.New(`^3\.(0|[1-9][0-9]?)\.(0|[1-9][0-9]?)((a|b|rc)[1-9][0-9]?)?$`)
	patchPattern = pattern.New(`[0-9]\.[0-9]+\.[0-9]`)
)

// checkPythons takes an exact version ("3.11.9", "3.15.0b4"), a series ("3.13"),
// or a range of series in the grammar of github.com/Masterminds/semver
// (">=3.9, <3.15", "~3.13 || 3.11").
func checkPythons(text string) error {
	if !pythonPattern.MatchString(text) && patchPattern.MatchString(text) {
		return fmt.Errorf(`%q: want a range of series, such as ">=3.9, <3.15"`, text)
	}
	return checkExcludedPythons(text)
}

// checkExcludedPythons takes ranges of versions, too: "<3.11.4".
func checkExcludedPythons(text string) error {
	if pythonPattern.MatchString(text) {
		return nil
	}
	switch {
	case text == "":
		return errors.New("empty")
	case len(text) > maxRange:
		return fmt.Errorf("more than %d bytes", maxRange)
	}
	within, err := semver.NewConstraint(text)
	if err != nil {
		return fmt.Errorf(`%q: want a version such as "3.13.5", a series such as "3.13" or a range such as ">=3.9, <3.15"`, text)
	}
	for number := range uint64(10_000) { // what pythonPattern takes
		if within.Check(semver.New(3, number/100, number%100, "", "")) {
			return nil
		}
	}
	return fmt.Errorf("%q: no CPython 3 is in it", text)
}

// seriesOf is the series of an exact version: "3.13" of "3.13.5" and of "3.13".
func seriesOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

// fillMatrix puts what the rest of the file says in the place of what is not given.
func (p *Project) fillMatrix() {
	m := &p.Matrix
	if m.Pythons == nil && p.Python != "" {
		m.Pythons = []string{p.Python}
	}
	if m.Distros == nil && p.Distro != "" {
		m.Distros = []string{p.Distro}
	}
	if m.Variants == nil {
		m.Variants = []string{"full"}
	}
	if m.Locks == nil {
		m.Locks = p.Wheels.Locks
	}
}

// matrix reports what is wrong with [matrix].
func (r *reporter) matrix(p *Project) {
	m := p.Matrix
	r.each("matrix.pythons", m.Pythons, asIs, checkPythons)
	r.each("matrix.distros", m.Distros, asIs, checkCodename)
	r.each("matrix.variants", m.Variants, asIs, func(name string) error { return checkWord(name, variantNames) })
	r.each("matrix.locks", m.Locks, filepath.Clean, checkLockPath)
	r.each("matrix.images", m.Images, asIs, p.checkImage)
	for i, e := range m.Exclude {
		r.exclude(p, fmt.Sprintf("matrix.exclude[%d]", i), e)
	}
}

// exclude reports what is wrong with an exclusion; one that can leave out nothing
// is a mistake, too.
func (r *reporter) exclude(p *Project, key string, e Exclude) {
	if e == (Exclude{}) {
		r.report(key, "excludes nothing: want python, distro, variant, lock or image")
	}
	for _, f := range []struct {
		field, value string
		check        func(string) error
	}{
		{".python", e.Python, checkExcludedPythons},
		{".distro", e.Distro, p.checkExcludedDistro},
		{".variant", e.Variant, func(name string) error { return checkWord(name, variantNames) }},
		{".lock", e.Lock, p.checkExcludedLock},
		{".image", e.Image, p.checkImage},
	} {
		if r.given(key+f.field, f.value); f.value != "" {
			if err := f.check(f.value); err != nil {
				r.report(key+f.field, "%w", err)
			}
		}
	}
}

func checkCodename(codename string) error {
	if !codenamePattern.MatchString(codename) {
		return fmt.Errorf(`%q: want a codename such as "trixie"`, codename)
	}
	return nil
}

func checkLockPath(path string) error {
	if !isLocal(path) || filepath.Clean(path) == "." {
		return fmt.Errorf("%q: want the path of a file within the directory of %s", path, File)
	}
	return nil
}

func (p *Project) checkImage(name string) error {
	if _, ok := p.ImageNamed(name); ok {
		return nil
	}
	return notAmong(name, "no image of the file", p.imageNames())
}

func (p *Project) checkExcludedDistro(codename string) error {
	known := slices.Clone(p.Matrix.Distros)
	if known == nil && p.Distro != "" {
		known = []string{p.Distro}
	}
	for name := range maps.Keys(p.Images) {
		image, _ := p.ImageNamed(name)
		known = append(known, image.Distro(p))
	}
	if slices.Contains(known, codename) {
		return nil
	}
	return notAmong(codename, "no distro of the matrix", known)
}

func (p *Project) checkExcludedLock(path string) error {
	known := slices.Clone(p.Matrix.Locks)
	if known == nil {
		known = slices.Clone(p.Wheels.Locks)
	}
	for i, lock := range known {
		known[i] = filepath.Clean(lock)
	}
	if slices.Contains(known, filepath.Clean(path)) {
		return nil
	}
	return notAmong(path, "no lock of the matrix", known)
}

// notAmong is the error of a name that is none of the known ones.
func notAmong(name, what string, known []string) error {
	if near := strict.Near(name, known); len(near) > 0 {
		return fmt.Errorf("%q: %s; did you mean %q?", name, what, near[0])
	}
	return fmt.Errorf("%q: %s", name, what)
}
