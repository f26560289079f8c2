package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// What is imported: the application, and what it imports of the lock.
const (
	appImport  = "import jupyter_server.serverapp"
	depsImport = "import argon2, jinja2, jupyter_client, jupyter_events, nbconvert, nbformat, prometheus_client, terminado, tornado, websocket, zmq"
)

// slimSize is what debian:trixie-slim has unpacked: docker-library/repo-info, repos/debian/local/13.6-slim.md of
// the image of 2026-08-24, amd64.
const slimSize = 78_640_000

// made is what pybake image --json says of an image.
type made struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Origin string `json:"origin"` // "built" or "found"
	Layers []struct {
		Name     string `json:"name"`
		Unpacked int64  `json:"unpacked"`
	} `json:"layers"`
	Steps []struct {
		Name    string  `json:"name"`
		Seconds float64 `json:"seconds"`
	} `json:"steps"`
}

// step is the time of a step, 0 if there was none.
func (m made) step(name string) float64 {
	for _, s := range m.Steps {
		if s.Name == name {
			return s.Seconds
		}
	}
	return 0
}

// pybakeImage runs pybake image, and returns the images, the named one last, and the time.
func (b *bench) pybakeImage(ctx context.Context, name string) ([]made, float64, error) {
	out, took, err := b.pybakeCommand(ctx, "image", name, "--json")
	if err != nil {
		return nil, 0, err
	}
	var images []made
	if err := json.Unmarshal([]byte(out), &images); err != nil {
		return nil, 0, fmt.Errorf("pybake image %s --json: %w", name, err)
	}
	if len(images) == 0 || images[len(images)-1].Name != name {
		return nil, 0, fmt.Errorf("pybake image %s --json: it is not the last of %d images", name, len(images))
	}
	return images, took, nil
}

func (b *bench) pybakeCommand(ctx context.Context, args ...string) (string, float64, error) {
	return command{
		dir:  b.project(),
		env:  []string{"PYBAKE_STORE=" + b.ownStore(), "PYBAKE_CACHE=" + b.cache()},
		args: append([]string{b.options.pybake}, args...),
	}.run(ctx)
}

// image makes all that is compared, and measures it, round by round.
func (b *bench) image(ctx context.Context) ([]*row, error) {
	b.say("pybake image: Python and wheels")
	if _, _, err := b.pybakeImage(ctx, "python"); err != nil {
		return nil, err
	}
	house, _, err := b.pybakeCommand(ctx, "wheels", "requirements.lock")
	if err != nil {
		return nil, err
	}
	if b.house, err = filepath.EvalSymlinks(house); err != nil {
		return nil, err
	}
	if err := b.makePeers(ctx); err != nil {
		return nil, err
	}
	installs := newInstalls(b)
	edits := newEdits(b)
	imports := newImports(b)
	if err := b.copyStore(ctx, b.ownStore(), installs.store()); err != nil {
		return nil, err
	}
	for round := range b.rounds {
		b.say("round %d: install", round+1)
		if err := installs.round(ctx, round); err != nil {
			return nil, err
		}
		b.say("round %d: edit", round+1)
		if err := edits.round(ctx, round); err != nil {
			return nil, err
		}
		b.say("round %d: import", round+1)
		if err := imports.round(ctx, round); err != nil {
			return nil, err
		}
	}
	sizes, err := b.sizes(ctx)
	if err != nil {
		return nil, err
	}
	rows := append(sizes, imports.rows()...)
	rows = append(rows, installs.rows()...)
	return append(rows, edits.rows()...), nil
}

// sizes compares what the engine counts for the finished images.
func (b *bench) sizes(ctx context.Context) ([]*row, error) {
	history, _, err := command{args: []string{b.docker, "history", "--human=false", "--no-trunc", "--format", "{{.Size}} {{.CreatedBy}}", webImage}}.run(ctx)
	if err != nil {
		return nil, err
	}
	var ours, base float64
	var parts []string
	for _, line := range strings.Split(history, "\n") { // the base is the last
		size, by, _ := strings.Cut(line, " ")
		if base, err = strconv.ParseFloat(size, 64); err != nil {
			return nil, fmt.Errorf("docker history %s: %q is no size", webImage, line)
		}
		ours += base
		parts = append(parts, fmt.Sprintf("%s %s", by, amount(base, "B")))
	}
	var peer [2]float64
	for i, ref := range []string{b.peers.web, b.peers.base} {
		if peer[i], err = strconv.ParseFloat(b.inspect(ctx, ref, "{{.Size}}"), 64); err != nil {
			return nil, fmt.Errorf("size of %s: %w", ref, err)
		}
	}
	const name = "docker-library + pip"
	return []*row{
		{What: "size above the base", Unit: "B", Pybake: []float64{ours - base}, Peer: name, Theirs: []float64{peer[0] - peer[1]}, Target: 0.5,
			Note: strings.Join(parts, "; ")},
		{What: "size of all", Unit: "B", Pybake: []float64{ours}, Peer: name, Theirs: []float64{peer[0]}},
		{What: "size of the base", Unit: "B", Pybake: []float64{base}, Peer: "debian:" + distro + "-slim, published", Theirs: []float64{slimSize}},
	}, nil
}

// imports compares the start of the application.
type imports struct {
	*bench
	process, whole *row
}

func newImports(b *bench) *imports {
	const name = "docker-library + pip"
	return &imports{b,
		&row{What: "import, the process", Unit: "s", Peer: name, Target: 0.35},
		&row{What: "import, docker run", Unit: "s", Peer: name},
	}
}

