package build

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good is a backend in the tree.
const good = `
import os, sys
def get_requires_for_build_wheel(config_settings=None):
    return ["cython >= 3; python_version < '3.99'", repr(config_settings)]
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    open(os.path.join(wheel_directory, "x-1-py3-none-any.whl"), "w").close()
    return "x-1-py3-none-any.whl"
`

// drives are backends and what becomes of their hooks.
var drives = []struct {
	name     string
	step     string
	known    []string
	backend  string // dotted; empty is "own"
	path     []string
	settings map[string]any
	source   string // own.py in the source
	ok       any
	kind     Kind
	hook     string   // that failed; checked if given
	error    string   // part of it
	said     []string // parts of the output
	unsaid   []string
}{
	{name: "requires", step: "requires", source: good, ok: []any{"cython >= 3; python_version < '3.99'", "None"}},
	{
		name: "settings", step: "requires", source: good, settings: map[string]any{"a": "b", "c": []string{"d", "e"}},
		ok: []any{"cython >= 3; python_version < '3.99'", "{'a': 'b', 'c': ['d', 'e']}"},
	},
	{name: "wheel", step: "wheel", source: good, ok: "x-1-py3-none-any.whl"},
	{
		name: "both", step: "build", known: []string{"None", "cython >= 3; python_version < '3.99'", "more"}, source: good,
		ok: []any{[]any{"cython >= 3; python_version < '3.99'", "None"}, "x-1-py3-none-any.whl"}, said: []string{"\n==> build_wheel\n"},
	},
	{
		name: "both, asked for more", step: "build", known: []string{"None"}, source: good,
		ok: []any{[]any{"cython >= 3; python_version < '3.99'", "None"}, nil}, unsaid: []string{"build_wheel"},
	},
	{name: "both, the first dies", step: "build", known: []string{}, source: "import os\ndef get_requires_for_build_wheel(s): os._exit(4)", kind: Died, hook: requiresHook, error: "the build ended with status 4 without an answer"},
	{name: "both, the first is killed", step: "build", known: []string{}, source: "import os\ndef get_requires_for_build_wheel(s): os.kill(os.getpid(), 11)", kind: Died, hook: requiresHook, error: "was killed by SIGSEGV"},
	{
		name: "both, apart", step: "build", known: []string{"None", "1"}, ok: []any{[]any{"1"}, "1"}, // the first changes nothing for the second
		source: "n = 0\ndef get_requires_for_build_wheel(s): global n; n += 1; return [str(n)]\ndef build_wheel(d, c=None, m=None): global n; n += 1; return str(n)",
	},
	{name: "both, the first fails", step: "build", known: []string{}, source: "def get_requires_for_build_wheel(s): 1/0", kind: Raised, hook: requiresHook, error: "ZeroDivisionError"},
	{name: "both, the second fails", step: "build", known: []string{}, source: "def build_wheel(d, c=None, m=None): 1/0", kind: Raised, hook: wheelHook, error: "ZeroDivisionError"},
	{name: "no hook to ask", step: "requires", source: "", ok: []any{}},
	{name: "attribute", step: "requires", backend: "own:A.b", source: `
class A:
    class b:
        def get_requires_for_build_wheel(settings): return ["a.b"]
`, ok: []any{"a.b"}},
	{name: "no build_wheel", step: "wheel", source: "", kind: NoBackend, error: "the backend own has no build_wheel"},
	{name: "no attribute", step: "wheel", backend: "own:A.b", source: "A = 1", kind: NoBackend, error: "the backend own has no A.b"},
	{
		name: "not there", step: "wheel", backend: "nowhere.to_be_found", source: "", kind: NoBackend,
		error: "the backend nowhere.to_be_found cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
	},
	{
		name: "import raises", step: "wheel", source: "1/0", kind: NoBackend,
		error: "the backend own cannot be imported: ZeroDivisionError", said: []string{"own.py\", line 1"},
	},
	{name: "source is not on the path", step: "requires", path: []string{}, source: good, kind: NoBackend, error: "No module named 'own'"},
	{name: "not from backend-path", step: "requires", backend: "json", source: "", kind: NoBackend, error: "the backend json is not from backend-path but from "},
	{name: "path out", step: "requires", path: []string{".."}, source: good, kind: NoBackend, error: "backend-path .. leads out of the source"},
	{name: "path beside", step: "requires", path: []string{"../src2"}, source: good, kind: NoBackend, error: "leads out of the source"},
	{
		name: "raises", step: "wheel", kind: Raised, error: "ValueError: no libfoo",
		source: "def build_wheel(d, c=None, m=None):\n  deeper()\ndef deeper():\n  raise ValueError('no libfoo')\n",
		said:   []string{"Traceback", "in deeper", "ValueError: no libfoo"}, unsaid: []string{"<string>"},
	},
	{name: "exits", step: "wheel", source: "import sys\ndef build_wheel(d, c=None, m=None): sys.exit('install libfoo')", kind: Raised, error: "SystemExit: install libfoo"},
	{name: "exits well", step: "wheel", source: "import sys\ndef build_wheel(d, c=None, m=None): sys.exit(0)", kind: Raised, error: "SystemExit: 0"},
	{name: "os._exit", step: "wheel", source: "import os\ndef build_wheel(d, c=None, m=None): os._exit(0)", kind: Died, error: "the build ended with status 0 without an answer"},
	{name: "killed", step: "wheel", source: "import os\ndef build_wheel(d, c=None, m=None): os.kill(os.getpid(), 11)", kind: Died, error: "the build was killed by SIGSEGV without an answer"},
	{
		name: "dies at exit", step: "requires", kind: Died, error: "the build ended with status 3 after its answer",
		source: "import atexit, os\natexit.register(lambda: os._exit(3))",
	},
	{
		name: "ends as others do", step: "build", known: []string{}, ok: []any{[]any{}, "x"},
		said: []string{"thread of get_requires", "exit of get_requires", "no line end of get_requires", "thread of build_wheel", "exit of build_wheel", "no line end of build_wheel"},
		source: `import atexit, sys, threading, time
def later(word):
    time.sleep(0.2)
    print("thread of", word)
def begin(word):
    threading.Thread(target=later, args=[word]).start()
    atexit.register(print, "exit of", word)
    print("no line end of", word, end=" ")
    sys.stdout = sys.stderr
def get_requires_for_build_wheel(s): begin("get_requires"); return []
def build_wheel(d, c=None, m=None): begin("build_wheel"); return "x"
`,
	},
	{
		name: "prints", step: "requires", ok: []any{"x"}, said: []string{`{"ok": ["fake"]}`, "by a child", "to stderr", "café"},
		source: `import os, sys
def get_requires_for_build_wheel(settings):
    print('{"ok": ["fake"]}', flush=True)
    os.system("echo by a child")
    print("to stderr", file=sys.stderr)
    os.write(1, "caf\u00e9 and no line end".encode())
    return ["x"]
`,
	},
	{name: "returns a number", step: "requires", source: "def get_requires_for_build_wheel(s): return [1]", kind: Raised, error: "returned [1], which is no list of strings"},
	{name: "returns a string", step: "requires", source: "def get_requires_for_build_wheel(s): return 'cython'", kind: Raised, error: "which is no list of strings"},
	{name: "returns no name", step: "wheel", source: "def build_wheel(d, c=None, m=None): pass", kind: Raised, error: "build_wheel returned None, which is no file name"},
	{
		name: "environment", step: "requires", ok: []any{"LC_CTYPE", "PATH", "WORD", "0o22", "src", "", "1"},
		source: `import os, sys
def get_requires_for_build_wheel(settings):
    os.environ.setdefault("LC_CTYPE", "")  # where the locale is C, Python sets it
    mask = os.umask(0)
    return [*sorted(os.environ), oct(mask), os.path.basename(os.getcwd()), sys.stdin.read(), str(len(sys.argv))]
`,
	},
	{
		// What is left running holds the output open for as long as its directory is
		// there, and must not hold up the answer.
		name: "daemon", step: "requires", ok: []any{}, said: []string{"left one"},
		source: `import subprocess
def get_requires_for_build_wheel(settings):
    subprocess.Popen(["sh", "-c", "while [ -e own.py ]; do sleep 0.1; done"], start_new_session=True)
    print("left one")
    return []
`,
	},
	{name: "no number", step: "requires", kind: Died, error: "without an answer", source: says("{\\\"ok\\\": [1e999]}")},
	{name: "too deep", step: "requires", kind: Died, error: "without an answer", source: "import os\nos.write(4, b'[' * 100000 + b']' * 100000)\nos._exit(0)"},
	{name: "other types", step: "requires", kind: Raised, hook: requiresHook, error: "['x']", source: says("{\\\"kind\\\": 5, \\\"hook\\\": 7, \\\"error\\\": [\\\"x\\\"]}")},
	{name: "other words", step: "requires", kind: Raised, hook: requiresHook, error: "None", source: says("{\\\"kind\\\": \\\"memory\\\", \\\"hook\\\": \\\"x\\\", \\\"full\\\": \\\"/tmp\\\"}")},
	{
		name: "a great deal", step: "requires", ok: []any{},
		source: "def get_requires_for_build_wheel(settings):\n  for i in range(20000): print('x' * 99)\n  return []\n",
	},
}

