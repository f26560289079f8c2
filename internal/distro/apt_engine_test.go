//go:build engine

package distro

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

func TestResolve(t *testing.T) {
	packages := zlib(t)
	found := names(packages)
	if !slices.IsSorted(found) || !slices.Contains(found, "zlib1g-dev") || !slices.Contains(found, "libc6-dev") || slices.Contains(found, "libc6") {
		t.Errorf("want zlib1g-dev with what the base does not have, sorted: %q", found)
	}
	m, _ := offline(t, shared.cache)
	files, err := m.Files(t.Context(), shared.target, shared.base, packages)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range packages {
		var back project.Package
		if text, err := p.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != p || p.Digest == "" {
			t.Errorf("%+v: %v", p, err)
		}
		// Each file is the package of its pin.
		if "sha256:"+filepath.Base(files[i]) != p.Digest {
			t.Errorf("%s is %s", p, files[i])
		}
	}
}

// TestResolveLocal finds what a package file needs, without the file itself.
func TestResolveLocal(t *testing.T) {
	m, _ := maker(t)
	deb := localDeb(t, "pybake-sample", "zlib1g-dev", "libc6")
	got, err := m.Resolve(t.Context(), shared.target, shared.base, nil, []string{deb})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(zlib(t), got); diff != "" {
		t.Error(diff)
	}
}

func TestResolveErrors(t *testing.T) {
	m, _ := maker(t)
	_, err := m.Resolve(t.Context(), shared.target, shared.base, []string{"no-such-package"}, nil)
	if err == nil || !strings.Contains(err.Error(), "resolve packages of trixie-amd64: Unable to locate package no-such-package") {
		t.Errorf("unknown package: %v", err)
	}
	m, _ = offline(t, shared.cache)
	_, err = m.Resolve(t.Context(), shared.target, shared.base, []string{"gcc", "make"}, nil)
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "packages of trixie-amd64 (gcc make)") {
		t.Errorf("offline: %v", err)
	}
}

// TestFilesDamaged fetches the one file again that is not what was pinned.
func TestFilesDamaged(t *testing.T) {
	packages := zlib(t)
	m, _ := maker(t)
	files, err := m.Files(t.Context(), shared.target, shared.base, packages)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(names(packages), "zlib1g-dev")
	whole := read(t, files[at])
	damaged := slices.Clone(whole)
	damaged[len(damaged)/2] ^= 1
	if err := os.WriteFile(files[at], damaged, 0o644); err != nil {
		t.Fatal(err)
	}
	off, _ := offline(t, shared.cache)
	_, err = off.Files(t.Context(), shared.target, shared.base, packages)
	want := "1 pinned packages of trixie-amd64 are not in the cache, " + debName(packages[at]) + " the first"
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), want) {
		t.Errorf("offline: %v", err)
	}
	m, report := maker(t)
	again, err := m.Files(t.Context(), shared.target, shared.base, packages)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, again); diff != "" || string(read(t, again[at])) != string(whole) {
		t.Errorf("not the same files: %s", diff)
	}
	if said := report.out.String(); !strings.Contains(said, "zlib1g-dev") || strings.Contains(said, "libc6-dev") {
		t.Errorf("fetched more than was missing:\n%s", said)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFilesMoved asks for what the distro does not have.
func TestFilesMoved(t *testing.T) {
	packages := zlib(t)
	at := slices.Index(names(packages), "zlib1g-dev")
	m, _ := maker(t)

	other := slices.Clone(packages)
	other[at].Digest = "sha256:" + strings.Repeat("b", 64)
	_, err := m.Files(t.Context(), shared.target, shared.base, other)
	moved, ok := errors.AsType[*MovedError](err)
	if !ok || moved.What != "package zlib1g-dev" || moved.Found != packages[at].String() {
		t.Errorf("another hash: %v", err)
	}

	// A version that is gone; of several that are missing it is the one named.
	old := packages[at]
	old.Version, old.Digest = "1:0.0.1-1", "sha256:"+strings.Repeat("a", 64)
	two := []project.Package{packages[(at+1)%len(packages)], old}
	m, _ = makerOf(t, t.TempDir())
	_, err = m.Files(t.Context(), shared.target, shared.base, two)
	moved, ok = errors.AsType[*MovedError](err)
	if !ok || moved.What != "package zlib1g-dev" || moved.Pinned != "1:0.0.1-1" {
		t.Errorf("another version: %v", err)
	}
	if ok && !strings.Contains(err.Error(), "'1:0.0.1-1' for 'zlib1g-dev' was not found") {
		t.Errorf("not what apt said: %v", err)
	}
}

// TestSources compares with what the base's apt says of itself.
func TestSources(t *testing.T) {
	m, _ := offline(t, t.TempDir())
	got, err := m.Sources(t.Context(), shared.target, shared.base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Offliner(t.Context(), shared.target, BaseRef(shared.target, shared.base.Digest), "sources")
	if err != nil {
		t.Fatal(err)
	}
	remove(t, c)
	config := run(t, c, "0:0", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true")
	if len(got) == 0 {
		t.Fatalf("no archives in:\n%s", config)
	}
	for _, uri := range got {
		if !strings.Contains(config, uri) || !strings.HasPrefix(uri, "http") || strings.HasSuffix(uri, "/") {
			t.Errorf("%q is not in:\n%s", uri, config)
		}
	}
}

// TestOnlyOneNetwork looks at the interfaces of both kinds of container.
func TestOnlyOneNetwork(t *testing.T) {
	m, _ := maker(t)
	ref := BaseRef(shared.target, shared.base.Digest)
	with, err := m.networked(t.Context(), shared.target, ref)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, with)
	without, err := m.Offliner(t.Context(), shared.target, ref, "test")
	if err != nil {
		t.Fatal(err)
	}
	remove(t, without)
	const interfaces = `sed -n 's/^ *\([^:]*\):.*/\1/p' /proc/net/dev`
	if got := run(t, without, "0:0", interfaces); got != "lo\n" {
		t.Errorf("a container without a network has %q", got)
	}
	if got := strings.Fields(run(t, with, "0:0", interfaces)); len(got) < 2 {
		t.Errorf("a container with a network has %q", got)
	}
	for name, c := range map[string]*engine.Container{"networked": with, "offline": without} {
		if status := run(t, c, "0:0", "cat /proc/self/status"); !strings.Contains(status, "NoNewPrivs:\t1\n") {
			t.Errorf("%s: new privileges:\n%s", name, status)
		}
	}
}
