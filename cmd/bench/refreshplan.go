package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
)

// What is planned: a thousand houses, and their Pythons.
var planDistros = []string{"bullseye", "bookworm", "trixie", "noble"}

const (
	planLocks  = 50
	planWheels = 20 // in each
)

// plan measures pybake refresh --dry-run over a large matrix.
func (b *refreshBench) plan(ctx context.Context) ([]*row, error) {
	t, err := newTrap()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	b.say("plan: make the store")
	locks := map[string][]*pureWheel{}
	for i := range planLocks {
		if locks[fmt.Sprintf("lock%02d.txt", i)], err = newPureWheels(i*planWheels, planWheels, "1.0"); err != nil {
			return nil, err
		}
	}
	s, err := newSynth(ctx, filepath.Join(b.read, "plan"), "http://"+t.address+"/simple/", nightPythons, planDistros, locks)
	if err != nil {
		return nil, err
	}
	cells := len(nightPythons) * len(planDistros) * (1 + planLocks)
	wall := &row{What: "plan", Unit: "s", Target: 1, Note: fmt.Sprintf("%d artifacts: 5 Pythons on 4 distros, %d locks of %d wheels for each", cells, planLocks, planWheels)}
	cpu := &row{What: "plan, processors", Unit: "s"}
	peak := &row{What: "plan, memory", Unit: "B", Target: 200e6}
	for range b.rounds {
		p, err := b.pybakeIn(ctx, s.dir, t.env(), "refresh", "--dry-run", "--frozen", "--json")
		if err != nil {
			return nil, err
		}
		var plan struct {
			Cells []struct{ Cell, State, Error string }
		}
		if err := json.Unmarshal([]byte(p.stdout), &plan); err != nil {
			return nil, fmt.Errorf("pybake refresh --dry-run --json: %w", err)
		}
		for _, c := range plan.Cells {
			if c.State != "fresh" {
				return nil, fmt.Errorf("%s is %s: %s", c.Cell, c.State, c.Error)
			}
		}
		if len(plan.Cells) != cells {
			return nil, fmt.Errorf("%d cells, want %d", len(plan.Cells), cells)
		}
		wall.Pybake, cpu.Pybake, peak.Pybake = append(wall.Pybake, p.seconds), append(cpu.Pybake, p.cpu), append(peak.Pybake, p.peak)
	}
	return []*row{wall, cpu, peak}, t.check()
}
