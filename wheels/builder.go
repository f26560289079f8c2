package wheels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/gate"
	"github.com/pybake/pybake/wheels/sdist"
)

// Builder makes wheelhouses for one baked Python.
type Builder struct {
	*Finder
	Store   *artifacts.Store
	Engine  *engine.Engine
	Distros *distro.Maker
	Report  distro.Reporter
	Python  *artifacts.Artifact // of kind "python"
	LogDir  string              // logs of jobs, also of failed ones: "baked/logs"
	Pins    *project.Pins       // of pybake.lock
	Git     sdist.Git           // how commits are fetched
	Jobs    int                 // processes at once; 0: the engine's cores
	Memory  int64               // bytes for all builds together; 0: most of the engine's
	Limit   time.Duration       // of one build; 0: an hour
	Frozen  bool                // pins may not be added
	Verify  bool                // each wheel that is built here is built a second time and compared

	queue   *queue
	past    map[string]time.Duration // how long building took before, by name
	mu      sync.Mutex
	images  map[string]*toolchain // by the packages asked for
	envs    *build.Environments
	closing sync.WaitGroup // runs and builders that are no longer needed
	resting sync.WaitGroup // builders of which that is known before the end
	steps   []artifacts.Step
	noted   map[string]bool
	apt     asker
}

// Find returns the house of a plan if the store has it: with neither network nor
// engine. Else ErrNotFound, or what is wrong with the store or the pins.
func (b *Builder) Find(ctx context.Context, p *Plan) (*artifacts.Artifact, error) {
	return b.find(ctx, p, nil)
}

// find is Find, with a house that was just found and may be the one; or nil.
func (b *Builder) find(ctx context.Context, p *Plan, known *artifacts.Artifact) (*artifacts.Artifact, error) {
	pins, err := b.Pins.Read()
	if err != nil {
		return nil, err
	}
	inputs, err := b.Inputs(ctx, p, pins)
	if err != nil {
		return nil, err
	}
	key, err := artifacts.NewKey(Kind, inputs)
	if err != nil {
		return nil, err
	}
	if known == nil || known.Key != key {
		if known, err = b.Store.Find(Kind, key); err != nil {
			return nil, err
		}
	}
	return known, b.Store.Point(ctx, known, p.Name)
}

// Inputs are what the house of a plan depends on, by the pins; ErrNotFound if one
// is missing.
func (b *Builder) Inputs(ctx context.Context, p *Plan, pins *project.Lock) ([]artifacts.Input, error) {
	wheels := map[string]string{}
	for _, pkg := range p.Packages {
		if pkg.Origin == "wheel" {
			wheels[pkg.Name] = pkg.Hashes[0]
			continue
		}
		src := p.sourceOf(pkg)
		tree, err := b.identify(ctx, p, &src, pins)
		if err != nil {
			return nil, err
		}
		inputs, err := p.wheelInputs(&src, tree, pins)
		if err != nil {
			return nil, err
		}
		key, err := artifacts.NewKey(KindWheel, inputs)
		if err != nil {
			return nil, err
		}
		wheels[pkg.Name] = "key:" + string(key)
	}
	return p.houseInputs(b.Python, pins, wheels), nil
}

// wheelInputs are what the wheel of a source depends on, by the pins; ErrNotFound if
// one is missing. tree is what was read of a directory.
func (p *Plan) wheelInputs(s *source, tree *sdist.Source, pins *project.Lock) ([]artifacts.Input, error) {
	missing := func(what string) error {
		return fmt.Errorf("%s: %s: %w", strings.TrimSpace(s.pkg.Name+" "+s.pkg.Version), what, artifacts.ErrNotFound)
	}
	var ok bool
	if s.pin, ok = pins.Build(p.buildPin(s)); !ok || tree != nil && !slices.Equal(s.pin.Requires, s.requires(tree)) {
		return nil, missing("build requirements")
	}
	if tree != nil {
		if rust, err := s.rustOf(tree); err != nil || rust.digest != s.pin.Crates {
			return nil, missing("crates")
		}
	}
	if !p.allows(s.pin, s.recipe.Constraints) {
		return nil, missing("build requirements within the constraints")
	}
	toolchain, ok := pins.Builder(p.Distro, p.Arch, p.toolOwner(p.toolPackages(s.recipe, s.pin)))
	if !ok {
		return nil, missing("toolchain")
	}
	return s.inputs(p, pins, toolchain), nil
}

