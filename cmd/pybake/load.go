package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/bundle"
	"github.com/pybake/pybake/internal/project"
)

func (a *app) loadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "load FILE",
		Short: "Take in what pybake save wrote",
		Long: `Load reads a file of pybake save. It verifies all of it before it touches
anything: a file that is cut off or has one bit changed is refused whole. Then
artifacts go into the store, packages into the cache, images into the engine
with the tags that they were saved with, and pins that are missing here into
pybake.lock. A pin that is another here stays, and is named.

It prints the tags of the images.`,
		Example: `  pybake load shop.tar
  pybake load shop.tar && pybake image --offline`,
		Args: wantArgs(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.load(cmd.Context(), args[0])
		},
	}
}

func (a *app) load(ctx context.Context, name string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	run, err := a.newImageRun(p, imageFlags{})
	if err != nil {
		return err
	}
	end := a.display.Step("verify " + filepath.Base(name))
	b, err := bundle.Open(ctx, a.path(name))
	end(err)
	if err != nil {
		return &advised{err, statusUsage, ""}
	}
	defer b.Close()
	if want := debianArch(runtime.GOARCH); b.Arch != want {
		return usagef("", "%s is for %s, this machine is %s", name, b.Arch, want)
	}
	l := &loading{run: run, b: b}
	if err := l.check(); err != nil {
		return &advised{&bundle.DamagedError{Path: name, Err: err}, statusUsage, ""}
	}
	tags, err := l.all(ctx)
	if err = ended(err, run.done()); err != nil {
		return err
	}
	if a.flags.json {
		return a.printJSON(map[string]any{"images": b.Images, "tags": tags})
	}
	for _, tag := range tags {
		if _, err := fmt.Fprintln(a.sys.stdout, tag); err != nil {
			return err
		}
	}
	return nil
}

// loading takes in one bundle.
type loading struct {
	run  *imageRun
	b    *bundle.Bundle
	from *project.Lock // the pins of the bundle; nil if it has none

	artifacts []stored
}

func (l *loading) all(ctx context.Context) (tags []string, err error) {
	maker, err := l.run.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.cache(ctx, maker); err != nil {
		return nil, err
	}
	if err := l.artifactsIn(ctx); err != nil {
		return nil, err
	}
	if err := l.pins(); err != nil {
		return nil, err
	}
	if err := l.bases(ctx, maker); err != nil {
		return nil, err
	}
	return l.images(ctx)
}

// cache puts files where downloads are.
func (l *loading) cache(ctx context.Context, maker *distro.Maker) error {
	for _, f := range l.b.Files {
		rest, ok := strings.CutPrefix(f.Name, "cache/")
		if !ok {
			continue
		}
		r, err := l.b.Open(f.Name)
		if err != nil {
			return err
		}
		if _, err := maker.Fetcher.Add(ctx, path.Base(rest), r); err != nil {
			return err
		}
	}
	return nil
}

// artifactsIn puts artifacts into the store, under the keys that they had.
func (l *loading) artifactsIn(ctx context.Context) error {
	for _, it := range l.artifacts {
		if err := l.artifact(ctx, it); err != nil {
			return fmt.Errorf("%s: %w", it.dir, err)
		}
	}
	return nil
}

func (l *loading) artifact(ctx context.Context, it stored) error {
	if known, err := l.run.store.Find(it.Kind, it.Key); err == nil {
		return l.run.store.Point(ctx, known, known.Name)
	}
	draft, err := l.run.store.Begin(it.Kind)
	if err != nil {
		return err
	}
	defer draft.Discard()
	for _, f := range it.Files {
		if err := l.copy(it.dir+f.Path, filepath.Join(draft.Dir(), filepath.FromSlash(f.Path))); err != nil {
			return err
		}
	}
	_, err = draft.Publish(ctx, it.Manifest)
	return err
}

func (l *loading) copy(name, to string) error {
	r, err := l.b.Open(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// pins adds the pins that are missing here.
func (l *loading) pins() error {
	if l.from == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(l.run.pins.Path), 0o755); err != nil {
		return err
	}
	var other []string
	err := project.Update(l.run.pins.Path, func(to *project.Lock) error {
		other = to.Merge(l.from)
		return nil
	})
	for _, what := range other {
		l.run.a.display.Note("%s is pinned otherwise here, and stays so", what)
	}
	return err
}

// bases loads the base images that no tar of the cache gives.
func (l *loading) bases(ctx context.Context, maker *distro.Maker) error {
	for _, f := range l.b.Files {
		if !strings.HasPrefix(f.Name, "engine/") {
			continue
		}
		r, err := l.b.Open(f.Name)
		if err != nil {
			return err
		}
		if err := maker.Engine.Load(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// images gives the engine the images under their tags.
func (l *loading) images(ctx context.Context) ([]string, error) {
	b, err := l.run.builder(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string][]string{}
	for tag, name := range l.b.Tags {
		byName[name] = append(byName[name], tag)
	}
	var all []string
	for name, key := range l.b.Images {
		it, err := l.run.store.Find(image.Kind, artifacts.Key(key))
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
		if err := b.Bring(ctx, it, byName[name]); err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
		all = append(all, byName[name]...)
	}
	slices.Sort(all)
	return all, nil
}
