//go:build engine

package gate

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/whl"
)

// database is a wheel that needs a library of the distro.
var database = sample{name: "my_db", files: map[string]string{"my_db/__init__.py": "", "my_db/pq" + suffix: "@pq.so"}}

// libpq is what the database needs, resolved once.
var libpq []project.Package

func closure(t *testing.T) []project.Package {
	t.Helper()
	if libpq == nil {
		var err error
		if libpq, err = shared.gate.Closure(t.Context(), []string{"libpq5"}); err != nil {
			t.Fatal(err)
		}
	}
	return libpq
}

// offline is the gate of the tests without a network.
func offline(t *testing.T) *Gate {
	t.Helper()
	g := *shared.gate
	m, err := newMaker(g.Distros.Fetcher.Cache)
	if err != nil {
		t.Fatal(err)
	}
	m.Offline, m.Fetcher.Offline = true, true
	g.Distros = m
	return &g
}

// TestNeeds finds the package of a library in the builder, in the archive, and
// among what is pinned.
func TestNeeds(t *testing.T) {
	h := makeHouse(t, nil, database, sample{name: "pure", files: map[string]string{"pure.py": ""}})
	want := Needs{
		Packages: []string{"libmagic1t64", "libpq5"},
		By: []Need{
			{Package: "libpq5", Library: "libpq.so.5", Wheel: "my-db", File: "my_db/pq" + suffix},
			{Package: "libmagic1t64", Wheel: "pure"},
		},
	}
	extra := map[string][]string{"pure": {"libmagic1t64"}, "other": {"gcc"}}
	inBuilder, pinned := offline(t), offline(t)
	inBuilder.Builders = []string{shared.builder}
	pinned.Known = closure(t)
	for name, g := range map[string]*Gate{"archive": shared.gate, "builder": inBuilder, "pinned": pinned} {
		t.Run(name, func(t *testing.T) {
			got, err := g.Needs(t.Context(), h.Wheels, extra)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
	blind := offline(t)
	if _, err := blind.Needs(t.Context(), h.Wheels, nil); !errors.Is(err, distro.ErrOffline) {
		t.Errorf("neither pinned nor in a builder, and offline: %v", err)
	}
}

// TestNeedsOfPython finds nothing where the Python has brought it.
func TestNeedsOfPython(t *testing.T) {
	g := offline(t)
	g.PythonPackages = append(slices.Clone(g.PythonPackages), closure(t)...)
	h := makeHouse(t, nil, database)
	if got, err := g.Needs(t.Context(), h.Wheels, nil); err != nil || len(got.By) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNeedsUnresolved(t *testing.T) {
	orphan := sample{name: "orphan", files: map[string]string{"orphan" + suffix: "@orphan.so"}}
	h := makeHouse(t, nil, orphan, database)
	_, err := shared.gate.Needs(t.Context(), h.Wheels, nil)
	unresolved, ok := errors.AsType[*UnresolvedError](err)
	want := []string{"libnobody.so.3, wanted by orphan 1.0 (orphan" + suffix + "): no package has it"}
	if !ok || !cmp.Equal(want, unresolved.Problems) {
		t.Errorf("%v", err)
	}
	g := offline(t)
	g.Absent = map[string]map[string]string{"orphan": {"libnobody.so.3": "comes with the driver"}}
	if got, err := g.Needs(t.Context(), []*whl.Wheel{h.Wheels[0]}, nil); err != nil || len(got.By) != 0 {
		t.Errorf("need not be there: %v, %v", got, err)
	}
}

func TestClosure(t *testing.T) {
	var names []string
	for _, p := range closure(t) {
		names = append(names, p.Name)
		if p.Digest == "" {
			t.Errorf("%s is not pinned by a hash", p)
		}
	}
	if !slices.IsSorted(names) || !slices.Contains(names, "libpq5") || !slices.Contains(names, "libldap2") {
		t.Errorf("%q", names)
	}
	for _, own := range slices.Concat(shared.gate.PythonPackages, shared.gate.Base.Packages) {
		if slices.Contains(names, own.Name) {
			t.Errorf("%s is there already", own)
		}
	}
	g := offline(t)
	if got, err := g.Closure(t.Context(), nil); got != nil || err != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}
