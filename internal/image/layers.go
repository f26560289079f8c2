package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image/check"
	"github.com/pybake/pybake/internal/image/install"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/image/oci"
)

// layer returns a layer of a plan: from the store, or made on the layers below it.
func (b *Builder) layer(ctx context.Context, p *Plan, i int, below []Layer) (_ Layer, reused bool, err error) {
	planned := p.Layers[i]
	if a, err := b.Store.Find(KindLayer, planned.Key); err == nil {
		l, err := readLayer(a)
		l.Image = planned.Image
		return l, true, err
	} else if !rebuildable(err) {
		return Layer{}, false, err
	}
	started := time.Now()
	draft, err := b.Store.Begin(KindLayer)
	if err != nil {
		return Layer{}, false, err
	}
	defer draft.Discard()
	scratch, err := draft.Scratch("fragments")
	if err != nil {
		return Layer{}, false, err
	}
	var fragments []string
	err = b.timed("layer "+planned.Name, func() (err error) {
		fragments, err = b.fragments(ctx, p, i, below, scratch)
		return err
	})
	if err != nil {
		return Layer{}, false, err
	}
	l := Layer{Name: planned.Name, Image: planned.Image, Key: planned.Key, By: planned.By}
	if l.Blob, err = join(filepath.Join(draft.Dir(), blobFile), fragments); err != nil {
		return Layer{}, false, err
	}
	facts, err := check.ReadFacts(ctx, l.Blob)
	if err != nil {
		return Layer{}, false, err
	}
	if err := errors.Join(writeJSON(filepath.Join(draft.Dir(), layerFile), l), writeJSON(filepath.Join(draft.Dir(), factsFile), facts)); err != nil {
		return Layer{}, false, err
	}
	a, err := draft.Publish(ctx, artifacts.Manifest{
		Kind: KindLayer, Name: fmt.Sprintf("%s %s %s %s", KindLayer, planned.Name, p.req.Target.Distro.Codename, planned.Key.Short()),
		Inputs: planned.Inputs, Started: started, Finished: time.Now(),
		Labels: map[string]string{"layer": planned.Name, "distro": p.req.Target.Distro.Codename, "arch": p.req.Target.Arch},
	})
	if err != nil {
		return Layer{}, false, err
	}
	l, err = readLayer(a)
	return l, false, err
}

func readLayer(a *artifacts.Artifact) (l Layer, err error) {
	err = readJSON(filepath.Join(a.Dir, layerFile), &l)
	l.Path = filepath.Join(a.Dir, blobFile)
	return l, err
}

func join(name string, fragments []string) (layer.Blob, error) {
	f, err := os.Create(name)
	if err != nil {
		return layer.Blob{}, err
	}
	blob, err := layer.Join(f, fragments...)
	if closed := f.Close(); err == nil {
		err = closed
	}
	blob.Path = name
	return blob, err
}

// fragments makes what a layer is joined from.
func (b *Builder) fragments(ctx context.Context, p *Plan, i int, below []Layer, dir string) ([]string, error) {
	planned := p.Layers[i]
	file := func(name string, write func(io.Writer) error) (string, error) {
		name = filepath.Join(dir, name)
		return name, create(name, write)
	}
	switch planned.Name {
	case "base":
		name, err := file("base", func(w io.Writer) error { return b.baseLayer(ctx, p, w) })
		return []string{name}, err
	case "python":
		changed, err := file("packages", func(w io.Writer) error { return b.aptLayer(ctx, p, i, below, w) })
		if err != nil {
			return nil, err
		}
		venv, err := file("venv", func(w io.Writer) error {
			return layer.Fragment(w, bytes.NewReader(install.Venv(p.Series)), layer.Options{Latest: Epoch})
		})
		return []string{changed, venv}, err
	case "apt":
		changed, err := file("packages", func(w io.Writer) error { return b.aptLayer(ctx, p, i, below, w) })
		return []string{changed}, err
	case "wheels", "app":
		return b.trees(ctx, p, i, below, dir)
	case "files":
		facts, blobs, err := factsOf(below)
		if err != nil {
			return nil, err
		}
		name, err := file("files", func(w io.Writer) error { return b.filesLayer(w, p, planned, check.Stack(facts), blobs) })
		return []string{name}, err
	}
	return nil, fmt.Errorf("no such layer: %s", planned.Name)
}

// factsOf reads what is kept beside layers.
func factsOf(layers []Layer) (facts []*check.Facts, blobs []layer.Blob, err error) {
	for _, l := range layers {
		f := &check.Facts{}
		if err := readJSON(filepath.Join(filepath.Dir(l.Path), factsFile), f); err != nil {
			return nil, nil, err
		}
		facts, blobs = append(facts, f), append(blobs, l.Blob)
	}
	return facts, blobs, nil
}

// LayerRepository is where the engine has layers as images to install on.
const LayerRepository = "pybake/layer"

// layerRef is the name of the first n layers in the engine.
func layerRef(p *Plan, n int) string { return ref(p.req.Target.String(), p.chain(n)) }

func ref(target, chain string) string { return LayerRepository + ":" + target + "-" + chain[:12] }

// Refs are the names that an engine may have the layers of an image under.
func (i *Image) Refs() []string {
	var refs []string
	var keys []artifacts.Key
	for _, l := range i.Layers {
		keys = append(keys, l.Key)
		refs = append(refs, ref(i.Target, chainOf(keys)))
	}
	return refs
}

// lowerImage makes sure that the engine has an image of some layers, as something
// to install on, and returns its name.
func (b *Builder) lowerImage(ctx context.Context, p *Plan, layers []Layer) (string, error) {
	ref := layerRef(p, len(layers))
	if _, found, err := b.Engine.Image(ctx, ref); found || err != nil {
		return ref, err
	}
	img := &Image{Arch: p.req.Target.Arch, Created: Epoch, Layers: layers, Config: oci.Config{
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, Cmd: []string{"/bin/sh"},
		Labels: map[string]string{distro.Label: "layer"},
	}}
	return ref, b.load(ctx, img, []string{ref}, b.others(p))
}

// load gives an image to the engine, without the layers that it has already in one
// of some other images.
func (b *Builder) load(ctx context.Context, img *Image, refs, others []string) error {
	ids := diffIDs(img.Layers)
	most := 0
	for _, ref := range others {
		known, _, err := b.Engine.Image(ctx, ref)
		if err != nil {
			return err
		}
		n := 0
		for n < min(len(ids), len(known.Layers)) && ids[n] == known.Layers[n] {
			n++
		}
		most = max(most, n)
	}
	return img.OCI().Load(ctx, b.Engine, refs, ids[:most])
}

// others are the images of the engine that may have layers of a plan: the one that
// had its name before, and those to install on.
func (b *Builder) others(p *Plan) []string {
	var refs []string
	if b.beforeID != "" {
		refs = append(refs, b.beforeID)
	}
	for n := len(p.Layers); n > 0; n-- {
		refs = append(refs, layerRef(p, n))
	}
	return refs
}

// pythonContainer starts a container that has the Python of the plan and nothing
// else that matters: of some layers the lowest up to it.
func (b *Builder) pythonContainer(ctx context.Context, p *Plan, layers []Layer) (*engine.Container, error) {
	top := slices.IndexFunc(layers, func(l Layer) bool { return l.Name == "python" })
	ref, err := b.lowerImage(ctx, p, layers[:top+1])
	if err != nil {
		return nil, err
	}
	return b.Distros.Start(ctx, engine.Spec{Image: ref, Purpose: "install-" + p.req.Target.String(), NoNames: true})
}
