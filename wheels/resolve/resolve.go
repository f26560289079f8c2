package resolve

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
)

// Index is what the resolver asks. It is used by several goroutines; an
// [index.UnknownProjectError] says that there is no such project.
type Index interface {
	Project(ctx context.Context, name string) ([]index.File, error)
	MetadataOf(ctx context.Context, file index.File) ([]byte, error)
}

// Resolver resolves for one target.
type Resolver struct {
	Index        Index
	Env          pep.Env
	Target       pep.Target
	ExcludeNewer time.Time         // files uploaded later do not count; zero: all do
	Strict       bool              // an index that says no times is an error, not a note
	Constraints  []pep.Requirement // on whatever is needed
	Prefer       map[string]string // versions to try first: "setuptools" → "80.9.0"
	For          string            // whose requirements these are, for errors: "foo 1.0's build-system"
}

// Pin is a wheel.
type Pin struct {
	Name    string // "setuptools"
	Version string // "80.9.0"
	File    string // "setuptools-80.9.0-py3-none-any.whl"
	SHA256  string // in lower-case hex
	URL     string // where the index has it
}

// Resolution is one version of each package needed.
type Resolution struct {
	Pins  []Pin    // by name
	Notes []string // what a user may want to know
}

// Resolve finds the wheels for requirements as they stand in a pyproject.toml:
// "setuptools>=61", `tomli; python_version < "3.11"`.
//
// Errors: all that is wrong with requires together, among it *[NoWheelError] and
// [index.UnknownProjectError]; *[ConflictError], *[LimitError],
// *[NoTimesError], *[NoHashError], *[BadMetadataError]; and what the index says.
func (r *Resolver) Resolve(ctx context.Context, requires []string) (*Resolution, error) {
	s, err := r.start(ctx, requires)
	if err != nil {
		return nil, err
	}
	found, err := s.search(ctx)
	if err != nil {
		return nil, err
	}
	return s.resolution(found), nil
}

// asker is whose requirements these are.
func (r *Resolver) asker() string {
	if r.For == "" {
		return "the requirements"
	}
	return r.For
}

// resolution makes pins and notes of what was found.
func (s *search) resolution(found []*chosen) *Resolution {
	out := &Resolution{}
	timeless := map[string]bool{}
	for _, c := range found {
		w := c.release.wheel
		out.Pins = append(out.Pins, Pin{
			Name: c.name, Version: c.release.version.String(), File: w.file.Name, SHA256: w.file.Hashes["sha256"], URL: w.file.URL,
		})
		out.Notes = append(out.Notes, s.notesOn(c)...)
		if p := s.pages[c.name]; p.timeless != "" {
			timeless[p.index] = true
		}
	}
	for _, label := range slices.Sorted(maps.Keys(timeless)) {
		out.Notes = append(out.Notes, fmt.Sprintf("the index %s gives no upload times: what builds is not held to %s", label, day(s.ExcludeNewer)))
	}
	return out
}

// notesOn is what is unusual about one that was chosen.
func (s *search) notesOn(c *chosen) (notes []string) {
	name, version := c.name, c.release.version
	if len(c.release.unfit.yanks) > 0 {
		notes = append(notes, fmt.Sprintf("%s %s is %s; it was asked for by its version", name, version, whys[0](&c.release.unfit, s.ExcludeNewer)))
	}
	if s.desperate && version.IsPrerelease() && !slices.ContainsFunc(c.needs, func(n *need) bool { return n.spec.NamesPrerelease() }) {
		notes = append(notes, fmt.Sprintf("%s %s is a prerelease: no final version satisfies", name, version))
	}
	for _, extra := range c.extras {
		if m := s.read[c.release]; !slices.Contains(m.extras, extra) {
			notes = append(notes, fmt.Sprintf("%s %s has no extra %s", name, version, extra))
		}
	}
	for _, rel := range s.pages[name].releases {
		if why := s.refused(rel, c.extras); why != "" && rel.version.Compare(version) > 0 {
			notes = append(notes, fmt.Sprintf("%s %s was passed over: %s", name, rel.version, why))
		}
	}
	return notes
}

// refused is why a release that was read cannot be used with some extras.
func (s *search) refused(rel *release, extras []string) string {
	m := s.read[rel]
	switch {
	case m == nil:
		return ""
	case m.bad != "":
		return m.bad
	}
	for _, extra := range extras {
		if bad := m.parts[extra].bad; bad != "" {
			return bad
		}
	}
	return ""
}
