package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
)

const (
	statusFailed = 1
	statusUsage  = 2
)

// advised is an error of which cmd itself knows the exit status and the way on.
type advised struct {
	err    error
	status int
	hint   string // a command that would work: "pybake list"; or empty
}

func (e *advised) Error() string { return e.err.Error() }
func (e *advised) Unwrap() error { return e.err }

// usagef is wrong usage or wrong input.
func usagef(hint, format string, args ...any) error {
	return &advised{fmt.Errorf(format, args...), statusUsage, hint}
}

// reported is an error of which everything has been said on the screen.
type reported struct{ status int }

func (e reported) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// printError prints what became of a command line and returns the exit status.
func printError(w io.Writer, args []string, err error) int {
	if said, ok := errors.AsType[reported](err); ok {
		return said.status
	}
	status, hint := explain(err, args)
	fmt.Fprintf(w, "pybake: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return status
}

// explain returns the exit status for the error of a command line, and a
// command that would work if one is known: 2 if the user must change something
// about what was asked, 1 for whatever failed.
func explain(err error, args []string) (status int, hint string) {
	if known, ok := errors.AsType[*advised](err); ok {
		return known.status, known.hint
	}
	if status, hint := explainWheels(err, args); status != 0 {
		return status, hint
	}
	if status, hint := explainInput(err, args); status != 0 {
		return status, hint
	}
	if status, hint := explainEngine(err); status != 0 {
		return status, hint
	}
	if status, hint := explainFiles(err); status != 0 {
		return status, hint
	}
	switch {
	case errors.As(err, new(*distro.MovedError)) && !slices.Contains(args, "--repin"):
		return statusFailed, typed(args, "--repin")
	case errors.Is(err, distro.ErrOffline):
		return statusFailed, "run it once without --offline"
	}
	return statusFailed, ""
}

// corrected is a command line with one word replaced, as one would type it; or
// otherwise if the word is not there.
func corrected(args []string, wrong, right, otherwise string) string {
	for i, arg := range args {
		flag, value, isFlag := strings.Cut(arg, "=")
		switch {
		case arg == wrong:
			arg = right
		case isFlag && flag == wrong:
			arg = right + "=" + value
		case isFlag && value == wrong:
			arg = flag + "=" + right
		default:
			continue
		}
		return typed(slices.Concat(args[:i], []string{arg}, args[i+1:]))
	}
	return otherwise
}

// typed is a command line as one would type it, with more at its end.
func typed(args []string, more ...string) string {
	line := "pybake"
	for _, arg := range slices.Concat(args, more) {
		if strings.Trim(arg, safe) != "" {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		line += " " + arg
	}
	return line
}

// safe are the characters that mean nothing to a shell.
const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"

// explainInput knows the errors of what users write. The status 0 means that
// it does not know this one.
func explainInput(err error, args []string) (status int, hint string) {
	if inexact, ok := errors.AsType[*recipes.NotExactError](err); ok && inexact.Newest != "" {
		return statusUsage, corrected(args, inexact.Version, inexact.Newest, "pybake python "+inexact.Newest)
	}
	if unknown, ok := errors.AsType[*recipes.UnknownError](err); ok {
		hint := "pybake distros"
		if len(unknown.Near) > 0 {
			hint = corrected(args, unknown.Name, unknown.Near[0], hint)
		}
		if unknown.Kind == "release" {
			hint += "; or add it: --sha256 HASH, or a line in recipes/releases.csv"
		}
		return statusUsage, hint
	}
	switch {
	case errors.As(err, new(*recipes.UnsupportedError)):
		return statusUsage, "pybake distros"
	case errors.As(err, new(*recipes.NotExactError)), errors.As(err, new(*strict.Error)):
		return statusUsage, ""
	case errors.Is(err, artifacts.ErrNotFound):
		return statusUsage, "pybake list"
	case errors.As(err, new(*fetch.FailedError)):
		return statusFailed, "put the file into a directory and name that: --source DIR"
	case errors.As(err, new(*fetch.MismatchError)):
		return statusUsage, ""
	}
	return 0, ""
}

// explainWheels knows the errors of wheelhouses. What is wrong with a lock is
// refused before; later a package fails.
func explainWheels(err error, args []string) (status int, hint string) {
	failed, isFailed := errors.AsType[*wheels.FailedError](err)
	if check, ok := errors.AsType[*wheels.CheckError](err); ok {
		if check.Imports() {
			hint = "a module that cannot be imported alone is excused by [import-skip] in recipes/wheels/NAME.toml, with the reason"
		}
		return statusFailed, hint
	}
	if !isFailed {
		return 0, ""
	}
	for _, f := range failed.Failures {
		if errors.As(f, new(*wheels.MoreRequiredError)) {
			return statusFailed, typed(args, "--repin-build", f.Name)
		}
		if errors.As(f, new(*wheels.UnpinnedError)) {
			return statusFailed, "run it once without --frozen, and commit pybake.lock"
		}
		if f.Recipe != "" {
			hint = "recipes/ is beside pybake.toml; where there is none, an empty one in this directory will do; then run the same again"
			if slices.Contains(args, "--frozen") {
				hint += ", without --frozen"
			}
		}
	}
	return statusFailed, hint
}

// explainEngine knows the errors of the container engine.
func explainEngine(err error) (status int, hint string) {
	if exit, ok := errors.AsType[*engine.ExitError](err); ok && exit.OOM {
		return statusFailed, "give the engine's machine more memory; pybake doctor says what it has"
	}
	switch {
	case engine.IsDiskFull(err):
		return statusFailed, "pybake clean --cache"
	case errors.As(err, new(*engine.NoEngineError)), errors.As(err, new(*engine.TooOldError)), engine.IsGone(err):
		return statusFailed, "pybake doctor"
	}
	return 0, ""
}

// explainFiles knows the errors of store and cache.
func explainFiles(err error) (status int, hint string) {
	switch {
	case errors.As(err, new(*artifacts.DamagedError)):
		return statusFailed, "run the command that made it once more: it replaces what is damaged"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return statusUsage, "pybake doctor"
	}
	return 0, ""
}
