package sdist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/fetch"
)

// WorkTree lists what git would take of a directory: the tracked files and the
// untracked ones that are not ignored, relative to it. The list is nil where git is
// not asked: no git on this machine, no work tree around the directory, or one that
// ignores it, by taking none of pyproject.toml and setup.py.
func WorkTree(ctx context.Context, git Git, dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if git.Program == "" || !inRepository(dir) {
		return nil, nil
	}
	cmd := exec.CommandContext(ctx, git.Program,
		// Nothing that the repository's configuration names is run.
		"-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
		// It may belong to somebody else, as in a container.
		"-c", "safe.directory=*",
		"ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir, cmd.Env = dir, append(git.own(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	var out bytes.Buffer
	said := &last{max: 2000}
	cmd.Stdout, cmd.Stderr = &out, said
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, &gitError{"ls-files", fetch.Redact(strings.TrimSpace(string(said.data))), err})
	}
	files := slices.DeleteFunc(strings.Split(out.String(), "\x00"), func(name string) bool {
		return name == "" || strings.HasSuffix(name, "/") // of a repository in it that is no submodule
	})
	if !slices.Contains(files, "pyproject.toml") && !slices.Contains(files, "setup.py") {
		return nil, nil
	}
	return files, nil
}

// inRepository is whether there is a .git in the directory or above.
func inRepository(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}
