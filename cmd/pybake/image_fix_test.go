package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/bundle"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

func TestLeftRefs(t *testing.T) {
	for _, test := range []struct {
		tags     []string
		checking bool
		want     []string
	}{
		{[]string{"shop:1"}, false, nil},
		{[]string{"<none>:<none>"}, false, []string{"sha256:1"}},
		{nil, true, []string{"sha256:1"}},
		{[]string{"pybake/checking:ab-cd", "shop:1"}, false, []string{"pybake/checking:ab-cd"}},
		{[]string{"pybake/checking:ab-cd"}, true, nil},
	} {
		if got := leftRefs(named([]engine.Image{{ID: "sha256:1", Tags: test.tags}})[0], test.checking); !slices.Equal(got, test.want) {
			t.Errorf("%q, %v: %q, want %q", test.tags, test.checking, got, test.want)
		}
	}
}

func TestDirty(t *testing.T) {
	for status, want := range map[string]bool{
		"":                                      false,
		" M pybake.lock\x00":                    false,
		"M  app/pybake.toml\x00":                false,
		" M pybake.lock\x00 M src/a.py\x00":     true,
		"R  pybake.lock\x00src/a.py\x00":        true,
		"R  pybake.lock\x00app/pybake.lock\x00": false,
		" D a\x00":                              true,
	} {
		if got := dirty(status); got != want {
			t.Errorf("%q: %v", status, got)
		}
	}
}

