package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// storeLock is held while artifacts and stable names are renamed, never for
// longer. Lock takes no such name.
const storeLock = ".store"

// errHeld says that somebody else has the lock.
var errHeld = errors.New("held by another process")

// Lock takes the named lock of the store ("python-5f1c09ab23de"), among
// processes as well as goroutines, and returns what gives it back. If it has
// to wait, it calls waiting once with a line about the holder ("pybake python
// 3.13.5, pid 4711, since 2026-01-02T15:04:05Z", or empty if unknown) and goes
// on until ctx ends. The end of the holder frees the lock, whatever ended it.
// waiting may be nil; release may be called more than once.
func (s *Store) Lock(ctx context.Context, name string, waiting func(holder string)) (release func(), err error) {
	if !wordPattern.MatchString(name) {
		return nil, fmt.Errorf("lock %q: not a file name", name)
	}
	return s.lock(ctx, name, waiting)
}

// lock is Lock, with names of the store's own as well.
func (s *Store) lock(ctx context.Context, name string, waiting func(holder string)) (release func(), err error) {
	if err := s.mkdir(locksDir); err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	path := filepath.Join(s.dir, locksDir, name)
	for delay := time.Millisecond; ; delay = min(2*delay, 100*time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, context.Cause(ctx))
		}
		f, err := lockFile(path, os.O_RDWR|os.O_CREATE)
		if err == nil {
			return s.holding(f), nil
		}
		if !errors.Is(err, errHeld) {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if waiting != nil {
			holder, _ := os.ReadFile(path) // only for show
			waiting(strings.TrimSpace(string(holder)))
			waiting = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// holding writes who holds the lock and returns what gives it back.
func (s *Store) holding(f *os.File) func() {
	holder := fmt.Sprintf("pid %d, since %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	if s.Command != "" {
		holder = s.Command + ", " + holder
	}
	// The note is for people who wait. On a full disk the lock works without.
	if f.Truncate(0) == nil {
		io.WriteString(f, holder)
	}
	return sync.OnceFunc(func() {
		// Removed before it is freed: see lockFile.
		os.Remove(f.Name())
		f.Close()
	})
}

// lockFile opens a file or directory and takes its flock, or returns errHeld.
// Holders remove what they have locked before they free it, so a lock on
// something that is no longer at its path guards nothing: it is tried anew,
// or an error if flag does not create.
func lockFile(path string, flag int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, flag, 0o644)
		if err != nil {
			return nil, err
		}
		if err := flock(f); err != nil {
			f.Close()
			return nil, err
		}
		mine, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if there, err := os.Lstat(path); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
		f.Close()
	}
}

func flock(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err {
		case nil:
			return nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return errHeld
		default:
			return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}
