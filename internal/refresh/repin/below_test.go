package repin

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
)

// TestBelow makes the request of an image from pins that were made at different
// times.
func TestBelow(t *testing.T) {
	a := sample()
	a.versions["libpq5"] = "2"
	app := func(t *testing.T, l *project.Lock, only func(kind, who string) bool) project.SetPin {
		t.Helper()
		moved, err := lookAt(t, a, l, only)
		if err != nil || moved.Failed != nil {
			t.Fatal(err, moved)
		}
		moved.Apply(l)
		pin, _ := l.Runtime("trixie", "amd64", "image app")
		return pin
	}
	want := []string{"libldap2=1", "libmagic1=1", "libpq5=2", "libssl3=1", "tini"}

	// Of two versions the one that moved counts.
	for _, first := range []bool{true, false} {
		l := locked(t, sample())
		former, _ := l.Runtime("trixie", "amd64", "wheels app.lock 3.13")
		former.For = "wheels former.lock 3.13"
		l.SetRuntime(former)
		if first {
			slices.Reverse(l.Runtimes)
		}
		pin := app(t, l, func(_, who string) bool { return who != former.For })
		if diff := cmp.Diff(want, pin.Request); diff != "" {
			t.Errorf("former house first %v: %s", first, diff)
		}
	}

	// A set of which the image has a part.
	l := locked(t, sample())
	house, _ := l.Runtime("trixie", "amd64", "wheels app.lock 3.13")
	house.Packages = append(house.Packages, a.pkg("perl"))
	l.SetRuntime(house)
	if diff := cmp.Diff(want, app(t, l, nil).Request); diff != "" {
		t.Errorf("part of a house: %s", diff)
	}

	// Sets that the image has, but does not stand on, come to need more.
	l = locked(t, sample())
	ssl := a.pkg("libssl3")
	l.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "python 3.11", Request: []string{"gcc (>= 0)"}})
	l.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "python 3.13 lib", Request: []string{"gcc (>= 0)", "libssl3 (>= 0)"}, Packages: []project.Package{ssl}})
	if diff := cmp.Diff(want, app(t, l, nil).Request); diff != "" {
		t.Errorf("sets that are not below: %s", diff)
	}

	// A package that the house no longer brings: it is only known that an image
	// does without if the whole house is below it.
	delete(a.depends, "libpq5")
	l = locked(t, sample())
	l.SetRuntime(house)
	if diff := cmp.Diff(want, app(t, l, nil).Request); diff != "" {
		t.Errorf("part of a house, and less of it: %s", diff)
	}
	l = locked(t, sample())
	thin := project.SetPin{Distro: "trixie", Arch: "amd64", For: "image app", Request: []string{"libc6", "libldap2=1", "libpq5=1"}}
	thin.Packages = []project.Package{sample().pkg("libldap2"), sample().pkg("libpq5")}
	l.SetRuntime(thin)
	if diff := cmp.Diff([]string{"libc6", "libpq5=2"}, app(t, l, nil).Request); diff != "" {
		t.Errorf("an image that adds nothing: %s", diff)
	}
}
