package refresh

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh/watch"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
)

// Kinds of cells.
const (
	KindPython = python.Kind
	KindWheels = wheels.Kind
	KindImage  = "image"
)

// Variants of a Python.
const (
	Full = "full" // PGO and LTO
	Fast = "fast"
)

// Cell is one thing that the project wants to have.
type Cell struct {
	Name    string   `json:"cell"`              // "wheels requirements.lock 3.13 trixie amd64"
	Kind    string   `json:"kind"`              // KindPython, KindWheels or KindImage
	Want    string   `json:"want,omitempty"`    // of a Python, and of the Python of a house: "3.13", "3.11.9"
	Version string   `json:"version,omitempty"` // what that is: "3.13.5"
	Variant string   `json:"variant,omitempty"` // of a Python
	Lock    string   `json:"lock,omitempty"`    // of a house
	Image   string   `json:"image,omitempty"`   // of an image
	Distro  string   `json:"distro"`
	Arch    string   `json:"arch"`
	Needs   []string `json:"needs,omitempty"` // names of cells that are made before

	// Err is why nobody knows what Want is today; Version is empty then. The cell is in
	// the matrix all the same, so that what is published of it stays.
	Err error `json:"-"`
}

// Row is the cell without its distro: "requirements.lock on 3.13".
func (c Cell) Row() string {
	switch c.Kind {
	case KindWheels:
		return c.Lock + " on " + c.Want
	case KindImage:
		return "image " + c.Image
	}
	if c.Variant == Fast {
		return "python " + c.Want + " fast"
	}
	return "python " + c.Want
}

// Matrix is what Cells expands.
type Matrix struct {
	Project *project.Project
	Recipes *recipes.Set
	Pins    *project.Lock
	Arch    string // Debian's name: "amd64"
	Pinned  bool   // a series without a pin is an error
	// Admits is whether a lock takes a version of Python; nil: all do.
	Admits func(lock, version string) bool
}

