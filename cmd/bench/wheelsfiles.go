package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels"
)

const symbolsFlag = "--debug-symbols"

// given is the directory that peers are given, as /files: sdists/ and wheels/ with what
// builds them; for each set NAME.txt, requirements with the paths of its sdists, and
// NAME.json with fromager's graph of them.
func (b *wheelsBench) given() string { return filepath.Join(b.dir, "given") }

// bumped is a set with one line of its lock replaced.
func (b *wheelsBench) bumped(set *wheelsSet) *wheelsSet {
	return &wheelsSet{name: set.name + "-bumped", what: set.what + ", one bumped", want: b.bumpedWant}
}

// prepare makes the project and the store, builds everything once, so that all is pinned
// and fetched, and gives the files to the peers and to the index.
func (b *wheelsBench) prepare(ctx context.Context) error {
	help, _, err := command{args: []string{b.pybake, "wheels", "--help"}}.run(ctx)
	if err != nil {
		return err
	}
	b.symbols = strings.Contains(help, symbolsFlag)
	if err := errors.Join(b.makeProject(), b.makeStore(ctx)); err != nil {
		return err
	}
	p, err := b.place(ctx)
	if err != nil {
		return err
	}
	for _, set := range b.sets {
		all := []*wheelsSet{set}
		if !set.compiled {
			all = append(all, b.bumped(set))
		}
		for _, set := range all {
			if err := b.prepareSet(ctx, p, set); err != nil {
				return fmt.Errorf("%s: %w", set.what, err)
			}
		}
	}
	return b.giveRequirements()
}

// makeProject writes the locks, and the pins of the store with those of what builds the
// sdists.
func (b *wheelsBench) makeProject() error {
	files, err := fs.Sub(testdata, "testdata/wheels")
	if err != nil {
		return err
	}
	if err := os.CopyFS(b.project(), files); err != nil {
		return err
	}
	for _, set := range b.sets {
		text, err := os.ReadFile(filepath.Join(b.project(), set.lock()))
		if err != nil {
			return err
		}
		set.want, set.theirs, set.stock = locked(string(text)), make([][]float64, len(wheelsPeers)), make([][]float64, len(wheelsPeers))
		if set.compiled {
			continue
		}
		entry, err := os.ReadFile(filepath.Join(b.project(), "bump.lock"))
		if err != nil {
			return err
		}
		other := replaced(string(text), string(entry))
		b.bumpedWant = locked(other)
		if err := os.WriteFile(filepath.Join(b.project(), b.bumped(set).lock()), []byte(other), 0o644); err != nil {
			return err
		}
		b.nothing = &row{What: set.what + ": nothing changed", Unit: "s", Target: 0.05, Note: "no engine, no network: nobody connected to what was named as such"}
		b.bump[0] = &row{What: set.what + ": one line bumped", Unit: "s", Peer: "pip wheel, no cache", Target: 0.03}
		b.bump[1] = &row{What: set.what + ": one line bumped", Unit: "s", Peer: "pip wheel, its cache kept"}
	}
	pins, err := project.ReadLock(b.pinFile())
	if err != nil {
		return err
	}
	builds, err := project.ReadLock(filepath.Join(b.project(), "builds.lock"))
	if err != nil {
		return err
	}
	for _, pin := range builds.Builds {
		pins.SetBuild(pin)
	}
	return pins.Write(filepath.Join(b.project(), project.LockFile))
}

// makeStore makes a copy of the store, without wheels and houses.
func (b *wheelsBench) makeStore(ctx context.Context) error {
	if err := b.copyStore(ctx, b.store, b.ownStore()); err != nil {
		return err
	}
	return removeKinds(b.ownStore(), wheels.Kind, wheels.KindWheel)
}

// prepareSet makes the house of a set from the indexes of this machine, takes the pins that
// were missing into the project, and gives its sdists.
func (b *wheelsBench) prepareSet(ctx context.Context, p place, set *wheelsSet) error {
	b.say("%s: fetch, pin, build once", set.what)
	h, _, err := b.house(ctx, p, set, nil)
	if err != nil {
		return err
	}
	if err := copyFile(filepath.Join(b.project(), project.LockFile), filepath.Join(p.project(), project.LockFile)); err != nil {
		return err
	}
	graph, requirements := newGraph(), ""
	for _, w := range h.Wheels {
		if err := b.give(w.Name, w.Source.File, w.Source.Digest, "sdists"); err != nil {
			return err
		}
		graph.add(w.Name, w.Version, "http://127.0.0.1:8000/"+w.Source.File)
		requirements += w.Name + " @ file:///files/sdists/" + w.Source.File + "\n"
	}
	text, err := json.Marshal(graph)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(b.given(), set.name+".json"), text, 0o644),
		os.WriteFile(filepath.Join(b.given(), set.name+".txt"), []byte(requirements), 0o644))
}

// giveRequirements gives what the pins of the project say that builds its sdists.
func (b *wheelsBench) giveRequirements() error {
	pins, err := project.ReadLock(filepath.Join(b.project(), project.LockFile))
	if err != nil {
		return err
	}
	for _, pin := range pins.Builds {
		if pin.Distro != wheelsDistro || pin.Python != wheelsSeries {
			continue
		}
		for _, w := range pin.Packages {
			if err := b.give(w.Name, w.File, w.Digest, "wheels"); err != nil {
				return err
			}
		}
	}
	return nil
}

// give copies a file of pybake's downloads into a directory of what is given, and adds it
// to the index.
func (b *wheelsBench) give(project, name, digest, dir string) error {
	cache, err := downloads()
	if err != nil {
		return err
	}
	digits := strings.TrimPrefix(digest, "sha256:")
	to := filepath.Join(b.given(), dir, name)
	b.files.add(project, name, indexFile{sha256: digits, path: to})
	return copyFile(to, filepath.Join(cache, "sha256", digits[:2], digits))
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, 0o644))
}
