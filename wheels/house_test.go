package wheels

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/lock"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func sum(digit string) string {
	out := ""
	for range 64 {
		out += digit
	}
	return out
}

func someHouse(t *testing.T) (*Plan, []*Wheel) {
	t.Helper()
	env, err := pep.EnvFor("3.13.5", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{Lock: "uv.lock", Python: "3.13.5", Distro: "trixie", Arch: "amd64", env: env, target: pep.Target{Arch: "x86_64"}}
	return p, []*Wheel{
		{Name: "attrs", Version: "23.2.0", Origin: "wheel", File: "attrs-23.2.0-py3-none-any.whl", SHA256: sum("a"), Size: 60752},
		{Name: "markupsafe", Version: "3.0.2", Origin: "sdist", File: "markupsafe-3.0.2-cp313-cp313-linux_x86_64.whl", SHA256: sum("b"), Size: 23187,
			Source: &Source{File: "markupsafe-3.0.2.tar.gz", Digest: "sha256:" + sum("c")}},
		{Name: "shop", Version: "1.0+local.1", Origin: "sdist", File: "shop-1.0+local.1-py3-none-any.whl", SHA256: sum("d"), Size: 1,
			Source: &Source{Digest: "sha256:" + sum("e"), URL: "https://git.example.org/shop.git", Commit: "0123456789012345678901234567890123456789"}},
	}
}

func TestHouseFiles(t *testing.T) {
	p, wheels := someHouse(t)
	dir := t.TempDir()
	for _, w := range wheels {
		w.path = filepath.Join(dir, "from-"+w.File)
		if err := os.WriteFile(w.path, []byte(w.Name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const symbols = "debug/.build-id/ab/cd.debug"
	write(t, dir, map[string]string{symbols: "symbols"})
	wheels[1].symbols, wheels[2].symbols = []string{symbols}, []string{symbols}
	house := t.TempDir()
	apt := []project.Package{{Name: "libpq5", Version: "17.5-0+deb13u1", Arch: "amd64"}, {Name: "libldap2", Version: "2.6.10+dfsg-1", Arch: "amd64"}}
	if err := p.writeHouse(house, wheels, apt); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{RequirementsFile, PylockFile, AptFile, DetailsFile} {
		text, err := os.ReadFile(filepath.Join(house, name))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".golden", text)
	}
	for _, w := range wheels {
		if text, err := os.ReadFile(filepath.Join(house, w.File)); err != nil || string(text) != w.Name {
			t.Errorf("%s: %q, %v", w.File, text, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(house, symbols)); err != nil || string(text) != "symbols" {
		t.Errorf("symbols: %q, %v", text, err)
	}
	got, err := ReadHouse(house)
	if err != nil || len(got.Wheels) != 3 || got.Wheels[1].Source.File != "markupsafe-3.0.2.tar.gz" || got.Wheels[1].SHA256 != sum("b") {
		t.Errorf("house %+v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"libpq5=17.5-0+deb13u1", "libldap2=2.6.10+dfsg-1"}, got.Apt); diff != "" {
		t.Error(diff)
	}
	if _, err := ReadHouse(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no house: %v", err)
	}
}

// TestOwnLocks reads what a house carries with the reader of locks: it selects just
// these wheels.
func TestOwnLocks(t *testing.T) {
	p, wheels := someHouse(t)
	dir := t.TempDir()
	pylock, err := p.pylock(wheels)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{RequirementsFile: p.requirements(wheels), PylockFile: pylock} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := lock.Read(os.DirFS(dir), name, lock.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s, err := l.Select(lock.Target{Python: "3.13.5", Arch: "x86_64", Glibc: [2]int{2, 41}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, pkg := range s.Packages {
			got = append(got, pkg.Name+" "+pkg.Version+" "+pkg.Candidates[0].Hashes[0][7:8])
		}
		if diff := cmp.Diff([]string{"attrs 23.2.0 a", "markupsafe 3.0.2 b", "shop 1.0+local.1 d"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestHouseName(t *testing.T) {
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{Name: "requirements.lock"}, "requirements.lock"},
		{Request{Name: "sub dir/uv.lock"}, "lock-sub_dir~uv.lock-b4139599"},
		{Request{Name: "uv.lock", Select: lock.Target{Extras: []string{"Web_UI", "a"}, Groups: []string{"docs"}, NoGroups: []string{"dev"}}}, "uv.lock~~a~~web-ui+docs-dev"},
		{Request{Name: "locks/prod/uv.lock"}, "locks~prod~uv.lock"},
		{Request{Name: "uv.lock", Select: lock.Target{NoDefaultGroups: true}}, "uv.lock-default"},
	} {
		if got := houseName(c.req); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