// TestDescribeTree: pinning, which changes pybake.lock, is no change of the tree.
func TestDescribeTree(t *testing.T) {
	sys := testSystem(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", sys.dir, "-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(sys.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(sys.dir, "other"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.py", project.LockFile, "other/b.py"} {
		write(name, "1\n")
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "x")
	git("tag", "v1.4.2")
	sys.getenv = os.Getenv
	r := &imageRun{a: newApp(sys)}
	for _, step := range []struct{ change, want string }{
		{"", "v1.4.2"}, {project.LockFile, "v1.4.2"}, {"new.py", "v1.4.2"}, {"a.py", "v1.4.2-dirty"},
	} {
		if step.change != "" {
			write(step.change, "2\n")
		}
		known := r.describeTree(t.Context(), sys.dir)
		if known.version != step.want || strings.HasSuffix(known.commit, "-dirty") != strings.HasSuffix(step.want, "-dirty") || known.time.IsZero() {
			t.Errorf("after a change of %q: %+v, want version %s", step.change, known, step.want)
		}
	}
}

func TestTags(t *testing.T) {
	vars := map[string]string{"name": "web", "distro": "trixie", "version": "1", "python": ""}
	for tag, want := range map[string]string{
		"shop:{version}":  "shop:1",
		"{name}":          "web:latest",
		"shop:{python}":   "image web: tag shop:{python}: nothing says a python",
		"shop:a{python}":  "image web: tag shop:a{python}: nothing says a python",
		"shop:{{python}}": `image web: tag shop:{{python}}: "shop:{python}": `,
		"shop:.{version}": `image web: tag shop:.{version}: "shop:.1": `,
	} {
		got, err := tags(project.Image{Name: "web", Tags: []string{tag}}, vars)
		if err != nil {
			got = []string{err.Error()}
		}
		if !strings.HasPrefix(got[0], want) {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
}

// bundleWith is a bundle of one artifact and what a test changes.
func bundleWith(t *testing.T, change func(head *bundle.Head, m *artifacts.Manifest, more *[]bundle.Source)) *loading {
	t.Helper()
	m := artifacts.Manifest{Format: artifacts.ManifestFormat, Kind: image.Kind, Name: "image web trixie amd64", Inputs: []artifacts.Input{{Name: "a", Value: "b"}}}
	m.Key, _ = artifacts.NewKey(m.Kind, m.Inputs)
	m.Files = []artifacts.File{{Path: "image.json", Size: 2, SHA256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}
	head := bundle.Head{Arch: "amd64", Images: map[string]string{"web": string(m.Key)}, Tags: map[string]string{"web:1": "web"}}
	dir := "store/image/" + string(m.Key) + "/"
	var more []bundle.Source
	change(&head, &m, &more)
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	sources := append([]bundle.Source{{Name: dir + "manifest.json", Data: text}, {Name: dir + "image.json", Data: []byte("{}")}}, more...)
	if err := bundle.Write(t.Context(), &file, head, sources); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "x.tar")
	if err := os.WriteFile(name, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return &loading{b: b}
}

// archiveOf is an archive of docker's with an image of some tags.
func archiveOf(t *testing.T, tags ...string) []byte {
	t.Helper()
	text, err := json.Marshal([]dockerImage{{Config: "c", RepoTags: tags}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestLoadCheck: what a bundle with right checksums may not say.
func TestLoadCheck(t *testing.T) {
	base := project.BasePin{Distro: "trixie", Arch: "amd64", Origin: "engine", Ref: "debian:trixie", Digest: "sha256:" + strings.Repeat("4", 64)}
	pins, err := (&project.Lock{Format: project.LockFormat, Bases: []project.BasePin{base}}).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ref := distro.BaseRef(distro.Target{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}, base.Digest)
	type (
		H = *bundle.Head
		M = *artifacts.Manifest
		S = *[]bundle.Source
	)
	archive := func(more S, data []byte) {
		*more = append(*more, bundle.Source{Name: "engine/base-trixie-amd64.tar", Data: data})
	}
	lockFile := func(more S) { *more = append(*more, bundle.Source{Name: project.LockFile, Data: pins}) }
	for name, test := range map[string]struct {
		change func(H, M, S)
		want   string // empty: it is accepted
	}{
		"whole":         {func(h H, m M, s S) { lockFile(s); archive(s, archiveOf(t, ref)) }, ""},
		"other key":     {func(h H, m M, s S) { m.Key = artifacts.Key(strings.Repeat("0", 64)) }, "the manifest says key 0000"},
		"other inputs":  {func(h H, m M, s S) { m.Inputs[0].Value = "c" }, "its inputs make"},
		"other kind":    {func(h H, m M, s S) { m.Kind = "layer" }, `the manifest says kind "layer"`},
		"other name":    {func(h H, m M, s S) { m.Name = "python 3.13.5 trixie amd64" }, "of another kind"},
		"other hash":    {func(h H, m M, s S) { m.Files[0].SHA256 = strings.Repeat("0", 64) }, "image.json is not in the file"},
		"missing file":  {func(h H, m M, s S) { m.Files = append(m.Files, artifacts.File{Path: "b"}) }, "b is not in the file"},
		"leaving path":  {func(h H, m M, s S) { m.Files[0].Path = "../image.json" }, "not a file that an artifact has"},
		"more files":    {func(h H, m M, s S) { m.Files = nil }, "no manifest lists it"},
		"no artifact":   {func(h H, m M, s S) { h.Images["web"] = strings.Repeat("1", 64) }, "image web: the file does not have the artifact"},
		"no image":      {func(h H, m M, s S) { h.Tags["a:1"] = "b" }, "tag a:1: the file has no image b"},
		"bad tag":       {func(h H, m M, s S) { h.Tags["A:1"] = "web" }, "tag A:1"},
		"own tag":       {func(h H, m M, s S) { h.Tags["pybake/base:trixie"] = "web" }, "pybake/ is for"},
		"own tag, long": {func(h H, m M, s S) { h.Tags["docker.io/pybake/base:trixie"] = "web" }, "pybake/ is for"},
		"any archive":   {func(h H, m M, s S) { lockFile(s); archive(s, archiveOf(t, ref, "debian:trixie")) }, "debian:trixie, which is no base image"},
		"no pins":       {func(h H, m M, s S) { archive(s, archiveOf(t, ref)) }, "no pybake.lock"},
		"no archive":    {func(h H, m M, s S) { lockFile(s); archive(s, []byte("x")) }, "engine/base-trixie-amd64.tar: "},
	} {
		t.Run(name, func(t *testing.T) {
			l := bundleWith(t, func(h *bundle.Head, m *artifacts.Manifest, s *[]bundle.Source) { test.change(h, m, s) })
			err := l.check()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestOwners: what an image needs of the pins, beside what others pinned.
func TestOwners(t *testing.T) {
	sys := testSystem(t)
	s := &saving{run: &imageRun{a: newApp(sys), project: &project.Project{}}}
	artifact := func(name string, labels map[string]string) *artifacts.Artifact {
		return &artifacts.Artifact{Manifest: artifacts.Manifest{Name: name, Labels: labels}}
	}
	labels := map[string]string{"series": "3.13", "version": "3.13.5", "distro": "trixie", "arch": "amd64"}
	o := s.ownersOf(image.Request{Links: []image.Link{
		{Image: project.Image{Name: "base"}, Python: artifact("python 3.13.5 trixie amd64", labels)},
		{Image: project.Image{Name: "web"}, House: &image.House{Artifact: artifact("wheels uv.lock 3.13.5 trixie amd64", labels)},
			App: &image.App{Root: filepath.Join(sys.dir, "services", "web")}},
	}})
	for owner, want := range map[string]bool{
		"python 3.13": true, "image base": true, "image web": true, "wheels uv.lock 3.13": true,
		"image other": false, "python 3.12": false, "wheels uv.lock 3.12": false,
	} {
		if o.runtimes[owner] != want {
			t.Errorf("runtime packages for %s: want %v", owner, want)
		}
	}
	for owner, want := range map[string]bool{"wheels 3.13": true, "wheels 3.13 libpq-dev": true, "wheels 3.1": false, "wheels 3.12": false} {
		if o.builder(owner) != want {
			t.Errorf("builder packages for %s: want %v", owner, want)
		}
	}
	if want := project.DirectorySource("services/web"); o.source != want {
		t.Errorf("build pin of %s, want %s", o.source, want)
	}
}

// TestRunNewest: the image that was made last runs, whatever the engine lists first.
func TestRunNewest(t *testing.T) {
	one := project.Image{Name: "web", From: "trixie", Tags: []string{"shop:{version}", "web:{python}"}}
	target := &runTarget{project: &project.Project{}, image: one, name: "web"}
	for _, test := range []struct {
		tags []string
		want string
	}{
		{[]string{"other:1", "web:3.13.5"}, "web:3.13.5"}, {[]string{"web:3.13.5", "shop:2"}, "shop:2"}, {[]string{"shopping:1"}, ""}, {nil, ""},
	} {
		if got := target.tagOf(engine.Image{Tags: test.tags}); got != test.want {
			t.Errorf("%q: %q, want %q", test.tags, got, test.want)
		}
	}
}

// TestMayBake: nothing is baked for who asked that nothing is made or added.
func TestMayBake(t *testing.T) {
	sys := testSystem(t)
	image := func(args ...string) string {
		return said(t, sys, 1, append([]string{"image", "--python", "3.13.5", "--distro", "trixie", "--tag", "a:1"}, args...)...)
	}
	for arg, want := range map[string]string{
		"--frozen":  "python 3.13.5 for trixie is not in the store, and --frozen adds nothing\n",
		"--dry-run": "python 3.13.5 for trixie is not in the store, and --dry-run makes nothing\n",
	} {
		if got := image(arg); !strings.Contains(got, want) || !strings.Contains(got, "hint: pybake python 3.13.5 --distro trixie") {
			t.Errorf("%s: said %q", arg, got)
		}
	}
}
