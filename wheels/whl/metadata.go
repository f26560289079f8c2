package whl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// Metadata is what pybake asks of a package's core metadata (PEP 566, 643, 685).
type Metadata struct {
	Version        string   // of the format: "2.4"
	Name           string   // as written: "Foo.Bar"
	ReleaseVersion string   // of the package, as written: "1.0"
	RequiresPython string   // ">=3.9"; "" for any
	RequiresDist   []string // `bar>=1; extra == "baz"`, as written but on one line
	ProvidesExtra  []string // as written
	Dynamic        []string // names of fields that a source leaves open, in lower case
	LicenseFiles   []string // "LICENSE"
}

// MetadataError is what is wrong with core metadata, all of it.
type MetadataError struct{ Problems []string }

func (e *MetadataError) Error() string { return "core metadata: " + strings.Join(e.Problems, "; ") }

// ParseMetadata reads METADATA of a wheel, PKG-INFO of a source distribution, or
// what an index serves as .metadata. Other fields than those of Metadata and the
// description may be anything. An error is a *MetadataError.
func ParseMetadata(text []byte) (Metadata, error) {
	var m Metadata
	var bad []string
	note := func(problem string) {
		if problem != "" {
			bad = append(bad, problem)
		}
	}
	f := readFields(text)
	for _, field := range []struct {
		name string
		into *string
	}{
		{"Metadata-Version", &m.Version}, {"Name", &m.Name}, {"Version", &m.ReleaseVersion}, {"Requires-Python", &m.RequiresPython},
	} {
		var problem string
		*field.into, problem = f.one(field.name)
		if problem == "" && *field.into == "" && field.into != &m.RequiresPython {
			problem = "no " + field.name
		}
		note(problem)
	}
	for _, field := range []struct {
		name string
		into *[]string
	}{
		{"Requires-Dist", &m.RequiresDist}, {"Provides-Extra", &m.ProvidesExtra}, {"Dynamic", &m.Dynamic}, {"License-File", &m.LicenseFiles},
	} {
		var problem string
		*field.into, problem = f.all(field.name)
		note(problem)
	}
	for i := range m.Dynamic {
		m.Dynamic[i] = strings.ToLower(m.Dynamic[i])
	}
	note(m.check())
	if len(bad) > 0 {
		return Metadata{}, &MetadataError{bad}
	}
	return m, nil
}

// check returns what is wrong with the values that have a form.
func (m *Metadata) check() string {
	if m.Version != "" {
		major, minor, ok := strings.Cut(m.Version, ".")
		n, err := strconv.Atoi(major)
		_, err2 := strconv.Atoi(minor)
		switch {
		case !ok || err != nil || err2 != nil || n < 1:
			return fmt.Sprintf("Metadata-Version %s: want a version like 2.1", quote(m.Version))
		case n > 2:
			return fmt.Sprintf("Metadata-Version %s is newer than 2", quote(m.Version))
		}
	}
	if m.Name != "" && !pep.ValidName(m.Name) {
		return fmt.Sprintf("Name %s cannot be a name", quote(m.Name))
	}
	if m.ReleaseVersion != "" {
		if _, err := pep.ParseVersion(m.ReleaseVersion); err != nil {
			return err.Error()
		}
	}
	return ""
}
