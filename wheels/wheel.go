package wheels

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/lock"
	"github.com/pybake/pybake/wheels/whl"
)

// wheels brings the wheel of every package, those that have to be built as
// processors come free. A failure stops no other package.
func (b *Builder) wheels(ctx context.Context, p *Plan) ([]*Wheel, error) {
	out := make([]*Wheel, len(p.Packages))
	failures := make([]*Failure, len(p.Packages))
	fetching := make(chan struct{}, asking)
	var wg sync.WaitGroup
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	end := b.Report.Step(count(len(p.Packages), "package"))
	for i, pkg := range p.Packages {
		wg.Go(func() {
			out[i], failures[i] = b.wheel(ctx, p, pkg, fetching)
			// Without an engine or room nothing else can go on either.
			if f := failures[i]; f != nil && (engine.IsGone(f) || engine.IsDiskFull(f)) {
				stop(f)
			}
		})
	}
	wg.Wait()
	b.closeBuilders(ctx)
	failures = slices.DeleteFunc(failures, func(f *Failure) bool { return f == nil })
	var err error
	if len(failures) > 0 && ctx.Err() == nil {
		err = b.explained(ctx, p, failures)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	end(err)
	return out, err
}

// closeBuilders begins to remove containers that wait for a build, and environments. What
// cannot be removed, the session's end tells of.
func (b *Builder) closeBuilders(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*build.Builder
	for _, t := range b.images {
		all = append(all, t.take()...)
	}
	envs := b.envs
	b.envs = nil
	b.closing.Go(func() {
		var wg sync.WaitGroup
		for _, builder := range all {
			wg.Go(func() { _ = builder.Close(ctx) })
		}
		wg.Wait()
		b.resting.Wait()
		if envs != nil {
			_ = envs.Close(ctx)
		}
	})
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wheel brings the wheel of a package.
func (b *Builder) wheel(ctx context.Context, p *Plan, pkg *Package, fetching chan struct{}) (*Wheel, *Failure) {
	if kind := pkg.selected.Source.Kind; kind == lock.Git || kind == lock.Directory {
		return b.built(ctx, p, pkg, fetch.Got{})
	}
	select {
	case fetching <- struct{}{}:
	case <-ctx.Done():
		return nil, failure(pkg, "fetch", "", context.Cause(ctx))
	}
	got, err := b.Finder.fetch(ctx, p, pkg)
	<-fetching
	if err != nil {
		return nil, failure(pkg, "fetch", "", err)
	}
	if pkg.Origin == "sdist" {
		return b.built(ctx, p, pkg, got)
	}
	// Reading and hashing is work for a processor.
	_, release, err := b.queue.acquire(ctx, 0, 0)
	if err != nil {
		return nil, failure(pkg, "check", "", err)
	}
	defer release()
	w, err := b.read(ctx, p, pkg, got.Path, got.File.Name, false)
	if err != nil {
		return nil, failure(pkg, "check", "", err)
	}
	w.Origin, w.Yanked = "wheel", pkg.Yanked
	return w, nil
}

// read reads and checks a wheel.
func (b *Builder) read(ctx context.Context, p *Plan, pkg *Package, path, name string, built bool) (*Wheel, error) {
	facts, err := whl.Read(path, name)
	if err != nil {
		return nil, err
	}
	want := whl.Want{
		Name: pkg.wanted(), Version: pkg.Version, Ranks: p.ranks, Built: built, Prefix: p.prefix(), BuilderPaths: builderPaths,
		AllowPaths: append(slices.Collect(maps.Keys(p.recipe(pkg.Name, pkg.Version).PathSkip)), sboms),
	}
	found, err := facts.Check(want)
	if err != nil {
		return nil, err
	}
	if why := p.compiled(pkg); built && why != "" && len(facts.ELF) == 0 {
		found.Problems = append(found.Problems, "no compiled extension module in it, and "+why)
	}
	if len(found.Problems) > 0 {
		return nil, &whl.BadError{File: name, Problems: found.Problems}
	}
	w := &Wheel{
		Name: facts.Name.Name, Version: facts.Name.Version.String(), File: name,
		Bundled: facts.Bundled, SBOMs: facts.SBOMs, Notes: slices.Concat(facts.Notes, found.Notes), path: path, facts: facts,
	}
	w.Size, w.SHA256, err = artifacts.HashFile(ctx, path)
	return w, err
}

// wanted is the name that the wheel shall have; "" for any.
func (p *Package) wanted() string {
	if p.unnamed {
		return ""
	}
	return p.Name
}

// sboms are bills of materials (PEP 770). That of maturin calls what was in the source by
// where it was.
const sboms = "*.dist-info/sboms/*"

// builderPaths must not stand in a built wheel. What is below one directory only, "build",
// is also what cargo calls a directory of its own.
var builderPaths = slices.Concat(build.Paths, []string{cargoHome + "/"})
