package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
)

// distroMaker connects to the engine, removes what dead runs left there, and
// makes what serves base images and packages. done ends it.
func (a *app) distroMaker(ctx context.Context, p *project.Project) (m *distro.Maker, done func() error, err error) {
	m = &distro.Maker{
		Report: a.display, Offline: a.flags.offline, Proxy: a.proxies(),
		Mmdebstrap: a.lookPath("mmdebstrap"), Environ: os.Environ(),
		Mirror: map[string]string{}, Image: map[string]string{},
	}
	for name, d := range p.Distros {
		m.Mirror[name], m.Image[name] = d.Mirror, d.Image
	}
	bundle, err := a.caBundle()
	if err != nil && !errors.Is(err, errNoBundle) {
		return nil, nil, err
	}
	if err == nil {
		if m.CABundle, err = os.ReadFile(bundle); err != nil {
			return nil, nil, err
		}
	}
	cache, err := a.downloadDir()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, nil, err
	}
	m.Fetcher = &fetch.Fetcher{Cache: cache, Offline: a.flags.offline}
	if m.Engine, err = a.connect(ctx); err != nil {
		return nil, nil, err
	}
	done = func() error { return m.Engine.Close(ctx) }
	if err := sameArch(ctx, m.Engine); err != nil {
		return nil, nil, ended(err, done())
	}
	left, err := m.Engine.Sweep(ctx)
	for _, l := range left {
		a.display.Note("removed %s %s, left by a run that was killed", l.Kind, l.Name)
	}
	if err != nil && ctx.Err() == nil {
		a.display.Note("something is left of a run that was killed: %v", err)
	}
	return m, done, nil
}

// sameArch refuses an engine that would build for another architecture than
// this machine's, which is the one that was asked for.
func sameArch(ctx context.Context, e *engine.Engine) error {
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	if info.Arch != runtime.GOARCH {
		return fmt.Errorf("the engine at %s builds for %s, this machine is %s: packages are built for the machine that pybake runs on",
			info.Host, debianArch(info.Arch), debianArch(runtime.GOARCH))
	}
	return nil
}

// debianArch is Debian's name of an architecture of Go.
func debianArch(goarch string) string {
	switch goarch {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	case "ppc64le":
		return "ppc64el"
	}
	return goarch
}

// ended adds to an error that of ending a session, unless it only says once
// more that the engine is gone.
func ended(err, endErr error) error {
	switch {
	case err == nil:
		return endErr
	case endErr == nil, engine.IsGone(endErr):
		return err
	}
	return errors.Join(err, endErr)
}
