package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
)

func TestExplain(t *testing.T) {
	args := []string{"python", "3.13", "--distro=trixi", "-C", "my project"}
	for _, test := range []struct {
		err    error
		status int
		hint   string
	}{
		{errors.New("anything"), 1, ""},
		{usagef("pybake list", "no"), 2, "pybake list"},
		{&recipes.NotExactError{Version: "3.13", Newest: "3.13.5"}, 2, "pybake python 3.13.5 --distro=trixi -C 'my project'"},
		{&recipes.NotExactError{Version: "3.12", Newest: "3.12.1"}, 2, "pybake python 3.12.1"},
		{&recipes.NotExactError{Version: "3.99"}, 2, ""},
		{&recipes.UnknownError{Kind: "distro", Name: "trixi", Near: []string{"trixie"}}, 2, "pybake python 3.13 --distro=trixie -C 'my project'"},
		{&recipes.UnknownError{Kind: "distro", Name: "sarge"}, 2, "pybake distros"},
		{&recipes.UnknownError{Kind: "release", Name: "3.13", Near: []string{"3.13.5"}}, 2,
			"pybake python 3.13.5 --distro=trixi -C 'my project'; or add it: --sha256 HASH, or a line in recipes/releases.csv"},
		{&recipes.UnsupportedError{Series: "3.8", Distro: "trixie"}, 2, "pybake distros"},
		{strict.Errors{{File: "pybake.toml", Msg: "unknown key"}}, 2, ""},
		{artifacts.ErrNotFound, 2, "pybake list"},
		{&artifacts.DamagedError{Kind: "python", Err: fs.ErrNotExist}, 1, "run the command that made it once more: it replaces what is damaged"},
		{&fetch.FailedError{Trail: []fetch.Answer{{Err: &fetch.MismatchError{}}}}, 1, "put the file into a directory and name that: --source DIR"},
		{&fetch.MismatchError{}, 2, ""},
		{syscall.ENOSPC, 1, "pybake clean --cache"},
		{&engine.NoEngineError{Tried: []engine.Attempt{{Err: fs.ErrPermission}}}, 1, "pybake doctor"},
		{&engine.TooOldError{}, 1, "pybake doctor"},
		{&engine.ExitError{Argv: []string{"make"}, Code: 2}, 1, ""},
		{&engine.ExitError{Argv: []string{"make"}, Code: 137, OOM: true}, 1, "give the engine's machine more memory; pybake doctor says what it has"},
		{&distro.MovedError{What: "package gcc-14"}, 1, "pybake python 3.13 --distro=trixi -C 'my project' --repin"},
		{&distro.MovedError{What: "base image", Explains: syscall.ENOSPC}, 1, "pybake clean --cache"},
		{&wheels.FailedError{Failures: []*wheels.Failure{{Err: fs.ErrInvalid}}}, 1, ""},
		{&wheels.FailedError{Failures: []*wheels.Failure{{Err: fs.ErrInvalid}, {Err: fs.ErrInvalid, Recipe: "memory = 1\n"}}}, 1,
			"recipes/ is beside pybake.toml; where there is none, an empty one in this directory will do; then run the same again"},
		{distro.ErrOffline, 1, "run it once without --offline"},
		{&fs.PathError{Op: "mkdir", Path: "baked", Err: syscall.EACCES}, 2, "pybake doctor"},
		{&fs.PathError{Op: "mkdir", Path: "baked", Err: syscall.EROFS}, 2, "pybake doctor"},
	} {
		status, hint := explain(fmt.Errorf("wrapped: %w", test.err), args)
		if status != test.status || hint != test.hint {
			t.Errorf("%v: status %d, hint %q; want %d, %q", test.err, status, hint, test.status, test.hint)
		}
	}
}
