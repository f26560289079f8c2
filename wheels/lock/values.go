package lock

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
)

// name is a project's name in its normal form.
func (d *document) name(p place, text string) string {
	if !pep.ValidName(text) {
		d.errorf(p, "%.80q is not the name of a project", text)
	}
	return pep.NormalizeName(text)
}

// setVersion reads the version of a package.
func (d *document) setVersion(p place, pkg *Package, text string) {
	if !d.spendText(p, text) {
		return
	}
	v, err := pep.ParseVersion(text)
	if err != nil {
		d.parseError(p, err)
		return
	}
	pkg.version, pkg.Version = v, v.String()
}

// parseError notes what a parser of package pep could not read, at its column
// where the place is in a plain line.
func (d *document) parseError(p place, err error) {
	var e *pep.Error
	if !errors.As(err, &e) {
		d.errorf(p, "%v", err)
		return
	}
	if o, ok := p.(offset); ok {
		p = o + offset(e.Col)
	}
	d.errorf(p, "%s %.100q: %s", e.What, e.Input, e.Cause)
}

// marker reads a marker; "" is none.
func (d *document) marker(p place, text string) *pep.Marker {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	m, err := pep.ParseMarker(text)
	if err != nil {
		d.parseError(p, err)
		return nil
	}
	return &m
}

// hashSizes are hexadecimal digits by algorithm.
var hashSizes = map[string]int{
	"sha256": 64, "sha384": 96, "sha512": 128,
	"md5": 32, "sha1": 40, "sha224": 56, "blake2s": 64, "blake2b": 128,
	"sha3_224": 56, "sha3_256": 64, "sha3_384": 96, "sha3_512": 128,
}

func strong(algorithm string) bool {
	return algorithm == "sha256" || algorithm == "sha384" || algorithm == "sha512"
}

// hash is "sha256:..." in lower case, or "" for one that proves nothing (md5)
// or that is none, which is an error.
func (d *document) hash(p place, text string) string {
	algorithm, hex, ok := strings.Cut(strings.ToLower(text), ":")
	size := hashSizes[algorithm]
	switch {
	case !ok:
		d.errorf(p, "%.80q is no hash: want ALGORITHM:HEXADECIMAL, as in sha256:0a1b…", text)
	case size == 0:
		d.errorf(p, "%.20q is not a hash algorithm that is known", algorithm)
	case len(hex) != size:
		d.errorf(p, "malformed hash: %s has %d hexadecimal digits, found %d", algorithm, size, len(hex))
	case !isHex(hex):
		d.errorf(p, "malformed hash: %.140q is not hexadecimal", hex)
	case strong(algorithm):
		return algorithm + ":" + hex
	}
	return ""
}

func isHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == "" }

// hashes is the strong ones of texts, which may have nodes of their own. That
// there is none is an error.
func (d *document) hashes(p place, texts []string, nodes ...*node) []string {
	var list []string
	before := len(*d.errs)
	for i, text := range texts {
		at := p
		if i < len(nodes) {
			at = nodes[i]
		}
		if h := d.hash(at, text); h != "" {
			list = append(list, h)
		}
	}
	switch {
	case len(list) > 0 || len(*d.errs) > before || d.full():
	case len(texts) == 0:
		d.errorf(p, "no hash: nothing unhashed is installed")
	default:
		algorithm, _, _ := strings.Cut(texts[0], ":")
		d.errorf(p, "no hash but %s, which proves nothing: want sha256, sha384 or sha512", strings.ToLower(algorithm))
	}
	return list
}

// variable is ${NAME} in an address, and variableName what stands for it in the
// one that is returned.
var variable = pattern.New(`\$\{[A-Za-z0-9_]+\}`)

const variableName = "VARIABLE"

// address checks an address. What it says of it never holds what may be secret.
func (d *document) address(p place, text string) (*url.URL, bool) {
	u, err := url.Parse(variable.ReplaceAllString(text, variableName))
	if err != nil {
		// An error of url.Parse quotes the address, with its credentials.
		d.errorf(p, "not an address")
		return nil, false
	}
	_, transport, vcs := strings.Cut(u.Scheme, "+")
	if !vcs {
		transport = u.Scheme
	}
	switch {
	case u.Scheme == "":
		d.errorf(p, "no https: in the address")
	case transport == "file":
		d.errorf(p, "file: address: give a path within the project instead")
	case transport == "ssh":
		if _, has := u.User.Password(); has {
			d.errorf(p, "the address of %s holds a password: keep it out of the lock", u.Host)
			return nil, false
		}
		return u, true
	case transport != "https" && transport != "http" || vcs && transport == "http":
		d.errorf(p, "%.20q address: want https", u.Scheme)
	case u.Host == "":
		d.errorf(p, "the address has no host")
	case u.User != nil && !isVariables(u.User):
		d.errorf(p, "the address of %s holds credentials: keep them in netrc or in ${VARIABLES}", u.Host)
	default:
		return u, true
	}
	return nil, false
}

