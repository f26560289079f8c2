package gate

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// debs are the names of the files of House.Debs.
func (p *proof) debs() (names []string) {
	for _, d := range p.house.Debs {
		names = append(names, filepath.Base(d))
	}
	return names
}

// packages says what is installed for the house: "3 packages, pybake-libpython3.13_3.13.5-1+deb13_amd64.deb".
func (p *proof) packages() string {
	return strings.Join(append([]string{fmt.Sprintf("%d packages", len(p.apt))}, p.debs()...), ", ")
}

// installApt installs what apt.txt lists, and what the house needs of the Python.
func (p *proof) installApt(ctx context.Context, c *engine.Container) (string, error) {
	if p.aptErr != nil {
		return "", p.aptErr
	}
	files, err := p.Distros.Files(ctx, p.Target, p.Base, p.apt)
	if err != nil {
		return "", err
	}
	return p.packages(), p.Distros.Install(ctx, c, append(files, p.house.Debs...))
}

// listed are the packages that apt.txt lists.
func listed(text string, packages []project.Package) (found []project.Package, err error) {
	pinned := map[string]project.Package{}
	for _, p := range packages {
		pinned[p.Name+"="+p.Version] = p
	}
	var problems []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		p, ok := pinned[line]
		if !ok {
			problems = append(problems, fmt.Sprintf("apt.txt: %q is no package that was resolved", line))
			continue
		}
		found = append(found, p)
	}
	if len(problems) > 0 {
		return nil, finding(strings.Join(problems, "\n"))
	}
	return found, nil
}
