package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// tree is what lies in the directory of a draft or artifact: slash-separated
// paths relative to it, sorted.
type tree struct {
	files []string // everything but logs and directories
	logs  []string // below logs/
	dirs  []string // "." first
}

// readTree lists a directory. Anything but directories and regular files is an
// error.
func readTree(root string) (tree, error) {
	var t tree
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			t.dirs = append(t.dirs, path)
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s: neither a file nor a directory", path)
		case strings.HasPrefix(path, logsDir+"/"):
			t.logs = append(t.logs, path)
		default:
			t.files = append(t.files, path)
		}
		return nil
	})
	slices.Sort(t.files)
	slices.Sort(t.logs)
	if err != nil {
		return tree{}, fmt.Errorf("read %s: %w", root, err)
	}
	return t, nil
}

// settle gives the files and directories of a tree their modes, whatever the
// umask was, brings them to disk, and returns the files with sizes and hashes.
func (t tree) settle(ctx context.Context, root string) ([]File, error) {
	files := make([]File, len(t.files))
	err := parallel(len(t.files), func(i int) (err error) {
		path := filepath.Join(root, t.files[i])
		if err := errors.Join(checkPath(t.files[i]), syncMode(path, 0o644)); err != nil {
			return err
		}
		files[i].Path = t.files[i]
		files[i].Size, files[i].SHA256, err = HashFile(ctx, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, path := range t.logs {
		if err := syncMode(filepath.Join(root, path), 0o644); err != nil {
			return nil, err
		}
	}
	for _, path := range t.dirs {
		if err := syncMode(filepath.Join(root, path), 0o755); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// syncMode sets the mode of a file or directory and brings it to disk.
func syncMode(path string, mode fs.FileMode) error {
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return syncPath(path)
}

// syncPath brings a file, or the entries of a directory, to disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writeFile creates a file with mode 0644 and brings it to disk.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
}

// HashFile is the size of a file in bytes, and its SHA-256 in hex.
func HashFile(ctx context.Context, path string) (size int64, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return 0, "", fmt.Errorf("hash %s: %w", path, context.Cause(ctx))
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		size += int64(n)
		if err == io.EOF {
			return size, hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return 0, "", err
		}
	}
}

func hashBytes(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// parallel calls work for 0 to n-1, as many at once as there are processors,
// and returns all their errors in order.
func parallel(n int, work func(i int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := range next {
				errs[i] = work(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}
