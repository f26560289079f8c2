//go:build engine

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/project"
)

// imageTests make images with the Python that TestBake baked. The subtests stand on
// each other.
func imageTests(t *testing.T, b *bakery) {
	z := newBazaar(t)
	s := newShop(t, b, z)
	ok := t.Run("chain", func(t *testing.T) { imageChain(t, s.on(t)) })
	if !ok {
		t.FailNow() // nothing to go on with
	}
	t.Run("same digest", func(t *testing.T) { imageSameDigest(t, s.on(t)) })
	t.Run("of no file", func(t *testing.T) { imageOfNoFile(t, s.on(t)) })
	t.Run("run", func(t *testing.T) { imageRunning(t, s.on(t)) })
	t.Run("kept", func(t *testing.T) { imageKept(t, s.on(t)) })
	t.Run("delivered", func(t *testing.T) { imageDelivered(t, s.on(t)) })
	t.Run("dockerfile", func(t *testing.T) { imageDockerfile(t, s.on(t)) })
	t.Run("planted faults", func(t *testing.T) { imageFaults(t, s.on(t)) })
	t.Run("killed", func(t *testing.T) { imageKilled(t, s.on(t)) })
	t.Run("full disk", func(t *testing.T) { imageFullDisk(t, s.on(t)) })
	t.Run("closed network", func(t *testing.T) { imageClosed(t, s.on(t)) })
}

// shop is a project with a chain of images, in a store of its own that has the
// baked Python.
type shop struct {
	*bakery
	index *bazaar
	greet map[string]string // versions of a wheel to the lines that lock them
}

// shopTags are the references of the images of the shop.
const (
	shopData  = "pybake-test/shopdata:trixie"
	shopDeps  = "pybake-test/deps:3.13.5"
	shopWeb   = "pybake-test/shop:1.4.2"
	shopTests = "pybake-test/shop-tests:latest"
)

const shopProject = `
distro = "trixie"

[[index]]
name = "bazaar"
url  = "INDEX"

[images.shopdata]
from   = "trixie"
python = "3.13.5"
files  = { "/srv/words" = "words" }
tags   = ["pybake-test/{name}:{distro}"]

[images.shopdeps]
from   = "shopdata"
wheels = "requirements.lock"
tags   = ["pybake-test/deps:{python}"]

[images.shop]
from       = "shopdeps"
app        = "."
entrypoint = ["shop"]
cmd        = ["8000"]
ports      = ["8000"]
env        = { SHOP = "open", PRICE = '5$ "each" \o/' }
init       = true
max-size   = { app = "2MB" }
tags       = ["pybake-test/shop:{version}"]

[images.shop.variants.tests]
files      = { "/srv/tests/try_shop.py" = "tests/try_shop.py" }
entrypoint = ["python", "/srv/tests/try_shop.py"]
check      = ["python", "/srv/tests/try_shop.py"]
tags       = ["pybake-test/shop-tests"]

[images.shop.run]
ports     = ["127.0.0.1:18352:8000"]
read-only = true
`

// shopSource is the application: a web server that needs a compiled module.
const shopSource = `import http.server
import os
import sys

import compiled
import greet

TEXT = "first edition"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/srv/words/hello") as f:
            words = [TEXT, f.read().strip(), greet.WORD, os.environ["SHOP"], str(os.getuid()), compiled.__name__]
        body = "; ".join(words).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    if "--version" in sys.argv:
        return print(TEXT)
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
`

// shopBackend builds the shop. It has the name of the backend that asks the
// repository for the version, and reads it from where that one does.
const shopBackend = `
import base64, hashlib, os, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    assert not os.path.exists(".git"), "the repository is in the build"
    version = os.environ["SETUPTOOLS_SCM_PRETEND_VERSION"]
    info = f"shop-{version}.dist-info/"
    files = {info + "METADATA": f"Metadata-Version: 2.1\nName: shop\nVersion: {version}\nRequires-Dist: compiled\nRequires-Dist: greet\n",
             info + "WHEEL": "Wheel-Version: 1.0\nGenerator: shop\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
             info + "entry_points.txt": "[console_scripts]\nshop = shop:main\n"}
    for name in os.listdir("src/shop"):
        with open("src/shop/" + name) as f:
            files["shop/" + name] = f.read()
    digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    record = "".join(f"{name},sha256={digest(text)},{len(text)}\n" for name, text in files.items())
    files[info + "RECORD"] = record + info + "RECORD,,\n"
    wheel = f"shop-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as z:
        for name, text in files.items():
            z.writestr(name, text)
    return wheel
`

