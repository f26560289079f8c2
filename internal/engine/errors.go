package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// ErrLimit is in the chain of an error when a container had reached its
// Spec.Limit; IsGone is true of that error too.
var ErrLimit = errors.New("time limit reached")

// NoEngineError reports that no engine answered. It holds every place tried,
// in order. errors.Is looks at all causes, so fs.ErrPermission and
// fs.ErrNotExist tell a closed door from a missing engine.
type NoEngineError struct {
	Tried []Attempt
}

// Attempt is one place where no engine answered.
type Attempt struct {
	Host string // "unix:///var/run/docker.sock"
	Err  error
}

func (e *NoEngineError) Error() string {
	parts := make([]string, len(e.Tried))
	for i, t := range e.Tried {
		parts[i] = fmt.Sprintf("%s: %v", t.Host, t.Err)
	}
	return "connect to a container engine: " + strings.Join(parts, "; ")
}

// Unwrap returns the causes.
func (e *NoEngineError) Unwrap() []error {
	causes := make([]error, len(e.Tried))
	for i, t := range e.Tried {
		causes[i] = t.Err
	}
	return causes
}

// TooOldError reports an engine whose API is older than MinAPI.
type TooOldError struct {
	Host string // "unix:///var/run/docker.sock"
	API  string // "1.40"
}

func (e *TooOldError) Error() string {
	return fmt.Sprintf("connect to a container engine: %s speaks API %s, need %s (Docker Engine 20.10) or newer", e.Host, e.API, MinAPI)
}

// ExitError reports a command that ended with a status other than 0.
type ExitError struct {
	Argv []string
	Code int  // as a shell counts: 127 not found, 137 killed by signal 9
	OOM  bool // a process of the container was killed for lack of memory meanwhile
}

func (e *ExitError) Error() string {
	s := fmt.Sprintf("exec %s: exit status %d", short(e.Argv), e.Code)
	if e.OOM {
		s += ": out of memory"
	}
	return s
}

// goneError reports that the engine, or the container, is no longer there.
type goneError struct {
	op  string
	err error
}

func (e *goneError) Error() string { return e.op + ": container or engine is gone: " + e.err.Error() }
func (e *goneError) Unwrap() error { return e.err }

// IsGone reports whether err means that the engine stopped, or that somebody
// or something ended the container, in the middle of work.
func IsGone(err error) bool {
	var gone *goneError
	return errors.As(err, &gone)
}

// IsDiskFull reports whether err means that a disk, of the engine or of this
// machine, has no room left.
func IsDiskFull(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	s := err.Error() // the engine's errors arrive as text
	return strings.Contains(s, "no space left on device") || strings.Contains(s, "disk quota exceeded")
}

// isConnection reports whether err is a lost or refused connection.
func isConnection(err error) bool {
	if client.IsErrConnectionFailed(err) {
		return true
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// explain turns an error of the API into one that says what op was, and
// whether the caller gave up or the engine went away.
func (e *Engine) explain(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	if isConnection(err) {
		return &goneError{op, err}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// explain is Engine.explain for an operation on a container: if the container
// no longer runs, that is the cause, whatever the engine said.
func (c *Container) explain(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil || isConnection(err) {
		return c.engine.explain(ctx, op, c.limited(err))
	}
	if dead := c.alive(ctx); dead != nil {
		return &goneError{op, dead}
	}
	return c.engine.explain(ctx, op, err)
}

// alive returns nil if the container runs, and otherwise why it does not.
func (c *Container) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	info, err := c.engine.api.ContainerInspect(ctx, c.ID)
	switch {
	case cerrdefs.IsNotFound(err):
		return c.limited(errors.New("container was removed"))
	case err != nil:
		return err
	case info.State == nil || !info.State.Running:
		return c.limited(errors.New("container has stopped"))
	}
	return nil
}

// limited says that the time limit is the cause of err, if it has passed.
func (c *Container) limited(err error) error {
	if time.Since(c.started) < c.limit {
		return err
	}
	return fmt.Errorf("%w (%s): %w", ErrLimit, c.limit, err)
}

// short is a command line that fits into a message.
func short(argv []string) string {
	s := strings.Join(strings.Fields(strings.Join(argv, " ")), " ")
	if r := []rune(s); len(r) > 80 {
		return string(r[:77]) + "..."
	}
	return s
}
