//go:build engine

package publish

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
)

// A full disk comes out as ENOSPC wherever it strikes, and leaves what was published.
// With room, the same publication succeeds. Mounting a small disk takes root.
func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		name, options string
		filler        string // what one file takes: a page, or an inode
	}{
		{"blocks", "size=640k", strings.Repeat("x", os.Getpagesize())},
		{"inodes", "nr_inodes=300", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := t.TempDir()
			if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, c.options); err != nil {
				t.Fatalf("mount a tmpfs (needs root): %v", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(disk, 0); err != nil {
					t.Error(err)
				}
			})
			d := open(t, filepath.Join(disk, "published"))
			publishDay(t, d, 1, sample(t, d, 1))
			fillers := fill(t, disk, c.filler)
			failed := 0
			for ; ; failed++ {
				b := &builder{d: d}
				r := Release{Set: b.sample(2), Now: day(2)}
				err := b.err
				if err == nil {
					_, err = d.Publish(t.Context(), r)
				}
				if err == nil {
					err = d.Report(t.Context(), []File{{"index.html", []byte("x")}})
				}
				isSwept(t, d)
				v := must[*Verified](t)(Verify(t.Context(), Source{Dir: d.Dir, Now: time.Now()}, sign.Public{}))
				if v.Err() != nil {
					t.Fatalf("after %v: %v", err, v.Err())
				}
				if err == nil {
					break
				}
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), d.Dir) {
					t.Fatalf("%v, want ENOSPC with the path", err)
				}
				// Going back and removing need little, and may lack it; they break nothing.
				if _, err := d.Prune(t.Context(), 1, time.Now().Add(2*Grace), false); err != nil {
					t.Fatalf("prune on a full disk: %v", err)
				}
				if len(fillers) == 0 {
					t.Fatalf("no room in an empty disk: %v", err)
				}
				if err := os.Remove(fillers[0]); err != nil {
					t.Fatal(err)
				}
				fillers = fillers[1:]
			}
			t.Logf("failed %d times, then published with %d fillers left", failed, len(fillers))
			if failed < 10 || len(fillers) == 0 {
				t.Errorf("ENOSPC struck %d times, and %d fillers are left", failed, len(fillers))
			}
			if g := must[*Generation](t)(d.Current()); g.Number < 2 {
				t.Errorf("generation %d", g.Number)
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
