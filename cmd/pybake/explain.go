package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/internal/refresh/report"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ARTIFACT",
		Short: "Say why an artifact of the matrix is kept or built anew",
		Long: `Explain says of one cell of [matrix] whether it is up to date by today's pins,
and why: the inputs that changed, old and new, or how many were compared and
found the same; what is published of it, and what the last night did. It asks
neither network nor engine, and moves no pin.

ARTIFACT is the name of a cell as refresh --dry-run prints it, of the artifact
itself, its key, or any part of a name that only one cell has. --verbose lists
every input.

With --json: {"cell", "state", "reasons", "compared", "inputs", "published",
"lastNight"}.`,
		Example: `  pybake explain "python 3.13 trixie"
  pybake explain "requirements.lock 3.13 bookworm" --verbose
  pybake explain web`,
		Args: wantArgs(1, 1, "ARTIFACT"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.explain(cmd.Context(), args[0]) },
	}
}

// explained is what explain --json prints.
type explained struct {
	plannedCell
	Inputs    []artifacts.Input `json:"inputs"` // that the artifact was made from; of the last one, if it is due
	Published *publishedOf      `json:"published"`
	LastNight *report.Artifact  `json:"lastNight"`
	Steps     []artifacts.Step  `json:"steps,omitempty"`
	Checks    []artifacts.Check `json:"checks,omitempty"`

	made *artifacts.Artifact `json:"-"`
}

type publishedOf struct {
	Name       string        `json:"name"`
	Key        artifacts.Key `json:"key"`
	Generation int           `json:"generation"`
	Finished   time.Time     `json:"finished"`
	Since      time.Time     `json:"staleSince,omitzero"`
	Why        string        `json:"staleWhy,omitempty"`
}

func (a *app) explain(ctx context.Context, ref string) error {
	r, err := a.newRefreshRun(refreshFlags{})
	if err != nil {
		return err
	}
	if err := r.readCurrent(); err != nil {
		return err
	}
	jobs, err := r.plan()
	if err != nil {
		return err
	}
	outcomes, err := refresh.Plan(ctx, jobs)
	if err != nil {
		return err
	}
	o, err := r.meant(outcomes, ref)
	if err != nil {
		return err
	}
	e := r.explained(o)
	if a.flags.json {
		return a.printJSON(e)
	}
	var b strings.Builder
	a.writeExplained(&b, e)
	_, err = io.WriteString(a.sys.stdout, b.String())
	return err
}

// meant is the cell that a person means.
func (r *refreshRun) meant(outcomes []refresh.Outcome, ref string) (refresh.Outcome, error) {
	var names []string
	var found []refresh.Outcome
	for _, o := range outcomes {
		e := refresh.Former(r.former, o.Name)
		if o.Name == ref || o.Artifact != nil && o.Artifact.Name == ref ||
			len(ref) >= 6 && (e != nil && strings.HasPrefix(string(e.Key), ref) || o.Artifact != nil && strings.HasPrefix(string(o.Artifact.Key), ref)) {
			return o, nil
		}
		if strings.Contains(o.Name, ref) || o.Artifact != nil && strings.Contains(o.Artifact.Name, ref) {
			found, names = append(found, o), append(names, o.Name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return refresh.Outcome{}, usagef("pybake refresh --dry-run", "%s: no cell of the matrix has that in its name", ref)
	}
	return refresh.Outcome{}, usagef("", "%s may be any of %d:\n%s", ref, len(names), strings.Join(names, "\n"))
}

func (r *refreshRun) explained(o refresh.Outcome) explained {
	e := explained{plannedCell: plannedCell{Cell: o.Cell, State: o.State, Reasons: o.Reasons, Compared: o.Compared}, Inputs: []artifacts.Input{}, made: o.Artifact}
	if o.Err != nil {
		e.Error = o.Err.Error()
	}
	if e.made == nil {
		e.made = r.lastOf(o.Cell)
	}
	if e.made != nil {
		e.Inputs, e.Steps, e.Checks = append(e.Inputs, e.made.Inputs...), e.made.Steps, e.made.Checks
	}
	if p := refresh.Former(r.former, o.Name); p != nil {
		e.Published = &publishedOf{Name: p.Name, Key: p.Key, Generation: r.current.Number, Finished: p.Finished}
		if p.Stale != nil {
			e.Published.Since, e.Published.Why = p.Stale.Since, p.Stale.Why
		}
	}
	if nights, err := refresh.LoadNights(r.nightsDir(), 1); err == nil && len(nights) == 1 {
		if i := slices.IndexFunc(nights[0].Artifacts, func(one report.Artifact) bool { return one.Name == o.Name }); i >= 0 {
			e.LastNight = &nights[0].Artifacts[i]
		}
	}
	return e
}

func (a *app) writeExplained(w io.Writer, e explained) {
	fmt.Fprintln(w, e.Name)
	switch e.State {
	case refresh.Fresh:
		fmt.Fprintf(w, "  up to date: %s compared, none changed since %s\n", countText(e.Compared, "input"), e.made.Finished.UTC().Format(time.DateTime))
	case refresh.Due:
		fmt.Fprintf(w, "  would be built anew, because\n")
		for _, reason := range e.Reasons {
			fmt.Fprintf(w, "    %s\n", reason)
		}
	default:
		fmt.Fprintf(w, "  %s: %s\n", e.State, e.Error)
	}
	if p := e.Published; p != nil {
		fmt.Fprintf(w, "  published: %s %s, made %s, in generation %d\n", p.Name, p.Key.Short(), p.Finished.UTC().Format(time.DateTime), p.Generation)
		if !p.Since.IsZero() {
			fmt.Fprintf(w, "  stale since %s: %s\n", p.Since.UTC().Format(time.DateTime), p.Why)
		}
	} else {
		fmt.Fprintln(w, "  not published")
	}
	if n := e.LastNight; n != nil {
		fmt.Fprintf(w, "  last night: %s\n", n.State)
		for _, reason := range n.Reasons {
			fmt.Fprintf(w, "    %s\n", reason)
		}
		if n.Error != "" {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(n.Error, "\n", "\n    "))
		}
	}
	if a.flags.verbose {
		section(w, "inputs", len(e.Inputs), func(i int) []string {
			in := e.Inputs[i]
			return []string{in.Name, oneLine(in.Value), in.Note}
		})
	}
}
