package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
)

// imageRun makes the images of one command line.
type imageRun struct {
	a       *app
	flags   imageFlags
	project *project.Project
	store   *artifacts.Store
	set     *recipes.Set
	pins    *project.Pins
	maker   *distro.Maker
	done    func() error

	links map[string]image.Link  // what is resolved already, by name of the image
	asked map[string]func() told // what git says of projects, by directory
	told  map[string]told

	repinned map[string]bool // owners of pins that were dropped, with the target
	plans    []*image.Plan   // of a dry run

	// What refresh says of one image among others.
	logs       string                                       // directory
	looking    bool                                         // what would have to be made is a *wouldMakeError
	baked      map[string]*artifacts.Artifact               // Pythons of the distro by version, before those of the store
	versions   map[string]string                            // of series of the distro: "3.13" to "3.13.5"
	connecting func(context.Context) (*distro.Maker, error) // to a session that somebody else ends
}

func (a *app) newImageRun(p *project.Project, f imageFlags) (*imageRun, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	set, err := a.recipes()
	if err != nil {
		return nil, err
	}
	lockPath := p.LockPath(store.Dir())
	return &imageRun{
		a: a, flags: f, project: p, store: store, set: set, pins: &project.Pins{Path: lockPath}, done: func() error { return nil },
		links: map[string]image.Link{}, told: map[string]told{}, asked: map[string]func() told{},
		repinned: map[string]bool{}, logs: filepath.Join(store.Dir(), "logs"),
	}, nil
}

// connect connects to the engine, once.
func (r *imageRun) connect(ctx context.Context) (m *distro.Maker, err error) {
	if r.connecting != nil {
		return r.connecting(ctx)
	}
	if r.maker == nil {
		if r.maker, r.done, err = r.a.distroMaker(ctx, r.project); err != nil {
			r.done = func() error { return nil }
			return nil, err
		}
		if _, err := r.store.Sweep(); err != nil {
			return nil, err
		}
	}
	return r.maker, nil
}

