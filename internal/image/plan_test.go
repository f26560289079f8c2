package image

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hash is 64 digits.
func hash(digit string) string { return strings.Repeat(digit, 64) }

func pkg(name, version, digit string) project.Package {
	return project.Package{Name: name, Version: version, Arch: "amd64", Digest: "sha256:" + hash(digit)}
}

// chain is a request for an image that stands on two others, and its pins.
func chain(t *testing.T) (Request, *project.Lock) {
	t.Helper()
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "words"), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"version": "3.13.5", "series": "3.13", "distro": "trixie", "arch": "amd64"}
	python := &artifacts.Artifact{Dir: "/store/python", Manifest: artifacts.Manifest{
		Kind: "python", Name: "python 3.13.5 trixie amd64", Labels: labels,
		Files: []artifacts.File{{Path: "p.deb", SHA256: hash("1"), Package: &artifacts.Package{Name: "pybake-python3.13", Version: "3.13.5-1+deb13"}}},
	}}
	house := &House{
		Artifact: &artifacts.Artifact{Dir: "/store/house", Manifest: artifacts.Manifest{Kind: "wheels", Name: "wheels r.lock 3.13.5 trixie amd64", Labels: labels}},
		Wheels: []wheels.Wheel{
			{Name: "greet", Version: "1.0", File: "greet-1.0-py3-none-any.whl", SHA256: hash("2")},
			{Name: "lxml", Version: "6.0", File: "lxml-6.0-cp313-cp313-linux_x86_64.whl", SHA256: hash("3")},
		},
		Apt: []project.Package{pkg("libxml2", "2.12", "4")},
	}
	app := &App{AppWheel: wheels.AppWheel{Name: "shop", Version: "1.4.2", File: "shop-1.4.2-py3-none-any.whl", Path: "/store/wheel/shop-1.4.2-py3-none-any.whl", SHA256: hash("5")}, Root: root}
	req := Request{
		Target: distro.Target{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}, Root: root, Recipes: set,
		Links: []Link{
			{Image: project.Image{Name: "base", From: "trixie", Python: "3.13.5", Files: map[string]string{"/srv/words": "words"}, Env: map[string]string{"A": "1", "B": "1"}}, Python: python},
			{Image: project.Image{Name: "deps", From: "base", Wheels: "r.lock", User: "shop:2000"}, House: house},
			{Image: project.Image{Name: "web", From: "deps", App: ".", Apt: []string{"libpq5"}, Init: true, Entrypoint: []string{"shop"}, Cmd: []string{"8000"}, Ports: []string{"8000"}, Env: map[string]string{"B": "2"}}, App: app},
		},
		Tags: []string{"shop:1.4.2"}, Version: "1.4.2", Commit: "1f2e3d", Created: time.Unix(1700000000, 0),
	}
	pins := &project.Lock{Bases: []project.BasePin{{Distro: "trixie", Arch: "amd64", Origin: "registry", Ref: "debian:trixie-slim", Digest: "sha256:" + hash("6")}}}
	pins.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "python 3.13", Packages: []project.Package{pkg("libssl3", "3.5", "7")}})
	pins.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "image web", Request: []string{"libpq5", "libssl3=3.5", "libxml2=2.12", "tini"}, Packages: []project.Package{
		pkg("libpq5", "17", "8"), pkg("libssl3", "3.5", "7"), pkg("tini", "0.19", "9"),
	}})
	return req, pins
}

// layers are those of a plan, as "web app".
func layersOf(p *Plan) (names []string) {
	for _, l := range p.Layers {
		names = append(names, l.Image+" "+l.Name)
	}
	return names
}

func TestPlan(t *testing.T) {
	req, pins := chain(t)
	p, err := NewPlan(req, pins)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	sameAsGolden(t, "plan.golden.json", string(got)+"\n")
}

// TestDockerfile: what the recipe of one wheel keeps is kept of that wheel alone.
func TestDockerfile(t *testing.T) {
	req, pins := chain(t)
	var err error
	if req.Recipes, err = recipes.Load(fstest.MapFS{"wheels/lxml.toml": {Data: []byte("keep = [\"headers\", \"tests\"]\n")}}); err != nil {
		t.Fatal(err)
	}
	req.Links[0].Env["PRICE"] = `5$ "each" \o/`
	p, err := NewPlan(req, pins)
	if err != nil {
		t.Fatal(err)
	}
	sameAsGolden(t, "dockerfile.golden", p.Dockerfile("baked/kit/x"))
}

func sameAsGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Error(diff)
	}
}

// TestKeys: a change moves the keys that it has to move, and no others.
func TestKeys(t *testing.T) {
	all := []string{"trixie base", "base python", "base files", "deps apt", "deps wheels", "deps files", "web apt", "web app"}
	onContainers := []string{"deps apt", "deps files", "web apt"} // what depends on all that is below it, beside files of base
	for _, test := range []struct {
		name   string
		change func(r *Request, l *project.Lock)
		moves  []string
		image  bool // the image moves though no layer does
	}{
		{"nothing", func(*Request, *project.Lock) {}, nil, false},
		{"the app", func(r *Request, _ *project.Lock) { r.Links[2].App.SHA256 = hash("a") }, []string{"web app"}, true},
		{"the place of the store", func(r *Request, _ *project.Lock) {
			r.Links[0].Python.Dir, r.Links[1].House.Dir, r.Links[2].App.Path = "/x", "/y", "/z/"+r.Links[2].App.File
		}, nil, false},
		{"a wheel", func(r *Request, _ *project.Lock) { r.Links[1].House.Wheels[0].SHA256 = hash("a") }, []string{"deps wheels", "deps files", "web apt"}, true},
		{"a package of the house", func(r *Request, _ *project.Lock) { r.Links[1].House.Apt[0].Digest = "sha256:" + hash("a") }, []string{"deps apt", "deps files", "web apt"}, true},
		{"the Python, built anew", func(r *Request, _ *project.Lock) { r.Links[0].Python.Files[0].SHA256 = hash("a") }, append([]string{"base python", "base files"}, onContainers...), true},
		{"the Python, another one", func(r *Request, _ *project.Lock) {
			r.Links[0].Python.Labels["version"] = "3.13.6" // which the house has the same of
		}, []string{"deps wheels", "deps files", "web apt", "web app"}, true},
		{"the base", func(_ *Request, l *project.Lock) { l.Bases[0].Digest = "sha256:" + hash("a") }, append([]string{"trixie base", "base python", "base files"}, onContainers...), true},
		{"a file", func(r *Request, _ *project.Lock) {
			if err := os.WriteFile(filepath.Join(r.Root, "words"), []byte("bonjour\n"), 0o644); err != nil {
				panic(err)
			}
		}, append([]string{"base files"}, onContainers...), true},
		{"the time of a file", func(r *Request, _ *project.Lock) {
			if err := os.Chtimes(filepath.Join(r.Root, "words"), time.Time{}, time.Unix(1, 0)); err != nil {
				panic(err)
			}
		}, nil, false},
		{"the user", func(r *Request, _ *project.Lock) { r.Links[1].User = "shop:2001" }, []string{"deps files", "web apt"}, true},
		{"what is kept", func(r *Request, _ *project.Lock) { r.Links[0].Keep = []string{"tests"} }, []string{"deps wheels", "deps files", "web apt", "web app"}, true},
		{"what is kept above", func(r *Request, _ *project.Lock) { r.Links[2].Keep = []string{"tests"} }, []string{"web app"}, true},
		{"a variable", func(r *Request, _ *project.Lock) { r.Links[0].Env["A"] = "2" }, nil, true},
		{"a variable that is hidden", func(r *Request, _ *project.Lock) { r.Links[0].Env["B"] = "3" }, nil, false},
		{"the entrypoint", func(r *Request, _ *project.Lock) { r.Links[2].Entrypoint = []string{"sh"} }, nil, true},
		{"the check", func(r *Request, _ *project.Lock) { r.Links[2].Check = []string{"true"} }, nil, true},
		{"the commit", func(r *Request, _ *project.Lock) { r.Commit = "aaaa" }, nil, true},
		{"the time", func(r *Request, _ *project.Lock) { r.Created = r.Created.Add(time.Second) }, nil, true},
		{"the tags", func(r *Request, _ *project.Lock) { r.Tags = []string{"other:1"} }, nil, false},
		{"the budget", func(r *Request, _ *project.Lock) { r.Links[2].MaxSize = map[string]project.Size{"app": 1} }, nil, false},
		{"pins of others", func(_ *Request, l *project.Lock) {
			l.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "lint", Packages: []project.Package{pkg("lintian", "1", "b")}})
		}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, pins := chain(t)
			before, err := NewPlan(req, pins)
			if err != nil {
				t.Fatal(err)
			}
			test.change(&req, pins)
			after, err := NewPlan(req, pins)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all, layersOf(after)); diff != "" {
				t.Fatal(diff)
			}
			var moved []string
			for i, l := range after.Layers {
				if l.Key != before.Layers[i].Key {
					moved = append(moved, l.Image+" "+l.Name)
				}
			}
			if diff := cmp.Diff(test.moves, moved); diff != "" {
				t.Error(diff)
			}
			if got := after.Key != before.Key; got != test.image {
				t.Errorf("the key of the image moved: %v", got)
			}
		})
	}
}

