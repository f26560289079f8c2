package image

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/nfpm"
)

func baseRef(p *Plan) string { return distro.BaseRef(p.req.Target, p.base.Digest) }

// Plan makes the plan of an image, and pins what is not pinned yet.
func (b *Builder) Plan(ctx context.Context, req Request) (*Plan, error) {
	for range 3 + 2*len(req.Links) {
		pins, err := b.Pins.Read()
		if err != nil {
			return nil, err
		}
		plan, err := NewPlan(req, pins)
		unpinned, ok := errors.AsType[*UnpinnedError](err)
		if !ok {
			return plan, err
		}
		if b.Frozen {
			return nil, fmt.Errorf("%w, and --frozen adds no pins", unpinned)
		}
		if err := b.pinNext(ctx, req, pins, unpinned); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("image %s: its pins do not come to rest", req.Links[len(req.Links)-1].Name)
}

// pinNext pins what a plan misses first.
func (b *Builder) pinNext(ctx context.Context, req Request, pins *project.Lock, unpinned *UnpinnedError) error {
	codename, arch := req.Target.Distro.Codename, req.Target.Arch
	base, ok := pins.Base(codename, arch)
	if !ok {
		base, err := b.Distros.Base(ctx, req.Target, nil)
		if err != nil {
			return err
		}
		return b.pin(func(l *project.Lock) { l.SetBase(base) })
	}
	if _, err := b.Distros.Base(ctx, req.Target, &base); err != nil {
		return err
	}
	if unpinned.python != nil {
		return b.pinPython(ctx, req.Target, base, pythonOwner(unpinned.python.Labels["series"]), unpinned.python)
	}
	return b.pinSet(ctx, req.Target, base, unpinned.set, unpinned.set.Request, nil)
}

// pinPython pins what the packages of a Python depend on.
func (b *Builder) pinPython(ctx context.Context, t distro.Target, base project.BasePin, owner string, python *artifacts.Artifact) error {
	var debs []string
	for _, f := range python.Files {
		series := python.Labels["series"]
		if f.Package != nil && (f.Package.Name == "pybake-python"+series || f.Package.Name == "pybake-python"+series+"-venv") {
			debs = append(debs, filepath.Join(python.Dir, f.Path))
		}
	}
	request, err := nfpm.Depends(debs, "pybake-")
	if err != nil {
		return err
	}
	pin := project.SetPin{Distro: t.Distro.Codename, Arch: t.Arch, For: owner, Request: request}
	return b.pinSet(ctx, t, base, pin, nil, debs)
}

func (b *Builder) pinSet(ctx context.Context, t distro.Target, base project.BasePin, pin project.SetPin, names, local []string) error {
	err := b.timed("packages of "+t.Distro.Codename+" for "+pin.For, func() (err error) {
		pin.Packages, err = b.Distros.Resolve(ctx, t, base, names, local)
		return err
	})
	if err != nil {
		return err
	}
	return b.pin(func(l *project.Lock) { l.SetRuntime(pin) })
}

// pin changes pybake.lock.
func (b *Builder) pin(change func(*project.Lock)) error {
	return b.Pins.Update(func(l *project.Lock) error { change(l); return nil })
}
