package distro

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// silence reports nothing.
type silence struct{}

func (silence) Step(string) func(error) { return func(error) {} }
func (silence) Note(string, ...any)     {}
func (silence) Output() io.Writer       { return io.Discard }

// bootstrapper is a Maker whose mmdebstrap is a shell script.
func bootstrapper(t *testing.T, script string) *Maker {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "mmdebstrap")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Maker{
		Fetcher: &fetch.Fetcher{Cache: filepath.Join(dir, "cache")}, Report: silence{},
		Mmdebstrap: program, Environ: []string{"PATH=" + os.Getenv("PATH")},
	}
}

// cached are the files in a Maker's cache.
func cached(t *testing.T, m *Maker) (files []string) {
	t.Helper()
	for _, pattern := range []string{"partial/*", "sha256/*/*"} {
		found, err := filepath.Glob(filepath.Join(m.Fetcher.Cache, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return files
}

func TestBootstrap(t *testing.T) {
	m := bootstrapper(t, `printf %s "$SOURCE_DATE_EPOCH $*"`)
	m.Mirror = map[string]string{"trixie": "https://mirror.example.org/debian"}
	_, path, err := m.bootstrap(t.Context(), trixie)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(got), epoch+" --quiet ") || !strings.HasSuffix(string(got), " trixie - https://mirror.example.org/debian") {
		t.Errorf("ran with %q", got)
	}
}

// A tar that was cut off stays nowhere.
func TestBootstrapFails(t *testing.T) {
	m := bootstrapper(t, "echo half; echo 'E: no such suite' >&2; exit 3")
	_, _, err := m.bootstrap(t.Context(), trixie)
	if want := "mmdebstrap trixie: exit status 3: no such suite"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if left := cached(t, m); left != nil {
		t.Errorf("left in the cache: %q", left)
	}
}

// A cache that takes nothing is what is wrong, not the mmdebstrap that was
// ended for it.
func TestBootstrapCache(t *testing.T) {
	m := bootstrapper(t, "exec cat /dev/zero")
	if err := os.WriteFile(m.Fetcher.Cache, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := m.bootstrap(t.Context(), trixie)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, syscall.ENOTDIR) || strings.Contains(err.Error(), "signal") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("mmdebstrap waits for a reader")
	}
}

// What mmdebstrap started and left behind does not keep the pipe open.
func TestBootstrapCancelled(t *testing.T) {
	m := bootstrapper(t, "sleep 15 2>/dev/null & echo half; wait")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	begin := time.Now()
	if _, _, err := m.bootstrap(ctx, trixie); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	if left := cached(t, m); left != nil {
		t.Errorf("left in the cache: %q", left)
	}
}