// TestClashes: what does not fit together is refused, with both sides.
func TestClashes(t *testing.T) {
	other := func(l map[string]string, key, value string) map[string]string {
		return merged(l, map[string]string{key: value})
	}
	for _, test := range []struct {
		name   string
		change func(r *Request, l *project.Lock)
		says   []string
	}{
		{"house for another Python", func(r *Request, _ *project.Lock) {
			r.Links[1].House.Labels = other(r.Links[1].House.Labels, "version", "3.12.8")
		}, []string{"image deps", "3.13.5 on trixie amd64", "wheels r.lock 3.13.5 trixie amd64", "3.12.8 on trixie amd64"}},
		{"house for another distro", func(r *Request, _ *project.Lock) {
			r.Links[1].House.Labels = other(r.Links[1].House.Labels, "distro", "bookworm")
		}, []string{"image deps", "3.13.5 on trixie amd64", "3.13.5 on bookworm amd64"}},
		{"Python for another distro", func(r *Request, _ *project.Lock) {
			r.Links[0].Python.Labels = other(r.Links[0].Python.Labels, "distro", "bookworm")
		}, []string{"image base is for trixie", "python 3.13.5 trixie amd64 is for bookworm"}},
		{"wheels without a Python", func(r *Request, _ *project.Lock) { r.Links[0].Python = nil }, []string{"image deps installs wheels", "has a Python"}},
		{"an app without a Python", func(r *Request, _ *project.Lock) { r.Links = r.Links[2:]; r.Links[0].Apt, r.Links[0].Init = nil, false }, []string{"image web installs shop", "has a Python"}},
		{"another wheel below", func(r *Request, _ *project.Lock) {
			r.Links[2].Wheels, r.Links[2].House = "w.lock", &House{Artifact: r.Links[1].House.Artifact, Wheels: slices.Clone(r.Links[1].House.Wheels)}
			r.Links[2].House.Wheels[0].SHA256 = hash("a")
		}, []string{"image web wants greet 1.0 of w.lock", "below"}},
		{"a wheel below that the lock lacks", func(r *Request, _ *project.Lock) {
			r.Links[2].Wheels, r.Links[2].House = "w.lock", &House{Artifact: r.Links[1].House.Artifact, Wheels: r.Links[1].House.Wheels[:1]}
		}, []string{"image web: w.lock does not have lxml"}},
		{"another version of a package below", func(_ *Request, l *project.Lock) {
			l.SetRuntime(project.SetPin{Distro: "trixie", Arch: "amd64", For: "image web", Request: []string{"libpq5", "libssl3=3.5", "libxml2=2.12", "tini"}, Packages: []project.Package{pkg("libssl3", "3.6", "a")}})
		}, []string{"image web wants libssl3 3.6, and below it is 3.5"}},
		{"a Python without its package", func(r *Request, _ *project.Lock) { r.Links[0].Python.Files = nil }, []string{"python 3.13.5 trixie amd64 has no package pybake-python3.13"}},
		{"a file that is not there", func(r *Request, _ *project.Lock) { r.Links[0].Files["/srv/x"] = "nowhere" }, []string{"image base: files", "nowhere"}},
		{"a user that is none", func(r *Request, _ *project.Lock) { r.Links[2].User = "x:60000" }, []string{`user "x:60000"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, pins := chain(t)
			test.change(&req, pins)
			p, err := NewPlan(req, pins)
			if err == nil || p != nil || errors.As(err, new(*UnpinnedError)) {
				t.Fatalf("%v, %v", p, err)
			}
			for _, want := range test.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: no %q", err, want)
				}
			}
		})
	}
}

// TestEmbeds: the libpython is installed once, with the packages of the first house
// that embeds Python; no layer below is another for it.
func TestEmbeds(t *testing.T) {
	req, pins := chain(t)
	req.Links[2].Wheels, req.Links[2].House = "r.lock", req.Links[1].House
	without, err := NewPlan(req, pins)
	if err != nil {
		t.Fatal(err)
	}
	req.Links[1].House.Wheels[1].Apt = []string{"libxml2", "pybake-libpython3.13"}
	if _, err := NewPlan(req, pins); err == nil || err.Error() != "python 3.13.5 trixie amd64 has no package pybake-libpython3.13" {
		t.Fatal(err)
	}
	python := req.Links[0].Python
	python.Files = append(python.Files, artifacts.File{Path: "l.deb", SHA256: hash("b"), Package: &artifacts.Package{Name: "pybake-libpython3.13", Version: "3.13.5-1+deb13"}})
	with, err := NewPlan(req, pins)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(layersOf(without), layersOf(with)); diff != "" {
		t.Fatal(diff)
	}
	for i, l := range with.Layers {
		first := l.Name == "apt" && l.Image == "deps"
		same := l.Image == "base" || l.Name == "wheels" || l.Name == "app" || l.Name == "base"
		if (l.Key == without.Layers[i].Key) != same || slices.Contains(l.debs, "/store/python/l.deb") != first {
			t.Errorf("%s of %s: %q", l.Name, l.Image, l.debs)
		}
		if want := "libxml2 2.12, pybake-libpython3.13 3.13.5-1+deb13"; first && l.By != want {
			t.Errorf("%q, want %q", l.By, want)
		}
	}
	req.Links[1].House.Apt = nil
	req.Links = req.Links[:2]
	alone, err := NewPlan(req, pins)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(layersOf(alone), "deps apt"); i < 0 || alone.Layers[i].By != "pybake-libpython3.13 3.13.5-1+deb13" {
		t.Errorf("%q", layersOf(alone))
	}
}

func TestUnpinned(t *testing.T) {
	for _, test := range []struct {
		change func(r *Request, l *project.Lock)
		want   string
	}{
		{func(_ *Request, l *project.Lock) { l.Bases = nil }, "base image of trixie-amd64: not pinned yet"},
		{func(_ *Request, l *project.Lock) { l.Bases[0].Arch = "arm64" }, "base image of trixie-amd64: not pinned yet"},
		{func(_ *Request, l *project.Lock) {
			l.Runtimes = slices.DeleteFunc(l.Runtimes, func(p project.SetPin) bool { return p.For == "python 3.13" })
		}, "packages of trixie for python 3.13 trixie amd64: not pinned yet"},
		{func(r *Request, _ *project.Lock) { r.Links[2].Apt = []string{"libpq5", "zip"} }, "packages of trixie for image web: not pinned yet"},
		{func(r *Request, _ *project.Lock) { r.Links[2].Init = false }, "packages of trixie for image web: not pinned yet"},
	} {
		req, pins := chain(t)
		test.change(&req, pins)
		_, err := NewPlan(req, pins)
		if unpinned, ok := errors.AsType[*UnpinnedError](err); !ok || test.want != strings.Replace(unpinned.Error(), "python 3.13.5", "python 3.13", 1) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// TestSettled: what an image takes over from the one that it stands on.
func TestSettled(t *testing.T) {
	below := project.Image{
		User: "shop:2000", Workdir: "/srv", Ports: []string{"80", "90"}, Init: true, Keep: []string{"tests"}, Entrypoint: []string{"a"}, Cmd: []string{"b"}, Check: []string{"c"},
		Labels: map[string]string{"x": "1"}, Tags: []string{"below:1"}, MaxSize: map[string]project.Size{"total": 1},
	}
	got := settle([]Link{{Image: below}, {Image: project.Image{Name: "web", Ports: []string{"70", "80"}, Cmd: []string{"d"}, Labels: map[string]string{"y": "2"}}}})
	want := below
	want.Name, want.Ports, want.Cmd, want.Env, want.Labels = "web", []string{"70", "80", "90"}, []string{"d"}, map[string]string{}, map[string]string{"x": "1", "y": "2"}
	want.Tags, want.MaxSize = nil, nil
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".origin" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	got = settle([]Link{{Image: below}, {Image: project.Image{Entrypoint: []string{"new"}}}})
	if got.Cmd != nil || got.Check != nil || !slices.Equal(got.Entrypoint, []string{"new"}) {
		t.Errorf("a new entrypoint has arguments %q and check %q of the old one", got.Cmd, got.Check)
	}
}
