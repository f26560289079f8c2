package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/internal/refresh/report"
)

// publishKeys publishes a generation for each list of keys, two hours old or older, into
// DIR/published.
func publishKeys(t *testing.T, dir string, generations ...[]artifacts.Key) *publish.Directory {
	t.Helper()
	d, err := publish.Open(filepath.Join(dir, "published"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-3 * time.Hour)
	for i, keys := range generations {
		var set publish.Set
		for _, key := range keys {
			set.Entries = append(set.Entries, publish.Entry{
				Cell: "image " + key.Short(), Name: "image " + key.Short(), Kind: "image", Key: key, Refs: []string{"shop:" + key.Short()}, Finished: old,
			})
		}
		made, err := d.Publish(t.Context(), publish.Release{Set: set, Now: old.Add(time.Duration(i) * time.Minute)})
		if err == nil {
			err = os.Chtimes(made.Dir, old, old)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// runIn is pybake in a directory without an engine, and what it printed.
func runIn(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Chdir(dir)
	sys := testSystem(t)
	sys.dir = dir
	sys.getenv = func(name string) string {
		return map[string]string{"HOME": filepath.Join(dir, "home"), "DOCKER_HOST": "unix:///nonexistent"}[name]
	}
	status = run(args, sys)
	return status, sys.stdout.(*bytes.Buffer).String(), sys.stderr.(*bytes.Buffer).String()
}

func readNight(t *testing.T, d *publish.Directory) (n report.Night) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.Dir, "report", "night.json"))
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRollback goes back while a night is under way, with pins that cannot be read, of a
// project without a matrix.
func TestRollback(t *testing.T) {
	dir := t.TempDir()
	one, two := artifacts.Key(strings.Repeat("1", 64)), artifacts.Key(strings.Repeat("2", 64))
	d := publishKeys(t, dir, []artifacts.Key{one}, []artifacts.Key{two, one})
	writeText(t, filepath.Join(dir, "pybake.toml"), "[publish]\nurl = \"https://baked.example.org/\"\n")
	writeText(t, filepath.Join(dir, "pybake.lock"), "format = 1\n[[base")
	cell := func(key artifacts.Key) string { return "image " + key.Short() }
	night := report.Night{
		Project: "shop", Started: time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC), Generation: 2, Notes: []string{"a note"},
		Artifacts: []report.Artifact{
			{Name: cell(one), State: report.Failed, Key: string(one), Since: time.Unix(1700000000, 0), Log: "logs/one.txt"},
			{Name: cell(two), State: report.Rebuilt, Key: string(two), Size: 7, Links: []report.Link{{Text: "shop:2"}}},
		},
	}
	nights := refresh.NightsDir(filepath.Join(dir, "baked"), dir)
	if err := errors.Join(refresh.SaveNight(nights, night), d.Report(t.Context(), []publish.File{{Path: "logs/one.txt", Data: []byte("said")}})); err != nil {
		t.Fatal(err)
	}
	store, err := artifacts.Open(filepath.Join(dir, "baked"))
	if err != nil {
		t.Fatal(err)
	}
	release, err := store.Lock(t.Context(), "refresh", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()

	status, out, said := runIn(t, dir, "rollback")
	if status != 0 || !strings.HasSuffix(out, "generations/000003\n") || !strings.Contains(said, "generation 3 has the contents of generation 1") {
		t.Fatalf("status %d\n%s%s", status, out, said)
	}
	if g, err := d.Current(); err != nil || g.Of != 1 || len(g.Set.Entries) != 1 {
		t.Errorf("%+v, %v", g, err)
	}
	kept, err := refresh.LoadNights(nights, 9)
	if err != nil || len(kept) != 1 || kept[0].Generation != 3 {
		t.Errorf("the store has %+v, %v", kept, err)
	}
	n := readNight(t, d)
	if n.Generation != 3 || len(n.Notes) != 2 || !strings.HasPrefix(n.Notes[1], "Rolled back to generation 1 at 2") {
		t.Errorf("%+v", n)
	}
	if a := n.Artifacts[0]; a.Key != string(one) || a.Since.IsZero() || !slices.Equal(a.Links, []report.Link{{Text: "shop:" + one.Short()}}) {
		t.Errorf("what is published: %+v", a)
	}
	if a := n.Artifacts[1]; a.State != report.Rebuilt || a.Key != "" || a.Size != 0 || a.Links != nil {
		t.Errorf("what is not published any more: %+v", a)
	}
	if text, err := os.ReadFile(filepath.Join(d.Dir, "report/logs/one.txt")); string(text) != "said" {
		t.Errorf("the log: %q, %v", text, err)
	}

	// Away from a damaged one. No store has a record of a night.
	writeText(t, filepath.Join(d.Dir, "generations/000003/set.json"), "{")
	if err := os.RemoveAll(nights); err != nil {
		t.Fatal(err)
	}
	status, _, said = runIn(t, dir, "rollback")
	if g, err := d.Current(); status != 0 || err != nil || g.Number != 4 || g.Of != 2 {
		t.Errorf("status %d, %+v, %v\n%s", status, g, err, said)
	}
	if !strings.Contains(said, "generation 3 is damaged: set.json") || !strings.Contains(said, "the report stays as it is") {
		t.Errorf("said %s", said)
	}
}
