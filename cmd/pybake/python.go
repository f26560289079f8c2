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
	sha256  string
	sources []string
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

With --json: {"key", "name", "origin": "built"|"found", "dir", "packages":
[{"name", "version", "architecture", "path", "size", "sha256"}], "checks":
[{"name", "ok", "seconds", "detail"}], "steps": [{"name", "seconds"}]}.`,
		Example: `  pybake python 3.13.5 --distro trixie
  pybake python 3.11.9 --distro bookworm --source /srv/mirror
  pybake python 3.13.5 --distro trixie --fast
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
	flags.StringVar(&f.sha256, "sha256", "", "the `hash` of the source of a version that is not in the table")
	flags.StringArrayVar(&f.sources, "source", nil, "a `directory or address` to look for the source in first; may be repeated")
	flags.IntVarP(&f.jobs, "jobs", "j", 0, "`processes` at once (default: the engine's cores); changes nothing in the packages")
	flags.BoolVar(&f.repin, "repin", false, "resolve base image and toolchain anew, and pin what is found")
	flags.BoolVar(&f.retrain, "retrain", false, "train the compiler (PGO) anew, and pin what it learned")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan as JSON, as far as it is pinned, and build nothing")
	cmd.RegisterFlagCompletionFunc("distro", a.completeDistros)
	return cmd
}

// pythonRequest completes what the user asked for from the project and this
// machine, and says what it took from where.
func (a *app) pythonRequest(version string, f pythonFlags) (python.Request, error) {
	req := python.Request{Version: version, Distro: f.distro, Release: f.release, Fast: f.fast, SHA256: strings.ToLower(f.sha256), Arch: debianArch(runtime.GOARCH)}
	p, err := a.project()
	if err != nil {
		return req, err
	}
	if req.Release < 1 {
		return req, usagef("pybake python "+version+" --release 1", "release %d: want 1 or more", req.Release)
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
	if f.retrain && f.fast {
		return usagef("", "--fast has no profile to train: --retrain and --fast exclude each other")
	}
	if plan != nil && !f.retrain {
		if found, err := store.Find(python.Kind, plan.Key); err == nil {
			if err := store.Point(ctx, found, plan.Name); err != nil {
				return err
			}
			return a.printPython(store, found, "found")
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
	made, built, err := b.Ensure(ctx, req, set)
	if err = ended(err, done()); err != nil {
		if _, failed := errors.AsType[*engine.ExitError](err); failed {
			a.display.Note("logs: %s", b.LogDir)
		}
		return err
	}
	if !built {
		return a.printPython(store, made, "found")
	}
	return a.printPython(store, made, "built")
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
		Fast: made.Labels["mode"] == "fast", SHA256: made.Labels["sha256"],
	}, set, lock)
	if err != nil {
		return nil, err
	}
	return plan.Inputs, nil
}

// madePython is what python --json prints.
type madePython struct {
	Key      artifacts.Key     `json:"key"`
	Name     string            `json:"name"`
	Origin   string            `json:"origin"` // "built" or "found"
	Dir      string            `json:"dir"`
	Packages []madePackage     `json:"packages"`
	Checks   []artifacts.Check `json:"checks"`
	Steps    []artifacts.Step  `json:"steps"`
}

type madePackage struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Path         string `json:"path"`
	Size         int64  `json:"size"` // bytes
	SHA256       string `json:"sha256"`
}

func (a *app) printPython(store *artifacts.Store, made *artifacts.Artifact, origin string) error {
	dir := a.path(store.Path(made))
	out := madePython{Key: made.Key, Name: made.Name, Origin: origin, Dir: dir, Checks: made.Checks, Steps: made.Steps}
	for _, f := range made.Files {
		if f.Package == nil {
			continue
		}
		out.Packages = append(out.Packages, madePackage{
			Name: f.Package.Name, Version: f.Package.Version, Architecture: f.Package.Architecture,
			Path: filepath.Join(dir, f.Path), Size: f.Size, SHA256: f.SHA256,
		})
	}
	if a.flags.json {
		return a.printJSON(out)
	}
	for _, p := range out.Packages {
		if _, err := fmt.Fprintln(a.sys.stdout, p.Path); err != nil {
			return err
		}
	}
	return nil
}
