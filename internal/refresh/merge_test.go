package refresh

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts/publish"
)

func TestMerge(t *testing.T) {
	now, before := time.Date(2026, 1, 3, 2, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)
	former := &publish.Set{Entries: []publish.Entry{
		{Cell: "made", Key: "old"}, {Cell: "fails", Key: "good"}, {Cell: "fails still", Key: "good", Stale: &publish.Stale{Since: before, Why: "other"}},
		{Cell: "skipped", Key: "good"}, {Cell: "due", Key: "good"}, {Cell: "left the matrix", Key: "good"},
	}}
	outcome := func(name string, state State, err error) Outcome {
		return Outcome{Job: Job{Cell: Cell{Name: name}}, State: state, Err: err}
	}
	broken := errors.New("compile: exit status 2\nand the log")
	got := Merge([]Outcome{
		outcome("made", Rebuilt, nil), outcome("fails", Failed, broken), outcome("fails still", Failed, broken),
		outcome("skipped", Skipped, errors.New("not begun")), outcome("due", Due, nil), outcome("never made", Failed, broken),
	}, map[string]*publish.Entry{"made": {Cell: "made", Key: "new"}}, former, now)
	want := publish.Set{Entries: []publish.Entry{
		{Cell: "made", Key: "new"},
		{Cell: "fails", Key: "good", Stale: &publish.Stale{Since: now, Why: "compile: exit status 2"}},
		{Cell: "fails still", Key: "good", Stale: &publish.Stale{Since: before, Why: "compile: exit status 2"}},
		{Cell: "skipped", Key: "good", Stale: &publish.Stale{Since: now, Why: "not begun"}},
		{Cell: "due", Key: "good", Stale: &publish.Stale{Since: now}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if former.Entries[1].Stale != nil {
		t.Error("the former set was changed")
	}
	if first := Merge([]Outcome{outcome("never made", Failed, broken)}, nil, nil, now); len(first.Entries) > 0 {
		t.Errorf("%+v", first)
	}
}

// TestMergeRenamed: what is published stays when the matrix asks for the same thing by
// another name, and it cannot be built.
func TestMergeRenamed(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 1, d, 2, 0, 0, 0, time.UTC) }
	former := func(cell string, made int) publish.Entry {
		return publish.Entry{Cell: cell, Key: "good", Finished: day(made)}
	}
	python := func(want, distro, variant string) Cell {
		c := Cell{Name: "python " + want + " " + distro + " amd64", Kind: KindPython, Want: want, Variant: variant, Distro: distro, Arch: "amd64"}
		if variant == Fast {
			c.Name += " fast"
		}
		return c
	}
	house := func(lock, want string) Cell {
		return Cell{Name: "wheels " + lock + " " + want + " trixie amd64", Kind: KindWheels, Lock: lock, Want: want, Variant: Full, Distro: "trixie", Arch: "amd64"}
	}
	for _, test := range []struct {
		name   string
		cells  []Cell
		former []publish.Entry
		want   []string // name of the cell, and when what it has was made
	}{
		{"an exact version to its series", []Cell{python("3.13", "trixie", Full)}, []publish.Entry{former("python 3.13.5 trixie amd64", 1)}, []string{"python 3.13 trixie amd64 1"}},
		{"a series to an exact version", []Cell{python("3.13.6", "trixie", Full)}, []publish.Entry{former("python 3.13 trixie amd64", 1)}, []string{"python 3.13.6 trixie amd64 1"}},
		{"a house", []Cell{house("sub/a b.lock", "3.13")}, []publish.Entry{former("wheels sub/a b.lock 3.13.5 trixie amd64", 1)}, []string{"wheels sub/a b.lock 3.13 trixie amd64 1"}},
		{"a lock that is written otherwise", []Cell{house("./a.lock", "3.13")}, []publish.Entry{former("wheels a.lock 3.13 trixie amd64", 1)}, []string{"wheels ./a.lock 3.13 trixie amd64 1"}},
		{"its own before another", []Cell{python("3.13", "trixie", Full)}, []publish.Entry{former("python 3.13.5 trixie amd64", 2), former("python 3.13 trixie amd64", 1)}, []string{"python 3.13 trixie amd64 1"}},
		{"the last of several", []Cell{python("3.13", "trixie", Full)}, []publish.Entry{former("python 3.13.4 trixie amd64", 1), former("python 3.13.5 trixie amd64", 3), former("python 3.13.3 trixie amd64", 2)}, []string{"python 3.13 trixie amd64 3"}},
		{"one for each", []Cell{python("3.13", "trixie", Full), python("3.13.6", "trixie", Full)}, []publish.Entry{former("python 3.13.5 trixie amd64", 1)}, []string{"python 3.13 trixie amd64 1"}},
		{"not what has a cell", []Cell{python("3.13", "trixie", Full), python("3.13.5", "trixie", Full)}, []publish.Entry{former("python 3.13.5 trixie amd64", 1)}, []string{"python 3.13.5 trixie amd64 1"}},
		{"another series", []Cell{python("3.13", "trixie", Full)}, []publish.Entry{former("python 3.1 trixie amd64", 1), former("python 3.12.5 trixie amd64", 1)}, nil},
		{"another distro", []Cell{python("3.13", "trixie", Full)}, []publish.Entry{former("python 3.13.5 bookworm amd64", 1)}, nil},
		{"another variant", []Cell{python("3.13", "trixie", Fast)}, []publish.Entry{former("python 3.13.5 trixie amd64", 1)}, nil},
		{"the same variant", []Cell{python("3.13", "trixie", Fast)}, []publish.Entry{former("python 3.13.5 trixie amd64 fast", 1)}, []string{"python 3.13 trixie amd64 fast 1"}},
		{"another lock", []Cell{house("b.lock", "3.13")}, []publish.Entry{former("wheels a.lock 3.13.5 trixie amd64", 1), former("wheels x b.lock 3.13.5 trixie amd64", 1)}, nil},
		{"names of no cells", []Cell{python("3.13", "trixie", Full)}, []publish.Entry{former("", 1), former("python", 1), former("python 3.13", 1), former("python  trixie amd64", 1), former("image 3.13.5 trixie amd64", 1)}, nil},
		{"an image", []Cell{{Name: "image web trixie amd64", Kind: KindImage, Image: "web", Distro: "trixie", Arch: "amd64"}}, []publish.Entry{former("image web bookworm amd64", 1)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var outcomes []Outcome
			for _, c := range test.cells {
				outcomes = append(outcomes, Outcome{Job: Job{Cell: c}, State: Failed, Err: ErrUnpinned})
			}
			var got []string
			for _, e := range Merge(outcomes, nil, &publish.Set{Entries: test.former}, day(9)).Entries {
				got = append(got, e.Cell+e.Finished.Format(" 2"))
				if e.Stale == nil || !e.Stale.Since.Equal(day(9)) || e.Stale.Why != ErrUnpinned.Error() || e.Key != "good" {
					t.Errorf("entry %+v", e)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	c := python("3.13", "trixie", Full)
	got := Merge([]Outcome{{Job: Job{Cell: c}, State: Rebuilt}}, map[string]*publish.Entry{c.Name: {Cell: c.Name, Key: "new"}},
		&publish.Set{Entries: []publish.Entry{former("python 3.13.5 trixie amd64", 1)}}, day(9))
	if len(got.Entries) != 1 || got.Entries[0].Key != "new" || got.Entries[0].Stale != nil {
		t.Errorf("once it is built: %+v", got.Entries)
	}
}
