package project

import (
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

// BuildPin is what one source distribution, or one source tree, is built with
// for a Python on a distro: every wheel that enters the build environment.
//
//	[[build]]
//	name = 'psycopg2'
//	version = '2.9.10'
//	source = 'sha256:12ec…'
//	python = '3.13'
//	distro = 'trixie'
//	arch = 'amd64'
//	exclude-newer = '2025-06-01T00:00:00Z'
//	requires = [
//	  'setuptools',
//	]
//	packages = [
//	  'setuptools 80.9.0 setuptools-80.9.0-py3-none-any.whl sha256:062d…',
//	]
type BuildPin struct {
	Name    string `toml:"name"`              // normalised: "psycopg2"
	Version string `toml:"version,omitempty"` // "2.9.10"; empty for a tree that has none
	Source  string `toml:"source"`            // "sha256:…" of an archive, "directory ./libs/foo" of a tree
	Python  string `toml:"python"`            // the series: "3.13"
	Distro  string `toml:"distro"`            // "trixie"
	Arch    string `toml:"arch"`              // "amd64"

	ExcludeNewer string         `toml:"exclude-newer,omitempty"` // nothing uploaded later was looked at: RFC 3339, in UTC
	Requires     []string       `toml:"requires"`                // what the source and its recipe ask for, sorted
	Dynamic      []string       `toml:"dynamic,omitempty"`       // what its backend asked for in addition, sorted
	Packages     []BuildPackage `toml:"packages"`                // what was resolved for both, sorted; nothing else enters

	// Asked is a hash of what the backend's answer may depend on beside the source and the
	// pinned packages: where it is as it was, the backend need not be asked again.
	Asked string `toml:"asked,omitempty"` // "sha256:…"

	Crates string `toml:"crates,omitempty"` // what it takes of Rust's registry, "sha256:…" of the list; empty: it has nothing to do with Rust
	Rust   string `toml:"rust,omitempty"`   // "sha256:…" of the archive of its compiler; empty: that of the distro
}

// BuildPackage is a wheel of a build environment, written as one string:
//
//	setuptools 80.9.0 setuptools-80.9.0-py3-none-any.whl sha256:062d…
type BuildPackage struct {
	Name    string // normalised: "setuptools"
	Version string // "80.9.0"
	File    string // "setuptools-80.9.0-py3-none-any.whl"
	Digest  string // of the file: "sha256:062d…"
}

// ArchivePin is the archive that was made, once, of a commit.
type ArchivePin struct {
	URL    string `toml:"url"`    // of the repository, without credentials: "https://git.example.org/a.git"
	Commit string `toml:"commit"` // in full: 40 or 64 lower-case hex digits
	Digest string `toml:"digest"` // of the archive: "sha256:…"
}

var (
	sourcePattern = pattern.New(`^(sha256:[0-9a-f]{64}|h1:[A-Za-z0-9+/]{43}=)$`) // h1: was of a tree
	seriesPattern = pattern.New(`^3\.(0|[1-9][0-9]?)$`)
	commitPattern = pattern.New(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

const directory = "directory "

// DirectorySource is BuildPin.Source of a source tree: its path below the directory
// that paths of the project are relative to, "libs/foo" or ".". It does not say what is
// in the tree, so an edit does not unpin what the tree is built with.
func DirectorySource(dir string) string {
	if dir == "." {
		return directory + dir
	}
	return directory + "./" + dir
}

func isDirectory(source string) bool {
	dir, ok := strings.CutPrefix(source, directory)
	if below, found := strings.CutPrefix(dir, "./"); found {
		return ok && below != "." && fs.ValidPath(below)
	}
	return ok && dir == "."
}

// String is the form in the file.
func (p BuildPackage) String() string {
	return p.Name + " " + p.Version + " " + p.File + " " + p.Digest
}

// MarshalText is String, if UnmarshalText can read that.
func (p BuildPackage) MarshalText() ([]byte, error) {
	text := []byte(p.String())
	return text, new(BuildPackage).UnmarshalText(text)
}

// UnmarshalText looks at the form only: ReadLock does the rest, once for all
// places that have the same package.
func (p *BuildPackage) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), " ")
	if len(parts) != 4 || slices.Contains(parts, "") || !isDigest(parts[3]) {
		return fmt.Errorf("build package %q: want name, version, file and sha256:HEX", text)
	}
	*p = BuildPackage{Name: parts[0], Version: parts[1], File: parts[2], Digest: parts[3]}
	return nil
}

// check is whether the file is a wheel of that name and version.
func (p BuildPackage) check() error {
	file, err := pep.ParseWheelName(p.File)
	if err != nil {
		return err
	}
	version, err := pep.ParseVersion(p.Version)
	switch {
	case err != nil:
		return err
	case p.Name != file.Name || version.Compare(file.Version) != 0:
		return fmt.Errorf("%s %s: its file is of %s %s", p.Name, p.Version, file.Name, file.Version)
	}
	return nil
}

func isDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// Build is the pin of the same name, source, Python, distro and architecture.
// The caller compares its Requires with what is wanted now.
func (l *Lock) Build(like BuildPin) (BuildPin, bool) { return find(l.Builds, like) }

