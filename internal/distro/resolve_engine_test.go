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

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// onBase is the target and base image of a distro: the shared one, one of other
// tests, or one that is made for the test.
func onBase(t *testing.T, codename string) (Target, project.BasePin) {
	t.Helper()
	if codename == shared.target.Distro.Codename {
		return shared.target, shared.base
	}
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	target := shared.target
	if target.Distro, err = set.Distro(codename); err != nil {
		t.Fatal(err)
	}
	target.Distro.Base.Image = "pybake-test/base:" + codename
	target.Distro.Base.Mmdebstrap.Components = shared.target.Distro.Base.Mmdebstrap.Components
	m, _ := maker(t)
	base, err := m.Base(t.Context(), target, nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, BaseRef(target, base.Digest))
	return target, base
}

func removeLater(t *testing.T, ref string) {
	t.Cleanup(func() {
		if err := shared.engine.RemoveImage(context.Background(), ref); err != nil {
			t.Error(err)
		}
	})
}

// outdated is the base with packages that say they are of an older version.
func outdated(t *testing.T, m *Maker, target Target, base project.BasePin, names ...string) project.BasePin {
	t.Helper()
	c, err := m.Offliner(t.Context(), target, BaseRef(target, base.Digest), "outdated")
	if err != nil {
		t.Fatal(err)
	}
	remove(t, c)
	for _, name := range names {
		run(t, c, "0:0", `sed -i '/^Package: `+name+`$/,/^$/s/^Version: .*/Version: 0.1/' /var/lib/dpkg/status; test "$(dpkg-query -Wf '${Version}' `+name+`)" = 0.1`)
	}
	img, err := c.Commit(t.Context(), "pybake-distro-test/outdated:"+target.Distro.Codename, engine.ImageConfig{
		Labels: map[string]string{"org.pybake.base": shared.base.Digest}, // removed with what stands on that
	})
	if err != nil {
		t.Fatal(err)
	}
	base.Digest = img.ID
	if err := m.Engine.Tag(t.Context(), img.ID, BaseRef(target, base.Digest)); err != nil {
		t.Fatal(err)
	}
	return base
}

// TestResolver asks for the same as Resolve, in one container, on a base whose
// gzip is older than that of the archive.
func TestResolver(t *testing.T) {
	for _, codename := range []string{"bullseye", "bookworm", "trixie"} {
		t.Run(codename, func(t *testing.T) {
			m, _ := maker(t)
			target, base := onBase(t, codename)
			base = outdated(t, m, target, base, "gzip")
			r, err := m.Resolver(t.Context(), target, base)
			if err != nil {
				t.Fatal(err)
			}
			remove(t, r.c)
			made, err := r.Resolve(t.Context(), Request{Names: []string{"make"}})
			if err != nil || len(made) != 1 {
				t.Fatalf("make is %v, %v", made, err)
			}
			relations := []string{
				"gzip", "libc6 (>= 2.1)", "libssl-dev (>= 1.0) | make", "no-such-package | xz-utils", "c-shell",
				"libexpat1 (>= 2.1~beta3)", "libcrypt1 (>= 1:4.1.0)", "zlib1g-dev:any | zlib1g-dev (>= 1:1.2.0)",
			}
			requests := map[string]Request{
				"names":     {Names: []string{"gzip", "libdb-dev", "pkg-config", "make=" + made[0].Version}},
				"relations": {Relations: relations},
			}
			if codename == shared.target.Distro.Codename {
				requests["both"] = Request{Names: []string{"libncurses-dev"}, Relations: relations}
			}
			for name, q := range requests {
				var local []string
				if q.Relations != nil {
					local = []string{localDeb(t, "pybake-sample", q.Relations...)}
				}
				want, err := m.Resolve(t.Context(), target, base, q.Names, local)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got, err := r.Resolve(t.Context(), q)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s: %v: %s", name, err, diff)
				}
				if hasGzip := slices.Contains(names(got), "gzip"); hasGzip != slices.Contains(q.Names, "gzip") {
					t.Errorf("%s: replaces gzip: %v", name, hasGzip)
				}
			}

			// What has no answer stops nobody.
			for want, q := range map[string]Request{
				"Unable to locate package no-such-package": {Names: []string{"make", "no-such-package"}},
				"Version '0.0.1' for 'make' was not found": {Names: []string{"make=0.0.1"}},
				"Depends: make (>= 99)":                    {Relations: []string{"make (>= 99)"}},
				`request "-y": want NAME`:                  {Names: []string{"-y"}},
			} {
				got, err := r.Resolve(t.Context(), q)
				e, ok := errors.AsType[*UnresolvableError](err)
				if got != nil || !ok || !strings.Contains(e.Error(), want) || !cmp.Equal(e.Request, q) {
					t.Errorf("want %s: %v, %v", want, got, err)
				}
			}
			if got, err := r.Resolve(t.Context(), Request{Names: []string{"make"}}); err != nil || !cmp.Equal(got, made) {
				t.Errorf("afterwards make is %v, %v", got, err)
			}
		})
	}
}

