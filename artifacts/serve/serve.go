// Package serve answers HTTP requests from a published directory. Any server of
// static files does; this one also chooses between the forms of a simple index,
// and says of every file what is true of it after the next switch, too.
//
// # Paths
//
// A path is that of a file below the directory. A directory is asked for with a
// slash at its end, else the answer redirects there (302, relative). It answers
// with its index.html, or with a list of what it holds. Names that begin with a
// dot are not there (404): .work, "..", dot files. Links are followed as long as
// they stay in the directory. Only GET and HEAD are allowed (405).
//
// Each request looks up its path once, so that it sees one generation though
// `current` is switched meanwhile.
//
// # Forms
//
// A directory below simple/ that has both index.html and index.json is one page of
// a simple index in two forms (PEP 691). Accept chooses between
//
//	application/vnd.pypi.simple.v1+json   index.json; also as latest+json
//	application/vnd.pypi.simple.v1+html   index.html; also as latest+html
//	text/html                             index.html
//
// by quality, then by how exactly the type is named, then in this order. Where
// only wildcards, or none of them, are accepted it is text/html, never 406.
//
// # Caching
//
//	pool/5f/5f1c…/NAME, …/by-hash/SHA256/5f1c…   never other bytes: "immutable", for a year
//	all else                                     "no-cache": kept, but asked for again each time
//
// The ETag is the SHA-256 in such a path, else that of the bytes. Last-Modified is
// said of files of the pool only: elsewhere a file may be replaced by one that is
// older, after a rollback, and one whose date did not change. Files of more than
// 64 MiB outside the pool have no ETag.
package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// maxHashed is the size of the largest file that is read for its ETag.
const maxHashed = 64 << 20

// Handler answers from a directory, which need not exist yet.
func Handler(dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed)
			return
		}
		name, isDir, ok := split(r.URL.Path)
		if !ok {
			fail(w, http.StatusNotFound)
			return
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			fail(w, status(err))
			return
		}
		defer root.Close()
		if isDir {
			err = serveDir(w, r, root, name)
		} else {
			err = serveFile(w, r, root, name)
		}
		if err != nil {
			fail(w, status(err))
		}
	})
}

// split takes a URL's path apart: "/simple/trixie/" is "simple/trixie", a
// directory. It is not ok if it has names that are never there.
func split(urlPath string) (name string, isDir, ok bool) {
	name, ok = strings.CutPrefix(urlPath, "/")
	if !ok || name == "" {
		return ".", true, ok
	}
	name, isDir = strings.CutSuffix(name, "/")
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' {
			return "", false, false
		}
	}
	return name, isDir, true
}

// open opens a file or directory; a pipe does not hold it up.
func open(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// serveFile answers with a file, or redirects to a directory.
func serveFile(w http.ResponseWriter, r *http.Request, root *os.Root, name string) error {
	f, info, err := open(root, name)
	if err != nil {
		return err
	}
	defer f.Close()
	if info.IsDir() {
		to := url.URL{Path: "./" + path.Base(name) + "/", RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", to.String())
		w.WriteHeader(http.StatusFound)
		return nil
	}
	return serveContent(w, r, name, contentType(name), f, info)
}

// serveDir answers with the page of a directory.
func serveDir(w http.ResponseWriter, r *http.Request, root *os.Root, name string) error {
	info, err := root.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() { // OpenRoot would wait for the other end of a pipe
		return syscall.ENOTDIR
	}
	dir, err := root.OpenRoot(name) // the one look that counts
	if err != nil {
		return err
	}
	defer dir.Close()
	index, mediaType := "index.html", textHTML
	if name == "simple" || strings.HasPrefix(name, "simple/") {
		if _, err := dir.Lstat("index.json"); err == nil {
			w.Header().Set("Vary", "Accept")
			if mediaType = negotiate(r.Header.Values("Accept")); mediaType == simpleJSON {
				index = "index.json"
			}
		}
	}
	f, info, err := open(dir, index)
	if index == "index.html" && errors.Is(err, fs.ErrNotExist) {
		return serveList(w, r, root, dir, name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return serveContent(w, r, path.Join(name, index), withCharset(mediaType), f, info)
}

// serveContent answers with what is in an open file.
func serveContent(w http.ResponseWriter, r *http.Request, name, mediaType string, f *os.File, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	modified := time.Time{}
	if tag := immutable(name); tag != "" {
		h.Set("ETag", `"`+tag+`"`)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		if strings.HasPrefix(name, "pool/") {
			modified = info.ModTime()
		}
	} else {
		h.Set("Cache-Control", "no-cache")
		if info.Size() <= maxHashed {
			sum := sha256.New()
			if _, err := io.Copy(sum, io.LimitReader(f, maxHashed)); err != nil {
				return err
			}
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
			h.Set("ETag", `"`+hex.EncodeToString(sum.Sum(nil))+`"`)
		}
	}
	http.ServeContent(w, r, "", modified, f)
	return nil
}

// immutable is the ETag of a file whose path says what is in it; or empty.
func immutable(name string) string {
	parts := strings.Split(name, "/")
	n := len(parts)
	switch {
	case n == 4 && parts[0] == "pool" && isHash(parts[2]) && parts[1] == parts[2][:2]:
		if strings.HasSuffix(name, ".metadata") {
			return parts[2] + ".metadata" // the hash is that of the wheel
		}
		return parts[2]
	case n > 3 && parts[n-3] == "by-hash" && parts[n-2] == "SHA256" && isHash(parts[n-1]):
		return parts[n-1]
	}
	return ""
}

func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// status is that of the answer to a request that ended in an error.
func status(err error) int {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	case errors.Is(err, fs.ErrNotExist), !errors.As(err, &errno): // without a number: a link that leads out
		return http.StatusNotFound
	case errno == syscall.ENOTDIR, errno == syscall.ELOOP, errno == syscall.ENAMETOOLONG, errno == syscall.EINVAL, errno == syscall.ENXIO:
		return http.StatusNotFound
	case errno == syscall.EMFILE, errno == syscall.ENFILE:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail answers with a status alone.
func fail(w http.ResponseWriter, code int) {
	h := w.Header()
	for _, name := range []string{"ETag", "Cache-Control", "Vary"} {
		h.Del(name)
	}
	http.Error(w, fmt.Sprintf("%d %s", code, http.StatusText(code)), code)
}
