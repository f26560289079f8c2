package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/pattern"
)

// problem is one thing that is wrong with the store.
type problem struct {
	Name     string        `json:"name"` // of the artifact, else of the link or directory: "python 3.13.5 trixie amd64"
	Kind     string        `json:"kind,omitempty"`
	Key      artifacts.Key `json:"key,omitempty"`
	Path     string        `json:"path"`  // in the store
	Error    string        `json:"error"` // "sha256 is 5f1c…, but the manifest says 77ab…"
	Repaired bool          `json:"repaired"`

	repair func(context.Context) error // nil: for a person to decide
}

// checkedStore is what verify --store --json prints.
type checkedStore struct {
	Store     string     `json:"store"`
	Artifacts int        `json:"artifacts"` // whole and damaged
	Files     int        `json:"files"`
	Bytes     int64      `json:"bytes"`
	Problems  []*problem `json:"problems"`
}

// verifyStore checks all of a store and prints what it found.
func (a *app) verifyStore(ctx context.Context, repair bool) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	if _, err := os.Stat(store.Dir()); err != nil {
		return usagef("pybake verify --store=DIR", "verify store: %w", err)
	}
	v := &storeCheck{store: store, result: checkedStore{Store: store.Dir()}}
	end := a.display.Step("verify " + store.Dir())
	err = v.run(ctx)
	end(err)
	if err != nil {
		return err
	}
	var errs []error
	if repair {
		for _, p := range v.result.Problems {
			errs = append(errs, p.mend(ctx))
		}
	}
	errs = append(errs, a.printStore(&v.result))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return a.storeVerdict(&v.result, repair)
}

func (a *app) printStore(c *checkedStore) error {
	if a.flags.json {
		return a.printJSON(c)
	}
	var b strings.Builder
	for _, p := range c.Problems {
		if p.Name != p.Path {
			fmt.Fprintf(&b, "%s: ", p.Name)
		}
		fmt.Fprintf(&b, "%s: %s", p.Path, p.Error)
		if p.Repaired {
			b.WriteString(" (removed)")
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s, %s, %s\n", countText(c.Artifacts, "artifact"), countText(c.Files, "file"), bytesText(c.Bytes))
	_, err := fmt.Fprint(a.sys.stdout, b.String())
	return err
}

// storeVerdict is nil if nothing is wrong any more.
func (a *app) storeVerdict(c *checkedStore, repair bool) error {
	left, mendable := 0, false
	for _, p := range c.Problems {
		if !p.Repaired {
			left++
			mendable = mendable || p.repair != nil
		}
	}
	switch {
	case left == 0 && repair && len(c.Problems) > 0:
		a.display.Note("what was damaged is removed; the next run builds it again, and nothing else")
		return nil
	case left == 0:
		return nil
	}
	hint := ""
	if mendable {
		hint = typed(a.args, "--repair") + ", which removes what is damaged; the next run builds only that"
	}
	return &advised{fmt.Errorf("verify store %s: %s", c.Store, countText(left, "problem")), statusFailed, hint}
}

// mend removes what is damaged, once for all problems of an artifact.
func (p *problem) mend(ctx context.Context) error {
	if p.repair == nil {
		return nil
	}
	if err := p.repair(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, artifacts.ErrNotFound) {
		return fmt.Errorf("repair %s: %w", p.Name, err)
	}
	p.Repaired = true
	return nil
}

// storeCheck is one verification of a store.
type storeCheck struct {
	store *artifacts.Store

	mu     sync.Mutex
	result checkedStore
}

func (v *storeCheck) run(ctx context.Context) error {
	v.result.Problems = []*problem{}
	found, damaged := v.store.List()
	v.result.Artifacts = len(found) + len(damaged)
	for _, err := range damaged {
		v.add(v.problems("", "", "", err)...)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, it := range found {
		g.Go(func() error { return v.artifact(gctx, it) })
	}
	err := g.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	if err := v.layout(); err != nil {
		return err
	}
	slices.SortStableFunc(v.result.Problems, func(a, b *problem) int {
		return strings.Compare(a.Path, b.Path)
	})
	return nil
}

func (v *storeCheck) add(p ...*problem) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Problems = append(v.result.Problems, p...)
}

// artifact reads all of an artifact.
func (v *storeCheck) artifact(ctx context.Context, it *artifacts.Artifact) error {
	err := irregular(it)
	if err == nil {
		err = v.store.Verify(ctx, it)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, artifacts.ErrNotFound): // removed in between
		return nil
	case err != nil:
		v.add(v.problems(it.Name, it.Kind, it.Key, err)...)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.result.Files += len(it.Files)
	v.result.Bytes += it.Size()
	return nil
}

// irregular returns an error for the first link or special file of an artifact,
// which has none.
func irregular(it *artifacts.Artifact) error {
	return filepath.WalkDir(it.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Type().IsRegular() {
			return nil // what cannot be read, Verify tells
		}
		rel, _ := filepath.Rel(it.Dir, path)
		return &artifacts.DamagedError{Kind: it.Kind, Key: it.Key, File: rel, Err: errors.New("not a regular file")}
	})
}

// problems are the errors of one artifact, one for each file. An error that is not
// of damage, such as a format of a newer pybake, is not repaired.
func (v *storeCheck) problems(name, kind string, key artifacts.Key, err error) []*problem {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*problem
		for _, err := range joined.Unwrap() {
			all = append(all, v.problems(name, kind, key, err)...)
		}
		return all
	}
	damaged, ok := errors.AsType[*artifacts.DamagedError](err)
	if !ok {
		return []*problem{{Name: cmp.Or(name, "artifacts"), Kind: kind, Key: key, Path: "artifacts", Error: err.Error()}}
	}
	if name == "" {
		name = v.nameOf(damaged.Kind, damaged.Key)
	}
	return []*problem{{
		Name: name, Kind: damaged.Kind, Key: damaged.Key,
		Path:   filepath.Join("artifacts", damaged.Kind, string(damaged.Key), damaged.File),
		Error:  damaged.Err.Error(),
		repair: func(ctx context.Context) error { return v.store.Remove(ctx, damaged.Kind, damaged.Key) },
	}}
}

