//go:build engine

package distro

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
)

// TestBasePin reads the pin of a base that mmdebstrap made.
func TestBasePin(t *testing.T) {
	pin := shared.base
	if pin.Distro != "trixie" || pin.Arch != "amd64" || pin.Origin != FromMmdebstrap || pin.Ref != "" {
		t.Errorf("%+v", pin)
	}
	if !strings.HasPrefix(pin.Digest, "sha256:") || len(pin.Digest) != len("sha256:")+64 {
		t.Errorf("digest %q", pin.Digest)
	}
	found := names(pin.Packages)
	for _, want := range []string{"apt", "dpkg", "libc6"} {
		if !slices.Contains(found, want) {
			t.Errorf("no package %s in %q", want, found)
		}
	}
	if slices.Contains(found, "gcc") || len(found) > 120 {
		t.Errorf("%d packages are not minimal", len(found))
	}
	// As it is written to the lock file and read back.
	for _, p := range pin.Packages {
		text, err := p.MarshalText()
		var back project.Package
		if err != nil || back.UnmarshalText(text) != nil || back != p {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if diff := cmp.Diff([]string{"base image"}, shared.took); diff != "" {
		t.Errorf("steps: %s", diff)
	}
	img, ok, err := shared.engine.Image(t.Context(), BaseRef(shared.target, pin.Digest))
	if err != nil || !ok || img.Labels[Label] != "base" {
		t.Errorf("image %+v, %v, %v", img, ok, err)
	}
}

// TestBaseReused asks for the pinned base when the engine has it, when only
// the cache has it, and when nobody has it.
func TestBaseReused(t *testing.T) {
	pin := shared.base
	ref := BaseRef(shared.target, pin.Digest)
	empty, report := offline(t, t.TempDir())
	if got, err := empty.Base(t.Context(), shared.target, &pin); err != nil || !cmp.Equal(got, pin) || report.steps != nil {
		t.Errorf("the engine has it: %+v, %v, steps %q", got, err, report.steps)
	}

	if err := shared.engine.RemoveImage(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, ok, err := shared.engine.Image(context.Background(), ref); err != nil || !ok {
			t.Errorf("the base is not back: %v", err)
		}
	}()
	_, err := empty.Base(t.Context(), shared.target, &pin)
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), pin.Digest) || !strings.Contains(err.Error(), "base image of trixie-amd64") {
		t.Errorf("nobody has it: %v", err)
	}
	m, _ := offline(t, shared.cache)
	if _, err := m.Base(t.Context(), shared.target, &pin); err != nil {
		t.Errorf("the cache has it: %v", err)
	}
}

// TestBaseReproducible makes the base again, with nothing in the cache, for a
// pin that is no longer to be had. What comes is what came the first time.
func TestBaseReproducible(t *testing.T) {
	gone := shared.base
	gone.Digest = "sha256:" + strings.Repeat("0", 64)
	m, _ := makerOf(t, t.TempDir())
	_, err := m.Base(t.Context(), shared.target, &gone)
	moved, ok := errors.AsType[*MovedError](err)
	if !ok || moved.Pinned != gone.Digest {
		t.Fatalf("error %v", err)
	}
	if moved.Found != shared.base.Digest {
		t.Errorf("the second time %s, the first %s", moved.Found, shared.base.Digest)
	}
	if strings.Count(err.Error(), "base image of trixie-amd64: ") != 1 {
		t.Errorf("says twice what it is about: %v", err)
	}
	if _, found, err := shared.engine.Image(t.Context(), BaseRef(shared.target, gone.Digest)); found || err != nil {
		t.Errorf("an image of the name that was pinned: %v, %v", found, err)
	}
}

// TestBaseOfEngine takes an image that the engine has.
func TestBaseOfEngine(t *testing.T) {
	const mine = "pybake-distro-test/mine:1"
	if err := shared.engine.Tag(t.Context(), BaseRef(shared.target, shared.base.Digest), mine); err != nil {
		t.Fatal(err)
	}
	m, _ := offline(t, t.TempDir())
	m.Image = map[string]string{"trixie": mine}
	pin, err := m.Base(t.Context(), shared.target, nil)
	if err != nil {
		t.Fatal(err)
	}
	ref := BaseRef(shared.target, pin.Digest)
	t.Cleanup(func() {
		for _, name := range []string{mine, ref} {
			if err := shared.engine.RemoveImage(context.Background(), name); err != nil {
				t.Error(err)
			}
		}
	})
	img, _, err := shared.engine.Image(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	want := shared.base
	want.Origin, want.Ref, want.Digest = FromEngine, mine, img.ID
	if diff := cmp.Diff(want, pin); diff != "" {
		t.Error(diff)
	}

	// With the pin, it is found again under its own name …
	if err := shared.engine.RemoveImage(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Base(t.Context(), shared.target, &pin); err != nil {
		t.Error(err)
	}
	if img, ok, err := shared.engine.Image(t.Context(), ref); err != nil || !ok || img.ID != pin.Digest {
		t.Errorf("%s: %+v, %v", ref, img, err)
	}
	// … and if that means another image now, it has moved.
	other := pin
	other.Digest = "sha256:" + strings.Repeat("1", 64)
	_, err = m.Base(t.Context(), shared.target, &other)
	moved, ok := errors.AsType[*MovedError](err)
	if !ok || moved.Found != pin.Digest || !strings.Contains(err.Error(), "image "+mine+" of the engine") {
		t.Errorf("error %v", err)
	}
}

// TestBaseErrors asks for bases that are not to be had.
func TestBaseErrors(t *testing.T) {
	const none = "pybake-distro-test.invalid/none:1"
	online, _ := makerOf(t, t.TempDir())
	off, _ := offline(t, t.TempDir())
	_, err := off.Base(t.Context(), shared.target, nil)
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), shared.target.Distro.Base.Image) {
		t.Errorf("offline: %v", err)
	}
	online.Image = map[string]string{"trixie": none}
	_, err = online.Base(t.Context(), shared.target, nil)
	if err == nil || !strings.Contains(err.Error(), "engine: no image "+none) || !strings.Contains(err.Error(), "registry: ") || strings.Contains(err.Error(), "mmdebstrap") {
		t.Errorf("an image that the project names: %v", err)
	}
	digest := "sha256:" + strings.Repeat("2", 64)
	_, err = online.Base(t.Context(), shared.target, &project.BasePin{Origin: FromRegistry, Ref: none, Digest: digest})
	if moved, ok := errors.AsType[*MovedError](err); !ok || moved.Pinned != digest || moved.Explains == nil {
		t.Errorf("a registry that is gone: %v", err)
	}
	_, err = off.Base(t.Context(), shared.target, &project.BasePin{Origin: FromRegistry, Ref: none, Digest: digest})
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), digest) {
		t.Errorf("a registry, offline: %v", err)
	}
	_, err = online.Base(t.Context(), shared.target, &project.BasePin{Origin: "elsewhere", Digest: digest})
	if err == nil || !strings.Contains(err.Error(), `unknown origin "elsewhere"`) {
		t.Errorf("unknown origin: %v", err)
	}
}

// TestBaseCancelled ends mmdebstrap and leaves nothing in the cache.
func TestBaseCancelled(t *testing.T) {
	cache := t.TempDir()
	m, report := makerOf(t, cache)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := m.bootstrap(ctx, shared.target); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after %q", err, report.out.String())
	}
	if left, err := filepath.Glob(filepath.Join(cache, "*", "*")); err != nil || left != nil {
		t.Errorf("left %q, %v", left, err)
	}
}
