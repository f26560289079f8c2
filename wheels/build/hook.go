package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
func (r *Run) Requires(ctx context.Context) ([]string, error) {
	raw, err := r.hook(ctx, "requires", requiresHook)
	if err != nil {
		return nil, err
	}
	var out []string
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, r.failed(requiresHook, BadOutput, fmt.Sprintf("no list of strings: %v", err))
	}
	return out, nil
}

// Wheel builds the wheel and brings it into dir, which exists. It returns its file
// name, whose project and version are those of the job.
func (r *Run) Wheel(ctx context.Context, dir string) (string, error) {
	raw, err := r.hook(ctx, "wheel", wheelHook)
	if err != nil {
		return "", err
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return "", r.failed(wheelHook, BadOutput, fmt.Sprintf("no file name: %v", err))
	}
	if cause := r.job.misnamed(name); cause != "" {
		return "", r.failed(wheelHook, BadOutput, cause)
	}
	return name, r.fetch(ctx, name, dir)
}

// answer is answer.json, what build.py writes.
type answer struct {
	OK    json.RawMessage `json:"ok"`
	Kind  Kind            `json:"kind"`
	Error string          `json:"error"`
}

var errLimit = errors.New("the time limit of a hook")

// hook runs a step of build.py and returns what the hook returned.
func (r *Run) hook(ctx context.Context, step, name string) (json.RawMessage, error) {
	if err := r.log.begin(name); err != nil {
		return nil, fmt.Errorf("log of %s: %w", r.job, err)
	}
	limited, cancel := context.WithTimeoutCause(ctx, r.b.limit(), errLimit)
	defer cancel()
	err := r.container.Exec(limited, engine.Command{
		// Isolated: whatever the image and its environment have, this is the plain interpreter.
		Argv: []string{r.b.interpreter(), "-I", "-S", "-B", Dir + "/build.py", Dir + "/job.json", step},
		Dir:  Dir, Stdout: r.log, Stderr: r.log,
	})
	exit, exited := errors.AsType[*engine.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %s: %w", r.job, name, context.Cause(ctx))
	case errors.Is(err, errLimit), errors.Is(err, engine.ErrLimit):
		return nil, r.failed(name, TimedOut, "no end after "+span(r.b.limit()))
	case exited && exit.OOM:
		return nil, r.outOfMemory(name)
	case err != nil && !exited:
		return nil, fmt.Errorf("%s: %s: %w", r.job, name, err)
	}
	a, err := r.answer(ctx)
	if errors.Is(err, fs.ErrNotExist) && exited {
		return nil, r.failed(name, Died, fmt.Sprintf("the build ended with status %d and was not heard of", exit.Code))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", r.job, name, err)
	}
	if a.Kind == OutOfMemory {
		return nil, r.outOfMemory(name)
	}
	if a.OK == nil || exited {
		return nil, r.failed(name, a.Kind, a.Error)
	}
	return a.OK, nil
}

// answer reads what the hook answered.
func (r *Run) answer(ctx context.Context) (*answer, error) {
	stream, err := r.container.Get(ctx, stateDir+"/answer.json")
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	text, err := one(stream, 2<<20)
	if err != nil {
		return nil, fmt.Errorf("answer of the hook: %w", err)
	}
	a := &answer{}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("answer of the hook: %w", err)
	}
	return a, nil
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
