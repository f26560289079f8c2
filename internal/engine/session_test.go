package engine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sessions")
	want := func(n int) {
		t.Helper()
		if got, err := Running(dir); got != n || err != nil {
			t.Errorf("%d sessions, %v; want %d", got, err, n)
		}
	}
	want(0)
	s, err := openSession(dir, "unix:///x")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want(1)
	s.file.Close() // as the end of the process does
	want(0)
	if _, err := os.Stat(s.path(s.id)); err != nil {
		t.Errorf("counting removed the session: %v", err)
	}
}
