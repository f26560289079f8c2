package wheels

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/lock"
)

// shelf is an index with files that hold their own names.
func shelf(t *testing.T, files ...string) (url string, asked *atomic.Int32) {
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if dir, name := path.Split(r.URL.Path); dir == "/files/" {
			fmt.Fprint(w, name)
			return
		}
		project := path.Base(r.URL.Path)
		w.Header().Set("Content-Type", "text/html")
		found := false
		for _, f := range files {
			if strings.HasPrefix(strings.ToLower(f), project+"-") {
				found = true
				fmt.Fprintf(w, "<a href=\"/files/%s#sha256=%s\">%s</a>\n", f, hashOf(f), f)
			}
		}
		if !found {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/simple/", asked
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func planOf(t *testing.T, requirements string, target lock.Target) *Plan {
	t.Helper()
	l, err := lock.Read(fstest.MapFS{"r.txt": {Data: []byte(requirements)}}, "r.txt", lock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	trixie, err := set.Distro("trixie")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(Request{Lock: l, Name: "r.txt", Python: "3.13.5", Distro: trixie, Arch: "amd64", Recipes: set, Select: target})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pinned(name, version string, files ...string) string {
	line := name + "==" + version
	for _, f := range files {
		line += " --hash=sha256:" + hashOf(f)
	}
	return line + "\n"
}

func finderOf(t *testing.T, url string) *Finder {
	cache := t.TempDir()
	return &Finder{Index: &index.Client{Indexes: []index.Index{{URL: url}}, Cache: cache}, Fetcher: &fetch.Fetcher{Cache: cache, Attempts: 1}}
}

func TestSettle(t *testing.T) {
	best, other, sdist := "foo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", "foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz"
	url, asked := shelf(t, best, other, sdist, "foo-1.0-cp313-cp313-win_amd64.whl", "foo-2.0-py3-none-any.whl")
	for _, c := range []struct {
		name   string
		hashes []string
		target lock.Target
		want   string
	}{
		{"the best wheel", []string{best, other, sdist}, lock.Target{}, best},
		{"a hash that no file has", []string{"gone", other, sdist}, lock.Target{}, other},
		{"no binary", []string{best, other, sdist}, lock.Target{NoBinary: []string{":all:"}}, sdist},
		{"only what is hashed", []string{sdist}, lock.Target{}, sdist},
		{"none fits", []string{"foo-1.0-cp313-cp313-win_amd64.whl", sdist}, lock.Target{}, sdist},
	} {
		f, p := finderOf(t, url), planOf(t, pinned("foo", "1.0", c.hashes...), c.target)
		if err := f.Settle(t.Context(), p); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := p.Packages[0].File; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if native := p.Packages[0].native; (native == best) != slices.Contains(c.hashes, best) {
			t.Errorf("%s: %q tells of an extension", c.name, native)
		}
		asked.Store(0)
		again := planOf(t, pinned("foo", "1.0", c.hashes...), c.target)
		f.Index = &index.Client{Indexes: f.Index.Indexes, Cache: f.Index.Cache}
		if err := f.Settle(t.Context(), again); err != nil || again.Packages[0].File != c.want || asked.Load() > 0 {
			t.Errorf("%s, again: %v, %s, %d requests", c.name, err, again.Packages[0].File, asked.Load())
		}
	}
	for _, c := range []struct{ name, line, want string }{
		{"nothing has the hash", pinned("foo", "1.0", "gone"), "foo 1.0"},
		{"the hash is another version's", pinned("foo", "1.0", "foo-2.0-py3-none-any.whl"), "r.txt:1:1: foo 1.0: no index has a file of it"},
		{"no such project", pinned("bar", "1.0", best), "bar"},
	} {
		err := finderOf(t, url).Settle(t.Context(), planOf(t, c.line, lock.Target{}))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestFetch(t *testing.T) {
	url, _ := shelf(t, "foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz")
	f := finderOf(t, url)
	p := planOf(t, pinned("foo", "1.0", "foo-1.0-py3-none-any.whl", "foo-1.0.tar.gz"), lock.Target{})
	if err := f.Settle(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	got, err := f.fetch(t.Context(), p, p.Packages[0])
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(got.Path); err != nil || string(text) != "foo-1.0-py3-none-any.whl" {
		t.Errorf("%q, %v", text, err)
	}
	// The wheel is gone: the sdist is taken.
	p.Packages[0].candidates[0].URL = ""
	p.Packages[0].candidates[0].Hashes = []string{"sha256:" + hashOf("gone")}
	if got, err = f.fetch(t.Context(), p, p.Packages[0]); err != nil || p.Packages[0].Origin != "sdist" || got.File.Name != "foo-1.0.tar.gz" {
		t.Errorf("%v, %s", err, p.Packages[0].Origin)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Packages[0].candidates = p.Packages[0].candidates[:1]
	if _, err := f.fetch(ctx, p, p.Packages[0]); err == nil {
		t.Error("a cancelled fetch gave a file")
	}
}

// TestLegacyTags has a Python whose pip knows no manylinux_2_28.
func TestLegacyTags(t *testing.T) {
	l, err := lock.Read(fstest.MapFS{"uv.lock": {Data: []byte(`version = 1
requires-python = ">=3.9"

[[package]]
name = "foo"
version = "1.0"
source = { registry = "https://pypi.example.org/simple" }
sdist = { url = "https://files.example.org/foo-1.0.tar.gz", hash = "sha256:` + hashOf("a") + `" }
wheels = [
    { url = "https://files.example.org/foo-1.0-cp36-abi3-manylinux_2_28_x86_64.whl", hash = "sha256:` + hashOf("b") + `" },
    { url = "https://files.example.org/foo-1.0-cp36-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", hash = "sha256:` + hashOf("c") + `" },
]

[[package]]
name = "shop"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "foo" }]
`)}}, "uv.lock", lock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	bullseye, err := set.Distro("bullseye")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ python, want string }{
		{"3.9.2", "foo-1.0-cp36-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"},
		{"3.9.5", "foo-1.0-cp36-abi3-manylinux_2_28_x86_64.whl"},
	} {
		p, err := NewPlan(Request{Lock: l, Name: "uv.lock", Python: c.python, Distro: bullseye, Arch: "amd64", Recipes: set})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Packages[0].File; got != c.want {
			t.Errorf("%s: %s, want %s", c.python, got, c.want)
		}
		if p.Packages[0].native == "" {
			t.Errorf("%s: nothing tells of an extension", c.python)
		}
	}
}

func TestConstraintsAfterPins(t *testing.T) {
	p := planOf(t, pinned("foo", "1.0", "x"), lock.Target{})
	pin := project.BuildPin{Packages: []project.BuildPackage{{Name: "setuptools", Version: "84.0"}}}
	for _, c := range []struct {
		constraint string
		want       bool
	}{
		{"setuptools<75", false}, {"setuptools>=75", true}, {"Setuptools!=84", false}, {"cython<3", true},
		{`setuptools<75; python_version < "3.9"`, true},
	} {
		if got := p.allows(pin, []string{c.constraint}); got != c.want {
			t.Errorf("%s: %v, want %v", c.constraint, got, c.want)
		}
	}
}