// Ensure returns the house of a plan: from the store, or made.
func (b *Builder) Ensure(ctx context.Context, p *Plan) (_ *artifacts.Artifact, built bool, err error) {
	if !b.Verify {
		a, err := b.Find(ctx, p)
		if err == nil {
			return a, false, nil
		}
		if damaged, ok := errors.AsType[*artifacts.DamagedError](err); ok {
			b.Report.Note("%v: making it again", damaged)
		} else if !errors.Is(err, artifacts.ErrNotFound) {
			return nil, false, err
		}
	}
	release, err := b.Store.Lock(ctx, strings.Join([]string{Kind, p.Distro, p.Arch}, "-"), func(holder string) { b.Report.Note("waiting for %s", holder) })
	if err != nil {
		return nil, false, err
	}
	defer release()
	if !b.Verify { // whoever had the lock may have made it
		if a, err := b.Find(ctx, p); err == nil {
			return a, false, nil
		}
	}
	a, err := b.make(ctx, p)
	return a, err == nil, err
}

// make makes the house.
func (b *Builder) make(ctx context.Context, p *Plan) (*artifacts.Artifact, error) {
	started := time.Now()
	defer b.closeAsker(ctx)
	if err := b.prepare(ctx, p); err != nil {
		return nil, err
	}
	defer b.closing.Wait()
	wheels, err := b.wheels(ctx, p)
	if err != nil {
		return nil, err
	}
	draft, err := b.Store.Begin(Kind)
	if err != nil {
		return nil, err
	}
	defer draft.Discard()
	log, err := b.openLog(p, "house")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	g, err := b.gate(ctx, p)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	inputs, checks, err := b.house(ctx, p, g, draft.Dir(), wheels, log)
	if err != nil {
		return nil, err
	}
	if err := draft.AddLog("house.log", log); err != nil {
		return nil, err
	}
	return draft.Publish(ctx, artifacts.Manifest{
		Kind: Kind, Name: p.Name, Inputs: inputs, Checks: checks, Steps: b.steps, Started: started, Finished: time.Now(),
		Labels: map[string]string{
			"lock": p.req.Name, "version": p.Python, "series": p.series(), "distro": p.Distro, "arch": p.Arch,
			"python": string(b.Python.Key),
		},
	})
}

// prepare pins what does not depend on the packages: the base image. It also looks
// up how long builds took.
func (b *Builder) prepare(ctx context.Context, p *Plan) error {
	if err := b.openQueue(ctx); err != nil {
		return err
	}
	if err := b.base(ctx, p); err != nil {
		return err
	}
	return b.remember(p)
}

// remember looks up how long it took to build what the plan may build. Of other
// artifacts nothing is read: there may be thousands.
func (b *Builder) remember(p *Plan) error {
	names, err := b.Store.Names(KindWheel)
	if err != nil {
		return err
	}
	b.past = map[string]time.Duration{}
	for _, pkg := range p.Packages {
		if pkg.Origin != "sdist" {
			continue
		}
		var last time.Time
		first, _ := slices.BinarySearch(names, pkg.Name+"-")
		for _, name := range names[first:] {
			if !strings.HasPrefix(name, pkg.Name+"-") {
				break
			}
			a, err := b.Store.Lookup(KindWheel + "/" + name)
			if err == nil && a.Labels["name"] == pkg.Name && a.Finished.After(last) {
				b.past[pkg.Name], last = a.Finished.Sub(a.Started), a.Finished
			}
		}
	}
	return nil
}

// openQueue makes the queue of builds, as wide as the engine.
func (b *Builder) openQueue(ctx context.Context) error {
	info, err := b.Engine.Info(ctx)
	if err != nil {
		return err
	}
	b.queue = &queue{cores: b.Jobs, memory: b.Memory}
	if b.queue.cores == 0 {
		b.queue.cores = max(1, info.CPUs)
	}
	if b.queue.memory == 0 {
		b.queue.memory = info.Memory / 10 * 8
	}
	return nil
}

