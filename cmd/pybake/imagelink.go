package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/lock"
)

// link finds or makes what a link installs. below is the Python under it, or nil.
func (r *imageRun) link(ctx context.Context, one project.Image, t distro.Target, below *artifacts.Artifact) (l image.Link, err error) {
	if known, ok := r.links[one.Name]; ok {
		return known, nil
	}
	l.Image = one
	if one.Python == "" && one.Wheels == "" && one.App == "" {
		return l, nil
	}
	version := one.Python
	if exact, ok := r.versions[version]; ok {
		version = exact
	}
	if below != nil {
		version = below.Labels["version"]
	}
	if one.Wheels != "" {
		if err := r.addHouse(ctx, &l, t, version); err != nil {
			return l, r.inFile(one, "wheels", err)
		}
	}
	py := l.Python
	if py == nil && below == nil {
		if py, err = r.pythonFor(ctx, t, version); err != nil {
			return l, r.inFile(one, "python", err)
		}
	}
	if l.Python = py; below != nil {
		py, l.Python = below, nil
	}
	if one.App != "" {
		if err := r.addApp(ctx, &l, t, py); err != nil {
			return l, r.inFile(one, "app", err)
		}
	}
	r.links[one.Name] = l
	return l, nil
}

// addHouse finds or makes the house of a link, and with it the Python.
func (r *imageRun) addHouse(ctx context.Context, l *image.Link, t distro.Target, version string) error {
	f := wheelsFlags{
		python: version, distro: t.Distro.Codename, extras: l.Extras, groups: l.Groups, noGroups: l.NoGroups,
		runtime: true, frozen: r.flags.frozen, jobs: r.flags.jobs,
	}
	req, plan, err := r.a.wheelsPlan(r.project, r.file(l.Wheels), f)
	if err != nil {
		return err
	}
	for _, note := range plan.Notes {
		r.a.display.Note("%s", note)
	}
	h, err := r.house(req, plan, f)
	if err != nil {
		return err
	}
	if h.Python == nil {
		if err := r.mayBake(plan); err != nil {
			return err
		}
	}
	var made *artifacts.Artifact
	if r.looking {
		if made, err = r.lookHouse(ctx, h); err != nil {
			return err
		}
	} else if r.flags.dryRun {
		if made, err = r.a.findHouse(ctx, h); made == nil && err == nil {
			err = &advised{fmt.Errorf("%s would have to be made, and --dry-run makes none: there is no plan before", plan.Name), statusFailed, ""}
		}
	} else {
		made, _, err = r.a.ensureHouse(ctx, h)
	}
	if err != nil {
		return err
	}
	l.Image.Wheels = req.Name // as the layer is described
	l.Python, l.House = h.Python, &image.House{Artifact: made, Project: req.Lock.Own()}
	for _, left := range plan.Left {
		l.House.Project = append(l.House.Project, left.Name)
	}
	return r.readHouse(l.House, t)
}

// wouldMakeError says what an image needs that the store does not have.
type wouldMakeError struct{ what string }

func (e *wouldMakeError) Error() string { return e.what + " comes first" }

// lookHouse is the house of a link if the store has it, asked without an index. Houses
// of one name may be of other groups of the lock.
func (r *imageRun) lookHouse(ctx context.Context, h *house) (made *artifacts.Artifact, err error) {
	if h.Finder, err = r.a.finder(r.project, h.req.Lock, h.Python, h.flags); err != nil {
		return nil, err
	}
	if former, err := r.store.Lookup(h.plan.Name); err == nil {
		if made, err = h.FindLike(ctx, h.plan, former); err == nil {
			return made, nil
		}
	}
	all, _ := r.store.List()
	for _, former := range all {
		if former.Kind == wheels.Kind && former.Name == h.plan.Name {
			if made, err = h.FindLike(ctx, h.plan, former); err == nil {
				return made, nil
			}
		}
	}
	return nil, &wouldMakeError{h.plan.Name}
}

// inFile places what is wrong with something that an image installs at its key of
// pybake.toml, unless it is placed in a file already.
func (r *imageRun) inFile(one project.Image, field string, err error) error {
	known, ok := errors.AsType[*advised](err)
	of := ok && known.status == statusUsage || errors.As(err, new(*recipes.UnknownError)) ||
		errors.As(err, new(*recipes.NotExactError)) || errors.As(err, new(*recipes.UnsupportedError))
	if !of || errors.As(err, new(*strict.Error)) || errors.As(err, new(strict.Errors)) {
		return err
	}
	return r.project.At(one.Key(field), err)
}

// mayBake refuses to bake the Python of a plan for who asked that nothing is made or
// added.
func (r *imageRun) mayBake(plan *wheels.Plan) error {
	why := ""
	switch {
	case r.looking:
		return &wouldMakeError{"python " + plan.Python + " for " + plan.Distro}
	case r.flags.dryRun:
		why = "--dry-run makes nothing"
	case r.flags.frozen:
		why = "--frozen adds nothing"
	default:
		return nil
	}
	return &advised{fmt.Errorf("python %s for %s is not in the store, and %s", plan.Python, plan.Distro, why),
		statusFailed, "pybake python " + plan.Python + " --distro " + plan.Distro}
}

