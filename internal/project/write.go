package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
