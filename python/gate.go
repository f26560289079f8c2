package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/recipes"
)

// KindSuite is the kind of the artifacts that say that CPython's own test suite
// passed on packages of the store. Its key is over the hashes of the packages, the
// base image, what else was installed and what the recipe knows; so packages that
// are built again with the same bits have passed already. It holds
// junit.xml.gz, with every test.
const KindSuite = "python-suite"

// suiteFormat moves when a run of the test suite, or how it is judged, changes.
const suiteFormat = "1"

// suiteDir is the home and the working directory of the user who runs the tests.
const suiteDir = "/home/pybake"

// suiteLimits bound a run: a file of tests, and all of it.
const (
	fileLimit  = 20 * time.Minute
	suiteLimit = 4 * time.Hour
)

// suiteOwner is in whose name the packages of the distro are pinned that are
// installed beside ours.
func (p *Plan) suiteOwner() string { return p.runtimeOwner() + " suite" }

// FindSuite returns the artifact that says that the test suite passed on packages
// that the store has; ErrNotFound of artifacts if there is none.
func (p *Plan) FindSuite(store *artifacts.Store, made *artifacts.Artifact, pins *project.Lock) (*artifacts.Artifact, error) {
	pin, _ := pins.Runtime(p.Distro.Codename, p.Request.Arch, p.suiteOwner())
	key, err := artifacts.NewKey(KindSuite, p.suiteInputs(made, pin))
	if err != nil {
		return nil, err
	}
	return store.Find(KindSuite, key)
}

func (p *Plan) suiteInputs(made *artifacts.Artifact, pin project.SetPin) []artifacts.Input {
	suite, known := p.Recipe.Suite, p.Recipe.Suite.On(p.Distro.Codename)
	// A reason in better words is no reason to run it again.
	skip, fail := slices.Sorted(maps.Keys(known.Skip)), slices.Sorted(maps.Keys(known.Fail))
	in := []artifacts.Input{
		{Name: "base", Value: p.base.Digest},
		{Name: "format", Value: suiteFormat},
		{Name: "recipe.suite", Value: hashJSON(suite.Resources, suite.Files, skip, fail)},
	}
	for _, f := range made.Files {
		in = append(in, artifacts.Input{Name: "package." + f.Path, Value: "sha256:" + f.SHA256})
	}
	for _, pkg := range pin.Packages {
		in = append(in, artifacts.Input{Name: "runtime.package." + pkg.Name + ":" + pkg.Arch, Value: pkg.Version + " " + pkg.Digest})
	}
	return in
}

// EnsureSuite sees to it that CPython's own test suite passes on the packages of a
// request, which Ensure returned: that the store says so, or that it passes now. A
// suite that does not pass is a *CheckError.
func (b *Builder) EnsureSuite(ctx context.Context, req Request, set *recipes.Set, made *artifacts.Artifact) (*artifacts.Artifact, error) {
	release, err := b.Store.Lock(ctx, strings.Join([]string{KindSuite, req.Distro, req.Arch}, "-"), func(holder string) { b.Report.Note("waiting for %s", holder) })
	if err != nil {
		return nil, err
	}
	defer release()
	pins, err := project.ReadLock(b.LockPath)
	if err != nil {
		return nil, err
	}
	p, err := NewPlan(req, set, pins)
	if err != nil {
		return nil, err
	}
	if len(p.Recipe.Suite.Resources) == 0 {
		return nil, fmt.Errorf("%s: the recipe of the series says in suite.resources of no test suite that could be run", p.Name)
	}
	found, err := p.FindSuite(b.Store, made, pins)
	if err == nil {
		return found, b.Store.Point(ctx, found, p.suiteName())
	}
	if !errors.Is(err, artifacts.ErrNotFound) && !errors.As(err, new(*artifacts.DamagedError)) {
		return nil, err
	}
	if _, err := b.Distros.Base(ctx, p.Target(), &p.base); err != nil {
		return nil, err
	}
	var debs []string
	for _, f := range made.Files {
		debs = append(debs, filepath.Join(made.Dir, f.Path))
	}
	pin, err := b.pinnedForSuite(ctx, p, debs)
	if err != nil {
		return nil, err
	}
	deps, err := b.Distros.Files(ctx, p.Target(), p.base, pin.Packages)
	if err != nil {
		return nil, err
	}
	s := &suite{b: b, plan: p, inputs: p.suiteInputs(made, pin), files: slices.Concat(deps, debs)}
	return s.pass(ctx)
}

