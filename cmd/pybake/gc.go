package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/refresh"
)

// keepNights is how many records of nights of a project stay.
const keepNights = 400

// gcFlags are the flags of pybake gc.
type gcFlags struct {
	keep   int
	dryRun bool
}

func (a *app) gcCommand() *cobra.Command {
	var f gcFlags
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what no kept generation needs",
		Long: `Gc removes from the published directory the generations beyond those that are
kept, and the files that none of the others has; and from the store the
artifacts that only those were made of, drafts of runs that were killed, old
logs, older artifacts of the same names, and records of nights beyond 400.

What is published stays, and so does everything that a kept generation needs, is
younger than an hour, or that a stable name of the store points at. While a
refresh runs, nothing is removed; and no artifact while a generation that is
kept cannot be read, which is said. With --json: {"dryRun", "removed": [{"kind",
"name", "size"}]}.`,
		Example: `  pybake gc --dry-run
  pybake gc --keep 2`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.gc(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.keep, "keep", 0, "how many generations of other contents to keep (default: pybake.toml's, else 5)")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be removed and remove nothing")
	return cmd
}

func (a *app) gc(ctx context.Context, f gcFlags) error {
	if f.keep < 0 {
		return usagef("pybake gc --keep 1", "--keep %d: at least one generation stays", f.keep)
	}
	r, err := a.newRefreshRun(refreshFlags{})
	if err != nil {
		return err
	}
	keep := r.project.Publication.Keep
	if f.keep > 0 {
		keep = f.keep
	}
	release, err := r.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	if _, err := r.dir.Current(); err != nil && !errors.Is(err, publish.ErrNone) {
		return &advised{err, statusFailed, "pybake publish"}
	}
	before := needsOf(r.dir, nil)
	pruned, err := r.dir.Prune(ctx, keep, a.sys.now(), f.dryRun)
	if errors.As(err, new(*publish.DamagedError)) {
		a.display.Note("%v", err)
	} else if err != nil {
		return err
	}
	var all []garbage
	for _, p := range pruned {
		all = append(all, garbage{p.Kind, p.Path, p.Size, func(context.Context) error { return nil }}) // it is gone
	}
	stored, err := a.storeGarbage(1, pruned...)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, g := range stored {
		seen[g.Name] = true
	}
	for _, g := range r.unpublished(before, needsOf(r.dir, pruned)) {
		if !seen[g.Name] {
			stored = append(stored, g)
		}
	}
	nights, err := r.nightGarbage()
	if err != nil {
		return err
	}
	return a.remove(ctx, slices.Concat(all, stored, nights), f.dryRun)
}

// unpublished are the artifacts that only generations were made of that are gone, or
// going in a dry run.
func (r *refreshRun) unpublished(before, after needs) (all []garbage) {
	found, _ := r.store.List()
	for _, it := range found {
		if before.keys[it.Key] && !after.has(it.Key) && !isNamed(r.store, it) {
			all = append(all, artifactGarbage(r.store, it))
		}
	}
	return all
}

// nightGarbage are the records of nights beyond those that are kept.
func (r *refreshRun) nightGarbage() (all []garbage, err error) {
	files, err := refresh.OldNights(r.nightsDir(), keepNights)
	for _, file := range files {
		size, err := sizeOf(file)
		if err != nil {
			return nil, err
		}
		all = append(all, garbage{"night", file, size, func(context.Context) error { return os.Remove(file) }})
	}
	return all, err
}

// needs are the artifacts that generations were made of, which can be rolled back to.
type needs struct {
	keys    map[artifacts.Key]bool
	unknown error // generations that cannot be read: they may be made of any
}

func (n needs) has(key artifacts.Key) bool { return n.unknown != nil || n.keys[key] }

// needsOf are the needs of the generations of a directory, without those that were
// removed, or would be.
func needsOf(dir *publish.Directory, removed []publish.Removed) needs {
	gone := map[string]bool{}
	for _, r := range removed {
		gone[r.Path] = true
	}
	isGone := func(number int) bool { return gone[fmt.Sprintf("generations/%06d", number)] }
	all, err := dir.Generations()
	n := needs{keys: map[artifacts.Key]bool{}}
	for _, g := range all {
		for _, e := range g.Set.Entries {
			if !isGone(g.Number) {
				n.keys[e.Key] = true
			}
		}
	}
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		if damaged, ok := errors.AsType[*publish.DamagedError](err); !ok || !isGone(damaged.Number) {
			n.unknown = errors.Join(n.unknown, err)
		}
	}
	return n
}

// needs are those of the generations of the project, if there is one.
func (a *app) needs(removed []publish.Removed) (needs, error) {
	p, err := a.project()
	if err != nil || p.Root == "" {
		return needs{}, err
	}
	dir, err := publish.Open(p.Publication.Dir)
	if err != nil {
		return needs{unknown: err}, nil
	}
	return needsOf(dir, removed), nil
}
