package project

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"

	"github.com/pybake/pybake/internal/pattern"
)

// PythonPin is the release of CPython that a series stands for, or an exact
// version that no recipe knows.
//
//	[[python]]
//	want = '3.13'
//	version = '3.13.5'
//	xz = '93e5…'
//	from = 'https://mirror.example.org/python/'
//	proof = 'OpenPGP signature of 7169605F62C751356D054A26A821E680E5FA6305'
//	next = '3.13.6'
//	next-since = '2025-08-07T01:00:12Z'
type PythonPin struct {
	Want    string `toml:"want"`            // "3.13", or as Version
	Version string `toml:"version"`         // "3.13.5"
	XZ      string `toml:"xz,omitempty"`    // SHA-256 of Python-3.13.5.tar.xz, in lower-case hex; or empty
	TGZ     string `toml:"tgz,omitempty"`   // of Python-3.13.5.tgz; or empty, but not both
	From    string `toml:"from,omitempty"`  // where it was found: an address, a path or "recipes"
	Proof   string `toml:"proof,omitempty"` // why the hashes are believed

	Next      string `toml:"next,omitempty"`       // a newer release of the series that waits for its cooldown to end; or empty
	NextSince string `toml:"next-since,omitempty"` // since when it does: RFC 3339, in UTC
}

// ReleasePin is the release of the packages of a Python: the 2 of 3.13.5-2+deb13.
// A version of a package is never used again for other bits, so it counts up
// whenever the same Python is made from other inputs.
//
//	[[release]]
//	python = '3.13.5'
//	distro = 'trixie'
//	arch = 'amd64'
//	variant = 'full'
//	release = 2
//	inputs = '5f1c…'
type ReleasePin struct {
	Python  string `toml:"python"`  // "3.13.5"
	Distro  string `toml:"distro"`  // "trixie"
	Arch    string `toml:"arch"`    // "amd64"
	Variant string `toml:"variant"` // "full" or "fast"
	Release int    `toml:"release"` // from 1
	Inputs  string `toml:"inputs"`  // a hash of what this release is made from: 64 lower-case hex digits
}

var hashPattern = pattern.New(`^[0-9a-f]{64}$`)

const maxLine = 1000 // characters of from and proof

// Python is the pin of a series ("3.13") or an exact version.
func (l *Lock) Python(want string) (PythonPin, bool) { return find(l.Pythons, PythonPin{Want: want}) }

// SetPython adds a pin, or replaces the one of the same Want.
func (l *Lock) SetPython(pin PythonPin) { set(&l.Pythons, pin) }

// Release is the pin of the same Python, distro, architecture and variant. The
// caller compares its Inputs with those of now.
func (l *Lock) Release(like ReleasePin) (ReleasePin, bool) { return find(l.Releases, like) }

// SetRelease adds a pin, or replaces the one that Release finds.
func (l *Lock) SetRelease(pin ReleasePin) { set(&l.Releases, pin) }

func (p PythonPin) id() pinID  { return pinID{p.Want} }
func (p ReleasePin) id() pinID { return pinID{p.Python, p.Distro, p.Arch, p.Variant} }

// pythons reports what is wrong with the pins of Pythons.
func (c *lockChecker) pythons(l *Lock) {
	for i, p := range l.Pythons {
		key := fmt.Sprintf("python[%d]", i)
		c.unique("python", key, p)
		if !pythonPattern.MatchString(p.Want) {
			c.report(key+".want", `%q: want a series such as "3.13" or a version such as "3.13.5"`, p.Want)
		}
		if !exactPattern.MatchString(p.Version) {
			c.report(key+".version", `%q: want a version such as "3.13.5"`, p.Version)
		} else if p.Want != p.Version && p.Want != seriesOf(p.Version) && pythonPattern.MatchString(p.Want) {
			c.report(key+".version", "%q: not %s", p.Version, p.Want)
		}
		if p.XZ == "" && p.TGZ == "" {
			c.report(key, "neither xz nor tgz: want a hash")
		}
		c.hash(key+".xz", p.XZ, true)
		c.hash(key+".tgz", p.TGZ, true)
		c.line(key+".from", p.From)
		c.line(key+".proof", p.Proof)
		c.next(key, p)
	}
}

// next reports what is wrong with the release that waits.
func (c *lockChecker) next(key string, p PythonPin) {
	if p.Next == "" && p.NextSince == "" {
		return
	}
	switch {
	case !exactPattern.MatchString(p.Next):
		c.report(key+".next", `%q: want a version such as "3.13.6"`, p.Next)
	case p.Want != seriesOf(p.Next):
		c.report(key+".next", "%q: not %s", p.Next, p.Want)
	case !isNewer(p.Next, p.Version):
		c.report(key+".next", "%q: not newer than %s", p.Next, p.Version)
	}
	if _, err := time.Parse("2006-01-02T15:04:05Z", p.NextSince); err != nil {
		c.report(key+".next-since", "%q: want a time such as \"2025-08-07T01:00:12Z\"", p.NextSince)
	}
}

var prereleasePattern = pattern.New(`(a|b|rc)([0-9]+)$`)

// isNewer orders exact versions as CPython released them.
func isNewer(version, than string) bool {
	var v [2]*semver.Version
	for i, text := range []string{version, than} {
		var err error
		if v[i], err = semver.NewVersion(prereleasePattern.ReplaceAllString(text, "-$1.$2")); err != nil {
			return false
		}
	}
	return v[0].GreaterThan(v[1])
}

// releases reports what is wrong with the pins of releases of packages.
func (c *lockChecker) releases(l *Lock) {
	for i, p := range l.Releases {
		key := fmt.Sprintf("release[%d]", i)
		c.target(key, p.Distro, p.Arch)
		c.unique("release", key, p)
		if !exactPattern.MatchString(p.Python) {
			c.report(key+".python", `%q: want a version such as "3.13.5"`, p.Python)
		}
		if !slices.Contains(variantNames, p.Variant) {
			c.report(key+".variant", "%q: want %s", p.Variant, strings.Join(variantNames, " or "))
		}
		if p.Release < 1 {
			c.report(key+".release", "%d: want a number from 1", p.Release)
		}
		c.hash(key+".inputs", p.Inputs, false)
	}
}

func (c *lockChecker) hash(key, hash string, mayLack bool) {
	if !hashPattern.MatchString(hash) && (hash != "" || !mayLack) {
		c.report(key, "%q: want 64 lower-case hex digits", hash)
	}
}

func (c *lockChecker) line(key, text string) {
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if utf8.RuneCountInString(text) > maxLine || strings.ContainsFunc(text, control) {
		c.report(key, "want one line of at most %d characters", maxLine)
	}
}
