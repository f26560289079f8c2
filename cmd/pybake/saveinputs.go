package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/bundle"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/lock"
)

// inputs adds what an image is made of: artifacts, and the files of the cache that
// its pins name.
func (s *saving) inputs(ctx context.Context, req image.Request) error {
	for _, l := range req.Links {
		if l.Python != nil {
			if err := s.artifact(l.Python.Kind, l.Python.Key); err != nil {
				return err
			}
		}
		if l.House != nil {
			if err := s.artifact(l.House.Kind, l.House.Key); err != nil {
				return err
			}
		}
		if l.App != nil {
			if err := s.artifact("wheel", l.App.Key); err != nil {
				return err
			}
		}
	}
	pins, err := s.run.pins.Read()
	if err != nil {
		return err
	}
	codename, arch := req.Target.Distro.Codename, req.Target.Arch
	base, ok := pins.Base(codename, arch)
	if !ok {
		return fmt.Errorf("base image of %s: not pinned", req.Target)
	}
	if err := s.base(ctx, req.Target, base); err != nil {
		return err
	}
	o := s.ownersOf(req)
	for i, set := range slices.Concat(pins.Builders, pins.Runtimes) {
		// What compiles a Python is left out: the Python is there.
		compiles := i < len(pins.Builders) && strings.HasPrefix(set.For, "python ")
		if set.Distro != codename || set.Arch != arch || compiles {
			continue
		}
		needed := o.runtimes[set.For]
		if i < len(pins.Builders) {
			needed = o.builder(set.For)
		}
		if err := s.packages(ctx, req.Target, base, set.Packages, needed); err != nil {
			return fmt.Errorf("packages of %s for %s: %w", req.Target, set.For, err)
		}
	}
	return s.builds(ctx, pins, req, o)
}

// owners are in whose name pybake.lock pins what an image itself takes.
type owners struct {
	runtimes map[string]bool // "python 3.13", "image web", "wheels uv.lock 3.13"
	app      *image.App
	python   *artifacts.Artifact
	source   string // of the app's build pin: "directory ."
}

// ownersOf finds the owners of the pins of an image.
func (s *saving) ownersOf(req image.Request) owners {
	o := owners{runtimes: map[string]bool{}}
	for _, l := range req.Links {
		o.runtimes[image.Kind+" "+l.Name] = true
		if l.Python != nil {
			o.python = l.Python
			o.runtimes["python "+o.series()] = true
		}
		if l.House != nil {
			of := strings.Join([]string{"", l.House.Labels["version"], l.House.Labels["distro"], l.House.Labels["arch"]}, " ")
			o.runtimes[strings.TrimSuffix(l.House.Name, of)+" "+o.series()] = true
		}
		if l.App != nil {
			o.app, o.source = l.App, project.DirectorySource(s.run.below(l.App.Root))
		}
	}
	return o
}

// series is that of the Python of the image: "3.13"; or empty.
func (o owners) series() string {
	if o.python == nil {
		return ""
	}
	return o.python.Labels["series"]
}

// builder is whether the packages of a builder image build the app. With extra
// packages, which a recipe names, the image is another: both are taken.
func (o owners) builder(owner string) bool {
	of := wheels.Kind + " " + o.series()
	return o.app != nil && (owner == of || strings.HasPrefix(owner, of+" "))
}

// base adds the base image: the tar that it was made of, else as the engine saves it.
func (s *saving) base(ctx context.Context, t distro.Target, base project.BasePin) error {
	maker, err := s.run.connect(ctx)
	if err != nil {
		return err
	}
	file := fetch.File{Name: "base-" + t.String() + ".tar", SHA256: strings.TrimPrefix(base.Digest, "sha256:")}
	if got, err := maker.Fetcher.Get(ctx, []fetch.File{file}, nil); base.Origin == distro.FromMmdebstrap && err == nil {
		s.add(bundle.Source{Name: cacheName(file.SHA256, file.Name), Path: got.Path})
		return nil
	}
	name := "engine/base-" + t.String() + ".tar"
	if s.seen[name] {
		return nil
	}
	if _, err := maker.Base(ctx, t, &base); err != nil {
		return err
	}
	archive, err := maker.Engine.Save(ctx, []string{distro.BaseRef(t, base.Digest)})
	if err != nil {
		return err
	}
	defer archive.Close()
	tmp, err := os.CreateTemp("", "pybake-save-*")
	if err != nil {
		return err
	}
	defer tmp.Close()
	s.temporary = append(s.temporary, tmp.Name())
	s.add(bundle.Source{Name: name, Path: tmp.Name()})
	_, err = io.Copy(tmp, archive)
	return err
}

