package project

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pybake/pybake/internal/strict"
)

func load(t *testing.T, text string) *Project {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, File), text)
	p, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// place is where p.At puts a problem with a key: "3:8".
func place(t *testing.T, p *Project, key string) string {
	t.Helper()
	var e *strict.Error
	if err := p.At(key, errors.New("x")); !errors.As(err, &e) {
		return "nowhere"
	}
	return fmt.Sprintf("%d:%d", e.Line, e.Col)
}

const shop = `[images.web]
from = "dependencies"
apt = ["libpq5", "media-types"]
app = "."
files = { "/etc/shop/prod.toml" = "conf/prod.toml", "/srv" = "srv" }
entrypoint = ["gunicorn", "shop:app"]
cmd = []
user = "shop:2000"
workdir = "/srv"
env = { PORT = "8080", "A.B" = "" }
ports = ["8080", "53/udp", "53"]
labels = { "org.example.team" = "shop" }
init = true
check = ["shop", "--version"]
keep = ["tests"]
tags = ["shop:{version}", "registry.example.org:5000/shop:latest"]
max-size = { app = "2MB", total = "0.15GB" }
[images.web.variants.tests]
apt = ["postgresql-client", "libpq5", "less"]
files = { "/srv" = "tests/srv" }
entrypoint = []
cmd = ["pytest", "-q"]
env = { PORT = "8081", CI = "1" }
keep = ["docs"]
[images.web.run]
command = ["--bind", "{{{uid}}}"]
volumes = ["{root}/data:/data:ro", "cache:/var/cache/shop", "${HOME}/x:/x"]
ports = ["127.0.0.1:8080:8080", "[::1]::53/udp"]
env = { TOKEN = "${TOKEN}" }
network = "bridge"
gpus = "device=0,1"
user = "{uid}:{gid}"
workdir = "{workdir}"
memory = "512MB"
cpus = 2
pids = 200
read-only = true
tty = true
tmpfs = ["/tmp", "/run:size=16m,mode=1777"]
[images.web.runs.migrate]
[images.dependencies]
from = "data"
wheels = "requirements.lock"
extras = ["postgres"]
groups = ["Docs.More", "web"]
no-groups = ["dev", "lint"]
[images.dependencies.variants.dev]
groups = ["Dev"]
no-groups = ["docs-more"]
tags = ["shop-dev"]
[images.data]
from = "trixie"
python = "3.13"
[images.a-tool]
from = "dependencies-dev"
`

func TestImages(t *testing.T) {
	p := load(t, shop)
	var names []string
	for _, image := range p.AllImages() {
		var chain []string
		for _, link := range image.Standing(p) {
			chain = append(chain, link.Name)
		}
		names = append(names, strings.Join(chain, " "))
		if got := image.Distro(p); got != "trixie" {
			t.Errorf("%s: distro %q", image.Name, got)
		}
	}
	want := []string{
		"data", "data dependencies-dev", "data dependencies-dev a-tool", "data dependencies",
		"data dependencies web", "data dependencies web-tests",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"", "web-", "-tests", "tests", "web-tests-tests", "trixie"} {
		if _, ok := p.ImageNamed(name); ok {
			t.Errorf("there is an image %q", name)
		}
	}
	if len((&Project{}).AllImages()) > 0 {
		t.Error("images without a file")
	}
}

