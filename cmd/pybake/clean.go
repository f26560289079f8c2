package main

import (
	"bufio"
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

	"github.com/spf13/cobra"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
)

// imageLabel is on every image that pybake makes.
const imageLabel = "org.pybake.image"

// cleanFlags are the flags of clean.
type cleanFlags struct {
	keep    int
	images  bool
	cache   bool
	foreign bool
	dryRun  bool
	yes     bool
}

func (a *app) cleanCommand() *cobra.Command {
	var f cleanFlags
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove leftovers, old images and old artifacts",
		Long: `Clean removes what pybake no longer needs, after saying what and how big it is
and asking:

  - containers and volumes of runs that were killed
  - drafts in the store of runs that were killed
  - base and builder images of which there is a newer one
  - artifacts beyond the newest 3 of each name

What running pybakes use stays. An engine that does not answer is left out, with
a note. With --json: {"dryRun", "removed": [{"kind", "name", "size"}]}; a size
in bytes is -1 if it is not known.`,
		Example: `  pybake clean --dry-run
  pybake clean --yes --keep 1
  pybake clean --yes --images --cache`,
		Args:              wantArgs(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.clean(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.keep, "keep", 3, "how many artifacts of each name to keep")
	flags.BoolVar(&f.images, "images", false, "remove all base and builder images; the next build makes them anew")
	flags.BoolVar(&f.cache, "cache", false, "remove the downloads; the next build fetches them anew")
	flags.BoolVar(&f.foreign, "foreign", false, "remove containers and volumes of other users and machines too, running or not")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be removed and remove nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	return cmd
}

// garbage is one thing that clean removes.
type garbage struct {
	Kind string `json:"kind"` // "container", "volume", "image", "draft", "artifact" or "cache"
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes; -1: not known

	remove func(context.Context) error
}

func (a *app) clean(ctx context.Context, f cleanFlags) (err error) {
	if f.keep < 1 {
		return usagef("pybake clean --keep 1", "--keep %d: at least one artifact of each name stays", f.keep)
	}
	var all []garbage
	e, err := a.connect(ctx)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		a.display.Note("containers, volumes and images are left out: %v", err)
	default:
		defer func() { err = errors.Join(err, e.Close(ctx)) }()
		if all, err = a.engineGarbage(ctx, e, f); err != nil {
			return err
		}
	}
	stored, err := a.storeGarbage(f.keep)
	if err != nil {
		return err
	}
	all = append(all, stored...)
	if f.cache {
		cached, err := a.cacheGarbage()
		if err != nil {
			return err
		}
		all = append(all, cached...)
	}
	if len(all) > 0 && !f.dryRun && !f.yes {
		if err := a.ask(ctx, all); err != nil {
			return err
		}
	}
	return a.remove(ctx, all, f.dryRun)
}

// remove removes all of it, as far as possible, and prints what is gone.
func (a *app) remove(ctx context.Context, all []garbage, dryRun bool) error {
	removed := []garbage{}
	var errs []error
	for _, g := range all {
		if !dryRun {
			if err := g.remove(ctx); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		removed = append(removed, g)
	}
	if a.flags.json {
		errs = append(errs, a.printJSON(struct {
			DryRun  bool      `json:"dryRun"`
			Removed []garbage `json:"removed"`
		}{dryRun, removed}))
		return errors.Join(errs...)
	}
	var rows [][]string
	for _, g := range removed {
		rows = append(rows, []string{g.Kind, g.Name, sizeText(g.Size)})
	}
	errs = append(errs, table(a.sys.stdout, rows))
	switch {
	case len(all) == 0:
		a.display.Note("nothing to remove")
	case dryRun:
		a.display.Note("would remove %s", sum(removed))
	default:
		a.display.Note("removed %s", sum(removed))
	}
	return errors.Join(errs...)
}

// sum is "4 things, 1.2 GB".
func sum(all []garbage) string {
	var size int64
	for _, g := range all {
		size += max(0, g.Size)
	}
	return countText(len(all), "thing") + ", " + bytesText(size)
}

func sizeText(size int64) string {
	if size < 0 {
		return "?"
	}
	return bytesText(size)
}

// ask asks whether to remove all of it; the error says that it was not granted.
func (a *app) ask(ctx context.Context, all []garbage) error {
	if !a.sys.asks {
		return usagef("pybake clean --yes", "nobody can be asked whether to remove %s", sum(all))
	}
	for _, g := range all {
		fmt.Fprintf(a.sys.stderr, "%-9s  %s  %s\n", g.Kind, g.Name, sizeText(g.Size))
	}
	fmt.Fprintf(a.sys.stderr, "remove %s? [y/N] ", sum(all))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.sys.stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		if line != "y" && line != "yes" {
			return errors.New("nothing was removed")
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
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
	images, err := e.Images(ctx, imageLabel)
	if err != nil {
		return nil, err
	}
	for _, img := range images {
		if !f.images && newest(img, images) {
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

// storeGarbage finds dead drafts and old artifacts.
func (a *app) storeGarbage(keep int) ([]garbage, error) {
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
	found, _ := store.List()
	for _, it := range old(found, keep) {
		if current, err := store.Lookup(it.Name); err == nil && current.Key == it.Key {
			continue // the stable name points at it
		}
		all = append(all, garbage{"artifact", it.Name + " " + it.Key.Short() + " of " + it.Finished.Format(time.DateOnly), it.Size(),
			func(ctx context.Context) error { return store.Remove(ctx, it.Kind, it.Key) }})
	}
	return all, nil
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

// cacheGarbage finds the downloads.
func (a *app) cacheGarbage() ([]garbage, error) {
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
	return []garbage{{"cache", dir, size, func(context.Context) error { return os.RemoveAll(dir) }}}, nil
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
