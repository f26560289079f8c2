// Pybake turns pinned CPython versions into Debian packages and lock files
// into wheelhouses, built in throwaway containers.
//
// This package is the command line: one file per verb. It is the only part of
// pybake that prints, reads the environment or exits.
//
// # Streams
//
// Standard output carries results only: paths, tables, or with --json one JSON
// document. Progress, warnings and errors go to standard error: on a terminal
// as one live display, elsewhere as plain lines. An error is one message,
// followed by a command that would work where there is one:
//
//	pybake: artifact python 3.13.5 trixie amd64: not in the store
//	hint: pybake list
//
// # Exit status
//
//	0    done
//	1    failed
//	2    wrong usage or wrong input: the user must change something
//	129  ended by SIGHUP
//	130  ended by SIGINT
//	143  ended by SIGTERM
//
// A second signal, or five seconds after the first, ends everything at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	// Runs that find everything in place end before collecting garbage pays.
	debug.SetGCPercent(400)
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintf(os.Stderr, "pybake: %v\n", err)
		os.Exit(statusFailed)
	}
	os.Exit(run(os.Args[1:], &system{
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		getenv:  os.Getenv,
		dir:     dir,
		asks:    term.IsTerminal(int(os.Stdin.Fd())),
		width:   terminalWidth,
		now:     time.Now,
		signals: catchSignals(),
		exit:    os.Exit,
	}))
}

// system is everything that a run takes from the outside.
type system struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(name string) string
	dir            string           // the working directory
	asks           bool             // a person can answer on stdin
	width          func() int       // columns of the terminal that stderr is; 0: it is none
	now            func() time.Time // the clock of the display
	signals        <-chan os.Signal // those that end the run
	exit           func(status int) // used only when a signal does not wait
}

func terminalWidth() int {
	width, _, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// catchSignals leaves alone what was ignored from the start, as nohup and
// background jobs of a shell do.
func catchSignals() <-chan os.Signal {
	c := make(chan os.Signal, 2)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c
}

// grace is how long a run may take to clean up after a signal.
const grace = 5 * time.Second

// signalError is the cause with which a signal cancels the context of a run.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string {
	if e.signal == syscall.SIGINT {
		return "interrupted"
	}
	return "ended by signal: " + e.signal.String()
}

// Is makes it look like any other end of a context.
func (e signalError) Is(target error) bool { return target == context.Canceled }

func (e signalError) status() int { return 128 + int(e.signal) }

// run is the whole program: it returns the exit status.
func run(args []string, sys *system) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	a := newApp(sys)
	a.args = args
	defer a.screen.Close()
	defer close(a.ended)
	go a.watchSignals(ctx, cancel)

	root := a.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	a.screen.Close()
	if err == nil {
		return 0
	}
	var ended signalError
	if errors.As(context.Cause(ctx), &ended) {
		fmt.Fprintf(sys.stderr, "pybake: %v\n", ended)
		return ended.status()
	}
	return printError(sys.stderr, args, err)
}

// watchSignals cancels the run at the first signal and ends it at the second,
// or when cleaning up takes too long.
func (a *app) watchSignals(ctx context.Context, cancel context.CancelCauseFunc) {
	var ended signalError
	select {
	case s := <-a.sys.signals:
		ended.signal, _ = s.(syscall.Signal)
	case <-ctx.Done():
		return
	}
	cancel(ended)
	a.display.Note("%v: cleaning up; once more to stop at once", ended)
	message := "pybake: interrupted again"
	select {
	case <-a.ended:
		return
	case <-a.sys.signals:
	case <-time.After(grace):
		message = "pybake: still not cleaned up"
	}
	a.screen.Close()
	fmt.Fprintf(a.sys.stderr, "%s: gave up; containers may be left behind\nhint: pybake clean\n", message)
	a.sys.exit(ended.status())
}
