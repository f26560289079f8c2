package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/pybake/pybake/artifacts"
)

const (
	statusFailed = 1
	statusUsage  = 2
)

// usageError is wrong usage or wrong input.
type usageError struct {
	err  error
	hint string // a command that would work: "pybake list"
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), hint}
}

// reported is an error of which everything has been said on the screen.
type reported struct{ status int }

func (e reported) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// report prints an error and returns the exit status for it.
func report(w io.Writer, err error) int {
	if said, ok := errors.AsType[reported](err); ok {
		return said.status
	}
	status, hint := explain(err)
	fmt.Fprintf(w, "pybake: %v\n", err)
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return status
}

// explain returns the exit status for an error, and a command that would work
// if one is known.
func explain(err error) (status int, hint string) {
	if usage, ok := errors.AsType[*usageError](err); ok {
		return statusUsage, usage.hint
	}
	if _, ok := errors.AsType[*artifacts.DamagedError](err); ok {
		return statusFailed, "run the command that made it once more: it replaces what is damaged"
	}
	switch {
	case errors.Is(err, artifacts.ErrNotFound):
		return statusUsage, "pybake list"
	case errors.Is(err, syscall.ENOSPC):
		return statusFailed, "pybake clean --cache"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return statusUsage, "pybake --store DIR, with a directory that you may write to"
	}
	return statusFailed, ""
}
