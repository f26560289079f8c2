package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// RunIO connects the command of a Run with the caller.
type RunIO struct {
	Stdin          io.Reader // read only if RunSpec.Interactive
	Stdout, Stderr io.Writer // nil is thrown away; a terminal has no Stderr

	// Resize tells the size of the caller's terminal, rows and columns: the first
	// at once, later ones as it changes.
	Resize <-chan [2]uint
	// Signals are sent to process 1.
	Signals <-chan os.Signal
}

// What a Run ends with when the command could not be started, as with docker
// run and in a shell.
const (
	StatusEngine      = 125 // the engine refused, or was lost
	StatusNotRunnable = 126
	StatusNotFound    = 127
)

// Errors that are in the chain of an error of Run.
var (
	ErrNoImage   = errors.New("the engine has no such image")
	ErrNoPath    = errors.New("no such file or directory on the engine's machine")
	ErrPortTaken = errors.New("a port of this machine is taken")
	ErrNoGPU     = errors.New("the engine has no runtime for GPUs")
)

const (
	stopGrace   = 10 * time.Second // from the signal that stops a command to the one that kills it
	brokenGrace = time.Second      // likewise for one whose output nobody reads
	stopLag     = 5 * time.Second  // an engine may tell so much later that a container has ended
)

// noDetach is nothing that a person types: a terminal of the engine's has a
// sequence of keys that parts it from its container.
const noDetach = "ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@"

// Run runs the command of an image as "docker run --rm" does and returns the
// status that it ended with: 128 and the number of the signal if one killed it.
// Nothing is pulled. When Run returns, the container is no more; if this process
// is killed, the container goes on until a Sweep.
//
// With an error the status is StatusEngine, or StatusNotRunnable or
// StatusNotFound of a command that could not be started. If ctx is cancelled the
// command is stopped, after 10 seconds killed, and the error is the cause; if
// Stdout or Stderr cannot be written, after one second.
//
// A Read of Stdin that blocks is left behind when the command ends; so is a
// Write that blocks, when ctx is cancelled or a signal comes then.
func (e *Engine) Run(ctx context.Context, s RunSpec, streams RunIO) (status int, err error) {
	op := "run " + s.Image
	if err := ctx.Err(); err != nil {
		return StatusEngine, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	r := &running{engine: e, spec: s, streams: streams, op: op, id: containerName(s.Name)}
	defer func() {
		if r.ended {
			return
		}
		if removeErr := e.removeContainer(ctx, r.id); removeErr != nil && !IsGone(err) {
			err = errors.Join(err, removeErr)
		}
	}()
	wait, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if err := r.start(ctx, wait); err != nil {
		return refused(err), e.explain(ctx, op, known(err))
	}
	defer r.conn.Close()
	return r.follow(ctx)
}

// running is one Run.
type running struct {
	engine  *Engine
	spec    RunSpec
	streams RunIO
	op      string
	id      string // of the container; until it is known, its name

	conn   types.HijackedResponse
	exit   <-chan container.WaitResponse
	lost   <-chan error
	input  *source
	output chan error // what copying the output ended with
	ended  bool       // the engine has removed the container
	cause  error      // why it is being stopped
}

// start creates the container, connects its streams and starts it. Requests
// outlive ctx a little, as in Engine.Start; wait is the context of what lasts.
func (r *running) start(ctx, wait context.Context) error {
	late, cancel := lag(ctx, startGrace)
	defer cancel()
	api, s := r.engine.api, r.spec
	made, err := api.ContainerCreate(late, s.config(r.engine.session.id), s.hostConfig(), nil, nil, r.id)
	if err != nil {
		return err
	}
	r.id = made.ID
	r.conn, err = api.ContainerAttach(late, r.id, container.AttachOptions{
		Stream: true, Stdin: s.Interactive, Stdout: true, Stderr: !s.TTY, DetachKeys: noDetach,
	})
	if err != nil {
		return err
	}
	r.exit, r.lost = api.ContainerWait(wait, r.id, container.WaitConditionRemoved)
	if ctx.Err() == nil {
		err = api.ContainerStart(late, r.id, container.StartOptions{})
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		r.conn.Close()
	}
	return err
}

// follow passes everything on until the command has ended.
func (r *running) follow(ctx context.Context) (int, error) {
	if r.spec.Interactive && r.streams.Stdin != nil {
		r.input = &source{r: r.streams.Stdin}
		go feed(r.conn, r.input)
	}
	r.output = make(chan error, 1)
	go func() { r.output <- r.copyOutput() }()
	cancelled := ctx.Done()
	var late <-chan time.Time
	stop := func(cause error, grace time.Duration) {
		r.cause = errors.Join(r.cause, cause)
		late = time.After(grace + stopLag)
		go r.stop(ctx, grace)
	}
	for {
		select {
		case <-cancelled:
			cancelled = nil
			stop(context.Cause(ctx), stopGrace)
		case sig, ok := <-r.streams.Signals:
			if !ok {
				r.streams.Signals = nil
				continue
			}
			r.signal(ctx, sig)
		case size, ok := <-r.streams.Resize:
			if !ok {
				r.streams.Resize = nil
				continue
			}
			r.resize(ctx, size)
		case err := <-r.output:
			r.output = nil
			if err != nil {
				stop(err, brokenGrace)
			}
		case err := <-r.lost:
			return StatusEngine, r.failure(&goneError{r.op, err})
		case <-late:
			return StatusEngine, r.failure(&goneError{r.op, errors.New("the engine does not tell that it has ended")})
		case exit := <-r.exit:
			r.ended = true
			return r.finish(ctx, exit)
		}
	}
}

// finish waits for the last output of a command that has ended.
func (r *running) finish(ctx context.Context, exit container.WaitResponse) (int, error) {
	if r.output != nil {
		select {
		case err := <-r.output:
			r.cause = errors.Join(r.cause, err)
		case <-r.streams.Signals:
		case <-ctx.Done():
		}
	}
	if r.cause == nil && exit.Error != nil {
		r.cause = errors.New(exit.Error.Message)
	}
	if r.cause == nil && r.input != nil {
		if err := r.input.failed(); err != nil {
			r.cause = fmt.Errorf("read its input: %w", err)
		}
	}
	if r.cause != nil {
		return StatusEngine, fmt.Errorf("%s: %w", r.op, r.cause)
	}
	return int(exit.StatusCode), nil
}

// failure is err, unless the caller knows a better reason.
func (r *running) failure(err error) error {
	if r.cause != nil {
		return fmt.Errorf("%s: %w", r.op, r.cause)
	}
	return err
}

// copyOutput copies what the command writes; its error is that of a writer. A
// stream that breaks is for the wait to explain.
func (r *running) copyOutput() error {
	stdout, stderr := &sink{w: r.streams.Stdout}, &sink{w: r.streams.Stderr}
	if r.spec.TTY {
		_, _ = io.Copy(stdout, r.conn.Reader)
	} else {
		_, _ = stdcopy.StdCopy(stdout, stderr, r.conn.Reader)
	}
	if err := errors.Join(stdout.err, stderr.err); err != nil {
		return fmt.Errorf("write its output: %w", err)
	}
	return nil
}

// stop has the engine stop the container as its image asks for, and kill it
// after a while.
func (r *running) stop(ctx context.Context, grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace+stopLag)
	defer cancel()
	seconds := int(grace / time.Second)
	_ = r.engine.api.ContainerStop(ctx, r.id, container.StopOptions{Timeout: &seconds}) // else it is removed
}