// nameOf is the stable name of an artifact whose manifest cannot be read.
func (v *storeCheck) nameOf(kind string, key artifacts.Key) string {
	links, _ := os.ReadDir(filepath.Join(v.store.Dir(), kind))
	for _, link := range links {
		target, err := os.Readlink(filepath.Join(v.store.Dir(), kind, link.Name()))
		if err == nil && filepath.Base(target) == string(key) {
			return kind + "/" + link.Name()
		}
	}
	return kind + " " + key.Short()
}

var (
	linkPattern = pattern.New(`^\.\./artifacts/([a-z0-9-]+)/([0-9a-f]{64})$`)
	keyPattern  = pattern.New(`^[0-9a-f]{64}$`)
	kindPattern = pattern.New(`^[a-z][a-z0-9-]*$`)
)

// layout finds what lies in the store and is no part of it, and stable names that
// lead nowhere. Files beside store.json and names with a dot are the user's.
func (v *storeCheck) layout() error {
	kinds, err := v.strays("artifacts", func(e fs.DirEntry) bool { return e.IsDir() && kindPattern.MatchString(e.Name()) })
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		// An artifact that is a file is damaged, and told.
		if _, err := v.strays("artifacts/"+kind, func(e fs.DirEntry) bool { return keyPattern.MatchString(e.Name()) }); err != nil {
			return err
		}
	}
	own := []string{"artifacts", "tmp", "locks", "logs", "nights", "recipes"}
	names, err := v.strays(".", func(e fs.DirEntry) bool {
		return !e.IsDir() || strings.HasPrefix(e.Name(), ".") || slices.Contains(own, e.Name()) || slices.Contains(kinds, e.Name()) || v.onlyLinks(e.Name())
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(v.store.Dir(), name)); err != nil || !info.IsDir() || strings.HasPrefix(name, ".") || slices.Contains(own, name) {
			continue
		}
		if err := v.links(name); err != nil {
			return err
		}
	}
	return nil
}

// onlyLinks says whether a directory may be the stable names of a kind of which no
// artifact is left.
func (v *storeCheck) onlyLinks(name string) bool {
	entries, err := os.ReadDir(filepath.Join(v.store.Dir(), name))
	return err == nil && kindPattern.MatchString(name) && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Type() != fs.ModeSymlink })
}

// strays returns the names in a directory of the store that belong there, and adds
// a problem for each other.
func (v *storeCheck) strays(dir string, belongs func(fs.DirEntry) bool) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(v.store.Dir(), dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("verify store: %w", err)
	}
	var names []string
	for _, e := range entries {
		if belongs(e) {
			names = append(names, e.Name())
			continue
		}
		path := filepath.Join(dir, e.Name())
		v.add(&problem{Name: path, Path: path, Error: "is no part of a store; look at it and delete it"})
	}
	return names, nil
}

// links checks the stable names of a kind.
func (v *storeCheck) links(kind string) error {
	names, err := v.strays(kind, func(e fs.DirEntry) bool { return e.Type() == fs.ModeSymlink })
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(v.store.Dir(), kind, name)
		target, err := os.Readlink(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed in between
		}
		if err != nil {
			return fmt.Errorf("verify store: %w", err)
		}
		text := ""
		if m := linkPattern.FindStringSubmatch(target); m == nil || m[1] != kind {
			text = fmt.Sprintf("leads to %s, which is no artifact of this kind", target)
		} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			text = "leads to an artifact that is not there"
		}
		if text != "" {
			rel := kind + "/" + name
			v.add(&problem{Name: rel, Kind: kind, Path: rel, Error: text, repair: func(context.Context) error {
				if now, err := os.Readlink(path); err != nil || now != target {
					return err // somebody else repaired it
				}
				return os.Remove(path)
			}})
		}
	}
	return nil
}
