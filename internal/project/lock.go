package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// LockFormat is the format of pybake.lock that is written, and the only one
// that is read.
const LockFormat = 1

const lockHeader = "# Made by pybake: the pins of everything that floats. Commit it.\n"

// Lock is the contents of pybake.lock: an array of tables for each kind of
// pin, sorted, with one package a line, so that a diff reads well:
//
//	format = 1
//
//	[[base]]
//	distro = 'trixie'
//	arch = 'amd64'
//	origin = 'mmdebstrap'
//	digest = 'sha256:3f2c…'
//	packages = [
//	  'adduser 3.152 all',
//	  'apt 3.0.3 amd64',
//	]
//
//	[[builder]]
//	distro = 'trixie'
//	arch = 'amd64'
//	for = 'python 3.13'
//	request = [
//	  'gcc',
//	]
//	packages = [
//	  'gcc-14 14.2.0-19 amd64 sha256:5f1c…',
//	]
//
// and [[runtime]] like [[builder]], [[profile]], [[archive]], and those that
// [PythonPin], [ReleasePin] and [BuildPin] show.
//
// The architecture is Debian's name of it; a digest is "sha256:" and 64
// lower-case hex digits. There is at most one pin of a kind for what its
// lookup takes. Nobody but pybake writes the file, with [Update].
type Lock struct {
	Format   int          `toml:"format"`
	Pythons  []PythonPin  `toml:"python,omitempty"`
	Releases []ReleasePin `toml:"release,omitempty"`
	Bases    []BasePin    `toml:"base,omitempty"`
	Builders []SetPin     `toml:"builder,omitempty"`
	Runtimes []SetPin     `toml:"runtime,omitempty"`
	Profiles []ProfilePin `toml:"profile,omitempty"`
	Archives []ArchivePin `toml:"archive,omitempty"`
	Builds   []BuildPin   `toml:"build,omitempty"`
}

// BasePin is the base image of a distro.
type BasePin struct {
	Distro   string    `toml:"distro"`        // "trixie"
	Arch     string    `toml:"arch"`          // "amd64"
	Origin   string    `toml:"origin"`        // "engine", "registry" or "mmdebstrap"
	Ref      string    `toml:"ref,omitempty"` // "debian:trixie-slim"; empty for mmdebstrap
	Digest   string    `toml:"digest"`        // of the image
	Packages []Package `toml:"packages"`      // what is installed in it
}

// SetPin is a set of packages, with all they need beside the base image: what
// a builder image installs, or what a runtime package needs installed.
type SetPin struct {
	Distro   string    `toml:"distro"`   // "trixie"
	Arch     string    `toml:"arch"`     // "amd64"
	For      string    `toml:"for"`      // who asks: "python 3.13"
	Request  []string  `toml:"request"`  // what was asked for, sorted: package names
	Packages []Package `toml:"packages"` // what apt takes for it, each with a hash
}

// ProfilePin is what a training build learned.
type ProfilePin struct {
	Series   string `toml:"series"`   // "3.13"
	Distro   string `toml:"distro"`   // "trixie"
	Arch     string `toml:"arch"`     // "amd64"
	Variant  string `toml:"variant"`  // "pgo+lto"
	Compiler string `toml:"compiler"` // "gcc 14.2.0-19"
	Workload string `toml:"workload"` // "-m test --pgo"
	Digest   string `toml:"digest"`   // of the stored profile
}

// ReadLock reads a lock file. One that does not exist has no pins.
func ReadLock(path string) (*Lock, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{Format: LockFormat}, nil
	} else if err != nil {
		return nil, err
	}
	// Another format may have other keys, so its number is looked at first.
	var format struct {
		Format any `toml:"format"`
	}
	if err := toml.Unmarshal(data, &format); err == nil {
		if n, ok := format.Format.(int64); ok && n != LockFormat {
			doc, _ := strict.Decode(path, data, &struct{}{})
			return nil, strict.Errors{doc.Errorf("format", "%d: this pybake reads format %d only", n, LockFormat)}
		}
	}
	l := &Lock{}
	if _, err := decode(path, data, l, l.problems); err != nil {
		return nil, err
	}
	return l, nil
}

// Base is the pin of a distro's base image.
func (l *Lock) Base(distro, arch string) (BasePin, bool) {
	return find(l.Bases, BasePin{Distro: distro, Arch: arch})
}