// all makes images in order, and delivers those that were asked for by name; all, if
// none was. One that fails ends none but those that stand on it.
func (r *imageRun) all(ctx context.Context, chosen []project.Image, asked []string, outputs []output) ([]madeImage, error) {
	for _, one := range chosen {
		if one.App != "" {
			r.ask(ctx, r.file(one.App))
		}
	}
	var made []madeImage
	var errs []error
	failed := map[string]bool{}
	for _, one := range chosen {
		if failed[one.From] {
			failed[one.Name] = true
			errs = append(errs, fmt.Errorf("image %s: it stands on %s", one.Name, one.From))
			continue
		}
		m, err := r.one(ctx, one)
		if err == nil && m != nil && (len(asked) == 0 || slices.Contains(asked, one.Name)) {
			err = r.deliver(ctx, m, outputs)
		}
		if err != nil {
			failed[one.Name] = true
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		if m != nil {
			made = append(made, *m)
		}
	}
	return made, errors.Join(errs...)
}

// one makes one image.
func (r *imageRun) one(ctx context.Context, one project.Image) (*madeImage, error) {
	req, err := r.request(ctx, one)
	if err != nil {
		return nil, err
	}
	if err := r.repin(req); err != nil {
		return nil, err
	}
	pins, err := r.pins.Read()
	if err != nil {
		return nil, err
	}
	plan, err := image.NewPlan(req, pins)
	unpinned := errors.As(err, new(*image.UnpinnedError))
	if err != nil && !unpinned {
		return nil, r.refused(one, err)
	}
	if r.flags.dryRun {
		if unpinned {
			return nil, fmt.Errorf("%w; there is no plan yet", err)
		}
		r.plans = append(r.plans, plan)
		return nil, nil
	}
	if plan != nil {
		if m, err := r.found(ctx, plan, req); m != nil || err != nil {
			return m, err
		}
	}
	b, err := r.builder(ctx)
	if err != nil {
		return nil, err
	}
	if plan, err = b.Plan(ctx, req); err != nil {
		if errors.As(err, new(*image.ConflictError)) {
			err = r.refused(one, err)
		}
		return nil, err
	}
	r.expect(plan)
	made, built, err := b.Ensure(ctx, plan)
	if err != nil {
		return nil, err
	}
	return r.describe(made, plan, req, map[bool]string{true: "built", false: "found"}[built])
}

// refused is an image whose parts do not fit together.
func (r *imageRun) refused(one project.Image, err error) error {
	if errors.As(err, new(*image.ConflictError)) && !r.flags.repin {
		hint := "pybake image " + one.Name + " --repin"
		if len(r.a.args) > 0 && r.a.args[0] == "image" {
			hint = typed(r.a.args, "--repin")
		}
		return &advised{err, statusFailed, hint}
	}
	for _, link := range standing(r.project, one) {
		for _, target := range slices.Sorted(maps.Keys(link.Files)) {
			if _, missing := os.Stat(r.file(link.Files[target])); missing != nil {
				err = r.project.At(link.Key("files."+strconv.Quote(target)), err)
			}
		}
	}
	return &advised{err, statusUsage, ""}
}

// repin drops, once, the pins of what the links of an image install of the distro.
func (r *imageRun) repin(req image.Request) error {
	if !r.flags.repin {
		return nil
	}
	drop := map[string]bool{}
	for _, l := range req.Links {
		drop[image.Kind+" "+l.Name] = true
		if l.Python != nil {
			drop["python "+l.Python.Labels["series"]] = true
		}
	}
	for owner := range drop {
		id := owner + " " + req.Target.String()
		drop[owner] = !r.repinned[id]
		r.repinned[id] = true
	}
	return r.pins.Update(func(l *project.Lock) error {
		l.Runtimes = slices.DeleteFunc(l.Runtimes, func(p project.SetPin) bool {
			return p.Distro == req.Target.Distro.Codename && p.Arch == req.Target.Arch && drop[p.For]
		})
		return nil
	})
}

// expect tells the display how long the steps took the last time.
func (r *imageRun) expect(plan *image.Plan) {
	if last, err := r.store.Lookup(plan.Name); err == nil {
		r.a.display.Expect(last.Steps)
	}
}

// found is the image of a plan if store and engine have it, under its tags; else nil.
func (r *imageRun) found(ctx context.Context, plan *image.Plan, req image.Request) (*madeImage, error) {
	a, err := image.Find(ctx, r.store, plan)
	if err != nil {
		return nil, nil // Ensure says what is wrong, or mends it
	}
	m, err := r.describe(a, plan, req, "found")
	if err != nil {
		return nil, nil
	}
	maker, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, tag := range plan.Tags {
		if img, found, err := maker.Engine.Image(ctx, tag); err != nil || !found || !m.image.Is(img.ID) {
			return nil, err
		}
	}
	return m, nil
}

// describe is what is printed of an image.
func (r *imageRun) describe(a *artifacts.Artifact, plan *image.Plan, req image.Request, origin string) (*madeImage, error) {
	img, err := image.Read(r.store, a)
	if err != nil {
		return nil, err
	}
	rows, err := image.ReadReport(a)
	if err != nil {
		return nil, err
	}
	m := &madeImage{
		Name: img.Name, Key: a.Key, Origin: origin, Dir: r.a.path(r.store.Path(a)), ID: img.ID, Digest: img.Digest, Tags: plan.Tags,
		Layers: rows, Checks: a.Checks, Steps: a.Steps, image: img, plan: plan, req: req,
	}
	for _, l := range rows {
		m.Size += l.Unpacked
	}
	return m, nil
}

func (r *imageRun) builder(ctx context.Context) (*image.Builder, error) {
	maker, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	trees, err := r.a.inCache("trees")
	if err != nil {
		return nil, err
	}
	return &image.Builder{
		Store: r.store, Engine: maker.Engine, Distros: maker, Report: r.a.display, Trees: layer.Cache{Dir: trees},
		LogDir: r.logs, Pins: r.pins, Jobs: r.flags.jobs, Frozen: r.flags.frozen,
	}, nil
}

// request completes an image with all that it installs.
func (r *imageRun) request(ctx context.Context, one project.Image) (image.Request, error) {
	codename := one.Distro(r.project)
	if codename == "" { // of no file
		codename = one.From
	}
	d, err := r.set.Distro(codename)
	if err != nil {
		return image.Request{}, r.project.At(one.Key("from"), err)
	}
	req := image.Request{
		Target: distro.Target{Distro: d, Arch: debianArch(runtime.GOARCH)}, Root: r.root(), Recipes: r.set, Created: image.Epoch,
	}
	var below *artifacts.Artifact // the Python of the links so far
	var known told
	for _, link := range standing(r.project, one) {
		l, err := r.link(ctx, link, req.Target, below)
		if err != nil {
			if !errors.As(err, new(strict.Errors)) { // which says where
				err = fmt.Errorf("image %s: %w", link.Name, err)
			}
			return req, err
		}
		req.Links = append(req.Links, l)
		if l.Python != nil {
			below = l.Python
			if released, err := time.Parse(time.RFC3339, l.Python.Labels["epoch"]); err == nil && released.After(req.Created) {
				req.Created = released
			}
		}
		if l.App != nil {
			known = r.told[l.App.Root]
		}
	}
	req.Version, req.Commit = known.version, known.commit
	if known.time.After(req.Created) {
		req.Created = known.time
	}
	req.Tags, err = tags(one, map[string]string{
		"name": one.Name, "distro": codename, "version": tagSafe(known.version), "python": pythonOf(below),
	})
	return req, err
}

func pythonOf(a *artifacts.Artifact) string {
	if a == nil {
		return ""
	}
	return a.Labels["version"]
}

// root is the directory that paths of images are relative to.
func (r *imageRun) root() string { return cmp.Or(r.a.path(r.project.Root), r.a.sys.dir) }

// file is a path of an image on this machine. One of a command line may be absolute.
func (r *imageRun) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.root(), name)
}

// below is a directory as pins have it: its path below the root, or "." if it is
// elsewhere and a project of its own.
func (r *imageRun) below(dir string) string {
	rel, err := filepath.Rel(r.root(), dir)
	if err != nil || !filepath.IsLocal(rel) {
		return "."
	}
	return filepath.ToSlash(rel)
}

// standing is the chain of an image, up to itself; one of no file stands alone.
func standing(p *project.Project, one project.Image) []project.Image {
	if chain := one.Standing(p); len(chain) > 0 {
		return chain
	}
	return []project.Image{one}
}
