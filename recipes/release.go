package recipes

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Release is a release of CPython.
type Release struct {
	Version string `json:"version"`       // "3.13.5", "3.15.0b4"
	Series  string `json:"series"`        // "3.13"
	XZ      string `json:"xz,omitempty"`  // SHA-256 of Python-3.13.5.tar.xz, in lower-case hex; or empty
	TGZ     string `json:"tgz,omitempty"` // SHA-256 of Python-3.13.5.tgz; or empty
}

// NewRelease is a release that is in no table. At least one hash is given.
func NewRelease(version, xz, tgz string) (Release, error) {
	v, ok := parseVersion(version)
	if !ok {
		return Release{}, fmt.Errorf("release %q: want an exact version such as 3.13.5 or 3.15.0b4", version)
	}
	if xz == "" && tgz == "" {
		return Release{}, fmt.Errorf("release %s: no hash", version)
	}
	for _, hash := range []string{xz, tgz} {
		if hash != "" && !hashPattern.MatchString(hash) {
			return Release{}, fmt.Errorf("release %s: %q: want a SHA-256 in 64 lower-case hex digits", version, hash)
		}
	}
	return Release{Version: version, Series: v.series(), XZ: xz, TGZ: tgz}, nil
}

// Prerelease says whether r is an alpha, a beta or a candidate.
func (r Release) Prerelease() bool {
	return strings.ContainsAny(r.Version, "abc")
}

// DebianVersion is the upstream part of a Debian version, which sorts a
// prerelease before its release (Debian policy 5.6.12): "3.15.0~b4".
func (r Release) DebianVersion() string {
	if i := strings.IndexAny(r.Version, "abr"); i >= 0 {
		return r.Version[:i] + "~" + r.Version[i:]
	}
	return r.Version
}

var (
	hashPattern    = pattern.New(`^[0-9a-f]{64}$`)
	versionPattern = pattern.New(`^(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})(?:(a|b|rc)(0|[1-9]\d{0,3}))?$`)
	partialPattern = pattern.New(`^[<>=!~^ ]*(\d+\.\d+)(?:[.,*<>=!~^ ].*)?$`)
)

// version is a version as semver compares them: CPython's 3.15.0b4 becomes
// 3.15.0-b.4, whose dotted prerelease sorts b4 before b10, and a, b and rc as
// PEP 440 does.
type version struct{ *semver.Version }

func (v version) series() string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) }

// parseVersion reads an exact version.
func parseVersion(s string) (version, bool) {
	m := versionPattern.FindStringSubmatch(s)
	if m == nil {
		return version{}, false
	}
	text := strings.Join(m[1:4], ".")
	if m[4] != "" {
		text += "-" + m[4] + "." + m[5]
	}
	v, err := semver.StrictNewVersion(text)
	return version{v}, err == nil
}

// seriesOf is the first series that a series or a range names.
func seriesOf(s string) (string, bool) {
	if m := partialPattern.FindStringSubmatch(s); m != nil {
		return m[1], true
	}
	return "", false
}

// Compare orders series and exact versions as CPython released them: 3.9
// before 3.10, 3.15.0b4 before 3.15.0. What is neither comes first.
func Compare(a, b string) int {
	av, aok := parseVersion(complete(a))
	bv, bok := parseVersion(complete(b))
	switch {
	case aok && bok:
		return av.Compare(bv.Version)
	case aok:
		return 1
	case bok:
		return -1
	}
	return strings.Compare(a, b)
}

func complete(s string) string {
	if strings.Count(s, ".") == 1 {
		return s + ".0"
	}
	return s
}

// nearest are the at most three known versions around one, the nearest first:
// by their distance in the sorted list.
func nearest(name string, known []string) []string {
	if _, ok := parseVersion(complete(name)); !ok {
		return strict.Near(name, known)
	}
	slices.SortFunc(known, Compare)
	at, _ := slices.BinarySearchFunc(known, name, Compare)
	low, high := at-1, at
	var near []string
	for len(near) < 3 && (low >= 0 || high < len(known)) {
		if low >= 0 {
			near = append(near, known[low])
			low--
		}
		if high < len(known) && len(near) < 3 {
			near = append(near, known[high])
			high++
		}
	}
	return near
}

const releasesFile = "releases.csv"

// loadReleases reads the table of releases, the embedded and then the project's.
func (s *Set) loadReleases(project fs.FS, errs *strict.Errors) {
	s.releases = map[string]Release{}
	for _, source := range []fs.FS{embedded, project} {
		if source == nil {
			continue
		}
		data, err := fs.ReadFile(source, releasesFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			add(errs, releasesFile, err)
			continue
		}
		*errs = append(*errs, s.addReleases(string(data))...)
	}
}

// addReleases adds the lines of a table: a header, then a release a line. A
// line that is empty or starts with # says nothing.
func (s *Set) addReleases(data string) (errs strict.Errors) {
	const header = "version,sha256_tar_xz,sha256_tgz"
	if len(data) > strict.MaxSize {
		return strict.Errors{{File: "recipes/" + releasesFile, Msg: "too large"}}
	}
	seen := map[string]int{}
	problem := func(line int, format string, args ...any) {
		errs = append(errs, &strict.Error{File: "recipes/" + releasesFile, Line: line, Col: 1, Msg: fmt.Sprintf(format, args...)})
	}
	started := false
	for i, line := range strings.Split(data, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
			continue
		case !started && line != header:
			problem(i+1, "want the line %q", header)
			return errs
		case !started:
			started = true
			continue
		}
		fields := strings.Split(line, ",")
		if len(fields) != 3 {
			problem(i+1, "%d fields: want %s", len(fields), header)
			continue
		}
		r, err := NewRelease(fields[0], fields[1], fields[2])
		if err == nil && seen[r.Version] > 0 {
			err = fmt.Errorf("release %s: given twice, first in line %d", r.Version, seen[r.Version])
		}
		if err == nil {
			seen[r.Version] = i + 1
			err = s.addRelease(r)
		}
		if err != nil {
			problem(i+1, "%v", err)
		}
	}
	return errs
}

// addRelease adds a release, or a hash of one, that contradicts no other.
func (s *Set) addRelease(r Release) error {
	known := s.releases[r.Version]
	for _, pair := range [][2]string{{known.XZ, r.XZ}, {known.TGZ, r.TGZ}} {
		if pair[0] != "" && pair[1] != "" && pair[0] != pair[1] {
			return fmt.Errorf("release %s: sha256 %s, but it is known to be %s", r.Version, pair[1], pair[0])
		}
	}
	r.XZ, r.TGZ = cmp.Or(r.XZ, known.XZ), cmp.Or(r.TGZ, known.TGZ)
	s.releases[r.Version] = r
	return nil
}