// house is a house on its way, which shares the connection of the run.
func (r *imageRun) house(req wheels.Request, plan *wheels.Plan, f wheelsFlags) (*house, error) {
	h := &house{project: r.project, req: req, plan: plan, flags: f, connect: r.connect, done: func() error { return nil }, Builder: &wheels.Builder{
		Store: r.store, Report: r.a.display, LogDir: r.logs, Pins: r.pins,
		Jobs: f.jobs, Frozen: f.frozen, Git: r.a.git(),
	}}
	if h.Python = r.baked[plan.Python]; h.Python != nil {
		return h, nil
	}
	var err error
	h.Python, err = storedPython(r.store, plan.Python, plan.Distro, plan.Arch)
	if err != nil && !errors.Is(err, artifacts.ErrNotFound) {
		return nil, err
	}
	return h, nil
}

// readHouse reads what a house holds. Of its packages of the distro the pins know
// the hashes.
func (r *imageRun) readHouse(h *image.House, t distro.Target) error {
	got, err := wheels.ReadHouse(h.Dir)
	if err != nil {
		return err
	}
	h.Wheels = got.Wheels
	pins, err := r.pins.Read()
	if err != nil {
		return err
	}
	known := map[string]project.Package{}
	for _, pin := range pins.Runtimes {
		if pin.Distro == t.Distro.Codename && pin.Arch == t.Arch {
			for _, pkg := range pin.Packages {
				known[pkg.Name+"="+pkg.Version] = pkg
			}
		}
	}
	for _, line := range got.Apt {
		pkg, ok := known[line]
		if !ok {
			return fmt.Errorf("%s lists %s, which pybake.lock does not have", h.Name, line)
		}
		h.Apt = append(h.Apt, pkg)
	}
	return nil
}

// pythonFor finds or bakes a Python for an image that has no lock to ask.
func (r *imageRun) pythonFor(ctx context.Context, t distro.Target, version string) (*artifacts.Artifact, error) {
	version, err := r.a.targetPython(r.project, r.set, &lock.Lock{}, t.Distro.Codename, version)
	if err != nil {
		return nil, err
	}
	if made := r.baked[version]; made != nil {
		return made, nil
	}
	found, err := storedPython(r.store, version, t.Distro.Codename, t.Arch)
	if !errors.Is(err, artifacts.ErrNotFound) {
		return found, err
	}
	plan := &wheels.Plan{Python: version, Distro: t.Distro.Codename, Arch: t.Arch}
	if err := r.mayBake(plan); err != nil {
		return nil, err
	}
	h, err := r.house(wheels.Request{}, plan, wheelsFlags{jobs: r.flags.jobs})
	if err != nil {
		return nil, err
	}
	if err := r.a.connectHouse(ctx, h); err != nil {
		return nil, err
	}
	return h.Python, errors.Join(r.a.bakeFor(ctx, h))
}

// addApp finds or makes the wheel of the project of a link.
func (r *imageRun) addApp(ctx context.Context, l *image.Link, t distro.Target, py *artifacts.Artifact) error {
	dir := r.file(l.Image.App)
	known := r.ask(ctx, dir)()
	req := wheels.AppRequest{
		Dir: dir, Root: r.root(), Python: py.Labels["version"], Distro: t.Distro, Arch: t.Arch, Recipes: r.set,
		Version: pep440(known.version),
	}
	var err error
	if req.ExcludeNewer, err = r.project.Wheels.ExcludeNewer.Time(r.a.sys.now()); err != nil {
		return err
	}
	req.Strict = !req.ExcludeNewer.IsZero()
	if req.Constraints, err = r.a.buildConstraints(r.project, nil); err != nil {
		return err
	}
	plan, err := wheels.NewAppPlan(req)
	if err != nil {
		return &advised{err, statusUsage, ""}
	}
	h, err := r.house(wheels.Request{}, plan, wheelsFlags{frozen: r.flags.frozen, jobs: r.flags.jobs})
	if err != nil {
		return err
	}
	h.Python = py
	if h.Finder, err = r.a.finder(r.project, &lock.Lock{}, py, wheelsFlags{}); err != nil {
		return err
	}
	w, err := h.FindApp(ctx, plan)
	if errors.Is(err, artifacts.ErrNotFound) && r.looking {
		return &wouldMakeError{"the wheel of " + l.Image.App}
	}
	if errors.Is(err, artifacts.ErrNotFound) {
		if err = r.a.connectHouse(ctx, h); err == nil {
			w, err = h.Builder.App(ctx, plan)
		}
	}
	if err != nil {
		return err
	}
	l.App = &image.App{AppWheel: *w, Root: dir}
	known.version = w.Version
	r.told[dir] = known
	return nil
}