// base makes sure of the base image, and pins it if it is not.
func (b *Builder) base(ctx context.Context, p *Plan) error {
	pins, err := b.Pins.Read()
	if err != nil {
		return err
	}
	var pinned *project.BasePin
	if pin, ok := pins.Base(p.Distro, p.Arch); ok {
		pinned = &pin
	}
	if pinned == nil && b.Frozen {
		return fmt.Errorf("%s: the base image is not pinned, and --frozen adds no pins", p.Name)
	}
	base, err := b.Distros.Base(ctx, p.distroTarget(), pinned)
	if err != nil || pinned != nil {
		return err
	}
	return b.pin(func(l *project.Lock) { l.SetBase(base) })
}

// house writes the house, finds the packages of the distro that it needs, and
// proves it. It returns what the house depends on.
func (b *Builder) house(ctx context.Context, p *Plan, g *gate.Gate, dir string, wheels []*Wheel, log io.Writer) ([]artifacts.Input, []artifacts.Check, error) {
	apt, err := b.aptPackages(ctx, p, g, wheels)
	if err != nil {
		return nil, nil, err
	}
	pins, err := b.Pins.Read()
	if err != nil {
		return nil, nil, err
	}
	inputs, err := b.Inputs(ctx, p, pins)
	if err != nil {
		return nil, nil, err
	}
	key, err := artifacts.NewKey(Kind, inputs)
	if err != nil {
		return nil, nil, err
	}
	if err := p.writeHouse(dir, wheels, apt); err != nil {
		return nil, nil, err
	}
	store, err := filepath.Abs(b.Store.Dir())
	if err != nil {
		return nil, nil, err
	}
	house := gate.House{
		Dir: dir, Apt: apt, Project: p.project(), ImportSkip: map[string]map[string]string{},
		Key: string(key), SHA256: map[string]string{}, Owner: p.Name + " in " + store,
	}
	for _, w := range wheels {
		house.Wheels = append(house.Wheels, w.facts)
		house.SHA256[w.File] = w.SHA256
		recipe := p.recipe(w.Name, w.Version)
		house.ImportSkip[w.Name] = recipe.ImportSkip
	}
	if slices.ContainsFunc(wheels, func(w *Wheel) bool { return w.Embeds(p.series()) }) {
		if house.Debs, err = b.debs(p, embedderDebs); err != nil {
			return nil, nil, err
		}
	}
	var checks []artifacts.Check
	err = b.timed("prove the house", func() error {
		checks, err = g.Prove(ctx, house, log)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	var failed []artifacts.Check
	for _, c := range checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	if len(failed) > 0 {
		return nil, nil, &CheckError{Name: p.Name, Failed: failed, Log: logName(log)}
	}
	return inputs, checks, nil
}

// project are the names of the project itself and its workspace.
func (p *Plan) project() []string {
	names := p.req.Lock.Own()
	for _, l := range p.Left {
		names = append(names, l.Name)
	}
	return names
}

// prefix is where the Python is.
func (p *Plan) prefix() string { return "/opt/python/" + p.series() }

func (p *Plan) distroTarget() distro.Target { return distro.Target{Distro: p.req.Distro, Arch: p.Arch} }

// pin changes pybake.lock.
func (b *Builder) pin(change func(*project.Lock)) error {
	return b.Pins.Update(func(l *project.Lock) error { change(l); return nil })
}

// timed runs a step and notes how long it took.
func (b *Builder) timed(name string, run func() error) error {
	start, end := time.Now(), b.Report.Step(name)
	err := run()
	end(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.steps = append(b.steps, artifacts.Step{Name: name, Seconds: time.Since(start).Seconds()})
	return err
}

// openLog makes the file that a job's output goes to. It stays when the job fails.
func (b *Builder) openLog(p *Plan, job string) (*os.File, error) {
	dir := filepath.Join(b.LogDir, strings.NewReplacer(" ", "-", "/", "-").Replace(p.Name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("log of %s: %w", job, err)
	}
	f, err := os.Create(filepath.Join(dir, job+".log"))
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", job, err)
	}
	return f, nil
}

func logName(w io.Writer) string {
	if f, ok := w.(*os.File); ok {
		return f.Name()
	}
	return ""
}

// toFetch is a pinned wheel of a build environment as the cache knows it.
func toFetch(p project.BuildPackage) fetch.File {
	return fetch.File{Name: p.File, SHA256: strings.TrimPrefix(p.Digest, "sha256:")}
}
