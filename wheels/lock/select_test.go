package lock

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var python311 = Target{Python: "3.11.7", Arch: "x86_64", Glibc: [2]int{2, 36}}

// list is what a selection says in short: what is selected, left out and noted,
// or the error.
func list(fsys fstest.MapFS, name string, options Options, target Target) string {
	l, err := Read(fsys, name, options)
	if err != nil {
		return "read: " + err.Error()
	}
	s, err := l.Select(target)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, p := range s.Packages {
		line := p.Name + " " + p.Version
		for _, c := range p.Candidates {
			line += " " + c.Origin + ":" + c.Name
		}
		lines = append(lines, line)
	}
	for _, left := range s.Left {
		lines = append(lines, "left out "+left.Name)
	}
	return strings.Join(append(lines, s.Notes...), "\n")
}

// uvLock is packages of a uv.lock, such as "foo 1.0: dependency; dependency".
func uvLock(pkgs ...string) string {
	b := strings.Builder{}
	b.WriteString(uvHead)
	for _, p := range pkgs {
		head, deps, _ := strings.Cut(p, ": ")
		name, version, _ := strings.Cut(head, " ")
		source := `registry = "https://index.example.org/simple"`
		if name == "demo" {
			source = `editable = "."`
		}
		fmt.Fprintf(&b, "[[package]]\nname = %q\nversion = %q\nsource = { %s }\n", name, version, source)
		if name != "demo" {
			fmt.Fprintf(&b, "wheels = [{ url = \"https://files.example.org/%s-%s-py3-none-any.whl\", hash = %q }]\n", name, version, sha)
		}
		b.WriteString("dependencies = [")
		for _, dep := range strings.Split(deps, "; ") {
			if dep != "" {
				b.WriteString("{ " + dep + " }, ")
			}
		}
		b.WriteString("]\n")
	}
	return b.String()
}

// poetryLock is packages of a poetry.lock, each as lines of TOML.
func poetryLock(version string, pkgs ...string) string {
	var b strings.Builder
	for _, p := range pkgs {
		head, more, _ := strings.Cut(p, "\n")
		name, v, _ := strings.Cut(head, " ")
		fmt.Fprintf(&b, "[[package]]\nname = %q\nversion = %q\nfiles = [{file = \"%s-%s.tar.gz\", hash = %q}]\n%s\n", name, v, name, v, sha, more)
	}
	fmt.Fprintf(&b, "[metadata]\nlock-version = %q\npython-versions = \"^3.8\"\ncontent-hash = \"x\"\n", version)
	return b.String()
}

