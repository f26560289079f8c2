package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/recipes"
)

// refreshRun is one run over the matrix.
type refreshRun struct {
	a       *app
	flags   refreshFlags
	project *project.Project
	store   *artifacts.Store
	set     *recipes.Set
	pins    *project.Pins
	dir     *publish.Directory
	former  *publish.Set // that is published; nil: nothing is
	current *publish.Generation
	keys    *sign.Keys // nil: nothing is signed
	began   time.Time
	cells   []refresh.Cell
	notes   []string
	moves   []string
	trouble []error // with pins: they stay as they are, and the night goes on

	mu     sync.Mutex
	maker  *distro.Maker // nil: not connected
	done   func() error
	baked  map[string]*artifacts.Artifact // Pythons, by name of the cell
	tags   map[string][]string            // of images, by name of the cell
	tails  map[string][]string            // what containers said last, by name of the cell that failed
	locked map[string]*sync.Mutex         // by distro, while base and toolchain are resolved
}

func (a *app) newRefreshRun(f refreshFlags) (*refreshRun, error) {
	p, err := a.project()
	if err != nil {
		return nil, err
	}
	if p.Root == "" {
		return nil, usagef("pybake init", "there is no pybake.toml here or above, and it says what there is to refresh")
	}
	if len(p.Matrix.Pythons)+len(p.AllImages()) == 0 {
		return nil, usagef("", "pybake.toml has neither [matrix] pythons nor an image: nothing to refresh")
	}
	if len(p.Matrix.Pythons) > 0 && len(p.Matrix.Distros) == 0 {
		return nil, usagef("", "pybake.toml has [matrix] pythons but no distros")
	}
	r := &refreshRun{
		a: a, flags: f, project: p, done: func() error { return nil }, began: a.sys.now(),
		baked: map[string]*artifacts.Artifact{}, tails: map[string][]string{}, tags: map[string][]string{}, locked: map[string]*sync.Mutex{},
	}
	if r.store, err = a.store(); err != nil {
		return nil, err
	}
	if r.set, err = a.recipes(); err != nil {
		return nil, err
	}
	r.pins = &project.Pins{Path: p.LockPath(r.store.Dir())}
	if _, err := r.pins.Read(); err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	if r.dir, err = publish.Open(p.Publication.Dir); err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	r.dir.Waiting = func(holder string) { a.display.Note("waiting for another writer of %s: %s", a.near(r.dir.Dir), holder) }
	return r, nil
}

