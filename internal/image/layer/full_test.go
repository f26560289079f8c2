//go:build engine

package layer

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A full disk comes out as ENOSPC, and nothing remains on it. Mounting a small
// disk takes root.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatalf("mount a tmpfs (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	small(t, 1000)
	data := archive(t, file("f", string(noise(3<<20))))
	err := Fragment(io.Discard, bytes.NewReader(data), Options{Dir: disk})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), `entry "f"`) {
		t.Errorf("spool: %v", err)
	}
	_, err = Cache{filepath.Join(disk, "trees")}.Add("key", func(w io.Writer) error {
		return Fragment(w, bytes.NewReader(data), Options{Dir: t.TempDir()})
	})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "cache layer key") {
		t.Errorf("cache: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(disk, "trees", "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(disk, &stat); err != nil || stat.Bfree+1 < stat.Blocks {
		t.Errorf("%d of %d blocks are free, %v", stat.Bfree, stat.Blocks, err)
	}
}
