package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// untouched tells whether now is still the file that was hashed before.
func untouched(before, now fs.FileInfo) bool {
	return before != nil && os.SameFile(before, now) &&
		before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}

func (f *Fetcher) path(file File) string {
	first := file.wants()[0]
	return filepath.Join(f.Cache, first.algorithm, first.digits[:2], first.digits)
}

func (f *Fetcher) partial(file File) string {
	return filepath.Join(f.Cache, "partial", file.wants()[0].digits)
}

// lookup answers nil if the cache has the file, verified; ErrNotHere if not;
// and anything else if what it had was damaged, and is now removed, or has the
// first hash of the file but not its others.
func (f *Fetcher) lookup(ctx context.Context, file File) error {
	err := f.verify(ctx, file)
	if !errors.Is(err, errDamaged) {
		return err
	}
	// Under the lock, because another process may have put the right file
	// there in the meantime.
	part, lockErr := f.lock(ctx, file)
	if lockErr != nil {
		return fmt.Errorf("%w; not removed: %w", err, lockErr)
	}
	defer part.Close()
	if info, statErr := part.Stat(); statErr == nil && info.Size() == 0 {
		defer os.Remove(part.Name())
	}
	if err = f.verify(ctx, file); !errors.Is(err, errDamaged) {
		return err
	}
	if rmErr := os.Remove(f.path(file)); rmErr != nil {
		return fmt.Errorf("%w; not removed: %w", err, rmErr)
	}
	return fmt.Errorf("%w; removed", err)
}

var errDamaged = errors.New("damaged")

// verify hashes the cached file unless this Fetcher has done so before.
func (f *Fetcher) verify(ctx context.Context, file File) error {
	cached, err := os.Open(f.path(file))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotHere
	}
	if err != nil {
		return err
	}
	defer cached.Close()
	info, err := cached.Stat()
	if err != nil {
		return err
	}
	f.mu.Lock()
	known := f.verified[file.hashes()]
	f.mu.Unlock()
	if untouched(known, info) {
		return nil
	}
	hashes := newSums(file)
	if _, err := io.Copy(hashes, &ctxReader{ctx, cached}); err != nil {
		return err
	}
	switch w, found := hashes.wrong(); {
	case found == "":
	case w.algorithm == hashes.wants[0].algorithm:
		return fmt.Errorf("%w: %s has %s %s", errDamaged, f.path(file), w.algorithm, found)
	default:
		return &MismatchError{"cache " + filepath.Clean(f.Cache), f.path(file), file, found}
	}
	f.remember(file, info)
	return nil
}

func (f *Fetcher) remember(file File, info fs.FileInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.verified == nil {
		f.verified = map[File]fs.FileInfo{}
	}
	f.verified[file.hashes()] = info
}

// lock opens the partial file of a file, alone among all processes until it is
// closed, which is also what the end of a process does.
func (f *Fetcher) lock(ctx context.Context, file File) (*os.File, error) {
	name := f.partial(file)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	for {
		part, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		err = flock(ctx, part)
		if err == nil {
			held, err1 := part.Stat()
			now, err2 := os.Stat(name)
			if err1 == nil && err2 == nil && os.SameFile(held, now) {
				return part, nil
			}
		}
		part.Close()
		if err != nil {
			return nil, err
		}
		// Renamed or removed by its last holder: what is locked is no
		// longer the partial file.
	}
}

func flock(ctx context.Context, file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// ctxReader stops reading a local file when its context is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
