package build

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pep"
)

// Format changes when the same job would give other bytes than before: the
// environment of hooks, the layout of the container. It belongs into keys.
const Format = "2"

// Directories of a build's container.
const (
	Dir     = "/build"
	srcDir  = Dir + "/src"
	outDir  = Dir + "/out"
	homeDir = Dir + "/home"

	debugDir = Dir + "/debug"
)

// Paths are the beginnings of what only a build's container has.
var Paths = []string{srcDir + "/", outDir + "/", homeDir + "/", envsDir + "/"}

// The build's user and group, those of commands of engine.Container.
const user = 1000

// Builder builds in containers of one image. Its methods may be called from several
// goroutines; Close it after use.
type Builder struct {
	Engine *engine.Engine
	Image  string        // of the engine, with the interpreter and the compilers
	Prefix string        // of the interpreter: "/opt/python/3.13"
	Series string        // "3.13"
	Memory int64         // bytes, for processes and for what they write; 0 is no limit
	PIDs   int64         // processes and threads; 0 is no limit
	Limit  time.Duration // for one hook; 0 is an hour

	// Envs has the environments, of the same interpreter; nil: the builder has its own.
	Envs *Environments

	prepared *prepared // what the image has; nil: nothing

	mu      sync.Mutex
	workers chan *worker // clean ones, and nil for each that did not come about
	coming  int          // how many of them come, or wait, and are nobody's
	alive   int          // how many there are, with those that are starting
	closed  bool
	own     *Environments
}

// Wheel is a file to install into the environment.
type Wheel struct {
	Path string // on this machine: the cache names files by hash
	Name string // "setuptools-80.9.0-py3-none-any.whl"
}

// Source is the source to build, as sdist.Source is: WriteTar writes a tar of which
// most is in the directory top, all is below /build, and belongs to a user.
type Source interface {
	WriteTar(dst *tar.Writer, top string, uid, gid int) error
}

// Job is one wheel to build.
type Job struct {
	Name    string // the project, in any spelling
	Unnamed bool   // Name only stands in for what the source alone knows
	Version string // empty if the source alone knows
	Source  Source
	Wheels  []Wheel // build requirements, all of them; none that a prepared image has

	// Subdirectory of the source is where the project is and hooks run:
	// "python/foo"; empty is the top.
	Subdirectory string
	Backend      string   // "setuptools.build_meta:__legacy__"
	BackendPath  []string // relative to the project: {"backend"}

	ConfigSettings map[string][]string
	Env            map[string]string // over the environment of hooks
	Path           string            // a directory of programs before those of the image: "/usr/lib/rust-1.91/bin"; or empty
	Epoch          time.Time         // SOURCE_DATE_EPOCH
	Jobs           int               // processes that a build may run at once; 0 is 1
	Symbols        bool              // debug information is made, and brought out beside the wheel
	Log            io.Writer         // what hooks print, at most 256 MiB; nil is thrown away
}

// Run is a job in its container. Its methods are for one goroutine.
type Run struct {
	b         *Builder
	job       Job
	worker    *worker // nil: none any more
	failed    bool    // something did; the worker gets no other job
	log       *record
	env       string // directory of the environment
	wheels    []Wheel
	installed map[string]string // project to file name
}

// limit is how long one hook may take.
func (b *Builder) limit() time.Duration {
	if b.Limit > 0 {
		return b.Limit
	}
	return time.Hour
}

// interpreter is the Python of the image.
func (b *Builder) interpreter() string { return path.Join(b.Prefix, "bin", "python"+b.Series) }

