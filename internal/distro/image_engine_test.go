//go:build engine

package distro

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// TestBuilder installs packages from the cache, offline, and looks at the
// image that comes of it.
func TestBuilder(t *testing.T) {
	packages := zlib(t)
	m, report := offline(t, shared.cache)
	ref, err := m.Builder(t.Context(), shared.target, shared.base, packages, "builder")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(ref, "pybake/builder:trixie-amd64-") || len(report.steps) != 1 || report.steps[0] != "builder image" {
		t.Errorf("%s, steps %q", ref, report.steps)
	}
	img, ok, err := shared.engine.Image(t.Context(), ref)
	if err != nil || !ok || img.Labels[Label] != "builder" || img.Labels["org.pybake.base"] != shared.base.Digest {
		t.Errorf("image %+v, %v", img, err)
	}
	c, err := m.Engine.Start(t.Context(), engine.Spec{Image: ref, Purpose: "test", Limit: 600e9})
	if err != nil {
		t.Fatal(err)
	}
	remove(t, c)
	for _, tt := range []struct{ script, want string }{
		{"id -u; id -g; id -un", "1000\n1000\npybake\n"},
		{"stat -c '%u %a' /build /home/pybake; touch /build/x", "1000 755\n1000 755\n"},
		{"dpkg-query -W -f '${Status} ${Version}' zlib1g-dev", "install ok installed " + version(packages, "zlib1g-dev")},
		{"dpkg --audit; ls -A /srv", ""},
		{"test -e /usr/include/zlib.h && echo there", "there\n"},
		{"touch /etc/x 2>&1 || echo refused", "touch: cannot touch '/etc/x': Permission denied\nrefused\n"},
	} {
		if got := run(t, c, "", tt.script); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}

	// Again, with nothing but the engine.
	m, report = offline(t, t.TempDir())
	again, err := m.Builder(t.Context(), shared.target, shared.base, packages, "builder")
	if err != nil || again != ref || report.steps != nil {
		t.Errorf("again: %s, %v, steps %q", again, err, report.steps)
	}
	// What goes into it is its name.
	_, err = m.Builder(t.Context(), shared.target, shared.base, packages[1:], "builder")
	if !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "builder image of trixie-amd64: ") || !strings.Contains(err.Error(), debName(packages[1])) {
		t.Errorf("other packages, no cache: %v", err)
	}
}

// TestBuilderOn begins with an image that has all packages but one.
func TestBuilderOn(t *testing.T) {
	packages := zlib(t)
	i := slices.IndexFunc(packages, func(p project.Package) bool { return p.Name == "zlib1g-dev" })
	most := slices.Delete(slices.Clone(packages), i, i+1)
	m, _ := offline(t, shared.cache)
	ref, err := m.Builder(t.Context(), shared.target, shared.base, most, "below")
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Offliner(t.Context(), shared.target, ref, "test")
	if err != nil {
		t.Fatal(err)
	}
	remove(t, c)
	run(t, c, "0:0", "touch /marked")
	marked := "pybake/below:marked"
	if _, err := c.Commit(t.Context(), marked, engine.ImageConfig{Labels: map[string]string{"org.pybake.base": shared.base.Digest}}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		purpose string
		has     []project.Package
		want    string
	}{
		{"on", most, "there\n"},
		{"onother", append(slices.Clone(most), project.Package{Name: "other", Version: "1", Arch: "amd64"}), ""},
	} {
		got, err := m.BuilderOn(t.Context(), shared.target, shared.base, Below{marked, tt.has}, packages, tt.purpose)
		if err != nil {
			t.Fatal(err)
		}
		if want := BuilderRef(shared.target, shared.base, packages, tt.purpose); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		c, err := m.Engine.Start(t.Context(), engine.Spec{Image: got, Purpose: "test", Limit: 600e9})
		if err != nil {
			t.Fatal(err)
		}
		remove(t, c)
		if got := run(t, c, "", "if [ -e /marked ]; then echo there; fi"); got != tt.want {
			t.Errorf("%s: began with the image below: %q, want %q", tt.purpose, got, tt.want)
		}
		if got := run(t, c, "", "id -un; grep -c ^pybake: /etc/passwd; test -e /usr/include/zlib.h && echo there"); got != "pybake\n1\nthere\n" {
			t.Errorf("%s: %q", tt.purpose, got)
		}
	}
}

func version(packages []project.Package, name string) string {
	for _, p := range packages {
		if p.Name == name {
			return p.Version
		}
	}
	return ""
}

// TestInstall installs files and nothing else.
func TestInstall(t *testing.T) {
	m, report := offline(t, shared.cache)
	c, err := m.Offliner(t.Context(), shared.target, BaseRef(shared.target, shared.base.Digest), "test")
	if err != nil {
		t.Fatal(err)
	}
	remove(t, c)
	if err := m.Install(t.Context(), c, nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
	first, second := localDeb(t, "pybake-first"), localDeb(t, "pybake-second", "pybake-first (= 1)")
	err = m.Install(t.Context(), c, []string{second})
	if err == nil || !strings.Contains(err.Error(), "install 1 packages: ") || !strings.Contains(report.out.String(), "pybake-first") {
		t.Errorf("without what it depends on: %v\n%s", err, report.out.String())
	}
	if err := m.Install(t.Context(), c, []string{second, first}); err != nil {
		t.Errorf("together, in the wrong order: %v", err)
	}
	if got := run(t, c, "", "cat /opt/pybake-first/file /opt/pybake-second/file; ls -A /srv"); got != "pybake-firstpybake-second" {
		t.Errorf("installed: %q", got)
	}
	if err := m.Install(t.Context(), c, []string{"/no/such/file.deb"}); err == nil || !strings.Contains(err.Error(), "/no/such/file.deb") {
		t.Errorf("a file that is not there: %v", err)
	}
}
