package python

import (
	"context"
	"errors"
	"fmt"
	"io"

	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
)

// CheckError says which checks the packages did not pass.
type CheckError struct {
	Name   string // of the plan
	Failed []artifacts.Check
}

func (e *CheckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: not accepted, %d checks failed:", e.Name, len(e.Failed))
	for _, c := range e.Failed {
		fmt.Fprintf(&b, "\n  %s: %s", c.Name, c.Detail)
	}
	return b.String()
}

// finding is what a check finds wrong with the packages. Any other error, but
// that a command in a container failed, is none of theirs and ends the proof.
type finding string

func (f finding) Error() string { return string(f) }

// proof is one round of checks over finished packages.
type proof struct {
	b     *Builder
	s     *stage
	draft *artifacts.Draft
	image string            // of the builder
	debs  map[string]string // by package
	log   io.Writer

	few, most, all []string // packages installed together, from few to all
	// What has to be there before they can be installed on the base, from the cache.
	fewDeps, mostDeps, allDeps, python3 []string

	mu     sync.Mutex
	checks map[string][]artifacts.Check // by round
}

// resolveProof pins what the proof needs whatever is built, before the build:
// afterwards it would be late to find the mirror away.
func (b *Builder) resolveProof(ctx context.Context, p *Plan) error {
	for _, name := range []string{"python3", "lintian", "gdb"} {
		pin, err := b.pinnedSet(ctx, p, runtimeSet, name, []string{name}, nil)
		if err != nil {
			return err
		}
		if _, err := b.Distros.Files(ctx, p.Target(), p.base, pin.Packages); err != nil {
			return err
		}
	}
	return nil
}

// prove accepts packages or says which checks they failed.
func (b *Builder) prove(ctx context.Context, s *stage, image string, draft *artifacts.Draft, packages []artifacts.File, log io.Writer) ([]artifacts.Check, error) {
	p := &proof{b: b, s: s, draft: draft, image: image, log: log, debs: map[string]string{}, checks: map[string][]artifacts.Check{}}
	for _, f := range packages {
		p.debs[f.Package.Name] = filepath.Join(draft.Dir(), f.Path)
	}
	var all []artifacts.Check
	err := b.timed("check", func() (err error) {
		if err := p.resolve(ctx); err != nil {
			return err
		}
		all, err = p.rounds(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.Report.Note("%s: %d checks passed", s.plan.Name, len(all))
	return all, nil
}

// rounds runs the checks, those that need containers of their own at once.
func (p *proof) rounds(ctx context.Context) (all []artifacts.Check, err error) {
	rounds := []struct {
		name string
		run  func(context.Context) error
	}{
		{"files", p.files},
		{"clean container", p.clean},
		{"upgrade and purge", p.upgrade},
		{"lintian", p.lint},
		{"gdb", p.gdb},
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, round := range rounds {
		wg.Go(func() {
			start := time.Now()
			if err := round.run(ctx); err != nil {
				cancel(fmt.Errorf("%s: check %s: %w", p.s.plan.Name, round.name, err)) // the first one counts
			}
			p.b.noteStep(artifacts.Step{Name: "check " + round.name, Seconds: time.Since(start).Seconds()})
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	var failed []artifacts.Check
	for _, round := range rounds {
		all = append(all, p.checks[round.name]...)
	}
	for _, c := range all {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	if len(failed) > 0 {
		return nil, &CheckError{Name: p.s.plan.Name, Failed: failed}
	}
	return all, nil
}

func (p *proof) add(round string, c artifacts.Check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks[round] = append(p.checks[round], c)
}

// check runs one check of a round. ok is false if it found something; err is
// for what is not the packages' fault.
func (p *proof) check(round, name string, run func() (detail string, err error)) (ok bool, err error) {
	start := time.Now()
	detail, err := run()
	c := artifacts.Check{Name: name, OK: err == nil, Seconds: time.Since(start).Seconds(), Detail: detail}
	if err != nil {
		if !errors.As(err, new(finding)) && !errors.As(err, new(*engine.ExitError)) {
			return false, err
		}
		c.Detail = err.Error()
	}
	p.add(round, c)
	return c.OK, nil
}

// packages are the paths of some of the packages, by the ends of their names.
func (p *proof) packages(suffixes ...string) []string {
	var out []string
	for _, s := range suffixes {
		name := "pybake-python" + p.s.plan.label() + s
		if s == "lib" {
			name = "pybake-libpython" + p.s.plan.label()
		}
		out = append(out, p.debs[name])
	}
	return out
}

// resolve finds, pins and fetches what of the distro is installed beside the
// packages, and notes it in the log.
func (p *proof) resolve(ctx context.Context) error {
	p.few = p.packages("", "-venv")
	p.most = p.packages("", "-venv", "lib")
	p.all = p.packages("", "-venv", "lib", "-dev", "-tk", "-test", "-dbgsym")
	owner := p.s.plan.runtimeOwner()
	for _, set := range []struct {
		who     string
		request []string
		local   []string
		files   *[]string
	}{
		{owner, p.dependencies(p.few), p.few, &p.fewDeps},
		{owner + " lib", p.dependencies(p.most), p.most, &p.mostDeps},
		{owner + " all", p.dependencies(p.all), p.all, &p.allDeps},
		{"python3", []string{"python3"}, nil, &p.python3},
	} {
		plan := p.s.plan
		pin, err := p.b.pinnedSet(ctx, plan, runtimeSet, set.who, set.request, set.local)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.log, "\n==> installed for the checks of %s\n", set.who)
		for _, pkg := range pin.Packages {
			fmt.Fprintln(p.log, pkg)
		}
		if *set.files, err = p.b.Distros.Files(ctx, plan.Target(), plan.base, pin.Packages); err != nil {
			return err
		}
	}
	return nil
}

// dependencies are the relations of some of the packages to those of the
// distro.
func (p *proof) dependencies(debs []string) []string {
	var request []string
	for _, r := range p.s.layout.Packages {
		if slices.Contains(debs, p.debs[r.Name]) {
			request = slices.Concat(request, r.Depends, p.s.depends[r.Name])
		}
	}
	request = slices.DeleteFunc(request, func(d string) bool { return strings.HasPrefix(d, "pybake-") })
	slices.Sort(request)
	return slices.Compact(request)
}
