package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// edits compares a change of one line.
type edits struct {
	*bench
	classic, buildkit, unchecked, nothing *row
}

func newEdits(b *bench) *edits {
	const classic, buildkit = "docker build, classic", "docker build, BuildKit"
	return &edits{b,
		&row{What: "edit", Unit: "s", Peer: classic, Target: 0.5},
		&row{What: "edit", Unit: "s", Peer: buildkit, Target: 0.5},
		&row{What: "edit, less its checks", Unit: "s", Peer: buildkit, Note: "the time of the step \"check\" is taken off"},
		&row{What: "nothing new", Unit: "s", Target: 0.05},
	}
}

func (e *edits) rows() []*row { return []*row{e.classic, e.buildkit, e.unchecked, e.nothing} }

// round makes all images, which is not counted, changes the application, and makes them again.
func (e *edits) round(ctx context.Context, round int) error {
	if _, _, err := e.pybakeImage(ctx, e.ownStore(), "web"); err != nil {
		return err
	}
	text, err := testdata.ReadFile("testdata/edit.dockerfile")
	if err == nil {
		err = os.WriteFile(filepath.Join(e.peerSource(), "Dockerfile"), text, 0o644)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(e.classicBuild(ctx), e.buildkitBuild(ctx)); err != nil {
		return err
	}
	for _, dir := range []string{e.app(), e.peerSource()} {
		if err := appendLine(filepath.Join(dir, "jupyter_server", "serverapp.py"), fmt.Sprintf("# %s %d\n", e.dir, round)); err != nil {
			return err
		}
	}
	return alternate(round,
		func() error { return e.ours(ctx) },
		func() error { return e.classicBuild(ctx, e.classic) },
		func() error { return e.buildkitBuild(ctx, e.buildkit, e.unchecked) })
}

func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

func (e *edits) ours(ctx context.Context) error {
	before := e.inspect(ctx, webImage, "{{.Id}}")
	images, took, err := e.pybakeImage(ctx, e.ownStore(), "web")
	if err != nil {
		return err
	}
	web := images[len(images)-1]
	if id := e.inspect(ctx, webImage, "{{.Id}}"); web.Origin != "built" || id != web.ID {
		return fmt.Errorf("pybake image web: it was %s, and is %s in the engine, not %s", web.Origin, id, web.ID)
	}
	e.classic.Note = fmt.Sprintf("last round: pybake image %.2f s (%s)", took, web.steps())
	e.classic.Pybake = append(e.classic.Pybake, took)
	e.buildkit.Pybake = append(e.buildkit.Pybake, took)
	e.unchecked.Pybake = append(e.unchecked.Pybake, took-web.step("check"))
	for range 3 {
		if images, took, err = e.pybakeImage(ctx, e.ownStore(), "web"); err != nil {
			return err
		}
		if images[len(images)-1].Origin != "found" {
			return errors.New("pybake image web: built anew though nothing changed")
		}
		e.nothing.Pybake = append(e.nothing.Pybake, took)
	}
	return e.removeImages(ctx, before) // else the engine has its layers when the next install begins
}

func (e *edits) classicBuild(ctx context.Context, rows ...*row) error {
	return e.copying(ctx, e.docker, "0", "pybake-bench-edit:classic", rows)
}

func (e *edits) buildkitBuild(ctx context.Context, rows ...*row) error {
	return e.copying(ctx, e.options.buildkit, "1", "pybake-bench-edit:buildkit", rows)
}

// copying builds an image whose last step copies the source.
func (e *edits) copying(ctx context.Context, docker, buildkit, tag string, rows []*row) error {
	if !slices.Contains(e.peers.edited, tag) {
		e.peers.edited = append(e.peers.edited, tag)
	}
	before := e.inspect(ctx, tag, "{{.Id}}")
	_, took, err := command{
		env:  []string{"DOCKER_BUILDKIT=" + buildkit},
		args: []string{docker, "build", "-q", "--build-arg", "BASE=" + e.peers.deps, "-t", tag, e.peerSource()},
	}.run(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		r.Theirs = append(r.Theirs, took)
	}
	if after := e.inspect(ctx, tag, "{{.Id}}"); before != "" && before != after {
		return e.removeImages(ctx, before)
	}
	return nil
}