// Builder is the pin of the builder packages of somebody ("python 3.13"). The
// caller compares its Request with what is wanted now.
func (l *Lock) Builder(distro, arch, who string) (SetPin, bool) {
	return find(l.Builders, SetPin{Distro: distro, Arch: arch, For: who})
}

// Runtime is likewise the pin of the packages that a clean container needs.
func (l *Lock) Runtime(distro, arch, who string) (SetPin, bool) {
	return find(l.Runtimes, SetPin{Distro: distro, Arch: arch, For: who})
}

// Profile is the pin of the profile that was learned under the given
// conditions: all fields of like but the digest.
func (l *Lock) Profile(like ProfilePin) (ProfilePin, bool) { return find(l.Profiles, like) }

// SetBase adds a pin, or replaces the one of the same distro and architecture.
func (l *Lock) SetBase(pin BasePin) { set(&l.Bases, pin) }

// SetBuilder adds a pin, or replaces the one of the same distro, architecture and For.
func (l *Lock) SetBuilder(pin SetPin) { set(&l.Builders, pin) }

// SetRuntime adds a pin, or replaces the one of the same distro, architecture and For.
func (l *Lock) SetRuntime(pin SetPin) { set(&l.Runtimes, pin) }

// SetProfile adds a pin, or replaces the one of the same conditions.
func (l *Lock) SetProfile(pin ProfilePin) { set(&l.Profiles, pin) }

// Unpin drops the base image of a distro on an architecture and all packages
// that were resolved on it, and says whether there were any. Profiles stay:
// they fit whenever their conditions come again. So do build pins: they come
// from an index, and depend on what the distro is (its glibc), not on the state
// it is in; see UnpinBuild.
func (l *Lock) Unpin(distro, arch string) (dropped bool) {
	before := len(l.Bases) + len(l.Builders) + len(l.Runtimes)
	of := func(p SetPin) bool { return p.Distro == distro && p.Arch == arch }
	l.Bases = slices.DeleteFunc(l.Bases, func(p BasePin) bool { return p.Distro == distro && p.Arch == arch })
	l.Builders, l.Runtimes = slices.DeleteFunc(l.Builders, of), slices.DeleteFunc(l.Runtimes, of)
	return len(l.Bases)+len(l.Builders)+len(l.Runtimes) < before
}

// id is what a pin is looked up by, with parts that sort as the file does.
func (p BasePin) id() pinID { return pinID{p.Distro, p.Arch} }
func (p SetPin) id() pinID  { return pinID{p.Distro, p.Arch, p.For} }
func (p ProfilePin) id() pinID {
	return pinID{p.Series, p.Distro, p.Arch, p.Variant, p.Compiler, p.Workload}
}

type pinID [6]string

func (id pinID) String() string { return strings.TrimRight(strings.Join(id[:], " "), " ") }

type pin interface{ id() pinID }

func find[P pin](pins []P, like P) (P, bool) {
	id := like.id()
	for _, p := range pins {
		if p.id() == id {
			return p, true
		}
	}
	var none P
	return none, false
}

func set[P pin](pins *[]P, p P) {
	id := p.id()
	*pins = append(slices.DeleteFunc(*pins, func(old P) bool { return old.id() == id }), p)
}

// Bytes is the text of the file: the same for the same pins, in whatever order
// they were set.
func (l *Lock) Bytes() ([]byte, error) {
	sorted := Lock{
		Format: LockFormat, Pythons: sortPins(l.Pythons), Releases: sortPins(l.Releases), Bases: sortPins(l.Bases), Builders: sortPins(l.Builders), Runtimes: sortPins(l.Runtimes),
		Profiles: sortPins(l.Profiles), Archives: sortPins(l.Archives), Builds: sortPins(l.Builds),
	}
	for i := range sorted.Bases {
		sorted.Bases[i].Packages = sortPackages(sorted.Bases[i].Packages)
	}
	for _, pins := range [][]SetPin{sorted.Builders, sorted.Runtimes} {
		for i := range pins {
			pins[i].Packages = sortPackages(pins[i].Packages)
			pins[i].Request = sortTexts(pins[i].Request)
		}
	}
	if err := checkPins(sorted); err != nil {
		return nil, fmt.Errorf("encode %s: %w", LockFile, err)
	}
	for i, p := range sorted.Builds {
		sorted.Builds[i].Requires, sorted.Builds[i].Dynamic = sortTexts(p.Requires), sortTexts(p.Dynamic)
		sorted.Builds[i].Packages = sortPackages(p.Packages)
	}
	var b bytes.Buffer
	b.WriteString(lockHeader)
	if err := toml.NewEncoder(&b).SetArraysMultiline(true).Encode(sorted); err != nil {
		return nil, fmt.Errorf("encode %s: %w", LockFile, err)
	}
	return commas(b.Bytes()), nil
}