func newShop(t *testing.T, b *bakery, z *bazaar) *shop {
	s := &shop{bakery: b.on(t), index: z, greet: map[string]string{}}
	s.base = append(slices.Clone(b.base), "PIP_INDEX_URL=", "PIP_EXTRA_INDEX_URL=", "PIP_FIND_LINKS=", "no_proxy=127.0.0.1")
	baked := filepath.Join(b.dir, "baked")
	s.move(filepath.Join(b.dir, "shop"))
	lock := z.sdist(built{Name: "compiled", Version: "3.0", Compile: "compiled.c", Files: map[string]string{"compiled.c": extension}}) +
		z.wheel("plain", "1.0", map[string]string{"plain/__init__.py": "", "plain/tests/test_plain.py": "", "plain/native.h": ""})
	for _, version := range []string{"1.0", "1.1"} {
		s.greet[version] = z.wheel("greet", version, map[string]string{"greet.py": "WORD = 'greet " + version + "'\n"})
	}
	for name, text := range map[string]string{
		"pybake.toml":                shopProject,
		"requirements.lock":          lock + s.greet["1.0"],
		".gitignore":                 "/baked/\n/pybake.lock\n*.tar\n",
		"pyproject.toml":             "[build-system]\nrequires = []\nbuild-backend = \"hatchling.build\"\nbackend-path = [\"backend\"]\n\n[project]\nname = \"shop\"\ndynamic = [\"version\"]\n\n[tool.hatch.version]\nsource = \"vcs\"\n",
		"backend/hatchling/build.py": shopBackend,
		"src/shop/__init__.py":       shopSource,
		"tests/try_shop.py":          "import shop\nassert shop.TEXT\n",
		"words/hello":                "bonjour\n",
	} {
		s.write(name, strings.Replace(text, "INDEX", z.url, 1))
	}
	s.git("init", "-q", "-b", "main")
	s.commit("first")
	s.git("tag", "v1.4.2")
	copyStore(t, baked, filepath.Join(s.dir, "baked"), "python")
	copyFile(t, filepath.Join(baked, project.LockFile), s.dir)
	t.Cleanup(func() { s.on(t).forget() })
	return s
}

// on is the shop for a subtest.
func (s *shop) on(t *testing.T) *shop {
	c := *s
	c.bakery = s.bakery.on(t)
	return &c
}

// move makes a directory that of the project, with the store in it.
func (s *shop) move(dir string) {
	c := *s.bakery
	c.dir, c.base = dir, append(slices.Clone(c.base), "PYBAKE_STORE="+filepath.Join(dir, "baked"))
	s.bakery = &c
}

func (s *shop) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		s.t.Fatal(err)
	}
}

// change changes a file of the project.
func (s *shop) change(name, old, new string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil || !bytes.Contains(text, []byte(old)) {
		s.t.Fatalf("%s: no %q: %v", name, old, err)
	}
	s.write(name, strings.Replace(string(text), old, new, 1))
}

