package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/project"
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
	}, nil
}

// connect connects to the engine, once.
func (r *imageRun) connect(ctx context.Context) (m *distro.Maker, err error) {
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
			r.ask(ctx, filepath.Join(r.root(), one.App))
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
			if known, ok := errors.AsType[*advised](err); ok && known.status == statusUsage {
				err = r.project.At(one.Key("from"), err)
			}
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
	pins, err := r.pins.Read()
	if err != nil {
		return nil, err
	}
	plan, err := image.NewPlan(req, pins)
	unpinned := errors.As(err, new(*image.UnpinnedError))
	if err != nil && !unpinned {
		return nil, &advised{err, statusUsage, ""}
	}
	if r.flags.dryRun {
		if unpinned {
			return nil, fmt.Errorf("%w; there is no plan yet", err)
		}
		return nil, r.printPlan(plan)
	}
	if plan != nil {
		if m, err := r.found(ctx, plan); m != nil || err != nil {
			return m, err
		}
	}
	b, err := r.builder(ctx)
	if err != nil {
		return nil, err
	}
	if plan, err = b.Plan(ctx, req); err != nil {
		return nil, err
	}
	r.expect(plan)
	made, built, err := b.Ensure(ctx, plan)
	if err != nil {
		return nil, err
	}
	return r.describe(made, plan, map[bool]string{true: "built", false: "found"}[built])
}

// expect tells the display how long the steps took the last time.
func (r *imageRun) expect(plan *image.Plan) {
	if last, err := r.store.Lookup(plan.Name); err == nil {
		r.a.display.Expect(last.Steps)
	}
}

// found is the image of a plan if store and engine have it, under its tags; else nil.
func (r *imageRun) found(ctx context.Context, plan *image.Plan) (*madeImage, error) {
	a, err := image.Find(ctx, r.store, plan)
	if err != nil {
		return nil, nil // Ensure says what is wrong, or mends it
	}
	m, err := r.describe(a, plan, "found")
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
func (r *imageRun) describe(a *artifacts.Artifact, plan *image.Plan, origin string) (*madeImage, error) {
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
		Layers: rows, Checks: a.Checks, Steps: a.Steps, image: img,
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
		LogDir: filepath.Join(r.store.Dir(), "logs"), Pins: r.pins, Jobs: r.flags.jobs, Frozen: r.flags.frozen,
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
	chain := one.Standing(r.project)
	if len(chain) == 0 {
		chain = []project.Image{one}
	}
	var below *artifacts.Artifact // the Python of the links so far
	var known told
	for _, link := range chain {
		l, err := r.link(ctx, link, req.Target, below)
		if err != nil {
			return req, fmt.Errorf("image %s: %w", link.Name, err)
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

// tags are the references of an image.
func tags(one project.Image, vars map[string]string) ([]string, error) {
	var out []string
	for _, tag := range one.Tags {
		full, err := project.Replace(tag, vars)
		if err != nil {
			return nil, usagef("", "image %s: tag %s: %w", one.Name, tag, err)
		}
		if strings.HasSuffix(full, ":") {
			return nil, usagef("", "image %s: tag %s: nothing says a version", one.Name, tag)
		}
		if name := full[strings.LastIndexByte(full, '/')+1:]; !strings.Contains(name, ":") {
			full += ":latest"
		}
		out = append(out, full)
	}
	return out, nil
}

var notInTags = regexp.MustCompile(`[^A-Za-z0-9_.-]`)

// tagSafe is a version as a tag can have it: "1.4.2+g1f2e3d" has a plus.
func tagSafe(version string) string { return notInTags.ReplaceAllString(version, "-") }
