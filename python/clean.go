package python

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
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
	fullChecks = []string{"sysconfig", "embed", "tk", "modules", "bytecode", "imports", "suite", "libraries"}
)

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
	if ok, err := p.install(ctx, c, round, "install", p.few, p.fewDeps); !ok {
		return err
	}
	if err := p.python(ctx, c, round, runtimeChecks); err != nil {
		return err
	}
	if ok, err := p.install(ctx, c, round, "install-all", p.all, p.allDeps); !ok {
		return err
	}
	if err := p.python(ctx, c, round, fullChecks); err != nil {
		return err
	}
	if _, err := p.check(round, "purge-all", func() (string, error) { return p.purge(ctx, c) }); err != nil {
		return err
	}
	return c.Remove(ctx)
}

// install installs packages and what they depend on, as a check.
func (p *proof) install(ctx context.Context, c *engine.Container, round, name string, debs, deps []string) (ok bool, err error) {
	return p.check(round, name, func() (string, error) {
		err := p.b.Distros.Install(ctx, c, slices.Concat(deps, debs))
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
	config, err := json.Marshal(map[string]any{
		"version": plan.Version, "prefix": plan.Prefix(), "stdlib": path.Join(plan.Prefix(), plan.libDir()), "builder": builderDirs, "extensions": plan.runtimeExtensions(),
		"all": slices.Concat(plan.Recipe.Extensions, plan.Recipe.TestExtensions), "modules": slices.Concat([]string{}, plan.Recipe.Modules),
		"recipe": "recipes/python/" + plan.Series + ".toml", "skip": plan.Recipe.ImportSkip, "probe": proofDir,
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

// runtimeExtensions are the extension modules of the runtime: all but the one
// that another package has, for which there is the check tk.
func (p *Plan) runtimeExtensions() []string {
	return slices.DeleteFunc(slices.Clone(p.Recipe.Extensions), func(e string) bool { return e == "_tkinter" })
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
