package python

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
)

// proofDir is where check.py and what it needs are in a clean container.
const proofDir = "/tmp/pybake"

// Checks of check.py: those that must pass with nothing but the runtime and
// -venv installed, and those for which the other packages are there too.
var (
	runtimeChecks = []string{
		"version", "no-compiler", "extensions", "ssl", "sqlite", "compression", "zoneinfo", "ctypes",
		"terminal", "dbm", "decimal", "uuid", "externally-managed", "venv", "extension",
	}
	fullChecks = []string{"sysconfig", "embed", "tk", "imports", "suite", "libraries"}
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

// proof is one round of checks over finished packages.
type proof struct {
	b     *Builder
	s     *stage
	image string            // of the builder
	debs  map[string]string // by package
	log   io.Writer

	mu     sync.Mutex
	checks map[string][]artifacts.Check // by round
}

// prove accepts packages or says which checks they failed.
func (b *Builder) prove(ctx context.Context, s *stage, image, dir string, packages []artifacts.File, log io.Writer) ([]artifacts.Check, error) {
	p := &proof{b: b, s: s, image: image, log: log, debs: map[string]string{}, checks: map[string][]artifacts.Check{}}
	for _, f := range packages {
		p.debs[f.Package.Name] = filepath.Join(dir, f.Path)
	}
	rounds := []struct {
		name string
		run  func(context.Context) error
	}{
		{"files", p.files},
		{"clean container", p.clean},
		{"upgrade and purge", p.upgrade},
		{"lintian", p.lint},
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(rounds))
	var wg sync.WaitGroup
	for i, round := range rounds {
		wg.Go(func() {
			errs[i] = b.timed("check "+round.name, func() error { return round.run(ctx) })
			if errs[i] != nil {
				errs[i] = fmt.Errorf("%s: check %s: %w", s.plan.Name, round.name, errs[i])
				cancel()
			}
		})
	}
	wg.Wait()
	// The first error is the cause, the others may be what it cancelled.
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var all, failed []artifacts.Check
	for _, round := range rounds {
		all = append(all, p.checks[round.name]...)
	}
	for _, c := range all {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	if len(failed) > 0 {
		return nil, &CheckError{Name: s.plan.Name, Failed: failed}
	}
	b.Report.Note("%s: %d checks passed", s.plan.Name, len(all))
	return all, nil
}

func (p *proof) add(round string, c artifacts.Check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks[round] = append(p.checks[round], c)
}

// check runs one check of a round: an error of detail fails it.
func (p *proof) check(round, name string, run func() (detail string, err error)) {
	start := time.Now()
	detail, err := run()
	c := artifacts.Check{Name: name, OK: err == nil, Seconds: time.Since(start).Seconds(), Detail: detail}
	if err != nil {
		c.Detail = err.Error()
	}
	p.add(round, c)
}

// packages are the paths of some of the packages; with no names, of all that
// are installed in containers.
func (p *proof) packages(suffixes ...string) []string {
	var out []string
	for _, s := range suffixes {
		name := "pybake-python" + p.s.plan.Series + s
		if s == "lib" {
			name = "pybake-libpython" + p.s.plan.Series
		}
		out = append(out, p.debs[name])
	}
	return out
}

// dependencies are the cached packages that have to be there before the given
// ones can be installed on the base.
func (p *proof) dependencies(ctx context.Context, who string, debs []string) ([]string, error) {
	var request []string
	for _, r := range p.s.layout.Packages {
		if slices.Contains(debs, p.debs[r.Name]) {
			request = append(request, r.Depends...)
			request = append(request, p.s.depends[r.Name]...)
		}
	}
	request = slices.DeleteFunc(request, func(d string) bool { return strings.HasPrefix(d, "pybake-") })
	slices.Sort(request)
	return p.pinned(ctx, who, slices.Compact(request), debs)
}

func (p *proof) pinned(ctx context.Context, who string, request, local []string) ([]string, error) {
	plan := p.s.plan
	pin, err := p.b.pinnedSet(ctx, plan, (*project.Lock).Runtime, (*project.Lock).SetRuntime, who, request, local)
	if err != nil {
		return nil, err
	}
	return p.b.Distros.Files(ctx, plan.Target(), plan.base, pin.Packages)
}

// clean installs the packages in a container of the base and uses them as an
// ordinary user does.
func (p *proof) clean(ctx context.Context) error {
	const round = "clean container"
	plan := p.s.plan
	probe, err := p.compileProbe(ctx)
	if err != nil {
		return err
	}
	c, err := p.b.Distros.Offliner(ctx, plan.Target(), distro.BaseRef(plan.Target(), plan.base.Digest), "clean")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := p.putProof(ctx, c, probe); err != nil {
		return err
	}
	few := p.packages("", "-venv")
	p.install(ctx, c, round, "install", plan.owner(), few)
	if err := p.python(ctx, c, round, runtimeChecks); err != nil {
		return err
	}
	all := p.packages("", "-venv", "lib", "-dev", "-tk", "-test")
	p.install(ctx, c, round, "install-all", plan.owner()+" all", all)
	if err := p.python(ctx, c, round, fullChecks); err != nil {
		return err
	}
	p.check(round, "purge-all", func() (string, error) { return p.purge(ctx, c) })
	return c.Remove(ctx)
}

// install installs packages and what they depend on, as a check.
func (p *proof) install(ctx context.Context, c *engine.Container, round, name, who string, debs []string) {
	p.check(round, name, func() (string, error) {
		deps, err := p.dependencies(ctx, who, debs)
		if err != nil {
			return "", err
		}
		err = p.b.Distros.Install(ctx, c, slices.Concat(deps, debs))
		return fmt.Sprintf("%d packages and %d of the distro, with no network", len(debs), len(deps)), err
	})
}

// python runs checks of check.py as an ordinary user.
func (p *proof) python(ctx context.Context, c *engine.Container, round string, names []string) error {
	var out, said bytes.Buffer
	err := c.Exec(ctx, engine.Command{
		Argv: append([]string{
			p.s.plan.Prefix() + "/bin/python" + p.s.plan.Series, proofDir + "/check.py", proofDir + "/config.json",
		}, names...),
		Env: []string{"HOME=" + proofDir, "LC_ALL=C.UTF-8", "TERM=linux"}, Dir: proofDir, Stdout: &out, Stderr: &said,
	})
	var exit *engine.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 1<<20)
	seen := map[string]bool{}
	for lines.Scan() {
		var check artifacts.Check
		if json.Unmarshal(lines.Bytes(), &check) == nil && check.Name != "" {
			seen[check.Name] = true
			p.add(round, check)
		}
	}
	for _, name := range names {
		if !seen[name] {
			p.add(round, artifacts.Check{Name: name, Detail: fmt.Sprintf("did not finish: %v: %s", err, tail(said.String()))})
		}
	}
	return nil
}

func tail(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 600 {
		s = "…" + s[len(s)-600:]
	}
	return s
}

// putProof gives a clean container the checks and what they use.
func (p *proof) putProof(ctx context.Context, c *engine.Container, probe []fetch.MemFile) error {
	plan := p.s.plan
	// The check tk is for the one extension module that another package has.
	extensions := slices.DeleteFunc(slices.Clone(plan.Recipe.Extensions), func(e string) bool { return e == "_tkinter" })
	config, err := json.Marshal(map[string]any{
		"version": plan.Version, "prefix": plan.Prefix(), "builder": builderDirs, "extensions": extensions,
		"skip": plan.Recipe.ImportSkip, "probe": proofDir,
	})
	if err != nil {
		return err
	}
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	files := append([]fetch.MemFile{
		{Name: "check.py", Data: checkScript}, {Name: "config.json", Data: config}, {Name: "tls.pem", Data: certificate},
	}, probe...)
	j := &job{Container: c}
	return j.putFiles(ctx, proofDir, files)
}

// compileProbe compiles an extension module and an embedding program in the
// builder against the packages, as a user of -dev does.
func (p *proof) compileProbe(ctx context.Context) ([]fetch.MemFile, error) {
	plan := p.s.plan
	c, err := p.b.Distros.Offliner(ctx, plan.Target(), p.image, "probe")
	if err != nil {
		return nil, err
	}
	defer c.Remove(ctx)
	if err := p.b.Distros.Install(ctx, c, p.packages("", "lib", "-dev")); err != nil {
		return nil, err
	}
	j := &job{Container: c}
	files := []fetch.MemFile{{Name: "probe.c", Data: probeSource}, {Name: "embed.c", Data: embedSource}}
	if err := j.putFiles(ctx, proofDir, files); err != nil {
		return nil, err
	}
	var said strings.Builder
	err = c.Exec(ctx, engine.Command{
		Argv: []string{"sh", "-euc", `
			config="$1-config"
			gcc -shared -fPIC $("$config" --cflags) probe.c -o pybake_probe.so
			gcc -fPIE -pie $("$config" --cflags --embed) embed.c -o pybake_embed $("$config" --ldflags --embed)`,
			"sh", plan.Prefix() + "/bin/python" + plan.Series},
		Dir: proofDir, Stdout: &said, Stderr: &said,
	})
	if err != nil {
		return nil, fmt.Errorf("compile against -dev: %w: %s", err, tail(said.String()))
	}
	var out []fetch.MemFile
	for _, name := range []string{"pybake_probe.so", "pybake_embed"} {
		data, err := readFile(ctx, c, proofDir+"/"+name)
		if err != nil {
			return nil, err
		}
		out = append(out, fetch.MemFile{Name: name, Data: data, Exec: true})
	}
	return out, c.Remove(ctx)
}

// lint runs the distro's lintian over the packages.
func (p *proof) lint(ctx context.Context) error {
	plan := p.s.plan
	pin, err := p.b.pinnedSet(ctx, plan, (*project.Lock).Runtime, (*project.Lock).SetRuntime, "lintian", []string{"lintian"}, nil)
	if err != nil {
		return err
	}
	image, err := p.b.Distros.Builder(ctx, plan.Target(), plan.base, pin.Packages, "lint")
	if err != nil {
		return err
	}
	c, err := p.b.Distros.Offliner(ctx, plan.Target(), image, "lint")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	var debs []string
	for _, deb := range p.debs {
		debs = append(debs, deb)
	}
	slices.Sort(debs)
	paths, err := distro.PutFiles(ctx, c, "/srv", debs)
	if err != nil {
		return err
	}
	p.check("lintian", "lintian", func() (string, error) {
		var out strings.Builder
		err := c.Exec(ctx, engine.Command{
			Argv: append([]string{"lintian", "--fail-on", "error", "--tag-display-limit", "0"}, paths...),
			Env:  []string{"HOME=/home/pybake", "LC_ALL=C.UTF-8"}, Stdout: &out, Stderr: &out,
		})
		fmt.Fprintf(p.log, "\n==> lintian\n%s", out.String())
		errs, warnings := countTags(out.String())
		if err != nil {
			return "", fmt.Errorf("%w: %d errors: %s", err, len(errs), strings.Join(errs[:min(len(errs), 10)], "; "))
		}
		return fmt.Sprintf("no errors, %d warnings", warnings), nil
	})
	return c.Remove(ctx)
}

func countTags(out string) (errs []string, warnings int) {
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, "E: "):
			errs = append(errs, strings.TrimSpace(line))
		case strings.HasPrefix(line, "W: "):
			warnings++
		}
	}
	return errs, warnings
}