// SetBuild adds a pin, or replaces the one that Build finds. One of a tree also
// replaces those that were made when trees were pinned by what is in them.
func (l *Lock) SetBuild(pin BuildPin) {
	if isDirectory(pin.Source) {
		l.Builds = slices.DeleteFunc(l.Builds, func(old BuildPin) bool {
			tree := strings.HasPrefix(old.Source, "h1:")
			old.Source = pin.Source
			return tree && old.id() == pin.id()
		})
	}
	set(&l.Builds, pin)
}

// UnpinBuild drops what all sources of a name are built with, everywhere, and
// says whether there was anything.
func (l *Lock) UnpinBuild(name string) (dropped bool) {
	before := len(l.Builds)
	name = pep.NormalizeName(name)
	l.Builds = slices.DeleteFunc(l.Builds, func(p BuildPin) bool { return p.Name == name })
	return len(l.Builds) < before
}

// Archive is the pin of the archive of a commit.
func (l *Lock) Archive(url, commit string) (ArchivePin, bool) {
	return find(l.Archives, ArchivePin{URL: url, Commit: commit})
}

// SetArchive adds a pin, or replaces the one of the same repository and commit.
func (l *Lock) SetArchive(pin ArchivePin) { set(&l.Archives, pin) }

func (p BuildPin) id() pinID   { return pinID{p.Name, p.Source, p.Distro, p.Arch, p.Python} }
func (p ArchivePin) id() pinID { return pinID{p.URL, p.Commit} }

// checkPins refuses to write pins that could not be read back.
func checkPins(l Lock) error {
	doc, err := strict.Decode(LockFile, nil, &struct{}{})
	if err != nil {
		return err
	}
	c := lockChecker{doc: doc, seen: map[string]bool{}}
	c.pythons(&l)
	c.releases(&l)
	c.builds(&l)
	strict.Sort(c.errs)
	return c.errs.Err()
}

// builds reports what is wrong with build pins and archives.
func (c *lockChecker) builds(l *Lock) {
	for i, p := range l.Archives {
		key := fmt.Sprintf("archive[%d]", i)
		c.unique("archive", key, p)
		c.digest(key, p.Digest)
		if u, err := url.Parse(p.URL); err != nil || u.User != nil || u.Host == "" {
			c.report(key+".url", "want an address without credentials")
		}
		if !commitPattern.MatchString(p.Commit) {
			c.report(key+".commit", "%q: want 40 or 64 lower-case hex digits", p.Commit)
		}
	}
	packages, requirements := map[BuildPackage]error{}, map[string]error{}
	for i, p := range l.Builds {
		key := fmt.Sprintf("build[%d]", i)
		c.target(key, p.Distro, p.Arch)
		c.unique("build", key, p)
		c.source(key, p)
		for field, texts := range map[string][]string{"requires": p.Requires, "dynamic": p.Dynamic} {
			for j, text := range texts {
				err := once(requirements, text, func() error { _, err := pep.ParseRequirement(text); return err })
				if err != nil {
					c.report(fmt.Sprintf("%s.%s[%d]", key, field, j), "%w", err)
				}
			}
		}
		for j, pkg := range p.Packages {
			if err := once(packages, pkg, pkg.check); err != nil {
				c.report(fmt.Sprintf("%s.packages[%d]", key, j), "%w", err)
			}
			if j > 0 && slices.ContainsFunc(p.Packages[:j], func(other BuildPackage) bool { return other.Name == pkg.Name }) {
				c.report(fmt.Sprintf("%s.packages[%d]", key, j), "%s: given twice", pkg.Name)
			}
		}
	}
}

// source reports what is wrong with what a build pin is about.
func (c *lockChecker) source(key string, p BuildPin) {
	if !pep.ValidName(p.Name) || pep.NormalizeName(p.Name) != p.Name {
		c.report(key+".name", "%q: want a normalised name such as \"psycopg2\"", p.Name)
	}
	if _, err := pep.ParseVersion(p.Version); err != nil && p.Version != "" {
		c.report(key+".version", "%w", err)
	}
	if !sourcePattern.MatchString(p.Source) && !isDirectory(p.Source) {
		c.report(key+".source", "%q: want sha256: and 64 lower-case hex digits, or directory and a path such as ./libs/foo", p.Source)
	}
	if !seriesPattern.MatchString(p.Python) {
		c.report(key+".python", "%q: want a series such as \"3.13\"", p.Python)
	}
	for field, digest := range map[string]string{"crates": p.Crates, "rust": p.Rust, "asked": p.Asked} {
		if digest != "" && !isDigest(digest) {
			c.report(key+"."+field, "%q: want sha256: and 64 lower-case hex digits", digest)
		}
	}
	if _, err := time.Parse("2006-01-02T15:04:05Z", p.ExcludeNewer); err != nil && p.ExcludeNewer != "" {
		c.report(key+".exclude-newer", "%q: want a time such as \"2025-06-01T00:00:00Z\"", p.ExcludeNewer)
	}
}

// once is what check says, and does not ask it twice about the same.
func once[T comparable](known map[T]error, about T, check func() error) error {
	err, ok := known[about]
	if !ok {
		err = check()
		known[about] = err
	}
	return err
}