// commas puts one after the last element of an array too: a new element is
// then one line of a diff.
func commas(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/50)
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		out = append(out, line...)
		if bytes.HasPrefix(line, []byte("  ")) && !bytes.HasSuffix(line, []byte(",")) {
			out = append(out, ',')
		}
		out = append(out, '\n')
	}
	return out
}

func sortPins[P pin](pins []P) []P {
	return slices.SortedStableFunc(slices.Values(pins), func(a, b P) int {
		x, y := a.id(), b.id()
		return slices.Compare(x[:], y[:])
	})
}

func sortPackages[P fmt.Stringer](packages []P) []P {
	return slices.SortedFunc(slices.Values(packages), func(a, b P) int { return strings.Compare(a.String(), b.String()) })
}

func sortTexts(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

var (
	digestPattern = pattern.New(`^sha256:[0-9a-f]{64}$`)
	archPattern   = pattern.New(`^[a-z0-9-]+$`)
)

// problems are what is wrong with the values, beyond their types.
func (l *Lock) problems(doc *strict.Doc) strict.Errors {
	c := lockChecker{doc: doc, seen: map[string]bool{}}
	if l.Format != LockFormat {
		c.report("format", "want %d", LockFormat)
	}
	c.pythons(l)
	c.releases(l)
	for i, p := range l.Bases {
		key := fmt.Sprintf("base[%d]", i)
		c.target(key, p.Distro, p.Arch)
		c.unique("base", key, p)
		c.digest(key, p.Digest)
		if !slices.Contains([]string{"engine", "registry", "mmdebstrap"}, p.Origin) {
			c.report(key+".origin", "%q: want engine, registry or mmdebstrap", p.Origin)
		}
	}
	for kind, pins := range map[string][]SetPin{"builder": l.Builders, "runtime": l.Runtimes} {
		for i, p := range pins {
			key := fmt.Sprintf("%s[%d]", kind, i)
			c.target(key, p.Distro, p.Arch)
			c.unique(kind, key, p)
			for j, pkg := range p.Packages {
				if pkg.Digest == "" {
					c.report(fmt.Sprintf("%s.packages[%d]", key, j), "%q: no hash", pkg)
				}
			}
		}
	}
	for i, p := range l.Profiles {
		key := fmt.Sprintf("profile[%d]", i)
		c.target(key, p.Distro, p.Arch)
		c.unique("profile", key, p)
		c.digest(key, p.Digest)
	}
	c.builds(l)
	return c.errs
}

// lockChecker collects what is wrong with the values of a lock file.
type lockChecker struct {
	doc  *strict.Doc
	errs strict.Errors
	seen map[string]bool
}

func (c *lockChecker) report(key, format string, args ...any) {
	c.errs = append(c.errs, c.doc.Errorf(key, format, args...))
}

func (c *lockChecker) target(key, distro, arch string) {
	if !codenamePattern.MatchString(distro) {
		c.report(key+".distro", `%q: want a codename such as "trixie"`, distro)
	}
	if !archPattern.MatchString(arch) {
		c.report(key+".arch", `%q: want an architecture such as "amd64"`, arch)
	}
}

func (c *lockChecker) digest(key, digest string) {
	if !digestPattern.MatchString(digest) {
		c.report(key+".digest", "%q: want sha256: and 64 lower-case hex digits", digest)
	}
}

func (c *lockChecker) unique(kind, key string, p pin) {
	id := fmt.Sprintf("%s %q", kind, p.id())
	if c.seen[id] {
		c.report(key, "pinned twice: %s", p.id())
	}
	c.seen[id] = true
}

// Write writes the lock file, by renaming, unless it says the same already.
func (l *Lock) Write(path string) error {
	data, err := l.Bytes()
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return replaceFile(filepath.Clean(path), data)
}
