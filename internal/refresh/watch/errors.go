package watch

import (
	"errors"
	"fmt"
	"strings"
)

// PlaceError says that a place did not answer, or not with what a place of
// releases answers. It tells nothing against a release.
type PlaceError struct {
	Place string // without credentials
	Err   error
}

func (e *PlaceError) Error() string {
	return fmt.Sprintf("look for releases at %s: %v", e.Place, e.Err)
}

func (e *PlaceError) Unwrap() error { return e.Err }

// ReleaseError says that a release is there, but does not count: it has no
// signature, or one that does not hold.
type ReleaseError struct {
	Version string   // "3.13.16"
	Place   string   // without credentials
	Err     error    // names the file
	Older   []string // releases of the series that are there too, not known, and not taken for that: "3.13.15"
}

func (e *ReleaseError) Error() string {
	text := fmt.Sprintf("python %s at %s: %v", e.Version, e.Place, e.Err)
	if len(e.Older) > 0 {
		text += fmt.Sprintf("; %s, also there, is not taken in its stead", strings.Join(e.Older, ", "))
	}
	return text
}

func (e *ReleaseError) Unwrap() error { return e.Err }

// ErrNoTool is in the error of a release that has only a Sigstore signature,
// where there is no program that checks one.
var ErrNoTool = errors.New("no program that checks Sigstore signatures: install sigstore or cosign, or put the SHA-256 of the release into a releases.csv")

var (
	errTooLong  = errors.New("longer than the limit")
	errRedirect = errors.New("redirected")
)

// diskError is trouble with what a file is written to, for which no place is to
// blame.
type diskError struct{ err error }

func (e *diskError) Error() string { return e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }
