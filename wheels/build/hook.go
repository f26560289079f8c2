package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	return asked, r.hook(ctx, &asked, requiresHook, r.request("requires", nil))
}

// Wheel builds the wheel and brings it into dir, which exists. It returns its file
// name, whose project and version are those of the job. Symbols, if the job asks for
// them and the wheel has any, are in SymbolsDir within dir.
func (r *Run) Wheel(ctx context.Context, dir string) (name string, err error) {
	if err := r.hook(ctx, &name, wheelHook, r.request("wheel", nil)); err != nil {
		return "", err
	}
	return name, r.take(ctx, name, dir)
}

// Build is Requires, and then Wheel if what was asked for is all among what is known.
// Else there is no name.
func (r *Run) Build(ctx context.Context, known []string, dir string) (asked []string, name string, err error) {
	var made *string
	q := r.request("build", append([]string{}, known...))
	if err := r.hook(ctx, &[]any{&asked, &made}, requiresHook, q); err != nil || made == nil {
		return asked, "", err
	}
	return asked, *made, r.take(ctx, *made, dir)
}

// Rebuild is Wheel where it is known what the backend asks for, of the same source. If
// that fails and the backend now asks for something beyond, there is no name.
func (r *Run) Rebuild(ctx context.Context, known []string, dir string) (asked []string, name string, err error) {
	name, err = r.Wheel(ctx, dir)
	failed, ok := errors.AsType[*FailedError](err)
	if !ok || failed.Kind != Raised && failed.Kind != Died && failed.Kind != NoBackend {
		return nil, name, err
	}
	asked, askErr := r.Requires(ctx)
	if askErr != nil || !slices.ContainsFunc(asked, func(a string) bool { return !slices.Contains(known, a) }) {
		return nil, "", err
	}
	return asked, "", nil
}

// answer is what serve.py answers.
type answer struct {
	OK    json.RawMessage `json:"ok"`
	Hook  string          `json:"hook"`
	Kind  Kind            `json:"kind"`
	Error string          `json:"error"`
	Full  string          `json:"full"` // a place without room: "/tmp"
}

// into decodes a good answer.
func (a answer) into(v any) error {
	if a.OK == nil {
		return fmt.Errorf("%s: %s", a.Kind, a.Error)
	}
	return json.Unmarshal(a.OK, v)
}

var errLimit = errors.New("the time limit of a hook")

// hook runs a step, of which name is the first hook, and decodes what that returned.
func (r *Run) hook(ctx context.Context, into any, name string, q request) error {
	if err := r.log.begin(name); err != nil {
		return fmt.Errorf("log of %s: %w", r.job, err)
	}
	a, err := r.ask(ctx, name, func() (a answer, err error) {
		if err := r.worker.send('H', q); err != nil {
			return a, err
		}
		return r.worker.answer('o', r.log)
	})
	if err != nil {
		return err
	}
	if a.Hook != "" {
		name = a.Hook
	}
	if err := r.verdict(name, a); err != nil {
		return err
	}
	if err := json.Unmarshal(a.OK, into); err != nil {
		return r.fail(name, BadOutput, fmt.Sprintf("its answer is none: %v", err))
	}
	return nil
}

// ask does something with the worker, in the time that a hook may take. If it fails,
// the worker is no more.
func (r *Run) ask(ctx context.Context, name string, do func() (answer, error)) (a answer, err error) {
	if r.worker == nil {
		return a, fmt.Errorf("%s: %s: it has been closed", r.job, name)
	}
	limited, cancel := context.WithTimeoutCause(ctx, r.b.limit(), errLimit)
	defer cancel()
	err = r.worker.within(limited, func() (err error) {
		a, err = do()
		return err
	})
	if err == nil {
		return a, nil
	}
	r.failed = true
	exit, exited := errors.AsType[*engine.ExitError](err)
	write, unwritten := errors.AsType[*writeError](err)
	removeErr := r.worker.remove(ctx)
	switch {
	case ctx.Err() != nil:
		return a, fmt.Errorf("%s: %s: %w", r.job, name, context.Cause(ctx))
	case unwritten:
		return a, errors.Join(fmt.Errorf("log of %s: %w", r.job, write.err), removeErr)
	case errors.Is(err, errLimit), errors.Is(err, engine.ErrLimit):
		return a, r.fail(name, TimedOut, "no end after "+span(r.b.limit()))
	case exited && exit.OOM:
		return a, r.outOfMemory(name)
	case exited:
		return a, r.fail(name, Died, fmt.Sprintf("the build ended with status %d and was not heard of", exit.Code))
	}
	return a, errors.Join(fmt.Errorf("%s: %s: %w", r.job, name, err), removeErr)
}

// verdict is the error that an answer tells of.
func (r *Run) verdict(name string, a answer) error {
	switch {
	case a.OK != nil:
		return nil
	case a.Kind == OutOfMemory:
		return r.outOfMemory(name)
	case a.Full != "":
		share := r.b.Memory / max(1, places[a.Full])
		return r.fail(name, DiskFull, fmt.Sprintf("no room left in %s, of %s: %s", a.Full, size(share), a.Error))
	}
	return r.fail(name, a.Kind, a.Error)
}

// take brings the wheel that the backend named here.
func (r *Run) take(ctx context.Context, name, dir string) error {
	if cause := r.job.misnamed(name); cause != "" {
		return r.fail(wheelHook, BadOutput, cause)
	}
	if r.job.Symbols {
		if err := r.symbols(ctx, name, dir); err != nil {
			return err
		}
	}
	return r.fetch(ctx, name, dir)
}

func (r *Run) outOfMemory(hook string) *FailedError {
	return r.fail(hook, OutOfMemory, "out of memory at "+size(r.b.Memory))
}

// fail makes the error of a hook.
func (r *Run) fail(hook string, kind Kind, cause string) *FailedError {
	r.failed = true
	e := &FailedError{Package: r.job.String(), Step: hook, Kind: kind, Cause: printable(cause)}
	e.Tail, e.Reached = r.log.end()
	return e
}

// String is the project and its version.
func (j Job) String() string { return strings.TrimSpace(j.Name + " " + j.Version) }
