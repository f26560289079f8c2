package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The target of bench wheels.
const (
	wheelsPython = "3.11.2"
	wheelsSeries = "3.11"
	wheelsDistro = "bookworm"
	interpreter  = "/opt/python/" + wheelsSeries + "/bin/python" + wheelsSeries
)

// wheelsSets are what bench wheels builds, in this order.
func wheelsSets() []*wheelsSet {
	return []*wheelsSet{
		{name: "pure", what: "P, 40 pure sdists", pip: 0.10, uv: 0.35},
		{name: "native", what: "C, 12 C extensions", pip: 0.20, uv: 0.45, symbols: 0.35, compiled: true},
	}
}

// wheelsBench is one run of bench wheels.
type wheelsBench struct {
	session
	files      simpleIndex // what is built and what builds it
	index      string      // its address on loopback
	peers      string      // the image in which they build
	sets       []*wheelsSet
	symbols    bool              // pybake knows --debug-symbols
	bumpedWant map[string]string // versions by project, one of them another
	nothing    *row
	bump       [2]*row // without a cache of pip's, with that of its last run
}

// runWheels is bench wheels.
func runWheels(ctx context.Context, args []string) (err error) {
	b := &wheelsBench{session: newSession()}
	flags := b.flagSet("wheels", 3)
	b.dockerFlags(flags)
	only := flags.String("only", "pure,native", "`sets` to measure")
	if err := b.parse(flags, args); err != nil {
		return err
	}
	for _, set := range wheelsSets() {
		if strings.Contains(","+*only+",", ","+set.name+",") {
			b.sets = append(b.sets, set)
		}
	}
	if len(b.sets) == 0 {
		return fmt.Errorf("usage: bench wheels --only pure,native: there is no %q", *only)
	}
	defer func() { err = errors.Join(err, b.close()) }()
	rows, err := b.measure(ctx)
	if err != nil {
		return err
	}
	return b.print(rows)
}

// name is that of the container, the volume and the image of this run.
func (b *wheelsBench) name() string { return filepath.Base(b.dir) }

// close removes what this run made.
func (b *wheelsBench) close() error {
	if b.dir == "" {
		return nil
	}
	if b.keep {
		b.say("kept: %s, image %s", b.dir, b.peers)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := errors.Join(b.removeContainer(ctx), b.removeVolume(ctx))
	if b.peers != "" {
		err = errors.Join(err, b.removeImages(ctx, b.peers))
	}
	if err = errors.Join(err, os.RemoveAll(b.dir)); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// measure makes all that is compared, and measures it, round by round.
func (b *wheelsBench) measure(ctx context.Context) ([]*row, error) {
	if err := b.hasPython(wheelsPython, wheelsDistro); err != nil {
		return nil, err
	}
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx); err != nil {
		return nil, err
	}
	if err := b.makePeers(ctx); err != nil {
		return nil, err
	}
	address, server, err := serve(&b.files)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	b.index = address + "simple/"
	for round := range b.rounds {
		for _, set := range b.sets {
			if err := b.round(ctx, set, round); err != nil {
				return nil, fmt.Errorf("%s: %w", set.what, err)
			}
			b.say("round %d of %d: %s: done", round+1, b.rounds, set.what)
		}
	}
	var rows []*row
	for _, set := range b.sets {
		rows = append(rows, set.rows()...)
	}
	if b.nothing != nil {
		rows = append(rows, b.nothing, b.bump[0], b.bump[1])
	}
	return rows, nil
}

// round measures everything of a set once.
func (b *wheelsBench) round(ctx context.Context, set *wheelsSet, round int) error {
	steps := []func() error{func() error { return b.ours(ctx, set) }}
	for n := range wheelsPeers {
		steps = append(steps, func() error { return b.theirs(ctx, set, n) })
	}
	if set.compiled && b.symbols {
		steps = append(steps, func() error { return b.withSymbols(ctx, set) })
	}
	if !set.compiled {
		steps = append(steps, func() error { return b.unpinned(ctx, set) })
	}
	return alternate(round, steps...)
}
