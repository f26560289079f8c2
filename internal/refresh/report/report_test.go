package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// small are two nights in which one of everything happens.
func small() []Night {
	day := func(d int) time.Time { return time.Date(2026, 7, d, 2, 0, 0, 0, time.UTC) }
	python := Artifact{
		Name: "python 3.13 trixie amd64", Kind: "python", Row: "python 3.13", Column: "trixie", State: Fresh, Key: strings.Repeat("5f1c", 16),
		Compared: 143, Size: 34_100_000, Checks: 31, Passed: 31, Links: []Link{{"pybake-python3.13_3.13.5-1_amd64.deb", "../pool/5f/5f1c/pybake-python3.13_3.13.5-1_amd64.deb"}},
	}
	old := python
	old.Name, old.Column = "python 3.13 bookworm amd64", "bookworm"
	house := Artifact{
		Name: "wheels uv.lock 3.13 trixie amd64", Kind: "wheels", Row: "uv.lock on 3.13", Column: "trixie", State: Fresh, Key: strings.Repeat("6a", 32),
		Compared: 80, Size: 51_000_000, Checks: 12, Passed: 12, Needs: []string{python.Name}, Links: []Link{{"simple index", "../simple/trixie/3.13/"}},
	}
	oldHouse := house
	oldHouse.Name, oldHouse.Column, oldHouse.Needs = "wheels uv.lock 3.13 bookworm amd64", "bookworm", []string{old.Name}
	image := Artifact{Name: "image web trixie amd64", Kind: "image", Row: "image web", Column: "trixie", State: Fresh, Size: 180_000_000, Needs: []string{python.Name, house.Name}}
	gone := Artifact{Name: "python 3.9 trixie amd64", Kind: "python", Row: "python 3.9", Column: "trixie", State: Fresh}

	last := Night{Project: "shop", Started: day(11), Finished: day(11).Add(12 * time.Second), Generation: 7, Signed: true, URL: "https://baked.example.org"}
	was := oldHouse
	was.State, was.Seconds, was.Error, was.Tail = Failed, 4, "solve uv.lock: no wheel fits", []string{"no wheel fits"}
	built := old
	built.State, built.Seconds, built.Reasons = Rebuilt, 250, []string{"not in the store"}
	last.Artifacts = []Artifact{python, built, house, was, image, gone}

	now := Night{
		Project: "shop", Started: day(12), Finished: day(12).Add(72 * time.Minute), Generation: 8, URL: "https://baked.example.org",
		Moves: []string{"openssl 3.0.17-1 → 3.0.18-1 in bookworm (base image)"}, Trouble: []string{"pins of trixie: GET https://deb.example.org/dists/trixie/InRelease: no such host"},
		Notes: []string{"Python 3.9 has had no security fixes since 2025-10-31"},
	}
	again := old
	again.State, again.Seconds, again.Size, again.Reasons = Rebuilt, 252.4, 34_600_000, []string{"openssl 3.0.17-1 → 3.0.18-1 in bookworm"}
	mended := oldHouse
	mended.State, mended.Seconds, mended.Reasons = Rebuilt, 61, []string{"openssl 3.0.17-1 → 3.0.18-1 in bookworm", "lock: psycopg2 2.9.9 → 2.9.10"}
	broke := house
	broke.State, broke.Seconds, broke.Since, broke.Checks, broke.Passed = Failed, 33.4, day(12), 0, 0
	broke.Reasons, broke.Error = []string{"lock: psycopg2 2.9.9 → 2.9.10"}, "build psycopg2 2.9.10: exit status 1"
	broke.Tail, broke.Log = []string{"building <psycopg2>", "\x1b[31merror: no pg_config\x1b[0m"}, "logs/wheels-uv.lock-3.13-trixie-amd64.txt"
	waits := image
	waits.State, waits.Since, waits.Error = Stale, day(12), "what it needs is not there: wheels uv.lock 3.13 trixie amd64 failed"
	worker := Artifact{Name: "image worker trixie amd64", Kind: "image", Row: "image worker", Column: "trixie", State: Skipped, Error: "not begun: the deadline has passed"}
	now.Artifacts = []Artifact{python, again, broke, mended, waits, worker}
	return []Night{now, last}
}

