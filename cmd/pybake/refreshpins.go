package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/internal/refresh/repin"
	"github.com/pybake/pybake/internal/refresh/watch"
	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
)

// movePins finds out what the pins would be today, and then changes them in one step.
// In a dry run the changed pins are a file of their own, which forget removes. What
// cannot be looked at keeps its pins, and is trouble of the night.
func (r *refreshRun) movePins(ctx context.Context) (forget func(), err error) {
	forget = func() {}
	pins, err := r.pins.Read()
	if err != nil {
		return forget, err
	}
	r.addReleases(pins)
	wants, err := refresh.Wants(r.set, r.project.Matrix.Pythons)
	if err != nil {
		return forget, &advised{r.project.At("matrix.pythons", err), statusUsage, ""}
	}
	chosen, err := r.updates(pins, wants)
	if err != nil {
		return forget, err
	}
	var changes []func(*project.Lock)
	releases := r.lookReleases(ctx, pins, slices.DeleteFunc(slices.Clone(wants), func(w string) bool { return !chosen.series(w) }))
	for _, pin := range releases {
		changes = append(changes, func(l *project.Lock) { l.SetPython(pin) })
	}
	moved, err := r.lookDistros(ctx, pins, wants, chosen)
	if err != nil {
		return forget, err
	}
	for _, m := range moved {
		changes = append(changes, m.Apply)
	}
	for _, name := range chosen.builds {
		changes = append(changes, func(l *project.Lock) { l.UnpinBuild(name) })
		r.moves = append(r.moves, "build requirements of "+name+" are resolved anew")
	}
	for _, m := range r.moves {
		if !r.flags.dryRun {
			r.a.display.Note("%s", m)
		}
	}
	if len(changes) == 0 {
		return forget, nil
	}
	if r.flags.dryRun {
		return r.pinsOnTrial(pins, changes)
	}
	return forget, r.pins.Update(func(l *project.Lock) error {
		for _, change := range changes {
			change(l)
		}
		return nil
	})
}

// pinsOnTrial puts changed pins into a file that lives as long as the run.
func (r *refreshRun) pinsOnTrial(pins *project.Lock, changes []func(*project.Lock)) (forget func(), err error) {
	dir, err := os.MkdirTemp("", "pybake-plan-")
	if err != nil {
		return func() {}, err
	}
	forget = func() { os.RemoveAll(dir) }
	trial := filepath.Join(dir, project.LockFile)
	if err := pins.Write(trial); err != nil {
		return forget, err
	}
	r.pins = &project.Pins{Path: trial}
	return forget, r.pins.Update(func(l *project.Lock) error {
		for _, change := range changes {
			change(l)
		}
		return nil
	})
}

// updating is what --update names.
type updating struct {
	all    bool
	names  []string // series, distros, owners
	builds []string
}

func (u *updating) series(want string) bool { return u.all || slices.Contains(u.names, want) }

// pin is whether a pin of a distro may move. With the base image all sets do that stand
// on it: they are what it lacks.
func (u *updating) pin(codename, _, who string) bool {
	return u.all || slices.Contains(u.names, codename) || slices.Contains(u.names, repin.Base) || slices.Contains(u.names, who)
}

// updates checks what --update names.
func (r *refreshRun) updates(pins *project.Lock, wants []string) (*updating, error) {
	u := &updating{all: len(r.flags.update) == 0}
	known := slices.Concat(wants, r.project.Matrix.Distros, []string{repin.Base})
	for _, set := range slices.Concat(pins.Builders, pins.Runtimes) {
		known = append(known, set.For)
	}
	for _, name := range r.flags.update {
		if pkg, ok := strings.CutPrefix(name, "build:"); ok {
			if !slices.ContainsFunc(pins.Builds, func(b project.BuildPin) bool { return b.Name == pkg }) {
				return nil, usagef("", "--update %s: pybake.lock has no build requirements of it", name)
			}
			u.builds = append(u.builds, pkg)
			continue
		}
		if !slices.Contains(known, name) {
			hint := ""
			if near := strict.Near(name, known); len(near) > 0 {
				hint = corrected(r.a.args, name, near[0], "")
			}
			return nil, usagef(hint, "--update %s: want a series or a distro of [matrix], %q, an owner of packages in pybake.lock or build:PACKAGE", name, repin.Base)
		}
		u.names = append(u.names, name)
	}
	return u, nil
}

