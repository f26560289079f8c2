package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts/publish"
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

Machines that have installed a newer package keep it; new ones get the older.

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

func (a *app) rollback(ctx context.Context, number int, list bool) error {
	r, err := a.newRefreshRun(refreshFlags{})
	if err != nil {
		return err
	}
	all, err := r.dir.Generations()
	if err != nil {
		a.display.Note("%v", err)
	}
	if list {
		return a.printGenerations(all)
	}
	if r.current == nil {
		return usagef("pybake refresh", "nothing is published yet")
	}
	var to *publish.Generation
	for _, g := range all { // newest first
		if number == 0 && g.Number < r.current.Number && g.Content != r.current.Content || g.Number == number {
			to = g
			break
		}
	}
	switch {
	case to == nil && number > 0:
		return usagef("pybake rollback --list", "there is no generation %d any more", number)
	case to == nil:
		return usagef("pybake rollback --list", "there is no earlier generation with other contents")
	case to.Content == r.current.Content:
		return usagef("pybake rollback --list", "generation %d has the same contents as what is published", to.Number)
	}
	release, err := r.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := r.loadKeys(); err != nil {
		return err
	}
	of := r.release(to.Set)
	of.Of = to.Number
	made, err := r.dir.Publish(ctx, of)
	if err != nil {
		return fmt.Errorf("roll back to generation %d: %w", to.Number, err)
	}
	if a.flags.json {
		return a.printJSON(printedGeneration(made))
	}
	a.display.Note("generation %d has the contents of generation %d of %s", made.Number, to.Number, to.Date.UTC().Format(time.DateTime))
	_, err = fmt.Fprintln(a.sys.stdout, made.Dir)
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
