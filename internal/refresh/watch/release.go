package watch

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
)

var endings = []string{".tar.xz", ".tgz"}

// check downloads what the release of a directory has, and believes it only if
// all of it holds. Errors: *[ReleaseError], *[PlaceError], or of this machine.
func (w *Watcher) check(ctx context.Context, p *place, c *candidate) (_ Found, err error) {
	done := w.step("check python " + c.version + " of " + p.Label)
	defer func() { done(err) }()
	v, err := w.verifier(ctx, p, c)
	if err != nil {
		return Found{}, p.blame(c, err)
	}
	partial := filepath.Join(w.Fetcher.Cache, "partial")
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return Found{}, fmt.Errorf("check python %s: %w", c.version, err)
	}
	dir, err := os.MkdirTemp(partial, "watch-*")
	if err != nil {
		return Found{}, fmt.Errorf("check python %s: %w", c.version, err)
	}
	defer os.RemoveAll(dir)

	hashes := map[string]string{}
	released := time.Time{}
	for _, ending := range endings {
		if !c.has(ending) {
			continue
		}
		sum, at, err := w.checkFile(ctx, p, c, c.name(ending), dir, v)
		if err != nil {
			return Found{}, p.blame(c, err)
		}
		if hashes[ending] = sum; at.After(released) {
			released = at
		}
	}
	for ending, sum := range hashes {
		if err := w.keep(ctx, filepath.Join(dir, c.name(ending)), sum); err != nil {
			return Found{}, fmt.Errorf("check python %s: %w", c.version, err)
		}
	}
	r, err := recipes.NewRelease(c.version, hashes[".tar.xz"], hashes[".tgz"])
	if err != nil {
		return Found{}, err
	}
	if released.After(w.now()) {
		released = time.Time{} // a clock was wrong
	}
	return Found{Release: r, Released: released, From: p.Label, Proof: v.proof}, nil
}

// answerError is trouble with a place, and so none with a release.
type answerError struct{ err error }

func (e *answerError) Error() string { return e.err.Error() }
func (e *answerError) Unwrap() error { return e.err }

// blame makes an error one of the place, the release or this machine.
func (p *place) blame(c *candidate, err error) error {
	answer, isAnswer := errors.AsType[*answerError](err)
	switch {
	case errors.As(err, new(*diskError)):
		return fmt.Errorf("check python %s: %w", c.version, err)
	case isAnswer:
		return &PlaceError{p.Label, answer.err}
	}
	return &ReleaseError{Version: c.version, Place: p.Label, Err: err, Older: c.older}
}

// checkFile brings an archive of the release into dir. It returns the SHA-256 of
// what the signature is for, and when it was made.
func (w *Watcher) checkFile(ctx context.Context, p *place, c *candidate, name, dir string, v *verifier) (string, time.Time, error) {
	signature, err := w.text(ctx, p, p.file(c.dir, name+v.ending))
	if err != nil {
		return "", time.Time{}, &answerError{err}
	}
	path := filepath.Join(dir, name)
	file, err := os.Create(path)
	if err != nil {
		return "", time.Time{}, &diskError{err}
	}
	defer file.Close()
	s := &spool{file: file, hash: sha256.New()}
	if err := w.get(ctx, p, p.file(c.dir, name), archive, s); err != nil {
		return "", time.Time{}, &answerError{err}
	}
	at, err := v.verify(ctx, path, signature)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	top, err := topOf(path)
	if err == nil && top != "Python-"+c.version {
		err = fmt.Errorf("is signed, but unpacks to %.100q", top)
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	return hex.EncodeToString(s.hash.Sum(nil)), at, nil
}

// keep puts a file that was checked into the cache.
func (w *Watcher) keep(ctx context.Context, path, sum string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	added, err := w.Fetcher.Add(ctx, filepath.Base(path), file)
	if err == nil && added.SHA256 != sum {
		err = fmt.Errorf("%s: changed while it was checked", path)
	}
	return err
}

// topOf is the directory that an archive unpacks to, by its first member.
func topOf(path string) (string, error) {
	r, err := fetch.Tar(path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	for archive := tar.NewReader(r); ; {
		hdr, err := archive.Next()
		if err != nil {
			return "", fmt.Errorf("read archive: %w", err)
		}
		if hdr.Typeflag != tar.TypeXGlobalHeader {
			top, _, _ := strings.Cut(strings.TrimPrefix(hdr.Name, "./"), "/")
			return top, nil
		}
	}
}

// spool writes and hashes a file.
type spool struct {
	file *os.File
	hash hash.Hash
	err  error // of Reset
}

func (s *spool) Reset() {
	s.hash.Reset()
	if s.err = s.file.Truncate(0); s.err == nil {
		_, s.err = s.file.Seek(0, io.SeekStart)
	}
}

func (s *spool) Write(data []byte) (int, error) {
	if s.err != nil {
		return 0, &diskError{s.err}
	}
	n, err := s.file.Write(data)
	s.hash.Write(data[:n])
	if err != nil {
		err = &diskError{err}
	}
	return n, err
}
