package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/gate"
)

// keepLogs is how long the logs of builds stay; those of an artifact stay as
// long as it does.
const keepLogs = 7 * 24 * time.Hour

// keepProved is how long the image of a proved house stays. When it is gone, the next
// house is proved from its beginning.
const keepProved = 30 * 24 * time.Hour

// garbage is one thing that clean removes.
type garbage struct {
	Kind string `json:"kind"` // "container", "volume", "image", "draft", "log", "artifact", "night", …
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes; -1: not known

	remove func(context.Context) error
}

// engineGarbage finds containers and volumes of dead sessions, and images.
func (a *app) engineGarbage(ctx context.Context, e *engine.Engine, f cleanFlags) ([]garbage, error) {
	left, err := e.Leftovers(ctx)
	if err != nil {
		return nil, err
	}
	var all []garbage
	foreign := 0
	for _, l := range left {
		if l.Owner == engine.OwnerForeign && !f.foreign {
			foreign++
		}
		if l.Owner == engine.OwnerDead || l.Owner == engine.OwnerForeign && f.foreign {
			all = append(all, garbage{l.Kind, l.Name, l.Size, func(ctx context.Context) error { return e.RemoveLeftover(ctx, l) }})
		}
	}
	if foreign > 0 {
		a.display.Note("%s of other users or machines kept; --foreign removes them", countText(foreign, "container or volume"))
	}
	images, err := e.Images(ctx, distro.Label)
	if err != nil {
		return nil, err
	}
	images = named(images)
	pinned, err := a.pinnedImages()
	if err != nil {
		return nil, err
	}
	layers, err := a.layerImages()
	if err != nil {
		return nil, err
	}
	finished, err := a.finishedGarbage(ctx, e)
	if err != nil {
		return nil, err
	}
	all = append(all, finished...)
	for _, img := range images {
		ofLayers := slices.ContainsFunc(img.Tags, isLayer)
		inUse := slices.ContainsFunc(img.Tags, func(tag string) bool { return layers[tag] })
		keep := inUse || !ofLayers && newest(img, images) || slices.ContainsFunc(img.Tags, pinned)
		if img.Labels[distro.Label] == gate.ProvedImage { // one for each house
			keep = provedStays(img, a.sys.now())
		}
		if !f.images && keep {
			continue
		}
		refs := img.Tags
		if len(refs) == 0 {
			refs = []string{img.ID}
		}
		all = append(all, garbage{"image", strings.Join(refs, " "), img.Size, func(ctx context.Context) error {
			for _, ref := range refs {
				if err := e.RemoveImage(ctx, ref); err != nil {
					return err
				}
			}
			return nil
		}})
	}
	return all, nil
}

// provedStays is whether the image of a proved house stays: until a newer one has
// taken its name, and for some time.
func provedStays(img engine.Image, now time.Time) bool {
	return len(img.Tags) > 0 && now.Sub(img.Created) < keepProved
}

// newest says whether an image is the newest for one of its tags.
func newest(img engine.Image, images []engine.Image) bool {
	for _, tag := range img.Tags {
		if !slices.ContainsFunc(images, func(other engine.Image) bool {
			return other.Created.After(img.Created) && slices.ContainsFunc(other.Tags, func(t string) bool { return purpose(t) == purpose(tag) })
		}) {
			return true
		}
	}
	return false
}

// purpose is what the versions of an image have in common:
// "pybake/builder:trixie-amd64" of "pybake/builder:trixie-amd64-77ab12cd90ef".
func purpose(tag string) string {
	return tag[:max(0, strings.LastIndex(tag, "-"))]
}

// pinnedImages tells whether a tag is that of an image that the pins of this
// project lead to. Those of other projects are made anew.
func (a *app) pinnedImages() (func(tag string) bool, error) {
	lock, _, err := a.pins()
	if err != nil {
		return nil, err
	}
	versions := map[string]bool{}
	for _, base := range lock.Bases {
		t := distro.Target{Distro: recipes.Distro{Codename: base.Distro}, Arch: base.Arch}
		versions[version(distro.BaseRef(t, base.Digest))] = true
		for _, set := range slices.Concat(lock.Builders, lock.Runtimes) {
			if set.Distro == base.Distro && set.Arch == base.Arch {
				versions[version(distro.BuilderRef(t, base, set.Packages, "builder"))] = true
			}
		}
	}
	return func(tag string) bool { return versions[version(tag)] }, nil
}

// version is the other part: "trixie-amd64-77ab12cd90ef", for whatever purpose.
func version(tag string) string {
	return tag[strings.LastIndex(tag, ":")+1:]
}

