package sdist

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// taking is the names of what OpenDir takes of a directory of a work tree.
func taking(t *testing.T, git Git, root, dir string) []string {
	t.Helper()
	files, err := WorkTree(t.Context(), git, filepath.Join(root, dir))
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenDir(os.DirFS(root), dir, files)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range listing(t, s) {
		name := strings.Fields(line)[2]
		if !strings.HasSuffix(name, "/") {
			names = append(names, strings.TrimPrefix(name, "build/src/"))
		}
	}
	slices.Sort(names)
	return names
}

func TestWorkTree(t *testing.T) {
	lib := newOrigin(t)
	lib.commit("lib.py", "")
	o := newOrigin(t)
	put(t, o.dir, ".gitignore", "*.log\n/secret\n/app/data/*\n!/app/data/keep\n")
	o.commit("app/setup.py", "", "app/tracked.py", "", "app/gone.py", "", "beside.py", "", "app/data/keep", "", "café/setup.py", "")
	o.git("add", "-f", "app/data/keep")
	o.git("submodule", "add", "-q", lib.url(), "app/lib")
	for _, name := range []string{"app/new.py", "app/a.log", "app/data/big", "app/__pycache__/x.pyc", "app/lib/new.py", "café/ü.py", "secret/setup.py"} {
		put(t, o.dir, name, "")
	}
	if err := os.Remove(filepath.Join(o.dir, "app/gone.py")); err != nil {
		t.Fatal(err)
	}
	nested := &origin{t, filepath.Join(o.dir, "app", "nested")}
	if err := os.Mkdir(nested.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	nested.git("init", "-q")
	nested.commit("x.py", "")

	// What the configuration of the repository names is not run.
	marker := filepath.Join(t.TempDir(), "ran")
	o.git("config", "core.fsmonitor", "touch "+marker)
	git := local(t)
	for dir, want := range map[string][]string{
		"app":    {"data/keep", "lib/lib.py", "lib/new.py", "new.py", "setup.py", "tracked.py"},
		"café":   {"setup.py", "ü.py"},
		"secret": {"setup.py"}, // git would take nothing of it
	} {
		if diff := cmp.Diff(want, taking(t, git, o.dir, dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
	}
	if _, err := os.Lstat(marker); err == nil {
		t.Error("core.fsmonitor was run")
	}
	// Without git, or without a work tree, all is taken but what tools leave.
	git.Program = ""
	want := []string{"a.log", "data/big", "data/keep", "lib/lib.py", "lib/new.py", "nested/x.py", "new.py", "setup.py", "tracked.py"}
	if diff := cmp.Diff(want, taking(t, git, o.dir, "app")); diff != "" {
		t.Error(diff)
	}
	plain := t.TempDir()
	put(t, plain, "setup.py", "")
	put(t, plain, "a.log", "")
	if diff := cmp.Diff([]string{"a.log", "setup.py"}, taking(t, local(t), plain, ".")); diff != "" {
		t.Error(diff)
	}
}

func TestWorkTreeFails(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "setup.py", "")
	put(t, dir, ".git", "gitdir: /nonexistent\n")
	_, err := WorkTree(t.Context(), local(t), dir)
	if err == nil || !strings.HasPrefix(err.Error(), dir+": git ls-files: ") || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("a repository that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := WorkTree(ctx, local(t), dir); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestOwn leaves out what pybake itself reads and writes.
func TestOwn(t *testing.T) {
	root := project(t)
	want, err := openRoot(t, root, "libs/foo")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pybake.toml", "pybake.lock", "baked/store.json", "baked/artifacts/x", "web/node_modules/x/y.py"} {
		put(t, filepath.Join(root, "libs/foo"), name, "x")
	}
	if got, err := openRoot(t, root, "libs/foo"); err != nil || got.Hash() != want.Hash() {
		t.Errorf("not left out: %v", err)
	}
	for _, name := range []string{"a/pybake.toml", "shop/store.json", "uv.lock"} {
		put(t, filepath.Join(root, "libs/foo"), name, "x")
		if s, err := openRoot(t, root, "libs/foo"); err != nil || s.Hash() == want.Hash() {
			t.Errorf("%s is left out: %v", name, err)
		}
		if err := os.Remove(filepath.Join(root, "libs/foo", name)); err != nil {
			t.Fatal(err)
		}
	}
}
