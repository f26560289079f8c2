package image

import (
	"context"
	"io"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image/check"
	"github.com/pybake/pybake/internal/pep"
)

// proof is what the imports of an image's houses depend on: an image of the store
// with the same one has imported them already.
func (p *Plan) proof() string {
	n := 0
	for i, l := range p.Layers {
		if l.Name == "wheels" {
			n = i + 1
		}
	}
	return hashJSON([]any{p.chain(n), p.Config.User, p.Config.Env, p.excuses(), check.Format})
}

// check looks at the image that the engine holds, and uses it.
func (b *Builder) check(ctx context.Context, p *Plan, img *Image, log io.Writer) ([]artifacts.Check, error) {
	i, err := b.checked(p, img)
	if err != nil {
		return nil, err
	}
	var checks []artifacts.Check
	err = b.timed("check", func() error {
		static, err := check.Static(ctx, i)
		if err != nil {
			return err
		}
		dynamic, err := check.Dynamic(ctx, func(s engine.Spec) (*engine.Container, error) { return b.Engine.Start(ctx, s) }, img.ID, i, log)
		checks = append(static, dynamic...)
		return err
	})
	if err != nil {
		return nil, err
	}
	failed := &CheckError{Name: p.Name}
	for _, c := range checks {
		if !c.OK {
			failed.Failed = append(failed.Failed, c)
		}
	}
	if len(failed.Failed) > 0 {
		return nil, failed
	}
	return checks, nil
}

// checked is what package check wants to know of an image.
func (b *Builder) checked(p *Plan, img *Image) (check.Image, error) {
	i := check.Image{
		Base: 1, Series: p.Series, Machine: p.req.Target.Machine(), User: img.Config.User, Workdir: img.Config.Workdir,
		Env: img.Config.Env, Entrypoint: img.Config.Entrypoint, Cmd: img.Config.Cmd, Check: p.top.Check, Keep: p.top.Keep,
		New: map[string]bool{}, Skip: map[string]map[string]string{}, Absent: map[string]map[string]string{},
	}
	if p.Series != "" {
		i.Python = p.pythonVersion()
	}
	var err error
	if i.Facts, i.Layers, err = factsOf(img.Layers); err != nil {
		return i, err
	}
	for _, l := range img.Layers {
		i.Names = append(i.Names, l.Name)
	}
	_, err = b.Store.Latest(Kind, map[string]string{"proved": p.proof()})
	proved := err == nil
	add := func(name, version string, fresh bool) {
		name = pep.NormalizeName(name)
		recipe := p.recipe(name, version)
		i.Dists = append(i.Dists, check.Dist{Name: name, Version: version, Keep: recipe.Keep})
		i.Skip[name], i.Absent[name] = recipe.ImportSkip, recipe.LibrarySkip
		if fresh {
			i.New[name] = true
		}
	}
	seen := map[string]bool{}
	for _, l := range p.req.Links {
		if l.House != nil {
			for _, w := range l.House.Wheels {
				if !seen[w.Name] {
					add(w.Name, w.Version, !proved)
				}
				seen[w.Name] = true
			}
			i.Project = append(i.Project, l.House.Project...)
		}
		if l.App != nil {
			add(l.App.Name, l.App.Version, true)
			i.Project = append(i.Project, l.App.Name)
		}
	}
	return i, nil
}
