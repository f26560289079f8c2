package main

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/wheels"
)

// TestImageTakesFullPython: an image has a Python that was built fast only if the
// store has no other of the version, whichever was made last.
func TestImageTakesFullPython(t *testing.T) {
	type one struct {
		mode, distro string
		day          int
	}
	for _, test := range []struct {
		name  string
		store []one
		want  *one
	}{
		{"full, though fast is newer", []one{{"full", "trixie", 1}, {"fast", "trixie", 2}}, &one{"full", "trixie", 1}},
		{"the newest of full", []one{{"full", "trixie", 2}, {"full", "trixie", 1}, {"fast", "trixie", 3}}, &one{"full", "trixie", 2}},
		{"fast, where there is no other", []one{{"fast", "trixie", 1}, {"full", "bookworm", 2}}, &one{"fast", "trixie", 1}},
		{"none", []one{{"full", "bookworm", 1}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			store, err := artifacts.Open(filepath.Join(t.TempDir(), "baked"))
			if err != nil {
				t.Fatal(err)
			}
			day := func(d int) time.Time { return time.Date(2026, 1, d, 2, 0, 0, 0, time.UTC) }
			for _, p := range test.store {
				draft, err := store.Begin(python.Kind)
				if err != nil {
					t.Fatal(err)
				}
				_, err = draft.Publish(t.Context(), artifacts.Manifest{
					Name: "python 3.13.5 " + p.distro + " amd64", Finished: day(p.day),
					Inputs: []artifacts.Input{{Name: "mode", Value: p.mode}, {Name: "day", Value: day(p.day).String()}},
					Labels: map[string]string{"version": "3.13.5", "distro": p.distro, "arch": "amd64", "mode": p.mode},
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			r := &imageRun{a: newApp(testSystem(t)), store: store}
			h, err := r.house(wheels.Request{}, &wheels.Plan{Python: "3.13.5", Distro: "trixie", Arch: "amd64"}, wheelsFlags{})
			if err != nil {
				t.Fatal(err)
			}
			found, err := storedPython(r.store, "3.13.5", "trixie", "amd64")
			if test.want == nil {
				if h.Python != nil || !errors.Is(err, artifacts.ErrNotFound) {
					t.Errorf("found %v and %v, %v", h.Python, found, err)
				}
				return
			}
			if err != nil || h.Python == nil || h.Python.Key != found.Key {
				t.Fatalf("found %v and %v, %v", h.Python, found, err)
			}
			if found.Labels["mode"] != test.want.mode || !found.Finished.Equal(day(test.want.day)) {
				t.Errorf("found %s of %s", found.Labels["mode"], found.Finished)
			}
		})
	}
}