func cacheName(sha256, name string) string { return path.Join("cache", sha256, name) }

// packages adds packages of the distro. Those that the image needs are fetched if
// they are not here; of what was pinned for somebody else this machine may have none.
func (s *saving) packages(ctx context.Context, t distro.Target, base project.BasePin, packages []project.Package, needed bool) error {
	maker, err := s.run.connect(ctx)
	if err != nil {
		return err
	}
	if needed {
		if _, err := maker.Files(ctx, t, base, packages); err != nil {
			return err
		}
	}
	for _, pkg := range packages {
		file := fetch.File{Name: pkg.Name + "_" + pkg.Arch + ".deb", SHA256: strings.TrimPrefix(pkg.Digest, "sha256:")}
		if err := s.file(ctx, file, nil, needed); err != nil {
			return err
		}
	}
	return nil
}

// file adds a file of the cache, fetched from a place if need be. One that is not to
// be had is left out unless it is needed.
func (s *saving) file(ctx context.Context, file fetch.File, places []fetch.Place, needed bool) error {
	maker, err := s.run.connect(ctx)
	if err != nil {
		return err
	}
	got, err := maker.Fetcher.Get(ctx, []fetch.File{file}, places)
	switch {
	case err == nil:
		s.add(bundle.Source{Name: cacheName(file.SHA256, file.Name), Path: got.Path})
		return nil
	case needed || ctx.Err() != nil:
		return err
	}
	return nil
}

// builds adds the wheels that sdists and projects are built with: those of the app
// have to be there.
func (s *saving) builds(ctx context.Context, pins *project.Lock, req image.Request, o owners) error {
	for _, pin := range pins.Builds {
		if pin.Distro != req.Target.Distro.Codename || pin.Arch != req.Target.Arch {
			continue
		}
		needed := o.app != nil && pin.Source == o.source && pin.Python == o.series()
		for _, pkg := range pin.Packages {
			var places []fetch.Place
			if needed {
				at, err := s.index(o.python, pkg)
				if err != nil {
					return err
				}
				places = append(places, at)
			}
			file := fetch.File{Name: pkg.File, SHA256: strings.TrimPrefix(pkg.Digest, "sha256:")}
			if err := s.file(ctx, file, places, needed); err != nil {
				return fmt.Errorf("build requirement %s %s of %s: %w", pkg.Name, pkg.Version, pin.Name, err)
			}
		}
		if needed && pin.Crates != "" {
			if err := s.rust(ctx, pin, filepath.Dir(o.app.Path)); err != nil {
				return err
			}
		}
	}
	return nil
}

// rust adds the crates that the app is built with, of which its artifact has a list, and
// the compiler if that is not the distro's.
func (s *saving) rust(ctx context.Context, pin project.BuildPin, artifact string) error {
	list, err := os.ReadFile(filepath.Join(artifact, wheels.CratesFile))
	if err != nil {
		return fmt.Errorf("crates of %s: %w", pin.Name, err)
	}
	for line := range strings.Lines(string(list)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if err := s.file(ctx, fetch.File{Name: name, SHA256: sum}, nil, true); err != nil {
			return fmt.Errorf("crate %s of %s: %w", name, pin.Name, err)
		}
	}
	if pin.Rust == "" {
		return nil
	}
	compiler := fetch.File{Name: "rust.tar.xz", SHA256: strings.TrimPrefix(pin.Rust, "sha256:")}
	return s.file(ctx, compiler, nil, true)
}

// index is where a wheel of a build environment comes from.
func (s *saving) index(python *artifacts.Artifact, pkg project.BuildPackage) (fetch.Place, error) {
	finder, err := s.run.a.finder(s.run.project, &lock.Lock{}, python, wheelsFlags{})
	if err != nil {
		return fetch.Place{}, err
	}
	open := func(ctx context.Context, name string, from int64) (fetch.Body, error) {
		files, err := finder.Index.Match(ctx, pkg.Name, []string{pkg.Digest})
		if err != nil {
			return fetch.Body{}, err
		}
		for _, f := range files {
			if f.Name == name {
				return finder.Index.Place(f.Index).Open(ctx, f.URL, from)
			}
		}
		return fetch.Body{}, fmt.Errorf("%s: no file with that hash: %w", name, fetch.ErrNotHere)
	}
	return fetch.Place{Label: "index", Network: true, Strict: true, Open: open}, nil
}
