package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// cleanFlags are the flags of clean.
type cleanFlags struct {
	keep    int
	images  bool
	cache   bool
	foreign bool
	dryRun  bool
	yes     bool
}

func (a *app) cleanCommand() *cobra.Command {
	var f cleanFlags
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove leftovers, old images and old artifacts",
		Long: `Clean removes what pybake no longer needs, after saying what and how big it is
and asking:

  - containers and volumes of runs that were killed
  - drafts in the store of runs that were killed, and logs older than a week
  - base and builder images of which there is a newer one, unless pybake.lock
    leads to them
  - images of proved wheelhouses after 30 days, or when there is a newer one
  - artifacts beyond the newest 3 of each name
  - layers that no image has any more, and installed wheels that no layer was
    made of for 30 days

What running pybakes use stays, and while one runs, all downloads. An engine
that does not answer is left out, with a note. With --json: {"dryRun",
"removed": [{"kind", "name", "size"}]}; a size in bytes is -1 if it is not known.`,
		Example: `  pybake clean --dry-run
  pybake clean --yes --keep 1
  pybake clean --yes --images --cache`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.clean(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.keep, "keep", 3, "how many artifacts of each name to keep")
	flags.BoolVar(&f.images, "images", false, "remove all base and builder images; the next build makes them anew")
	flags.BoolVar(&f.cache, "cache", false, "remove the downloads; the next build fetches them anew")
	flags.BoolVar(&f.foreign, "foreign", false, "remove containers and volumes of other users and machines too, running or not")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be removed and remove nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) clean(ctx context.Context, f cleanFlags) (err error) {
	if f.keep < 1 {
		return usagef("pybake clean --keep 1", "--keep %d: at least one artifact of each name stays", f.keep)
	}
	var all []garbage
	e, err := a.connect(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		a.display.Note("containers, volumes and images are left out: %v", err)
	default:
		defer func() { err = errors.Join(err, e.Close(ctx)) }()
		if all, err = a.engineGarbage(ctx, e, f); err != nil {
			return err
		}
	}
	stored, err := a.storeGarbage(f.keep)
	if err != nil {
		return err
	}
	all = append(all, stored...)
	if f.cache {
		cached, err := a.cacheGarbage(e)
		if err != nil {
			return err
		}
		all = append(all, cached...)
	}
	if len(all) > 0 && !f.dryRun && !f.yes {
		if err := a.ask(ctx, all); err != nil {
			return err
		}
	}
	return a.remove(ctx, all, f.dryRun)
}

// remove removes all of it, as far as possible, and prints what is gone.
func (a *app) remove(ctx context.Context, all []garbage, dryRun bool) error {
	removed := []garbage{}
	var errs []error
	for _, g := range all {
		if !dryRun {
			if err := g.remove(ctx); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		removed = append(removed, g)
	}
	if a.flags.json {
		errs = append(errs, a.printJSON(struct {
			DryRun  bool      `json:"dryRun"`
			Removed []garbage `json:"removed"`
		}{dryRun, removed}))
		return errors.Join(errs...)
	}
	var rows [][]string
	for _, g := range removed {
		rows = append(rows, []string{g.Kind, g.Name, sizeText(g.Size)})
	}
	errs = append(errs, table(a.sys.stdout, rows))
	switch {
	case len(all) == 0:
		a.display.Note("nothing to remove")
	case dryRun:
		a.display.Note("would remove %s", sum(removed))
	default:
		a.display.Note("removed %s", sum(removed))
	}
	return errors.Join(errs...)
}

// sum is "4 things, 1.2 GB".
func sum(all []garbage) string {
	var size int64
	for _, g := range all {
		size += max(0, g.Size)
	}
	return countText(len(all), "thing") + ", " + bytesText(size)
}

func sizeText(size int64) string {
	if size < 0 {
		return "?"
	}
	return bytesText(size)
}

// ask asks whether to remove all of it; the error says that it was not granted.
func (a *app) ask(ctx context.Context, all []garbage) error {
	if !a.sys.asks {
		return usagef("pybake clean --yes", "nobody can be asked whether to remove %s", sum(all))
	}
	for _, g := range all {
		fmt.Fprintf(a.sys.stderr, "%-9s  %s  %s\n", g.Kind, g.Name, sizeText(g.Size))
	}
	fmt.Fprintf(a.sys.stderr, "remove %s? [y/N] ", sum(all))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.sys.stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		if line != "y" && line != "yes" {
			return errors.New("nothing was removed")
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
