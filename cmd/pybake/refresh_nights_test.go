//go:build engine

package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh/report"
)

// firstNight builds and publishes all.
func firstNight(t *testing.T, s *nightly) {
	if _, _, status := s.run(nil, "keygen"); status != 0 {
		t.Fatalf("keygen: status %d", status)
	}
	out, _, status := s.run(nil, append([]string{"refresh", "--dry-run", "--json"}, same...)...)
	var plan printedPlan
	if err := json.Unmarshal([]byte(out), &plan); err != nil || status != 0 {
		t.Fatalf("--dry-run: status %d, %v in %s", status, err, out)
	}
	if len(plan.Cells) != 5 || len(plan.Moves) != 1 || !strings.Contains(plan.Moves[0], "3.13.5") {
		t.Errorf("--dry-run: %s", out)
	}
	if _, err := os.Stat(s.published(".")); err == nil {
		t.Error("--dry-run published")
	}

	told, night, said := s.night(0, same...)
	s.states(told, "fresh rebuilt rebuilt rebuilt rebuilt")
	if night.Generation != 1 || !night.Signed || len(night.Moves) != 1 {
		t.Errorf("generation %d, signed %v, moves %q", night.Generation, night.Signed, night.Moves)
	}
	if len(s.hook.wasCalled()) > 0 || strings.Contains(said, "NOT SIGNED") {
		t.Errorf("somebody was alarmed:\n%s", said)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "alarm.txt")); err == nil {
		t.Error("the command for failures was called")
	}
	for name, a := range told {
		for _, l := range a.Links {
			if target := filepath.Join(s.published("report"), "..", strings.TrimPrefix(l.Href, "../")); !exists(target) {
				t.Errorf("%s: link %s leads nowhere", name, l.Href)
			}
		}
		if a.Passed != a.Checks || a.Size == 0 {
			t.Errorf("%s: %d of %d checks, %d bytes", name, a.Passed, a.Checks, a.Size)
		}
	}
	for _, name := range []string{
		"report/index.html", "report/night.json", "report/feed.atom", "report/metrics.prom", "pybake.asc", "pybake-trixie.sources",
		"dists/trixie/InRelease", "simple/trixie/3.13/index.html", "simple/trixie/3.13/compiled/index.json",
	} {
		if !exists(s.published(name)) {
			t.Errorf("%s is not published", name)
		}
	}
	pins, err := os.ReadFile(filepath.Join(s.dir, project.LockFile))
	if err != nil || !strings.Contains(string(pins), "want = '3.13'") {
		t.Errorf("the release is not pinned: %v", err)
	}
	s.verifies()
	s.verifies("published", "--key", filepath.Join(s.variable("HOME"), ".config/pybake/signing.key.pub"))
	s.isClean()
}

// nothingToDo is a night after which nothing is other than before but the report.
func nothingToDo(t *testing.T, s *nightly) {
	before := s.tree()
	for _, args := range [][]string{{"refresh", "--json", "--frozen"}, {"refresh", "--json", "--offline"}} {
		told, _, _ := s.nightWith(nowhereEnv, 0, args...)
		s.states(told, "fresh fresh fresh fresh fresh")
		for name, a := range told {
			if a.Compared == 0 {
				t.Errorf("%s: nothing was compared", name)
			}
		}
	}
	after := s.tree()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if after[name] != before[name] {
			t.Errorf("%s is another", name)
		}
		delete(before, name)
	}
	if len(before) > 0 {
		t.Errorf("gone: %q", slices.Sorted(maps.Keys(before)))
	}
}

// notProved asks for more checks than the published Python went through.
func notProved(t *testing.T, s *nightly) {
	file := filepath.Join(s.dir, "pybake.toml")
	quick, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer writeText(t, file, string(quick))
	writeText(t, file, strings.Replace(string(quick), `checks     = "quick"`, `checks     = "full"`, 1))
	out, _, status := s.run(nowhereEnv, append([]string{"refresh", "--dry-run"}, same...)...)
	if status != 0 || !strings.Contains(out, "its test suite has not passed yet") || !strings.Contains(out, "python 3.13 trixie amd64 comes first") {
		t.Errorf("--dry-run: status %d\n%s", status, out)
	}
}

