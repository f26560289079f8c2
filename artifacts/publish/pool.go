package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Blob is a file of the pool.
type Blob struct {
	Name   string `json:"name"`   // "pybake-python3.13_3.13.5-1+deb13_amd64.deb"
	SHA256 string `json:"sha256"` // 64 lower-case hex digits
	Size   int64  `json:"size"`   // bytes
}

// Path is the path of the blob from the root of the published directory,
// "pool/5f/5f1c…/NAME".
func (b Blob) Path() string { return poolPath(b.SHA256, b.Name) }

func poolPath(sum, name string) string { return path.Join(poolDir, sum[:min(2, len(sum))], sum, name) }

// metadataName is the file beside a wheel (PEP 658).
func metadataName(wheel string) string { return wheel + ".metadata" }

func (b Blob) check() error {
	switch {
	case !isName(b.Name):
		return fmt.Errorf("%q cannot be the name of a published file", b.Name)
	case !isHash(b.SHA256):
		return fmt.Errorf("%s: %q is not a SHA-256 in lower-case hex digits", b.Name, b.SHA256)
	case b.Size < 0:
		return fmt.Errorf("%s: a size of %d bytes", b.Name, b.Size)
	}
	return nil
}

// isName is whether a name can be one of a file, in a list of files and in a URL.
func isName(name string) bool {
	odd := func(r rune) bool { return unicode.IsControl(r) || r == '/' || r == '\\' }
	return name != "" && len(name) <= 250 && name[0] != '.' && utf8.ValidString(name) && !strings.ContainsFunc(name, odd)
}

func isHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// MismatchError is a file that is not the blob that it was given as.
type MismatchError struct {
	Path   string // of the file, or of the pool
	Want   Blob
	Size   int64  // of the file, as far as it was read
	SHA256 string // of the file, or empty: the size says it
}

func (e *MismatchError) Error() string {
	if e.SHA256 == "" {
		return fmt.Sprintf("%s is not %s: %d bytes, want %d", e.Path, e.Want.Name, e.Size, e.Want.Size)
	}
	return fmt.Sprintf("%s is not %s: sha256 is %s, want %s", e.Path, e.Want.Name, e.SHA256, e.Want.SHA256)
}

// Put brings a file of this machine into the pool, unless it is there. What is
// in the pool afterwards was read and is b; if the file is not, the error is a
// [*MismatchError]. Where it can, Put makes a hard link: then what is done to the
// bytes of the file later is done to those in the pool.
func (d *Directory) Put(ctx context.Context, b Blob, path string) error {
	err := d.put(ctx, b, func(draft string) error {
		if err := d.bring(ctx, b, path, draft); err != nil {
			return err
		}
		return checkFile(ctx, b, draft, path)
	})
	if err != nil {
		return fmt.Errorf("put %s into the pool: %w", b.Name, err)
	}
	return nil
}

// PutBytes is [Directory.Put] of bytes.
func (d *Directory) PutBytes(ctx context.Context, b Blob, data []byte) error {
	err := d.put(ctx, b, func(draft string) error {
		if sum := hashBytes(data); sum != b.SHA256 || int64(len(data)) != b.Size {
			return &MismatchError{Path: "what was given", Want: b, Size: int64(len(data)), SHA256: sum}
		}
		return writeFile(draft, data)
	})
	if err != nil {
		return fmt.Errorf("put %s into the pool: %w", b.Name, err)
	}
	return nil
}

// Has is whether the pool has a file of the blob's hash, name and size. It does not
// read it.
func (d *Directory) Has(b Blob) bool {
	return b.check() == nil && d.hasFile(b.Path(), b.Size)
}