// environments has the environments that are not in the image.
func (b *Builder) environments() *Environments {
	if b.Envs != nil {
		return b.Envs
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own == nil {
		b.own = &Environments{Engine: b.Engine, Image: b.Image, Prefix: b.Prefix, Series: b.Series}
	}
	return b.own
}

// closeOwn removes the builder's own environments.
func (b *Builder) closeOwn(ctx context.Context) error {
	b.mu.Lock()
	own := b.own
	b.mu.Unlock()
	if own == nil {
		return nil
	}
	return own.Close(ctx)
}

// Start finds or starts a container for a job, and brings its environment and its
// source there. The caller closes the Run.
func (b *Builder) Start(ctx context.Context, job Job) (*Run, error) {
	if job.Source == nil || job.Backend == "" {
		return nil, fmt.Errorf("build %s: no source or no backend given", job)
	}
	if job.Subdirectory != "" && !fs.ValidPath(job.Subdirectory) {
		return nil, fmt.Errorf("build %s: subdirectory %s: not a path within the source", job, job.Subdirectory)
	}
	if job.Log == nil {
		job.Log = io.Discard
	}
	r := &Run{b: b, job: job, log: &record{w: job.Log}, installed: map[string]string{}}
	if b.prepared != nil {
		if err := r.add(b.prepared.wheels); err != nil {
			return nil, err
		}
	}
	if err := r.add(job.Wheels); err != nil {
		return nil, err
	}
	if len(job.Wheels) > 0 {
		r.unprepare()
	}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// add notes wheels that the environment has.
func (r *Run) add(wheels []Wheel) error {
	if err := r.install(wheels); err != nil {
		return err
	}
	r.wheels = inOrder(slices.Concat(r.wheels, wheels))
	return nil
}

// inOrder sorts wheels: an environment is the same whatever came to it first.
func inOrder(wheels []Wheel) []Wheel {
	return slices.SortedFunc(slices.Values(wheels), func(a, b Wheel) int { return strings.Compare(a.Name, b.Name) })
}

// unprepare has the run go on without what an image has: nothing can be added to that.
func (r *Run) unprepare() {
	if r.b.prepared != nil {
		r.b = r.b.prepared.from
	}
}

// ensure makes sure of the environment.
func (r *Run) ensure(ctx context.Context) (err error) {
	if r.b.prepared != nil {
		r.env = r.b.prepared.env
		return nil
	}
	r.env, err = r.b.environments().ensure(ctx, r.wheels)
	return err
}

// taken is a worker that was taken from those of a builder.
type taken struct {
	*worker
	used bool // it was there before
	err  error
}

// open finds a worker and gives it the source, and makes sure of the environment
// meanwhile.
func (r *Run) open(ctx context.Context) error {
	first := make(chan taken, 1)
	go func() {
		w, used, err := r.b.take(ctx)
		first <- taken{w, used, err}
	}()
	if err := r.ensure(ctx); err != nil {
		if t := <-first; t.err == nil {
			return errors.Join(err, r.b.giveBack(ctx, t.worker))
		}
		return err
	}
	t := <-first
	for ; ; t.worker, t.used, t.err = r.b.take(ctx) {
		w, used, err := t.worker, t.used, t.err
		if err != nil {
			return err
		}
		r.worker = w
		if err = r.fill(ctx); err == nil {
			return nil
		}
		r.worker = nil
		removeErr := w.remove(ctx)
		// One that waited may have died meanwhile.
		if _, broken := errors.AsType[*lineError](err); broken && used && ctx.Err() == nil {
			continue
		}
		return errors.Join(err, removeErr)
	}
}

// install notes which projects are in the environment.
func (r *Run) install(wheels []Wheel) error {
	for _, w := range wheels {
		name, err := pep.ParseWheelName(w.Name)
		if err != nil {
			return fmt.Errorf("build requirement: %w", err)
		}
		if other, ok := r.installed[name.Name]; ok {
			return fmt.Errorf("build requirement %s: %s is in the environment already", w.Name, other)
		}
		r.installed[name.Name] = w.Name
	}
	return nil
}

// fill gives the worker the source and the directories of the build.
func (r *Run) fill(ctx context.Context) error {
	w := r.worker
	err := w.within(ctx, func() error {
		if err := w.send('U', nil); err != nil {
			return err
		}
		err := w.files(func(t *tar.Writer) error {
			for _, dir := range []string{srcDir, outDir, homeDir} {
				if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755, Uid: user, Gid: user, ModTime: r.job.epoch()}); err != nil {
					return err
				}
			}
			return r.job.Source.WriteTar(t, srcDir[1:], user, user)
		})
		if err != nil {
			return err
		}
		a, err := w.answer(0, nil)
		if err != nil {
			return err
		}
		return r.verdict("unpack", a)
	})
	if _, failed := errors.AsType[*FailedError](err); err == nil || failed {
		return err
	}
	return fmt.Errorf("%s: put the source into its container: %w", r.job, err)
}

// Add installs more wheels into the environment. A project that is in it already,
// in another file, is an error.
func (r *Run) Add(ctx context.Context, wheels []Wheel) error {
	if err := r.add(wheels); err != nil {
		return err
	}
	from := r.b
	if r.unprepare(); r.b == from {
		return r.ensure(ctx)
	}
	// The image has another environment.
	if err := r.worker.remove(ctx); err != nil {
		return err
	}
	r.worker = nil
	return r.open(ctx)
}

// Close ends the run: its container is cleaned for another, or removed if it failed.
// It may be called again.
func (r *Run) Close(ctx context.Context) error {
	w := r.worker
	r.worker = nil
	switch {
	case w == nil:
		return nil
	case r.failed:
		return w.remove(ctx)
	}
	return r.b.release(ctx, w)
}