func TestSelect(t *testing.T) {
	linux311 := python311
	with := func(change func(*Target)) Target { target := linux311; change(&target); return target }
	tests := []struct {
		name   string
		files  map[string]string // the first by name that is a lock is read
		lock   string
		allow  []string
		target Target
		want   string
	}{
		{name: "project in its own lock", lock: "r.txt", files: map[string]string{"r.txt": "-e .\nfoo==1.0" + hash}, want: "foo 1.0 :\nleft out "},
		{name: "forks by marker", lock: "r.txt", files: map[string]string{"r.txt": "foo==1.0 ; python_version < '3.11'" + hash + "\nFoo==2.0 ; python_version >= '3.11'" + hash}, want: "foo 2.0 :"},
		{name: "two of one name", lock: "r.txt", files: map[string]string{"r.txt": "foo==1.0" + hash + "\nFOO==2.0" + hash},
			want: "r.txt:2:1: two of foo are selected for this target: 1.0 at r.txt:1:1 and 2.0 at r.txt:2:1"},
		{name: "one version twice", lock: "r.txt", files: map[string]string{"r.txt": "foo==1.0" + hash + "\nfoo[x]==1" + hash}, want: "foo 1.0 :"},
		{name: "local version", lock: "r.txt", files: map[string]string{"r.txt": "torch==2.1+cpu" + hash + "\nfoo===3.2.3-2" + hash}, want: "foo 3.2.3.post2 :\ntorch 2.1+cpu :"},
		{name: "BOM, CRLF, continuations and comments", lock: "r.txt", files: map[string]string{"r.txt": "\xef\xbb\xbf# c\r\nfoo==1.0 \\\r\n  --hash=" + sha + " \\\r\n  --hash=sha512:" + strings.Repeat("0", 128) + " # c\r\n  # via bar\r\n"}, want: "foo 1.0 :"},
		{name: "no comment without a space", lock: "r.txt", files: map[string]string{"r.txt": "bar==2#c" + hash}, want: "read: r.txt:1:7: requirement \"bar==2#c\": expected \",\", \";\" or the end, found \"#c\""},
		{name: "index allowed", lock: "r.txt", allow: []string{"--index-url", "--no-binary"}, files: map[string]string{"r.txt": "-i https://${USER}:${PASS}@index.example.org/simple/\n--no-binary foo\nfoo==1.0" + hash}, want: "foo 1.0 :"},
		{name: "constraints pin", lock: "r.txt", files: map[string]string{"r.txt": "-c c.txt\nfoo", "c.txt": "foo==1.0" + hash + "\nbar==1.0" + hash}, want: "foo 1.0 :"},
		{name: "includes", lock: "a/r.txt", files: map[string]string{"a/r.txt": "-r ../b/r.txt\n-r../b/r.txt", "b/r.txt": "--require-hashes\nfoo==1.0" + hash}, want: "foo 1.0 :"},
		{name: "direct archives", lock: "r.txt", files: map[string]string{"r.txt": "https://files.example.org/foo-1.0-py3-none-any.whl" + hash + "\nbar @ https://files.example.org/v1.zip#sha256=" + strings.Repeat("0", 64)},
			want: "bar  sdist:v1.zip\nfoo 1.0 wheel:foo-1.0-py3-none-any.whl"},
		{name: "git and paths", lock: "r.txt", files: map[string]string{"r.txt": "foo @ git+ssh://git@git.example.org/foo@" + hex1 + "\n./libs/bar\n", "libs/bar/setup.py": ""}, want: "bar  sdist:\nfoo  sdist:"},
		{name: "path that is not there", lock: "r.txt", files: map[string]string{"r.txt": "./libs/bar\n"}, want: "read: r.txt:1:1: \"libs/bar\": no such directory in the project"},

		{name: "uv: graph", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock(`demo 1.0: name = "foo"`, `foo 1.0: name = "bar"`, `bar 1.0: name = "foo"`, "lost 1.0")},
			want: "bar 1.0 wheel:bar-1.0-py3-none-any.whl\nfoo 1.0 wheel:foo-1.0-py3-none-any.whl\nleft out demo"},
		{name: "uv: missing", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock(`demo 1.0: name = "foo"`)}, want: "uv.lock:7:17: demo needs foo, which is missing in the lock"},
		{name: "uv: missing elsewhere", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock(`demo 1.0: name = "foo", marker = "sys_platform == 'win32'"`)}, want: "left out demo"},
		{name: "uv: two versions", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock("demo 1.0: name = \"foo\"; name = \"bar\"", "foo 1.0", "foo 2.0", "bar 1.0")}, want: "uv.lock:7:17: foo may be 1.0 of https://index.example.org/simple at uv.lock:8:3 or 2.0 of https://index.example.org/simple at uv.lock:14:3 for this target"},
		{name: "environments", lock: "pylock.toml", files: map[string]string{"pylock.toml": "lock-version = \"1.0\"\ncreated-by = \"x\"\nenvironments = [\"sys_platform == 'emscripten'\"]\npackages = []"},
			want: "pylock.toml:3:17: the lock is not for Python 3.11.7 on Linux x86_64, but only for: sys_platform == \"emscripten\""},
		{name: "requires-python", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock("demo 1.0")}, target: with(func(t *Target) { t.Python = "3.8.20" }), want: "uv.lock:2:19: requires Python >=3.9, which excludes 3.8.20"},
		{name: "python of the lock of pipenv", lock: "Pipfile.lock", files: map[string]string{"Pipfile.lock": `{"_meta": {"pipfile-spec": 6, "requires": {"python_version": "3.8"}}}`}, want: "Pipfile.lock:1:62: requires Python ==3.8.*, which excludes 3.11.7"},
		{name: "requires-python of a package", lock: "pylock.toml", files: map[string]string{"pylock.toml": pylockHead + "requires-python = \">=3.12\"\nwheels = [{url = \"https://files.example.org/foo-1.0-py3-none-any.whl\", hashes = {sha256 = \"" + sha[7:] + "\"}}]\n"},
			want: "pylock.toml:3:3: foo 1.0 requires Python >=3.12, which excludes 3.11.7"},
		{name: "extras and groups of PEP 751", lock: "pylock.toml", target: with(func(t *Target) { t.Extras = []string{"Fast"} }), files: map[string]string{"pylock.toml": strings.Replace(pylockHead, "[[pack", "extras = [\"fast\"]\ndependency-groups = [\"dev\"]\ndefault-groups = [\"dev\"]\n[[pack", 1) +
			"marker = \"'fast' in extras and 'dev' in dependency_groups\"\nsdist = {url = \"https://files.example.org/foo-1.0.tar.gz\", hashes = {sha256 = \"" + sha[7:] + "\"}}\n"}, want: "foo 1.0 sdist:foo-1.0.tar.gz"},
		{name: "unknown extra", lock: "pylock.toml", target: with(func(t *Target) { t.Extras = []string{"fats"} }), files: map[string]string{"pylock.toml": "lock-version = \"1.0\"\ncreated-by = \"x\"\nextras = [\"fast\"]\npackages = []"},
			want: "select from pylock.toml: no extra \"fats\" in the lock; did you mean \"fast\"?"},
		{name: "unknown group", lock: "r.txt", target: with(func(t *Target) { t.NoGroups = []string{"dev"} }), files: map[string]string{"r.txt": "foo==1" + hash}, want: "select from r.txt: no group \"dev\": the lock has no groups"},
		{name: "invented names of pipenv", lock: "pylock.toml", files: map[string]string{"pylock.toml": strings.Replace(pylockHead, "hand", "pipenv", 1) + "wheels = [{name = \"foo-1.0-py3-none-any.whl\", hashes = {sha256 = \"" + sha[7:] + "\"}}]\n"}, want: "foo 1.0 :"},
		{name: "only another platform", lock: "pylock.toml", files: map[string]string{"pylock.toml": pylockHead + "wheels = [{url = \"https://files.example.org/foo-1.0-cp311-cp311-win_amd64.whl\", hashes = {sha256 = \"" + sha[7:] + "\"}}]\n"},
			want: "pylock.toml:3:3: foo 1.0: no file for Python 3.11.7 on x86_64 with glibc 2.36: the lock has no sdist, and wheels only for cp311-cp311-win_amd64"},

		{name: "poetry: groups", lock: "poetry.lock", target: with(func(t *Target) { t.NoGroups = []string{"dev"} }), files: map[string]string{"poetry.lock": poetryLock("2.1", "foo 1.0\ngroups = [\"main\", \"dev\"]\nmarkers = {main = \"python_version < '3.11'\"}", "bar 1.0\ngroups = [\"main\"]")},
			want: "bar 1.0 sdist:bar-1.0.tar.gz\nno pyproject.toml beside the lock: no group is taken to be optional"},
		{name: "poetry: missing", lock: "poetry.lock", files: map[string]string{"poetry.lock": poetryLock("2.1", "foo 1.0\ngroups = [\"main\"]\n[package.dependencies]\nbar = \">=1\"\nsetuptools = \"*\"\nbaz = {version = \"*\", markers = \"sys_platform == 'win32'\"}\nopt = {version = \"*\", optional = true}"), "pyproject.toml": ""},
			want: "poetry.lock:7:7: foo needs bar, which is missing in the lock"},
		{name: "poetry: old, with its project", lock: "poetry.lock", target: with(func(t *Target) { t.Extras = []string{"fast"} }), files: map[string]string{
			"poetry.lock":    poetryLock("1.1", "foo 1.0\n[package.dependencies]\nbar = \"<2\"\nsetuptools = \"*\"", "bar 2.0", "bar 1.0", "speed 1.0", "tool 1.0", "old 1.0"),
			"pyproject.toml": "[tool.poetry]\nname = \"demo\"\n[tool.poetry.dependencies]\npython = \"^3.8\"\nbar = \"*\"\nfoo = \"^1.0\"\nold = {version = \"*\", python = \"<3.10\"}\nspeed = {version = \"*\", optional = true}\n[tool.poetry.extras]\nfast = [\"speed\"]\n[tool.poetry.group.ci]\noptional = true\n[tool.poetry.group.ci.dependencies]\ntool = \"*\"\n",
		}, want: "bar 1.0 sdist:bar-1.0.tar.gz\nfoo 1.0 sdist:foo-1.0.tar.gz\nspeed 1.0 sdist:speed-1.0.tar.gz\nleft out demo\nfoo wants setuptools, which the lock leaves to the environment"},
		{name: "poetry: bare hashes", lock: "poetry.lock", files: map[string]string{
			"poetry.lock":    "[[package]]\nname = \"foo\"\nversion = \"1.0\"\n[metadata]\ncontent-hash = \"x\"\npython-versions = \"*\"\n[metadata.hashes]\nfoo = [\"" + sha[7:] + "\"]\n",
			"pyproject.toml": "[tool.poetry]\nname = \"demo\"\n[tool.poetry.dependencies]\nfoo = \"*\"\n",
		}, want: "foo 1.0 :\nleft out demo"},
		{name: "pipenv: both sections", lock: "Pipfile.lock", target: with(func(t *Target) { t.Groups = []string{"dev"} }), files: map[string]string{"Pipfile.lock": `{"_meta": {"pipfile-spec": 6}, "default": {"foo": {"version": "==1.0", "hashes": ["` + sha + `"]}},
			"develop": {"Foo": {"version": "==1.1", "hashes": ["` + sha + `"]}}}`}, want: "Pipfile.lock:2:23: two of foo are selected for this target: 1.0 at Pipfile.lock:1:51 and 1.1 at Pipfile.lock:2:23"},
		{name: "pipenv: keys that are markers", lock: "Pipfile.lock", files: map[string]string{"Pipfile.lock": pipfileOf(`{"version": "==1.0", "sys_platform": "== 'win32'", "hashes": ["` + sha + `"]}`)}, want: ""},
		{name: "pdm: entries for extras", lock: "pdm.lock", files: map[string]string{"pdm.lock": pdmHead + "groups = [\"default\"]\nfiles = [{file = \"foo-1.0.tar.gz\", hash = \"" + sha + "\"}]\n[[package]]\nname = \"foo\"\nversion = \"1.0\"\nextras = [\"x\"]\ngroups = [\"default\"]\ndependencies = [\"foo==1.0\"]\n"}, want: "foo 1.0 sdist:foo-1.0.tar.gz"},
		{name: "pdm: another platform", lock: "pdm.lock", files: map[string]string{"pdm.lock": "[metadata]\nlock_version = \"4.5.0\"\nstrategy = [\"inherit_metadata\"]\n[[metadata.targets]]\nrequires_python = \">=3.9\"\nplatform = \"windows_amd64\"\n"},
			want: "pdm.lock:4:12: the lock is not for Python 3.11.7 on Linux x86_64, but only for: python_full_version >= \"3.9\" and sys_platform == \"win32\""},
		{name: "only binary", lock: "poetry.lock", target: with(func(t *Target) { t.OnlyBinary = []string{":all:"} }), files: map[string]string{"poetry.lock": poetryLock("2.1", "foo 1.0\ngroups = [\"main\"]"), "pyproject.toml": ""},
			want: "poetry.lock:1:3: foo 1.0: no file for Python 3.11.7 on x86_64 with glibc 2.36: --only-binary, and none of 0 wheels fits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, text := range tt.files {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if tt.target.Python == "" {
				tt.target = linux311
			}
			if got := list(fsys, tt.lock, Options{Allow: tt.allow}, tt.target); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// TestCandidates holds the order of the files of a package.