// TestGolden compares all files of a report with those in testdata.
func TestGolden(t *testing.T) {
	got := written(t, small())
	for path, data := range got {
		name := filepath.Join("testdata", path)
		if *update {
			if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), data); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	entries, err := os.ReadDir("testdata")
	if err != nil || len(entries) != len(got) {
		t.Errorf("%d files in testdata, %d in the report: %v", len(entries), len(got), err)
	}
}

func TestNoNight(t *testing.T) {
	if files, err := Files(nil); err == nil {
		t.Errorf("got %d files", len(files))
	}
	if got := Metrics(nil); got != nil {
		t.Errorf("got %q", got)
	}
}

// TestSame renders twice, and holds the nights that were given to what they were.
func TestSame(t *testing.T) {
	for name, nights := range nightsToTell() {
		if name == "hostile" { // JSON has no way to write what it holds
			continue
		}
		before, err := json.Marshal(nights)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written(t, nights), written(t, nights)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		after, err := json.Marshal(nights)
		if err != nil || string(before) != string(after) {
			t.Errorf("%s: the nights were changed: %v", name, err)
		}
	}
}

// TestHostile looks for what must be in no file, whatever the nights hold.
func TestHostile(t *testing.T) {
	all := written(t, hostile())
	all["Text"] = Text(hostile()[0])
	all["Metrics"] = string(Metrics(hostile()))
	for path, data := range all {
		if !utf8.ValidString(data) {
			t.Errorf("%s is no UTF-8", path)
		}
		if i := strings.IndexFunc(data, unreadable); i >= 0 {
			t.Errorf("%s: %q", path, data[i:min(len(data), i+20)])
		}
		if !strings.Contains(data, "red") || strings.Contains(data, "[31m") {
			t.Errorf("%s: sequences of a terminal", path)
		}
		for _, no := range []string{"<script>alert", `href="javascript`, `href="data:text`, `href="/`, `href="//evil`, "]]>\""} {
			if (strings.HasSuffix(path, ".html") || strings.HasSuffix(path, ".atom")) && strings.Contains(data, no) {
				t.Errorf("%s has %s", path, no)
			}
		}
	}
	if want := `<a href="../pool/a%20b/%c3%bc.deb?x=%3c1%3e">good</a>`; !strings.Contains(all["index.html"], want) {
		t.Errorf("no %s", want)
	}
}

// TestNightJSON reads the night back.
func TestNightJSON(t *testing.T) {
	var got struct {
		Format int
		Night
	}
	nights := small()
	if err := json.Unmarshal([]byte(written(t, nights)["night.json"]), &got); err != nil {
		t.Fatal(err)
	}
	want := cleanNights(nights)[0]
	if diff := cmp.Diff(want, got.Night); diff != "" || got.Format != 1 {
		t.Errorf("format %d: %s", got.Format, diff)
	}
}

// TestNightsJSON holds history to its columns.
func TestNightsJSON(t *testing.T) {
	var got past
	if err := json.Unmarshal([]byte(written(t, small())["nights.json"]), &got); err != nil {
		t.Fatal(err)
	}
	byName := map[string]pastColumn{}
	for _, c := range got.Artifacts {
		byName[c.Name] = c
		if len(c.States) != len(got.Nights) || len(c.Bytes) != len(got.Nights) || len(c.Seconds) != len(got.Nights) {
			t.Errorf("%+v of %d nights", c, len(got.Nights))
		}
	}
	want := map[string]string{
		"python 3.13 trixie amd64": "ff", "python 3.13 bookworm amd64": "rr", "wheels uv.lock 3.13 trixie amd64": "xf",
		"wheels uv.lock 3.13 bookworm amd64": "rx", "image web trixie amd64": "sf", "image worker trixie amd64": "k-",
	}
	for name, states := range want {
		if byName[name].States != states {
			t.Errorf("%s: %s, want %s", name, byName[name].States, states)
		}
	}
	if got.Format != 1 || len(got.Artifacts) != len(want) || got.Nights[0].States[Rebuilt] != 2 {
		t.Errorf("%+v", got)
	}
	if seconds := byName["wheels uv.lock 3.13 bookworm amd64"].Seconds; !slices.Equal(seconds, []float64{61, 4}) {
		t.Errorf("seconds %v", seconds)
	}
	many := written(t, sample(1, History+5))
	if err := json.Unmarshal([]byte(many["nights.json"]), &got); err != nil || len(got.Nights) != History {
		t.Errorf("%d nights, %v", len(got.Nights), err)
	}
}

