package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

func TestNewest(t *testing.T) {
	at := func(hour int, tags ...string) engine.Image {
		return engine.Image{ID: tags[0], Tags: tags, Created: time.Date(2026, 1, 2, hour, 0, 0, 0, time.UTC)}
	}
	images := []engine.Image{
		at(1, "pybake/base:trixie-amd64-111111111111"),
		at(2, "pybake/builder:trixie-amd64-222222222222"),
		at(3, "pybake/builder:trixie-amd64-333333333333"),
		at(4, "pybake/builder:bookworm-amd64-444444444444"),
		at(1, "pybake/builder:bookworm-amd64-555555555555", "mine:1"),
		{ID: "sha256:6", Created: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)},
	}
	var removed []string
	for _, img := range images {
		if !newest(img, images) {
			removed = append(removed, img.ID)
		}
	}
	// The one that has another name too stays: somebody wants it.
	if want := []string{"pybake/builder:trixie-amd64-222222222222", "sha256:6"}; !slices.Equal(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
}

// TestPinnedImages: the builders of two series are both in use.
func TestPinnedImages(t *testing.T) {
	sys := testSystem(t)
	a := newApp(sys)
	a.flags.store = filepath.Join(sys.dir, "baked")
	base := project.BasePin{Distro: "trixie", Arch: "amd64", Origin: "mmdebstrap", Digest: "sha256:" + strings.Repeat("0", 64)}
	packages := func(name string) []project.Package {
		return []project.Package{{Name: name, Version: "1", Arch: "amd64", Digest: "sha256:" + strings.Repeat("1", 64)}}
	}
	lock := &project.Lock{Bases: []project.BasePin{base}}
	lock.SetBuilder(project.SetPin{Distro: "trixie", Arch: "amd64", For: "python 3.12", Packages: packages("gcc")})
	lock.SetBuilder(project.SetPin{Distro: "trixie", Arch: "amd64", For: "python 3.13", Packages: packages("make")})
	lock.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "lint", Packages: packages("lintian")})
	if err := os.Mkdir(filepath.Join(sys.dir, "baked"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := lock.Write(filepath.Join(sys.dir, "baked", project.LockFile)); err != nil {
		t.Fatal(err)
	}
	pinned, err := a.pinnedImages()
	if err != nil {
		t.Fatal(err)
	}
	target := distro.Target{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}
	for ref, want := range map[string]bool{
		distro.BaseRef(target, base.Digest):                           true,
		distro.BuilderRef(target, base, packages("gcc"), "builder"):   true,
		distro.BuilderRef(target, base, packages("make"), "builder"):  true,
		distro.BuilderRef(target, base, packages("lintian"), "lint"):  true,
		distro.BuilderRef(target, base, packages("other"), "builder"): false,
		distro.BaseRef(target, "sha256:"+strings.Repeat("2", 64)):     false,
		"pybake/builder:bookworm-amd64-" + strings.Repeat("0", 12):    false,
	} {
		if pinned(ref) != want {
			t.Errorf("%s: want %v", ref, want)
		}
	}
}

// Downloads stay while another pybake may use them.
func TestCleanCacheInUse(t *testing.T) {
	host := idleEngine(t, runtime.GOARCH, "")
	sys := engineSystem(t, host)
	stage := filepath.Join(sys.dir, "cache", "downloads", "stage-1")
	if err := os.MkdirAll(stage, 0o755); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Connect(t.Context(), engine.Address{Host: host}, filepath.Join(sys.dir, "cache", "sessions"))
	if err != nil {
		t.Fatal(err)
	}
	if got := said(t, sys, 0, "clean", "--cache", "--yes"); !strings.Contains(got, "downloads kept: in use by 1 running pybake\n") {
		t.Errorf("said %q", got)
	}
	if _, err := os.Stat(stage); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	said(t, sys, 0, "clean", "--cache", "--yes")
	if _, err := os.Stat(stage); err == nil {
		t.Error("the cache is still there")
	}
}

func TestProvedStays(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		tags []string
		days int
		want bool
	}{
		{[]string{"pybake/proved:trixie-amd64-3cc661ddf521"}, 29, true},
		{[]string{"pybake/proved:trixie-amd64-3cc661ddf521"}, 31, false},
		{nil, 0, false},
	} {
		if got := provedStays(engine.Image{Tags: test.tags, Created: now.AddDate(0, 0, -test.days)}, now); got != test.want {
			t.Errorf("%q after %d days: %v", test.tags, test.days, got)
		}
	}
}
