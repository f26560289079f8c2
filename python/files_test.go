package python

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/nfpm"
)

func TestCheckPaths(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) nfpm.File {
		write(t, filepath.Join(dir, name), text)
		return nfpm.File{Path: "/opt/python/3.13/" + name, Source: filepath.Join(dir, name)}
	}
	tests := []struct {
		name string
		file nfpm.File
		want string // in the error; empty for none
	}{
		{"clean", file("clean", "prefix=/opt/python/3.13 srcdir=/usr/src"), ""},
		{"content", nfpm.File{Path: "/x", Content: []byte("made in /build/stage")}, "/build/stage"},
		{"source directory", file("Makefile", strings.Repeat("x", 100)+"\nabs_srcdir=/build/src\n"+strings.Repeat("y", 100)), `\nabs_srcdir=/build/src\nyyy`},
		{"staged tree", file("module.pyc", "\x00\xff/build/stage/opt/python"), "/build/stage/opt"},
		{"output", file("first", "/build/out"), "/build/out"},
		{"at the end", file("last", "x/build/src"), "/build/src"},
		{"link", nfpm.File{Path: "/x", Link: "/build/stage/opt/python/3.13/bin/python3.13"}, "/build/stage"},
		{"gone", nfpm.File{Path: "/x", Source: filepath.Join(dir, "gone")}, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, checkPaths(tt.file), tt.want) })
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestCheckMode(t *testing.T) {
	tests := []struct {
		name string
		file nfpm.File
		want string
	}{
		{"default", nfpm.File{Path: "/x"}, ""},
		{"program", nfpm.File{Path: "/x", Mode: 0o755}, ""},
		{"library", nfpm.File{Path: "/x.so", Mode: 0o755}, ""},
		{"group may write", nfpm.File{Path: "/x", Mode: 0o664}, "mode -rw-rw-r--"},
		{"all may write", nfpm.File{Path: "/x", Mode: 0o666}, "mode -rw-rw-rw-"},
		{"set user id", nfpm.File{Path: "/x", Mode: fs.ModeSetuid | 0o755}, "mode urwxr-xr-x"},
		{"set group id", nfpm.File{Path: "/x", Mode: fs.ModeSetgid | 0o755}, "mode grwxr-xr-x"},
		{"library nobody may read", nfpm.File{Path: "/x.so", Mode: 0o700}, "mode -rwx------"},
		{"link to a library", nfpm.File{Path: "/x.so", Link: "x.so.1"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, checkMode(tt.file), tt.want) })
	}
}

// TestFileChecks runs the round over a staged tree: as it is, and with a fault
// in it.
func TestFileChecks(t *testing.T) {
	names := func(fault func(s *stage)) (passed, failed []string, detail string) {
		s := fakeStage(t, planFor(t, request("3.13.5")))
		fault(s)
		p := &proof{s: s, checks: map[string][]artifacts.Check{}}
		if err := p.files(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range p.checks["files"] {
			if c.OK {
				passed = append(passed, c.Name)
			} else {
				failed = append(failed, c.Name)
				detail = c.Detail
			}
		}
		return passed, failed, detail
	}
	passed, failed, _ := names(func(*stage) {})
	if diff := cmp.Diff([]string{"elf", "symbols", "builder-paths", "modes"}, passed); diff != "" || failed != nil {
		t.Errorf("a clean tree: failed %v, passed %s", failed, diff)
	}
	const venv = "pybake-python3.13-venv"
	_, failed, detail := names(func(s *stage) { write(t, s.files[venv][0].Source, "/build/src/Lib") })
	if diff := cmp.Diff([]string{"builder-paths"}, failed); diff != "" || !strings.Contains(detail, "ensurepip/__init__.py: names the builder") {
		t.Errorf("a path: %s %s", diff, detail)
	}
	_, failed, detail = names(func(s *stage) { s.files[venv][0].Mode = 0o666 })
	if diff := cmp.Diff([]string{"modes"}, failed); diff != "" || !strings.Contains(detail, "ensurepip/__init__.py: mode") {
		t.Errorf("a mode: %s %s", diff, detail)
	}
	_, failed, detail = names(func(s *stage) { write(t, s.files[venv][0].Source, "\x7fELF and no more") })
	if diff := cmp.Diff([]string{"elf", "symbols"}, failed); diff != "" || !strings.Contains(detail, "ensurepip/__init__.py") {
		t.Errorf("half an ELF file: %s %s", diff, detail)
	}
}

// TestFileChecksCancelled gives up.
func TestFileChecksCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := &proof{s: fakeStage(t, planFor(t, request("3.13.5"))), checks: map[string][]artifacts.Check{}}
	if err := p.files(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCheckError(t *testing.T) {
	err := &CheckError{Name: "python 3.13.5 trixie amd64", Failed: []artifacts.Check{{Name: "ssl", Detail: "no handshake"}, {Name: "tk"}}}
	want := "python 3.13.5 trixie amd64: not accepted, 2 checks failed:\n  ssl: no handshake\n  tk: "
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestCountTags(t *testing.T) {
	const out = `E: pybake-python3.13: no-copyright-file
W: pybake-python3.13: no-manual-page
  E: not at the beginning
W: pybake-python3.13-dev: no-manual-page
N: E: a note
`
	errs, warnings := countTags(out)
	if diff := cmp.Diff([]string{"E: pybake-python3.13: no-copyright-file"}, errs); diff != "" || warnings != 2 {
		t.Errorf("%d warnings, errors %s", warnings, diff)
	}
}
