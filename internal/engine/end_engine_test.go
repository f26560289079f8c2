//go:build engine

package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	c := start(t, Spec{Memory: 64 << 20})
	output(t, c, Command{}, "eat", "8")
	var exit *ExitError
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "eat", "200"}}); !errors.As(err, &exit) || exit.Code != 137 || !exit.OOM {
		t.Errorf("too much memory: %v", err)
	}
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "exit", "3"}}); !errors.As(err, &exit) || exit.Code != 3 || exit.OOM {
		t.Errorf("a later command: %v", err)
	}
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "child", "box", "eat", "200"}}); !errors.As(err, &exit) || exit.Code != 2 || !exit.OOM {
		t.Errorf("too much memory in a child: %v", err)
	}
}

func TestProcesses(t *testing.T) {
	if got := output(t, start(t, Spec{PIDs: 300}), Command{}, "fork", "12"); got != "12\n" {
		t.Errorf("started %q of 12 processes under a limit of 300", got)
	}
	c := start(t, Spec{PIDs: 40})
	var out, errs strings.Builder
	err := c.Exec(t.Context(), Command{Argv: []string{"box", "fork", "40"}, Stdout: &out, Stderr: &errs})
	var n int
	if _, scanErr := fmt.Sscan(out.String(), &n); scanErr == nil && n > 0 && n < 40 {
		return // the box was told
	}
	if err == nil || !strings.Contains(errs.String(), "failed to create new OS thread") { // its runtime was
		t.Errorf("40 processes under a limit of 40: %v\nstdout: %s\nstderr: %s", err, &out, &errs)
	}
}

func TestLimit(t *testing.T) {
	c := start(t, Spec{Limit: 1500 * time.Millisecond})
	begin := time.Now()
	err := c.Exec(t.Context(), Command{Argv: []string{"box", "hang"}})
	if !errors.Is(err, ErrLimit) || !IsGone(err) {
		t.Errorf("after the limit: %v", err)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("took %s", d)
	}
	vanished(t, c, 5*time.Second)
	if _, err := c.engine.Start(t.Context(), Spec{Image: boxRef}); err == nil {
		t.Error("a container without a limit started")
	}
}

func TestStartFails(t *testing.T) {
	e := connect(t, t.TempDir())
	if _, err := e.Start(t.Context(), Spec{Image: "pybake-engine-test:missing", Limit: time.Minute}); err == nil || IsGone(err) {
		t.Errorf("missing image: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := e.Start(ctx, Spec{Image: boxRef, Limit: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := e.labelled(t.Context(), sessionLabel+"="+e.session.id, false); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

func TestCancel(t *testing.T) {
	c := start(t, Spec{})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	hanging := newWaiter()
	var begin time.Time
	go func() { <-hanging.came; begin = time.Now(); cancel(enough) }()
	err := c.Exec(ctx, Command{Argv: []string{"box", "hang"}, Stdout: hanging})
	if !errors.Is(err, enough) || IsGone(err) {
		t.Errorf("cancelled: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
	if exists(t, c) {
		t.Error("the container is still there")
	}
	if err := c.Remove(ctx); err != nil {
		t.Errorf("removed again: %v", err)
	}
}

func TestKilledFromOutside(t *testing.T) {
	ends := map[string]func(c *Container) error{
		"kill":   func(c *Container) error { return c.engine.api.ContainerKill(t.Context(), c.ID, "KILL") },
		"remove": func(c *Container) error { return c.engine.removeContainer(t.Context(), c.ID) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			c := start(t, Spec{})
			hanging := newWaiter()
			go func() {
				<-hanging.came
				if err := end(c); err != nil {
					t.Error(err)
				}
			}()
			if err := c.Exec(t.Context(), Command{Argv: []string{"box", "hang"}, Stdout: hanging}); !IsGone(err) || errors.Is(err, ErrLimit) {
				t.Errorf("ended from outside: %v", err)
			}
			if err := c.Exec(t.Context(), Command{Argv: []string{"box", "exit", "0"}}); !IsGone(err) {
				t.Errorf("a later command: %v", err)
			}
			vanished(t, c, 5*time.Second)
		})
	}
}