func TestImageValues(t *testing.T) {
	p := load(t, shop)
	web, _ := p.ImageNamed("web")
	want := Image{
		Name: "web", From: "dependencies", Apt: []string{"libpq5", "media-types"}, App: ".",
		Files:      map[string]string{"/etc/shop/prod.toml": "conf/prod.toml", "/srv": "srv"},
		Entrypoint: []string{"gunicorn", "shop:app"}, Cmd: []string{}, User: "shop:2000", Workdir: "/srv",
		Env: map[string]string{"PORT": "8080", "A.B": ""}, Ports: []string{"8080", "53/udp", "53"},
		Labels: map[string]string{"org.example.team": "shop"}, Init: true, Check: []string{"shop", "--version"},
		Keep: []string{"tests"}, Tags: []string{"shop:{version}", "registry.example.org:5000/shop:latest"},
		MaxSize: map[string]Size{"app": 2_000_000, "total": 150_000_000}, Variants: p.Images["web"].Variants,
		Run: &Run{
			Command: []string{"--bind", "{{{uid}}}"}, Volumes: []string{"{root}/data:/data:ro", "cache:/var/cache/shop", "${HOME}/x:/x"},
			Ports: []string{"127.0.0.1:8080:8080", "[::1]::53/udp"}, Env: map[string]string{"TOKEN": "${TOKEN}"}, Network: "bridge",
			GPUs: "device=0,1", User: "{uid}:{gid}", Workdir: "{workdir}", Memory: 512_000_000, CPUs: 2, PIDs: 200, ReadOnly: true, TTY: true,
			Tmpfs: []string{"/tmp", "/run:size=16m,mode=1777"},
		},
		Runs: map[string]Run{"migrate": {}},
	}
	if diff := cmp.Diff(want, web, cmpopts.IgnoreUnexported(Image{})); diff != "" {
		t.Error(diff)
	}
	want.Name, want.Variant, want.Variants = "web-tests", "tests", nil
	want.Apt = []string{"libpq5", "media-types", "postgresql-client", "less"}
	want.Files = map[string]string{"/etc/shop/prod.toml": "conf/prod.toml", "/srv": "tests/srv"}
	want.Entrypoint, want.Cmd, want.Check = []string{}, []string{"pytest", "-q"}, nil
	want.Env = map[string]string{"PORT": "8081", "A.B": "", "CI": "1"}
	want.Keep, want.Tags = []string{"tests", "docs"}, []string{"web-tests:latest"}
	tests, _ := p.ImageNamed("web-tests")
	if diff := cmp.Diff(want, tests, cmpopts.IgnoreUnexported(Image{})); diff != "" {
		t.Error(diff)
	}
	want = Image{
		Name: "dependencies-dev", Variant: "dev", From: "data", Wheels: "requirements.lock", Extras: []string{"postgres"},
		Groups: []string{"web", "Dev"}, NoGroups: []string{"lint", "docs-more"}, Tags: []string{"shop-dev"},
	}
	dev, _ := p.ImageNamed("dependencies-dev")
	if diff := cmp.Diff(want, dev, cmpopts.IgnoreUnexported(Image{})); diff != "" {
		t.Error(diff)
	}
	again, _ := p.ImageNamed("web")
	if diff := cmp.Diff(web, again, cmpopts.IgnoreUnexported(Image{})); diff != "" {
		t.Errorf("a variant changed what it varies: %s", diff)
	}
}

func TestImageKeys(t *testing.T) {
	p := load(t, shop)
	for _, c := range []struct{ image, field, key, place string }{
		{"web", "from", "images.web.from", "2:8"},
		{"web", "apt[1]", "images.web.apt[1]", "3:18"},
		{"web", `env."A.B"`, `images.web.env."A.B"`, "10:32"},
		{"web", "python", "images.web.python", "nowhere"},
		{"web-tests", "from", "images.web.from", "2:8"},
		{"web-tests", "apt", "images.web.variants.tests.apt", "19:1"},
		{"web-tests", "apt[1]", "images.web.apt[1]", "3:18"},
		{"web-tests", "apt[2]", "images.web.variants.tests.apt[0]", "19:8"},
		{"web-tests", "apt[3]", "images.web.variants.tests.apt[2]", "19:39"},
		{"web-tests", "cmd[1]", "images.web.variants.tests.cmd[1]", "22:18"},
		{"web-tests", "check[1]", "images.web.check[1]", "14:18"},
		{"web-tests", `files."/srv"`, `images.web.variants.tests.files."/srv"`, "20:20"},
		{"web-tests", `files."/etc/shop/prod.toml"`, `images.web.files."/etc/shop/prod.toml"`, "5:35"},
		{"web-tests", "env.PORT", "images.web.variants.tests.env.PORT", "23:16"},
		{"web-tests", "run.volumes[1]", "images.web.run.volumes[1]", "27:36"},
		{"web-tests", "tags[0]", "images.web.variants.tests.tags[0]", "nowhere"},
		{"dependencies-dev", "groups[0]", "images.dependencies.groups[1]", "45:24"},
		{"dependencies-dev", "groups[1]", "images.dependencies.variants.dev.groups[0]", "48:11"},
	} {
		image, _ := p.ImageNamed(c.image)
		key := image.Key(c.field)
		if got := place(t, p, key); key != c.key || got != c.place {
			t.Errorf("%s of %s: %s at %s, want %s at %s", c.field, c.image, key, got, c.key, c.place)
		}
	}
	dotted := Image{Name: "web.api"}
	if got := dotted.Key("from"); got != `images."web.api".from` {
		t.Error(got)
	}
}

// TestImagesOfNoFile: what Load refuses ends all the same.
func TestImagesOfNoFile(t *testing.T) {
	p := &Project{Images: map[string]Image{"a": {From: "b"}, "b": {From: "a"}, "c": {From: "c"}}}
	if got := len(p.AllImages()); got != 3 {
		t.Errorf("%d images", got)
	}
}

