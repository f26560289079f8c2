//go:build engine

package artifacts_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pybake/pybake/artifacts"
)

// A full disk comes out as ENOSPC at whatever write it strikes, and leaves the
// store as it was. Mounting a small disk takes root.
func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		name, options string
		filler        string // what one file takes: a page, or an inode
	}{
		{"blocks", "size=256k", strings.Repeat("x", os.Getpagesize())},
		{"inodes", "nr_inodes=64", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, c.options); err != nil {
				t.Fatalf("mount a tmpfs (needs root): %v", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(dir, 0); err != nil {
					t.Error(err)
				}
			})
			s := open(t, filepath.Join(dir, "baked"))
			old := publish(t, s, "python", simple("python x", "old"), map[string]string{"a": "old"})
			fillers := fill(t, dir, c.filler)

			full, free := 0, 0
			for ; len(fillers) > 0; free++ {
				err := attempt(t, s)
				if list, errs := s.List(); err != nil && (len(list) != 1 || len(errs) > 0) {
					t.Fatalf("%d free: the store holds %v, %v", free, list, errs)
				}
				if err := s.Verify(t.Context(), old); err != nil {
					t.Fatalf("%d free: %v", free, err)
				}
				isEmpty(t, s, "tmp")
				if err == nil {
					break
				}
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("%d free: %v, want ENOSPC with the path", free, err)
				}
				full++
				if err := os.Remove(fillers[0]); err != nil {
					t.Fatal(err)
				}
				fillers = fillers[1:]
			}
			t.Logf("failed %d times, then published with %d free", full, free)
			if full < 4 || len(fillers) == 0 {
				t.Errorf("ENOSPC struck %d times, and %d fillers are left", full, len(fillers))
			}
		})
	}
}

// fill writes files until the disk is full.
func fill(t *testing.T, dir, text string) (paths []string) {
	t.Helper()
	for {
		path := filepath.Join(dir, fmt.Sprint("filler", len(paths)))
		err := os.WriteFile(path, []byte(text), 0o644)
		if errors.Is(err, syscall.ENOSPC) {
			os.Remove(path)
			return paths
		}
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
}

// attempt publishes an artifact of two files.
func attempt(t *testing.T, s *artifacts.Store) error {
	d, err := s.Begin("python")
	if err != nil {
		return err
	}
	defer func() {
		if err := d.Discard(); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(d.Dir(), name), []byte("new"), 0o644); err != nil {
			return err
		}
	}
	_, err = d.Publish(t.Context(), simple("python x", "new"))
	return err
}