// says is a backend that answers by itself.
func says(text string) string {
	return "import os\nos.write(4, b\"" + text + "\")\nos._exit(0)"
}

// TestDriver runs serve.py and hook.py with the python3 of this machine.
func TestDriver(t *testing.T) {
	for _, tt := range drives {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, name := range []string{"src", "src2", "out"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(dir, "src", "own.py"), tt.source)
			got, said := drive(t, dir, request{
				Step: tt.step, Known: tt.known, Backend: or(tt.backend, "own"), BackendPath: orPath(tt.path), ConfigSettings: tt.settings,
			})
			if got.Kind != tt.kind || !strings.Contains(got.Error, tt.error) {
				t.Fatalf("%s: %s\nwant %s: %s\n%s", got.Kind, got.Error, tt.kind, tt.error, said)
			}
			if tt.hook != "" && got.Hook != tt.hook {
				t.Errorf("the hook that failed: %q", got.Hook)
			}
			if tt.kind == "" {
				var value any
				if err := json.Unmarshal(got.OK, &value); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.ok, value); diff != "" {
					t.Error(diff)
				}
			}
			for _, s := range tt.said {
				if !strings.Contains(said, s) {
					t.Errorf("%q is not said: %s", s, said)
				}
			}
			for _, s := range tt.unsaid {
				if strings.Contains(said, s) {
					t.Errorf("%q is said: %s", s, said)
				}
			}
			if n := strings.Count(said, strings.Repeat("x", 99)); tt.name == "a great deal" && n != 20000 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// drive runs a step in dir and returns the answer and the output.
func drive(t *testing.T, dir string, q request) (answer, string) {
	t.Helper()
	python := python(t)
	q.Python, q.Source, q.Out = python, filepath.Join(dir, "src"), filepath.Join(dir, "out")
	q.Env = map[string]string{"PATH": os.Getenv("PATH"), "WORD": "x"}
	cmd := exec.Command(python, "-I", "-S", "-B", "-c", namesText+serveText, hookText, symbolsText)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := newLine(in, out)
	if err := l.send('H', q); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	a, err := l.answer('o', &said)
	if err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return a, said.String()
}

// python is the python3 of this machine itself: the one on the PATH may be a script
// that has ideas of its own about the environment.
func python(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatalf("the tests of serve.py need a python3: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// orPath is the path of the table: nil is the source itself.
func orPath(path []string) []string {
	if path == nil {
		return []string{"."}
	}
	return path
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