// bumped bumps one pure wheel.
func bumped(t *testing.T, s *nightly, c *clients) {
	yesterday := s.requirements("one.lock")
	s.lock("one.lock", "compiled", "greet 1.1")
	out, _, status := s.run(nil, append([]string{"refresh", "--dry-run"}, same...)...)
	if status != 0 || !strings.Contains(out, "greet 1.0 → 1.1") || !strings.Contains(out, "wheels one.lock 3.13.5 trixie amd64 comes first") || strings.Count(out, "fresh ") != 3 {
		t.Errorf("--dry-run: status %d\n%s", status, out)
	}
	out, _, status = s.run(nowhereEnv, "explain", "one.lock")
	if status != 0 || !strings.Contains(out, "would be built anew, because\n    greet 1.0 → 1.1\n") || !strings.Contains(out, "in generation 1\n") {
		t.Errorf("explain: status %d\n%s", status, out)
	}
	told, night, _ := s.night(0, same...)
	s.states(told, "fresh rebuilt fresh rebuilt fresh")
	if reasons := told[cellOne].Reasons; !slices.Equal(reasons, []string{"greet 1.0 → 1.1"}) {
		t.Errorf("reasons %q", reasons)
	}
	page, err := os.ReadFile(s.published("report/index.html"))
	if err != nil || !strings.Contains(string(page), "greet 1.0 → 1.1") {
		t.Errorf("the page does not name the reason: %v", err)
	}
	if night.Generation != 2 {
		t.Errorf("generation %d", night.Generation)
	}
	s.verifies()

	// Who has yesterday's list still gets what it names; who asks for any gets today's.
	c.pip(t, yesterday, "greet 1.0")
	c.pip(t, s.requirements("one.lock"), "greet 1.1")
	c.pip(t, "greet\n", "greet 1.1")
}

// brokenNight has a package that cannot be built in one lock, while the other moves on.
func brokenNight(t *testing.T, s *nightly) {
	s.lock("one.lock", "compiled", "greet 1.2")
	s.lock("two.lock", "taken", "pure 1.1")
	old := s.entry(cellTwo)
	told, night, said := s.night(1, same...)
	s.states(told, "fresh rebuilt failed rebuilt fresh")
	broken := told[cellTwo]
	if !strings.Contains(strings.Join(broken.Tail, "\n"), "the flux is off") && !strings.Contains(broken.Error, "the flux is off") {
		t.Errorf("neither the error nor the tail of the log say why: %+v", broken)
	}
	if broken.Since.IsZero() || !slices.Contains(broken.Reasons, "pure 1.0 → 1.1") || broken.Log == "" || !exists(s.published("report/"+broken.Log)) {
		t.Errorf("since %s, reasons %q, log %q", broken.Since, broken.Reasons, broken.Log)
	}
	if !strings.Contains(said, cellTwo) || !strings.Contains(said, "the flux is off") {
		t.Error("standard error does not name the failure")
	}
	stale := s.entry(cellTwo)
	if stale.Stale == nil || stale.Stale.Why == "" || !stale.Stale.Since.Equal(broken.Since) {
		t.Errorf("stale: %+v", stale.Stale)
	}
	if stale.Key != old.Key || len(stale.Wheels) != len(old.Wheels) {
		t.Error("the last good house is not published any more")
	}
	if one := s.entry(cellOne); one.Stale != nil || !exists(s.published("simple/trixie/3.13/greet/index.html")) {
		t.Errorf("the other house: %+v", one)
	}
	s.alarmed(night, "the flux is off")
	s.verifies()
	out, _, status := s.run(nowhereEnv, "explain", "two.lock")
	if status != 0 || !strings.Contains(out, "stale since ") || !strings.Contains(out, "last night: failed") || !strings.Contains(out, "the flux is off") {
		t.Errorf("explain: status %d\n%s", status, out)
	}

	// A second night with the same failure: stale since the first.
	told, _, _ = s.night(1, same...)
	s.states(told, "fresh fresh failed fresh fresh")
	if again := s.entry(cellTwo); again.Stale == nil || !again.Stale.Since.Equal(stale.Stale.Since) {
		t.Errorf("stale since %+v, was %+v", again.Stale, stale.Stale)
	}
	s.hook.wasCalled()

	s.lock("two.lock", "taken", "pure 1.2")
	told, _, _ = s.night(0, same...)
	s.states(told, "fresh fresh rebuilt fresh fresh")
	if mended := s.entry(cellTwo); mended.Stale != nil || mended.Key == old.Key {
		t.Errorf("mended: %+v", mended)
	}
	if len(s.hook.wasCalled()) > 0 {
		t.Error("the webhook was called for a night without failures")
	}
	s.isClean()
}

// alarmed sees that the command and the webhook for failures were told of the night.
func (s *nightly) alarmed(night report.Night, why string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "alarm.txt"))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(text)), " "), why) {
		s.t.Errorf("the command was told %q, %v", text, err)
	}
	name, err := os.ReadFile(filepath.Join(s.dir, "alarm.path"))
	if err != nil || !exists(string(name)) {
		s.t.Errorf("the command was given %q, %v", name, err)
	}
	calls := s.hook.wasCalled()
	if len(calls) != 1 {
		s.t.Fatalf("the webhook was called %d times", len(calls))
	}
	var said hookMessage
	if err := json.Unmarshal([]byte(calls[0]), &said); err != nil || said.Night.Generation != night.Generation || len(said.Night.Artifacts) != len(night.Artifacts) || said.Text != string(text) {
		s.t.Errorf("the webhook was told %s: %v", calls[0], err)
	}
}
