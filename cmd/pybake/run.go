package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/internal/engine"
	imagerun "github.com/pybake/pybake/internal/image/run"
)

// runFlags are the flags of pybake run.
type runFlags struct {
	print, source       bool
	volumes, ports, env []string
	user, network, gpus string
	config              string   // the run configuration; "" is that of [images.NAME.run]
	args                []string // instead of the image's cmd
	argsGiven           bool
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run IMAGE [CONFIG] [-- ARG...]",
		Short: "Run an image as pybake.toml says",
		Long: `Run starts a container of an image of pybake.toml and removes it when its
command ends, as "docker run --rm" does. Volumes, ports, environment, limits and
the rest are those of [images.IMAGE.run]; with CONFIG, of
[images.IMAGE.runs.CONFIG] alone. ARGs replace the command that these or the
image give: they are what the entrypoint gets. IMAGE may also be any image that
the engine holds. Nothing is built: pybake image does that.

Values of pybake.toml know {user}, {uid} and {gid} of who runs pybake, {root},
the directory of pybake.toml, {workdir}, the working directory, {image}, the
reference of the image, {version}, that of the app in it, and ${NAME}, a variable
of the environment, which must be set. A path of a volume must exist.

Standard input and output are those of pybake; if both are a terminal, the
command has one, too. Signals go to the command; a third SIGINT or SIGTERM kills
it.

With --source the project's directory is mounted read-only at /source, and
PYTHONPATH has Python look there first, in src if there is such a directory: an
edit needs no build. Metadata and console scripts stay those of the image.

The exit status is that of the command: 128 and its number if a signal ended it.
It is 125 if the engine could not run it, 126 if the command is not executable,
127 if there is none; 2 for wrong usage or wrong input.

With --print nothing runs: the docker command that does the same is printed, with
what ${NAME} stands for; with --print --json: {"image", "argv"}.`,
		Example: `  pybake run web
  pybake run web -- --port 8080
  pybake run web migrate
  pybake run web --source --publish 127.0.0.1:8000:8000
  pybake run web --print`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				args, f.args, f.argsGiven = args[:n], args[n:], true
			}
			if err := runArgs(cmd, args); err != nil {
				return err
			}
			if len(args) == 2 {
				f.config = args[1]
			}
			return a.runImage(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.volumes, "volume", nil, "mount `SOURCE:TARGET`, with :ro read-only, in addition; may be repeated")
	flags.StringArrayVar(&f.ports, "publish", nil, "publish `IP:HOSTPORT:PORT` instead of the ports of pybake.toml; may be repeated")
	flags.StringArrayVar(&f.env, "env", nil, "set `NAME=VALUE`, or NAME as it is here, in addition; may be repeated")
	flags.StringVar(&f.user, "user", "", "the `user` of the command, NAME or UID:GID")
	flags.StringVar(&f.network, "network", "", "the `network`: none, host, bridge or a name")
	flags.StringVar(&f.gpus, "gpus", "", "the `GPUs`: all, a number, or device=ID,ID")
	flags.BoolVar(&f.source, "source", false, "run the modules of the project's directory")
	flags.BoolVar(&f.print, "print", false, "print the docker command that does the same")
	return cmd
}

// runArgs refuses a wrong number of arguments before --.
func runArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 2 {
		return usagef(cmd.CommandPath()+" "+strings.Join(args[:1], " ")+" -- "+strings.Join(args[1:], " "),
			"%s: one argument too many: %s: those of the command come after --", cmd.CommandPath(), args[2])
	}
	return wantArgs(1, 2, "IMAGE")(cmd, args)
}

func (a *app) runImage(ctx context.Context, name string, f runFlags) error {
	if a.flags.json && !f.print {
		return usagef("", "--json goes with --print only: standard output is the command's")
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	t, err := a.findRun(p, name, f.config)
	if err != nil {
		return err
	}
	if f.print && t.settled() {
		spec, err := a.runSpec(t, f)
		if err != nil {
			return err
		}
		return a.printRun(spec)
	}
	e, err := a.connect(ctx)
	if err != nil {
		return notRun(err, a.args)
	}
	a.sweepRuns(ctx, e)
	return ended(a.runIn(ctx, e, t, f), e.Close(ctx))
}

// sweepRuns removes the containers of runs that were killed: they may hold a port
// that this one wants.
func (a *app) sweepRuns(ctx context.Context, e *engine.Engine) {
	left, err := e.Sweep(ctx)
	for _, l := range left {
		a.display.Note("removed %s %s, left by a run that was killed", l.Kind, l.Name)
	}
	if err != nil && ctx.Err() == nil {
		a.display.Note("something is left of a run that was killed: %v", err)
	}
}

// runIn runs the image in an engine, or prints how.
func (a *app) runIn(ctx context.Context, e *engine.Engine, t *runTarget, f runFlags) error {
	if err := a.findImage(ctx, e, t); err != nil {
		return err
	}
	spec, err := a.runSpec(t, f)
	if err != nil {
		return err
	}
	if f.print {
		return a.printRun(spec)
	}
	if !e.Remote() {
		if err := a.checkBinds(t, spec); err != nil {
			return err
		}
	}
	status, err := a.runSession(ctx, e, spec)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil:
		_, hint := explain(err, a.args)
		return &advised{err, status, cmp.Or(t.hint(err), hint)}
	case status != 0:
		return reported{status}
	}
	return nil
}