func (i *imports) rows() []*row { return []*row{i.process, i.whole} }

func (i *imports) round(ctx context.Context, round int) error {
	return alternate(round,
		func() error { return i.measure(ctx, webImage, &i.process.Pybake, &i.whole.Pybake) },
		func() error { return i.measure(ctx, i.peers.web, &i.process.Theirs, &i.whole.Theirs) })
}

// measure runs a fresh container five times, of which the fastest counts: a
// process that had the cores for itself.
func (i *imports) measure(ctx context.Context, ref string, process, whole *[]float64) error {
	const script = `s=$(date +%s%N); python -c "$0" || exit; echo $(($(date +%s%N) - s))`
	var inner, outer []float64
	for range 5 {
		out, took, err := i.dockerRun(ctx, "--read-only", "--tmpfs", "/tmp", "--user", "1000:1000", "--entrypoint", "/bin/sh", ref, "-c", script, appImport)
		if err != nil {
			return err
		}
		ns, err := strconv.ParseFloat(out, 64)
		if err != nil {
			return fmt.Errorf("import in %s: it printed %q", ref, out)
		}
		inner, outer = append(inner, ns/1e9), append(outer, took)
	}
	*process, *whole = append(*process, median(inner)), append(*whole, median(outer))
	return nil
}

// alternate runs functions in their order, and in every other round backwards.
func alternate(round int, functions ...func() error) error {
	for i := range functions {
		if round%2 == 1 {
			i = len(functions) - 1 - i
		}
		if err := functions[i](); err != nil {
			return err
		}
	}
	return nil
}

// edits compares a change of one line.
type edits struct {
	*bench
	classic, buildkit, unchecked, nothing *row
	count                                 int
}

func newEdits(b *bench) *edits {
	return &edits{bench: b,
		classic:   &row{What: "edit", Unit: "s", Peer: "docker build, classic", Target: 0.5},
		buildkit:  &row{What: "edit", Unit: "s", Peer: "docker build, BuildKit", Target: 0.5},
		unchecked: &row{What: "edit, less its checks", Unit: "s", Peer: "docker build, BuildKit", Note: "the time of pybake's step \"check\" is taken off"},
		nothing:   &row{What: "nothing new", Unit: "s", Target: 0.05},
	}
}

func (e *edits) rows() []*row { return []*row{e.classic, e.buildkit, e.unchecked, e.nothing} }

// round changes the application once for all. The first round begins with images that are not counted: what an
// edit finds in the cache has to be there.
func (e *edits) round(ctx context.Context, round int) error {
	if round == 0 {
		if err := e.edit(ctx, 0); err != nil {
			return err
		}
		for _, r := range e.rows() {
			r.Pybake, r.Theirs = nil, nil
		}
	}
	return e.edit(ctx, round)
}

func (e *edits) edit(ctx context.Context, round int) error {
	e.count++
	line := fmt.Sprintf("# %s %d\n", e.dir, e.count)
	for _, dir := range []string{e.app(), e.peerSource()} {
		if err := appendLine(filepath.Join(dir, "jupyter_server", "serverapp.py"), line); err != nil {
			return err
		}
	}
	return alternate(round,
		func() error { return e.ours(ctx) },
		func() error { return e.docker1(ctx, e.docker, "DOCKER_BUILDKIT=0", "pybake-bench-edit:classic", e.classic) },
		func() error {
			return e.docker1(ctx, e.options.buildkit, "DOCKER_BUILDKIT=1", "pybake-bench-edit:buildkit", e.buildkit, e.unchecked)
		})
}

func (e *edits) ours(ctx context.Context) error {
	images, took, err := e.pybakeImage(ctx, "web")
	if err != nil {
		return err
	}
	web := images[len(images)-1]
	if id := e.inspect(ctx, webImage, "{{.Id}}"); web.Origin != "built" || id != web.ID {
		return fmt.Errorf("pybake image web: it was %s, and is %s in the engine, not %s", web.Origin, id, web.ID)
	}
	e.classic.Pybake = append(e.classic.Pybake, took)
	e.buildkit.Pybake = append(e.buildkit.Pybake, took)
	e.unchecked.Pybake = append(e.unchecked.Pybake, took-web.step("check"))
	for range 3 {
		if images, took, err = e.pybakeImage(ctx, "web"); err != nil {
			return err
		}
		if images[len(images)-1].Origin != "found" {
			return errors.New("pybake image web: built anew though nothing changed")
		}
		e.nothing.Pybake = append(e.nothing.Pybake, took)
	}
	return nil
}

// docker1 builds an image whose last step copies the source.
func (e *edits) docker1(ctx context.Context, docker, builder, tag string, rows ...*row) error {
	if !contains(e.peers.edited, tag) {
		e.bench.peers.edited = append(e.bench.peers.edited, tag)
	}
	dockerfile := filepath.Join(e.peerSource(), "Dockerfile")
	text, err := testdata.ReadFile("testdata/edit.dockerfile")
	if err == nil {
		err = os.WriteFile(dockerfile, text, 0o644)
	}
	if err != nil {
		return err
	}
	_, took, err := command{env: []string{builder}, args: []string{docker, "build", "-q", "--build-arg", "BASE=" + e.peers.deps, "-t", tag, e.peerSource()}}.run(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		r.Theirs = append(r.Theirs, took)
	}
	return nil
}