// storeGarbage finds dead drafts, old logs and old artifacts. What was removed of the
// published directory, or would be, needs none.
func (a *app) storeGarbage(keep int, removed ...publish.Removed) ([]garbage, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	var all []garbage
	drafts, err := filepath.Glob(filepath.Join(store.Dir(), "tmp", "draft-*"))
	if err != nil {
		return nil, err
	}
	for _, draft := range drafts {
		if !abandoned(draft) {
			continue
		}
		size, err := sizeOf(draft)
		if err != nil {
			return nil, err
		}
		all = append(all, garbage{"draft", draft, size, func(context.Context) error {
			_, err := store.Sweep() // of all at once
			return err
		}})
	}
	logs, err := filepath.Glob(filepath.Join(store.Dir(), "logs", "*"))
	if err != nil {
		return nil, err
	}
	for _, log := range logs { // a file, or a directory of one night
		info, err := os.Stat(log)
		if err == nil && a.sys.now().Sub(info.ModTime()) > keepLogs {
			size, err := sizeOf(log)
			if err != nil {
				return nil, err
			}
			all = append(all, garbage{"log", log, size, func(context.Context) error { return os.RemoveAll(log) }})
		}
	}
	needed, err := a.needs(removed)
	if err != nil {
		return nil, err
	}
	if needed.unknown != nil {
		a.display.Note("no artifact is removed, since any may be published: %v", needed.unknown)
	}
	found, _ := store.List()
	going := slices.DeleteFunc(old(found, keep), func(it *artifacts.Artifact) bool { return needed.has(it.Key) || isNamed(store, it) })
	for _, it := range going {
		all = append(all, artifactGarbage(store, it))
	}
	layers, err := a.layerGarbage(store, found, going)
	return append(all, layers...), err
}

func artifactGarbage(store *artifacts.Store, it *artifacts.Artifact) garbage {
	return garbage{"artifact", it.Name + " " + it.Key.Short() + " of " + it.Finished.Format(time.DateOnly), it.Size(),
		func(ctx context.Context) error { return store.Remove(ctx, it.Kind, it.Key) }}
}

// isNamed is whether a stable name of the store points at an artifact, its own or that
// of another that would be the same.
func isNamed(store *artifacts.Store, it *artifacts.Artifact) bool {
	dir := filepath.Join(store.Dir(), it.Kind)
	links, err := os.ReadDir(dir)
	return err != nil && !errors.Is(err, fs.ErrNotExist) || slices.ContainsFunc(links, func(link fs.DirEntry) bool {
		target, err := os.Readlink(filepath.Join(dir, link.Name()))
		return err == nil && filepath.Base(target) == string(it.Key)
	})
}

// abandoned says whether nobody holds the lock of a draft any more.
func abandoned(draft string) bool {
	f, err := os.Open(draft)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}

// old returns the artifacts of a list, newest first, beyond the first keep of
// each name.
func old(list []*artifacts.Artifact, keep int) []*artifacts.Artifact {
	seen := map[string]int{}
	var beyond []*artifacts.Artifact
	for _, it := range list {
		if seen[it.Name]++; seen[it.Name] > keep {
			beyond = append(beyond, it)
		}
	}
	return beyond
}

// cacheGarbage finds the downloads, unless somebody uses them. e is this run's
// own session, or nil.
func (a *app) cacheGarbage(e *engine.Engine) ([]garbage, error) {
	dir, err := a.downloadDir()
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	others, err := a.otherRuns(e)
	if err != nil {
		return nil, err
	}
	if others > 0 {
		a.display.Note("downloads kept: in use by %s", countText(others, "running pybake"))
		return nil, nil
	}
	return []garbage{{"cache", dir, size, func(context.Context) error {
		others, err := a.otherRuns(e) // since the question was asked
		if err == nil && others > 0 {
			err = fmt.Errorf("remove %s: a pybake that has begun meanwhile may use it", dir)
		}
		if err != nil {
			return err
		}
		return os.RemoveAll(dir)
	}}}, nil
}

// otherRuns counts the running pybakes that use the cache, without this one.
func (a *app) otherRuns(e *engine.Engine) (int, error) {
	dir, err := a.sessionDir()
	if err != nil {
		return 0, err
	}
	n, err := engine.Running(dir)
	if e != nil {
		n--
	}
	return n, err
}

// sizeOf returns the bytes in the files below a directory.
func sizeOf(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil // it may be gone meanwhile
	})
	return size, err
}
