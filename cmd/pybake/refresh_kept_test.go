//go:build engine

package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
)

// generations is what rollback --list --json says, newest first.
func (s *nightly) generations() (all []shownGeneration) {
	s.t.Helper()
	out, _, status := s.run(nowhereEnv, "rollback", "--list", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || status != 0 {
		s.t.Fatalf("rollback --list: status %d, %v", status, err)
	}
	return all
}

// rolledBack publishes what was published before the last change.
func rolledBack(t *testing.T, s *nightly, c *clients) {
	before := s.generations()
	if len(before) < 3 || !before[0].Current || before[0].Stale != 0 {
		t.Fatalf("generations %+v", before)
	}
	for number, want := range map[string]string{"99": "there is no generation 99 any more", "x": "x is no generation", "0": "0 is no generation"} {
		if _, said, status := s.run(nil, "rollback", number); status != 2 || !strings.Contains(said, want) {
			t.Errorf("rollback %s: status %d", number, status)
		}
	}
	if _, said, status := s.run(nowhereEnv, "rollback", "1"); status != 0 || !strings.Contains(said, "has the contents of generation 1") {
		t.Fatalf("rollback 1: status %d\n%s", status, said)
	}
	all := s.generations()
	if all[0].Of != 1 || all[0].Content != before[len(before)-1].Content || all[0].Number <= before[0].Number || !all[0].Current {
		t.Errorf("generations %+v", all)
	}
	s.verifies()
	c.pip(t, "greet\n", "greet 1.0")
	if _, _, status := s.run(nowhereEnv, "rollback", "1"); status != 2 {
		t.Errorf("a second time: status %d", status)
	}
	// Without a number it is the last with other contents; the next night has today's.
	if _, _, status := s.run(nowhereEnv, "rollback"); status != 0 {
		t.Errorf("rollback: status %d", status)
	}
	if all = s.generations(); all[0].Content != before[0].Content {
		t.Errorf("generations %+v", all)
	}
	told, _, _ := s.nightWith(nowhereEnv, 0, "refresh", "--json", "--frozen")
	s.states(told, "fresh fresh fresh fresh fresh")
	if all = s.generations(); all[0].Content != before[0].Content {
		t.Errorf("after the night: generations %+v", all)
	}
	s.verifies()
	c.pip(t, "greet\n", "greet 1.2")
}

// collected removes what no kept generation needs, and nothing else.
func collected(t *testing.T, s *nightly, c *clients) {
	for _, r := range s.collect() {
		if strings.HasPrefix(r, "generation ") || strings.HasPrefix(r, "pool ") {
			t.Errorf("removed %s, younger than an hour", r)
		}
	}
	kept := s.generations()
	old := time.Now().Add(-3 * time.Hour)
	err := filepath.WalkDir(s.published("."), func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(name, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
	before := s.tree()
	began := time.Now()
	gone := s.collect("--keep", "2", "--dry-run")
	whole := time.Since(began)
	if len(s.tree()) != len(before) || !slices.ContainsFunc(gone, func(g string) bool { return strings.HasPrefix(g, "generation ") }) {
		t.Errorf("--dry-run says %q", gone)
	}
	for i := range 5 {
		s.killAfter(whole*time.Duration(i)/4, "gc", "--keep", "2")
		s.verifies()
	}
	s.collect("--keep", "2")
	if again := s.collect("--keep", "2"); len(again) > 0 {
		t.Errorf("removed the second time: %q", again)
	}
	left := s.generations()
	contents := map[string]bool{}
	for _, g := range left {
		contents[g.Content] = true
	}
	if len(contents) != 2 || len(left) >= len(kept) || !left[0].Current {
		t.Fatalf("left: %+v", left)
	}
	s.verifies()
	// Who has the list of the older one still gets what it names.
	c.pip(t, s.requirementsOf(left[1].Number), "greet 1.2")
	told, _, _ := s.nightWith(nowhereEnv, 0, "refresh", "--json", "--frozen")
	s.states(told, "fresh fresh fresh fresh fresh")
	if _, _, status := s.run(nowhereEnv, "rollback"); status != 0 {
		t.Errorf("rollback to what was kept: status %d", status)
	}
	s.verifies()
	s.hasAll()
	if _, said, status := s.run(nowhereEnv, "rollback", "1"); status != 2 || !strings.Contains(said, "no generation 1 any more") {
		t.Errorf("rollback 1: status %d", status)
	}
	if _, _, status := s.run(nowhereEnv, "verify", "--store"); status != 0 {
		t.Errorf("verify --store: status %d", status)
	}
}

// collect runs pybake gc and returns what it removes.
func (s *nightly) collect(args ...string) (removed []string) {
	s.t.Helper()
	out, _, status := s.run(nowhereEnv, append([]string{"gc", "--json"}, args...)...)
	var told struct {
		Removed []struct{ Kind, Name string }
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || status != 0 {
		s.t.Errorf("gc %q: status %d, %v", args, status, err)
	}
	for _, r := range told.Removed {
		removed = append(removed, r.Kind+" "+r.Name)
	}
	return removed
}

// hasAll sees that the store has every artifact that is published.
func (s *nightly) hasAll() {
	s.t.Helper()
	store, err := artifacts.Open(filepath.Join(s.dir, "baked"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, cell := range []string{cellPython, cellOne, cellTwo, cellClient, cellBare} {
		e := s.entry(cell)
		if _, err := store.Find(e.Kind, e.Key); err != nil {
			s.t.Errorf("%s: %v", cell, err)
		}
	}
}
