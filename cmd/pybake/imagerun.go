package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/lock"
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

// told is what is known of a project beside its wheel.
type told struct {
	version, commit string
	time            time.Time
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
	if below != nil {
		version = below.Labels["version"]
	}
	if one.Wheels != "" {
		if err := r.addHouse(ctx, &l, t, version); err != nil {
			return l, err
		}
	}
	py := l.Python
	if py == nil && below == nil {
		if py, err = r.pythonFor(ctx, t, version); err != nil {
			return l, err
		}
	}
	if l.Python = py; below != nil {
		py, l.Python = below, nil
	}
	if one.App != "" {
		if err := r.addApp(ctx, &l, t, py); err != nil {
			return l, err
		}
	}
	r.links[one.Name] = l
	return l, nil
}

// addHouse finds or makes the house of a link, and with it the Python.
func (r *imageRun) addHouse(ctx context.Context, l *image.Link, t distro.Target, version string) error {
	f := wheelsFlags{
		python: version, distro: t.Distro.Codename, extras: l.Extras, groups: l.Groups, noGroups: l.NoGroups,
		frozen: r.flags.frozen, jobs: r.flags.jobs,
	}
	req, plan, err := r.a.wheelsPlan(r.project, filepath.Join(r.root(), l.Wheels), f)
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
	made, _, err := r.a.ensureHouse(ctx, h)
	if err != nil {
		return err
	}
	l.Python, l.House = h.Python, &image.House{Artifact: made, Project: req.Lock.Own()}
	for _, left := range plan.Left {
		l.House.Project = append(l.House.Project, left.Name)
	}
	return r.readHouse(l.House, t)
}

// house is a house on its way, which shares the connection of the run.
func (r *imageRun) house(req wheels.Request, plan *wheels.Plan, f wheelsFlags) (*house, error) {
	h := &house{project: r.project, req: req, plan: plan, flags: f, connect: r.connect, done: func() error { return nil }, Builder: &wheels.Builder{
		Store: r.store, Report: r.a.display, LogDir: filepath.Join(r.store.Dir(), "logs"), Pins: r.pins,
		Jobs: f.jobs, Frozen: f.frozen, Git: r.a.git(),
	}}
	var err error
	h.Python, err = r.store.Latest(python.Kind, map[string]string{"version": plan.Python, "distro": plan.Distro, "arch": plan.Arch})
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
	match := map[string]string{"version": version, "distro": t.Distro.Codename, "arch": t.Arch}
	found, err := r.store.Latest(python.Kind, match)
	if !errors.Is(err, artifacts.ErrNotFound) {
		return found, err
	}
	h, err := r.house(wheels.Request{}, &wheels.Plan{Python: version, Distro: t.Distro.Codename, Arch: t.Arch}, wheelsFlags{jobs: r.flags.jobs})
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
	dir := filepath.Join(r.root(), l.Image.App)
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

// ask has git be asked about a tree, in the background and once; what it returns
// waits for the answer.
func (r *imageRun) ask(ctx context.Context, dir string) func() told {
	if r.asked[dir] == nil {
		r.asked[dir] = sync.OnceValue(func() told { return r.describeTree(ctx, dir) })
		go r.asked[dir]()
	}
	return r.asked[dir]
}

// describeTree asks git what it calls a tree; nothing if it is in no repository.
func (r *imageRun) describeTree(ctx context.Context, dir string) (known told) {
	program := r.a.lookPath("git")
	if program == "" {
		return known
	}
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, program, args...)
		var out bytes.Buffer
		cmd.Dir, cmd.Stdout, cmd.Env = dir, &out, r.a.git().Env
		if cmd.Run() != nil {
			return ""
		}
		return strings.TrimSpace(out.String())
	}
	known.version = git("describe", "--tags", "--always", "--dirty", "--abbrev=12")
	commit, at, _ := strings.Cut(git("log", "-1", "--format=%H %ct"), " ")
	known.commit = commit
	if strings.HasSuffix(known.version, "-dirty") {
		known.commit += "-dirty"
	}
	if seconds, err := strconv.ParseInt(at, 10, 64); err == nil {
		known.time = time.Unix(seconds, 0).UTC()
	}
	return known
}

var described = regexp.MustCompile(`^v?(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)(?:-(\d+)-(g[0-9a-f]+))?(-dirty)?$`)

// pep440 is what git describe says as PEP 440 has it: v1.4.2-5-g1f2e3d4c5b6a is
// 1.4.2.post5+g1f2e3d4c5b6a; empty if no tag is a version.
func pep440(says string) string {
	m := described.FindStringSubmatch(says)
	if m == nil || !strings.Contains(m[1], ".") && m[2] == "" {
		return ""
	}
	version, local := m[1], m[3]
	if m[2] != "" {
		version += ".post" + m[2]
	}
	if m[4] != "" {
		local = strings.Trim(local+".dirty", ".")
	}
	if local != "" {
		version += "+" + local
	}
	return version
}
