package python

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// Builder makes the packages of one request.
type Builder struct {
	Store    *artifacts.Store
	Engine   *engine.Engine
	Distros  *distro.Maker
	Fetcher  *fetch.Fetcher
	HTTP     *http.Client
	Places   []fetch.Place // of sources, see Places
	Report   distro.Reporter
	Jobs     int    // processes at once; 0: the engine's cores
	LogDir   string // logs of jobs, also of failed ones: "baked/logs"
	LockPath string // "pybake.lock", read anew whenever a pin is wanted: another process may have pinned it
	Retrain  bool   // the profile is learned anew, once

	trained bool // a profile was learned on the source itself
	source  fetch.Got
	sought  *fetch.FailedError // what the places said that need no base image
	epoch   time.Time
	at      *circumstances // of jobs; nil: the usual ones

	mu    sync.Mutex
	steps []artifacts.Step
}

// Ensure returns the artifact of a request: from the store if it is there, and
// else built, after whatever is not pinned yet was resolved. Others who want
// something for the same distro wait.
func (b *Builder) Ensure(ctx context.Context, req Request, set *recipes.Set) (_ *artifacts.Artifact, built bool, err error) {
	lock := strings.Join([]string{Kind, req.Distro, req.Arch}, "-")
	release, err := b.Store.Lock(ctx, lock, func(holder string) { b.Report.Note("waiting for %s", holder) })
	if err != nil {
		return nil, false, err
	}
	defer release()
	for range 5 { // resolve, train anew, a profile that was lost or is stale, build
		pins, err := project.ReadLock(b.LockPath)
		if err != nil {
			return nil, false, err
		}
		plan, err := NewPlan(req, set, pins)
		if unpinned, ok := errors.AsType[*UnpinnedError](err); ok {
			if err := b.Resolve(ctx, unpinned); err != nil {
				return nil, false, err
			}
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if b.Retrain && !plan.plain() {
			if err := b.pinProfile(ctx, plan); err != nil {
				return nil, false, err
			}
			continue
		}
		a, err := b.Store.Find(Kind, plan.Key)
		if err == nil {
			return a, false, b.Store.Point(ctx, a, plan.Name)
		}
		if damaged, ok := errors.AsType[*artifacts.DamagedError](err); ok {
			b.Report.Note("%v: building it again", damaged)
		} else if !errors.Is(err, artifacts.ErrNotFound) {
			return nil, false, err
		}
		a, err = b.Build(ctx, plan)
		stale := errors.Is(err, ErrProfileStale)
		if !stale && !errors.Is(err, ErrProfileLost) {
			return a, err == nil, err
		}
		b.Report.Note("%v: training another, and pinning that", err)
		b.Retrain = b.Retrain || stale
		if err := b.pinProfile(ctx, plan); err != nil {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("python %s: its pins do not come to rest", req.Version)
}

// Resolve finds and pins what e misses, each thing as soon as it is known.
func (b *Builder) Resolve(ctx context.Context, e *UnpinnedError) error {
	p := e.Plan
	// A source that is refused or nowhere to be had is said before anything is made for it.
	if err := b.seekSource(ctx, &p); err != nil {
		return err
	}
	var pinned *project.BasePin
	if p.base.Digest != "" {
		pinned = &p.base
	}
	base, err := b.Distros.Base(ctx, p.Target(), pinned)
	if err != nil {
		return err
	}
	if pinned == nil {
		p.base = base
		if err := b.pin(func(l *project.Lock) { l.SetBase(base) }); err != nil {
			return err
		}
	}
	if err := b.fetchSource(ctx, &p); err != nil {
		return err
	}
	if p.builder.Packages == nil {
		err := b.timed("toolchain", func() (err error) {
			p.builder, err = b.pinnedSet(ctx, &p, builderSet, p.owner(), p.builderRequest(), nil)
			return err
		})
		if err != nil {
			return err
		}
	}
	if p.plain() {
		return nil
	}
	return b.pinProfile(ctx, &p)
}

// pin changes pybake.lock.
func (b *Builder) pin(change func(*project.Lock)) error {
	return project.Update(b.LockPath, func(l *project.Lock) error { change(l); return nil })
}

func (b *Builder) pinProfile(ctx context.Context, p *Plan) error {
	profile, err := b.Train(ctx, p)
	if err != nil {
		return err
	}
	return b.pin(func(l *project.Lock) { l.SetProfile(profile) })
}

// setKind is one of the lock's lists of package sets.
type setKind struct {
	get func(l *project.Lock, distro, arch, who string) (project.SetPin, bool)
	set func(*project.Lock, project.SetPin)
}

var (
	builderSet = setKind{(*project.Lock).Builder, (*project.Lock).SetBuilder}
	runtimeSet = setKind{(*project.Lock).Runtime, (*project.Lock).SetRuntime}
)

// pinnedSet returns the pinned packages of a request, and resolves and pins
// them first if there are none: what the request names or, if there are local
// packages, what those need.
func (b *Builder) pinnedSet(ctx context.Context, p *Plan, kind setKind, who string, request, local []string) (project.SetPin, error) {
	pins, err := project.ReadLock(b.LockPath)
	if err != nil {
		return project.SetPin{}, err
	}
	t := p.Target()
	pin, ok := kind.get(pins, t.Distro.Codename, t.Arch, who)
	if ok && slices.Equal(pin.Request, request) {
		return pin, nil
	}
	pin = project.SetPin{Distro: t.Distro.Codename, Arch: t.Arch, For: who, Request: request}
	names := request
	if local != nil {
		names = nil
	}
	if pin.Packages, err = b.Distros.Resolve(ctx, t, p.base, names, local); err != nil {
		return pin, err
	}
	return pin, b.pin(func(l *project.Lock) { kind.set(l, pin) })
}
