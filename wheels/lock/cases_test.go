package lock

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var (
	digits = sha[len("sha256:"):]
	sha384 = strings.Repeat("b2", 48)
	sha512 = strings.Repeat("c3", 64)
)

// archived is a package of a uv.lock with one file.
func archived(name, version, source, file string) string {
	return fmt.Sprintf("[[package]]\nname = %q\nversion = %q\nsource = { %s }\nwheels = [{ url = %q, hash = %q }]\n", name, version, source, file, sha)
}

// TestCases is what real locks hold beside plain pins.
func TestCases(t *testing.T) {
	const registry = `registry = "https://index.example.org/simple"`
	tests := []struct {
		name, lock string
		files      map[string]string
		target     func(*Target)
		want       string
	}{
		{name: "uv: forks by marker", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock(
			`demo 1.0: name = "foo", version = "1.0", marker = "python_full_version < '3.11'"; name = "foo", version = "2.0", marker = "python_full_version >= '3.11'"`, "foo 1.0", "foo 2.0")},
			want: "foo 2.0 wheel:foo-2.0-py3-none-any.whl\nleft out demo"},
		{name: "uv: forks by resolution-markers alone", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock(`demo 1.0: name = "foo"`) +
			strings.Replace(archived("foo", "1.0", registry, "https://files.example.org/foo-1.0-py3-none-any.whl"), "wheels", "resolution-markers = [\"python_full_version < '3.11'\"]\nwheels", 1) +
			strings.Replace(archived("foo", "2.0", registry, "https://files.example.org/foo-2.0-py3-none-any.whl"), "wheels", "resolution-markers = [\"python_full_version >= '3.11'\"]\nwheels", 1)},
			want: "foo 2.0 wheel:foo-2.0-py3-none-any.whl\nleft out demo"},
		{name: "uv: a local version in an address", lock: "uv.lock", files: map[string]string{"uv.lock": uvLock(`demo 1.0: name = "torch"`) +
			archived("torch", "2.1+cpu", registry, "https://files.example.org/torch-2.1%2Bcpu-cp311-cp311-linux_x86_64.whl")},
			want: "left out demo\ntorch 2.1+cpu wheel:torch-2.1+cpu-cp311-cp311-linux_x86_64.whl"},
		{name: "uv: project at another path, virtual and directory", lock: "uv.lock", files: map[string]string{"libs/bar/setup.py": "", "uv.lock": uvHead +
			"[manifest]\nmembers = [\"demo\", \"core\"]\n" +
			"[[package]]\nname = \"demo\"\nversion = \"1\"\nsource = { virtual = \".\" }\ndependencies = [{ name = \"core\" }, { name = \"bar\" }]\n" +
			"[[package]]\nname = \"core\"\nsource = { editable = \"libs/core\" }\n" +
			"[[package]]\nname = \"bar\"\nsource = { directory = \"libs/bar\" }\n"},
			want: "bar  sdist:\nleft out core\nleft out demo"},
		{name: "poetry: .zip, .egg and .exe", lock: "poetry.lock", files: map[string]string{"pyproject.toml": "", "poetry.lock": "[[package]]\nname = \"Foo.Bar\"\nversion = \"3.2.3-2\"\ngroups = [\"main\"]\nfiles = [\n" +
			"{file = \"foo_bar-3.2.3.post2-py3.11.egg\", hash = \"" + sha + "\"}, {file = \"Foo.Bar-3.2.3-2.zip\", hash = \"" + sha + "\"}, {file = \"foo.bar-3.2.3.post2.win-amd64.exe\", hash = \"" + sha + "\"}]\n" + poetryFoot},
			want: "foo-bar 3.2.3.post2 sdist:Foo.Bar-3.2.3-2.zip"},
		{name: "sha384 and sha512 alone", lock: "r.txt", files: map[string]string{"r.txt": "foo==1.0 --hash=sha384:" + sha384 + " --hash=SHA512:" + strings.ToUpper(sha512)}, want: "foo 1.0 :"},
		{name: "sha512 alone in a table", lock: "pylock.toml", files: map[string]string{"pylock.toml": pylockHead + "sdist = {url = \"https://files.example.org/foo-1.0.tar.gz\", hashes = {sha512 = \"" + sha512 + "\", md5 = \"" + digits[:32] + "\"}}\n"},
			want: "foo 1.0 sdist:foo-1.0.tar.gz"},
		{name: "BOM and CRLF of TOML", lock: "uv.lock", files: map[string]string{"uv.lock": "\xef\xbb\xbf" + strings.ReplaceAll(uvLock(`demo 1.0: name = "foo"`, "foo 1.0"), "\n", "\r\n")},
			want: "foo 1.0 wheel:foo-1.0-py3-none-any.whl\nleft out demo"},
		{name: "BOM and CRLF of JSON", lock: "Pipfile.lock", files: map[string]string{"Pipfile.lock": "\xef\xbb\xbf" + strings.ReplaceAll(pipfileOf(`{"version": "==1.0", "hashes": ["`+sha+`"]}`), "\n", "\r\n")}, want: "foo 1.0 :"},
		{name: "pipenv: one version in both sections", lock: "Pipfile.lock", target: func(t *Target) { t.Groups = []string{"dev"} }, files: map[string]string{"Pipfile.lock": `{"_meta": {"pipfile-spec": 6},
			"default": {"foo": {"version": "==1.0", "hashes": ["` + sha + `"]}}, "develop": {"Foo": {"version": "==1.0", "extras": ["x"], "hashes": ["` + sha + `"]}}}`}, want: "foo 1.0 :"},
		{name: "pipenv: two versions, one section", lock: "Pipfile.lock", files: map[string]string{"Pipfile.lock": `{"_meta": {"pipfile-spec": 6},
			"default": {"foo": {"version": "==1.0", "hashes": ["` + sha + `"]}}, "develop": {"foo": {"version": "==1.1", "hashes": ["` + sha + `"]}}}`}, want: "foo 1.0 :"},
		{name: "pipenv: the project", lock: "Pipfile.lock", files: map[string]string{"Pipfile.lock": pipfileOf(`{"editable": true, "path": "."}`)}, want: "left out foo"},
		{name: "pdm: the project", lock: "pdm.lock", files: map[string]string{"pdm.lock": strings.Replace(pdmHead, "version = \"1.0\"\n", "version = \"1.0\"\npath = \".\"\neditable = true\n", 1)}, want: "left out foo"},
		{name: "pylock: the project", lock: "pylock.toml", files: map[string]string{"pylock.toml": pylockHead + "directory = {path = \".\", editable = true}\n"}, want: "left out foo"},
		{name: "pipenv: an address that is made up", lock: "pylock.toml", files: map[string]string{"pylock.toml": strings.Replace(pylockHead, "hand", "pipenv", 1) +
			"index = \"https://index.example.org/simple/\"\nwheels = [{name = \"foo-1.0-py3-none-any.whl\", url = \"https://index.example.org/simple/foo/foo-1.0-py3-none-any.whl\", hashes = {sha256 = \"" + digits + "\"}}]\n"},
			want: "foo 1.0 :"},
		{name: "pipenv: an address of a file", lock: "pylock.toml", files: map[string]string{"pylock.toml": strings.Replace(pylockHead, "hand", "pipenv", 1) +
			"index = \"https://index.example.org/simple/\"\nwheels = [{name = \"foo-1.0-py3-none-any.whl\", url = \"https://files.example.org/foo-1.0-py3-none-any.whl\", hashes = {sha256 = \"" + digits + "\"}}]\n"},
			want: "foo 1.0 wheel:foo-1.0-py3-none-any.whl"},
		{name: "environments, one of which is met", lock: "pylock.toml", files: map[string]string{"pylock.toml": "lock-version = \"1.0\"\ncreated-by = \"x\"\nenvironments = [\"sys_platform == 'win32'\", \"platform_machine == 'x86_64'\"]\npackages = []"}, want: ""},
		{name: "supported-markers", lock: "uv.lock", files: map[string]string{"uv.lock": "version = 1\nrequires-python = \">=3.9\"\nsupported-markers = [\n    \"sys_platform == 'darwin'\",\n]\n"},
			want: "uv.lock:4:5: the lock is not for Python 3.11.7 on Linux x86_64, but only for: sys_platform == \"darwin\""},
		{name: "required-markers choose nothing", lock: "uv.lock", files: map[string]string{"uv.lock": "required-markers = [\"sys_platform == 'darwin'\"]\n" + uvLock(`demo 1.0: name = "foo"`, "foo 1.0")},
			want: "foo 1.0 wheel:foo-1.0-py3-none-any.whl\nleft out demo"},
		{name: "pdm: optional groups are taken", lock: "pdm.lock", files: map[string]string{"pdm.lock": strings.Replace(pdmHead, "[[pack", "groups = [\"default\", \"fast\"]\n[[pack", 1) + "groups = [\"fast\"]\nfiles = [{file = \"foo-1.0.tar.gz\", hash = \"" + sha + "\"}]\n"},
			want: "foo 1.0 sdist:foo-1.0.tar.gz"},
		{name: "pdm: but not where none is", lock: "pdm.lock", target: func(t *Target) { t.NoDefaultGroups = true }, files: map[string]string{"pdm.lock": strings.Replace(pdmHead, "[[pack", "groups = [\"default\", \"fast\"]\n[[pack", 1) + "groups = [\"fast\"]\nfiles = [{file = \"foo-1.0.tar.gz\", hash = \"" + sha + "\"}]\n"},
			want: ""},
		{name: "yanked is for the index to say", lock: "pylock.toml", files: map[string]string{"pylock.toml": pylockHead + "sdist = {url = \"https://files.example.org/foo-1.0.tar.gz\", hashes = {sha256 = \"" + digits + "\"}, yanked = true}\n"}, want: "foo 1.0 sdist:foo-1.0.tar.gz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			for name, text := range tt.files {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			target := python311
			if tt.target != nil {
				tt.target(&target)
			}
			got := strings.Split(list(fsys, tt.lock, Options{}, target), "\n")
			slices.Sort(got)
			if got := strings.Join(got, "\n"); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// TestNewest reads the times that locks give.
func TestNewest(t *testing.T) {
	wheel := func(day string) string {
		return fmt.Sprintf("{ url = \"https://files.example.org/foo-1.0-py3-none-any.whl\", hash = %q, upload-time = \"2026-01-%sT03:04:05.678Z\" }", sha, day)
	}
	const newer = "[options]\nexclude-newer = \"2026-02-03T00:00:00Z\"\n"
	tests := []struct{ name, file, text, newest, bound string }{
		{"uv", "uv.lock", uvPackage + "wheels = [" + wheel("05") + ", " + wheel("07") + ", " + wheel("06") + "]\n", "2026-01-07T03:04:05.678Z", ""},
		{"uv with a bound", "uv.lock", uvHead + newer, "", "2026-02-03T00:00:00Z"},
		{"uv with a span", "uv.lock", uvHead + "[options]\nexclude-newer = \"0001-01-01T00:00:00Z\"\nexclude-newer-span = \"P7D\"\n", "", ""},
		{"pylock", "pylock.toml", pylockHead + "sdist = {url = \"https://files.example.org/foo-1.0.tar.gz\", upload-time = 2026-01-02T03:04:05+01:00, hashes = {sha256 = \"" + digits + "\"}}\n", "2026-01-02T02:04:05Z", ""},
		{"no times", "r.txt", "foo==1.0" + hash, "", ""},
	}
	text := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return at.Format(time.RFC3339Nano)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.file == "uv.lock" {
				tt.text += "[[package]]\nname = \"demo\"\nsource = { virtual = \".\" }\n"
			}
			l, err := Read(fstest.MapFS{tt.file: {Data: []byte(tt.text)}}, tt.file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := text(l.Newest()); got != tt.newest {
				t.Errorf("newest %q, want %q", got, tt.newest)
			}
			if got := text(l.ExcludeNewer); got != tt.bound {
				t.Errorf("bound %q, want %q", got, tt.bound)
			}
		})
	}
}

