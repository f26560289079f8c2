package wheels

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/lock"
	"github.com/pybake/pybake/wheels/sdist"
)

// AppRequest is a project to build to a wheel.
type AppRequest struct {
	Dir  string // of pyproject.toml or setup.py: "services/web" within Root, or absolute
	Root string // of the project, beside whose pybake.lock build requirements are pinned by path; "" is Dir

	Python  string         // "3.13.5"
	Distro  recipes.Distro // of the target
	Arch    string         // Debian's name: "amd64"
	Recipes *recipes.Set

	// Version is for a backend that would ask the repository: "1.4.2", as PEP 440
	// has it. Others do not see it.
	Version string

	ExcludeNewer time.Time // for build requirements; zero is no bound
	Strict       bool      // ExcludeNewer is the user's: an index that gives no times is an error
	Constraints  []string  // on build requirements: "setuptools<81"
}

// AppWheel is the wheel of a project, in the store.
type AppWheel struct {
	Key            artifacts.Key     // of the artifact
	Path           string            // of the file: "baked/artifacts/wheel/5f1c…/shop-1.4.2-py3-none-any.whl"
	File           string            // "shop-1.4.2-py3-none-any.whl"
	Name           string            // normalised: "shop"
	Version        string            // "1.4.2"
	SHA256         string            // of the file
	RequiresPython string            // ">=3.11"; "" for any
	Requires       []string          // Requires-Dist, as written: `flask>=3; extra == "web"`
	Extras         []string          // Provides-Extra, as written
	Scripts        map[string]string // console and gui scripts: "shop" to "shop.cli:main"; a script that is a file to ""
}

// NewAppPlan reads what a project says of itself. What is wrong with that is a
// *sdist.BadError or strict.Errors. Versions that the repository would tell and nobody
// gave are in Plan.Notes.
func NewAppPlan(req AppRequest) (*Plan, error) {
	root, dir, err := within(req.Root, req.Dir)
	if err != nil {
		return nil, err
	}
	about, err := sdist.ReadProject(os.DirFS(root), dir)
	if err != nil {
		return nil, err
	}
	if _, err := pep.ParseVersion(req.Version); err != nil && req.Version != "" {
		return nil, fmt.Errorf("version of %s: %w", dir, err)
	}
	file := path.Join(dir, "pyproject.toml")
	pkg := &Package{Name: cmp.Or(about.Name, "app"), Origin: "sdist", Source: string(lock.Directory), Why: "the project", unnamed: about.Name == ""}
	pkg.selected = lock.Selected{
		Name: pkg.Name, Source: lock.Source{Kind: lock.Directory, Path: dir}, Pos: lock.Pos{File: file, Line: 1, Col: 1},
	}
	p := &Plan{
		Name:  strings.Join([]string{"app", pkg.Name, req.Python, req.Distro.Codename, req.Arch}, " "),
		again: true, Lock: file, Python: req.Python, Distro: req.Distro.Codename, Arch: req.Arch, Packages: []*Package{pkg},
	}
	err = p.aim(Request{
		Lock: &lock.Lock{File: file}, Name: dir, Root: root, Python: req.Python, Distro: req.Distro, Arch: req.Arch, Recipes: req.Recipes,
		ExcludeNewer: req.ExcludeNewer, Strict: req.Strict, Constraints: req.Constraints,
	})
	if err != nil {
		return nil, err
	}
	switch vcs := about.VCS; {
	case vcs.Tool == "":
	case vcs.Variable == "":
		p.Notes = append(p.Notes, fmt.Sprintf("%s: %s takes the version from the repository alone, which no build sees", file, vcs.Tool))
	case req.Version == "":
		p.Notes = append(p.Notes, fmt.Sprintf("%s: %s takes the version from the repository, which no build sees, and none was given", file, vcs.Tool))
	default:
		p.stamp = stamp{vcs.Variable, req.Version}
		pkg.Version, pkg.selected.Version = req.Version, req.Version
	}
	return p, nil
}

