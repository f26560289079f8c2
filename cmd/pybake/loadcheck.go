package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/bundle"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// stored is an artifact of a bundle.
type stored struct {
	artifacts.Manifest
	dir string // in the bundle, "store/layer/5f1c…/"
}

// maxText is the most that a bundle's own texts take, in bytes.
const maxText = 64 << 20

// check refuses a bundle whose parts are not what they say, before anything of it is
// taken in.
func (l *loading) check() error {
	if err := l.checkArtifacts(); err != nil {
		return err
	}
	if err := l.readPins(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(l.b.Images)) {
		key := artifacts.Key(l.b.Images[name])
		if !slices.ContainsFunc(l.artifacts, func(it stored) bool { return it.Kind == image.Kind && it.Key == key }) {
			return fmt.Errorf("image %s: the file does not have the artifact %s", name, key.Short())
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(l.b.Tags)) {
		if _, ok := l.b.Images[l.b.Tags[tag]]; !ok {
			return fmt.Errorf("tag %s: the file has no image %s", tag, l.b.Tags[tag])
		}
		if err := checkLoaded(tag); err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
	}
	for _, f := range l.b.Files {
		if strings.HasPrefix(f.Name, "engine/") {
			if err := l.checkBase(f); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

// checkLoaded refuses what is no reference, and names of pybake's own images.
func checkLoaded(tag string) error {
	if err := checkReference(tag); err != nil {
		return err
	}
	bare := strings.TrimPrefix(strings.TrimPrefix(tag, "index.docker.io/"), "docker.io/")
	if strings.HasPrefix(bare, "pybake/") {
		return errors.New("pybake/ is for what pybake makes on the way")
	}
	return nil
}

// checkArtifacts reads the manifests and checks that each has its files, and that
// there are no others.
func (l *loading) checkArtifacts() error {
	has := map[string]bool{}
	for _, f := range l.b.Files {
		parts := strings.Split(f.Name, "/")
		if parts[0] != "store" || len(parts) != 4 || parts[3] != "manifest.json" {
			continue
		}
		it := stored{dir: path.Dir(f.Name) + "/"}
		if err := l.json(f, &it.Manifest); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if err := it.check(parts[1], artifacts.Key(parts[2])); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		for _, own := range it.Files {
			listed, ok := l.b.Find(it.dir + own.Path)
			if !ok || listed.SHA256 != own.SHA256 || listed.Size != own.Size {
				return fmt.Errorf("%s: %s is not in the file as the manifest has it", f.Name, own.Path)
			}
			has[it.dir+own.Path] = true
		}
		has[f.Name] = true
		l.artifacts = append(l.artifacts, it)
	}
	for _, f := range l.b.Files {
		if strings.HasPrefix(f.Name, "store/") && !has[f.Name] {
			return fmt.Errorf("%s: no manifest lists it", f.Name)
		}
	}
	return nil
}

// check refuses a manifest that is not that of a kind and key.
func (it stored) check(kind string, key artifacts.Key) error {
	made, err := artifacts.NewKey(it.Kind, it.Inputs)
	switch {
	case err != nil:
		return err
	case it.Format != artifacts.ManifestFormat:
		return fmt.Errorf("format %d: this pybake reads format %d only", it.Format, artifacts.ManifestFormat)
	case it.Kind != kind:
		return fmt.Errorf("the manifest says kind %q", it.Kind)
	case it.Key != key || made != key:
		return fmt.Errorf("the manifest says key %s, and its inputs make %s", it.Key, made)
	case !strings.HasPrefix(it.Name, kind+" "):
		return fmt.Errorf("the manifest says name %q, which is of another kind", it.Name)
	}
	for _, f := range it.Files {
		if !fs.ValidPath(f.Path) || f.Path == "manifest.json" || f.Path == "SHA256SUMS" || f.Path == "logs" || strings.HasPrefix(f.Path, "logs/") {
			return fmt.Errorf("%q: not a file that an artifact has", f.Path)
		}
	}
	return nil
}

// json reads a text of the bundle.
func (l *loading) json(f bundle.File, into any) error {
	if f.Size > maxText {
		return fmt.Errorf("%d bytes: more than %d", f.Size, maxText)
	}
	r, err := l.b.Open(f.Name)
	if err != nil {
		return err
	}
	return json.NewDecoder(r).Decode(into)
}

// readPins reads the pins of the bundle, if it has some.
func (l *loading) readPins() error {
	if _, ok := l.b.Find(project.LockFile); !ok {
		return nil
	}
	dir, err := os.MkdirTemp("", "pybake-load-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, project.LockFile)
	if err := l.copy(project.LockFile, file); err != nil {
		return err
	}
	l.from, err = project.ReadLock(file)
	return err
}

// checkBase refuses an archive for the engine that has more than a base image under
// the name that the pins of the bundle lead to.
func (l *loading) checkBase(f bundle.File) error {
	r, err := l.b.Open(f.Name)
	if err != nil {
		return err
	}
	images, err := dockerImages(r)
	if err != nil {
		return err
	}
	if l.from == nil {
		return fmt.Errorf("the file has no %s that would tell its digest", project.LockFile)
	}
	var known []string
	for _, base := range l.from.Bases {
		t := distro.Target{Distro: recipes.Distro{Codename: base.Distro}, Arch: base.Arch}
		known = append(known, distro.BaseRef(t, base.Digest))
	}
	for _, img := range images {
		for _, tag := range img.RepoTags {
			if !slices.Contains(known, tag) {
				return fmt.Errorf("it would give the engine %s, which is no base image of the file's pins", tag)
			}
		}
	}
	return nil
}

// dockerImages reads manifest.json of docker's archive.
func dockerImages(r io.Reader) ([]dockerImage, error) {
	var images []dockerImage
	found := false
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if path.Clean("/"+h.Name) != "/manifest.json" {
			continue
		}
		if found || h.Typeflag != tar.TypeReg || h.Size > maxText {
			return nil, errors.New("want one manifest.json")
		}
		if err := json.NewDecoder(tr).Decode(&images); err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		found = true
	}
	if !found || len(images) == 0 {
		return nil, errors.New("it has no manifest.json that names an image")
	}
	return images, nil
}
