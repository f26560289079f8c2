// Package apt renders the metadata of an apt repository. It is pure: packages
// and dates in, files out; the same input gives the same bytes (those of a .gz
// until compress/gzip changes).
//
// The format is that of wiki.debian.org/DebianRepository/Format. Of a repository
// trixie for amd64 the files are, with sizes in bytes and times in UTC:
//
//	dists/trixie/InRelease                                   Release, signed inline
//	dists/trixie/Release
//	dists/trixie/Release.gpg                                 its signature
//	dists/trixie/main/binary-amd64/Packages
//	dists/trixie/main/binary-amd64/Packages.gz
//	dists/trixie/main/binary-amd64/by-hash/SHA256/5f1c…      both again, by the SHA-256 of their bytes
//
// Release is
//
//	Origin: pybake
//	Label: pybake
//	Suite: trixie
//	Codename: trixie
//	Date: Fri, 21 Nov 2025 02:00:00 UTC
//	Valid-Until: Fri, 28 Nov 2025 02:00:00 UTC
//	Acquire-By-Hash: yes
//	Architectures: amd64
//	Components: main
//	Description: Python for trixie
//	SHA256:
//	 d35b…                                                        4711 main/binary-amd64/Packages
//	 77a0…                                                        1812 main/binary-amd64/Packages.gz
//
// Packages has one stanza a package, sorted by the bytes of name, version and
// architecture, with a blank line after each. A stanza is the control file of the
// .deb (deb-control(5)) with three fields more, Filename, Size and SHA256, in the
// order that dpkg-scanpackages writes; folded lines stay as they are. There is no
// MD5sum: every apt since 1.0 takes SHA256, and none of them trusts MD5. There is
// no Packages.xz: of the packages of one Python it is larger than the .gz.
//
// Packages of architecture all are in the Packages of each architecture. "all" is
// therefore not among the Architectures: apt would look for a binary-all.
//
// # What apt asks of who publishes
//
// apt refuses a Release whose Date is more than 10 seconds in the future by its
// clock, and one whose Valid-Until has passed. One with an earlier Date than it has
// seen already it passes over in silence. It fails if Origin, Label or Codename
// is not what it was. Between InRelease and the Packages that it names
// the repository may move on: the by-hash files of former generations have to stay,
// or apt takes the Packages.gz of the next one and fails on its size.
//
// Of a suite in the place of another, signed by the same key, apt only warns
// ("Conflicting distribution").
//
// # How a client is told
//
// apt 2.4 (bookworm, jammy and later) takes the key inside a .sources file, see
// [SourcesFile]. With such a file bullseye's 2.2 and focal's 2.0 read none of their
// sources at all; they take Signed-By as the path of a file on the client that user
// _apt may read, see [SourcesFileAt]. Every apt takes that form. Either is put into
// /etc/apt/sources.list.d under a name that ends in .sources.
package apt

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Package is one .deb of a repository.
type Package struct {
	Control  string // its control file, as nfpm.Control returns it
	Filename string // path from the root of the repository, "pool/5f/5f1c…/pybake-python3.13_3.13.5-1+deb13_amd64.deb"
	Size     int64  // bytes
	SHA256   string // 64 lower-case hexadecimal digits
}

// Repository is one suite of an apt repository, with the one component main.
type Repository struct {
	Origin        string    // "pybake"; this, Label and Description are left out if empty
	Label         string    // "pybake"
	Codename      string    // "trixie"; it is the Suite, too
	Description   string    // "Python for trixie"
	Date          time.Time // of the publication, counted in whole seconds
	ValidUntil    time.Time // zero: for ever
	Architectures []string  // Debian's names without all: "amd64"
	Packages      []Package // in any order; may be empty
}

// File is a file of the repository.
type File struct {
	Path string // from its root, "dists/trixie/InRelease"
	Data []byte
}

// Files renders the repository, sorted by path. sign is called once, with the bytes
// of Release; what it returns becomes InRelease (inline) and Release.gpg (detached),
// each left out if nil. Without sign neither is there, and apt takes the repository
// only from a source that says Trusted: yes.
//
// Everything that is wrong with the repository and its packages is reported in one
// error, with the Filename of the package. The same package twice counts once.
func (r *Repository) Files(sign func(release []byte) (inline, detached []byte, err error)) ([]File, error) {
	files, err := r.files(sign)
	if err != nil {
		return nil, fmt.Errorf("apt repository %s: %w", r.Codename, err)
	}
	return files, nil
}

func (r *Repository) files(sign func([]byte) ([]byte, []byte, error)) ([]File, error) {
	entries, err := r.entries()
	if err := errors.Join(r.check(), err); err != nil {
		return nil, err
	}
	dists := "dists/" + r.Codename + "/"
	var files []File
	var sums strings.Builder
	for _, arch := range slices.Sorted(slices.Values(r.Architectures)) {
		dir := "main/binary-" + arch + "/"
		packages := index(entries, arch)
		for _, f := range []File{{"Packages", packages}, {"Packages.gz", compress(packages)}} {
			sum := hexSum(f.Data)
			fmt.Fprintf(&sums, " %s %16d %s%s\n", sum, len(f.Data), dir, f.Path)
			files = append(files, File{dists + dir + f.Path, f.Data}, File{dists + dir + "by-hash/SHA256/" + sum, f.Data})
		}
	}
	release := []byte(r.fields() + "SHA256:\n" + sums.String())
	files = append(files, File{dists + "Release", release})
	if sign != nil {
		inline, detached, err := sign(bytes.Clone(release))
		if err != nil {
			return nil, fmt.Errorf("sign Release: %w", err)
		}
		if inline != nil {
			files = append(files, File{dists + "InRelease", inline})
		}
		if detached != nil {
			files = append(files, File{dists + "Release.gpg", detached})
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}

// fields are those of Release before the hashes.
func (r *Repository) fields() string {
	var out strings.Builder
	for _, f := range []struct{ name, value string }{
		{"Origin", r.Origin},
		{"Label", r.Label},
		{"Suite", r.Codename},
		{"Codename", r.Codename},
		{"Date", date(r.Date)},
		{"Valid-Until", date(r.ValidUntil)},
		{"Acquire-By-Hash", "yes"},
		{"Architectures", strings.Join(slices.Sorted(slices.Values(r.Architectures)), " ")},
		{"Components", "main"},
		{"Description", r.Description},
	} {
		if f.value != "" {
			out.WriteString(f.name + ": " + f.value + "\n")
		}
	}
	return out.String()
}

// date is a time as Release has it.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC")
}

// index is the Packages file of an architecture.
func index(entries []entry, arch string) []byte {
	var out bytes.Buffer
	for _, e := range entries {
		if e.arch == arch || e.arch == "all" {
			out.WriteString(e.stanza)
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// compress has neither a name nor a time in the header.
func compress(data []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	// A buffer takes everything.
	_, _ = z.Write(data)
	_ = z.Close()
	return out.Bytes()
}
