package wheels

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/lock"
	"github.com/pybake/pybake/wheels/sdist"
)

const (
	flit = "[build-system]\nrequires = [\"flit_core>=3\"]\nbuild-backend = \"flit_core.buildapi\"\n[project]\nname = \"Web.Shop\"\nversion = \"1.0\"\ndescription = \"x\"\n"
	scm  = "[build-system]\nrequires = [\"setuptools\", \"setuptools-scm\"]\nbuild-backend = \"setuptools.build_meta\"\n" +
		"[project]\nname = \"shop\"\ndynamic = [\"version\"]\n[tool.setuptools_scm]\n"
)

// write writes files below a directory.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

func appRequest(t *testing.T, root, dir string) AppRequest {
	t.Helper()
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	trixie, err := set.Distro("trixie")
	if err != nil {
		t.Fatal(err)
	}
	return AppRequest{Dir: dir, Root: root, Python: "3.13.5", Distro: trixie, Arch: "amd64", Recipes: set}
}

func TestNewAppPlan(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	write(t, root, map[string]string{
		"pyproject.toml": flit, "services/web/pyproject.toml": scm, "old/setup.py": "", "Web Lib/setup.py": "",
		"versioneer/setup.py": "", "versioneer/setup.cfg": "[metadata]\nname = v\n[versioneer]\n",
	})
	write(t, elsewhere, map[string]string{"setup.py": ""})
	for _, c := range []struct {
		dir, version string
		name, source string
		stamp        stamp
		note         string
	}{
		{".", "2.0", "app web-shop 3.13.5 trixie amd64", "directory .", stamp{}, ""},
		{root, "", "app web-shop 3.13.5 trixie amd64", "directory .", stamp{}, ""},
		{"services/web", "2.0", "app shop 3.13.5 trixie amd64", "directory ./services/web", stamp{"SETUPTOOLS_SCM_PRETEND_VERSION", "2.0"}, ""},
		{filepath.Join(root, "services/web"), "", "app shop 3.13.5 trixie amd64", "directory ./services/web", stamp{}, "and none was given"},
		{"old/", "2.0", "app app 3.13.5 trixie amd64", "directory ./old", stamp{}, ""},
		{"./Web Lib", "", "app app 3.13.5 trixie amd64", "directory ./Web Lib", stamp{}, ""},
		{"versioneer", "2.0", "app v 3.13.5 trixie amd64", "directory ./versioneer", stamp{}, "from the repository alone"},
		{elsewhere, "", "app app 3.13.5 trixie amd64", "directory .", stamp{}, ""},
	} {
		req := appRequest(t, root, c.dir)
		req.Version = c.version
		p, err := NewAppPlan(req)
		if err != nil {
			t.Errorf("%s: %v", c.dir, err)
			continue
		}
		src := p.sourceOf(p.Packages[0])
		if got := p.buildPin(&src); p.Name != c.name || got.Source != c.source || got.Version != "" || p.stamp != c.stamp {
			t.Errorf("%s: %s, %+v, %+v", c.dir, p.Name, got, p.stamp)
		}
		if notes := strings.Join(p.Notes, "\n"); (notes == "") != (c.note == "") || !strings.Contains(notes, c.note) {
			t.Errorf("%s: notes %q", c.dir, notes)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Chdir("/")
	for _, c := range [][4]string{
		{"/a", "b/c/", "/a", "b/c"}, {"/a", ".", "/a", "."}, {"/a", "/a/b", "/a", "b"}, {"/a", "/ab", "/ab", "."}, {"/a", "../b", "/b", "."},
		{"", "/a/b", "/a/b", "."}, {"", "a", "/a", "."}, {"a", "b", "/a", "b"}, {"a", "/a/b", "/a", "b"},
	} {
		if root, dir, err := within(c[0], c[1]); err != nil || root != c[2] || dir != c[3] {
			t.Errorf("%q, %q: %q, %q, %v", c[0], c[1], root, dir, err)
		}
	}
}

func TestNewAppPlanBad(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"empty/x.py": "", "bad/pyproject.toml": "[build-system]\nrequires = 1\n", "good/setup.py": ""})
	bad := func(change func(*AppRequest)) error {
		req := appRequest(t, root, "good")
		change(&req)
		_, err := NewAppPlan(req)
		return err
	}
	var tree *sdist.BadError
	if err := bad(func(r *AppRequest) { r.Dir = "empty" }); !errors.As(err, &tree) || !strings.Contains(err.Error(), "neither pyproject.toml nor setup.py") {
		t.Errorf("nothing that builds: %v", err)
	}
	var errs strict.Errors
	if err := bad(func(r *AppRequest) { r.Dir = "bad" }); !errors.As(err, &errs) || !strings.HasPrefix(err.Error(), "bad/pyproject.toml:2:12: ") {
		t.Errorf("bad table: %v", err)
	}
	if err := bad(func(r *AppRequest) { r.Dir = "none" }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if err := bad(func(r *AppRequest) { r.Version = "v1-3-gabc" }); err == nil || !strings.HasPrefix(err.Error(), "version of good: ") {
		t.Errorf("version: %v", err)
	}
	if err := bad(func(r *AppRequest) { r.Python = "three" }); err == nil {
		t.Error("python three")
	}
}

// shopWheel is the wheel of a web shop.
func shopWheel(t *testing.T) []byte {
	t.Helper()
	const info = "web_shop-1.0.dist-info/"
	files := map[string]string{
		"shop.py":         "",
		info + "METADATA": "Metadata-Version: 2.1\nName: Web.Shop\nVersion: 1.0\nRequires-Python: >=3.9\nRequires-Dist: flask>=3\nProvides-Extra: x\nRequires-Dist: redis; extra == \"x\"\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n", info + "entry_points.txt": "[console_scripts]\nshop = shop:main\n",
	}
	var record string
	var members []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[name]))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[name]))
		members = append(members, name, files[name])
	}
	day := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	text, err := os.ReadFile(zipFile(t, day, append(members, info+"RECORD", record+info+"RECORD,,\n")...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestFindApp has neither engine nor network.
func TestFindApp(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	write(t, root, map[string]string{"app/pyproject.toml": flit, "app/shop.py": ""})
	store, err := artifacts.Open(filepath.Join(dir, "baked"))
	if err != nil {
		t.Fatal(err)
	}
	b := &Builder{Store: store, Pins: &project.Pins{Path: filepath.Join(dir, "pybake.lock")}}
	plan := func() *Plan {
		t.Helper()
		p, err := NewAppPlan(appRequest(t, root, "app"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	missing := func(about, want string) {
		t.Helper()
		if _, err := b.FindApp(t.Context(), plan()); !errors.Is(err, artifacts.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", about, err)
		}
	}
	missing("no pins", "build requirements")
	p := plan()
	src := p.sourceOf(p.Packages[0])
	pin := p.buildPin(&src)
	pin.Requires = []string{"flit_core>=3"}
	pin.Packages = []project.BuildPackage{{Name: "flit-core", Version: "3.12.0", File: "flit_core-3.12.0-py3-none-any.whl", Digest: "sha256:" + sum("a")}}
	if err := b.pin(func(l *project.Lock) { l.SetBuild(pin) }); err != nil {
		t.Fatal(err)
	}
	missing("no toolchain", "toolchain")
	tools := project.SetPin{Distro: "trixie", Arch: "amd64", For: p.toolOwner(nil)}
	if err := b.pin(func(l *project.Lock) { l.SetBuilder(tools) }); err != nil {
		t.Fatal(err)
	}
	missing("not built", "not in the store")

	pins, err := b.Pins.Read()
	if err != nil {
		t.Fatal(err)
	}
	tree, err := b.identify(t.Context(), p, &src, pins)
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := p.wheelInputs(&src, tree, pins)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := store.Begin(KindWheel)
	if err != nil {
		t.Fatal(err)
	}
	wheel := shopWheel(t)
	write(t, draft.Dir(), map[string]string{"web_shop-1.0-py3-none-any.whl": string(wheel)})
	a, err := draft.Publish(t.Context(), artifacts.Manifest{Kind: KindWheel, Name: "wheel web-shop 1.0 cp313 trixie amd64", Inputs: inputs})
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.FindApp(t.Context(), plan())
	if err != nil {
		t.Fatal(err)
	}
	want := &AppWheel{
		Key: a.Key, Path: filepath.Join(a.Dir, "web_shop-1.0-py3-none-any.whl"), File: "web_shop-1.0-py3-none-any.whl", Name: "web-shop", Version: "1.0",
		SHA256: fmt.Sprintf("%x", sha256.Sum256(wheel)), RequiresPython: ">=3.9", Requires: []string{"flask>=3", `redis; extra == "x"`}, Extras: []string{"x"},
		Scripts: map[string]string{"shop": "shop:main"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	write(t, root, map[string]string{"app/shop.py": "x = 1\n"})
	missing("edited", "not in the store")
	write(t, root, map[string]string{"app/pyproject.toml": strings.Replace(flit, "flit_core>=3", "flit_core>=3.9", 1)})
	missing("other requirements", "build requirements")
	write(t, root, map[string]string{"app/pyproject.toml": flit, "app/shop.py": ""})
	if _, err := b.FindApp(t.Context(), plan()); err != nil {
		t.Errorf("as it was: %v", err)
	}
	if err := os.WriteFile(got.Path, wheel[:len(wheel)-1], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := b.FindApp(t.Context(), plan()); !errors.As(err, new(*artifacts.DamagedError)) {
		t.Errorf("damaged: %v", err)
	}
}

// TestStamp moves the key of what reads it, and of nothing else.
func TestStamp(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"flit/pyproject.toml": flit, "scm/pyproject.toml": scm})
	key := func(dir, version string) artifacts.Key {
		t.Helper()
		req := appRequest(t, root, dir)
		req.Version = version
		p, err := NewAppPlan(req)
		if err != nil {
			t.Fatal(err)
		}
		src := p.sourceOf(p.Packages[0])
		k, err := artifacts.NewKey(KindWheel, src.inputs(p, &project.Lock{}, project.SetPin{}))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if key("flit", "1") != key("flit", "2") {
		t.Error("a version that nobody reads moves the key")
	}
	if key("scm", "1") == key("scm", "2") {
		t.Error("the version does not move the key")
	}
}

// TestContent marks a tree for setuptools-scm, once.
func TestContent(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"scm/pyproject.toml": scm, "flit/pyproject.toml": flit, "own/pyproject.toml": scm, "own/" + archival: "node: 1\n"})
	for dir, want := range map[string]string{"scm": "src/.git_archival.txt src/pyproject.toml", "flit": "src/pyproject.toml", "own": "src/.git_archival.txt src/pyproject.toml"} {
		p, err := NewAppPlan(appRequest(t, root, dir))
		if err != nil {
			t.Fatal(err)
		}
		task := &task{b: &Builder{}, p: p, source: p.sourceOf(p.Packages[0])}
		if task.src, err = task.b.identify(t.Context(), p, &task.source, nil); err != nil {
			t.Fatal(err)
		}
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		if err := errors.Join(task.content().WriteTar(w, "src", 1000, 1000), w.Close()); err != nil {
			t.Fatal(err)
		}
		var names []string
		for r := tar.NewReader(&buf); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				names = append(names, h.Name)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", dir, got, want)
		}
	}
}

// TestReadPins reads a file again that somebody has replaced.
func TestReadPins(t *testing.T) {
	b := &Builder{Pins: &project.Pins{Path: filepath.Join(t.TempDir(), "pybake.lock")}}
	if l, err := b.Pins.Read(); err != nil || len(l.Builders) > 0 {
		t.Fatal(l, err)
	}
	for i := range 3 {
		pin := project.SetPin{Distro: "trixie", Arch: "amd64", For: fmt.Sprint("wheels 3.", i)}
		if err := project.Update(b.Pins.Path, func(l *project.Lock) error { l.Builders = []project.SetPin{pin}; return nil }); err != nil {
			t.Fatal(err)
		}
		one, err := b.Pins.Read()
		if err != nil || len(one.Builders) != 1 || one.Builders[0].For != pin.For {
			t.Fatal(one, err)
		}
		if two, err := b.Pins.Read(); err != nil || two != one {
			t.Error("read twice", err)
		}
	}
	if err := os.Remove(b.Pins.Path); err != nil {
		t.Fatal(err)
	}
	if l, err := b.Pins.Read(); err != nil || len(l.Builders) > 0 {
		t.Error("a file that is gone:", l, err)
	}
}

// TestTreePins keeps what a tree of a lock is built with when the tree is edited.
func TestTreePins(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"libs/foo/pyproject.toml": flit, "libs/foo/foo.py": ""})
	p := &Plan{Distro: "trixie", Arch: "amd64", req: Request{Root: root}}
	src := source{pkg: &Package{Name: "foo"}}
	src.pkg.selected.Source = lock.Source{Kind: lock.Directory, Path: "libs/foo"}
	read := func() (pin project.BuildPin, digest string) {
		t.Helper()
		if _, err := (&Builder{}).identify(context.Background(), p, &src, nil); err != nil {
			t.Fatal(err)
		}
		return p.buildPin(&src), src.digest
	}
	before, one := read()
	write(t, root, map[string]string{"libs/foo/foo.py": "x = 1\n"})
	after, two := read()
	if diff := cmp.Diff(before, after); diff != "" || one == two {
		t.Errorf("%s\n%s, %s", diff, one, two)
	}
}
