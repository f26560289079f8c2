package python

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
)

// lint runs the distro's lintian over the packages.
func (p *proof) lint(ctx context.Context) error {
	c, err := p.withTool(ctx, "lintian", "lint")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	debs := slices.Sorted(maps.Values(p.debs))
	paths, err := distro.PutFiles(ctx, c, "/srv", debs)
	if err != nil {
		return err
	}
	_, err = p.check("lintian", "lintian", func() (string, error) {
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
	if err != nil {
		return err
	}
	return c.Remove(ctx)
}

// withTool starts a container that has a program of the distro, with no
// network, from an image that is kept.
func (p *proof) withTool(ctx context.Context, name, purpose string) (*engine.Container, error) {
	plan := p.s.plan
	pin, err := p.b.pinnedSet(ctx, plan, runtimeSet, name, []string{name}, nil)
	if err != nil {
		return nil, err
	}
	image, err := p.b.Distros.Builder(ctx, plan.Target(), plan.base, pin.Packages, purpose)
	if err != nil {
		return nil, err
	}
	return p.b.Distros.Offliner(ctx, plan.Target(), image, purpose)
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
