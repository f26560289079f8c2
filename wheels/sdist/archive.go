package sdist

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/pybake/pybake/internal/fetch"
)

// limits are what an archive may unpack to.
type limits struct {
	members int
	total   int64 // bytes, at most
	free    int64 // bytes that any archive may have, whatever its size
	ratio   int64 // of bytes to those of the file, beyond free
}

func defaults() limits {
	return limits{members: 200_000, total: 8 << 30, free: 256 << 20, ratio: 100}
}

func (l limits) bytes(size int64) int64 {
	if size > l.total/l.ratio {
		return l.total
	}
	return min(l.total, max(l.free, size*l.ratio))
}

// archive is a tree in a file.
type archive struct {
	path  string
	name  string // for errors
	zip   bool
	strip bool // the directory that everything is in
	rules fetch.Rules
}

func newArchive(path, name string, strip bool, limits limits) (*archive, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	magic := make([]byte, 4)
	n, err := io.ReadFull(file, magic)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	a := &archive{path: path, name: name, strip: strip}
	a.rules.MaxBytes, a.rules.MaxFiles = limits.bytes(info.Size()), limits.members
	switch start := string(magic[:n]); {
	case n == 0:
		return nil, &BadError{File: name, Problem: "is empty"}
	case strings.HasPrefix(start, "\x1f\x9d"):
		return nil, &BadError{File: name, Problem: "is compressed by compress (.Z), which is not read"}
	case start == "PK\x03\x04" || start == "PK\x05\x06":
		a.zip = true
	}
	if named := kind(name); named != "" && (named == "zip") != a.zip {
		return nil, &BadError{File: name, Problem: "is not a " + named + " file"}
	}
	return a, nil
}

// kind is "zip" or "tar" by the name of a file; "" if that does not tell.
func kind(name string) string {
	name = strings.ToLower(name)
	switch path.Ext(name) {
	case ".zip":
		return "zip"
	case ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".z":
		return "tar"
	}
	if path.Ext(strings.TrimSuffix(name, path.Ext(name))) == ".tar" {
		return "tar"
	}
	return ""
}

// open is the archive as a tar stream.
func (a *archive) open() (io.ReadCloser, error) {
	if a.zip {
		return openZip(a.path, a.rules)
	}
	r, err := fetch.Tar(a.path)
	var disk *fs.PathError
	if err != nil && !errors.As(err, &disk) { // without the path, which is that of the cache
		err = fmt.Errorf("decompress: %w", cmp.Or(errors.Unwrap(err), err))
	}
	if err != nil {
		return nil, err
	}
	return &limited{r, a.rules.MaxBytes, a.rules.MaxBytes}, nil
}

func (a *archive) copy(dst *tar.Writer, rules fetch.Rules) error {
	r, err := a.open()
	if err != nil {
		return err
	}
	defer r.Close()
	rules.StripTop, rules.MaxBytes, rules.MaxFiles = a.strip, a.rules.MaxBytes, a.rules.MaxFiles
	return fetch.Copy(dst, r, rules)
}

// hasSeveral is whether an archive has anything beside one directory at its top.
func hasSeveral(path, name string, limits limits) (bool, error) {
	a, err := newArchive(path, name, false, limits)
	if err != nil {
		return false, err
	}
	r, err := a.open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	tops := map[string]bool{}
	err = each(tar.NewReader(r), func(hdr *tar.Header, _ io.Reader) error {
		if hdr.Typeflag == tar.TypeXGlobalHeader {
			return nil
		}
		top, _, below := strings.Cut(clean(hdr.Name), "/")
		if top != "." {
			tops[top] = tops[top] || below || hdr.Typeflag == tar.TypeDir
		}
		if len(tops) > 1 {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return false, err
	}
	for _, dir := range tops {
		return len(tops) > 1 || !dir, nil
	}
	return false, nil
}

func clean(name string) string { return path.Clean(strings.TrimPrefix(name, "/")) }

// limited is a stream of so many bytes at most.
type limited struct {
	io.ReadCloser
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("unpacks to more than %d bytes", l.limit)
	}
	return n, err
}
