package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
)

// refreshFlags are the flags of pybake refresh.
type refreshFlags struct {
	dryRun   bool
	dot      bool
	frozen   bool
	update   []string
	deadline time.Duration
	jobs     int
	publish  bool // publish what is there; build nothing
}

func (a *app) refreshCommand() *cobra.Command {
	var f refreshFlags
	var deadline string
	cmd := &cobra.Command{
		Use:   "refresh",
		Short: "Move pins, rebuild what is stale, check, publish and report",
		Long: `Refresh brings everything that [matrix] of pybake.toml names up to date: Pythons,
the houses of locks for each of them, and images. It is what runs every night.

First the pins of pybake.lock move: a series of CPython to its newest release,
once that is out for the cooldown of [refresh]; base images, toolchains and what
houses and images install of the distros to what the distros have today. With
--frozen none moves, and none is added. --update moves one alone: a series
(3.13), a distro (trixie), an owner in pybake.lock (python 3.13, base, image
web), or the build requirements of a package (build:psycopg2), which move only
so.

Then every artifact of which an input changed is built anew, independent ones at
once, within the cores of this machine and memory and disk of [refresh]. What
fails ends nothing but what needs it. CPython's own test suite has to pass on
every Python, unless checks of [refresh] is "quick". In the end all is published
together, as pybake publish does: what could not be built stays as it was, marked
stale. Last comes the report, in report/ of the published directory, and on
failure the command and the webhook of [refresh].

A night that was killed is resumed by the next. Two never overlap. Exit status
1 if anything failed, or if pins could not be looked at.

With --json: the night, as in report/night.json. With --dry-run --json:
{"cells": [{"cell", "kind", "needs", "state": "fresh"|"due"|"failed"|"skipped",
"reasons", "error"}], "moves", "notes"}.`,
		Example: `  pybake refresh --dry-run
  pybake refresh
  pybake refresh --deadline 6h
  pybake refresh --update trixie
  pybake refresh --dry-run --dot | dot -Tsvg > plan.svg`,
		Args: wantArgs(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if deadline != "" {
				var d project.Duration
				if err := d.UnmarshalText([]byte(deadline)); err != nil {
					return usagef("pybake refresh --deadline 6h", "--deadline: %w", err)
				}
				if d == 0 {
					return usagef("pybake refresh --deadline 6h", "--deadline %s leaves no time for anything", deadline)
				}
				f.deadline = time.Duration(d)
			}
			return a.refresh(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "print what would be rebuilt, and why; change nothing")
	flags.BoolVar(&f.dot, "dot", false, "with --dry-run: print the plan for Graphviz")
	flags.BoolVar(&f.frozen, "frozen", false, "move no pin, and fail where one is missing")
	flags.StringArrayVar(&f.update, "update", nil, "move the pins of that `name` only; may be repeated")
	flags.StringVar(&deadline, "deadline", "", "start nothing that will not be done so long after the start: `6h`, 90m (default: pybake.toml's)")
	flags.IntVarP(&f.jobs, "jobs", "j", 0, "`processes` at once in each build (default: the engine's cores)")
	return cmd
}

func (a *app) refresh(ctx context.Context, f refreshFlags) (err error) {
	switch {
	case f.frozen && len(f.update) > 0:
		return usagef("", "--frozen and --update exclude each other")
	case a.flags.offline && len(f.update) > 0:
		return usagef("", "--offline and --update exclude each other")
	case f.dot && !f.dryRun:
		return usagef("pybake refresh --dry-run --dot", "--dot prints a plan: it goes with --dry-run")
	}
	r, err := a.newRefreshRun(f)
	if err != nil {
		return err
	}
	defer func() { err = ended(err, r.done()) }()
	if f.dryRun {
		if err := r.readCurrent(); err != nil {
			return err
		}
		outcomes, err := r.look(ctx)
		if err != nil {
			return err
		}
		return r.printPlan(outcomes)
	}
	release, err := r.alone(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := errors.Join(r.readCurrent(), r.loadKeys()); err != nil {
		return err
	}
	outcomes, err := r.makeDue(ctx)
	if err != nil {
		if ctx.Err() == nil {
			err = errors.Join(append([]error{err}, r.alarmOf(ctx, err)...)...)
		}
		return err
	}
	return r.finish(ctx, outcomes)
}

// look moves the pins, on trial in a dry run, and looks at all cells.
func (r *refreshRun) look(ctx context.Context) ([]refresh.Outcome, error) {
	if !r.flags.frozen && !r.flags.publish && !r.a.flags.offline {
		forget, err := r.movePins(ctx)
		defer forget()
		if err != nil {
			return nil, err
		}
	}
	jobs, err := r.plan()
	if err != nil {
		return nil, err
	}
	return refresh.Plan(ctx, jobs)
}

// makeDue looks at all cells, and makes what is due.
func (r *refreshRun) makeDue(ctx context.Context) ([]refresh.Outcome, error) {
	planned, err := r.look(ctx)
	if err != nil || r.flags.publish || !slices.ContainsFunc(planned, func(o refresh.Outcome) bool { return o.State != refresh.Fresh }) {
		return planned, err
	}
	return r.build(ctx, planned)
}

// build makes what is due.
func (r *refreshRun) build(ctx context.Context, planned []refresh.Outcome) ([]refresh.Outcome, error) {
	c := r.project.Refresh
	lim := refresh.Limits{
		Cores: runtime.NumCPU(), Jobs: c.Jobs, Memory: totalMemory(), Planned: planned, Now: r.a.sys.now, Room: r.room, Told: r.tell,
		Fatal: func(err error) bool {
			return engine.IsGone(err) || engine.IsDiskFull(err) || errors.As(err, new(*engine.NoEngineError))
		},
	}
	if m, err := r.connect(ctx); err == nil { // else each cell says what is wrong
		if info, err := m.Engine.Info(ctx); err == nil {
			lim.Cores, lim.Memory = info.CPUs, info.Memory
		}
	}
	lim.Memory = cmp.Or(int64(c.Memory), lim.Memory*8/10)
	if limit := cmp.Or(r.flags.deadline, time.Duration(c.Deadline)); limit > 0 {
		lim.Deadline = r.began.Add(limit)
	}
	jobs := make([]refresh.Job, len(planned))
	for i, o := range planned {
		jobs[i] = o.Job
	}
	outcomes := refresh.Run(ctx, jobs, lim)
	if ctx.Err() != nil { // what was built stays in the store, for the next time
		return nil, context.Cause(ctx)
	}
	return outcomes, nil
}

// tell says on the screen what became of a cell.
func (r *refreshRun) tell(o refresh.Outcome) {
	name := strings.TrimSuffix(o.Name, " "+o.Arch)
	switch o.State {
	case refresh.Rebuilt:
		r.a.display.Note("%s: rebuilt in %s", name, exactly(o.Took))
	case refresh.Failed, refresh.Skipped:
		first, _, _ := strings.Cut(o.Err.Error(), "\n")
		r.a.display.Note("%s: %s: %s", name, o.State, first)
	}
}

// defaultRoom is the space that stays free where pybake.toml says nothing.
const defaultRoom = 2 << 30

// room is why there is too little space to build anything.
func (r *refreshRun) room() error {
	least := cmp.Or(int64(r.project.Refresh.Disk), defaultRoom)
	free, err := freeSpace(r.store.Dir())
	if err != nil || free >= least {
		return nil // a full disk will be told by who meets it
	}
	return &advised{fmt.Errorf("not begun: %s free beside the store, and %s shall stay free", bytesText(free), bytesText(least)),
		statusFailed, "pybake gc"}
}

// freeSpace is what an ordinary user can write to the file system of a directory, or
// of the nearest one above it that is there.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	for ; errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir; err = syscall.Statfs(dir, &s) {
		dir = filepath.Dir(dir)
	}
	return int64(s.Bavail) * s.Bsize, err
}

// totalMemory is that of this machine, in bytes; 0 if it is not known.
func totalMemory() int64 {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// plannedCell is a cell of refresh --dry-run --json.
type plannedCell struct {
	refresh.Cell
	State    refresh.State `json:"state"`
	Reasons  []string      `json:"reasons,omitempty"`
	Compared int           `json:"compared,omitempty"`
	Error    string        `json:"error,omitempty"`
}

type printedPlan struct {
	Cells []plannedCell `json:"cells"`
	Moves []string      `json:"moves"`
	Notes []string      `json:"notes"`
}

// printPlan prints what would be done.
func (r *refreshRun) printPlan(outcomes []refresh.Outcome) error {
	out := printedPlan{Cells: []plannedCell{}, Moves: append([]string{}, r.moves...), Notes: append([]string{}, r.notes...)}
	for _, o := range outcomes {
		c := plannedCell{Cell: o.Cell, State: o.State, Reasons: o.Reasons, Compared: o.Compared}
		if o.Err != nil {
			c.Error = o.Err.Error()
		}
		out.Cells = append(out.Cells, c)
	}
	var err error
	switch {
	case r.flags.dot:
		_, err = io.WriteString(r.a.sys.stdout, refresh.DOT(outcomes))
	case r.a.flags.json:
		err = r.a.printJSON(out)
	default:
		err = r.writePlan(out)
	}
	var failed []error
	for _, o := range outcomes {
		if o.State == refresh.Failed {
			failed = append(failed, fmt.Errorf("%s: %w", o.Name, o.Err))
		}
	}
	return r.failed(append(append(failed, r.trouble...), err)...)
}

func (r *refreshRun) writePlan(p printedPlan) error {
	for _, m := range p.Moves {
		r.a.display.Note("would move: %s", m)
	}
	for _, n := range p.Notes {
		r.a.display.Note("%s", n)
	}
	var rows [][]string
	due := 0
	for _, c := range p.Cells {
		why := ""
		switch {
		case c.Error != "":
			why, _, _ = strings.Cut(c.Error, "\n")
		case len(c.Reasons) > 0:
			why = c.Reasons[0]
			if more := len(c.Reasons) - 1; more > 0 {
				why += fmt.Sprintf("; and %d more", more)
			}
		case c.State == refresh.Fresh:
			why = countText(c.Compared, "input") + " compared, none changed"
		}
		if c.State == refresh.Due {
			due++
		}
		rows = append(rows, []string{string(c.State), c.Name, why})
	}
	if err := table(r.a.sys.stdout, rows); err != nil {
		return err
	}
	r.a.display.Note("%d of %s would be rebuilt", due, countText(len(p.Cells), "artifact"))
	return nil
}
