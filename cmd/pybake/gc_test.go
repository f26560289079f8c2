package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/internal/refresh/report"
)

// gcProject is a project with three generations, two hours old or older: of one artifact,
// of two others, and of the newest.
type gcProject struct {
	t     *testing.T
	dir   string
	store *artifacts.Store
	keys  map[string]artifacts.Key // of artifacts: "old", "named", "left", "newest"
}

func newGCProject(t *testing.T) *gcProject {
	p := &gcProject{t, t.TempDir(), nil, map[string]artifacts.Key{}}
	var err error
	if p.store, err = artifacts.Open(filepath.Join(p.dir, "baked")); err != nil {
		t.Fatal(err)
	}
	p.artifact("old", "image web trixie amd64", 1)
	p.artifact("newest", "image web trixie amd64", 2)
	p.artifact("named", "image shop trixie amd64", 1)
	p.artifact("left", "image lost trixie amd64", 1)
	if err := os.Remove(filepath.Join(p.dir, "baked/image/lost-trixie-amd64")); err != nil {
		t.Fatal(err)
	}
	publishKeys(t, p.dir, []artifacts.Key{p.keys["old"]}, []artifacts.Key{p.keys["named"], p.keys["left"]}, []artifacts.Key{p.keys["newest"]})
	writeText(t, filepath.Join(p.dir, "pybake.toml"), "[matrix]\npythons = [\"3.13\"]\ndistros = [\"trixie\"]\n")
	log := filepath.Join(p.dir, "baked/logs/build.log")
	writeText(t, log, "said")
	long := time.Now().Add(-2 * keepLogs)
	if err := os.Chtimes(log, long, long); err != nil {
		t.Fatal(err)
	}
	return p
}

// artifact puts an artifact into the store that was finished on a day.
func (p *gcProject) artifact(ref, name string, day int) {
	p.t.Helper()
	draft, err := p.store.Begin("image")
	if err != nil {
		p.t.Fatal(err)
	}
	defer draft.Discard()
	made, err := draft.Publish(p.t.Context(), artifacts.Manifest{
		Name: name, Inputs: []artifacts.Input{{Name: "ref", Value: ref}}, Finished: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.keys[ref] = made.Key
}

// removes runs a verb and compares the names of what it removes: "generations/000001",
// "old", "build.log".
func (p *gcProject) removes(want []string, args ...string) (said string) {
	p.t.Helper()
	status, out, said := runIn(p.t, p.dir, append(args, "--json")...)
	var told struct {
		Removed []struct{ Kind, Name string }
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || status != 0 {
		p.t.Fatalf("%q: status %d, %v\n%s", args, status, err, said)
	}
	got := []string{}
	for _, r := range told.Removed {
		name := r.Name
		for ref, key := range p.keys {
			if strings.Contains(name, " "+key.Short()+" ") {
				name = ref
			}
		}
		if r.Kind == "log" || r.Kind == "night" {
			name = filepath.Base(name)
		}
		got = append(got, name)
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		p.t.Errorf("%q removed %q, want %q\n%s", args, got, want, said)
	}
	return said
}

func (p *gcProject) damage(number int, file string) {
	writeText(p.t, filepath.Join(p.dir, fmt.Sprintf("published/generations/%06d", number), file), "{")
}

// TestGC: what only generations have that go goes too, once, unless a stable name points
// at it.
func TestGC(t *testing.T) {
	p := newGCProject(t)
	p.removes([]string{"build.log"}, "gc", "--dry-run")
	want := []string{"build.log", "generations/000001", "generations/000002", "left", "old"}
	p.removes(want, "gc", "--keep", "1", "--dry-run")
	p.removes(want, "gc", "--keep", "1")
	if _, err := p.store.Lookup("image shop trixie amd64"); err != nil {
		t.Error(err)
	}
	p.removes(nil, "gc", "--keep", "1")
}

// TestGCDamage: an older generation that is damaged keeps gc and clean from artifacts
// only, and goes with its age.
func TestGCDamage(t *testing.T) {
	const note = "no artifact is removed, since any may be published: generation 2 is damaged: "
	for _, file := range []string{"set.json", "generation.json", "files.txt"} {
		t.Run(file, func(t *testing.T) {
			p := newGCProject(t)
			p.artifact("older", "image web trixie amd64", 1)
			p.artifact("newest2", "image web trixie amd64", 3)
			p.damage(2, file)
			for _, verb := range []string{"gc", "clean"} {
				if said := p.removes([]string{"build.log"}, verb, "--dry-run", "--keep", "3"); !strings.Contains(said, note) {
					t.Errorf("%s said %s", verb, said)
				}
			}
			p.removes([]string{"build.log"}, "clean", "--yes", "--keep", "1")
			p.removes(nil, "gc", "--keep", "3")
			// Nobody knows any more that it had "left".
			want := []string{"generations/000001", "generations/000002", "old", "older"}
			for _, dry := range []string{"--dry-run", "--json"} {
				if said := p.removes(want, "gc", "--keep", "1", dry); strings.Contains(said, note) {
					t.Errorf("said %s", said)
				}
			}
			p.removes(nil, "gc", "--keep", "1")
		})
	}
}

// TestGCNights: projects that share a store have a history each, of 400 nights.
func TestGCNights(t *testing.T) {
	p := newGCProject(t)
	own, other := refresh.NightsDir(filepath.Join(p.dir, "baked"), p.dir), refresh.NightsDir(filepath.Join(p.dir, "baked"), p.dir+"2")
	var names []string
	for i := range keepNights + 2 {
		n := report.Night{Started: time.Date(2025, 1, i, 2, 0, 0, 0, time.UTC)}
		for _, dir := range []string{own, other} {
			if err := refresh.SaveNight(dir, n); err != nil {
				t.Fatal(err)
			}
		}
		names = append(names, n.Started.Format("20060102T150405Z.json"))
	}
	p.removes([]string{"build.log", names[0], names[1]}, "gc")
	for dir, want := range map[string]int{own: keepNights, other: keepNights + 2} {
		if nights, err := refresh.LoadNights(dir, 999); err != nil || len(nights) != want {
			t.Errorf("%s: %d nights, want %d: %v", dir, len(nights), want, err)
		}
	}
	if status, out, said := verifyRun(t, filepath.Join(p.dir, "baked")); status != 0 {
		t.Errorf("verify --store: status %d\n%s%s", status, out, said)
	}
}
