package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pybake/pybake/internal/engine"
)

// Names of the hooks.
const (
	requiresHook = "get_requires_for_build_wheel"
	wheelHook    = "build_wheel"
)

// Requires asks the backend what the build needs beyond the stated build
// requirements: requirements of PEP 508, as the backend wrote them.
func (r *Run) Requires(ctx context.Context) (asked []string, err error) {
	return asked, r.hook(ctx, &asked, requiresHook, "requires")
}

// Wheel builds the wheel and brings it into dir, which exists. It returns its file
// name, whose project and version are those of the job.
func (r *Run) Wheel(ctx context.Context, dir string) (name string, err error) {
	if err := r.hook(ctx, &name, wheelHook, "wheel"); err != nil {
		return "", err
	}
	return name, r.take(ctx, name, dir)
}

// Build is Requires, and then Wheel if what was asked for is all among what is known.
// Else there is no name.
func (r *Run) Build(ctx context.Context, known []string, dir string) (asked []string, name string, err error) {
	text, err := json.Marshal(append([]string{}, known...))
	if err != nil {
		return nil, "", err
	}
	var made *string
	if err := r.hook(ctx, &[]any{&asked, &made}, requiresHook, "build", string(text)); err != nil || made == nil {
		return asked, "", err
	}
	return asked, *made, r.take(ctx, *made, dir)
}

// answer is what build.py writes.
type answer struct {
	OK    json.RawMessage `json:"ok"`
	Hook  string          `json:"hook"`
	Kind  Kind            `json:"kind"`
	Error string          `json:"error"`
}

var errLimit = errors.New("the time limit of a hook")

// hook runs a step of build.py, of which name is the first hook, and decodes what
// that returned.
func (r *Run) hook(ctx context.Context, into any, name string, step ...string) error {
	if err := r.log.begin(name); err != nil {
		return fmt.Errorf("log of %s: %w", r.job, err)
	}
	limited, cancel := context.WithTimeoutCause(ctx, r.b.limit(), errLimit)
	defer cancel()
	var said reply
	err := r.container.Exec(limited, engine.Command{
		// Isolated: whatever the image and its environment have, this is the plain interpreter.
		Argv: append([]string{r.b.interpreter(), "-I", "-S", "-B", Dir + "/build.py", Dir + "/job.json"}, step...),
		Dir:  Dir, Stdout: r.log, Stderr: &said,
	})
	exit, exited := errors.AsType[*engine.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %s: %w", r.job, name, context.Cause(ctx))
	case errors.Is(err, errLimit), errors.Is(err, engine.ErrLimit):
		return r.failed(name, TimedOut, "no end after "+span(r.b.limit()))
	case exited && exit.OOM:
		return r.outOfMemory(name)
	case err != nil && !exited:
		return fmt.Errorf("%s: %s: %w", r.job, name, err)
	}
	var a answer
	if err := json.Unmarshal(said.text, &a); err != nil && exited {
		if _, err := r.log.Write(said.text); err != nil {
			return fmt.Errorf("log of %s: %w", r.job, err)
		}
		return r.failed(name, Died, fmt.Sprintf("the build ended with status %d and was not heard of", exit.Code))
	} else if err != nil {
		return r.failed(name, Died, fmt.Sprintf("its answer cannot be read: %v", err))
	}
	if a.Hook != "" {
		name = a.Hook
	}
	switch {
	case a.Kind == OutOfMemory:
		return r.outOfMemory(name)
	case a.OK == nil || exited:
		return r.failed(name, a.Kind, a.Error)
	}
	if err := json.Unmarshal(a.OK, into); err != nil {
		return r.failed(name, BadOutput, fmt.Sprintf("its answer is none: %v", err))
	}
	return nil
}

// reply takes what build.py writes to its standard error, up to a bound.
type reply struct{ text []byte }

func (r *reply) Write(p []byte) (int, error) {
	const limit = 2 << 20
	r.text = append(r.text, p[:min(len(p), limit-len(r.text))]...)
	return len(p), nil
}

// take brings the wheel that the backend named here.
func (r *Run) take(ctx context.Context, name, dir string) error {
	if cause := r.job.misnamed(name); cause != "" {
		return r.failed(wheelHook, BadOutput, cause)
	}
	return r.fetch(ctx, name, dir)
}

func (r *Run) outOfMemory(hook string) *FailedError {
	return r.failed(hook, OutOfMemory, "out of memory at "+size(r.b.Memory))
}

// failed makes the error of a hook.
func (r *Run) failed(hook string, kind Kind, cause string) *FailedError {
	e := &FailedError{Package: r.job.String(), Step: hook, Kind: kind, Cause: printable(cause)}
	e.Tail, e.Reached = r.log.end()
	return e
}

// String is the project and its version.
func (j Job) String() string { return strings.TrimSpace(j.Name + " " + j.Version) }
