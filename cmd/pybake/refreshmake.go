package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/wheels"
)

// pythonRequestOf is what a cell asks for, without the number of its release.
func (r *refreshRun) pythonRequestOf(c refresh.Cell) python.Request {
	return python.Request{Version: c.Version, Distro: c.Distro, Arch: c.Arch, Release: 1, Fast: c.Variant == refresh.Fast}
}

// releaseOf is the package release of a cell by some pins.
func (r *refreshRun) releaseOf(c refresh.Cell, pins *project.Lock) (project.ReleasePin, error) {
	return refresh.Release(r.pythonRequestOf(c), r.set, pins, refresh.Numbers{
		Highest: func() int { return max(r.storedRelease(c), r.publishedRelease(c)) },
		Has: func(key artifacts.Key) bool {
			_, err := r.store.Find(python.Kind, key)
			return err == nil
		},
	})
}

// storedRelease is the highest release number of the version of a cell in the store.
func (r *refreshRun) storedRelease(c refresh.Cell) (highest int) {
	all, _ := r.store.List()
	for _, it := range all {
		if it.Kind == python.Kind && it.Labels["version"] == c.Version && it.Labels["distro"] == c.Distro &&
			it.Labels["arch"] == c.Arch && it.Labels["mode"] == c.Variant {
			n, _ := strconv.Atoi(it.Labels["release"])
			highest = max(highest, n)
		}
	}
	return highest
}

// releaseNumber is the 2 of pybake-python3.13_3.13.5-2+deb13_amd64.deb.
var releaseNumber = pattern.New(`-([0-9]+)(~fast)?\+[^-_]*_[a-z0-9]+\.deb$`)

// publishedRelease is the highest release number under which the version of a cell is
// published, in whatever generation; 0: none.
func (r *refreshRun) publishedRelease(c refresh.Cell) (highest int) {
	release, err := r.set.Release(c.Version)
	if err != nil {
		return 0
	}
	all, _ := r.dir.Generations() // what cannot be read can be rolled back to by nobody
	for _, g := range all {
		for _, e := range g.Set.Entries {
			if e.Kind != python.Kind || e.Distro != c.Distro || e.Arch != c.Arch {
				continue
			}
			for _, d := range e.Debs {
				m := releaseNumber.FindStringSubmatch(d.Name)
				if m == nil || !strings.Contains(d.Name, "_"+release.DebianVersion()+"-") || (m[2] != "") != (c.Variant == refresh.Fast) {
					continue
				}
				n, _ := strconv.Atoi(m[1])
				highest = max(highest, n)
			}
		}
	}
	return highest
}

func (r *refreshRun) lookPython(c refresh.Cell) (refresh.Look, error) {
	pins, err := r.pins.Read()
	if err != nil {
		return refresh.Look{}, err
	}
	due := refresh.Look{State: refresh.Due}
	pin, err := r.releaseOf(c, pins)
	if unpinned, ok := errors.AsType[*python.UnpinnedError](err); ok {
		due.Reasons = []string{"not pinned yet: " + strings.Join(unpinned.What, ", ")}
		return due, r.mayPin(unpinned)
	}
	if err != nil {
		return due, err
	}
	req := r.pythonRequestOf(c)
	req.Release = pin.Release
	plan, err := python.NewPlan(req, r.set, pins)
	if err != nil {
		return due, err
	}
	found, err := r.store.Find(python.Kind, plan.Key)
	if err == nil && r.project.Refresh.Checks != project.ChecksQuick {
		if _, missing := plan.FindSuite(r.store, found, pins); missing != nil {
			due.Reasons, due.Compared = []string{"its test suite has not passed yet"}, len(plan.Inputs)
			return due, nil
		}
	}
	if err == nil {
		r.setBaked(c, found)
		return refresh.Look{State: refresh.Fresh, Artifact: found, Compared: len(plan.Inputs)}, nil
	}
	due.Reasons, due.Compared = r.reasons(c, plan.Inputs, err), len(plan.Inputs)
	if known, ok := pins.Release(pin); !ok || known != pin {
		return due, r.mayPin(fmt.Errorf("%s: release %d of its packages is not pinned yet", c.Name, pin.Release))
	}
	return due, nil
}

