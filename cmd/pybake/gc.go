package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
)

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
logs, and older artifacts of the same names.

What is published stays, and so does everything that a kept generation needs, is
younger than an hour, or that a stable name of the store points at. While a
refresh runs, nothing is removed. With --json: {"dryRun", "removed": [{"kind",
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
	before, err := a.publishedKeys()
	if err != nil {
		return err
	}
	var all []garbage
	pruned, err := r.dir.Prune(ctx, keep, a.sys.now(), f.dryRun)
	if err != nil {
		return err
	}
	for _, p := range pruned {
		all = append(all, garbage{p.Kind, p.Path, p.Size, func(context.Context) error { return nil }}) // it is gone
	}
	stored, err := r.unpublished(before, pruned)
	if err != nil {
		return err
	}
	others, err := a.storeGarbage(1)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, g := range stored {
		seen[g.Name] = true
	}
	for _, g := range others {
		if !seen[g.Name] {
			stored = append(stored, g)
		}
	}
	return a.remove(ctx, append(all, stored...), f.dryRun)
}

// unpublished are the artifacts of generations that are gone, or going in a dry run,
// which no other generation has.
func (r *refreshRun) unpublished(before map[artifacts.Key]bool, pruned []publish.Removed) (all []garbage, err error) {
	going := map[string]bool{}
	for _, p := range pruned {
		going[p.Path] = true
	}
	left, err := r.dir.Generations()
	after := map[artifacts.Key]bool{}
	for _, g := range left {
		if going[filepath.Join("generations", filepath.Base(g.Dir))] {
			continue
		}
		for _, e := range g.Set.Entries {
			after[e.Key] = true
		}
	}
	if err != nil {
		return nil, fmt.Errorf("what the generations need is not known: %w", err)
	}
	found, _ := r.store.List()
	for _, it := range found {
		if before[it.Key] && !after[it.Key] {
			all = append(all, garbage{"artifact", it.Name + " " + it.Key.Short(), it.Size(),
				func(ctx context.Context) error { return r.store.Remove(ctx, it.Kind, it.Key) }})
		}
	}
	return all, nil
}

// publishedKeys are the artifacts of all generations of the project, which can be
// rolled back to.
func (a *app) publishedKeys() (map[artifacts.Key]bool, error) {
	keys := map[artifacts.Key]bool{}
	p, err := a.project()
	if err != nil || p.Root == "" {
		return keys, err
	}
	dir, err := publish.Open(p.Publication.Dir)
	if err != nil {
		return nil, err
	}
	all, err := dir.Generations()
	if err != nil && !errors.Is(err, publish.ErrNone) {
		return nil, err
	}
	for _, g := range all {
		for _, e := range g.Set.Entries {
			keys[e.Key] = true
		}
	}
	return keys, nil
}