// isVariables is whether credentials are ${VAR} throughout, and so none.
func isVariables(user *url.Userinfo) bool {
	password, has := user.Password()
	return user.Username() == variableName && (!has || password == variableName)
}

// git is the source of a repository at a commit.
func (d *document) git(p place, address, commit, subdirectory string) Source {
	if scheme, _, ok := strings.Cut(address, "://"); !ok && strings.Contains(address, "@") && strings.Contains(address, ":") {
		// git@host:owner/repository, as scp has it
		host, rest, _ := strings.Cut(address, ":")
		address = "ssh://" + host + "/" + rest
	} else if ok && !strings.HasPrefix(scheme, "git+") && scheme != "ssh" {
		address = "git+" + address
	}
	d.address(p, address)
	if (len(commit) != 40 && len(commit) != 64) || !isHex(commit) {
		d.errorf(p, "git without a full commit: %.80q may move; want its 40 hexadecimal digits", commit)
	}
	return Source{
		Kind: Git, URL: strings.TrimPrefix(address, "git+"), Commit: strings.ToLower(commit),
		Subdirectory: d.subdirectory(p, subdirectory),
	}
}

func (d *document) subdirectory(p place, dir string) string {
	if dir == "" {
		return ""
	}
	if clean := path.Clean(dir); fs.ValidPath(clean) {
		return clean
	}
	d.errorf(p, "subdirectory %.200q leads out of its source", dir)
	return ""
}

// path is a path that is relative to the lock, relative to the tree instead.
func (d *document) path(p place, text string) (string, bool) {
	clean := path.Join(path.Dir(d.file), text)
	if text == "" || path.IsAbs(text) || strings.ContainsRune(text, '\\') || !fs.ValidPath(clean) {
		d.errorf(p, "path %.200q: want one within the project", text)
		return "", false
	}
	return clean, true
}

// local is the source at a path: the project itself, a directory or an archive.
func (d *document) local(p place, text string) Source {
	at, ok := d.path(p, text)
	switch {
	case !ok:
		return Source{Kind: Directory}
	case at == path.Dir(d.file):
		return Source{Kind: Project, Path: at}
	case isArchive(at):
		return Source{Kind: Archive, Path: at}
	}
	return Source{Kind: Directory, Path: at}
}

func isWheel(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".whl") }

// isSdist is whether the name is that of a source archive that is read.
func isSdist(name string) bool {
	name = strings.ToLower(name)
	for _, ext := range []string{".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

func isArchive(name string) bool { return isWheel(name) || isSdist(name) }

// baseName is the file name at the end of an address.
func baseName(u *url.URL) string { return path.Base(u.Path) }

// checkFile holds the name of a file against its package.
func (d *document) checkFile(p place, pkg *Package, name string) {
	if problem := fileProblem(pkg, name); problem != "" {
		d.errorf(p, "%s", problem)
	}
}

// fileProblem is how a file's name disagrees with its package, or "". Names that
// are no wheel's and no sdist's (.egg, .exe) pass: they are never taken.
func fileProblem(pkg *Package, name string) string {
	var of string
	var v pep.Version
	switch {
	case name == "" || strings.ContainsAny(name, "/\\"):
		return fmt.Sprintf("%.200q is not the name of a file", name)
	case isWheel(name):
		w, err := pep.ParseWheelName(name)
		if err != nil {
			return "" // a name from before PEP 427; it fits no target
		}
		of, v = w.Name, w.Version
	case isSdist(name):
		s, err := pep.ParseSdistName(name, pkg.Name)
		if err != nil && !strings.HasPrefix(pep.NormalizeName(name), pkg.Name) {
			return fmt.Sprintf("file %.200q is not of %s", name, pkg.Name)
		} else if err != nil {
			return ""
		}
		of, v = s.Name, s.Version
	default:
		return ""
	}
	switch {
	case of != pkg.Name:
		return fmt.Sprintf("file %.200q is not of %s but of %s", name, pkg.Name, of)
	case !pkg.version.IsZero() && v.Compare(pkg.version) != 0 && v.Public() != pkg.Version:
		return fmt.Sprintf("file %.200q is not of version %s but of %s", name, pkg.Version, v)
	}
	return ""
}

// when reads the time of an upload, which is left out where it is none.
func when(n *node) time.Time {
	if n == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, strings.Replace(n.text, " ", "T", 1))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func (d *document) size(n *node) int64 {
	if n = d.want(n, "size", intKind); n == nil {
		return 0
	}
	size, err := strconv.ParseInt(n.text, 0, 64)
	if err != nil || size < 0 {
		d.errorf(n, "%s is not the size of a file", n.text)
	}
	return size
}
