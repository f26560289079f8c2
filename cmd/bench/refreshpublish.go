package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// What is published: ten locks of 100 wheels each, of which one a lock changes.
const publishLocks = 10

// publish measures pybake publish of a thousand wheels of which ten changed, and pybake
// rollback to what was before. There are as many generations before as are kept.
func (b *refreshBench) publish(ctx context.Context) ([]*row, error) {
	t, err := newTrap()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	b.say("publish: make the store")
	locks := map[string][]*pureWheel{}
	for i := range publishLocks {
		if locks[fmt.Sprintf("lock%02d.txt", i)], err = newPureWheels(i*lockWheels, lockWheels, "1.0"); err != nil {
			return nil, err
		}
	}
	s, err := newSynth(ctx, filepath.Join(b.dir, "publish"), "http://"+t.address+"/simple/", []string{"3.13"}, []string{distro}, locks)
	if err != nil {
		return nil, err
	}
	if _, err := b.pybakeIn(ctx, s.dir, t.env(), "publish"); err != nil {
		return nil, err
	}
	published := &row{What: "publish", Unit: "s", Target: 1, Note: fmt.Sprintf("%d wheels, of which %d changed, one in each house", publishLocks*lockWheels, publishLocks)}
	back := &row{What: "rollback", Unit: "s", Target: 1}
	const before = 4 // not measured: with the first and the new one, five are kept
	for round := range before + b.rounds {
		if err := s.change(ctx, fmt.Sprintf("1.%d", round+1)); err != nil {
			return nil, err
		}
		p, err := b.pybakeIn(ctx, s.dir, t.env(), "publish", "--json")
		if err != nil {
			return nil, err
		}
		if err := allFresh(p.stdout, 1+publishLocks); err != nil {
			return nil, err
		}
		if round < before {
			continue
		}
		published.Pybake = append(published.Pybake, p.seconds)
		if p, err = b.pybakeIn(ctx, s.dir, t.env(), "rollback"); err != nil {
			return nil, err
		}
		back.Pybake = append(back.Pybake, p.seconds)
	}
	return []*row{published, back}, t.check()
}

// change puts another version of the first wheel into each lock, and the houses of them
// into the store.
func (s *synth) change(ctx context.Context, version string) (err error) {
	for _, name := range s.lockNames() {
		list := s.locks[name]
		if list[0], err = newPureWheel(list[0].name, version); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), requirements(list), 0o644); err != nil {
			return err
		}
		if err := s.addHouses(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