// Wants are the Pythons of a matrix, ranges of series expanded: "3.13", "3.11.9".
// Each is there once. An entry that means none is an error.
func Wants(set *recipes.Set, pythons []string) (wants []string, err error) {
	var all []string
	for _, s := range set.AllSeries() {
		all = append(all, s.Series)
	}
	var errs []error
	for _, text := range pythons {
		if _, err := set.Series(text); err == nil || isExact(text) {
			wants = append(wants, text)
			continue
		}
		series, err := watch.Series(text, all)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, s := range series {
			// A range means Pythons that are out: nobody asks for a beta by it.
			if newest, ok := set.Newest(s); ok && !newest.Prerelease() {
				wants = append(wants, s)
			}
		}
	}
	var once []string
	for _, w := range wants {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return once, errors.Join(errs...)
}

func isExact(text string) bool {
	return strings.Count(text, ".") == 2 && strings.Trim(text, "0123456789.abrc") == ""
}

// SeriesOf is the series of a version: "3.13" of "3.13.5".
func SeriesOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// ErrUnpinned says that nothing pins what a series is.
var ErrUnpinned = errors.New("no release of it is pinned")

// version is what a wanted Python is today: the version itself, or the pinned one of
// its series; where nothing is pinned and the project names no places of releases, the
// newest that is known.
func (m *Matrix) version(want string) (string, error) {
	if isExact(want) {
		return want, nil
	}
	if pin, ok := m.Pins.Python(want); ok {
		return pin.Version, nil
	}
	newest, ok := m.Recipes.Newest(want)
	if !ok || m.Pinned || m.Project.Refresh.Releases != nil {
		return "", fmt.Errorf("python %s: %w", want, ErrUnpinned)
	}
	return newest.Version, nil
}

// Cells are the cells of the matrix, each after those that it needs, and notes
// about those that there are none of: a series that a distro cannot have, a Python
// that a lock does not take. A series that is not pinned has cells with an Err; an
// error is what is wrong with pybake.toml.
func (m *Matrix) Cells() (cells []Cell, notes []string, err error) {
	p := m.Project
	wants, err := Wants(m.Recipes, p.Matrix.Pythons)
	if err != nil {
		return nil, nil, p.At("matrix.pythons", err)
	}
	var errs []error
	for i, codename := range p.Matrix.Distros {
		if _, err := m.Recipes.Distro(codename); err != nil {
			errs = append(errs, p.At(fmt.Sprintf("matrix.distros[%d]", i), err))
		}
	}
	for i, name := range p.Matrix.Images {
		if _, ok := p.ImageNamed(name); !ok {
			errs = append(errs, p.At(fmt.Sprintf("matrix.images[%d]", i), fmt.Errorf("no image %s in the file", name)))
		}
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(errs...)
	}
	for _, want := range wants {
		for _, codename := range p.Matrix.Distros {
			one, said := m.pythons(want, codename)
			cells, notes = append(cells, one...), append(notes, said...)
		}
	}
	houses, said := m.houses(cells)
	cells, notes = append(cells, houses...), append(notes, said...)
	return append(cells, m.images(cells)...), notes, nil
}

// pythons are the cells of one Python on one distro.
func (m *Matrix) pythons(want, codename string) (cells []Cell, notes []string) {
	version, err := m.version(want)
	variants := m.Project.Matrix.Variants
	if len(variants) == 0 {
		variants = []string{Full}
	}
	for _, variant := range variants {
		c := Cell{Kind: KindPython, Want: want, Version: version, Variant: variant, Distro: codename, Arch: m.Arch, Err: err}
		c.Name = strings.Join([]string{KindPython, want, codename, m.Arch}, " ")
		if variant != Full {
			c.Name += " " + variant
		}
		if m.excluded(c) {
			continue
		}
		if err := m.Recipes.Supported(SeriesOf(want), codename); err != nil {
			notes = append(notes, fmt.Sprintf("no %s: %v", c.Name, err))
			continue
		}
		cells = append(cells, c)
	}
	return cells, notes
}

// houses are the cells of locks, for each Python of the matrix that they take.
func (m *Matrix) houses(pythons []Cell) (cells []Cell, notes []string) {
	locks := m.Project.Matrix.Locks
	if locks == nil {
		locks = m.Project.Wheels.Locks
	}
	for _, lock := range locks {
		for _, py := range pythons {
			c := py
			c.Kind, c.Lock, c.Needs = KindWheels, lock, []string{py.Name}
			c.Name = strings.Join([]string{KindWheels, lock, py.Want, py.Distro, py.Arch}, " ")
			// A house is for an ABI: the fast variant needs none of its own.
			if other := slices.IndexFunc(cells, func(o Cell) bool { return o.Name == c.Name }); other >= 0 || m.excluded(c) {
				continue
			}
			if m.Admits != nil && py.Err == nil && !m.Admits(lock, py.Version) {
				notes = append(notes, fmt.Sprintf("no %s: the lock does not take Python %s", c.Name, py.Version))
				continue
			}
			cells = append(cells, c)
		}
	}
	return cells, notes
}

// images are the cells of runtime images.
func (m *Matrix) images(below []Cell) (cells []Cell) {
	p := m.Project
	for _, one := range p.AllImages() {
		if p.Matrix.Images != nil && !slices.Contains(p.Matrix.Images, one.Name) {
			continue
		}
		c := Cell{Kind: KindImage, Image: one.Name, Distro: one.Distro(p), Arch: m.Arch}
		c.Name = strings.Join([]string{KindImage, one.Name, c.Distro, m.Arch}, " ")
		if m.excluded(c) {
			continue
		}
		c.Needs = m.imageNeeds(one, c.Distro, slices.Concat(below, cells))
		cells = append(cells, c)
	}
	return cells
}

// imageNeeds are the cells that the chain of an image is made from. The house of a
// lock is none of them: it has what developers need as well, and an image only what
// runs, so that a tool for tests that cannot be built holds up no image. Nothing is
// built twice if both are made at once: houses of one distro are made one after the
// other, and the store has their wheels one by one, so the second finds those of the
// first.
func (m *Matrix) imageNeeds(one project.Image, codename string, made []Cell) (needs []string) {
	add := func(c Cell) {
		if !slices.Contains(needs, c.Name) {
			needs = append(needs, c.Name)
		}
	}
	chain := one.Standing(m.Project)
	want := ""
	for _, link := range chain {
		if link.Python != "" {
			want = link.Python
		}
	}
	for _, link := range chain {
		for _, c := range made {
			switch {
			case c.Distro != codename:
			case c.Kind == KindPython && c.Variant == Full && (c.Want == want || c.Version == want || want == "" && (link.Wheels != "" || link.App != "")):
				add(c)
			case c.Kind == KindImage && c.Image == link.Name && link.Name != one.Name:
				add(c)
			}
		}
	}
	return needs
}

// excluded is whether an exclusion of the matrix has all that it says in common
// with a cell.
func (m *Matrix) excluded(c Cell) bool {
	return slices.ContainsFunc(m.Project.Matrix.Exclude, func(e project.Exclude) bool {
		if e == (project.Exclude{}) {
			return false
		}
		return (e.Python == "" || c.Want != "" && admits(e.Python, c)) &&
			(e.Distro == "" || e.Distro == c.Distro) &&
			(e.Variant == "" || e.Variant == c.Variant) &&
			(e.Lock == "" || c.Lock != "" && path.Clean(e.Lock) == path.Clean(c.Lock)) &&
			(e.Image == "" || e.Image == c.Image)
	})
}

// admits is whether the Python of an exclusion, a version, a series or a range, is
// that of a cell. If nobody knows which of a series that is, the range has to have
// all of them.
func admits(text string, c Cell) bool {
	if text == c.Version || text == c.Want || text == SeriesOf(c.Want) {
		return true
	}
	r, err := semver.NewConstraint(text)
	if err != nil {
		return false
	}
	if c.Version == "" {
		return checks(r, c.Want+".0") && checks(r, c.Want+".999")
	}
	return checks(r, c.Version)
}

// checks is whether a range has a version.
func checks(r *semver.Constraints, version string) bool {
	release := strings.TrimRight(version, "0123456789") // "3.15.0b4": semver knows no such prereleases, so it counts as its release
	if strings.HasSuffix(release, ".") {
		release = version
	}
	v, err := semver.NewVersion(strings.TrimRight(release, "abrc"))
	return err == nil && r.Check(v)
}
