package cargo

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Need is the oldest compiler that will do, and why.
type Need struct {
	Version string // "1.85"; "" for any
	Why     string // `Cargo.toml: rust-version = "1.85"`
}

// Max is the higher of two.
func (n Need) Max(other Need) Need {
	if Compare(other.Version, n.Version) > 0 {
		return other
	}
	return n
}

// What a compiler needs to be to know an edition or a version of a lock.
var (
	editions = map[string]string{"2018": "1.31", "2021": "1.56", "2024": "1.85"}
	locks    = map[int]string{3: "1.53", 4: "1.78"}
)

// manifest is what of a Cargo.toml counts. Keys may also be {workspace = true}.
type manifest struct {
	Package   manifestPackage `toml:"package"`
	Workspace struct {
		Package manifestPackage `toml:"package"`
	} `toml:"workspace"`
}

type manifestPackage struct {
	Edition     any `toml:"edition"`
	RustVersion any `toml:"rust-version"`
}

// Minimum is what the files of a source need. One that is no TOML needs nothing: cargo
// says what is wrong with it, if it reads it.
func Minimum(files []File) (n Need) {
	for _, f := range files {
		if path.Base(f.Name) == LockFile {
			if l, err := ParseLock(f.Name, f.Data); err == nil {
				n = n.Max(Need{locks[l.Version], fmt.Sprintf("%s: version = %d", f.Name, l.Version)})
			}
			continue
		}
		n = n.Max(manifestNeed(f, true))
	}
	return n
}

func manifestNeed(f File, own bool) (n Need) {
	var m manifest
	if toml.Unmarshal(f.Data, &m) != nil {
		return n
	}
	for _, p := range []manifestPackage{m.Package, m.Workspace.Package} {
		if edition, ok := p.Edition.(string); ok {
			n = n.Max(Need{editions[edition], fmt.Sprintf("%s: edition = %q", f.Name, edition)})
		}
		if version, ok := p.RustVersion.(string); ok && own {
			n = n.Max(Need{leading(version), fmt.Sprintf("%s: rust-version = %q", f.Name, version)})
		}
	}
	return n
}

// CrateMinimum is what the archive of a crate needs, which is at path.
func CrateMinimum(c Crate, archive string) (Need, error) {
	r, err := fetch.Tar(archive)
	if err != nil {
		return Need{}, fmt.Errorf("crate %s: %w", c, err)
	}
	defer r.Close()
	name := c.String() + "/" + ManifestFile
	for members := tar.NewReader(r); ; {
		hdr, err := members.Next()
		if err == io.EOF {
			err = errors.New("no " + name + " in it")
		}
		if err != nil {
			return Need{}, fmt.Errorf("crate %s: %w", c, err)
		}
		if hdr.Name == name {
			data, err := io.ReadAll(io.LimitReader(members, strict.MaxSize))
			if err != nil {
				return Need{}, fmt.Errorf("crate %s: %w", c, err)
			}
			return manifestNeed(File{name, data}, false), nil
		}
	}
}

var leadingPattern = pattern.New(`^[0-9]+(\.[0-9]+){0,2}`)

// leading is the version that a text begins with: "1.96.0" of "1.96.0+dfsg1-1~deb13u1".
func leading(text string) string { return leadingPattern.FindString(text) }

// CompilerVersion is the version of the compiler that a package of a distro has:
// "1.96.0" of "1.96.0+dfsg1-1~deb13u1"; "" if it does not tell.
func CompilerVersion(packageVersion string) string {
	_, after, ok := strings.Cut(packageVersion, ":") // an epoch
	if ok {
		packageVersion = after
	}
	return leading(packageVersion)
}

// Compare orders versions of compilers: "1.9" < "1.85" = "1.85.0" < "1.85.1". The empty
// one is before all.
func Compare(a, b string) int {
	x, y := numbers(a), numbers(b)
	return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]), cmp.Compare(x[2], y[2]))
}

func numbers(version string) (n [3]int) {
	for i, part := range strings.SplitN(leading(version), ".", 3) {
		n[i], _ = strconv.Atoi(part) // too large a number is not one of a compiler
	}
	return n
}
