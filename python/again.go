package python

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/recipes"
)

// DifferError says that building packages twice gave two.
type DifferError struct {
	Name       string // of the plan
	Vary       []string
	Package    string // the first that differs: "pybake-python3.13_3.13.5-1+deb13_amd64.deb"
	Difference *nfpm.Difference
	More       []string // the other packages that differ
}

func (e *DifferError) Error() string {
	more := ""
	if len(e.More) > 0 {
		more = "\n  and in " + strings.Join(e.More, ", ")
	}
	return fmt.Sprintf("%s: not reproducible: built twice (the second time with another %s), %s: %s%s",
		e.Name, strings.Join(e.Vary, ", "), e.Package, e.Difference, more)
}

// Again builds the packages of a request, which Ensure returned, a second time under
// circumstances that vary, and compares them bit by bit. What differs is a
// *DifferError. The second packages are not kept.
func (b *Builder) Again(ctx context.Context, req Request, set *recipes.Set, made *artifacts.Artifact, vary []string) error {
	release, err := b.Store.Lock(ctx, strings.Join([]string{Kind, req.Distro, req.Arch}, "-"), func(holder string) { b.Report.Note("waiting for %s", holder) })
	if err != nil {
		return err
	}
	defer release()
	pins, err := project.ReadLock(b.LockPath)
	if err != nil {
		return err
	}
	p, err := NewPlan(req, set, pins)
	if err != nil {
		return err
	}
	if p.Key != made.Key {
		return fmt.Errorf("%s: its pins moved meanwhile", p.Name)
	}
	if err := b.ready(ctx, p); err != nil {
		return err
	}
	if b.at, err = b.circumstances(ctx, p, vary); err != nil {
		return err
	}
	defer func() { b.at = nil }()
	draft, err := b.Store.Begin(Kind)
	if err != nil {
		return err
	}
	defer draft.Discard()
	image, err := b.Distros.Builder(ctx, p.Target(), p.base, p.builder.Packages, "builder")
	if err != nil {
		return err
	}
	log, err := b.openLog(p, "again")
	if err != nil {
		return err
	}
	defer log.Close()
	_, packages, err := b.packages(ctx, p, image, draft, log)
	if err != nil {
		return err
	}
	return b.timed("compare", func() error { return differ(p, vary, made, packages, draft.Dir()) })
}

// differ compares packages of a directory with those of the store.
func differ(p *Plan, vary []string, made *artifacts.Artifact, packages []artifacts.File, dir string) error {
	// What the symbols are named after and made of is in the others.
	packages = slices.Clone(packages)
	slices.SortStableFunc(packages, func(a, b artifacts.File) int { return cmp.Compare(rank(a), rank(b)) })
	var found *DifferError
	for _, f := range packages {
		if !slices.ContainsFunc(made.Files, func(m artifacts.File) bool { return m.Path == f.Path }) {
			return fmt.Errorf("%s: %s is among the packages that were built twice, and not in the store", p.Name, f.Path)
		}
		before, err := os.ReadFile(filepath.Join(made.Dir, f.Path))
		if err != nil {
			return err
		}
		after, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			return err
		}
		d, err := nfpm.Differ(before, after)
		switch {
		case err != nil:
			return err
		case d == nil:
		case found == nil:
			found = &DifferError{Name: p.Name, Vary: vary, Package: f.Path, Difference: d}
		default:
			found.More = append(found.More, f.Path)
		}
	}
	if found != nil {
		return found
	}
	return nil
}

// rank is 1 for a package of symbols.
func rank(f artifacts.File) int {
	if strings.Contains(f.Path, "-dbgsym_") {
		return 1
	}
	return 0
}