func TestCandidates(t *testing.T) {
	files := []string{
		"foo-1.0.tar.gz", "foo-1.0-py3-none-any.whl", "foo-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "foo-1.0-1-py3-none-any.whl",
		"foo-1.0-cp311-cp311-manylinux_2_39_x86_64.whl", "foo-1.0-cp39-abi3-manylinux2014_x86_64.whl", "foo-1.0-py3.9.egg", "Foo-1.0.zip",
		"foo-1.0-cp311-cp311-musllinux_1_2_x86_64.whl", "foo-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
	}
	p := &Package{Name: "foo", Version: "1.0", Source: Source{Kind: Registry}}
	for _, f := range files {
		p.Files = append(p.Files, File{Name: f})
	}
	names := func(target Target) (list []string) {
		s := &selector{Lock: &Lock{File: "x"}, target: target}
		if err := s.prepare(); err != nil {
			t.Fatal(err)
		}
		for _, c := range s.candidates(p) {
			list = append(list, c.Name)
		}
		return list
	}
	sdists := []string{"foo-1.0.tar.gz", "Foo-1.0.zip"}
	best := []string{
		"foo-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "foo-1.0-cp39-abi3-manylinux2014_x86_64.whl", "foo-1.0-1-py3-none-any.whl", "foo-1.0-py3-none-any.whl",
	}
	all := python311
	if got := names(all); !slices.Equal(got, slices.Concat(best, sdists)) {
		t.Errorf("all: %q", got)
	}
	all.NoBinary = []string{":all:"}
	if got := names(all); !slices.Equal(got, sdists) {
		t.Errorf("--no-binary :all:: %q", got)
	}
	all.OnlyBinary = []string{"Foo"}
	if got := names(all); !slices.Equal(got, best) {
		t.Errorf("--no-binary :all: --only-binary foo: %q", got)
	}
	all = python311
	all.Arch = "aarch64"
	if got := names(all); !slices.Equal(got, slices.Concat(best[2:], sdists)) {
		t.Errorf("aarch64: %q", got)
	}
}
