// Package fetch downloads files that are verified before anyone reads a byte,
// and reads archives that never leave their directory.
//
// # Downloads
//
// A file is known by its SHA-256, or where nobody tells that, by its SHA-512 or
// SHA-384; if several are given, all must hold, and the first of this order
// names it. Where it comes from is a list of places, asked in order; what a
// place sends is hashed while it is written to a partial file inside the cache,
// and only the right bytes are renamed into it:
//
//	CACHE/sha256/93/93e583f243…40     a verified file, named by its whole hash
//	CACHE/sha512/0c/0c5f1b2e77…91     likewise, known by its SHA-512 and no SHA-256
//	CACHE/partial/93e583f243…40       the first while it is being downloaded
//
// Several processes may share a cache. Whoever downloads holds a flock(2) on
// the partial file, the others wait and find the file in the cache. An
// interrupted download is continued by the next one, from whatever place: the
// hash of the whole decides, so no validator (ETag) is kept; a continued file
// that does not match is downloaded once more from its first byte before the
// place is blamed for it. A cached file is hashed again on first use by a
// Fetcher; a damaged one is removed, reported and fetched again.
//
// Transient trouble (a timeout, a cut connection, status 408, 425, 429, 500,
// 502, 503, 504) is tried again after a pause that doubles. A place that has
// no such file, or sends other bytes, is noted in the trail and the next place
// is asked, unless the place is Strict. Credentials and queries in URLs appear
// in no error, trail or label.
//
// # Archives
//
// A tar stream (see [Tar] for the compressions) becomes either another, clean
// tar stream ([Copy]) or files below a directory ([Unpack]), by the same
// rules, which [Rules] lists. [Pack] and [PackFiles] make such streams.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// File is one file of which every byte is known beforehand.
type File struct {
	Name   string // upstream's name, "Python-3.13.5.tar.xz"; no directory
	SHA256 string // 64 lower case hex digits; or empty, if one of the others is given
	Size   int64  // bytes; 0: unknown
	SHA384 string `json:",omitempty"` // 96 lower case hex digits, or empty
	SHA512 string `json:",omitempty"` // 128 lower case hex digits, or empty
}

// String is the name with the beginning of the hash.
func (f File) String() string {
	w := f.expected("")
	return fmt.Sprintf("%s (%s %.8s…)", f.Name, w.algorithm, w.digits)
}

func (f File) check() error {
	switch {
	case f.Name == "" || f.Name == "." || f.Name == ".." || strings.ContainsAny(f.Name, "/\x00"):
		return fmt.Errorf("file name %q is not a plain name", f.Name)
	case f.Size < 0:
		return fmt.Errorf("%s: size %d is negative", f.Name, f.Size)
	}
	return f.checkHashes()
}

// Fetcher gets files into a cache. It may be used by several goroutines.
type Fetcher struct {
	Cache    string        // directory, made when needed: "/root/.cache/pybake"
	Offline  bool          // places with Network set are not asked
	MaxSize  int64         // bytes, where File.Size is unknown; 0: 4 GiB
	Stall    time.Duration // without a byte for so long, a try has failed; 0: 30 s
	Attempts int           // tries that bring nothing new before a place is given up; 0: 4
	Backoff  time.Duration // before the second try, then doubling; 0: 500 ms

	// Progress, if set, is called after every piece: bytes so far and bytes
	// in all, -1 if that is unknown. It must be quick.
	Progress func(f File, done, total int64)

	mu       sync.Mutex
	verified map[File]fs.FileInfo // by hashes alone: hashed before, and untouched since
}

// Got is a file that was verified.
type Got struct {
	Path  string   // in the cache; do not change the file
	File  File     // which of the alternatives it is
	Place string   // label of the place that sent it, or "cache DIR"
	Trail []Answer // what was asked before it, in order; a *MismatchError in it deserves a warning
}

// Answer is what a place said when it did not give the file.
type Answer struct {
	Place string // label
	Err   error
}

// Get returns the first of the alternatives (either will do: the .tar.xz and
// the .tgz of a release) that the cache or a place has. The order of places
// rules, then the order of alternatives.
//
// Errors: *[MismatchError] at once when a Strict place sends other bytes;
// *[FailedError] when no place has the file; the context's error, with the
// partial file kept; syscall.ENOSPC and whatever else befalls the cache, with
// the partial file removed.
func (f *Fetcher) Get(ctx context.Context, alternatives []File, places []Place) (Got, error) {
	if f.Cache == "" {
		return Got{}, errors.New("fetch: no cache directory given")
	}
	if len(alternatives) == 0 {
		return Got{}, errors.New("fetch: no file asked for")
	}
	for _, file := range alternatives {
		if err := file.check(); err != nil {
			return Got{}, fmt.Errorf("fetch: %w", err)
		}
	}
	var trail []Answer
	cache := "cache " + filepath.Clean(f.Cache)
	for _, file := range alternatives {
		switch err := f.lookup(ctx, file); {
		case err == nil:
			return Got{f.path(file), file, cache, trail}, nil
		case ctx.Err() != nil:
			return Got{}, fmt.Errorf("fetch %s: %w", file.Name, ctx.Err())
		case !errors.Is(err, ErrNotHere):
			trail = append(trail, Answer{cache, err})
		}
	}
	if len(trail) == 0 {
		trail = append(trail, Answer{cache, ErrNotHere})
	}
	for _, place := range places {
		file, answers, err := f.ask(ctx, alternatives, place)
		trail = append(trail, answers...)
		if err != nil {
			return Got{}, fmt.Errorf("fetch %s: %w", file.Name, err)
		}
		if file.Name != "" {
			return Got{f.path(file), file, place.Label, trail}, nil
		}
	}
	return Got{}, &FailedError{Want: alternatives, Trail: trail}
}

// ask tries every name of every alternative at one place. The file is the one
// that is now in the cache, or the one at which an error ended everything, or
// the zero File.
func (f *Fetcher) ask(ctx context.Context, alternatives []File, place Place) (File, []Answer, error) {
	if place.Network && f.Offline {
		return File{}, []Answer{{place.Label, ErrOffline}}, nil
	}
	var answers []Answer
	for _, file := range alternatives {
		names := []string{file.Name}
		if place.Names != nil {
			names = place.Names(file)
		}
		for _, name := range names {
			err := f.download(ctx, file, place, name)
			if err == nil {
				return file, answers, nil
			}
			var local *localError
			var mismatch *MismatchError
			switch {
			case ctx.Err() != nil:
				return file, answers, ctx.Err()
			case errors.As(err, &local):
				return file, answers, local.err
			case errors.As(err, &mismatch) && place.Strict:
				return file, answers, mismatch
			}
			answers = append(answers, Answer{place.Label, err})
			if errors.As(err, new(*unreachableError)) {
				return File{}, answers, nil // its other files are no nearer
			}
		}
	}
	return File{}, answers, nil
}

func (f *Fetcher) maxSize(file File) int64 {
	switch {
	case file.Size > 0:
		return file.Size
	case f.MaxSize > 0:
		return f.MaxSize
	}
	return 4 << 30
}

func (f *Fetcher) stall() time.Duration {
	if f.Stall > 0 {
		return f.Stall
	}
	return 30 * time.Second
}

func (f *Fetcher) attempts() int {
	if f.Attempts > 0 {
		return f.Attempts
	}
	return 4
}

func (f *Fetcher) backoff() time.Duration {
	if f.Backoff > 0 {
		return f.Backoff
	}
	return 500 * time.Millisecond
}