// alone takes the lock of the night, or says who has it: two never overlap.
func (r *refreshRun) alone(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	release, err = r.store.Lock(ctx, "refresh", func(holder string) {
		cancel(&advised{fmt.Errorf("another refresh of this store is under way: %s", holder), statusFailed, ""})
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return release, err
}

// readCurrent reads what is published: under the lock, unless nothing is published. If
// that is damaged, a whole generation takes its place, made of the newest one that can
// be read and of what this run makes.
func (r *refreshRun) readCurrent() error {
	var err error
	r.current, err = r.dir.Current()
	switch {
	case err == nil:
		r.former = &r.current.Set
	case errors.As(err, new(*publish.DamagedError)):
		r.a.display.Note("%v: it is published anew", err)
		all, _ := r.dir.Generations()
		if len(all) > 0 {
			r.former = &all[0].Set
		}
	case !errors.Is(err, publish.ErrNone):
		return &advised{err, statusFailed, "pybake verify " + r.a.near(r.dir.Dir)}
	}
	return nil
}

// plan expands the matrix by today's pins.
func (r *refreshRun) plan() ([]refresh.Job, error) {
	pins, err := r.pins.Read()
	if err != nil {
		return nil, err
	}
	r.addReleases(pins)
	m := &refresh.Matrix{Project: r.project, Recipes: r.set, Pins: pins, Arch: debianArch(runtime.GOARCH), Pinned: r.flags.frozen, Admits: r.admits}
	cells, notes, err := m.Cells()
	if err != nil {
		return nil, &advised{errors.Join(append([]error{err}, r.trouble...)...), statusUsage, ""}
	}
	r.cells, r.notes = cells, append(r.notes, notes...)
	jobs := make([]refresh.Job, len(cells))
	for i, c := range cells {
		jobs[i] = r.job(c)
	}
	return jobs, nil
}

// addReleases makes releases known that only pins know: found where the project looks.
func (r *refreshRun) addReleases(pins *project.Lock) {
	var more []recipes.Release
	for _, pin := range pins.Pythons {
		if _, err := r.set.Release(pin.Version); err == nil {
			continue
		}
		if release, err := recipes.NewRelease(pin.Version, pin.XZ, pin.TGZ); err == nil {
			more = append(more, release)
		}
	}
	if len(more) > 0 {
		r.set = r.set.With(more...)
	}
}

// admits is whether a lock takes a Python. What is wrong with a lock its own cells say.
func (r *refreshRun) admits(name, version string) bool {
	l, err := r.a.readLock(r.project, filepath.Join(r.project.Root, name), nil)
	return err != nil || l.Admits(version)
}

// allCores is more than any machine has: what keeps them all busy is made alone.
const allCores = 1 << 16

// job is a cell with what makes it.
func (r *refreshRun) job(c refresh.Cell) refresh.Job {
	j := refresh.Job{Cell: c, Cores: 1}
	if err := c.Err; err != nil {
		if r.flags.frozen {
			err = &advised{err, statusFailed, "pybake refresh"}
		}
		j.Look = func(context.Context) (refresh.Look, error) { return refresh.Look{}, err }
		return j
	}
	switch c.Kind {
	case refresh.KindPython:
		j.Cores, j.Memory = allCores, 2<<30
		j.Look = func(context.Context) (refresh.Look, error) { return r.lookPython(c) }
		j.Make = func(ctx context.Context) (*artifacts.Artifact, bool, error) { return r.makePython(ctx, c) }
	case refresh.KindWheels:
		j.Cores, j.Memory = (runtime.NumCPU()+1)/2, 3<<30
		j.Look = func(ctx context.Context) (refresh.Look, error) { return r.lookHouse(ctx, c) }
		j.Make = func(ctx context.Context) (*artifacts.Artifact, bool, error) { return r.makeHouse(ctx, c) }
	case refresh.KindImage:
		j.Memory = 1 << 30
		j.Look = func(ctx context.Context) (refresh.Look, error) { return r.lookImage(ctx, c) }
		j.Make = func(ctx context.Context) (*artifacts.Artifact, bool, error) { return r.makeImage(ctx, c) }
	}
	makeIt := j.Make
	j.Make = func(ctx context.Context) (made *artifacts.Artifact, built bool, err error) {
		made, built, err = makeIt(ctx)
		// What another cell needed as well may have been made for that.
		return made, built || err == nil && !made.Finished.Before(r.began.Truncate(time.Millisecond)), err
	}
	j.Likely = r.likely(c)
	return j
}

// likely is how long a cell took the last time, or a Python takes by its recipe; 0: it is
// not known, or there is no deadline to hold it against.
func (r *refreshRun) likely(c refresh.Cell) time.Duration {
	if r.flags.deadline == 0 && r.project.Refresh.Deadline == 0 {
		return 0
	}
	last := r.lastOf(c)
	var suite time.Duration
	if c.Kind == refresh.KindPython && r.project.Refresh.Checks != project.ChecksQuick {
		suite = likelySuite(r.store, refresh.SeriesOf(c.Version), c.Distro)
	}
	if last == nil && c.Kind == refresh.KindPython {
		if series, err := r.set.Series(refresh.SeriesOf(c.Version)); err == nil {
			minutes := series.Minutes.Full
			if c.Variant == refresh.Fast {
				minutes = series.Minutes.Fast
			}
			return time.Duration(minutes)*time.Minute + suite
		}
	}
	if last == nil || last.Started.IsZero() {
		return 0
	}
	return last.Finished.Sub(last.Started) + suite
}

// lastOf is the artifact that was published of a cell, if the store has it still.
func (r *refreshRun) lastOf(c refresh.Cell) *artifacts.Artifact {
	e := refresh.Former(r.former, c.Name)
	if e == nil {
		return nil
	}
	last, err := r.store.Find(e.Kind, e.Key)
	if err != nil {
		return nil
	}
	return last
}

// connect connects to the engine, once.
func (r *refreshRun) connect(ctx context.Context) (*distro.Maker, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.maker != nil {
		return r.maker, nil
	}
	m, done, err := r.a.distroMaker(ctx, r.project)
	if err != nil {
		return nil, err
	}
	r.maker, r.done = m, done
	_, err = r.store.Sweep()
	return m, err
}

// part is the app of one cell: what it says on the screen begins with the cell's name.
func (r *refreshRun) part(c refresh.Cell) (*app, *scoped) {
	s := &scoped{display: r.a.screen, prefix: strings.TrimSuffix(c.Name, " "+c.Arch) + ": "}
	sub := *r.a
	sub.display, sub.set = s, r.set
	return &sub, s
}

// makerOf is the connection for one cell.
func (r *refreshRun) makerOf(s *scoped) func(context.Context) (*distro.Maker, error) {
	return func(ctx context.Context) (*distro.Maker, error) {
		m, err := r.connect(ctx)
		if err != nil {
			return nil, err
		}
		sub := *m
		sub.Report = s
		return &sub, nil
	}
}

// logs is the directory of a cell's logs of this night.
func (r *refreshRun) logs(c refresh.Cell) string {
	return filepath.Join(r.store.Dir(), "logs", r.night(), slug(c.Name))
}

// night names the run: "20261121T020000Z".
func (r *refreshRun) night() string { return r.began.UTC().Format("20060102T150405Z") }

func slug(name string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", c) {
			return c
		}
		return '-'
	}, name)
}

