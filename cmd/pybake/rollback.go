package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/internal/refresh/report"
)

func (a *app) rollbackCommand() *cobra.Command {
	var list bool
	cmd := &cobra.Command{
		Use:   "rollback [GENERATION]",
		Short: "Publish what an earlier generation had",
		Long: `Rollback publishes the contents of an earlier generation once more, as a new one:
the last that had other contents than the current one, or the one with that
number. It is signed anew, because apt takes no index that is older than the one
it has. Nothing is built. The next refresh publishes today's artifacts again:
pin in pybake.toml, or take out of it, what was wrong.

It waits for no night that is under way, and reads neither pins nor matrix. The
report says from then on that this was done.

Machines that have installed a newer package keep it; new ones get the older.
Tags of images in a registry stay where they are: move those by hand.

With --json: {"number", "of", "date", "content", "current", "artifacts",
"stale"}; with --list a list of these.`,
		Example: `  pybake rollback --list
  pybake rollback
  pybake rollback 7`,
		Args: wantArgs(0, 1, "GENERATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			number := 0
			if len(args) > 0 {
				var err error
				if number, err = strconv.Atoi(args[0]); err != nil || number < 1 {
					return usagef("pybake rollback --list", "%s is no generation: want a number", args[0])
				}
			}
			return a.rollback(cmd.Context(), number, list)
		},
	}
	cmd.Flags().BoolVarP(&list, "list", "l", false, "list the generations that there are")
	return cmd
}

// rollback needs of a project what [publish] says, and neither its matrix, its pins nor
// its artifacts: they may be what is wrong.
func (a *app) rollback(ctx context.Context, number int, list bool) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	if p.Root == "" {
		return usagef("pybake init", "there is no pybake.toml here or above, and it says where things are published")
	}
	dir, err := publish.Open(p.Publication.Dir)
	if err != nil {
		return &advised{err, statusUsage, ""}
	}
	dir.Waiting = func(holder string) { a.display.Note("waiting for another writer of %s: %s", a.near(dir.Dir), holder) }
	all, err := dir.Generations()
	if err != nil {
		a.display.Note("%v", err)
	}
	if list {
		return a.printGenerations(all)
	}
	to, err := a.rollbackTo(dir, all, number)
	if err != nil {
		return err
	}
	storeDir, err := a.storeDir()
	if err != nil {
		return err
	}
	keys, err := a.signingKeys(p, storeDir, dir.Dir)
	if err != nil {
		return err
	}
	again := publicationOf(p.Publication, to.Set, keys)
	again.Of = to.Number
	made, err := dir.Publish(ctx, again)
	if err != nil {
		return fmt.Errorf("roll back to generation %d: %w", to.Number, err)
	}
	for _, warning := range made.Warnings {
		a.display.Note("%s", warning)
	}
	if err = a.reportRollback(ctx, dir, refresh.NightsDir(storeDir, a.path(p.Root)), made); err != nil {
		err = fmt.Errorf("generation %d is published; its report is not: %w", made.Number, err)
	}
	return errors.Join(a.printRollback(made, to), err)
}

// rollbackTo is the generation with a number, or the last that had other contents than
// the current one.
func (a *app) rollbackTo(dir *publish.Directory, all []*publish.Generation, number int) (*publish.Generation, error) {
	current, err := dir.Current()
	damaged, isDamaged := errors.AsType[*publish.DamagedError](err)
	switch {
	case errors.Is(err, publish.ErrNone):
		return nil, usagef("pybake refresh", "nothing is published yet")
	case isDamaged: // every other has other contents
		current = &publish.Generation{Number: damaged.Number}
	case err != nil:
		return nil, &advised{err, statusFailed, "pybake verify " + a.near(dir.Dir)}
	}
	i := slices.IndexFunc(all, func(g *publish.Generation) bool { // newest first
		return number == 0 && g.Number < current.Number && g.Content != current.Content || g.Number == number
	})
	switch {
	case i < 0 && number > 0:
		return nil, usagef("pybake rollback --list", "there is no generation %d any more", number)
	case i < 0:
		return nil, usagef("pybake rollback --list", "there is no earlier generation with other contents")
	case all[i].Content == current.Content:
		return nil, usagef("pybake rollback --list", "generation %d has the same contents as what is published", number)
	}
	return all[i], nil
}

// reportRollback publishes the report of the last night anew: it says what is published
// now. Logs stay.
func (a *app) reportRollback(ctx context.Context, dir *publish.Directory, nightsDir string, made *publish.Generation) error {
	nights, err := refresh.LoadNights(nightsDir, report.History)
	if err != nil {
		return err
	}
	if len(nights) == 0 {
		a.display.Note("the report stays as it is: the store has no record of a night of this project")
		return nil
	}
	refresh.RollBack(&nights[0], made)
	if err := refresh.SaveNight(nightsDir, nights[0]); err != nil {
		return err
	}
	files, err := report.Files(nights)
	if err != nil {
		return err
	}
	var all []publish.File
	for _, f := range files {
		all = append(all, publish.File{Path: f.Path, Data: f.Data})
	}
	logs := os.DirFS(filepath.Join(dir.Dir, "report"))
	names, _ := fs.Glob(logs, "logs/*")
	for _, name := range names {
		if text, err := fs.ReadFile(logs, name); err == nil {
			all = append(all, publish.File{Path: name, Data: text})
		}
	}
	return dir.Report(ctx, all)
}

func (a *app) printRollback(made, to *publish.Generation) error {
	if a.flags.json {
		return a.printJSON(printedGeneration(made))
	}
	a.display.Note("generation %d has the contents of generation %d of %s", made.Number, to.Number, to.Date.UTC().Format(time.DateTime))
	_, err := fmt.Fprintln(a.sys.stdout, made.Dir)
	return err
}

// shownGeneration is what rollback --json prints.
type shownGeneration struct {
	Number    int       `json:"number"`
	Of        int       `json:"of,omitempty"`
	Date      time.Time `json:"date"`
	Content   string    `json:"content"`
	Current   bool      `json:"current"`
	Artifacts int       `json:"artifacts"`
	Stale     int       `json:"stale"`
}

func printedGeneration(g *publish.Generation) shownGeneration {
	s := shownGeneration{Number: g.Number, Of: g.Of, Date: g.Date, Content: g.Content, Current: g.Current, Artifacts: len(g.Set.Entries)}
	for _, e := range g.Set.Entries {
		if e.Stale != nil {
			s.Stale++
		}
	}
	return s
}

func (a *app) printGenerations(all []*publish.Generation) error {
	shown := []shownGeneration{}
	var rows [][]string
	for _, g := range all {
		s := printedGeneration(g)
		shown = append(shown, s)
		row := []string{strconv.Itoa(s.Number), s.Date.UTC().Format(time.DateTime), countText(s.Artifacts, "artifact"), "", ""}
		if s.Stale > 0 {
			row[2] += fmt.Sprintf(", %d stale", s.Stale)
		}
		if s.Of > 0 {
			row[3] = fmt.Sprintf("as %d", s.Of)
		}
		if s.Current {
			row[4] = "published now"
		}
		rows = append(rows, row)
	}
	if a.flags.json {
		return a.printJSON(shown)
	}
	if len(all) == 0 {
		return errors.New("nothing is published yet")
	}
	return table(a.sys.stdout, rows)
}
