package build

import (
	"archive/tar"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"sync"
	"time"

	"github.com/pybake/pybake/internal/engine"
)

// Format changes when the same job would give other bytes than before: the
// environment of hooks, the layout of the container. It belongs into keys.
const Format = "1"

// Directories of a build's container.
const (
	Dir      = "/build"
	srcDir   = Dir + "/src"
	envDir   = Dir + "/env"
	outDir   = Dir + "/out"
	homeDir  = Dir + "/home"
	stateDir = Dir + "/state"
)

// The build's user and group, those of commands of engine.Container.
const user = 1000

//go:embed build.py
var driver []byte

// Builder makes containers of one image. Its methods may be called from several
// goroutines; Close it after use.
type Builder struct {
	Engine *engine.Engine
	Image  string        // of the engine, with the interpreter and the compilers
	Prefix string        // of the interpreter: "/opt/python/3.13"
	Series string        // "3.13"
	Memory int64         // bytes; 0 is no limit
	PIDs   int64         // processes and threads; 0 is no limit
	Limit  time.Duration // for one hook; 0 is an hour

	prepared map[string]string // the projects whose wheels are in the image, to file names; nil: the image has no environment

	mu     sync.Mutex
	spare  chan spareContainer // gives the spare container once; nil: there is none
	closed bool
}

// Wheel is a file to install into the environment.
type Wheel struct {
	Path string // on this machine: the cache names files by hash
	Name string // "setuptools-80.9.0-py3-none-any.whl"
}

// Source is the source to build, as sdist.Source is: WriteTar writes a tar of which
// everything is in the directory top, and belongs to a user.
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
	Log            io.Writer         // what hooks print, at most 256 MiB; nil is thrown away
}

// Run is a job in its container. Its methods are for one goroutine.
type Run struct {
	b         *Builder
	job       Job
	container *engine.Container
	log       *record
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

// Start starts the container of a job, with its environment and source in it. The
// caller closes the Run.
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
	maps.Copy(r.installed, b.prepared)
	if err := r.install(job.Wheels); err != nil {
		return nil, err
	}
	for {
		c, spare, err := b.container(ctx)
		if err != nil {
			return nil, err
		}
		r.container = c
		err = r.fill(ctx)
		if err == nil {
			return r, nil
		}
		removeErr := c.Remove(ctx)
		// A spare one may have died while it waited.
		if spare && engine.IsGone(err) && ctx.Err() == nil {
			continue
		}
		if engine.IsGone(removeErr) {
			removeErr = nil
		}
		return nil, errors.Join(err, removeErr)
	}
}

// Add installs more wheels into the environment. A project that is in it already,
// in another file, is an error.
func (r *Run) Add(ctx context.Context, wheels []Wheel) error {
	if err := r.install(wheels); err != nil {
		return err
	}
	return r.put(ctx, func(t *tree) error { return t.wheels(wheels) })
}

// Close removes the container. It may be called again.
func (r *Run) Close(ctx context.Context) error {
	return r.container.Remove(ctx)
}