// TestFetch downloads what the cache does not have, each once.
func TestFetch(t *testing.T) {
	m, report := makerOf(t, t.TempDir())
	r, err := m.Resolver(t.Context(), shared.target, shared.base)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, r.c)
	all, err := r.Resolve(t.Context(), Request{Names: []string{"zlib1g-dev", "netbase"}})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := filepath.Glob(filepath.Join(m.Fetcher.Cache, "*", "*", "*")); err != nil || found != nil {
		t.Errorf("Resolve downloads %q, %v", found, err)
	}
	at := slices.Index(names(all), "netbase")
	for _, packages := range [][]project.Package{all[at : at+1], slices.Concat(all, all)} {
		report.out.Reset()
		if err := r.Fetch(t.Context(), packages); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(report.out.String(), "netbase"); (got > 0) != (len(packages) == 1) {
			t.Errorf("netbase is named %d times:\n%s", got, &report.out)
		}
		again, err := r.Resolve(t.Context(), Request{Names: []string{"zlib1g-dev", "netbase"}})
		if diff := cmp.Diff(all, again); err != nil || diff != "" {
			t.Errorf("resolved after a download: %v: %s", err, diff)
		}
	}
	off, _ := offline(t, m.Fetcher.Cache)
	if _, err := off.Files(t.Context(), shared.target, shared.base, all); err != nil {
		t.Error(err)
	}
	other := all[at]
	other.Digest = "sha256:" + strings.Repeat("d", 64)
	if moved, ok := errors.AsType[*MovedError](r.Fetch(t.Context(), []project.Package{other})); !ok || moved.Found != all[at].String() {
		t.Errorf("another hash: %v", moved)
	}
}

// TestResolverErrors has archives that do not answer, or are not signed, and a
// container that is gone.
func TestResolverErrors(t *testing.T) {
	m, _ := maker(t)
	m.Mirror = map[string]string{"trixie": "http://127.0.0.1:9/debian"}
	if _, err := m.Resolver(t.Context(), shared.target, shared.base); err == nil || errors.As(err, new(*UnresolvableError)) || !strings.Contains(err.Error(), "127.0.0.1:9") {
		t.Errorf("a mirror that does not answer: %v", err)
	}
	m, _ = offline(t, shared.cache)
	if _, err := m.Resolver(t.Context(), shared.target, shared.base); !errors.Is(err, ErrOffline) {
		t.Errorf("offline: %v", err)
	}

	m, _ = maker(t)
	r, err := m.Resolver(t.Context(), shared.target, shared.base)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.unsigned) > 0 {
		t.Errorf("not signed: %q", r.unsigned)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Resolve(t.Context(), Request{Names: []string{"make"}}); err == nil || errors.As(err, new(*UnresolvableError)) {
		t.Errorf("the container is gone: %v", err)
	}
}

// TestRebase asks for bases that moved, and for some that did not.
func TestRebase(t *testing.T) {
	m, _ := maker(t)
	pin := shared.base
	got, err := m.Rebase(t.Context(), shared.target, pin)
	if diff := cmp.Diff(pin, got); err != nil || diff != "" {
		t.Errorf("mmdebstrap: %v: %s", err, diff)
	}
	old := pin
	old.Digest, old.Packages = "sha256:"+strings.Repeat("0", 64), nil
	got, err = m.Rebase(t.Context(), shared.target, old)
	if diff := cmp.Diff(pin, got); err != nil || diff != "" {
		t.Errorf("mmdebstrap, moved: %v: %s", err, diff)
	}

	const mine = "pybake-distro-test/mine:2"
	if err := shared.engine.Tag(t.Context(), BaseRef(shared.target, pin.Digest), mine); err != nil {
		t.Fatal(err)
	}
	removeLater(t, mine)
	off, _ := offline(t, t.TempDir())
	off.Image = map[string]string{"trixie": mine}
	img, _, err := shared.engine.Image(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, BaseRef(shared.target, img.ID))
	want := pin
	want.Origin, want.Ref, want.Digest = FromEngine, mine, img.ID
	for what, from := range map[string]project.BasePin{
		"not moved":     want,
		"moved":         {Distro: "trixie", Arch: "amd64", Origin: FromEngine, Ref: mine, Digest: old.Digest},
		"another name":  {Distro: "trixie", Arch: "amd64", Origin: FromEngine, Ref: "other", Digest: img.ID},
		"another place": pin,
	} {
		got, err := off.Rebase(t.Context(), shared.target, from)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("engine, %s: %v: %s", what, err, diff)
		}
	}

	for _, origin := range []string{FromMmdebstrap, FromRegistry} {
		off.Image = nil
		from := project.BasePin{Origin: origin, Ref: shared.target.Distro.Base.Image, Digest: old.Digest}
		if _, err := off.Rebase(t.Context(), shared.target, from); !errors.Is(err, ErrOffline) {
			t.Errorf("%s, offline: %v", origin, err)
		}
	}
	away := project.BasePin{Origin: FromRegistry, Ref: "pybake-distro-test.invalid/none:1", Digest: old.Digest}
	m.Image = map[string]string{"trixie": away.Ref}
	if _, err := m.Rebase(t.Context(), shared.target, away); err == nil || !strings.Contains(err.Error(), "base image of trixie-amd64: registry: ") {
		t.Errorf("a registry that is away: %v", err)
	}
}