// TestImageProblems compares what is said of broken files.
func TestImageProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/images-*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		write(t, filepath.Join(root, File), string(text))
		_, err = Load(root)
		if err == nil {
			t.Fatalf("%s: accepted", file)
		}
		golden(t, strings.TrimSuffix(filepath.Base(file), ".toml")+".golden", strings.ReplaceAll(err.Error(), root+"/", "")+"\n")
	}
}

func TestCheckImage(t *testing.T) {
	good := Image{Name: "shop", From: "trixie", Wheels: "uv.lock", Groups: []string{"dev"}, App: ".", User: "root", Tags: []string{"shop:1"}}
	if err := CheckImage(good); err != nil {
		t.Error(err)
	}
	err := CheckImage(Image{Apt: []string{"less", "libpq5=15"}, User: "1000", Workdir: "srv", Tags: []string{"Shop:1"}, Env: map[string]string{"A": "\x00"}, Groups: []string{"x"}})
	want := `apt[1]: "libpq5=15": want the name of a package of the distro, such as "libpq5"
groups: chooses from a lock, but the image has no wheels
env.A: holds a NUL
tags[0]: "Shop:1": want lower-case letters in what is before the tag
user: "1000": want "app", "root", or a name and a number such as "shop:2000"
workdir: "srv": want an absolute path`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestCheckTag(t *testing.T) {
	for _, good := range []string{
		"shop", "shop:1", "corp/shop", "localhost/shop:1", "registry.example.org/shop:1", "registry.example.org:5000/a/b_c/d__e-f--g.h:A_b.-1",
		"[::1]:5000/shop", "{name}:{version}-{distro}-py{python}", "127.0.0.1:5000/shop", "shop:" + strings.Repeat("x", 128), "a/" + strings.Repeat("b", 253),
		"Registry.example.org/shop",
	} {
		if err := CheckTag(good); err != nil {
			t.Error(err)
		}
	}
	for bad, want := range map[string]string{
		"": "want an image", "shop:": "want an image", ":1": "want an image", "/shop": "want an image", "shop/": "want an image", "a//b": "want an image",
		"Shop": "want lower-case", "corp/Shop:1": "want lower-case", "Corp/shop:1": "want lower-case", "sh op": "want an image", "shop:1:2": "want an image",
		"shop@sha256:" + strings.Repeat("0", 64): "no digest", "https://registry.example.org/shop": "want an image", "a___b": "want an image",
		"-shop": "want an image", "shop.": "want an image", "a..b": "want an image", "shop:.1": "want an image", "shop:" + strings.Repeat("x", 129): "want an image",
		strings.Repeat("0", 64): "ID of an image", "a/" + strings.Repeat("b", 254): "more than 255", "registry_.example.org/shop": "want an image",
		"shop:{verison}": "did you mean {version}?", "shop:{uid}": "{uid}: unknown; want one of {distro} {name} {python} {version}",
		"shop:${TAG}": "want an image", "shop\n": "want an image", "{{shop}}": "want an image", "localhost:x/shop": "want an image", "shop:1+1": "want an image",
	} {
		if err := CheckTag(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", bad, err, want)
		}
	}
}

// FuzzImages: no file panics; what is accepted can be expanded, and each image
// comes after what it stands on.
func FuzzImages(f *testing.F) {
	f.Add(shop)
	f.Add("[images.a]\nfrom=\"b\"\n[images.b]\nfrom=\"a-x\"\n[images.a.variants.x]\n")
	f.Add("[images.a]\nfrom=\"trixie\"\n[images.a.run]\nvolumes=[\"{\"]\nports=[\"[\"]\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := &Project{}
		var err error
		if p.doc, err = decode(File, []byte(text), p, func(doc *strict.Doc) strict.Errors { return p.problems(doc, "/shop") }); err != nil {
			return
		}
		var names []string
		for _, image := range p.AllImages() {
			if i := slices.Index(p.imageNames(), image.From); i >= 0 && !slices.Contains(names, image.From) {
				t.Errorf("%s comes before %s", image.Name, image.From)
			}
			names = append(names, image.Name)
			if image.Distro(p) == "" {
				t.Errorf("%s: no distro", image.Name)
			}
			for _, tag := range image.Tags {
				if err := CheckTag(tag); err != nil {
					t.Errorf("%s: %v", image.Name, err)
				}
			}
		}
		if len(names) != len(p.imageNames()) {
			t.Errorf("%q of %q", names, p.imageNames())
		}
	})
}
