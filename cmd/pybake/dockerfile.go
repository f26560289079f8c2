package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (a *app) dockerfileCommand() *cobra.Command {
	var jobs int
	cmd := &cobra.Command{
		Use:   "dockerfile NAME",
		Short: "Print an image as a Dockerfile",
		Long: `Dockerfile makes the image and prints a Dockerfile that gives the same files. It
needs BuildKit, a directory of the store that it mounts (RUN --mount=type=bind),
and no pybake. What it installs never enters the image. The directory of
pybake.toml is the context of the build; the store must be in it.

The directory that is mounted, a kit, has a Dockerfile of its own too, for which
the kit is the context.`,
		Example: `  pybake dockerfile web > Dockerfile
  DOCKER_BUILDKIT=1 docker build -t web .`,
		Args:              wantArgs(1, 1, "NAME"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.dockerfile(cmd.Context(), args[0], jobs)
		},
	}
	cmd.Flags().IntVarP(&jobs, "jobs", "j", 0, "`processes` at once (default: the engine's cores)")
	return cmd
}

func (a *app) dockerfile(ctx context.Context, name string, jobs int) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	run, err := a.newImageRun(p, imageFlags{jobs: jobs})
	if err != nil {
		return err
	}
	context, err := filepath.Rel(a.path(run.root()), a.path(run.store.Dir()))
	if err != nil || !filepath.IsLocal(context) {
		return usagef("", "the store, %s, is not below %s: a Dockerfile can mount nothing of it", run.store.Dir(), run.root())
	}
	text, err := run.dockerfile(ctx, name, filepath.ToSlash(context))
	if err = ended(err, run.done()); err != nil {
		return err
	}
	_, err = fmt.Fprint(a.sys.stdout, text)
	return err
}

func (r *imageRun) dockerfile(ctx context.Context, name, store string) (string, error) {
	chosen, err := r.a.chosenImages(r.project, []string{name}, false, imageFlags{})
	if err != nil {
		return "", err
	}
	one := chosen[len(chosen)-1]
	made, err := r.one(ctx, one)
	if err != nil {
		return "", err
	}
	b, err := r.builder(ctx)
	if err != nil {
		return "", err
	}
	kit, err := b.Kit(ctx, made.plan, made.image)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(r.store.Dir(), kit.Dir)
	if err != nil {
		return "", err
	}
	return made.plan.Dockerfile(store + "/" + filepath.ToSlash(rel)), nil
}
