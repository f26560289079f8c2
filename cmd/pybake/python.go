package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
)

// pythonFlags are the flags of pybake python.
type pythonFlags struct {
	distro  string
	release int
	fast    bool
	variant string
	sha256  string
	sources []string
	checks  string
	verify  []string // of python.Variations; nil: not at all
	jobs    int
	repin   bool
	retrain bool
	dryRun  bool
}

func (a *app) pythonCommand() *cobra.Command {
	var f pythonFlags
	cmd := &cobra.Command{
		Use:   "python [VERSION]",
		Short: "Compile one CPython into Debian packages",
		Long: `Python compiles exactly the CPython release you name, in throwaway containers,
into Debian packages for a distro, and proves them in a clean container of that
distro before it hands them over. It prints the paths of the .deb files.

The version is exact, "3.13.5". Without one it is python of pybake.toml, else
what .python-version says; without --distro it is that of pybake.toml, else
this machine's. The first build for a distro makes its base image, resolves and
pins the toolchain in pybake.lock, and trains the compiler (PGO) unless pybake
brings what was learned with that compiler; later builds of the series use the
same pins, until --repin or --retrain. Where too much of a source changed since
the training, it trains again, and says so. What is in the store already is
found at once, with neither network nor engine.

The source is known by its SHA-256. It is looked for in the cache, in the places
named by --source and pybake.toml (files named as upstream names them:
Python-3.13.5.tar.xz or .tgz), at python.org, in the distro's source pool.

A variant has packages and a prefix of its own (/opt/python/3.13-dbg,
/opt/python/3.13t), so that all can be installed beside each other. Wheels,
images and the nightly are for the ordinary one.

With --checks full, CPython's own test suite has to pass on the packages as well:
in a clean container, as an ordinary user, with no network. It takes some twenty
minutes on 2 cores and is run once for the same packages, also if they are in
the store already. What is known to fail or to be skipped is in the recipe of
the series, each with its reason; anything else fails.

With --verify-reproducible the packages are built twice, the second time in
other circumstances, and compared bit by bit: another directory, time, zone,
locale, umask, host name, user, number of jobs and order of directories. Some of
these alone can be given, as --verify-reproducible=umask,order. Of the first file
that differs it prints where. The second packages are not kept.

With --json: {"key", "name", "origin": "built"|"found", "dir", "packages":
[{"name", "version", "architecture", "path", "size", "sha256"}], "checks":
[{"name", "ok", "seconds", "detail", "counts", "notes"}], "steps": [{"name",
"seconds"}]}.`,
		Example: `  pybake python 3.13.5 --distro trixie
  pybake python 3.11.9 --distro bookworm --source /srv/mirror
  pybake python 3.13.5 --distro trixie --fast
  pybake python 3.13.5 --distro trixie --variant freethreaded
  pybake python 3.13.5 --distro trixie --checks full
  pybake python 3.13.5 --distro trixie --verify-reproducible
  apt install ./baked/python/3.13.5-trixie-amd64/pybake-python3.13_*.deb`,
		Args:              wantArgs(0, 1, "VERSION"),
		ValidArgsFunction: a.completeVersions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.python(cmd.Context(), strings.Join(args, ""), f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.distro, "distro", "", "the `codename` of the distro to build for (default: pybake.toml's, else this machine's)")
	flags.IntVar(&f.release, "release", 1, "the `number` of the package's release: the 1 of 3.13.5-1+deb13")
	flags.BoolVar(&f.fast, "fast", false, "leave out PGO and LTO: for trying things; the version says ~fast")
	flags.StringVar(&f.variant, "variant", "", "`debug` (with assertions: pybake-python3.13-dbg) or freethreaded (no GIL, from 3.13: pybake-python3.13t), beside the ordinary one")
	flags.StringVar(&f.sha256, "sha256", "", "the `hash` of the source of a version that is not in the table")
	flags.StringArrayVar(&f.sources, "source", nil, "a `directory or address` to look for the source in first; may be repeated")
	flags.StringVar(&f.checks, "checks", project.ChecksQuick, "`how much` is checked: quick, or full, which runs CPython's own test suite, too")
	flags.StringSliceVar(&f.verify, "verify-reproducible", nil, "build twice, with `another` of each or of some: "+strings.Join(python.Variations, ", "))
	flags.Lookup("verify-reproducible").NoOptDefVal = "all"
	flags.IntVarP(&f.jobs, "jobs", "j", 0, "`processes` at once (default: the engine's cores); changes nothing in the packages")
	flags.BoolVar(&f.repin, "repin", false, "resolve base image and toolchain anew, and pin what is found")
	flags.BoolVar(&f.retrain, "retrain", false, "train the compiler (PGO) anew, and pin what it learned")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan as JSON, as far as it is pinned, and build nothing")
	cmd.RegisterFlagCompletionFunc("distro", a.completeDistros)
	cmd.RegisterFlagCompletionFunc("variant", cobra.FixedCompletions(python.Variants(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// pythonRequest completes what the user asked for from the project and this
// machine, and says what it took from where.
func (a *app) pythonRequest(version string, f pythonFlags) (python.Request, error) {
	req := python.Request{Version: version, Distro: f.distro, Release: f.release, Fast: f.fast, Variant: f.variant, SHA256: strings.ToLower(f.sha256), Arch: debianArch(runtime.GOARCH)}
	p, err := a.project()
	if err != nil {
		return req, err
	}
	if req.Release < 1 {
		return req, usagef("pybake python "+version+" --release 1", "release %d: want 1 or more", req.Release)
	}
	if f.checks != project.ChecksQuick && f.checks != project.ChecksFull {
		return req, usagef("pybake python "+version+" --checks full", "--checks %s: want quick or full", f.checks)
	}
	if bad := slices.IndexFunc(f.verify, func(v string) bool { return v != everything && !slices.Contains(python.Variations, v) }); bad >= 0 {
		return req, usagef("", "--verify-reproducible=%s: want some of %s", f.verify[bad], strings.Join(python.Variations, ", "))
	}
	if f.repin && a.flags.offline {
		return req, usagef("", "--repin and --offline exclude each other")
	}
	if req.SHA256 != "" && (len(req.SHA256) != 64 || strings.Trim(req.SHA256, "0123456789abcdef") != "") {
		return req, usagef("", "--sha256 %s: want 64 hexadecimal digits", f.sha256)
	}
	if req.Version == "" {
		from := project.File
		if req.Version = p.Python; req.Version == "" {
			from = ".python-version"
			req.Version = a.pythonVersionFile(p)
		}
		if req.Version == "" {
			return req, usagef("pybake python 3.13.5", "which Python? Neither an argument nor pybake.toml nor .python-version says")
		}
		a.display.Note("python %s, from %s", req.Version, from)
	}
	if req.Distro == "" {
		from := project.File
		if req.Distro = p.Distro; req.Distro == "" {
			from = "this machine"
			req.Distro = osRelease()["VERSION_CODENAME"]
		}
		if req.Distro == "" {
			return req, usagef("pybake python "+req.Version+" --distro trixie", "which distro? Neither --distro nor pybake.toml says, and this machine has no codename")
		}
		a.display.Note("distro %s, from %s", req.Distro, from)
	}
	return req, nil
}

// pythonVersionFile is the first line of .python-version, as pyenv and uv
// write it; or empty.
func (a *app) pythonVersionFile(p *project.Project) string {
	text, err := os.ReadFile(filepath.Join(cmp.Or(p.Root, a.sys.dir), ".python-version"))
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return strings.TrimPrefix(strings.TrimSpace(first), "cpython-")
}

func (a *app) python(ctx context.Context, version string, f pythonFlags) error {
	req, err := a.pythonRequest(version, f)
	if err != nil {
		return err
	}
	set, err := a.recipes()
	if err != nil {
		return err
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	lock, lockPath, err := a.pins()
	if err != nil {
		return err
	}
	// In the file the pins stay until there is an engine to make others with.
	repin := f.repin && lock.Unpin(req.Distro, req.Arch)
	plan, err := python.NewPlan(req, set, lock)
	unpinned, isUnpinned := errors.AsType[*python.UnpinnedError](err)
	if refused, ok := errors.AsType[*python.VariantError](err); ok {
		return usagef("", "%w", refused)
	}
	if err != nil && !isUnpinned {
		return a.pythonInputError(p, req, err)
	}
	if f.dryRun {
		if isUnpinned {
			a.display.Note("%v: no key yet", unpinned)
			return a.printJSON(unpinned.Plan)
		}
		return a.printJSON(plan)
	}
	if f.retrain && req.Plain() {
		return usagef("", "there is no profile to train with --fast or --variant debug: they and --retrain exclude each other")
	}
	var found *artifacts.Artifact
	if plan != nil && !f.retrain {
		var suite *artifacts.Artifact
		var enough bool
		if found, suite, enough, err = findPython(ctx, store, plan, lock, f); err != nil {
			return err
		}
		if enough {
			return a.printPython(store, found, suite, "found")
		}
	}
	b, done, err := a.pythonBuilder(ctx, f, store, lockPath)
	if err != nil {
		return err
	}
	if repin {
		err := project.Update(lockPath, func(l *project.Lock) error { l.Unpin(req.Distro, req.Arch); return nil })
		if err != nil {
			return ended(err, done())
		}
	}
	var missing []string
	if isUnpinned {
		missing = unpinned.What
	}
	a.expect(store, set, req, missing)
	if found != nil && f.verify == nil {
		a.display.Expect([]artifacts.Step{{Name: "test suite", Seconds: likelySuite(store, plan.Series, req.Distro).Seconds()}})
	}
	made, suite, built, err := a.makePython(ctx, b, req, set, f)
	if err = ended(err, done()); err != nil {
		if _, failed := errors.AsType[*engine.ExitError](err); failed {
			a.display.Note("logs: %s", b.LogDir)
		}
		return err
	}
	return a.printPython(store, made, suite, map[bool]string{true: "built", false: "found"}[built])
}

// makePython sees to packages, and to what else the flags ask of them.
func (a *app) makePython(ctx context.Context, b *python.Builder, req python.Request, set *recipes.Set, f pythonFlags,
) (made, suite *artifacts.Artifact, built bool, err error) {
	made, built, err = b.Ensure(ctx, req, set)
	if err == nil && f.checks == project.ChecksFull {
		suite, err = b.EnsureSuite(ctx, req, set, made)
	}
	if err == nil && f.verify != nil {
		err = a.verifyReproducible(ctx, b, req, set, made, f.verify)
	}
	return made, suite, built, err
}

// findPython finds packages in the store, and whether nothing has to be done with them.
func findPython(ctx context.Context, store *artifacts.Store, plan *python.Plan, lock *project.Lock, f pythonFlags,
) (made, suite *artifacts.Artifact, enough bool, err error) {
	if made, err = store.Find(python.Kind, plan.Key); err != nil {
		return nil, nil, false, nil // Ensure says what is wrong, or mends it
	}
	if err := store.Point(ctx, made, plan.Name); err != nil {
		return nil, nil, false, err
	}
	enough = f.verify == nil
	if f.checks == project.ChecksFull {
		if suite, err = plan.FindSuite(store, made, lock); err != nil {
			enough = false
		}
	}
	return made, suite, enough, nil
}

// everything is --verify-reproducible without a value.
const everything = "all"

// verifyReproducible builds the packages again.
func (a *app) verifyReproducible(ctx context.Context, b *python.Builder, req python.Request, set *recipes.Set, made *artifacts.Artifact, vary []string) error {
	if slices.Contains(vary, everything) {
		vary = python.Variations
	}
	if err := b.Again(ctx, req, set, made, vary); err != nil {
		return err
	}
	a.display.Note("%s: reproducible: built twice, the second time with another %s: %d packages are the same, bit by bit",
		made.Name, strings.Join(vary, ", "), len(made.Files))
	return nil
}

// pythonInputError places an error about a value of pybake.toml in that file.
func (a *app) pythonInputError(p *project.Project, req python.Request, err error) error {
	unknown, ok := errors.AsType[*recipes.UnknownError](err)
	switch {
	case ok && unknown.Kind == "distro" && req.Distro == p.Distro:
		return p.At("distro", err)
	case !ok || unknown.Kind != "distro":
		if req.Version == p.Python {
			return p.At("python", err)
		}
	}
	return err
}

// pythonBuilder connects everything that building takes. done ends it.
func (a *app) pythonBuilder(ctx context.Context, f pythonFlags, store *artifacts.Store, lockPath string,
) (b *python.Builder, done func() error, err error) {
	p, err := a.project()
	if err != nil {
		return nil, nil, err
	}
	maker, done, err := a.distroMaker(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	if _, err := store.Sweep(); err != nil {
		return nil, nil, ended(err, done())
	}
	client := a.httpClient()
	b = &python.Builder{
		Store: store, Engine: maker.Engine, Distros: maker, Fetcher: maker.Fetcher, HTTP: client,
		Places: python.Places(append(a.sources(f.sources), p.Sources...), client),
		Report: a.display, Jobs: f.jobs, LogDir: filepath.Join(store.Dir(), "logs"), LockPath: lockPath, Retrain: f.retrain,
	}
	return b, done, nil
}

// sources makes the directories among the places of --source absolute.
func (a *app) sources(named []string) []string {
	named = slices.Clone(named)
	for i, s := range named {
		if !strings.Contains(s, "://") {
			named[i] = a.path(s)
		}
	}
	return named
}

// replanPython is what show asks: the inputs that the packages would be made
// from today.
func (a *app) replanPython(_ context.Context, made *artifacts.Artifact) ([]artifacts.Input, error) {
	release, err := strconv.Atoi(made.Labels["release"])
	if err != nil {
		return nil, fmt.Errorf("release of %s: %w", made.Name, err)
	}
	set, err := a.recipes()
	if err != nil {
		return nil, err
	}
	lock, _, err := a.pins()
	if err != nil {
		return nil, err
	}
	plan, err := python.NewPlan(python.Request{
		Version: made.Labels["version"], Distro: made.Labels["distro"], Arch: made.Labels["arch"], Release: release,
		Fast: strings.HasSuffix(made.Labels["mode"], "fast"), Variant: made.Labels["variant"], SHA256: made.Labels["sha256"],
	}, set, lock)
	if err != nil {
		return nil, err
	}
	return plan.Inputs, nil
}
