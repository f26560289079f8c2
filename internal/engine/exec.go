package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"
)

// Command is one command to run in a container.
type Command struct {
	Argv   []string
	Env    []string  // "CC=gcc", over Spec.Env and the image's own
	User   string    // "0:0"; empty is "1000:1000"
	Dir    string    // working directory; empty is the image's
	Stdin  io.Reader // nil is empty
	Stdout io.Writer // nil is thrown away
	Stderr io.Writer // may be the same as Stdout: both are written by one goroutine
}

const (
	ordinaryUser = "1000:1000"
	execGrace    = 2 * time.Second        // an exec may be called running so long after its streams ended
	leaveGrace   = time.Second            // a cancelled Exec waits so long for its streams to end
	newsGrace    = 500 * time.Millisecond // news of a death may come so much later than that of its start
	newsTimeout  = 5 * time.Second        // for the engine to tell of that start
)

// Exec runs a command and waits for it. A status other than 0 is an
// *ExitError; a command that could not be found or started is one with 127 or
// 126, and the engine's reason is on Stdout. If ctx is cancelled the whole
// container is removed, which is the only sure way to end what the command
// started, and the cause is returned. If the container or the engine goes away
// meanwhile, the error satisfies IsGone.
//
// A Read of Stdin that blocks is left behind when the command ends.
func (c *Container) Exec(ctx context.Context, cmd Command) error {
	op := "exec " + short(cmd.Argv)
	if len(cmd.Argv) == 0 {
		return errors.New("exec: no command given")
	}
	done := make(chan error, 1)
	go func() { done <- c.run(ctx, op, cmd) }()
	var err error
	running := false
	select {
	case err = <-done:
	case <-ctx.Done():
		running, err = true, ctx.Err()
	}
	if err == nil || ctx.Err() == nil {
		return err
	}
	err = fmt.Errorf("%s: %w", op, context.Cause(ctx))
	if removeErr := c.Remove(ctx); removeErr != nil && !IsGone(removeErr) {
		err = errors.Join(err, removeErr)
	}
	if running { // the writers are the caller's again when this returns
		select {
		case <-done:
		case <-time.After(leaveGrace): // an engine that has stopped answering
		}
	}
	return err
}

// run is Exec without care for processes that survive a cancellation.
func (c *Container) run(ctx context.Context, op string, cmd Command) error {
	api := c.engine.api
	user := cmd.User
	if user == "" {
		user = ordinaryUser
	}
	made, err := api.ContainerExecCreate(ctx, c.ID, container.ExecOptions{
		Cmd: cmd.Argv, User: user, WorkingDir: cmd.Dir, Env: append(c.env[:len(c.env):len(c.env)], cmd.Env...),
		AttachStdin: cmd.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return c.explain(ctx, op, err)
	}
	conn, err := api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return c.explain(ctx, op, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()

	var in *source
	if cmd.Stdin != nil {
		in = &source{r: cmd.Stdin}
		go feed(conn, in)
	}
	stdout, stderr := &sink{w: cmd.Stdout}, &sink{w: cmd.Stderr}
	_, err = stdcopy.StdCopy(stdout, stderr, conn.Reader)
	if writeErr := errors.Join(stdout.err, stderr.err); writeErr != nil {
		return errors.Join(fmt.Errorf("%s: write its output: %w", op, writeErr), c.Remove(ctx))
	}
	if err != nil {
		return c.lost(ctx, op, err)
	}
	code, err := c.exitCode(ctx, made.ID)
	if err != nil {
		return c.lost(ctx, op, err)
	}
	if in != nil {
		if readErr := in.failed(); readErr != nil {
			return fmt.Errorf("%s: read its input: %w", op, readErr)
		}
	}
	if code == 0 {
		return nil
	}
	return c.failure(ctx, op, cmd.Argv, made.ID, code)
}

// feed copies to the command's standard input and closes it. An error of the
// connection is a command that does not want its input; one of the reader is
// kept in in.
func feed(conn types.HijackedResponse, in *source) {
	_, _ = io.Copy(conn.Conn, in)
	_ = conn.CloseWrite()
}

// lost reports that the stream of a command broke.
func (c *Container) lost(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	return &goneError{op, c.limited(err)}
}

// exitCode asks for the status of a command whose streams have ended. A
// command still called running is one whose engine lost it.
func (c *Container) exitCode(ctx context.Context, id string) (int, error) {
	for deadline := time.Now().Add(execGrace); ; {
		state, err := c.engine.api.ContainerExecInspect(ctx, id)
		if err != nil {
			return 0, err
		}
		if !state.Running {
			return state.ExitCode, nil
		}
		if time.Now().After(deadline) {
			return 0, errors.New("its output ended while it ran")
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// failure finds out why a command failed, from the engine's record of events:
// by its own doing, for lack of memory, or because the container ended.
func (c *Container) failure(ctx context.Context, op string, argv []string, id string, code int) error {
	news, cancel := context.WithTimeout(ctx, newsTimeout)
	defer cancel()
	const killed = 128 + 9
	oom, died := false, false
	messages, errs := c.engine.api.Events(news, events.ListOptions{
		Since: c.created, Filters: filters.NewArgs(filters.Arg("type", "container"), filters.Arg("container", c.ID)),
	})
	var late <-chan time.Time
	for more := true; more; {
		select {
		case m := <-messages:
			switch {
			case m.Action == events.ActionOOM:
				oom = true
			case m.Action == events.ActionDie || m.Action == events.ActionDestroy:
				died, more = true, false
			case m.Actor.Attributes["execID"] != id:
			case strings.HasPrefix(string(m.Action), string(events.ActionExecStart)):
				oom = false // that was an earlier command
				late = time.After(newsGrace)
			case m.Action == events.ActionExecDie:
				more = code == killed
			}
			if oom && late != nil {
				more = false
			}
		case <-late:
			more = false
		case <-errs:
			more = false
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	dead := c.alive(ctx)
	if died && dead == nil {
		dead = c.limited(errors.New("container has stopped"))
	}
	if dead != nil && (code == killed || !oom) {
		return &goneError{op, dead}
	}
	return &ExitError{Argv: argv, Code: code, OOM: oom}
}
