package lock

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Options is what the caller lets a lock do.
type Options struct {
	// Allow are the options of pip that a requirements.txt may hold, by their
	// long names: "--index-url". Those that mean something then change the Lock
	// (Indexes, NoBinary, OnlyBinary, Package.Options), the others nothing.
	// --hash, --require-hashes, -r and -c need no leave.
	Allow []string
}

// Read reads the lock file name of fsys and the files beside it that it needs:
// those of -r and -c, and pyproject.toml. Nothing outside of fsys is read, so
// give the project's directory, as an [os.Root] where links shall not lead out.
// An error is strict.Errors unless name itself cannot be read.
func Read(fsys fs.FS, name string, options Options) (*Lock, error) {
	r := &reader{fsys: fsys, options: options, lock: &Lock{File: name}, indexes: map[string]bool{}}
	d, err := r.open(name)
	if err != nil {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	if d != nil {
		r.read(d)
		if len(r.errs) == 0 && r.checkForks() {
			r.checkPaths()
		}
	}
	if len(r.errs) > 0 {
		slices.SortStableFunc(r.errs, func(a, b *strict.Error) int { return strings.Compare(a.File, b.File) })
		for from := 0; from < len(r.errs); {
			to := from
			for to < len(r.errs) && r.errs[to].File == r.errs[from].File {
				to++
			}
			strict.Sort(r.errs[from:to])
			from = to
		}
		return nil, r.errs
	}
	r.lock.finish()
	return r.lock, nil
}

// reader is what the readers of all formats share.
type reader struct {
	fsys    fs.FS
	options Options
	lock    *Lock

	createdBy string          // of a pylock.toml
	indexes   map[string]bool // of the lock, by address
	errs      strict.Errors
	parts     int // of maxParts
}

// open reads a file. The document is nil if its text was refused; then a
// problem was noted. An error is one of reading.
func (r *reader) open(name string) (*document, error) {
	d := &document{file: name, errs: &r.errs, parts: &r.parts}
	f, err := r.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("not a regular file")}
	}
	if info.Size() <= maxSize {
		if d.data, err = io.ReadAll(io.LimitReader(f, maxSize+1)); err != nil {
			return nil, err
		}
	}
	if max(info.Size(), int64(len(d.data))) > maxSize {
		d.data = nil
		d.errorOf("more than %d MiB, which is as much as is read of a lock", maxSize>>20)
		return nil, nil
	}
	if !d.checkText() {
		return nil, nil
	}
	return d, nil
}

// beside is the tree of a TOML file in the directory of the lock, or nil if
// there is none.
func (r *reader) beside(name string) (*document, *node) {
	name = path.Join(path.Dir(r.lock.File), name)
	if _, err := fs.Stat(r.fsys, name); err != nil {
		return nil, nil
	}
	d, err := r.open(name)
	if err != nil {
		(&document{file: name, errs: &r.errs}).errorOf("%v", err)
	}
	if d == nil {
		return nil, nil
	}
	return d, d.parseTOML()
}

const formats = "requirements.txt, pylock.toml, uv.lock, poetry.lock, pdm.lock and Pipfile.lock"

// read reads the document in the format that it is recognised as.
func (r *reader) read(d *document) {
	text := strings.TrimLeft(string(d.data[:min(len(d.data), 1<<16)]), " \t\r\n")
	switch {
	case strings.HasPrefix(text, "{"):
		root := d.parseJSON()
		switch {
		case root == nil:
		case root.get("_meta") != nil:
			r.pipfile(d, root)
		case root.get("info").get("platform") != nil && root.get("packages") != nil:
			d.errorf(root.get("info").get("platform"), "a lock of Pyodide, for %.40q only, which is not Linux", root.get("info").get("platform").text)
		default:
			d.errorOf("JSON, but no Pipfile.lock; locks are %s", formats)
		}
	case isTOML(d):
		if root := d.parseTOML(); root != nil {
			r.toml(d, root)
		}
	default:
		r.requirements(d)
	}
}

func (r *reader) toml(d *document, root *node) {
	metadata := root.get("metadata")
	switch {
	case root.get("lock-version") != nil:
		r.pylock(d, root)
	case metadata.get("lock_version") != nil:
		r.pdm(d, root)
	case metadata.get("content-hash") != nil || metadata.get("lock-version") != nil || metadata.get("python-versions") != nil:
		r.poetry(d, root)
	case root.get("version") != nil && (root.get("requires-python") != nil || root.get("revision") != nil || isUv(root)):
		r.uv(d, root)
	case root.get("project") != nil || root.get("build-system") != nil || root.get("tool") != nil:
		d.errorOf("a project file, not a lock; locks are %s", formats)
	default:
		d.errorOf("TOML, but of no lock that is known; locks are %s", formats)
	}
}

func isUv(root *node) bool {
	packages := root.get("package")
	return packages == nil || packages.kind == arrayKind &&
		slices.ContainsFunc(packages.items, func(p *node) bool {
			return p.get("source").get("registry") != nil || len(p.get("source").itemsOf()) > 0
		})
}

func (n *node) itemsOf() []*node {
	if n == nil || n.kind != tableKind {
		return nil
	}
	return n.items
}

var tomlLine = pattern.New(`^(\[|["'A-Za-z0-9_.-]+[ \t]*=([^=]|$))`)

// isTOML is whether the first line that says something is one of TOML; for a
// file that says nothing, the name does.
func isTOML(d *document) bool {
	for rest := d.data; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		s := strings.TrimSpace(string(line[:min(len(line), 200)]))
		if s != "" && s[0] != '#' {
			return s[0] != '-' && tomlLine.MatchString(s)
		}
	}
	ext := path.Ext(d.file)
	return ext == ".toml" || ext == ".lock"
}

// checkPaths looks whether what the lock takes from the tree is there.
func (r *reader) checkPaths() {
	for _, p := range r.lock.Packages {
		if p.Source.Kind != Archive && p.Source.Kind != Directory || p.Source.Path == "" || r.full() {
			continue
		}
		info, err := fs.Stat(r.fsys, p.Source.Path)
		if err == nil && info.IsDir() == (p.Source.Kind == Directory) {
			continue
		}
		r.errs = append(r.errs, &strict.Error{
			File: p.Pos.File, Line: p.Pos.Line, Col: p.Pos.Col, Msg: fmt.Sprintf("%.200q: no such %s in the project", p.Source.Path, p.Source.Kind), Err: err,
		})
	}
}

func (r *reader) full() bool { return len(r.errs) >= maxErrors }

// finish puts into order what the readers collected.
func (l *Lock) finish() {
	for _, names := range []*[]string{&l.Extras, &l.Groups, &l.DefaultGroups} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
}

// addIndex notes an index that the lock names, once.
func (r *reader) addIndex(index Index) {
	if !r.indexes[index.URL] {
		r.indexes[index.URL] = true
		r.lock.Indexes = append(r.lock.Indexes, index)
	}
}

// maxForks is how many entries of one name a lock has at most: what chooses
// between them looks at all.
const maxForks = 100

// checkForks is whether no name has too many entries, which is an error.
func (r *reader) checkForks() bool {
	count := map[string]int{}
	for _, p := range r.lock.Packages {
		if count[p.Name]++; count[p.Name] > maxForks {
			r.errs = append(r.errs, &strict.Error{
				File: p.Pos.File, Line: p.Pos.Line, Col: p.Pos.Col, Msg: fmt.Sprintf("more than %d entries of %.100s", maxForks, p.Name),
			})
			return false
		}
	}
	return true
}
