package wheels

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/pybake/pybake/internal/project"
)

// pins are those of pybake.lock when it was last read.
type pins struct {
	mu   sync.Mutex
	file fs.FileInfo // nil: not read
	lock *project.Lock
}

// readPins reads pybake.lock, unless it is the same file as the last time: it is
// replaced whenever it changes. What it returns is not to be changed.
func (b *Builder) readPins() (*project.Lock, error) {
	b.pins.mu.Lock()
	defer b.pins.mu.Unlock()
	info, err := os.Stat(b.LockPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	last := b.pins.file
	if err == nil && last != nil && os.SameFile(last, info) && last.ModTime().Equal(info.ModTime()) && last.Size() == info.Size() {
		return b.pins.lock, nil
	}
	lock, err := project.ReadLock(b.LockPath)
	if err != nil {
		return nil, err
	}
	b.pins.file, b.pins.lock = info, lock
	return lock, nil
}

// pin changes pybake.lock.
func (b *Builder) pin(change func(*project.Lock)) error {
	b.mu.Lock()
	if b.updater == nil {
		b.updater = &project.Updater{Path: b.LockPath}
	}
	updater := b.updater
	b.mu.Unlock()
	return updater.Update(func(l *project.Lock) error { change(l); return nil })
}
