package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/pybake/pybake/internal/engine"
)

// runSession runs a container that has this process's streams, terminal and
// signals.
func (a *app) runSession(ctx context.Context, e *engine.Engine, spec engine.RunSpec) (status int, err error) {
	streams := engine.RunIO{Stdin: a.sys.stdin, Stdout: a.sys.stdout, Stderr: a.sys.stderr}
	restore := func() {}
	if fd, ok := terminal(a.sys.stdin); ok && spec.TTY {
		state, err := term.MakeRaw(fd)
		if err != nil {
			return engine.StatusEngine, fmt.Errorf("set up the terminal: %w", err)
		}
		restore = func() { _ = term.Restore(fd, state) }
		defer restore()
		var stop func()
		streams.Resize, stop = terminalSizes(fd)
		defer stop()
	}
	streams.Signals = a.passSignals(restore)
	return e.Run(ctx, spec, streams)
}

// terminal returns the descriptor of a stream that is a terminal.
func terminal(stream any) (fd int, ok bool) {
	file, ok := stream.(*os.File)
	if !ok {
		return 0, false
	}
	fd = int(file.Fd())
	return fd, term.IsTerminal(fd)
}

// terminalSizes tells the size of a terminal, and each later one.
func terminalSizes(fd int) (sizes <-chan [2]uint, stop func()) {
	changed, told, done := make(chan os.Signal, 1), make(chan [2]uint), make(chan struct{})
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		for {
			if columns, rows, err := term.GetSize(fd); err == nil {
				select {
				case told <- [2]uint{uint(rows), uint(columns)}:
				case <-done:
					return
				}
			}
			select {
			case <-changed:
			case <-done:
				return
			}
		}
	}()
	return told, func() { signal.Stop(changed); close(done) }
}

// killAfter is the number of SIGINTs and SIGTERMs after which a command that
// does not heed them is killed, as the docker command has it.
const killAfter = 3

// passSignals takes the signals of this process from watchSignals, for good, and
// returns them for the container. What was ignored from the start stays ignored.
// A signal that comes a while after the one that kills ends this process at once,
// after restore: the engine does not answer. SIGPIPE is taken, too: an output
// that breaks must not end this process before the container.
func (a *app) passSignals(restore func()) <-chan os.Signal {
	taken := []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2}
	taken = slices.DeleteFunc(taken, signal.Ignored)
	come, passed := make(chan os.Signal, 16), make(chan os.Signal, 16)
	signal.Reset(taken...)
	signal.Notify(come, taken...)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		asked, killed := 0, time.Time{}
		for s := range come {
			if s == syscall.SIGINT || s == syscall.SIGTERM {
				asked++
			}
			switch {
			case asked > killAfter && a.sys.now().Sub(killed) > grace:
				restore()
				fmt.Fprint(a.sys.stderr, "pybake: gave up; the container may be left behind\nhint: pybake clean\n")
				a.sys.exit(128 + int(s.(syscall.Signal)))
			case asked == killAfter:
				s, killed = syscall.SIGKILL, a.sys.now()
			}
			select {
			case passed <- s:
			default: // nobody takes them: the engine does not answer
			}
		}
	}()
	return passed
}