func (d *Directory) hasFile(path string, size int64) bool {
	info, err := os.Lstat(d.path(path))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// put has make write a draft, and renames it into the pool.
func (d *Directory) put(ctx context.Context, b Blob, make func(draft string) error) error {
	if err := b.check(); err != nil {
		return err
	}
	release, err := d.lock(ctx, unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer release()
	if d.hasFile(b.Path(), b.Size) {
		if !d.Mend {
			return d.touch(b.SHA256)
		}
		file := d.path(b.Path())
		err := checkFile(ctx, b, file, file)
		if err == nil {
			return d.touch(b.SHA256)
		}
		if mismatch := new(*MismatchError); !errors.As(err, mismatch) && !errors.Is(err, syscall.EIO) {
			return err
		}
	}
	draft := d.work("put")
	defer os.Remove(draft)
	if err := d.do("draft "+b.Name, func() error { return make(draft) }); err != nil {
		return err
	}
	return d.enter(draft, b.SHA256, b.Name)
}

// enter renames a draft into the pool. Between this and the publication that
// refers to it comes a sync of all.
func (d *Directory) enter(draft, sum, name string) error {
	for _, dir := range []string{d.path(poolDir, sum[:2]), d.path(poolDir, sum[:2], sum)} {
		if err := d.do("make directory of "+name, func() error { return mkdir(dir) }); err != nil {
			return err
		}
	}
	return d.do("rename "+name, func() error { return os.Rename(draft, d.path(poolPath(sum, name))) })
}

// touch makes what the pool has young again, so that no Prune takes it before it
// is published. The time is that of the directory: a hard link has its file's.
func (d *Directory) touch(sum string) error {
	dir := d.path(poolDir, sum[:2], sum)
	info, err := os.Stat(dir)
	if err != nil || time.Since(info.ModTime()) < Grace/10 {
		return err
	}
	now := time.Now()
	return os.Chtimes(dir, now, now)
}

// bring links or copies a file. It copies what others may not read or may
// change, what a symbolic link points at, and what no link can be made of: from
// another file system, for one.
func (d *Directory) bring(ctx context.Context, b Blob, path, draft string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	mode := info.Mode()
	if !d.Copy && mode.IsRegular() && info.Size() == b.Size && (mode.Perm() == 0o644 || mode.Perm() == 0o444) {
		if os.Link(path, draft) == nil {
			return nil
		}
	}
	if info, err = os.Stat(path); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() != b.Size {
		return &MismatchError{Path: path, Want: b, Size: info.Size()}
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(copyAll(ctx, out, in, b.Size), out.Chmod(0o644), out.Close())
}

// copyAll copies size bytes at most, by reflink where the file system can.
func copyAll(ctx context.Context, out, in *os.File, size int64) error {
	const piece = 64 << 20
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := io.CopyN(out, in, min(piece, size))
		size -= n
		if err == io.EOF || err == nil && size == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// checkFile reads a file and compares it with the blob that it should be. shown is
// the path that the error has.
func checkFile(ctx context.Context, b Blob, path, shown string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, sum, err := hashAll(ctx, f, b.Size)
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", shown, err)
	case size != b.Size:
		return &MismatchError{Path: shown, Want: b, Size: size}
	case sum != b.SHA256:
		return &MismatchError{Path: shown, Want: b, Size: size, SHA256: sum}
	}
	return nil
}

// hashAll reads at most one byte more than limit.
func hashAll(ctx context.Context, r io.Reader, limit int64) (size int64, sum string, err error) {
	h := sha256.New()
	r = io.LimitReader(r, limit+1)
	buf := make([]byte, 256<<10)
	for {
		if ctx.Err() != nil {
			return size, "", context.Cause(ctx)
		}
		n, err := r.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
		if err == io.EOF {
			return size, hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return size, "", err
		}
	}
}

func hashBytes(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// PutMetadata brings the METADATA of a wheel into the pool, beside the wheel, unless
// it is there. Other bytes than those that are there are a [*MismatchError], unless
// Mend says to replace them.
func (d *Directory) PutMetadata(ctx context.Context, wheel Blob, metadata []byte) error {
	if err := d.putMetadata(ctx, wheel, metadata); err != nil {
		return fmt.Errorf("put metadata of %s into the pool: %w", wheel.Name, err)
	}
	return nil
}

func (d *Directory) putMetadata(ctx context.Context, wheel Blob, metadata []byte) error {
	name := metadataName(wheel.Name)
	if err := errors.Join(wheel.check(), (Blob{Name: name, SHA256: wheel.SHA256}).check()); err != nil {
		return err
	}
	release, err := d.lock(ctx, unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer release()
	file := d.path(poolPath(wheel.SHA256, name))
	there, err := os.ReadFile(file)
	switch {
	case err == nil && bytes.Equal(there, metadata):
		return d.touch(wheel.SHA256)
	case err == nil && !d.Mend && len(there) > 0:
		want := Blob{Name: name, SHA256: hashBytes(metadata), Size: int64(len(metadata))}
		return &MismatchError{Path: file, Want: want, Size: int64(len(there)), SHA256: hashBytes(there)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	draft := d.work("put")
	defer os.Remove(draft)
	if err := d.do("draft "+name, func() error { return writeFile(draft, metadata) }); err != nil {
		return err
	}
	return d.enter(draft, wheel.SHA256, name)
}

// checkPath is that p is a clean path below the root, with names as of published
// files.
func checkPath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if !isName(part) {
			return fmt.Errorf("%q is not a path of a published file", p)
		}
	}
	return nil
}

// local is a slash-separated path as one of this machine.
func local(p string) string { return filepath.FromSlash(p) }
