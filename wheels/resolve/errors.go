package resolve

import (
	"fmt"
	"strings"
)

// NoWheelError says that nothing fits a requirement, whatever else is needed.
type NoWheelError struct {
	Requirement string // "foo>=2"
	From        string // who asks for it: "bar 1.0, itself from foo 1.0's build-system"
	There       string // what there is: "only sdists", "wheels for macOS only"
}

func (e *NoWheelError) Error() string {
	return fmt.Sprintf("%s (from %s): no wheel fits: %s", e.Requirement, e.From, e.There)
}

// NoTimesError says that the bound on the age of files cannot be held.
type NoTimesError struct {
	Project string
	Index   string
	File    string // the first without a time
}

func (e *NoTimesError) Error() string {
	return fmt.Sprintf("project %s: index %s does not say when %s was uploaded, so none can be left out as too new", e.Project, e.Index, e.File)
}

// NoHashError says that the files to take cannot be verified.
type NoHashError struct {
	Project string
	Index   string
	Files   []string
}

func (e *NoHashError) Error() string {
	return fmt.Sprintf("project %s: index %s has no sha256 of %s", e.Project, e.Index, some(e.Files, ", "))
}

// BadMetadataError says that the metadata of a wheel is that of another.
type BadMetadataError struct {
	File  string
	Cause string // "its metadata is of bar 1.0"
}

func (e *BadMetadataError) Error() string { return "wheel " + e.File + ": " + e.Cause }

// ConflictError says that the requirements contradict each other.
type ConflictError struct {
	For     string          // what they are of: "foo 1.0's build-system"
	Lines   []string        // of what cannot all hold: "setuptools>=61 (from hatchling 1.20, itself from …)"
	Missing []*NoWheelError // among it, what nothing fits by itself
}

func (e *ConflictError) Error() string {
	return "no versions satisfy " + e.For + ":\n  " + strings.Join(e.Lines, "\n  ")
}

// Unwrap is the requirements that nothing fits.
func (e *ConflictError) Unwrap() []error {
	var out []error
	for _, m := range e.Missing {
		out = append(out, m)
	}
	return out
}

// LimitError says that the search was given up.
type LimitError struct {
	For       string
	Conflicts int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("no versions found that satisfy %s after %d conflicts: constraints would make the search shorter", e.For, e.Conflicts)
}

// some is the first few of a list.
func some(list []string, between string) string {
	const most = 5
	if len(list) <= most+1 {
		return strings.Join(list, between)
	}
	return strings.Join(list[:most], between) + fmt.Sprintf("%sand %d more", between, len(list)-most)
}
