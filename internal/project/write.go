package project

import (
	"errors"
	"fmt"
	"io/fs"
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

// Pins reads and changes one lock file for many goroutines. What was read is read
// again when the file has changed. Changes that come while it is being written
// wait, and then go into it together: a hundred at once take as long as two. Make
// one for each path, and do not copy it.
type Pins struct {
	Path string

	reading sync.Mutex
	file    fs.FileInfo // of what was read last; nil: nothing
	lock    *Lock

	turn    sync.Mutex // held while writing
	mu      sync.Mutex
	waiting []*queued
}

type queued struct {
	change func(*Lock) error
	done   bool
	err    error
}

// Read is [ReadLock] of the path, unless it is the same file as the last time: it
// is replaced whenever it changes. What it returns is not to be changed.
func (p *Pins) Read() (*Lock, error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	info, err := os.Stat(p.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if last := p.file; err == nil && last != nil && os.SameFile(last, info) && last.ModTime().Equal(info.ModTime()) && last.Size() == info.Size() {
		return p.lock, nil
	}
	lock, err := ReadLock(p.Path)
	if err != nil {
		return nil, err
	}
	p.file, p.lock = info, lock
	return lock, nil
}

// Update is [Update] of the path. It may call change twice, each time on a
// lock without what it did before.
func (p *Pins) Update(change func(*Lock) error) error {
	mine := &queued{change: change}
	p.mu.Lock()
	p.waiting = append(p.waiting, mine)
	p.mu.Unlock()
	p.turn.Lock()
	defer p.turn.Unlock()
	if !mine.done {
		p.mu.Lock()
		all := p.waiting
		p.waiting = nil
		p.mu.Unlock()
		p.write(all)
	}
	return mine.err
}

// write makes all changes in one; if that fails, each on its own, so that the
// failure is only that of who caused it.
func (p *Pins) write(all []*queued) {
	err := Update(p.Path, func(l *Lock) error {
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
			one.err = Update(p.Path, one.change)
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