// TestDependencies holds what selected packages need of each other.
func TestDependencies(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"uv", "uv.lock", uvLock(`demo 1.0: name = "foo"`, `foo 1.0: name = "bar"; name = "win", marker = "sys_platform == 'win32'"`, `bar 1.0: name = "foo"`, "win 1.0"), "bar [foo] foo [bar]"},
		{"poetry", "poetry.lock", poetryLock("2.1", "foo 1.0\ngroups = [\"main\"]\n[package.dependencies]\nbar = \">=1\"\nsetuptools = \"*\"", "bar 1.0\ngroups = [\"main\"]"), "bar [] foo [bar]"},
		{"pdm", "pdm.lock", pdmHead + "files = [{file = \"foo-1.0.tar.gz\", hash = \"" + sha + "\"}]\n[[package]]\nname = \"foo\"\nversion = \"1.0\"\nextras = [\"x\"]\ndependencies = [\"foo==1.0\"]\n", "foo []"},
		{"requirements", "r.txt", "foo==1.0" + hash, "foo nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Read(fstest.MapFS{tt.file: {Data: []byte(tt.text)}}, tt.file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Select(python311)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range s.Packages {
				if p.Dependencies == nil {
					got = append(got, p.Name+" nil")
				} else {
					got = append(got, fmt.Sprint(p.Name, " ", p.Dependencies))
				}
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