// keepTail keeps what the containers of a cell that failed said last.
func (r *refreshRun) keepTail(c refresh.Cell, s *scoped, err error) {
	if err == nil {
		return
	}
	s.display.mu.Lock()
	tail := s.tail
	s.display.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tails[c.Name] = tail
}

func (r *refreshRun) setBaked(c refresh.Cell, a *artifacts.Artifact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.baked[c.Name] = a
}

// setTags says which tags the image of a cell has.
func (r *refreshRun) setTags(c refresh.Cell, tags []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags[c.Name] = tags
}

// tagsOf are the tags of the image of a cell that the night has seen.
func (r *refreshRun) tagsOf(c refresh.Cell) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tags[c.Name]
}

// bakedFor is the Python that a cell needs; nil: it is not there.
func (r *refreshRun) bakedFor(c refresh.Cell) *artifacts.Artifact {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, need := range c.Needs {
		if a := r.baked[need]; a != nil {
			return a
		}
	}
	return nil
}

// bakedBy are the Pythons of this night for an image: by version and distro, and by
// series the newest that the matrix names.
func (r *refreshRun) bakedBy(codename string) (byVersion map[string]*artifacts.Artifact, bySeries map[string]string) {
	byVersion, bySeries = map[string]*artifacts.Artifact{}, map[string]string{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.cells {
		if c.Kind != refresh.KindPython || c.Distro != codename || c.Variant != refresh.Full || c.Err != nil {
			continue
		}
		if made := r.baked[c.Name]; made != nil {
			byVersion[c.Version] = made
		}
		series := refresh.SeriesOf(c.Version)
		if c.Want == series || bySeries[series] == "" {
			bySeries[series] = c.Version
		}
	}
	return byVersion, bySeries
}