// within is the root of a project and the path below it of a directory; a directory
// elsewhere is a project of its own.
func within(root, dir string) (string, string, error) {
	if !filepath.IsAbs(dir) && root != "" {
		dir = filepath.Join(root, dir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", "", err
	}
	if root, err = filepath.Abs(cmp.Or(root, dir)); err != nil {
		return "", "", err
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil || !filepath.IsLocal(rel) {
		return dir, ".", nil
	}
	return root, filepath.ToSlash(rel), nil
}

// stamp is the version that a build is told, for the repository would tell it.
type stamp struct {
	variable string // "SETUPTOOLS_SCM_PRETEND_VERSION"
	version  string // "1.4.2"
}

// FindApp returns the wheel of a project as it is now if the store has it: with
// neither network nor engine. Else artifacts.ErrNotFound, or what is wrong with the
// project, the store or the pins.
func (b *Builder) FindApp(ctx context.Context, p *Plan) (*AppWheel, error) {
	_, w, err := b.findApp(ctx, p)
	return w, err
}

// findApp also returns what it has read of the project.
func (b *Builder) findApp(ctx context.Context, p *Plan) (*task, *AppWheel, error) {
	t := &task{b: b, p: p, source: p.sourceOf(p.Packages[0]), step: "source"}
	pins, err := b.Pins.Read()
	if err != nil {
		return t, nil, err
	}
	if t.src, err = b.identify(ctx, p, &t.source, pins); err != nil {
		return t, nil, err
	}
	inputs, err := p.wheelInputs(&t.source, t.src, pins)
	if err != nil {
		return t, nil, err
	}
	a, err := b.oneOf(inputs, t.sharedInputs())
	if err != nil {
		return t, nil, err
	}
	w, err := t.fromStore(ctx, a)
	if err != nil {
		return t, nil, err
	}
	return t, appOf(w), nil
}

// oneOf is the first wheel of the store that is made of some inputs.
func (b *Builder) oneOf(lists ...[]artifacts.Input) (a *artifacts.Artifact, err error) {
	for _, inputs := range lists {
		key, failed := artifacts.NewKey(KindWheel, inputs)
		if failed != nil {
			return nil, failed
		}
		if a, err = b.Store.Find(KindWheel, key); err == nil || !errors.Is(err, artifacts.ErrNotFound) {
			return a, err
		}
	}
	return nil, err
}

// App returns the wheel of a project as it is now: from the store, or built. Where
// building fails, it is a *FailedError. From the second time on it is built in an
// image that has the build requirements, "pybake/wheels-env:…".
func (b *Builder) App(ctx context.Context, p *Plan) (*AppWheel, error) {
	release, err := b.Store.Lock(ctx, strings.Join([]string{"app", p.Distro, p.Arch}, "-"), func(holder string) { b.Report.Note("waiting for %s", holder) })
	if err != nil {
		return nil, err
	}
	defer release()
	opened := make(chan error, 1)
	go func() { opened <- b.openQueue(ctx) }()
	t, w, err := b.findApp(ctx, p)
	if open := <-opened; err == nil && !b.Verify {
		return w, nil
	} else if open != nil {
		return nil, open
	}
	damaged, isDamaged := errors.AsType[*artifacts.DamagedError](err)
	switch {
	case isDamaged:
		b.Report.Note("%v: building it again", damaged)
	case err != nil && !errors.Is(err, artifacts.ErrNotFound):
		return nil, err
	}
	defer b.closeAsker(ctx)
	defer b.closeBuilders(ctx)
	built, failed := t.built(ctx)
	switch {
	case failed == nil:
		return appOf(built), nil
	case ctx.Err() != nil, engine.IsGone(failed), engine.IsDiskFull(failed):
		return nil, failed.Err
	}
	return nil, b.explained(ctx, p, []*Failure{failed})
}

func appOf(w *Wheel) *AppWheel {
	a := &AppWheel{
		Key: artifacts.Key(w.Key), Path: w.path, File: w.File, Name: w.facts.Name.Name, Version: w.Version, SHA256: w.SHA256,
		RequiresPython: w.facts.Metadata.RequiresPython, Requires: w.facts.Metadata.RequiresDist, Extras: w.facts.Metadata.ProvidesExtra,
		Scripts: map[string]string{},
	}
	for _, s := range w.facts.Scripts {
		if s.Module == "" {
			a.Scripts[s.Name] = ""
		} else {
			a.Scripts[s.Name] = s.Module + ":" + s.Attr
		}
	}
	return a
}
