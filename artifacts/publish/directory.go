package publish

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	directoryFormat = 1

	formatFile     = "published.json"
	poolDir        = "pool"
	generationsDir = "generations"
	reportsDir     = "reports"
	currentLink    = "current"
	reportLink     = "report"
	workDir        = ".work"
	lockName       = "lock"
)

// Grace is how long [Directory.Prune] leaves what nobody needs any more: for
// readers that began with it, and writers that are about to publish it.
const Grace = time.Hour

// Directory is a published directory. Its methods may be called from several
// goroutines and processes at once; set the fields before.
type Directory struct {
	Dir string // "/srv/published"

	// Copy makes Put copy where it could make a hard link.
	Copy bool
	// Mend makes Put read what the pool has already, and replace it if it is
	// damaged.
	Mend bool
	// Waiting is called, if not nil, when a method has to wait for another
	// writer: "pid 4711, since 2026-01-02T15:04:05Z", or empty if unknown.
	Waiting func(holder string)

	step func(what string) error // of tests: called before each change
}

// Open opens a published directory, which need not exist: nothing is created
// before the first write. A directory of a newer format is refused.
func Open(dir string) (*Directory, error) {
	d := &Directory{Dir: filepath.Clean(dir)}
	if info, err := os.Stat(d.Dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("open published directory %s: %w", d.Dir, syscall.ENOTDIR)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open published directory: %w", err)
	}
	data, err := os.ReadFile(d.path(formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open published directory: %w", err)
	}
	var head struct{ Format int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("open published directory %s: %s: %w", d.Dir, formatFile, err)
	}
	if head.Format != directoryFormat {
		return nil, fmt.Errorf("open published directory %s: format %d is not known, only %d: another pybake made it", d.Dir, head.Format, directoryFormat)
	}
	return d, nil
}

// path is that of something in the directory, by its slash-separated path.
func (d *Directory) path(elem ...string) string {
	return filepath.Join(append([]string{d.Dir}, elem...)...)
}

// work is a path in .work that nobody else uses.
func (d *Directory) work(prefix string) string {
	return d.path(workDir, prefix+"-"+rand.Text())
}

// do makes a change. Tests stand before it.
func (d *Directory) do(what string, change func() error) error {
	if d.step != nil {
		if err := d.step(what); err != nil {
			return err
		}
	}
	return change()
}

// prepare makes the directory on the first write. One that has other things in
// it is refused: the user has named the wrong one.
func (d *Directory) prepare() error {
	if _, err := os.Lstat(d.path(formatFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(d.Dir), 0o755); err != nil {
		return err
	}
	if err := mkdir(d.Dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains([]string{workDir, poolDir, generationsDir, "lost+found"}, e.Name()) {
			if _, err := os.Lstat(d.path(formatFile)); err == nil {
				return nil // another process was between the two
			}
			return fmt.Errorf("%s holds %s and is no published directory", d.Dir, e.Name())
		}
	}
	for _, name := range []string{workDir, poolDir, generationsDir} {
		if err := d.do("make "+name, func() error { return mkdir(d.path(name)) }); err != nil {
			return err
		}
	}
	draft := d.work("format")
	defer os.Remove(draft)
	if err := d.do("write format", func() error { return writeFile(draft, fmt.Appendf(nil, "{\"format\": %d}\n", directoryFormat)) }); err != nil {
		return err
	}
	return d.do("rename format", func() error { return os.Rename(draft, d.path(formatFile)) })
}

// lock makes the directory and takes its lock: shared by those who fill the
// pool, alone for those who publish and prune. It waits until ctx ends. The end
// of the holder frees the lock, whatever ended it.
func (d *Directory) lock(ctx context.Context, how int) (release func(), err error) {
	if err := d.prepare(); err != nil {
		return nil, err
	}
	path := d.path(workDir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	for delay := time.Millisecond; ; delay = min(2*delay, 50*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			break
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			f.Close()
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		note, _ := os.ReadFile(path) // only for show
		holder := strings.TrimSpace(string(note))
		if d.Waiting != nil && !told {
			d.Waiting(holder)
		}
		told = true
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for %s, held by %s: %w", path, holder, context.Cause(ctx))
		case <-time.After(delay):
		}
	}
	if how == unix.LOCK_EX {
		// The note is for people who wait. On a full disk the lock works without.
		if f.Truncate(0) == nil {
			fmt.Fprintf(f, "pid %d, since %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
		}
	}
	return sync.OnceFunc(func() {
		if how == unix.LOCK_EX {
			f.Truncate(0)
		}
		f.Close()
	}), nil
}

// sweep deletes what dead writers left in .work. The lock is held alone.
func (d *Directory) sweep() error {
	entries, err := os.ReadDir(d.path(workDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockName {
			continue
		}
		if err := d.do("sweep", func() error { return os.RemoveAll(d.path(workDir, e.Name())) }); err != nil {
			return err
		}
	}
	return nil
}

// syncDir brings the entries of a directory to disk.
func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// mkdir makes a directory with mode 0755, whatever the umask, if it is not there.
func mkdir(path string) error {
	err := os.Mkdir(path, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// writeFile creates a file with mode 0644, whatever the umask.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(0o644), f.Close())
}

// switchLink replaces a link at the root by rename.
func (d *Directory) switchLink(name, target string) error {
	draft := d.work("link")
	if err := d.do("draft link "+name, func() error { return os.Symlink(target, draft) }); err != nil {
		return err
	}
	defer os.Remove(draft)
	if err := d.do("switch "+name, func() error { return os.Rename(draft, d.path(name)) }); err != nil {
		return err
	}
	return d.do("sync root", func() error { return syncDir(d.Dir) })
}
