package lock

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pybake/pybake/internal/strict"
)

var (
	sha  = "sha256:" + strings.Repeat("a1", 32)
	hash = " --hash=" + sha
	hex1 = strings.Repeat("0123456789", 4)
)

const (
	uvHead     = "version = 1\nrequires-python = \">=3.9\"\n"
	uvPackage  = uvHead + "[[package]]\nname = \"foo\"\nversion = \"1.0\"\nsource = { registry = \"https://index.example.org/simple\" }\n"
	pylockHead = "lock-version = \"1.0\"\ncreated-by = \"hand\"\n[[packages]]\nname = \"foo\"\nversion = \"1.0\"\n"
	poetryFoot = "[metadata]\nlock-version = \"2.1\"\npython-versions = \">=3.9\"\ncontent-hash = \"x\"\n"
	poetryHead = "[[package]]\nname = \"foo\"\nversion = \"1.0\"\ngroups = [\"main\"]\n"
	pdmHead    = "[metadata]\nlock_version = \"4.5.0\"\nstrategy = [\"inherit_metadata\"]\n[[package]]\nname = \"foo\"\nversion = \"1.0\"\n"
)

func pipfileOf(pkg string) string {
	return `{"_meta": {"pipfile-spec": 6, "sources": [{"name": "main", "url": "https://index.example.org/simple"}]},` + "\n" + `"default": {"foo": ` + pkg + `}}`
}

