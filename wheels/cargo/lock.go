package cargo

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// LockFile is what cargo calls its lock, ManifestFile its manifest.
const (
	LockFile     = "Cargo.lock"
	ManifestFile = "Cargo.toml"
)

// File is a file of a source.
type File struct {
	Name string // "src/rust/Cargo.lock"
	Data []byte
}

// Crate is an archive of cargo's own registry.
type Crate struct {
	Name    string // "serde"
	Version string // "1.0.228", "0.11.1+wasi-snapshot-preview1"
	SHA256  string // of the archive: 64 lower-case hex digits
}

// String is the name of the crate's directory, "serde-1.0.228".
func (c Crate) String() string { return c.Name + "-" + c.Version }

// File is the name of its archive, "serde-1.0.228.crate".
func (c Crate) File() string { return c.String() + ".crate" }

// Lock is what a Cargo.lock says.
type Lock struct {
	Version int     // 1 to 4
	Crates  []Crate // sorted

	origin string // what it calls cargo's own registry: "registry+https://index.example.org/crates.io-index"
}

var (
	namePattern    = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$`)
	versionPattern = pattern.New(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	hashPattern    = pattern.New(`^[0-9a-f]{64}$`)
)

// ownRegistry is how the origin of a crate of cargo's own registry ends.
const ownRegistry = "/crates.io-index"

// lockTable is the form of the file.
type lockTable struct {
	Version  int `toml:"version"`
	Packages []struct {
		Name     string `toml:"name"`
		Version  string `toml:"version"`
		Source   string `toml:"source"`
		Checksum string `toml:"checksum"`
	} `toml:"package"`
	Metadata map[string]string `toml:"metadata"`
}

// ParseLock reads a Cargo.lock; file is what errors call it. See the package.
func ParseLock(file string, data []byte) (*Lock, error) {
	var table lockTable
	doc, err := strict.Decode(file, data, &table)
	var errs strict.Errors
	if err != nil && !errors.As(err, &errs) {
		return nil, err
	}
	errs = slices.DeleteFunc(errs, func(e *strict.Error) bool { return e.Msg == "unknown key" })
	if len(errs) > 0 {
		return nil, errs
	}
	l := &Lock{Version: table.Version}
	if l.Version > 4 {
		errs = append(errs, doc.Errorf("version", "%d: want at most 4, the newest that is known", l.Version))
	}
	for i, p := range table.Packages {
		if p.Source == "" { // in the source itself
			continue
		}
		key := fmt.Sprintf("package[%d]", i)
		c := Crate{Name: p.Name, Version: p.Version, SHA256: p.Checksum}
		if l.Version <= 1 && c.SHA256 == "" {
			l.Version = 1
			c.SHA256 = table.Metadata[fmt.Sprintf("checksum %s %s (%s)", p.Name, p.Version, p.Source)]
		}
		where, problem := c.problem(p.Source)
		switch {
		case problem != nil:
			errs = append(errs, doc.Errorf(key+where, "%w", problem))
		case l.origin != "" && l.origin != p.Source:
			errs = append(errs, doc.Errorf(key+".source", "%s: comes from %q, others from %q", c, p.Source, l.origin))
		default:
			l.origin = p.Source
			l.Crates = append(l.Crates, c)
		}
	}
	if l.Version == 0 { // nothing tells 1 from 2, which have no key of their own
		l.Version = 2
	}
	l.Crates = sorted(l.Crates)
	return l, errs.Err()
}

// problem is what is wrong with a crate, and with which of its keys.
func (c Crate) problem(source string) (key string, err error) {
	switch {
	case !namePattern.MatchString(c.Name):
		return ".name", fmt.Errorf("%.200q: want the name of a crate", c.Name)
	case !versionPattern.MatchString(c.Version):
		return ".version", fmt.Errorf("%s: %.200q: want a version such as 1.0.228", c.Name, c.Version)
	case strings.HasPrefix(source, "git+"):
		return ".source", fmt.Errorf("%s: is from a git repository (%.200s): only crates of cargo's own registry are taken", c, strings.TrimPrefix(source, "git+"))
	case !strings.HasPrefix(source, "registry+") || !strings.HasSuffix(source, ownRegistry):
		return ".source", fmt.Errorf("%s: is from %.200q: only crates of cargo's own registry are taken", c, source)
	case !hashPattern.MatchString(c.SHA256):
		return "", fmt.Errorf("%s: has no checksum (%.100q): want 64 lower-case hex digits", c, c.SHA256)
	}
	return "", nil
}

// Union are the crates of some locks, sorted, each once.
func Union(locks []*Lock) []Crate {
	var all []Crate
	for _, l := range locks {
		all = append(all, l.Crates...)
	}
	return sorted(all)
}

func sorted(crates []Crate) []Crate {
	slices.SortFunc(crates, func(a, b Crate) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.SHA256, b.SHA256))
	})
	return slices.Compact(crates)
}

// Listing is a set of crates as sha256sum prints it: a line "HEX  FILE" for each.
func Listing(crates []Crate) string {
	var b strings.Builder
	for _, c := range crates {
		fmt.Fprintf(&b, "%s  %s\n", c.SHA256, c.File())
	}
	return b.String()
}

// Digest is the hash of a set of crates: "sha256:…" of its Listing.
func Digest(crates []Crate) string {
	sum := sha256.Sum256([]byte(Listing(crates)))
	return "sha256:" + hex.EncodeToString(sum[:])
}
