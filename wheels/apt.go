package wheels

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/gate"
	"github.com/pybake/pybake/wheels/whl"
)

// pythonOwner is in whose name python pins what its runtime needs.
func (p *Plan) pythonOwner() string { return "python " + p.series() }

// gate is what proves houses on this Python.
func (b *Builder) gate(ctx context.Context, p *Plan) (*gate.Gate, error) {
	debs, err := b.debs(p, runtimeDebs)
	if err != nil {
		return nil, err
	}
	own, err := b.pinnedSet(ctx, p, runtimePins, p.pythonOwner(), nil, debs)
	if err != nil {
		return nil, err
	}
	pins, err := b.Pins.Read()
	if err != nil {
		return nil, err
	}
	base, _ := pins.Base(p.Distro, p.Arch)
	g := &gate.Gate{
		Distros: b.Distros, Report: b.Report, Target: p.distroTarget(), Base: base, Series: p.series(),
		Prefix: p.prefix(), Python: string(b.Python.Key), Debs: debs, PythonPackages: own.Packages, Jobs: b.queue.cores,
		Full: b.Verify,
	}
	if pin, ok := pins.Runtime(p.Distro, p.Arch, p.owner()); ok {
		g.Known = pin.Packages
	}
	for _, t := range b.images {
		if t.image != "" {
			g.Builders = append(g.Builders, t.image)
		}
	}
	slices.Sort(g.Builders)
	g.Absent = map[string]map[string]string{}
	for _, pkg := range p.Packages {
		if skip := p.recipe(pkg.Name, pkg.Version).LibrarySkip; len(skip) > 0 {
			g.Absent[pkg.Name] = skip
		}
	}
	return g, nil
}

// aptPackages finds and pins the packages of the distro that the wheels need beside
// those of the Python.
func (b *Builder) aptPackages(ctx context.Context, p *Plan, g *gate.Gate, wheels []*Wheel) ([]project.Package, error) {
	var facts []*whl.Wheel
	extra := map[string][]string{}
	for _, w := range wheels {
		facts = append(facts, w.facts)
		if runtime := p.recipe(w.Name, w.Version).Runtime; len(runtime) > 0 {
			extra[w.Name] = runtime
		}
	}
	var needs gate.Needs
	err := b.timed("shared libraries", func() (err error) {
		needs, err = g.Needs(ctx, facts, extra)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, w := range wheels {
		w.Apt = needs.Of(w.Name)
	}
	if len(needs.Packages) == 0 {
		return nil, b.unpinApt(p)
	}
	pins, err := b.Pins.Read()
	if err != nil {
		return nil, err
	}
	if pin, ok := pins.Runtime(p.Distro, p.Arch, p.owner()); ok && slices.Equal(pin.Request, needs.Packages) {
		return pin.Packages, nil
	}
	if b.Frozen {
		return nil, fmt.Errorf("%s: the packages of %s that it needs (%s) are not pinned, and --frozen adds no pins",
			p.Name, p.Distro, strings.Join(needs.Packages, " "))
	}
	pin := project.SetPin{Distro: p.Distro, Arch: p.Arch, For: p.owner(), Request: needs.Packages}
	err = b.timed("packages of "+p.Distro+" for the house", func() (err error) {
		pin.Packages, err = g.Closure(ctx, needs.Packages)
		return err
	})
	if err != nil {
		return nil, err
	}
	// What the Python depends on is there already.
	pin.Packages = slices.DeleteFunc(pin.Packages, func(pkg project.Package) bool {
		return slices.ContainsFunc(g.PythonPackages, func(own project.Package) bool {
			return own.Name == pkg.Name && own.Arch == pkg.Arch && own.Version == pkg.Version
		})
	})
	return pin.Packages, b.pin(func(l *project.Lock) { l.SetRuntime(pin) })
}

// unpinApt drops what was pinned when the house needed something.
func (b *Builder) unpinApt(p *Plan) error {
	pins, err := b.Pins.Read()
	if err != nil {
		return err
	}
	if _, ok := pins.Runtime(p.Distro, p.Arch, p.owner()); !ok || b.Frozen {
		return nil
	}
	return b.pin(func(l *project.Lock) {
		l.Runtimes = slices.DeleteFunc(l.Runtimes, func(s project.SetPin) bool {
			return s.Distro == p.Distro && s.Arch == p.Arch && s.For == p.owner()
		})
	})
}
