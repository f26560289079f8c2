package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Removed is something that Prune removed, or would remove.
type Removed struct {
	Kind string // "generation", "pool" or "report"
	Path string // "generations/000003", from the root
	Size int64  // bytes of the files; those that something else has a hard link to free less
}

// Prune removes the generations that are not kept, and what of the pool nobody needs.
// Kept are the current generation and, with it, the newest of each of keep contents.
// What was replaced or put less than [Grace] before now stays, by the times of the
// directories. With dryRun nothing is removed. A kill leaves less removed, and nothing
// else; the next writer goes on with it.
//
// If what a generation needs cannot be read, the pool stays as it is, and the error,
// beside what was removed, is a [*DamagedError].
func (d *Directory) Prune(ctx context.Context, keep int, now time.Time, dryRun bool) ([]Removed, error) {
	removed, err := d.prune(ctx, keep, now, dryRun)
	if err != nil {
		return removed, fmt.Errorf("prune %s: %w", d.Dir, err)
	}
	return removed, nil
}

func (d *Directory) prune(ctx context.Context, keep int, now time.Time, dryRun bool) ([]Removed, error) {
	if _, err := os.Lstat(d.path(formatFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if !dryRun {
		release, err := d.lock(ctx, unix.LOCK_EX)
		if err != nil {
			return nil, err
		}
		defer release()
		if err := d.sweep(); err != nil {
			return nil, err
		}
	}
	p := &pruning{Directory: d, now: now, dry: dryRun, needed: map[string]bool{}}
	if err := p.decide(max(keep, 1)); err != nil {
		return nil, err
	}
	for _, n := range p.going {
		if err := p.remove(ctx, "generation", path.Join(generationsDir, generationName(n))); err != nil {
			return p.removed, err
		}
	}
	if len(p.going) > 0 && !dryRun {
		// No power cut may bring back a generation without its files.
		if err := syncDir(d.path(generationsDir)); err != nil {
			return p.removed, err
		}
	}
	if err := p.reports(ctx); err != nil {
		return p.removed, err
	}
	if p.unknown != nil {
		return p.removed, fmt.Errorf("nothing of the pool is removed: what a generation needs is not known: %w", p.unknown)
	}
	return p.removed, p.pool(ctx)
}

// pruning is a Prune under way.
type pruning struct {
	*Directory
	now     time.Time
	dry     bool
	going   []int           // generations
	needed  map[string]bool // paths of the pool
	unknown error           // what else is needed cannot be read
	removed []Removed
}

// decide finds out which generations go, and what the others need.
func (p *pruning) decide(keep int) error {
	numbers, err := p.numbers()
	if err != nil {
		return err
	}
	current, err := p.currentNumber()
	if err != nil {
		return err
	}
	all, damaged, err := p.loadAll(p.load)
	if err != nil {
		return err
	}
	if current == 0 && len(numbers) == 0 {
		return nil // a pool that was never published from
	}
	g := slices.IndexFunc(all, func(g *Generation) bool { return g.Current })
	if g < 0 && (current > 0 || len(all) > 0) {
		if i := slices.IndexFunc(damaged, func(e *DamagedError) bool { return e.Number == current }); i >= 0 {
			return damaged[i]
		}
		return fmt.Errorf("the current generation (%d) is not there", current)
	}
	keeping := map[int]bool{}
	oldest := current
	for _, g := range kept(all, current, keep, func(*Generation) bool { return true }) {
		keeping[g.Number], oldest = true, g.Number
	}
	for i, n := range numbers {
		young := i == 0 || n >= current || p.young(p.generationDir(numbers[i-1]))
		isDamaged := slices.ContainsFunc(damaged, func(e *DamagedError) bool { return e.Number == n })
		// How many contents damaged ones have is not known; they go with their age.
		if stays := keeping[n] || young || isDamaged && n > oldest; !stays {
			p.going = append(p.going, n)
			continue
		}
		p.need(n, all, young)
	}
	return nil
}

// need adds what a generation needs: its set, so that it can be published again, and
// where readers may be at it, all that its pages refer to.
func (p *pruning) need(number int, all []*Generation, read bool) {
	i := slices.IndexFunc(all, func(g *Generation) bool { return g.Number == number })
	if i >= 0 {
		for _, e := range all[i].Set.Entries {
			for _, b := range e.blobs() {
				p.needed[b.Path()] = true
			}
			for _, w := range e.Wheels {
				p.needed[poolPath(w.SHA256, metadataName(w.Name))] = true
			}
		}
		if !read {
			return
		}
	}
	l, err := p.list(number)
	if err != nil {
		p.unknown = errors.Join(p.unknown, err)
		return
	}
	for _, f := range l.Files {
		if f.inPool() {
			p.needed[f.Path] = true
		}
	}
}

// young is whether something was made less than the grace time ago. What cannot be
// looked at counts as young.
func (p *pruning) young(file string) bool {
	info, err := os.Lstat(file)
	return err != nil || p.now.Sub(info.ModTime()) < Grace
}

// remove removes a file or a directory.
func (p *pruning) remove(ctx context.Context, kind, name string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var size int64
	filepath.WalkDir(p.path(name), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	if !p.dry {
		if err := p.trash(name); err != nil {
			return err
		}
	}
	p.removed = append(p.removed, Removed{kind, name, size})
	return nil
}

// pool removes the files that are not needed, and their directories.
func (p *pruning) pool(ctx context.Context) error {
	prefixes, err := os.ReadDir(p.path(poolDir))
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		sums, err := os.ReadDir(p.path(poolDir, prefix.Name()))
		if err != nil {
			return err
		}
		for _, sum := range sums {
			if !isHash(sum.Name()) || prefix.Name() != sum.Name()[:2] || p.young(p.path(poolDir, prefix.Name(), sum.Name())) {
				continue
			}
			if err := p.poolDir(ctx, path.Join(poolDir, prefix.Name(), sum.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// poolDir removes what is not needed of the files of one hash.
func (p *pruning) poolDir(ctx context.Context, dir string) error {
	entries, err := os.ReadDir(p.path(dir))
	if err != nil {
		return err
	}
	var going []string
	for _, e := range entries {
		if name := path.Join(dir, e.Name()); !p.needed[name] {
			going = append(going, name)
		}
	}
	if len(going) == len(entries) {
		going = []string{dir}
	}
	for _, name := range going {
		if err := p.remove(ctx, "pool", name); err != nil {
			return err
		}
	}
	return nil
}

// reports removes the reports that were replaced.
func (p *pruning) reports(ctx context.Context) error {
	numbers, err := p.numbered(reportsDir)
	if err != nil {
		return err
	}
	at, _ := os.Readlink(p.path(reportLink))
	var going []string
	for i, n := range numbers {
		name := path.Join(reportsDir, generationName(n))
		if i > 0 && name != at && !p.young(p.path(reportsDir, generationName(numbers[i-1]))) {
			going = append(going, name)
		}
	}
	for _, name := range going {
		if err := p.remove(ctx, "report", name); err != nil {
			return err
		}
	}
	return nil
}
