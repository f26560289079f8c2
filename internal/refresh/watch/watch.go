// Package watch finds new releases of CPython, and decides which of them counts.
//
// # Places
//
// A place is a path, or an address with http, https or file. Places are asked in
// their order; a release that one gives is not asked of the next.
//
// A CSV file or address (its path ends in .csv) has a header, then a release a
// line, as recipes/releases.csv has, and may tell the day of each. Its hashes are
// believed because the project names the file, so it is not read over plain http
// from another machine, nor from a host that it redirects to:
//
//	version,sha256_tar_xz,sha256_tgz,released
//	3.13.6,17ba5508819d8736…b3a104,6cf50672cc039284…30ba98d7,2025-08-06
//
// A directory, or address, is laid out as [Default] is. Of an address the
// listings are read, as nginx, Apache and others print them; of these only the
// relative links that are names of the layout count:
//
//	3.13.6/Python-3.13.6.tar.xz          the source archive, and Python-3.13.6.tgz
//	3.13.6/Python-3.13.6.tar.xz.asc      its OpenPGP signature (series up to 3.13)
//	3.13.6/Python-3.13.6.tar.xz.sigstore its Sigstore bundle (all that there is from 3.14: PEP 761)
//	3.15.0/Python-3.15.0b4.tar.xz        a prerelease
//	pubkeys.txt, keys/FINGERPRINT.asc    OpenPGP keys, in armor; one of these
//
// # What counts
//
// A release of a directory counts only if every source archive of it that is
// there has a signature that holds, by a signer of its series
// ([recipes.LoadSigners]), and unpacks to Python-VERSION, since a signature does
// not tell what a file is called. Of an OpenPGP key only the fingerprint is
// trusted, so it may come from anywhere, and so may all files: an address may
// redirect to another host, but not from https to http. A Sigstore bundle is
// checked by Watcher.Sigstore; the client for it is not linked: it has 374 modules
// (pybake has 169), and alone makes a program of 18 MB. What holds goes into the
// cache of the Fetcher.
//
// Of a series only the newest release of a place is looked at, if it is not known.
// Where it fails the check, none of the older ones is taken instead: the error
// names both. A prerelease counts only in a series that has no release.
package watch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
)

// Default is the place of a Watcher that has none.
const Default = "https://www.python.org/ftp/python/"

// Found is a release whose hashes are proved, or believed.
type Found struct {
	recipes.Release
	Released time.Time // when it was signed, or the day that a CSV tells; zero: unknown
	From     string    // the place, without credentials: "https://mirror.example.org/python/"
	Proof    string    // "OpenPGP signature by 7169605F… (Thomas Wouters)", "line 12 of releases.csv"
}

// Reporter is told what takes time.
type Reporter interface {
	// Step begins a step and returns what ends it.
	Step(name string) func(error)
	// Note says one line that the user should see.
	Note(format string, args ...any)
}

// Watcher looks for releases.
type Watcher struct {
	HTTP    *http.Client              // nil: a plain one
	Fetcher *fetch.Fetcher            // its cache gets the archives; its Offline, Stall, Attempts and Backoff hold here too
	Places  []string                  // nil: Default; empty: none
	Signers map[string]recipes.Signer // by series: recipes.LoadSigners
	Report  Reporter                  // nil: nobody
	Now     func() time.Time          // nil: time.Now

	// Sigstore checks the bundle of a file, both on this machine's disk; see
	// [SigstoreCommand]. nil: there is no program that could.
	Sigstore func(ctx context.Context, file, bundle, identity, issuer string) error
}

// Look finds the releases of the series that are newer than the known ones: of
// each series the newest of each directory, and all of a CSV; newest first.
//
// The errors say which place (*[PlaceError]) or release (*[ReleaseError]) is not
// to be had; what the others gave is returned beside them. Two places that tell
// other hashes of one release are both wrong. An ended context is one more error.
func (w *Watcher) Look(ctx context.Context, series []string, known func(version string) bool) ([]Found, []error) {
	places := w.Places
	if places == nil {
		places = []string{Default}
	}
	found := map[string]Found{}
	var errs []error
	have := func(version string) bool {
		for _, f := range found {
			if f.Series == seriesOf(version) && recipes.Compare(f.Version, version) >= 0 {
				return true
			}
		}
		return known(version)
	}
	disputed := map[string]bool{}
	for _, name := range places {
		more, problems := w.ask(ctx, name, series, known, have)
		errs = append(errs, problems...)
		if ctx.Err() != nil {
			return nil, append(errs, fmt.Errorf("look for releases: %w", ctx.Err()))
		}
		for _, f := range more {
			if former, twice := found[f.Version]; twice {
				r, err := agree(former, f)
				if err != nil {
					errs = append(errs, err)
					disputed[f.Version] = true
				}
				f = former
				f.Release = r
			}
			found[f.Version] = f
		}
	}
	maps.DeleteFunc(found, func(version string, _ Found) bool { return disputed[version] })
	return slices.SortedFunc(maps.Values(found), func(a, b Found) int { return recipes.Compare(b.Version, a.Version) }), errs
}

// agree is what two places tell of a release together, if they do not contradict
// each other.
func agree(a, b Found) (recipes.Release, error) {
	for _, pair := range [][2]string{{a.XZ, b.XZ}, {a.TGZ, b.TGZ}} {
		if pair[0] != "" && pair[1] != "" && pair[0] != pair[1] {
			return a.Release, &ReleaseError{Version: b.Version, Place: b.From,
				Err: fmt.Errorf("sha256 %s, but %s has %s: neither is believed", pair[1], a.From, pair[0])}
		}
	}
	b.XZ, b.TGZ = cmp.Or(a.XZ, b.XZ), cmp.Or(a.TGZ, b.TGZ)
	return b.Release, nil
}

// ask asks one place. A release that have knows is not worth a download.
func (w *Watcher) ask(ctx context.Context, name string, series []string, known, have func(string) bool) ([]Found, []error) {
	defer w.step("look for releases at " + fetch.Redact(name))(nil)
	p, err := w.open(name)
	if err != nil {
		return nil, []error{&PlaceError{fetch.Redact(name), err}}
	}
	if p.table != "" {
		return w.readTable(ctx, p, series, known)
	}
	return w.readTree(ctx, p, series, have)
}

func (w *Watcher) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

func (w *Watcher) step(name string) func(error) {
	if w.Report == nil {
		return func(error) {}
	}
	return w.Report.Step(name)
}

func (w *Watcher) note(format string, args ...any) {
	if w.Report != nil {
		w.Report.Note(format, args...)
	}
}