// lookReleases are the pins of series that have a newer release, or none yet.
func (r *refreshRun) lookReleases(ctx context.Context, pins *project.Lock, wants []string) (moved []project.PythonPin) {
	var series []string
	for _, w := range wants {
		if s, err := r.set.Series(w); err == nil {
			series = append(series, w)
			for _, note := range watch.EndOfLife([]recipes.Series{s}, r.a.sys.now()) {
				r.notes = append(r.notes, "Python "+note)
			}
		}
	}
	if len(series) == 0 {
		return nil
	}
	// Where the project names the places, what they have is all there is: a mirror may
	// be behind the table.
	named := r.project.Refresh.Releases != nil
	found := r.watchFor(ctx, series, func(version string) bool {
		if named {
			pin, ok := pins.Python(refresh.SeriesOf(version))
			return ok && recipes.Compare(version, pin.Version) <= 0
		}
		_, err := r.set.Release(version)
		return err == nil
	})
	if !named {
		for _, s := range series {
			for _, release := range r.set.Releases(s) {
				found = append(found, watch.Found{Release: release, From: fromTable})
			}
		}
	}
	for _, s := range series {
		pin, ok := r.choose(pins, s, found)
		if !ok {
			continue
		}
		former, known := pins.Python(s)
		if pin == former {
			continue
		}
		moved = append(moved, pin)
		switch {
		case pin.Version == former.Version: // only what waits is another
		case known:
			r.moves = append(r.moves, fmt.Sprintf("python %s: %s → %s (%s)", s, former.Version, pin.Version, pin.From))
		default:
			r.moves = append(r.moves, fmt.Sprintf("python %s is %s (%s)", s, pin.Version, pin.From))
		}
	}
	return moved
}

// fromTable is where a release is from that pybake itself knows, and has for long.
const fromTable = "the table of pybake"

// watchFor asks the places of releases.
func (r *refreshRun) watchFor(ctx context.Context, series []string, known func(string) bool) []watch.Found {
	downloads, err := r.a.downloadDir()
	if err != nil {
		r.trouble = append(r.trouble, err)
		return nil
	}
	w := &watch.Watcher{
		HTTP: r.a.httpClient(), Fetcher: &fetch.Fetcher{Cache: downloads}, Report: r.a.display, Now: r.a.sys.now, Sigstore: r.a.sigstore(),
	}
	for _, place := range r.project.Refresh.Releases {
		if !strings.Contains(place, "://") && !filepath.IsAbs(place) {
			place = filepath.Join(r.project.Root, place)
		}
		w.Places = append(w.Places, place)
	}
	if r.project.Refresh.Releases != nil && len(w.Places) == 0 {
		return nil
	}
	if w.Signers, err = recipes.LoadSigners(r.project.Recipes()); err != nil {
		r.trouble = append(r.trouble, err)
		return nil
	}
	found, errs := w.Look(ctx, series, known)
	r.trouble = append(r.trouble, errs...)
	return found
}

// choose is what a series is pinned to by what was found: never to less than before.
func (r *refreshRun) choose(pins *project.Lock, series string, found []watch.Found) (project.PythonPin, bool) {
	now := r.a.sys.now()
	pin, known := pins.Python(series)
	var candidates []watch.Candidate
	for _, f := range found {
		if f.Series != series || known && recipes.Compare(f.Version, pin.Version) <= 0 {
			continue
		}
		c := watch.Candidate{Version: f.Version, Released: f.Released}
		if since, err := time.Parse(time.RFC3339, pin.NextSince); err == nil && pin.Next == f.Version {
			c.FirstSeen = since
		} else if f.From != fromTable {
			c.FirstSeen = now
		}
		candidates = append(candidates, c)
	}
	cooldown := time.Duration(r.project.Refresh.Cooldown)
	if !known {
		cooldown = 0 // there is nothing older to go on with
	}
	taken, waiting, err := watch.Choose(series, candidates, cooldown, now)
	if err != nil { // there is none
		if !known {
			r.trouble = append(r.trouble, err)
		}
		return pin, known
	}
	pin.Want, pin.Next, pin.NextSince = series, "", ""
	if waiting.Version != "" {
		pin.Next, pin.NextSince = waiting.Version, waiting.FirstSeen.UTC().Format(time.RFC3339)
		r.notes = append(r.notes, fmt.Sprintf("Python %s is out, and is taken after its cooldown of %s.", waiting.Version, r.project.Refresh.Cooldown))
	}
	if taken.Version != "" {
		i := slices.IndexFunc(found, func(f watch.Found) bool { return f.Version == taken.Version })
		f := found[i]
		pin.Version, pin.XZ, pin.TGZ, pin.From, pin.Proof = f.Version, f.XZ, f.TGZ, r.inProject(f.From), r.inProject(f.Proof)
	}
	return pin, pin.Version != ""
}

