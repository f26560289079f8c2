//go:build engine

package distro

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
)

// TestLibraries lists those of the base, then with a package more.
func TestLibraries(t *testing.T) {
	m, _ := maker(t)
	packages := zlib(t)
	i := slices.IndexFunc(packages, func(p project.Package) bool { return p.Name == "zlib1g-dev" })
	files, err := m.Files(t.Context(), shared.target, shared.base, packages[i:i+1])
	if err != nil {
		t.Fatal(err)
	}
	m, _ = offline(t, shared.cache)
	bare, err := m.Libraries(t.Context(), shared.target, shared.base, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"libc.so.6", "ld-linux-x86-64.so.2", "libz.so.1", "libstdc++.so.6"} {
		if from, ok := bare[name]; !ok || from != "" {
			t.Errorf("%s is not in the base: %q", name, bare)
		}
	}
	for _, name := range []string{"libpq.so.5", "libz.so"} {
		if _, ok := bare[name]; ok {
			t.Errorf("%s is in the base", name)
		}
	}
	more, err := m.Libraries(t.Context(), shared.target, shared.base, files)
	if err != nil {
		t.Fatal(err)
	}
	bare["libz.so"] = files[0]
	if diff := cmp.Diff(bare, more); diff != "" {
		t.Errorf("with zlib1g-dev: %s", diff)
	}
	m.Engine = nil // what was asked once is known
	kept, err := m.Libraries(t.Context(), shared.target, shared.base, files)
	if diff := cmp.Diff(more, kept); diff != "" || err != nil {
		t.Errorf("kept: %v %s", err, diff)
	}
}

func TestOwners(t *testing.T) {
	m, _ := offline(t, shared.cache)
	got, err := m.Owners(t.Context(), shared.target, BaseRef(shared.target, shared.base.Digest), []string{
		"libc.so.6", "libz.so.1", "libpq.so.5", "ld-linux-x86-64.so.2", "libstdc++.so.6",
	})
	want := map[string]string{"libc.so.6": "libc6", "libz.so.1": "zlib1g", "ld-linux-x86-64.so.2": "libc6", "libstdc++.so.6": "libstdc++6"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestFindOwners(t *testing.T) {
	m, _ := maker(t)
	names := []string{"libGL.so.1", "libpq.so.5", "libblas.so.3", "libno-such.so.1", "libgomp.so.1"}
	got, err := m.FindOwners(t.Context(), shared.target, shared.base, names)
	want := map[string][]Owner{
		"libGL.so.1":   {{"libgl1", "main"}},
		"libpq.so.5":   {{"libpq5", "main"}},
		"libgomp.so.1": {{"libgomp1", "main"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	m, _ = offline(t, shared.cache)
	if _, err := m.FindOwners(t.Context(), shared.target, shared.base, names); !errors.Is(err, ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}