// TestBadInput is what Read refuses, and what it says.
func TestBadInput(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		// Hashes.
		{"no hash", "r.txt", "foo==1.0\nbar==2\n", "r.txt:1:1: no hash: nothing unhashed is installed\nr.txt:2:1: no hash: nothing unhashed is installed"},
		{"md5 only", "r.txt", "foo==1.0 --hash=md5:" + strings.Repeat("0", 32), "r.txt:1:1: no hash but md5, which proves nothing: want sha256, sha384 or sha512"},
		{"sha1 only", "r.txt", "foo==1.0 --hash=sha1:" + strings.Repeat("0", 40), "r.txt:1:1: no hash but sha1, which proves nothing: want sha256, sha384 or sha512"},
		{"short hash", "r.txt", "foo==1.0 --hash=sha256:abc", "r.txt:1:17: malformed hash: sha256 has 64 hexadecimal digits, found 3"},
		{"no hexadecimal", "r.txt", "foo==1.0 --hash sha256:" + strings.Repeat("g", 64), "r.txt:1:17: malformed hash: \"" + strings.Repeat("g", 64) + "\" is not hexadecimal"},
		{"no algorithm", "r.txt", "foo==1.0 --hash=" + hex1, "r.txt:1:17: \"" + hex1 + "\" is no hash: want ALGORITHM:HEXADECIMAL, as in sha256:0a1b…"},
		{"unknown algorithm", "r.txt", "foo==1.0 --hash=crc32:00000000", "r.txt:1:17: \"crc32\" is not a hash algorithm that is known"},
		{"hash astray", "r.txt", "foo==1.0" + hash + "\n--hash=" + sha, "r.txt:2:1: --hash without a requirement: is the backslash at the end of the line before missing?"},
		{"uv no hash", "uv.lock", uvPackage + "sdist = { url = \"https://files.example.org/foo-1.0.tar.gz\" }\n", "uv.lock:7:9: package[0].sdist: no hash: nothing unhashed is installed"},
		{"pylock md5", "pylock.toml", pylockHead + "sdist = { url = \"https://files.example.org/foo-1.0.tar.gz\", hashes = { md5 = \"" + strings.Repeat("0", 32) + "\" } }\n", "pylock.toml:6:70: packages[0].sdist.hashes: no hash but md5, which proves nothing: want sha256, sha384 or sha512"},
		{"poetry no hash", "poetry.lock", poetryHead + "files = [{file = \"foo-1.0.tar.gz\"}]\n" + poetryFoot, "poetry.lock:5:10: package[0].files[0]: no hash: nothing unhashed is installed"},
		{"pdm short hash", "pdm.lock", pdmHead + "files = [{file = \"foo-1.0.tar.gz\", hash = \"sha256:0\"}]\n", "pdm.lock:7:43: package[0].files[0].hash: malformed hash: sha256 has 64 hexadecimal digits, found 1"},
		{"pipenv no hash", "Pipfile.lock", pipfileOf(`{"version": "==1.0"}`), "Pipfile.lock:2:20: default.foo: no hash: nothing unhashed is installed"},
		{"pipenv malformed hash", "Pipfile.lock", pipfileOf(`{"version": "==1.0", "hashes": ["sha256:0"]}`), "Pipfile.lock:2:52: default.foo.hashes[0]: malformed hash: sha256 has 64 hexadecimal digits, found 1"},

		// Pins.
		{"not pinned", "r.txt", "foo>=1.0" + hash, "r.txt:1:1: foo>=1.0 is not pinned: want ==VERSION"},
		{"pinned to many", "r.txt", "foo==1.*" + hash, "r.txt:1:1: foo==1.* is not pinned: want ==VERSION"},
		{"bare", "r.txt", "foo" + hash, "r.txt:1:1: foo is not pinned: want ==VERSION"},
		{"pipenv not pinned", "Pipfile.lock", pipfileOf(`{"version": "*", "hashes": ["` + sha + `"]}`), "Pipfile.lock:2:32: default.foo.version: specifier \"*\": expected one of == != <= >= < > ~= ===, found \"*\""},
		{"pipenv no version", "Pipfile.lock", pipfileOf(`{"hashes": ["` + sha + `"]}`), "Pipfile.lock:2:20: default.foo: foo is not pinned: want a version"},
		{"no version", "uv.lock", strings.Replace(uvPackage, "1.0", "one", 1), "uv.lock:5:11: package[0].version: version \"one\": expected a number, found \"one\""},

		// Options.
		{"index", "r.txt", "--index-url https://index.example.org/simple\n", "r.txt:1:1: --index-url is not allowed in a lock unless it is allowed by name"},
		{"index by its short name", "r.txt", "-i https://index.example.org/simple\n", "r.txt:1:1: --index-url is not allowed in a lock unless it is allowed by name"},
		{"many options", "r.txt", "--trusted-host index.example.org --find-links=/tmp\n--pre\n-Ifoo\n--extra-index-url https://index.example.org/simple",
			"r.txt:1:1: --trusted-host is not allowed in a lock unless it is allowed by name\n" +
				"r.txt:1:34: --find-links is not allowed in a lock unless it is allowed by name\n" +
				"r.txt:2:1: --pre is not allowed in a lock unless it is allowed by name\n" +
				"r.txt:3:1: -Ifoo is not allowed in a lock unless it is allowed by name\n" +
				"r.txt:4:1: --extra-index-url is not allowed in a lock unless it is allowed by name"},
		{"settings", "r.txt", "foo==1.0" + hash + " --config-settings=x=y", "r.txt:1:89: --config-settings is not allowed in a lock unless it is allowed by name"},
		{"editable", "r.txt", "-e ./libs/foo\n-e git+https://git.example.org/foo@" + hex1 + "\n", "r.txt:1:4: -e of anything but the project itself (-e .)\nr.txt:2:4: -e of anything but the project itself (-e .)"},

		// Includes.
		{"circle", "r.txt", "-r a.txt\n", "a.txt:1:4: r.txt includes itself: r.txt → a.txt → r.txt"},
		{"out of the tree", "r.txt", "-r ../x.txt\n-c/etc/passwd\n-r https://files.example.org/r.txt\n", "r.txt:1:4: \"../x.txt\": only a file within the project can be included\n" +
			"r.txt:2:3: \"/etc/passwd\": only a file within the project can be included\nr.txt:3:4: an address: only a file within the project can be included"},
		{"missing include", "r.txt", "-r none.txt\n", "r.txt:1:4: open none.txt: file does not exist"},
		{"constraint contradicts", "r.txt", "-c limits.txt\nfoo==1.0" + hash, "r.txt:2:1: foo==1.0 contradicts foo<1 at limits.txt:1:1"},

		// Addresses.
		{"credentials", "r.txt", "foo @ https://user:secret@files.example.org/foo-1.0.tar.gz" + hash, "r.txt:1:1: the address of files.example.org holds credentials: keep them in netrc or in ${VARIABLES}"},
		{"token", "pylock.toml", pylockHead + "index = \"https://secret@index.example.org/simple\"\nwheels = []\n", "pylock.toml:6:9: packages[0].index: the address of index.example.org holds credentials: keep them in netrc or in ${VARIABLES}"},
		{"bad address", "r.txt", "foo @ https://user:secret@[files/foo-1.0.tar.gz" + hash, "r.txt:1:1: not an address"},
		{"http", "r.txt", "foo @ http://files.example.org/foo-1.0.tar.gz", "r.txt:1:1: no hash: nothing unhashed is installed"},
		{"file", "r.txt", "foo @ file:///tmp/foo-1.0.tar.gz" + hash, "r.txt:1:1: file: address: give a path within the project instead"},
		{"ftp", "r.txt", "foo @ ftp://files.example.org/foo-1.0.tar.gz" + hash, "r.txt:1:1: \"ftp\" address: want https"},
		{"no host", "r.txt", "foo @ https:///foo-1.0.tar.gz" + hash, "r.txt:1:1: the address has no host"},
		{"git branch", "r.txt", "foo @ git+https://git.example.org/foo@main", "r.txt:1:1: git without a full commit: \"main\" may move; want its 40 hexadecimal digits"},
		{"git nothing", "r.txt", "foo @ git+https://git.example.org/foo", "r.txt:1:1: git without a full commit: \"\" may move; want its 40 hexadecimal digits"},
		{"git http", "r.txt", "foo @ git+http://git.example.org/foo@" + hex1, "r.txt:1:1: \"git+http\" address: want https"},
		{"mercurial", "r.txt", "foo @ hg+https://hg.example.org/foo@" + hex1, "r.txt:1:1: \"hg+https\" address: of version control only git is read"},
		{"uv git", "uv.lock", strings.Replace(uvPackage, "registry = \"https://index.example.org/simple\"", "git = \"https://git.example.org/foo?rev=v1#0123456\"", 1), "uv.lock:6:18: package[0].source.git: git without a full commit: \"0123456\" may move; want its 40 hexadecimal digits"},
		{"poetry git", "poetry.lock", poetryHead + "[package.source]\ntype = \"git\"\nurl = \"https://git.example.org/foo\"\nreference = \"main\"\n" + poetryFoot, "poetry.lock:7:7: package[0].source.url: git without a full commit: \"main\" may move; want its 40 hexadecimal digits"},
		{"paths", "uv.lock", strings.Replace(uvPackage, "registry = \"https://index.example.org/simple\"", "directory = \"../foo\"", 1), "uv.lock:6:24: package[0].source.directory: path \"../foo\": want one within the project"},
		{"absolute path", "r.txt", "/opt/foo-1.0.tar.gz" + hash, "r.txt:1:1: path \"/opt/foo-1.0.tar.gz\": want one within the project"},
		{"path of poetry", "poetry.lock", poetryHead + "[package.source]\ntype = \"directory\"\nurl = \"../foo\"\n" + poetryFoot, "poetry.lock:7:7: package[0].source.url: path \"../foo\": want one within the project"},
		{"path of pdm", "pdm.lock", pdmHead + "path = \"../foo\"\n", "pdm.lock:7:8: package[0].path: path \"../foo\": want one within the project"},
		{"path of pylock", "pylock.toml", pylockHead + "directory = {path = \"/opt/foo\"}\n", "pylock.toml:6:21: packages[0].directory.path: path \"/opt/foo\": want one within the project"},
		{"path of pipenv", "Pipfile.lock", pipfileOf(`{"path": "../foo"}`), "Pipfile.lock:2:29: default.foo.path: path \"../foo\": want one within the project"},
		{"path in requirements", "r.txt", "./../foo\nfoo @ ../foo", "r.txt:1:1: path \"./../foo\": want one within the project\nr.txt:2:1: no https: in the address"},
		{"editable file address", "r.txt", "-e file:///opt/foo", "r.txt:1:4: -e of anything but the project itself (-e .)"},
		{"git of pdm", "pdm.lock", pdmHead + "git = \"https://git.example.org/foo\"\nrevision = \"0123456\"\n", "pdm.lock:7:7: package[0].git: git without a full commit: \"0123456\" may move; want its 40 hexadecimal digits"},
		{"git of pipenv", "Pipfile.lock", pipfileOf(`{"git": "https://git.example.org/foo", "ref": "main"}`), "Pipfile.lock:2:28: default.foo.git: git without a full commit: \"main\" may move; want its 40 hexadecimal digits"},
		{"git of pylock", "pylock.toml", pylockHead + "vcs = {type = \"git\", url = \"https://git.example.org/foo\", commit-id = \"v1\"}\n", "pylock.toml:6:28: packages[0].vcs.url: git without a full commit: \"v1\" may move; want its 40 hexadecimal digits"},
		{"credentials of pipenv", "Pipfile.lock", `{"_meta": {"pipfile-spec": 6, "sources": [{"name": "main", "url": "https://u:secret@index.example.org/simple"}]}}`, "Pipfile.lock:1:67: _meta.sources[0].url: the address of index.example.org holds credentials: keep them in netrc or in ${VARIABLES}"},
		{"credentials of uv", "uv.lock", strings.Replace(uvPackage, "https://", "https://u:secret@", 1), "uv.lock:6:23: package[0].source.registry: the address of index.example.org holds credentials: keep them in netrc or in ${VARIABLES}"},
		{"file of uv", "uv.lock", uvPackage + "sdist = { url = \"file:///tmp/foo-1.0.tar.gz\", hash = \"" + sha + "\" }\n", "uv.lock:7:17: package[0].sdist.url: file: address: give a path within the project instead"},
		{"bound of uv", "uv.lock", uvHead + "[options]\nexclude-newer = \"soon\"\n", "uv.lock:4:17: options.exclude-newer: \"soon\" is not a time: want 2026-01-02T03:04:05Z"},
		{"subdirectory", "r.txt", "foo @ git+https://git.example.org/foo@" + hex1 + "#subdirectory=../..", "r.txt:1:1: subdirectory \"../..\" leads out of its source"},

		// Files.
		{"file of another", "uv.lock", uvPackage + "wheels = [{ url = \"https://files.example.org/bar-1.0-py3-none-any.whl\", hash = \"" + sha + "\" }]\n", "uv.lock:7:11: package[0].wheels[0]: file \"bar-1.0-py3-none-any.whl\" is not of foo but of bar"},
		{"file of another version", "poetry.lock", poetryHead + "files = [{file = \"foo-1.1.tar.gz\", hash = \"" + sha + "\"}]\n" + poetryFoot, "poetry.lock:5:10: package[0].files[0]: file \"foo-1.1.tar.gz\" is not of version 1.0 but of 1.1"},
		{"sdist of another", "pdm.lock", pdmHead + "files = [{file = \"evil-1.0.tar.gz\", hash = \"" + sha + "\"}]\n", "pdm.lock:7:10: package[0].files[0]: file \"evil-1.0.tar.gz\" is not of foo"},
		{"path as a file name", "pdm.lock", pdmHead + "files = [{file = \"../foo-1.0.tar.gz\", hash = \"" + sha + "\"}]\n", "pdm.lock:7:10: package[0].files[0]: \"../foo-1.0.tar.gz\" is not the name of a file"},
		{"wheel of another", "r.txt", "foo @ https://files.example.org/bar-1.0-py3-none-any.whl" + hash, "r.txt:1:1: file \"bar-1.0-py3-none-any.whl\" is not of foo but of bar"},

		// Formats.
		{"uv 2", "uv.lock", "version = 2\nrequires-python = \">=3.9\"\n", "uv.lock:1:11: version: version 2 of uv.lock is not known: want 1"},
		{"pylock 2", "pylock.toml", "lock-version = \"2.0\"\n", "pylock.toml:1:16: lock-version: lock-version \"2.0\" of pylock.toml is not known: want 1.0"},
		{"poetry 3", "poetry.lock", "[metadata]\nlock-version = \"3.0\"\n", "poetry.lock:2:16: metadata.lock-version: lock-version \"3.0\" of poetry.lock is not known: want 1.0 to 2.x"},
		{"pdm 5", "pdm.lock", "[metadata]\nlock_version = \"5.0\"\n", "pdm.lock:2:16: metadata.lock_version: lock_version \"5.0\" of pdm.lock is not known: want 3.1 to 4.x"},
		{"pdm 3.0", "pdm.lock", "[metadata]\nlock_version = \"3.0\"\n", "pdm.lock:2:16: metadata.lock_version: lock_version \"3.0\" of pdm.lock is not known: want 3.1 to 4.x"},
		{"pipenv 7", "Pipfile.lock", `{"_meta": {"pipfile-spec": 7}}`, "Pipfile.lock:1:28: _meta.pipfile-spec: pipfile-spec 7 is not known: want 6"},
		{"pyodide", "pyodide-lock.json", `{"info": {"platform": "emscripten_4_0_9"}, "packages": {}}`, "pyodide-lock.json:1:23: info.platform: a lock of Pyodide, for \"emscripten_4_0_9\" only, which is not Linux"},
		{"other JSON", "package-lock.json", `{"lockfileVersion": 3}`, "package-lock.json: JSON, but no Pipfile.lock; locks are " + formats},
		{"project", "pyproject.toml", "[project]\nname = \"foo\"\n", "pyproject.toml: a project file, not a lock; locks are " + formats},
		{"Cargo", "Cargo.lock", "version = 3\n[[package]]\nname = \"foo\"\nversion = \"1.0.0\"\nsource = \"registry+https://crates.example.org\"\n", "Cargo.lock: TOML, but of no lock that is known; locks are " + formats},
		{"poetry alone", "poetry.lock", strings.Replace(poetryFoot, "2.1", "1.1", 1), "poetry.lock: needs the pyproject.toml beside it, which is not there: before poetry 2.1 (lock-version 2.1) a lock does not say which packages are needed when"},
		{"pdm alone", "pdm.lock", strings.Replace(pdmHead, "inherit_metadata", "cross_platform", 1), "pdm.lock: needs the pyproject.toml beside it, which is not there: before pdm 2.11 (strategy inherit_metadata) a lock does not say which packages are needed when"},

		// Syntax and types.
		{"TOML", "uv.lock", "version = 1\nrevision = = 3\n", "uv.lock:2:12: unexpected character U+003D '=' at start of value"},
		{"key twice", "uv.lock", "version = 1\nversion = 1\n", "uv.lock:2:1: version: given twice"},
		{"table twice", "poetry.lock", poetryFoot + poetryFoot, "poetry.lock:5:2: metadata: given twice"},
		{"JSON", "Pipfile.lock", "{\"_meta\": {\"pipfile-spec\": 6,}}", "Pipfile.lock:1:30: invalid character '}' looking for beginning of object key string"},
		{"JSON ends", "Pipfile.lock", "{\"_meta\": {", "Pipfile.lock:1:12: the JSON ends too early"},
		{"JSON twice", "Pipfile.lock", "{\"_meta\": {},\n\"_meta\": {}}", "Pipfile.lock:2:1: _meta: given twice"},
		{"more JSON", "Pipfile.lock", "{\"_meta\": {\"pipfile-spec\": 6}} {}", "Pipfile.lock:1:32: more after the end of the JSON value"},
		{"types", "uv.lock", "version = \"1\"\nrequires-python = 3\n", "uv.lock:1:11: version: want an integer, found a string"},
		{"more types", "pylock.toml", "lock-version = \"1.0\"\ncreated-by = 1\nextras = \"a\"\npackages = [1, {name = 2}]\n",
			"pylock.toml:2:14: created-by: want a string, found an integer\npylock.toml:3:10: extras: want an array, found a string\n" +
				"pylock.toml:4:13: packages[0]: want a table, found an integer\npylock.toml:4:24: packages[1].name: want a string, found an integer"},
		{"JSON types", "Pipfile.lock", pipfileOf(`{"version": 1, "hashes": null}`), "Pipfile.lock:2:20: default.foo: no hash: nothing unhashed is installed\nPipfile.lock:2:32: default.foo.version: want a string, found an integer\nPipfile.lock:2:45: default.foo.hashes: want an array, found null"},
		{"marker", "pylock.toml", pylockHead + "marker = \"python_version <\"\nwheels = []\n", "pylock.toml:6:10: packages[0].marker: marker \"python_version <\": expected a variable or a string, found the end"},
		{"requires-python", "uv.lock", "version = 1\nrequires-python = \"three\"\n", "uv.lock:2:19: requires-python: specifier \"three\": expected one of == != <= >= < > ~= ===, found \"three\""},
		{"name", "r.txt", "f/o==1.0" + hash, "r.txt:1:1: \"f/o==1.0\": no such directory in the project"},
		{"source", "uv.lock", strings.Replace(uvPackage, "registry", "carrier-pigeon", 1), "uv.lock:6:10: package[0].source: source \"carrier-pigeon\" is not known"},
		{"two sources", "pylock.toml", pylockHead + "directory = {path = \"foo\"}\nvcs = {type = \"git\"}\n", "pylock.toml:3:3: packages[0]: foo has vcs and directory: want only one source"},
		{"no source", "pylock.toml", pylockHead, "pylock.toml:3:3: packages[0]: foo has no files: want one of vcs, directory, archive, sdist and wheels"},
		{"NUL", "r.txt", "foo==1.0\x00", "r.txt:1:9: NUL byte: not a text file"},
		{"UTF-16", "r.txt", "\xff\xfef\x00o\x00", "r.txt:1:1: byte order mark of UTF-16: save the file as UTF-8"},
		{"no UTF-8", "r.txt", "foo==1.0\n# caf\xe9\n", "r.txt:2:6: byte 0xe9: not UTF-8"},
		{"depth", "uv.lock", "version = 1\nx = " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "uv.lock:2:1: nested more than 64 deep"},
		{"depth of JSON", "Pipfile.lock", "{\"a\": " + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}", "Pipfile.lock:1:71: nested more than 64 deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{
				tt.file:      {Data: []byte(tt.text)},
				"a.txt":      {Data: []byte("-r r.txt\n")},
				"limits.txt": {Data: []byte("foo<1\n")},
			}
			_, err := Read(fsys, tt.file, Options{})
			var errs strict.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("got %v, want strict.Errors", err)
			}
			if got := err.Error(); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("tells a secret: %v", err)
			}
		})
	}
}
