package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/bundle"
	"github.com/pybake/pybake/internal/project"
)

// saveFlags are the flags of pybake save.
type saveFlags struct {
	output    string
	artifacts bool
	jobs      int
}

func (a *app) saveCommand() *cobra.Command {
	var f saveFlags
	cmd := &cobra.Command{
		Use:   "save NAME... --output FILE",
		Short: "Write images, or all that they are made of, to one file",
		Long: `Save writes images of pybake.toml to one file, for a machine that reaches
nothing, or for a shared cache; pybake load brings them there. What is not made
yet is made first. Layers that images share are in the file once. Every file in
it is listed with its SHA-256, and load refuses the whole if one does not fit.
docker load takes the file too, for the images alone.

With --artifacts everything is in it that making the images anew takes: Pythons,
wheelhouses, packages of the distro, what the project is built with, the base
image and the pins of pybake.lock. After pybake load, "pybake image --offline"
works there, and builds the project anew from its source as it is there.`,
		Example: `  pybake save web --output shop.tar
  pybake save web --artifacts -o shop.tar`,
		Args:              wantArgs(1, 1000, "NAME"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.save(cmd.Context(), args, f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.output, "output", "o", "", "the `file` to write; - is standard output")
	flags.BoolVar(&f.artifacts, "artifacts", false, "with all that the images are made of")
	flags.IntVarP(&f.jobs, "jobs", "j", 0, "`processes` at once (default: the engine's cores)")
	return cmd
}

func (a *app) save(ctx context.Context, names []string, f saveFlags) error {
	if f.output == "" {
		return usagef(typed(a.args, "--output", names[0]+".tar"), "which file? --output says")
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	run, err := a.newImageRun(p, imageFlags{jobs: f.jobs})
	if err != nil {
		return err
	}
	s := &saving{run: run, head: bundle.Head{Images: map[string]string{}, Tags: map[string]string{}}, seen: map[string]bool{}}
	err = s.collect(ctx, names, f.artifacts)
	if err == nil {
		err = a.writeOutput(f.output, func(w io.Writer) error {
			defer a.display.Step("save")(nil)
			return bundle.Write(ctx, w, s.head, s.sources)
		})
	}
	for _, temporary := range s.temporary {
		err = errors.Join(err, os.Remove(temporary))
	}
	if err = ended(err, run.done()); err != nil {
		return err
	}
	if f.output != "-" {
		_, err = fmt.Fprintln(a.sys.stdout, f.output)
	}
	return err
}

// writeOutput writes a file by a temporary one, or standard output for "-".
func (a *app) writeOutput(name string, write func(io.Writer) error) (err error) {
	if name == "-" {
		return write(a.sys.stdout)
	}
	full := a.path(name)
	tmp, err := os.CreateTemp(filepath.Dir(full), "."+filepath.Base(full)+".*")
	if err != nil {
		return err
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if err := write(tmp); err != nil {
		return err
	}
	if err := errors.Join(tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), full)
}

// saving collects what goes into a bundle.
type saving struct {
	run       *imageRun
	head      bundle.Head
	sources   []bundle.Source
	seen      map[string]bool
	docker    []dockerImage
	temporary []string
}

// dockerImage is an element of manifest.json of docker's archives.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (s *saving) add(src bundle.Source) {
	if !s.seen[src.Name] {
		s.seen[src.Name] = true
		s.sources = append(s.sources, src)
	}
}

// collect makes sure of the images and lists all that goes into the bundle.
func (s *saving) collect(ctx context.Context, names []string, all bool) error {
	chosen, err := s.run.a.chosenImages(s.run.project, names, false, imageFlags{})
	if err != nil {
		return err
	}
	for _, one := range chosen {
		made, err := s.run.one(ctx, one)
		if err != nil {
			return err
		}
		s.head.Arch = made.req.Target.Arch
		if slices.Contains(names, one.Name) {
			if err := s.image(made); err != nil {
				return err
			}
		}
		if all {
			if err := s.inputs(ctx, made.req); err != nil {
				return err
			}
		}
	}
	manifest, err := json.Marshal(s.docker)
	if err != nil {
		return err
	}
	s.sources = slices.Insert(s.sources, 0, bundle.Source{Name: "manifest.json", Data: manifest})
	if all {
		s.add(bundle.Source{Name: project.LockFile, Path: s.run.pins.Path})
	}
	return nil
}

// image adds an image: as docker load wants it, and the artifacts.
func (s *saving) image(m *madeImage) error {
	built, err := m.image.OCI().Build()
	if err != nil {
		return err
	}
	config, err := built.RawConfigFile()
	if err != nil {
		return err
	}
	blob := func(digest string) string { return "blobs/" + strings.ReplaceAll(digest, ":", "/") }
	d := dockerImage{Config: blob(m.ID), RepoTags: m.Tags}
	s.add(bundle.Source{Name: d.Config, Data: config})
	for _, l := range m.image.Layers {
		d.Layers = append(d.Layers, blob(l.Digest))
		s.add(bundle.Source{Name: blob(l.Digest), Path: l.Path})
		if err := s.artifact(image.KindLayer, l.Key); err != nil {
			return err
		}
	}
	s.docker = append(s.docker, d)
	s.head.Images[m.Name] = string(m.Key)
	for _, tag := range m.Tags {
		s.head.Tags[tag] = m.Name
	}
	return s.artifact(image.Kind, m.Key)
}

// artifact adds an artifact of the store.
func (s *saving) artifact(kind string, key artifacts.Key) error {
	it, err := s.run.store.Find(kind, key)
	if err != nil {
		return err
	}
	dir := path.Join("store", kind, string(key))
	s.add(bundle.Source{Name: path.Join(dir, "manifest.json"), Path: filepath.Join(it.Dir, "manifest.json")})
	for _, f := range it.Files {
		s.add(bundle.Source{Name: path.Join(dir, f.Path), Path: filepath.Join(it.Dir, filepath.FromSlash(f.Path))})
	}
	return nil
}
