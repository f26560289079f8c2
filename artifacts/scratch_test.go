package artifacts_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is scratch is no part of the artifact and goes with the draft, whether
// that is published or discarded.
func TestScratch(t *testing.T) {
	for _, end := range []string{"publish", "discard"} {
		t.Run(end, func(t *testing.T) {
			s := open(t, t.TempDir())
			d, err := s.Begin("python")
			if err != nil {
				t.Fatal(err)
			}
			dir, err := d.Scratch("stage")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Scratch("stage"); err == nil {
				t.Error("the same scratch twice")
			}
			write(t, dir, map[string]string{"tree/file": "scratch"})
			write(t, d.Dir(), map[string]string{"a.deb": "kept"})
			if end == "publish" {
				a, err := d.Publish(t.Context(), simple("python x", ""))
				if err != nil {
					t.Fatal(err)
				}
				if len(a.Files) != 1 || a.Files[0].Path != "a.deb" {
					t.Errorf("files %v", a.Files)
				}
			} else if err := d.Discard(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("scratch: %v", err)
			}
			filepath.WalkDir(s.Dir(), func(path string, _ os.DirEntry, _ error) error {
				if strings.Contains(path, "scratch") {
					t.Errorf("left: %s", path)
				}
				return nil
			})
		})
	}
}