// notRun is an error before anything ran.
func notRun(err error, args []string) error {
	_, hint := explain(err, args)
	return &advised{err, engine.StatusEngine, hint}
}

// runSpec is what the engine is told: what the file says, then the flags.
func (a *app) runSpec(t *runTarget, f runFlags) (engine.RunSpec, error) {
	getenv := func(name string) (string, bool) { v := a.sys.getenv(name); return v, v != "" }
	vars := imagerun.Vars{Root: cmp.Or(t.project.Root, a.sys.dir), Workdir: a.sys.dir, Image: t.ref, Version: t.version}
	vars.UID, vars.GID = strconv.Itoa(os.Getuid()), strconv.Itoa(os.Getgid())
	vars.User = vars.UID
	if me, err := user.Current(); err == nil {
		vars.User = me.Username
	}
	if len(f.ports) > 0 {
		t.run.Ports = nil
	}
	spec, err := imagerun.Expand(t.run, vars, getenv)
	if err != nil {
		return spec, t.placed(err)
	}
	spec.Name = cmp.Or(t.image.Name, "run")
	if f.argsGiven {
		spec.Cmd = f.args
	}
	if f.source {
		if spec, err = a.addSource(t, spec); err != nil {
			return spec, err
		}
	}
	if err := a.runOverrides(&spec, f); err != nil {
		return spec, err
	}
	_, in := terminal(a.sys.stdin)
	_, out := terminal(a.sys.stdout)
	spec.TTY = spec.TTY || in && out
	spec.Interactive = !spec.TTY || in
	return spec, nil
}

// placed puts problems of a run configuration where they are in the file.
func (t *runTarget) placed(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		if problem, ok := errors.AsType[*imagerun.Problem](err); ok {
			err = t.project.At(t.key+"."+problem.Key, problem.Err)
		}
		errs = append(errs, err)
	}
	return &advised{errors.Join(errs...), statusUsage, ""}
}

// runOverrides adds what the flags say.
func (a *app) runOverrides(spec *engine.RunSpec, f runFlags) error {
	for _, text := range f.volumes {
		if strings.HasPrefix(text, ".") {
			text = a.path(text)
		}
		bind, err := imagerun.Volume(text)
		if err != nil {
			return usagef("", "--volume %w", err)
		}
		spec.Binds = append(spec.Binds, bind)
	}
	for _, text := range f.ports {
		port, err := imagerun.Port(text)
		if err != nil {
			return usagef("", "--publish %w", err)
		}
		spec.Ports = append(spec.Ports, port)
	}
	for _, text := range f.env {
		name, _, given := strings.Cut(text, "=")
		if name == "" {
			return usagef("", "--env %q: want NAME=VALUE or NAME", text)
		}
		if !given {
			value := a.sys.getenv(name)
			if value == "" {
				return usagef("", "--env %s: not set, or empty", name)
			}
			text += "=" + value
		}
		spec.Env = append(spec.Env, text)
	}
	spec.User, spec.Network = cmp.Or(f.user, spec.User), cmp.Or(f.network, spec.Network)
	if f.gpus != "" {
		gpus, err := imagerun.GPUs(f.gpus)
		if err != nil {
			return usagef("", "--gpus %w", err)
		}
		spec.GPUs = &gpus
	}
	return nil
}

// addSource has the project's modules run from its directory.
func (a *app) addSource(t *runTarget, spec engine.RunSpec) (engine.RunSpec, error) {
	dir, path := "", ""
	if t.image.Name != "" {
		for _, image := range t.image.Standing(t.project) {
			path = cmp.Or(image.Env["PYTHONPATH"], path)
			if image.App != "" {
				dir = filepath.Join(t.project.Root, image.App)
			}
		}
	}
	if dir == "" {
		return spec, usagef("", "--source: image %s has no app", t.name)
	}
	return imagerun.Source(spec, dir, path), nil
}

// checkBinds refuses paths of this machine that there are not: an older engine
// would make a directory of some.
func (a *app) checkBinds(t *runTarget, spec engine.RunSpec) error {
	var errs []error
	for i, bind := range spec.Binds {
		if !filepath.IsAbs(bind.Source) {
			continue
		}
		_, err := os.Stat(bind.Source)
		if err == nil {
			continue
		}
		if i < len(t.run.Volumes) {
			err = t.project.At(fmt.Sprintf("%s.volumes[%d]", t.key, i), err)
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil
	}
	return &advised{errors.Join(errs...), statusUsage, ""}
}

// printRun prints the docker command that does the same.
func (a *app) printRun(spec engine.RunSpec) error {
	argv := imagerun.Docker(spec)
	if a.flags.json {
		return a.printJSON(struct {
			Image string   `json:"image"`
			Argv  []string `json:"argv"`
		}{spec.Image, argv})
	}
	_, err := fmt.Fprintln(a.sys.stdout, imagerun.Quote(argv))
	return err
}

// completeRuns completes images, then their run configurations.
func (a *app) completeRuns(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := a.project()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	switch len(args) {
	case 0:
		for _, image := range p.AllImages() {
			names = append(names, image.Name)
		}
	case 1:
		image, _ := p.ImageNamed(args[0])
		names = slices.Sorted(maps.Keys(image.Runs))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
