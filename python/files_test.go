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

func TestCheckEntry(t *testing.T) {
	const root = "root:root 0:0"
	tests := []struct {
		name  string
		entry nfpm.Entry
		want  string
	}{
		{"file", nfpm.Entry{Mode: 0o644, Owner: root}, ""},
		{"program", nfpm.Entry{Mode: 0o755, Owner: root}, ""},
		{"directory", nfpm.Entry{Mode: fs.ModeDir | 0o755, Owner: root}, ""},
		{"link", nfpm.Entry{Mode: fs.ModeSymlink | 0o777, Owner: root}, ""},
		{"group may write", nfpm.Entry{Mode: 0o664, Owner: root}, "mode -rw-rw-r--"},
		{"all may write", nfpm.Entry{Mode: 0o666, Owner: root}, "mode -rw-rw-rw-"},
		{"all may write a directory", nfpm.Entry{Mode: fs.ModeDir | 0o777, Owner: root}, "mode drwxrwxrwx"},
		{"set user id", nfpm.Entry{Mode: fs.ModeSetuid | 0o755, Owner: root}, "mode urwxr-xr-x"},
		{"set group id", nfpm.Entry{Mode: fs.ModeSetgid | 0o755, Owner: root}, "mode grwxr-xr-x"},
		{"set group id of a directory", nfpm.Entry{Mode: fs.ModeDir | fs.ModeSetgid | 0o755, Owner: root}, "mode dgrwxr-xr-x"},
		{"nobody may read", nfpm.Entry{Mode: 0o700, Owner: root}, "mode -rwx------"},
		{"closed directory", nfpm.Entry{Mode: fs.ModeDir | 0o700, Owner: root}, "mode drwx------"},
		{"device", nfpm.Entry{Mode: fs.ModeDevice | 0o644, Owner: root}, "neither a file"},
		{"user", nfpm.Entry{Mode: 0o644, Owner: "pybake:pybake 1000:1000"}, "owner pybake:pybake 1000:1000"},
		{"link of a user", nfpm.Entry{Mode: fs.ModeSymlink | 0o777, Owner: "root:pybake 0:1000"}, "owner root:pybake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, checkEntry(tt.entry), tt.want) })
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
