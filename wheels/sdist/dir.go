package sdist

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// OpenDir reads a directory of the project, "libs/foo". The file system is that of
// an os.Root, or os.DirFS. The directory is reached through directories alone. Of
// files, unless it is nil, all others are left out: WorkTree lists them.
func OpenDir(fsys fs.FS, dir string, files []string) (*Source, error) {
	if !fs.ValidPath(dir) {
		return nil, fmt.Errorf("directory %.200q: want one within the project", dir)
	}
	for i, c := range dir + "/" {
		if c != '/' {
			continue
		}
		info, err := fs.Lstat(fsys, dir[:i])
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			return nil, &BadError{dir, dir[:i], "is not a directory"}
		}
	}
	s, err := read(&Source{File: dir, tree: &directory{fsys, dir, listed(files)}}, &scan{hashes: &hashes{}})
	if err != nil {
		return nil, err
	}
	s.Newest = clamp(time.Time{}) // theirs are of the checkout
	return s, nil
}

// directory is a tree on disk, without what tools leave there.
type directory struct {
	fsys fs.FS
	dir  string
	only map[string]taken // nil: all
}

// taken is how an entry of a directory is taken.
type taken byte

const (
	not   taken = iota
	whole       // a file; a submodule with all that is in it
	above       // a directory of which some is taken
)

// listed makes a list of files one of all entries.
func listed(files []string) map[string]taken {
	if files == nil {
		return nil
	}
	only := map[string]taken{".": above}
	for _, name := range files {
		only[name] = whole
	}
	for _, name := range files {
		for dir := path.Dir(name); only[dir] != above; dir = path.Dir(dir) {
			only[dir] = above
		}
	}
	return only
}

func (d *directory) copy(dst *tar.Writer, rules fetch.Rules) error {
	limits := defaults()
	rules.MaxBytes, rules.MaxFiles = limits.total, limits.members
	return fetch.Pack(dst, d, rules)
}

func (d *directory) at(name string) string { return path.Join(d.dir, name) }

// Open, ReadDir, ReadLink and Lstat are those of an fs.FS.
func (d *directory) Open(name string) (fs.File, error)      { return d.fsys.Open(d.at(name)) }
func (d *directory) ReadLink(name string) (string, error)   { return fs.ReadLink(d.fsys, d.at(name)) }
func (d *directory) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(d.fsys, d.at(name)) }
func (d *directory) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(d.fsys, d.at(name))
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return d.leave(name, e) }), err
}

// leave is whether an entry of a directory is left out.
func (d *directory) leave(dir string, e fs.DirEntry) bool {
	name := e.Name()
	// In a directory that is not above something everything is taken.
	if d.only != nil && d.only[dir] == above && d.only[path.Join(dir, name)] == not {
		return true
	}
	switch name {
	case ".git", ".hg", ".svn", ".bzr":
		return true
	}
	if !e.IsDir() {
		switch path.Ext(name) {
		case ".pyc", ".pyo":
			return true
		case ".whl", ".gz", ".zip":
			return dir == "dist"
		case ".toml", ".lock": // what pybake is told, and writes
			return dir == "." && (name == "pybake.toml" || name == "pybake.lock")
		}
		return false
	}
	switch name {
	case "__pycache__", ".eggs", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", "node_modules":
		return true
	}
	if dir == "build" && (name == "lib" || hasAnyPrefix(name, "lib.", "bdist.", "temp.", "scripts-")) {
		return true
	}
	if strings.HasSuffix(name, ".egg-info") {
		return true
	}
	has := func(file string) bool {
		_, err := d.Lstat(path.Join(dir, name, file))
		return err == nil
	}
	return has("pyvenv.cfg") || has("store.json") && has("artifacts")
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

// hashes are the lines that the hash of a directory is made of.
type hashes struct{ lines []string }

// add adds a member. Of a file, sum has seen what was read so far through r.
func (h *hashes) add(name string, hdr *tar.Header, sum hash.Hash, r io.Reader) error {
	if strings.Contains(name, "\n") {
		return &BadError{Member: name, Problem: "name contains a line break"}
	}
	switch {
	case hdr.Typeflag == tar.TypeSymlink:
		sum.Write([]byte(hdr.Linkname))
		name += "//l"
	case hdr.Mode&0o111 != 0:
		name += "//x"
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	h.lines = append(h.lines, fmt.Sprintf("%x  %s\n", sum.Sum(nil), name))
	return nil
}

func (h *hashes) sum() string {
	name := func(line string) string { return line[2*sha256.Size : len(line)-1] }
	slices.SortFunc(h.lines, func(a, b string) int { return strings.Compare(name(a), name(b)) })
	all := sha256.Sum256([]byte(strings.Join(h.lines, "")))
	return "h1:" + base64.StdEncoding.EncodeToString(all[:])
}

// writeHashed is WriteTar of a directory, which may have changed since.
func (s *Source) writeHashed(dst *tar.Writer, rules fetch.Rules) error {
	seen := &hashes{}
	err := stream(s.tree, rules, func(hdr *tar.Header, r io.Reader) error {
		if err := dst.WriteHeader(hdr); err != nil {
			return err
		}
		if hdr.Typeflag == tar.TypeDir {
			return nil
		}
		sum := sha256.New()
		body := io.TeeReader(r, io.MultiWriter(sum, dst))
		return seen.add(strings.TrimPrefix(hdr.Name, path.Clean(rules.Top)+"/"), hdr, sum, body)
	})
	if err == nil && seen.sum() != s.hash {
		err = errors.New("changed while it was read")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.File, err)
	}
	return nil
}