func (s *shop) git(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = s.dir, append(slices.Clone(s.base), "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_DATE=2026-05-06T07:08:09Z", "GIT_COMMITTER_DATE=2026-05-06T07:08:09Z",
		"GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *shop) commit(message string) {
	s.t.Helper()
	s.git("add", ".")
	s.git("commit", "-q", "-m", message)
}

// image runs pybake image and returns what it made.
func (s *shop) image(args ...string) (made map[string]madeImage, said string) {
	s.t.Helper()
	out, said, status := s.run(nil, append([]string{"image", "--json"}, args...)...)
	if status != 0 {
		s.t.Fatalf("exit status %d", status)
	}
	return readMade(s.t, out), said
}

func readMade(t *testing.T, out string) map[string]madeImage {
	t.Helper()
	var list []madeImage
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	made := map[string]madeImage{}
	for _, m := range list {
		made[m.Name] = m
	}
	return made
}

// copyStore makes a store of the artifacts of some kinds of another: the files are
// the same ones.
func copyStore(t *testing.T, from, to string, kinds ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(to, "artifacts"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		for _, dir := range []string{kind, filepath.Join("artifacts", kind)} {
			if out, err := exec.Command("cp", "-al", filepath.Join(from, dir), filepath.Join(to, dir)).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	copyFile(t, filepath.Join(from, "store.json"), filepath.Join(to, "store.json"))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// images reads the images of the store.
func (s *shop) images() []*image.Image {
	s.t.Helper()
	store, err := artifacts.Open(filepath.Join(s.dir, "baked"))
	if err != nil {
		s.t.Fatal(err)
	}
	found, errs := store.List()
	if len(errs) > 0 {
		s.t.Fatal(errs)
	}
	var all []*image.Image
	for _, it := range found {
		if it.Kind != image.Kind {
			continue
		}
		img, err := image.Read(store, it)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, img)
	}
	return all
}

// forget has the engine forget the images of the shop and their layers.
func (s *shop) forget() {
	s.t.Helper()
	refs := strings.Fields(dockerRun(s.t, "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=pybake-test/*"))
	for _, img := range s.images() {
		refs = append(append(refs, img.Refs()...), s.nameless(img.Name)...)
	}
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		if exec.Command("docker", "image", "inspect", ref).Run() == nil {
			dockerRun(s.t, "rmi", "-f", ref)
		}
	}
}

// isClean sees that runs of the shop left neither containers nor volumes nor drafts.
func (s *shop) isClean() {
	s.t.Helper()
	ctx := context.Background()
	e, err := engine.Connect(ctx, engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}, filepath.Join(s.cache(), "sessions"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer e.Close(ctx)
	left, err := e.Leftovers(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range left {
		if l.Owner == engine.OwnerDead {
			s.t.Errorf("left: %s %s", l.Kind, l.Name)
		}
	}
	if drafts, err := filepath.Glob(filepath.Join(s.dir, "baked/tmp/*")); err != nil || len(drafts) > 0 {
		s.t.Errorf("drafts left: %q, %v", drafts, err)
	}
	for _, ref := range strings.Fields(dockerRun(s.t, "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=pybake/layer:*-image")) {
		name, err := exec.Command("docker", "image", "inspect", "--format", `{{index .Config.Labels "`+image.LabelName+`"}}`, ref).Output()
		if err == nil && strings.HasPrefix(string(name), "shop") { // not of somebody else
			s.t.Errorf("left: %s, an image that was to be checked", ref)
		}
	}
}

// nameless are the images of a definition that lost their tags to newer ones.
func (s *shop) nameless(name string) []string {
	s.t.Helper()
	return strings.Fields(dockerRun(s.t, "images", "-q", "--no-trunc", "--filter", "dangling=true", "--filter", "label="+image.LabelName+"="+name))
}

// cache is the cache of the shop.
func (s *shop) cache() string { return s.variable("PYBAKE_CACHE") }

func (s *shop) variable(name string) string {
	for _, line := range slices.Backward(s.base) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}

// imageID is what the engine has under a reference; empty for nothing.
func imageID(ref string) string {
	out, _ := exec.Command("docker", "image", "inspect", "--format", "{{.Id}}", ref).Output()
	return strings.TrimSpace(string(out))
}

// rows are the layers of an image as "shop app built".
func rows(m madeImage) string {
	var all []string
	for _, l := range m.Layers {
		all = append(all, l.Image+" "+l.Name+" "+l.Origin)
	}
	return strings.Join(all, ", ")
}
