package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// Update changes a lock file: it reads it, lets change work on it and writes
// it if change did anything, all while no other process or goroutine does the
// same. It waits for its turn, for no longer than other changes take: change
// must only compute. If change fails, the file stays as it was.
func Update(path string, change func(*Lock) error) (err error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	// The lock is on the directory: the file itself is replaced on every write.
	defer func() { err = errors.Join(err, dir.Close()) }()
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock %s: %w", path, err)
		}
	}
	l, err := ReadLock(path)
	if err != nil {
		return err
	}
	if err := change(l); err != nil {
		return err
	}
	return l.Write(path)
}

// Updater changes one lock file for many goroutines. Changes that come while
// the file is being written wait, and then go into it together: a hundred at
// once take as long as two. Make one for each path, and do not copy it.
type Updater struct {
	Path string

	turn    sync.Mutex // held while writing
	mu      sync.Mutex
	waiting []*queued
}

type queued struct {
	change func(*Lock) error
	done   bool
	err    error
}

// Update is [Update] of the path. It may call change twice, each time on a
// lock without what it did before.
func (u *Updater) Update(change func(*Lock) error) error {
	mine := &queued{change: change}
	u.mu.Lock()
	u.waiting = append(u.waiting, mine)
	u.mu.Unlock()
	u.turn.Lock()
	defer u.turn.Unlock()
	if !mine.done {
		u.mu.Lock()
		all := u.waiting
		u.waiting = nil
		u.mu.Unlock()
		u.write(all)
	}
	return mine.err
}

// write makes all changes in one; if that fails, each on its own, so that the
// failure is only that of who caused it.
func (u *Updater) write(all []*queued) {
	err := Update(u.Path, func(l *Lock) error {
		for _, one := range all {
			if err := one.change(l); err != nil {
				return err
			}
		}
		return nil
	})
	for _, one := range all {
		one.done, one.err = true, err
		if err != nil && len(all) > 1 {
			one.err = Update(u.Path, one.change)
		}
	}
}

// replaceFile writes a file in one step: whoever reads it finds the old bytes
// or the new, also after a crash.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
