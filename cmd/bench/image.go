package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// steps are "layer wheels 0.11 s, load 1.13 s".
func (m made) steps() string {
	var out []string
	for _, s := range m.Steps {
		out = append(out, fmt.Sprintf("%s %.2f s", s.Name, s.Seconds))
	}
	return strings.Join(out, ", ")
}

// pybakeImage runs pybake image, and returns the images, the named one last, and the time.
func (b *bench) pybakeImage(ctx context.Context, store, name string) ([]made, float64, error) {
	out, took, err := b.pybakeCommand(ctx, store, "image", name, "--json")
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

func (b *bench) pybakeCommand(ctx context.Context, store string, args ...string) (string, float64, error) {
	return command{
		dir:  b.project(),
		env:  []string{"PYBAKE_STORE=" + store, "PYBAKE_CACHE=" + b.cache()},
		args: append([]string{b.options.pybake}, args...),
	}.run(ctx)
}

// image makes all that is compared, and measures it, round by round.
func (b *bench) image(ctx context.Context) ([]*row, error) {
	b.say("pybake image: Python and wheels")
	if _, _, err := b.pybakeImage(ctx, b.ownStore(), "python"); err != nil {
		return nil, err
	}
	house, _, err := b.pybakeCommand(ctx, b.ownStore(), "wheels", "requirements.lock")
	if err != nil {
		return nil, err
	}
	if b.house, err = filepath.EvalSymlinks(house); err != nil {
		return nil, err
	}
	if err := b.makePeers(ctx); err != nil {
		return nil, err
	}
	// What the installs begin with: a store that has the house and the image below.
	if err := b.copyStore(ctx, b.ownStore(), b.housed()); err != nil {
		return nil, err
	}
	installs, edits, imports := newInstalls(b), newEdits(b), newImports(b)
	for round := range b.rounds {
		for _, measure := range []func(context.Context, int) error{installs.round, edits.round, imports.round} {
			if err := measure(ctx, round); err != nil {
				return nil, err
			}
		}
		b.say("round %d of %d done", round+1, b.rounds)
	}
	sizes, err := b.sizes(ctx)
	return slices.Concat(sizes, imports.rows(), installs.rows(), edits.rows()), err
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
		{What: "size of the base", Unit: "B", Pybake: []float64{base}, Peer: "debian:" + distro + "-slim, published", Theirs: []float64{slimSize},
			Note: "published by docker-library/repo-info, image of 2026-08-24"},
	}, nil
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