func TestChanges(t *testing.T) {
	nights := cleanNights(small())
	c := newLedger(nights).changes()
	for _, tt := range []struct {
		what string
		got  []*Artifact
		want string
	}{
		{"broke", c.Broke, "wheels uv.lock 3.13 trixie amd64"},
		{"mended", c.Mended, "wheels uv.lock 3.13 bookworm amd64"},
		{"added", c.Added, "image worker trixie amd64"},
		{"removed", c.Removed, "python 3.9 trixie amd64"},
	} {
		if got := strings.Join(names(tt.got), ", "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, got, tt.want)
		}
	}
	var causes []string
	for _, one := range c.Causes {
		causes = append(causes, one.Reason+": "+strings.Join(names(one.Of), ", "))
	}
	want := []string{
		"openssl 3.0.17-1 → 3.0.18-1 in bookworm: python 3.13 bookworm amd64, wheels uv.lock 3.13 bookworm amd64",
		"lock: psycopg2 2.9.9 → 2.9.10: wheels uv.lock 3.13 bookworm amd64",
	}
	if diff := cmp.Diff(want, causes); diff != "" {
		t.Error(diff)
	}
	if len(c.Resized) != 1 || c.Resized[0].Old != 34_100_000 {
		t.Errorf("resized %+v", c.Resized)
	}
	if len(c.Slow) != 2 || c.Slow[0].Seconds != 252.4 || c.Slow[0].Before != 250 || c.Slow[1].Before != 0 {
		t.Errorf("slow %+v", c.Slow)
	}
	first := newLedger(nights[:1]).changes()
	if len(first.Broke) != 1 || len(first.Added)+len(first.Mended)+len(first.Removed)+len(first.Resized) > 0 {
		t.Errorf("of one night: %+v", first)
	}
}

func TestHeld(t *testing.T) {
	n := Night{Artifacts: []Artifact{
		{Name: "a", State: Failed, Needs: []string{"c"}}, {Name: "b", State: Skipped, Needs: []string{"a"}}, {Name: "c", State: Stale, Needs: []string{"b"}},
		{Name: "d", State: Fresh, Needs: []string{"a"}}, {Name: "e", State: Failed, Needs: []string{"a"}}, {Name: "f", State: Skipped},
	}}
	got := held(&n)
	if a, e := names(got["a"]), names(got["e"]); !slices.Equal(a, []string{"b", "c"}) || len(e) > 0 || len(got) != 1 {
		t.Errorf("a holds %v, e holds %v", a, e)
	}
}

func TestFailing(t *testing.T) {
	nights := cleanNights(sample(30, 5))
	l := newLedger(nights)
	var ages []string
	for i := range nights[0].Artifacts {
		if a := &nights[0].Artifacts[i]; a.broken() {
			ages = append(ages, age(l, a.Name))
		}
	}
	if !slices.Equal(ages, []string{"new", "3 nights"}) {
		t.Errorf("got %v", ages)
	}
	l = newLedger(nights[:3])
	if got := age(l, nights[0].Artifacts[15].Name); got != "3 nights or more" {
		t.Errorf("got %s", got)
	}
}
