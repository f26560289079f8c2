package publish

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree makes a directory with files in the order given.
func tree(t *testing.T, mode os.FileMode, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(filepath.Base(name)), mode)); err != nil {
			t.Fatal(err)
		}
	}
	age(t, dir, time.Duration(mode)*time.Hour)
	return dir
}

func TestHouseTar(t *testing.T) {
	long := strings.Repeat("long", 40) + ".whl"
	var archives []string
	for _, dir := range []string{
		tree(t, 0o644, "b.whl", "a/c.txt", "requirements.txt", long, "logs/x", "a-b"),
		tree(t, 0o600, "a-b", "logs/y", long, "requirements.txt", "b.whl", "a/c.txt"),
	} {
		var b bytes.Buffer
		if err := HouseTar(dir, &b); err != nil {
			t.Fatal(err)
		}
		archives = append(archives, b.String())
	}
	if archives[0] != archives[1] {
		t.Error("two archives of the same files differ")
	}
	var got []string
	r := tar.NewReader(strings.NewReader(archives[0]))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data := must[[]byte](t)(io.ReadAll(r))
		got = append(got, fmt.Sprintf("%o %d %d %d %s %s", h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), h.Name, data))
	}
	want := []string{
		"755 0 0 315532800 house/ ", "644 0 0 315532800 house/a-b a-b", "755 0 0 315532800 house/a/ ", "644 0 0 315532800 house/a/c.txt c.txt",
		"644 0 0 315532800 house/b.whl b.whl", "644 0 0 315532800 house/" + long + " " + long, "644 0 0 315532800 house/requirements.txt requirements.txt",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the archive (-want +got):\n%s", diff)
	}
	bad := tree(t, 0o644, "a")
	if err := os.Symlink("a", filepath.Join(bad, "b")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{bad, filepath.Join(bad, "none")} {
		if err := HouseTar(dir, io.Discard); err == nil || !contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	var full bytes.Buffer
	if err := HouseTar(tree(t, 0o644, "a"), &short{&full}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a writer that is full: %v", err)
	}
}

// short takes 1,000 bytes.
type short struct{ b *bytes.Buffer }

func (s *short) Write(p []byte) (int, error) {
	if s.b.Len()+len(p) > 1000 {
		return 0, io.ErrShortWrite
	}
	return s.b.Write(p)
}