// mayPin refuses to pin what is not pinned for who asked that no pin moves.
func (r *refreshRun) mayPin(err error) error {
	if !r.flags.frozen {
		return nil
	}
	return &advised{fmt.Errorf("%w, and --frozen adds no pins", err), statusFailed, "pybake refresh"}
}

// reasons is why a cell is due: what changed since it was published, or that it is new.
func (r *refreshRun) reasons(c refresh.Cell, inputs []artifacts.Input, missing error) []string {
	if damaged, ok := errors.AsType[*artifacts.DamagedError](missing); ok {
		return []string{damaged.Error()}
	}
	if last := r.lastOf(c); last != nil {
		if changes := refresh.Reasons(last.Inputs, inputs, c.Distro); len(changes) > 0 {
			return changes
		}
		return []string{"the store does not have it any more"}
	}
	if e := refresh.Former(r.former, c.Name); e != nil {
		return []string{"what was published, " + e.Key.Short() + ", is not in the store"}
	}
	return []string{"new"}
}

func (r *refreshRun) makePython(ctx context.Context, c refresh.Cell) (made *artifacts.Artifact, built bool, err error) {
	sub, s := r.part(c)
	defer func() { r.keepTail(c, s, err) }()
	m, err := r.makerOf(s)(ctx)
	if err != nil {
		return nil, false, err
	}
	client := r.a.httpClient()
	b := &python.Builder{
		Store: r.store, Engine: m.Engine, Distros: m, Fetcher: m.Fetcher, HTTP: client,
		Places: python.Places(r.project.Sources, client), Report: s, Jobs: r.flags.jobs, LogDir: r.logs(c), LockPath: r.pins.Path,
	}
	req := r.pythonRequestOf(c)
	for range 4 {
		pins, err := r.pins.Read()
		if err != nil {
			return nil, false, err
		}
		pin, err := r.releaseOf(c, pins)
		if unpinned, ok := errors.AsType[*python.UnpinnedError](err); ok {
			sub.expect(r.store, r.set, req, unpinned.What)
			if err := r.resolve(ctx, b, c, unpinned); err != nil {
				return nil, false, err
			}
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if known, ok := pins.Release(pin); !ok || known != pin {
			if err := r.pins.Update(func(l *project.Lock) error { l.SetRelease(pin); return nil }); err != nil {
				return nil, false, err
			}
		}
		req.Release = pin.Release
		sub.expect(r.store, r.set, req, nil)
		if made, built, err = b.Ensure(ctx, req, r.set); err != nil {
			return nil, false, err
		}
		if r.project.Refresh.Checks != project.ChecksQuick {
			if _, err := b.EnsureSuite(ctx, req, r.set, made); err != nil {
				return nil, false, err
			}
		}
		r.setBaked(c, made)
		// Whoever takes packages from the store finds the newest release under the name
		// of the version.
		return made, built, r.store.Point(ctx, made, strings.Join([]string{python.Kind, c.Version, c.Distro, c.Arch}, " ")+map[bool]string{true: " fast"}[req.Fast])
	}
	return nil, false, fmt.Errorf("%s: its pins do not come to rest", c.Name)
}

// resolve pins what a Python misses. Those for one distro wait for each other: they
// stand on one base image.
func (r *refreshRun) resolve(ctx context.Context, b *python.Builder, c refresh.Cell, unpinned *python.UnpinnedError) error {
	if err := r.mayPin(unpinned); err != nil {
		return err
	}
	r.mu.Lock()
	if r.locked[c.Distro] == nil {
		r.locked[c.Distro] = &sync.Mutex{}
	}
	one := r.locked[c.Distro]
	r.mu.Unlock()
	one.Lock()
	defer one.Unlock()
	pins, err := r.pins.Read() // somebody else may have pinned it while this one waited
	if err != nil {
		return err
	}
	if _, err := r.releaseOf(c, pins); !errors.As(err, &unpinned) {
		return nil
	}
	return b.Resolve(ctx, unpinned)
}

// houseOf is the house of a cell on its way.
func (r *refreshRun) houseOf(sub *app, c refresh.Cell) (*house, error) {
	f := wheelsFlags{python: c.Version, distro: c.Distro, frozen: r.flags.frozen, jobs: r.flags.jobs}
	req, plan, err := sub.wheelsPlan(r.project, filepath.Join(r.project.Root, c.Lock), f)
	if err != nil {
		return nil, err
	}
	return &house{
		project: r.project, req: req, plan: plan, flags: f, done: func() error { return nil },
		Builder: &wheels.Builder{
			Store: r.store, Report: sub.display, LogDir: r.logs(c), Pins: r.pins, Jobs: f.jobs, Frozen: f.frozen, Git: r.a.git(),
			Python: r.bakedFor(c),
		},
	}, nil
}

func (r *refreshRun) lookHouse(ctx context.Context, c refresh.Cell) (refresh.Look, error) {
	sub, _ := r.part(c)
	due := refresh.Look{State: refresh.Due}
	h, err := r.houseOf(sub, c)
	if err != nil {
		return due, err
	}
	if h.Python == nil {
		due.Reasons = []string{"its Python is not in the store"}
		return due, nil
	}
	if h.Finder, err = sub.finder(r.project, h.req.Lock, h.Python, h.flags); err != nil {
		return due, err
	}
	for _, former := range []func() *artifacts.Artifact{
		func() *artifacts.Artifact { return r.lastOf(c) },
		func() *artifacts.Artifact { // of a night that was killed, or of other groups
			named, _ := r.store.Lookup(h.plan.Name)
			return named
		},
	} {
		like := former()
		if like == nil {
			continue
		}
		found, missing := h.FindLike(ctx, h.plan, like)
		if missing == nil {
			return refresh.Look{State: refresh.Fresh, Artifact: found, Compared: len(found.Inputs)}, nil
		}
		if due.Reasons == nil {
			due.Reasons, due.Compared = r.houseReasons(ctx, h, c, like, missing)
		}
	}
	if due.Reasons == nil {
		due.Reasons = []string{"new"}
	}
	return due, nil
}

// houseReasons is why a house is due.
func (r *refreshRun) houseReasons(ctx context.Context, h *house, c refresh.Cell, former *artifacts.Artifact, missing error) ([]string, int) {
	if damaged, ok := errors.AsType[*artifacts.DamagedError](missing); ok {
		return []string{damaged.Error()}, 0
	}
	pins, err := r.pins.Read()
	if err != nil {
		return []string{err.Error()}, 0
	}
	if inputs, err := h.InputsLike(ctx, h.plan, former, pins); err == nil {
		if changes := refresh.Reasons(former.Inputs, inputs, c.Distro); len(changes) > 0 {
			return changes, len(inputs)
		}
		return []string{"the store does not have it any more"}, len(inputs)
	}
	known, err := wheels.ReadDetails(former.Dir)
	if err != nil {
		return []string{err.Error()}, 0
	}
	old := map[string]string{}
	for _, w := range known {
		old[w.Name] = w.Version
	}
	var reasons []string
	for _, p := range h.plan.Packages {
		switch was, ok := old[p.Name]; {
		case !ok:
			reasons = append(reasons, p.Name+" added: "+p.Version)
		case was != p.Version:
			reasons = append(reasons, p.Name+" "+was+" → "+p.Version)
		}
		delete(old, p.Name)
	}
	for name, version := range old {
		reasons = append(reasons, name+" removed: "+version)
	}
	if len(reasons) == 0 {
		reasons = []string{missing.Error()}
	}
	return reasons, len(h.plan.Packages)
}

func (r *refreshRun) makeHouse(ctx context.Context, c refresh.Cell) (made *artifacts.Artifact, built bool, err error) {
	sub, s := r.part(c)
	defer func() { r.keepTail(c, s, err) }()
	h, err := r.houseOf(sub, c)
	if err != nil {
		return nil, false, err
	}
	for _, note := range h.plan.Notes {
		s.Note("%s", note)
	}
	if h.Python == nil {
		return nil, false, fmt.Errorf("%s: its Python is not in the store", c.Name)
	}
	h.connect = r.makerOf(s)
	return sub.ensureHouse(ctx, h)
}