func (p *Plan) suiteName() string { return KindSuite + p.Name[len(Kind):] }

// pinnedForSuite is what has to be installed beside the packages: what they depend
// on, and what tests use.
func (b *Builder) pinnedForSuite(ctx context.Context, p *Plan, debs []string) (project.SetPin, error) {
	depends, err := nfpm.Depends(debs, "pybake-")
	if err != nil {
		return project.SetPin{}, err
	}
	request := slices.Concat(depends, p.Recipe.Suite.Packages)
	slices.Sort(request)
	request = slices.Compact(request)
	pins, err := project.ReadLock(b.LockPath)
	if err != nil {
		return project.SetPin{}, err
	}
	pin, ok := pins.Runtime(p.Distro.Codename, p.Request.Arch, p.suiteOwner())
	if ok && slices.Equal(pin.Request, request) {
		return pin, nil
	}
	pin = project.SetPin{Distro: p.Distro.Codename, Arch: p.Request.Arch, For: p.suiteOwner(), Request: request}
	if pin.Packages, err = b.Distros.Resolve(ctx, p.Target(), p.base, p.Recipe.Suite.Packages, debs); err != nil {
		return pin, err
	}
	return pin, b.pin(func(l *project.Lock) { l.SetRuntime(pin) })
}

// suite is one run of CPython's test suite in a clean container.
type suite struct {
	b      *Builder
	plan   *Plan
	inputs []artifacts.Input
	files  []string // .deb files to install
}