// signal sends a signal to process 1. One that has ended needs none.
func (r *running) signal(ctx context.Context, sig os.Signal) {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	_ = r.engine.api.ContainerKill(ctx, r.id, strconv.Itoa(int(number)))
}

// resize changes the size of the command's terminal. One that has ended has none.
func (r *running) resize(ctx context.Context, size [2]uint) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	_ = r.engine.api.ContainerResize(ctx, r.id, container.ResizeOptions{Height: size[0], Width: size[1]})
}

// known adds to an error of the engine which one it is. The engine's errors
// arrive as text.
func known(err error) error {
	text := err.Error()
	has := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(text, part) {
				return true
			}
		}
		return false
	}
	switch {
	case cerrdefs.IsNotFound(err) && has("No such image", "no such image"):
		return fmt.Errorf("%w: %w", ErrNoImage, err)
	case has("bind source path does not exist"), has("statfs ") && has("no such file or directory"): // Docker, Podman
		return fmt.Errorf("%w: %w", ErrNoPath, err)
	case has("address already in use", "port is already allocated"):
		return fmt.Errorf("%w: %w", ErrPortTaken, err)
	case has("could not select device driver"):
		return fmt.Errorf("%w: %w", ErrNoGPU, err)
	}
	return err
}

// refused is the status of a command that could not be started.
func refused(err error) int {
	text := err.Error()
	switch {
	case !strings.Contains(text, "exec: ") && !strings.Contains(text, "executable file"):
	case strings.Contains(text, "executable file"), strings.Contains(text, "no such file or directory"):
		return StatusNotFound
	case strings.Contains(text, "permission denied"), strings.Contains(text, "is a directory"):
		return StatusNotRunnable
	}
	return StatusEngine
}

// Remote reports whether the engine was not reached through a socket of this
// machine: paths of a Bind are then not this machine's.
func (e *Engine) Remote() bool { return !strings.HasPrefix(e.host, "unix://") }
