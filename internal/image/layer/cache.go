package layer

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pattern"
)

// Cache is a directory of fragments, each a file KEY.SHA256.gz, where SHA256
// is that of the file, in hex. It is made when needed. Several processes may
// share it. A key is of letters, digits, "_" and "-". A file that is being
// written is called .new-* and becomes visible by rename, so a file that was
// cut off is one whose hash is another.
type Cache struct{ Dir string }

const newPrefix = ".new-"

var validKey = pattern.New(`^[A-Za-z0-9_-]{1,128}$`)

// Get is the path of a fragment, if the cache has it undamaged, and notes by
// the file's time that it was used. A damaged one is removed.
func (c Cache) Get(key string) (path string, ok bool, err error) {
	if !validKey.MatchString(key) {
		return "", false, fmt.Errorf("cached layer %q: not a key", key)
	}
	found, err := filepath.Glob(filepath.Join(quoteGlob(c.Dir), key+".*.gz"))
	if err != nil {
		return "", false, fmt.Errorf("cached layer %s: %w", key, err)
	}
	for _, path := range found {
		sum, err := hashFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // swept in the meantime
			continue
		case err != nil:
			return "", false, fmt.Errorf("cached layer %s: %w", key, err)
		case filepath.Base(path) == key+"."+sum+".gz":
			now := time.Now()
			_ = os.Chtimes(path, now, now) // a cache that cannot be written is swept by nobody
			return path, true, nil
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", false, fmt.Errorf("cached layer %s: it is damaged: %w", key, err)
		}
	}
	return "", false, nil
}

// quoteGlob is a pattern that matches path alone.
func quoteGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Add puts what write writes under a key, and returns its path. Nothing
// remains if write fails.
func (c Cache) Add(key string, write func(io.Writer) error) (path string, err error) {
	if !validKey.MatchString(key) {
		return "", fmt.Errorf("cache layer %q: not a key", key)
	}
	defer func() {
		if err != nil {
			path, err = "", fmt.Errorf("cache layer %s: %w", key, err)
		}
	}()
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(c.Dir, newPrefix+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(tmp, sum), 1<<18)
	if err := write(w); err != nil {
		return "", err
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return "", err
	}
	if err := tmp.Close(); err != nil {
		return "", err
	}
	path = filepath.Join(c.Dir, key+"."+hex.EncodeToString(sum.Sum(nil))+".gz")
	return path, os.Rename(tmp.Name(), path)
}

// Stale are the paths of the fragments that were last used before a time, and of
// what killed processes left before it.
func (c Cache) Stale(before time.Time) ([]string, error) {
	entries, err := os.ReadDir(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for cached layers: %w", err)
	}
	var stale []string
	for _, entry := range entries {
		ours := strings.HasPrefix(entry.Name(), newPrefix) || strings.HasSuffix(entry.Name(), ".gz")
		info, err := entry.Info()
		if ours && err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			stale = append(stale, filepath.Join(c.Dir, entry.Name()))
		}
	}
	return stale, nil
}
