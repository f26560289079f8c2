package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// depsImport is what the application imports of the lock.
const depsImport = "import argon2, jinja2, jupyter_client, jupyter_events, nbconvert, nbformat, prometheus_client, terminado, tornado, websocket, zmq"

// installers are what the peers do in their container, to the first import.
var installers = []struct{ name, script string }{
	{"uv pip sync", `uv venv -q --python "$PYTHON" /venv && uv pip sync -q --python /venv/bin/python --offline --no-index --find-links /house --require-hashes /house/requirements.txt`},
	{"uv pip sync --compile-bytecode", `uv venv -q --python "$PYTHON" /venv && uv pip sync -q --compile-bytecode --python /venv/bin/python --offline --no-index --find-links /house --require-hashes /house/requirements.txt`},
	{"pip install", `"$PYTHON" -m venv /venv && /venv/bin/pip install -q --no-index --find-links /house --require-hashes -r /house/requirements.txt`},
}

// installs compares the way from the house to the first import.
type installs struct {
	*bench
	cold, warm, whole []float64   // ours: without trees, with trees, and with trees and checks
	steps             [2]string   // of the last ones without trees and with
	theirs            [][]float64 // by installers
}

func newInstalls(b *bench) *installs {
	return &installs{bench: b, theirs: make([][]float64, len(installers))}
}

func (i *installs) rows() []*row {
	var rows []*row
	add := func(what string, ours []float64, peer int, target float64) {
		rows = append(rows, &row{What: what, Unit: "s", Pybake: ours, Peer: installers[peer].name, Theirs: i.theirs[peer], Target: target})
	}
	const uv, uvCompiled, pip = 0, 1, 2
	add("install, trees kept", i.warm, uv, 0.5)
	add("install, trees kept", i.warm, uvCompiled, 0)
	add("install, trees kept", i.warm, pip, 0.05)
	add("install, no trees", i.cold, uv, 0.5)
	add("install, no trees", i.cold, uvCompiled, 0)
	add("install, no trees", i.cold, pip, 0.05)
	add("install, trees kept, and all checks", i.whole, uv, 0)
	rows[0].Note, rows[3].Note = i.steps[1], i.steps[0]
	return rows
}

func (i *installs) round(ctx context.Context, round int) error {
	steps := []func() error{func() error { return i.ours(ctx) }}
	for n := range installers {
		steps = append(steps, func() error { return i.peer(ctx, n) })
	}
	return alternate(round, steps...)
}

func (i *installs) ours(ctx context.Context) error {
	if err := os.RemoveAll(filepath.Join(i.cache(), "trees")); err != nil {
		return err
	}
	cold, _, err := i.layer(ctx, &i.steps[0])
	if err != nil {
		return err
	}
	warm, whole, err := i.layer(ctx, &i.steps[1])
	i.cold, i.warm, i.whole = append(i.cold, cold), append(i.warm, warm), append(i.whole, whole)
	return err
}

// layer makes the layer of the wheels and an image with it that neither store nor engine has, and
// imports in a container of it. It returns the time less the checks, and with them.
func (i *installs) layer(ctx context.Context, steps *string) (unchecked, whole float64, err error) {
	if err := i.removeImages(ctx, webImage, depsImage); err != nil {
		return 0, 0, err
	}
	store := filepath.Join(i.dir, "fresh")
	if err := i.copyStore(ctx, i.housed(), store); err != nil {
		return 0, 0, err
	}
	images, took, err := i.pybakeImage(ctx, store, "deps")
	if err != nil {
		return 0, 0, err
	}
	deps := images[len(images)-1]
	if deps.Origin != "built" {
		return 0, 0, fmt.Errorf("pybake image deps: it was %s in a store without it", deps.Origin)
	}
	_, imported, err := i.dockerRun(ctx, depsImage, "python", "-c", depsImport)
	*steps = fmt.Sprintf("last round: pybake image %.2f s (%s), docker run %.2f s", took, deps.steps(), imported)
	return took - deps.step("check") + imported, took + imported, err
}

func (i *installs) peer(ctx context.Context, n int) error {
	_, took, err := i.dockerRun(ctx, "-v", i.house+":/house:ro", "-v", i.uv+":/usr/local/bin/uv:ro", "-e", "PYTHON=/opt/python/3.13/bin/python3.13",
		i.peers.installers, "/bin/sh", "-c", installers[n].script+` && /venv/bin/python -c "$0"`, depsImport)
	i.theirs[n] = append(i.theirs[n], took)
	return err
}