// pass runs the suite and publishes that it passed.
func (s *suite) pass(ctx context.Context) (*artifacts.Artifact, error) {
	p := s.plan
	started := time.Now()
	draft, err := s.b.Store.Begin(KindSuite)
	if err != nil {
		return nil, err
	}
	defer draft.Discard()
	log, err := s.b.openLog(p, "suite")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var check artifacts.Check
	err = s.b.timed("test suite", func() error {
		result, err := s.run(ctx, filepath.Join(draft.Dir(), "junit.xml.gz"), log)
		if err == nil {
			check = result.check(p.Recipe.Suite.On(p.Distro.Codename))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: test suite: %w\nlog: %s", p.Name, err, log.Name())
	}
	check.Seconds = time.Since(started).Seconds()
	for _, note := range check.Notes {
		s.b.Report.Note("%s: test suite: %s", p.Name, note)
	}
	if !check.OK {
		return nil, fmt.Errorf("%w\nlog: %s", &CheckError{Name: p.Name, Failed: []artifacts.Check{check}}, log.Name())
	}
	s.b.Report.Note("%s: test suite: %s", p.Name, check.Detail)
	if err := draft.AddLog("suite.log", log); err != nil {
		return nil, err
	}
	return draft.Publish(ctx, artifacts.Manifest{
		Kind: KindSuite, Name: p.suiteName(), Inputs: s.inputs, Checks: []artifacts.Check{check}, Started: started, Finished: time.Now(),
		Labels: map[string]string{
			"version": p.Version, "series": p.Series, "distro": p.Distro.Codename, "arch": p.Request.Arch, "mode": p.mode(),
			"release": strconv.Itoa(p.Request.Release),
		},
	})
}

// run installs the packages in a container of the base, as an administrator does,
// and runs the suite in it as an ordinary user. Its JUnit file, compressed, is left in junit.
func (s *suite) run(ctx context.Context, junit string, log io.Writer) (*suiteResult, error) {
	info, err := s.b.Engine.Info(ctx)
	if err != nil {
		return nil, err
	}
	t := s.plan.Target()
	spec := engine.Spec{
		Image: distro.BaseRef(t, s.plan.base.Digest), Purpose: "suite-" + t.String(), Limit: suiteLimit, IPv6: true,
		// The ordinary user has none; but with it the engine's seccomp profile lets him read the memory of
		// processes of his own, as he can without a container.
		Caps: []string{"SYS_PTRACE"},
	}
	c, err := s.b.Distros.Start(ctx, spec)
	if err != nil && ctx.Err() == nil && !engine.IsGone(err) {
		s.b.Report.Note("%s: test suite: without IPv6: %v", s.plan.Name, err)
		spec.IPv6 = false
		c, err = s.b.Distros.Start(ctx, spec)
	}
	if err != nil {
		return nil, err
	}
	defer c.Remove(ctx)
	if err := s.b.Distros.Install(ctx, c, s.files); err != nil {
		return nil, err
	}
	if said, err := output(ctx, c, addUser); err != nil {
		return nil, fmt.Errorf("add an ordinary user: %w: %s", err, tail(said))
	}
	jobs := s.b.jobs(info)
	first, err := s.regrtest(ctx, c, log, jobs, slices.Concat([]string{"--junit-xml", suiteDir + "/junit.xml"}, s.plan.Recipe.Suite.Files)...)
	if err != nil {
		return nil, err
	}
	var again *suiteRun
	if failed := first.blocks["failed"]; len(failed) > 0 {
		// Apart from the first run, and not by its own -w, which in old series runs them in
		// the process that has the results. Verbose, since otherwise not all that fails is named.
		if again, err = s.regrtest(ctx, c, log, jobs, slices.Concat([]string{"-v"}, failed)...); err != nil {
			return nil, fmt.Errorf("second run of what failed: %w", err)
		}
	}
	results, err := readFile(ctx, c, suiteDir+"/junit.xml")
	if err != nil {
		return nil, err
	}
	result, err := newSuiteResult(first, again, bytes.NewReader(results))
	if err != nil {
		return nil, err
	}
	return result, errors.Join(os.WriteFile(junit, gzipped(string(results)), 0o644), c.Remove(ctx))
}

// regrtest runs files of tests, each in a process of its own.
func (s *suite) regrtest(ctx context.Context, c *engine.Container, log io.Writer, jobs int, args ...string) (*suiteRun, error) {
	argv := []string{
		s.plan.Prefix() + "/bin/python" + s.plan.Series, "-m", "test", "-j" + strconv.Itoa(jobs),
		"--timeout", strconv.Itoa(int(fileLimit.Seconds())), "-u", strings.Join(s.plan.Recipe.Suite.Resources, ","),
	}
	var said bytes.Buffer
	out := io.MultiWriter(&said, log, s.b.Report.Output())
	err := c.Exec(ctx, engine.Command{
		Argv: slices.Concat(argv, args), Env: []string{"HOME=" + suiteDir, "LC_ALL=C.UTF-8", "TERM=linux"}, Dir: suiteDir, Stdout: out, Stderr: out,
	})
	// The status says less than the output: what failed may be known.
	if exit, ok := errors.AsType[*engine.ExitError](err); err != nil && (!ok || exit.OOM) {
		return nil, err
	}
	return readRun(said.String())
}

// addUser makes the ordinary user who runs the tests one whom the system knows.
const addUser = `
	echo pybake:x:1000:1000::` + suiteDir + `:/bin/sh >> /etc/passwd
	echo pybake:x:1000: >> /etc/group
	install -d -o 1000 -g 1000 ` + suiteDir

// check is what the manifest says of the run.
func (r *suiteResult) check(known recipes.SuiteKnown) artifacts.Check {
	unexpected, notes := r.judge(known)
	skipped := 0
	for _, tests := range r.skips {
		skipped += len(tests)
	}
	c := artifacts.Check{
		Name: "CPython's test suite", OK: len(unexpected) == 0, Notes: notes,
		Counts: map[string]int{
			"files": len(r.files), "files-skipped": len(r.skipped), "files-failed": len(r.failed), "files-rerun": len(r.flaky),
			"tests": r.tests, "tests-skipped": skipped,
		},
		Detail: fmt.Sprintf("%d tests in %d files, of which %d files were skipped and %d failed as listed; %d tests skipped",
			r.tests, len(r.files), len(r.skipped), len(r.failed), skipped),
	}
	if !c.OK {
		c.Detail = fmt.Sprintf("%d of CPython's tests did not do what is expected:\n    %s", len(unexpected), strings.Join(unexpected, "\n    "))
	}
	return c
}
