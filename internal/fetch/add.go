package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Add puts what r gives into the cache under the hash that it turns out to
// have. It is for what this machine made or what another tool has verified: a
// base image, a package that apt downloaded. Get finds it by the hash.
func (f *Fetcher) Add(ctx context.Context, name string, r io.Reader) (_ File, err error) {
	dir := filepath.Join(f.Cache, "partial")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return File{}, fmt.Errorf("add %s to the cache: %w", name, err)
	}
	tmp, err := os.CreateTemp(dir, "add-*")
	if err != nil {
		return File{}, fmt.Errorf("add %s to the cache: %w", name, err)
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
			err = fmt.Errorf("add %s to the cache: %w", name, err)
		}
	}()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(tmp, hash), &ctxReader{ctx, r})
	if err != nil {
		return File{}, err
	}
	file := File{Name: name, SHA256: hex.EncodeToString(hash.Sum(nil)), Size: size}
	if err := tmp.Chmod(0o644); err != nil {
		return File{}, err
	}
	if err := tmp.Sync(); err != nil {
		return File{}, err
	}
	if err := os.MkdirAll(filepath.Dir(f.path(file)), 0o755); err != nil {
		return File{}, err
	}
	return file, os.Rename(tmp.Name(), f.path(file))
}
