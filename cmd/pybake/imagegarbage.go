package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/layer"
)

// How long what nothing refers to stays: a layer may be waiting for the image that
// is being made of it, a tree may be wanted by the next lock.
const (
	keepLayers = 24 * time.Hour
	keepTrees  = 30 * 24 * time.Hour
)

// layerGarbage finds the layers that no image has that stays, and the trees that
// were not used for long.
func (a *app) layerGarbage(store *artifacts.Store, found, going []*artifacts.Artifact) ([]garbage, error) {
	used := map[artifacts.Key]bool{}
	for _, it := range found {
		if it.Kind != image.Kind || slices.Contains(going, it) {
			continue
		}
		img, err := image.Read(store, it)
		if err != nil {
			continue // it is made anew, with its layers
		}
		for _, l := range img.Layers {
			used[l.Key] = true
		}
	}
	var all []garbage
	for _, it := range found {
		if it.Kind == image.KindLayer && !used[it.Key] && a.sys.now().Sub(it.Finished) > keepLayers {
			all = append(all, garbage{"layer", it.Name, it.Size(), func(ctx context.Context) error { return store.Remove(ctx, it.Kind, it.Key) }})
		}
	}
	dir, err := a.inCache("trees")
	if err != nil {
		return nil, err
	}
	trees, err := layer.Cache{Dir: dir}.Stale(a.sys.now().Add(-keepTrees))
	if err != nil {
		return nil, err
	}
	for _, tree := range trees {
		if info, err := os.Stat(tree); err == nil {
			all = append(all, garbage{"tree", tree, info.Size(), func(context.Context) error { return os.Remove(tree) }})
		}
	}
	return all, nil
}

// layerImages are the engine's images of layers that images of the store stand on.
func (a *app) layerImages() (map[string]bool, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	refs := map[string]bool{}
	found, _ := store.List()
	for _, it := range found {
		if it.Kind != image.Kind {
			continue
		}
		if img, err := image.Read(store, it); err == nil {
			for _, ref := range img.Refs() {
				refs[ref] = true
			}
		}
	}
	return refs, nil
}

// finishedGarbage finds what finished images leave in the engine: those whose check
// was killed, and those that lost their last tag to a newer one. What an image says
// of its time comes from its inputs; so the former stay while any other pybake runs.
func (a *app) finishedGarbage(ctx context.Context, e *engine.Engine) ([]garbage, error) {
	images, err := e.Images(ctx, image.LabelKey)
	if err != nil {
		return nil, err
	}
	others, err := a.otherRuns(e)
	if err != nil {
		return nil, err
	}
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	var all []garbage
	for _, img := range named(images) {
		// What somebody built on one of ours has its labels, too.
		if len(img.Tags) == 0 && !isStored(store, img) {
			continue
		}
		for _, ref := range leftRefs(img, others > 0) {
			all = append(all, garbage{"image", ref, img.Size, func(ctx context.Context) error { return e.RemoveImage(ctx, ref) }})
		}
	}
	return all, nil
}

// isStored is whether an image of the engine is one of the store.
func isStored(store *artifacts.Store, img engine.Image) bool {
	it, err := store.Find(image.Kind, artifacts.Key(img.Labels[image.LabelKey]))
	if err != nil {
		return false
	}
	known, err := image.Read(store, it)
	return err == nil && known.Is(img.ID)
}

// named are images without the tag that engines list for none.
func named(images []engine.Image) []engine.Image {
	for i := range images {
		images[i].Tags = slices.DeleteFunc(images[i].Tags, func(tag string) bool { return tag == "<none>:<none>" })
	}
	return images
}

// leftRefs are the references of a finished image that nobody needs: temporary ones,
// unless somebody may be checking it; its ID, if it has none.
func leftRefs(img engine.Image, checking bool) []string {
	var refs []string
	for _, tag := range img.Tags {
		if strings.HasPrefix(tag, image.CheckingRepository+":") && !checking {
			refs = append(refs, tag)
		}
	}
	if len(img.Tags) == 0 {
		refs = []string{img.ID}
	}
	return refs
}

// isLayer is whether a tag of an engine is that of layers.
func isLayer(tag string) bool { return strings.HasPrefix(tag, image.LayerRepository+":") }
