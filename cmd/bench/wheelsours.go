package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels"
)

// madeHouse is what pybake wheels --json says of a house.
type madeHouse struct {
	made
	Wheels []wheels.Wheel `json:"wheels"`
}

// place is where pybake wheels works: a project, a store and a cache of its own.
type place string

func (p place) project() string { return filepath.Join(string(p), "project") }
func (p place) store() string   { return filepath.Join(string(p), "store") }

// place makes a place with the project and its pins, the Python in the store but no
// wheels, and the downloads of the machine in the cache and nothing else.
func (b *wheelsBench) place(ctx context.Context) (place, error) {
	p := place(filepath.Join(b.dir, "place"))
	if err := os.RemoveAll(string(p)); err != nil {
		return p, err
	}
	if err := os.CopyFS(p.project(), os.DirFS(b.project())); err != nil {
		return p, err
	}
	return p, errors.Join(makeCache(filepath.Join(string(p), "cache")), b.copyStore(ctx, b.ownStore(), p.store()))
}

// timed makes the house of a set, checks it, and says how long it took until the last
// wheel was built and checked, and in all.
func (b *wheelsBench) timed(ctx context.Context, p place, set *wheelsSet, args ...string) (h madeHouse, wheels, whole float64, err error) {
	start := time.Now()
	if h, whole, err = b.house(ctx, p, set, nil, append(args, "--index-url", b.index)...); err != nil {
		return h, 0, 0, err
	}
	if h.Origin != "built" {
		return h, 0, 0, fmt.Errorf("pybake wheels %s: it was %s in a store without it", set.lock(), h.Origin)
	}
	last, err := lastWheel(p.store())
	b.say("%s: pybake: %.2f s, its wheels %.2f s", set.what, whole, last.Sub(start).Seconds())
	return h, last.Sub(start).Seconds(), whole, err
}

// house runs pybake wheels, and checks that all of the set was built from source.
func (b *wheelsBench) house(ctx context.Context, p place, set *wheelsSet, env []string, args ...string) (h madeHouse, took float64, err error) {
	args = append([]string{b.pybake, "wheels", set.lock(), "--no-binary", ":all:", "--python", wheelsPython, "--distro", wheelsDistro, "--json"}, args...)
	env = append(env, "PYBAKE_STORE="+p.store(), "PYBAKE_CACHE="+filepath.Join(string(p), "cache"))
	out, took, err := command{dir: p.project(), env: env, args: args}.run(ctx)
	if err != nil {
		return h, 0, err
	}
	if err := json.Unmarshal([]byte(out), &h); err != nil {
		return h, 0, fmt.Errorf("pybake wheels %s --json: %w", set.lock(), err)
	}
	var files []string
	for _, w := range h.Wheels {
		if w.Origin != "sdist" {
			return h, 0, fmt.Errorf("pybake wheels %s: %s was not built", set.lock(), w.File)
		}
		files = append(files, w.File)
	}
	if err := set.sameWheels(files); err != nil {
		return h, 0, fmt.Errorf("pybake: %w", err)
	}
	return h, took, nil
}

// lastWheel is when the last wheel was put into a store: its bytes are final then.
func lastWheel(dir string) (last time.Time, err error) {
	store, err := artifacts.Open(dir)
	if err != nil {
		return last, err
	}
	all, errs := store.List()
	for _, a := range all {
		if a.Kind == wheels.KindWheel && a.Finished.After(last) {
			last = a.Finished
		}
	}
	if last.IsZero() {
		errs = append(errs, fmt.Errorf("store %s: no wheel in it", dir))
	}
	return last, errors.Join(errs...)
}

// ours measures pybake with the pins of the project; for pure sdists then once more, with
// nothing changed and with another line in the lock.
func (b *wheelsBench) ours(ctx context.Context, set *wheelsSet) error {
	p, err := b.place(ctx)
	if err != nil {
		return err
	}
	h, wheels, whole, err := b.timed(ctx, p, set, "--frozen")
	if err != nil {
		return err
	}
	set.wheels, set.whole = append(set.wheels, wheels), append(set.whole, whole)
	set.note = fmt.Sprintf("last round: %.2f s in all, of it %s", whole, h.steps())
	if set.compiled {
		return nil
	}
	if err := b.unchanged(ctx, p, set); err != nil {
		return err
	}
	bumped := b.bumped(set)
	if err := os.Rename(filepath.Join(p.project(), bumped.lock()), filepath.Join(p.project(), set.lock())); err != nil {
		return err
	}
	bumped.name = set.name
	h, wheels, whole, err = b.timed(ctx, p, bumped, "--frozen")
	if err != nil {
		return err
	}
	for _, r := range b.bump {
		r.Pybake = append(r.Pybake, whole)
	}
	b.bump[0].Note = fmt.Sprintf("last round: %.2f s in all, its wheel %.2f s, %s", whole, wheels, h.steps())
	return nil
}

// unchanged measures pybake where there is nothing to do. Whoever is connected to as an
// engine or an index is a trap.
func (b *wheelsBench) unchanged(ctx context.Context, p place, set *wheelsSet) error {
	t, err := newTrap()
	if err != nil {
		return err
	}
	defer t.Close()
	for range oftener {
		h, took, err := b.house(ctx, p, set, t.env(), "--index-url", "http://"+t.address+"/simple/")
		if err != nil {
			return err
		}
		if h.Origin != "found" {
			return fmt.Errorf("pybake wheels %s: %s though nothing changed", set.lock(), h.Origin)
		}
		b.nothing.Pybake = append(b.nothing.Pybake, took)
	}
	return t.check()
}

// unpinned measures pybake where nothing is pinned of what builds the sdists.
func (b *wheelsBench) unpinned(ctx context.Context, set *wheelsSet) error {
	p, err := b.place(ctx)
	if err != nil {
		return err
	}
	err = project.Update(filepath.Join(p.project(), project.LockFile), func(l *project.Lock) error {
		l.Builds = nil
		return nil
	})
	if err != nil {
		return err
	}
	_, wheels, _, err := b.timed(ctx, p, set)
	set.unpinned = append(set.unpinned, wheels)
	return err
}

// withSymbols measures pybake where debug symbols are made and kept.
func (b *wheelsBench) withSymbols(ctx context.Context, set *wheelsSet) error {
	p, err := b.place(ctx)
	if err != nil {
		return err
	}
	_, wheels, _, err := b.timed(ctx, p, set, "--frozen", symbolsFlag)
	set.detached = append(set.detached, wheels)
	return err
}
