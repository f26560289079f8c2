package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/wheels"
)

// wheelsFlags are the flags of pybake wheels.
type wheelsFlags struct {
	python, distro string

	extras, groups, noGroups []string
	noDefaultGroups          bool
	runtime                  bool // what only developers need is left out
	noBinary, onlyBinary     []string

	index        string
	extraIndexes []string
	allow        []string
	constraints  []string
	excludeNewer string

	frozen, repin bool
	repinBuild    []string
	verify        bool
	symbols       bool
	dryRun        bool
	jobs          int
}

func (a *app) wheelsCommand() *cobra.Command {
	var f wheelsFlags
	cmd := &cobra.Command{
		Use:   "wheels [LOCK...]",
		Short: "Make a wheelhouse from a lock file",
		Long: `Wheels turns a lock file into a wheelhouse for one baked Python on one distro,
and prints its path: a directory with a wheel for every package of the lock,
requirements.txt and pylock.toml with their hashes, and apt.txt, the packages of
the distro that they need.

A wheel of the lock that fits is taken once its hash and its contents were
checked. Where none fits, the sdist is built: in a container with no network and
nothing of another build, with build requirements that were resolved once and
are pinned with hashes in pybake.lock. A package that fails stops no other; all
failures are told together, with the lines of a recipe that mend them where the
log tells what was missing, and the next run builds only what is missing.

In the end the whole house is installed, imported and checked in a clean
container with neither compiler nor network. The engine keeps the container of
the last house as an image: of the next one only what differs is installed, and
only what has changed or may notice is imported, if nothing else has moved. The
checks say how many wheels were proved when; with --verify-reproducible all are
proved anew.

What is built with Rust gets the crates of its Cargo.lock, checked by their
hashes and fetched by the cargo that builds, from where the machine's or the
project's configuration of cargo says: config.toml in CARGO_HOME, or
.cargo/config.toml beside pybake.toml. It is compiled by the distro's newest
Rust, or by one of recipes/rust.toml if that is too old.

With --debug-symbols, or debug-symbols = true in pybake.toml, what is built is
compiled with -g. The wheels hold no debug information all the same: it is taken
out of them and is in the house, in files that are called by the build id of
what they belong to. gdb finds them with

  gdb -iex "set debug-file-directory HOUSE/debug:/usr/lib/debug" PROGRAM

Without, nothing is compiled with -g: the sysconfig of a baked Python, unlike
that of others, has none for extensions. Of Rust there is what a backtrace
needs, without variables; of packages that are taken as wheels there is nothing.

LOCK is a requirements.txt with hashes, pylock.toml, uv.lock, poetry.lock,
pdm.lock or Pipfile.lock; without one it is what pybake.toml says. What it needs
is decided for the target, never for this machine. Without --python it is that
of pybake.toml, of .python-version, else the newest in the store that the lock
admits; one that is named and not in the store is baked first.

Indexes are those of pybake.toml or of --index-url; else those that the lock
names; else what the machine configures for pip and uv; else the one that the pip
inside CPython has built in. Credentials come from the addresses, from netrc and
from keyring.

With --json: {"key", "name", "origin": "built"|"found", "dir", "wheels":
[{"name", "version", "origin": "wheel"|"sdist", "file", "sha256", "size",
"seconds", "source"}], "apt": ["NAME=VERSION"], "checks": [{"name", "ok",
"seconds", "detail"}], "steps": [{"name", "seconds"}]}. With --dry-run --json:
{"name", "packages": [{"name", "version", "origin", "file", "hashes", "why"}],
"left": [{"name", "why"}]}.`,
		Example: `  pybake wheels requirements.lock
  pybake wheels uv.lock --python 3.13.5 --distro trixie --extra postgres
  pybake wheels requirements.lock --dry-run
  cd HOUSE && pip install --no-index --find-links . --require-hashes \
      -r requirements.txt`,
		Args: wantArgs(0, 100, "LOCK"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.wheels(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.python, "python", "", "the `version` of the baked Python, 3.13.5, or its series")
	flags.StringVar(&f.distro, "distro", "", "the `codename` of the distro (default: pybake.toml's, else this machine's)")
	flags.StringArrayVar(&f.extras, "extra", nil, "an `extra` of the project; may be repeated")
	flags.StringArrayVar(&f.groups, "group", nil, "a dependency `group` beside the default ones; may be repeated")
	flags.StringArrayVar(&f.noGroups, "no-group", nil, "a dependency `group` to leave out; may be repeated")
	flags.BoolVar(&f.noDefaultGroups, "no-default-groups", false, "leave out the groups that the tool of the lock installs unasked")
	flags.StringSliceVar(&f.noBinary, "no-binary", nil, "a `package` to build from source, or :all:")
	flags.StringSliceVar(&f.onlyBinary, "only-binary", nil, "a `package` to take as a wheel only, or :all:")
	flags.StringVar(&f.index, "index-url", "", "the `address` of the index, instead of all others")
	flags.StringArrayVar(&f.extraIndexes, "extra-index-url", nil, "the `address` of an index to ask after the others; may be repeated")
	flags.StringArrayVar(&f.allow, "allow", nil, "an `option` that the lock may hold, --index-url or the like; may be repeated")
	flags.StringArrayVar(&f.constraints, "build-constraint", nil, "a `file` of constraints on build requirements; may be repeated")
	flags.StringVar(&f.excludeNewer, "exclude-newer", "", "resolve build requirements as of that `date` (default: the newest upload that the lock tells)")
	flags.BoolVar(&f.frozen, "frozen", false, "fail if something is not pinned yet")
	flags.BoolVar(&f.repin, "repin", false, "resolve base image and toolchain anew, and pin what is found")
	flags.StringArrayVar(&f.repinBuild, "repin-build", nil, "resolve what builds that `package` anew, or :all:; may be repeated")
	flags.BoolVar(&f.verify, "verify-reproducible", false, "build every sdist twice and compare the wheels")
	flags.BoolVar(&f.symbols, "debug-symbols", false, "build sdists with debug information, and keep it in HOUSE/debug")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print which file each package comes from, and why; build nothing")
	flags.IntVarP(&f.jobs, "jobs", "j", 0, "`processes` at once (default: the engine's cores); changes nothing in the wheels")
	cmd.RegisterFlagCompletionFunc("distro", a.completeDistros)
	return cmd
}

func (a *app) wheels(ctx context.Context, names []string, f wheelsFlags) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if len(p.Wheels.Locks) == 0 {
			return usagef("pybake wheels requirements.lock", "which lock? Neither an argument nor pybake.toml says")
		}
		for _, name := range p.Wheels.Locks {
			names = append(names, filepath.Join(p.Root, name))
		}
	}
	if f.frozen && (f.repin || len(f.repinBuild) > 0) {
		return usagef("", "--frozen and --repin exclude each other")
	}
	if (f.repin || len(f.repinBuild) > 0) && a.flags.offline {
		return usagef("", "--repin and --offline exclude each other")
	}
	// All locks are read before anything is done for one of them.
	reqs, plans, errs := make([]wheels.Request, len(names)), make([]*wheels.Plan, len(names)), make([]error, len(names))
	for i, name := range names {
		reqs[i], plans[i], errs[i] = a.wheelsPlan(p, name, f)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	seen := map[string]string{}
	for i, plan := range plans {
		if other, ok := seen[plan.Name]; ok {
			return usagef("", "%s and %s would both be %q: make one of them in a run of its own, with another --store, or give them other names", other, names[i], plan.Name)
		}
		seen[plan.Name] = names[i]
	}
	errs = nil
	for i, plan := range plans {
		err := a.wheelhouse(ctx, p, reqs[i], plan, f)
		errs = append(errs, err)
		if ctx.Err() != nil || err != nil && (engine.IsGone(err) || engine.IsDiskFull(err)) {
			break
		}
	}
	return errors.Join(errs...)
}

// house is one house on its way.
type house struct {
	*wheels.Builder
	project *project.Project
	req     wheels.Request
	plan    *wheels.Plan
	flags   wheelsFlags
	maker   *distro.Maker                                // nil: not connected
	connect func(context.Context) (*distro.Maker, error) // by somebody who ends it; nil: connect here
	done    func() error
}

// wheelhouse makes one house and prints it.
func (a *app) wheelhouse(ctx context.Context, p *project.Project, req wheels.Request, plan *wheels.Plan, f wheelsFlags) error {
	for _, note := range plan.Notes {
		a.display.Note("%s", note)
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	pins := &project.Pins{Path: p.LockPath(store.Dir())}
	if _, err := pins.Read(); err != nil {
		return &advised{err, statusUsage, ""}
	}
	h := &house{project: p, req: req, plan: plan, flags: f, done: func() error { return nil }, Builder: &wheels.Builder{
		Store: store, Report: a.display, LogDir: filepath.Join(store.Dir(), "logs"), Pins: pins,
		Jobs: f.jobs, Frozen: f.frozen, Verify: f.verify, Git: a.git(),
	}}
	h.Python, err = storedPython(store, plan.Python, plan.Distro, plan.Arch)
	if err != nil && !errors.Is(err, artifacts.ErrNotFound) {
		return err
	}
	if f.dryRun {
		if err := a.settle(ctx, h); err != nil {
			return err
		}
		return a.printPlan(plan)
	}
	made, built, err := a.ensureHouse(ctx, h)
	if err = ended(err, h.done()); err != nil {
		return err
	}
	return a.printHouse(store, made, map[bool]string{true: "built", false: "found"}[built])
}

// settle chooses the files of the house.
func (a *app) settle(ctx context.Context, h *house) (err error) {
	if h.Finder, err = a.finder(h.project, h.req.Lock, h.Python, h.flags); err != nil {
		return err
	}
	if err := h.Settle(ctx, h.plan); err != nil {
		return err
	}
	for _, p := range h.plan.Packages {
		if p.Yanked != "" {
			a.display.Note("%s %s was yanked: %s", p.Name, p.Version, p.Yanked)
		}
	}
	return nil
}

// ensureHouse finds or makes the house, and the Python before it if need be. The
// engine is asked for nothing as long as it is not needed.
func (a *app) ensureHouse(ctx context.Context, h *house) (_ *artifacts.Artifact, built bool, err error) {
	if h.Python == nil {
		if err := a.connectHouse(ctx, h); err != nil {
			return nil, false, err
		}
		if err := a.bakeFor(ctx, h); err != nil {
			return nil, false, err
		}
	}
	repin := h.flags.repin || len(h.flags.repinBuild) > 0
	if repin || h.Verify {
		if err := a.settle(ctx, h); err != nil {
			return nil, false, err
		}
	} else if found, err := a.findHouse(ctx, h); found != nil || err != nil {
		return found, false, err
	}
	if err := a.connectHouse(ctx, h); err != nil {
		return nil, false, err
	}
	if repin {
		if err := repinWheels(h.Pins.Path, h.plan, h.flags); err != nil {
			return nil, false, err
		}
	}
	a.expectHouse(h)
	return h.Ensure(ctx, h.plan)
}

// findHouse is the house if the store has it, else nil; what it is made of is settled
// then. As long as a former house tells, no index is asked.
func (a *app) findHouse(ctx context.Context, h *house) (*artifacts.Artifact, error) {
	if former, err := h.Store.Lookup(h.plan.Name); err == nil {
		if h.Finder, err = a.finder(h.project, h.req.Lock, h.Python, h.flags); err != nil {
			return nil, err
		}
		if found, err := h.FindLike(ctx, h.plan, former); err == nil {
			return found, nil
		}
	}
	if err := a.settle(ctx, h); err != nil {
		return nil, err
	}
	found, err := h.Find(ctx, h.plan)
	if err != nil {
		return nil, nil // Ensure says what is wrong, or mends it
	}
	return found, nil
}

// expectHouse tells the display how long the steps are likely to take that every
// house has: as the last time for this lock and distro.
func (a *app) expectHouse(h *house) {
	last, err := h.Store.Latest(wheels.Kind, map[string]string{"lock": h.req.Name, "distro": h.plan.Distro})
	if err != nil {
		return
	}
	a.display.Expect(slices.DeleteFunc(slices.Clone(last.Steps), func(s artifacts.Step) bool {
		return s.Name != "shared libraries" && s.Name != "prove the house"
	}))
}

// connectHouse connects to the engine, once.
func (a *app) connectHouse(ctx context.Context, h *house) (err error) {
	if h.maker != nil {
		return nil
	}
	if h.connect != nil {
		h.maker, err = h.connect(ctx)
	} else if h.maker, h.done, err = a.distroMaker(ctx, h.project); err != nil {
		h.done = func() error { return nil }
	}
	if err != nil {
		return err
	}
	h.Engine, h.Distros = h.maker.Engine, h.maker
	_, err = h.Store.Sweep()
	return err
}

// repinWheels drops the pins that are to be made anew.
func repinWheels(lockPath string, plan *wheels.Plan, f wheelsFlags) error {
	return project.Update(lockPath, func(l *project.Lock) error {
		if f.repin {
			l.Unpin(plan.Distro, plan.Arch)
		}
		for _, name := range f.repinBuild {
			if !plan.Unpin(l, name) {
				return usagef("", "--repin-build %s: %s has no such package for this target", name, plan.Lock)
			}
		}
		return nil
	})
}

// bakeFor bakes the Python that a house is for.
func (a *app) bakeFor(ctx context.Context, h *house) error {
	set, err := a.recipes()
	if err != nil {
		return err
	}
	a.display.Note("python %s for %s is not in the store: baking it first", h.plan.Python, h.plan.Distro)
	req := python.Request{Version: h.plan.Python, Distro: h.plan.Distro, Arch: h.plan.Arch, Release: 1}
	client := a.httpClient()
	b := &python.Builder{
		Store: h.Store, Engine: h.Engine, Distros: h.Distros, Fetcher: h.maker.Fetcher, HTTP: client,
		Places: python.Places(h.project.Sources, client), Report: a.display, Jobs: h.Jobs, LogDir: h.LogDir, LockPath: h.Pins.Path,
	}
	a.expect(h.Store, set, req, []string{"builder"})
	h.Python, _, err = b.Ensure(ctx, req, set)
	return err
}
