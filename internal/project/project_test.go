package project

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pybake/pybake/internal/strict"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		write(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(filepath.Join(below, File), 0o755); err != nil { // a directory of that name is no project
		t.Fatal(err)
	}
	if got, ok := Find(below); ok {
		t.Errorf("found %s", got)
	}
	write(t, filepath.Join(root, File), "")
	for _, dir := range []string{root, below, filepath.Join(below, "not", "there")} {
		if got, ok := Find(dir); !ok || got != root {
			t.Errorf("from %s: %q, %v", dir, got, ok)
		}
	}
	t.Chdir(below)
	if got, ok := Find("."); !ok || got != root {
		t.Errorf("from .: %q, %v", got, ok)
	}
}

const tools = `python = "3.13.5"
distro = "trixie"
store = "out/baked"
sources = ["/srv/mirror", "mirror/../sources", "https://mirror.example.org/python/"]
[distros.trixie]
mirror = "http://mirror.example.org/debian"
image = "registry.example.org:5000/corp/base:1@sha256:0f"
[distros.jammy]
[wheels]
locks = ["requirements.lock", "services/api/uv.lock"]
allow = ["--index-url"]
no-binary = ["lxml", ":all:"]
only-binary = ["numpy"]
groups = ["docs"]
no-groups = ["dev"]
extras = ["postgres"]
constraints = ["setuptools<81", 'cython<3; python_version < "3.9"']
debug-symbols = true
exclude-newer = "2025-06-01"
[[index]]
name = "corp"
url = "https://${CORP_USER}:${CORP_TOKEN}@pypi.example.org/simple/"
[[index]]
name = "here"
url = "http://127.0.0.1:3141/root/${STAGE}/+simple/"
`

func TestLoad(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, File), tools)
	p, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	want := &Project{
		Root: root, Python: "3.13.5", Distro: "trixie", Store: filepath.Join(root, "out/baked"),
		Sources: []string{"/srv/mirror", filepath.Join(root, "sources"), "https://mirror.example.org/python/"},
		Distros: map[string]Distro{
			"trixie": {Mirror: "http://mirror.example.org/debian", Image: "registry.example.org:5000/corp/base:1@sha256:0f"},
			"jammy":  {},
		},
		Wheels: Wheels{
			Locks: []string{"requirements.lock", "services/api/uv.lock"}, Allow: []string{"--index-url"},
			NoBinary: []string{"lxml", ":all:"}, OnlyBinary: []string{"numpy"},
			Groups: []string{"docs"}, NoGroups: []string{"dev"}, Extras: []string{"postgres"},
			Constraints: []string{"setuptools<81", `cython<3; python_version < "3.9"`}, ExcludeNewer: "2025-06-01", DebugSymbols: true,
		},
		Indexes: []Index{
			{"corp", "https://${CORP_USER}:${CORP_TOKEN}@pypi.example.org/simple/"},
			{"here", "http://127.0.0.1:3141/root/${STAGE}/+simple/"},
		},
		Matrix: Matrix{
			Pythons: []string{"3.13.5"}, Distros: []string{"trixie"}, Variants: []string{"full"},
			Locks: []string{"requirements.lock", "services/api/uv.lock"},
		},
		Publication: Publication{Dir: filepath.Join(root, "published"), Valid: Duration(7 * day), Keep: 5, Origin: "pybake"},
	}
	if diff := cmp.Diff(want, p, cmpopts.IgnoreUnexported(Project{})); diff != "" {
		t.Error(diff)
	}
	if got, want := p.LockPath("/store"), filepath.Join(root, LockFile); got != want {
		t.Errorf("lock at %s, want %s", got, want)
	}
	cause := errors.New("not known")
	err = p.At("python", cause)
	if got, want := err.Error(), filepath.Join(root, File)+":1:10: python: not known"; got != want || !errors.Is(err, cause) {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := p.At("distros.noble", cause); err != cause {
		t.Errorf("a key that is not given: %v", err)
	}
	if err := p.At("python", nil); err != nil {
		t.Errorf("no error: %v", err)
	}
}

func TestNoProject(t *testing.T) {
	if _, err := Load(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	p := &Project{}
	if p.Recipes() != nil || p.LockPath("/store") != "/store/pybake.lock" {
		t.Errorf("recipes %v, lock %s", p.Recipes(), p.LockPath("/store"))
	}
	cause := errors.New("not known")
	if err := p.At("python", cause); err != cause {
		t.Errorf("got %v", err)
	}
}

func TestRecipes(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, File), "")
	write(t, filepath.Join(root, "recipes", "releases.csv"), "x")
	p, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.Recipes().Open("releases.csv")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestProblems compares what is said of broken files; secrets do not show.
func TestProblems(t *testing.T) {
	const secret = "hunter2"
	for name, text := range map[string]string{
		"values": `pyhton = "3.13.5"
python = ""
store = ""
sources = ["", "ftp://mirror.example.org", "https://me:` + secret + `@mirror.example.org/", "https://me:` + secret + `@[broken", "https:///x"]
[distros.trixie]
mirror = "file:///srv"
image = "Corp Base"
miror = "x"
[distros."../x"]
`,
		"wheels": `[wheels]
lock = ["requirements.lock"]
locks = ["", "/etc/requirements.lock", "../requirements.lock", "a.lock", "./a.lock"]
allow = ["--index-urll", "-i", "--hash", "--pre", "--pre"]
no-binary = ["lx ml", "Foo.Bar", "foo-bar", ":none:"]
only-binary = ["foo_bar"]
groups = [""]
no-groups = ["dev", "Dev"]
extras = ["a[b]"]
constraints = ["setuptools<", "setuptools @ https://pypi.example.org/s.whl", "--hash=sha256:00", "setuptools[core]<81"]
exclude-newer = "yesterday"
[[index]]
nmae = "corp"
[[index]]
name = "a b"
url = "https://me:` + secret + `@pypi.example.org/simple"
[[index]]
name = "corp"
url = "http://pypi.example.org/simple"
[[index]]
name = "CORP"
url = "https://pypi.example.org/simple?token=` + secret + `"
`,
		"wheels-types": `index = ["https://pypi.example.org/"]
[wheels]
locks = "requirements.lock"
constraints = "build-constraints.txt"
exclude-newer = 2025-06-01
`,
		"types": `python = 3.13
sources = "https://mirror.example.org"
distros = ["trixie"]
[images.web]
form = "trixie"
`,
	} {
		root := t.TempDir()
		write(t, filepath.Join(root, File), text)
		_, err := Load(root)
		var errs strict.Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%s: %v", name, err)
		}
		got := strings.ReplaceAll(err.Error(), root+"/", "")
		if strings.Contains(got, secret) {
			t.Errorf("%s: a secret shows: %s", name, got)
		}
		golden(t, name+".golden", got+"\n")
	}
}

func TestHuge(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, File)
	write(t, file, "")
	if err := os.Truncate(file, 1<<40); err != nil { // must not be read
		t.Fatal(err)
	}
	_, err := Load(root)
	want := fmt.Sprintf("%s: %d bytes: more than %d, which is as much as is read", file, 1<<40, strict.MaxSize)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