// inProject is a text with the paths of the project's own files as they are below its
// directory: pybake.lock is committed, and read elsewhere.
func (r *refreshRun) inProject(text string) string {
	return strings.ReplaceAll(text, r.project.Root+string(filepath.Separator), "")
}

// sigstore checks a bundle with the program of this machine that can; nil: there is none.
func (a *app) sigstore() func(ctx context.Context, file, bundle, identity, issuer string) error {
	for _, name := range []string{"cosign", "sigstore"} {
		program := a.lookPath(name)
		if program == "" {
			continue
		}
		return func(ctx context.Context, file, bundle, identity, issuer string) error {
			argv, err := watch.SigstoreCommand(name, file, bundle, identity, issuer)
			if err != nil {
				return err
			}
			out, err := exec.CommandContext(ctx, program, argv[1:]...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w: %s", name, err, truncate(clean(out), 400))
			}
			return nil
		}
	}
	return nil
}

// lookDistros asks the distros what their pins would be.
func (r *refreshRun) lookDistros(ctx context.Context, pins *project.Lock, wants []string, chosen *updating) (all []*repin.Moved, err error) {
	if len(chosen.builds) > 0 && len(chosen.names) == 0 {
		return nil, nil
	}
	var moves []repin.Move
	for _, codename := range r.distros() {
		d, err := r.set.Distro(codename)
		if err != nil {
			continue // Cells says where
		}
		t := distro.Target{Distro: d, Arch: debianArch(runtime.GOARCH)}
		if _, ok := pins.Base(codename, t.Arch); !ok {
			continue // nothing is pinned yet
		}
		only := func(kind, who string) bool { return chosen.pin(codename, kind, who) && r.needed(wants, who) }
		if !slices.ContainsFunc(pinOwners(pins, codename), func(o [2]string) bool { return only(o[0], o[1]) }) {
			continue
		}
		m, err := r.connect(ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			r.trouble = append(r.trouble, fmt.Errorf("pins of the distros: %w", err))
			return all, nil
		}
		moved, err := (&repin.Mover{Distros: m, Report: r.a.display}).Look(ctx, pins, t, only)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			r.trouble = append(r.trouble, fmt.Errorf("pins of %s: %w", codename, err))
			continue
		}
		for _, f := range moved.Failed {
			r.notes = append(r.notes, f.String())
		}
		all, moves = append(all, moved), append(moves, moved.Moves...)
	}
	for _, m := range moves {
		r.moves = append(r.moves, m.String())
	}
	return all, nil
}

// pinOwners are the pins of a distro, by kind and in whose name.
func pinOwners(pins *project.Lock, codename string) [][2]string {
	all := [][2]string{{repin.Base, ""}}
	for _, s := range pins.Builders {
		if s.Distro == codename {
			all = append(all, [2]string{repin.Builder, s.For})
		}
	}
	for _, s := range pins.Runtimes {
		if s.Distro == codename {
			all = append(all, [2]string{repin.Runtime, s.For})
		}
	}
	return all
}

// distros are those of the matrix and of its images.
func (r *refreshRun) distros() []string {
	all := slices.Clone(r.project.Matrix.Distros)
	for _, one := range r.project.AllImages() {
		if d := one.Distro(r.project); d != "" && !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	return all
}

// needed is whether something of the matrix pins in somebody's name: not one of a
// series, a lock or an image that is no longer in it.
func (r *refreshRun) needed(wants []string, who string) bool {
	words := strings.Fields(who)
	if len(words) < 2 {
		return true
	}
	series := func(s string) bool {
		if slices.ContainsFunc(wants, func(w string) bool { return refresh.SeriesOf(w) == s }) {
			return true
		}
		for _, one := range r.project.AllImages() { // which may have a Python of its own
			if one.Python == "" || refresh.SeriesOf(one.Python) == s {
				return true
			}
		}
		return false
	}
	switch words[0] {
	case refresh.KindPython:
		return series(words[1])
	case refresh.KindWheels:
		if _, err := r.set.Series(words[1]); err == nil { // a toolchain
			return series(words[1])
		}
		return series(words[len(words)-1])
	case refresh.KindImage:
		_, ok := r.project.ImageNamed(words[1])
		return ok
	}
	return true
}
