//go:build engine

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wheelTests make houses for the Python that TestBake baked.
func wheelTests(t *testing.T, b *bakery) {
	z := newBazaar(t)
	b.base = append(slices.Clone(b.base), "PIP_INDEX_URL=", "PIP_EXTRA_INDEX_URL=", "PIP_FIND_LINKS=", "no_proxy=127.0.0.1")
	t.Run("house", func(t *testing.T) { wheelsHouse(t, b.on(t), z) })
	t.Run("all failures", func(t *testing.T) { wheelsFailures(t, b.on(t), z) })
	t.Run("explained", func(t *testing.T) { wheelsExplained(t, b.on(t), z) })
	t.Run("hook asks for more", func(t *testing.T) { wheelsHook(t, b.on(t), z) })
	t.Run("hostile", func(t *testing.T) { wheelsHostile(t, b.on(t), z) })
	t.Run("changed bytes", func(t *testing.T) { wheelsChanged(t, b.on(t), z) })
	t.Run("gate", func(t *testing.T) { wheelsGate(t, b.on(t), z) })
	t.Run("reproducible", func(t *testing.T) { wheelsReproducible(t, b.on(t), z) })
	t.Run("killed", func(t *testing.T) { wheelsKilled(t, b.on(t), z) })
}

// house runs pybake wheels on the text of a lock.
func (b *bakery) house(z *bazaar, name, lock string, args ...string) (made madeHouse, said string, status int) {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(lock), 0o644); err != nil {
		b.t.Fatal(err)
	}
	args = append([]string{"wheels", file, "--python", "3.13.5", "--distro", "trixie", "--index-url", z.url, "--json"}, args...)
	out, said, status := b.run(nil, args...)
	if status == 0 {
		if err := json.Unmarshal([]byte(out), &made); err != nil {
			b.t.Fatal(err)
		}
	}
	return made, said, status
}

// origins are the wheels of a house with where they came from.
func origins(made madeHouse) string {
	var all []string
	for _, w := range made.Wheels {
		all = append(all, w.Name+" "+w.Origin)
	}
	return strings.Join(all, ", ")
}

func wheelsHouse(t *testing.T, b *bakery, z *bazaar) {
	z.add("extra-needed", "extra_needed-2.0-py3-none-any.whl", wheelOf("extra-needed", "2.0", map[string]string{"extra_needed.py": ""}, nil))
	lock := z.wheel("taken", "1.0", map[string]string{"taken.py": "import compiled\n"}, "compiled>=1") +
		z.sdist(built{Name: "pure", Version: "1.5", Files: map[string]string{"pure/__init__.py": "import taken\n"}, Depends: []string{"taken"}, Asks: []string{"extra-needed>=1"}}) +
		z.sdist(built{Name: "compiled", Version: "3.0", Compile: "compiled.c", Files: map[string]string{"compiled.c": extension}})
	made, said, status := b.house(z, "house.txt", lock)
	if status != 0 {
		t.Fatalf("status %d\n%s", status, said)
	}
	if got := origins(made); got != "compiled sdist, pure sdist, taken wheel" {
		t.Errorf("wheels: %s", got)
	}
	for _, c := range made.Checks {
		if !c.OK {
			t.Errorf("check %s: %s", c.Name, c.Detail)
		}
	}
	pins, err := os.ReadFile(b.lockFile())
	if err != nil || !bytes.Contains(pins, []byte("extra_needed-2.0-py3-none-any.whl")) {
		t.Errorf("what the hook asked for is not pinned: %v", err)
	}

	// A second time: found, with neither engine nor network.
	z.wasAsked()
	b.base = append(b.base, "DOCKER_HOST=unix:///nonexistent")
	again, said, status := b.house(z, "house.txt", lock)
	if status != 0 || again.Origin != "found" || again.Key != made.Key {
		t.Errorf("again: status %d, %s %s\n%s", status, again.Origin, again.Key, said)
	}
	if asked := z.wasAsked(); len(asked) > 0 {
		t.Errorf("the index was asked for %q", asked)
	}
	b.base = b.base[:len(b.base)-1]

	// Another lock shares what was built.
	other, said, status := b.house(z, "other.txt", strings.SplitAfter(lock, "\n")[2])
	if status != 0 || origins(other) != "compiled sdist" || strings.Contains(said, "build compiled") {
		t.Errorf("other: status %d, %s\n%s", status, origins(other), said)
	}
	plainPip(t, b, made)
}

const extension = `#include <Python.h>
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "compiled", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_compiled(void) { return PyModule_Create(&def); }
`

// plainPip installs a house by hand in a container that the docker command made.
func plainPip(t *testing.T, b *bakery, made madeHouse) {
	base, _ := pinned(t, b.lockFile())
	c := dockerRun(t, "run", "-d", base, "sleep", "600")
	defer dockerRun(t, "rm", "-f", c)
	dockerRun(t, "exec", c, "mkdir", "/debs")
	debs, err := filepath.Glob(filepath.Join(b.dir, "baked/python/3.13.5-trixie-amd64-fast/*.deb"))
	if err != nil || len(debs) == 0 {
		t.Fatalf("packages of the Python: %q, %v", debs, err)
	}
	for _, deb := range debs {
		dockerRun(t, "cp", deb, c+":/debs/")
	}
	dir, err := filepath.EvalSymlinks(made.Dir)
	if err != nil {
		t.Fatal(err)
	}
	dockerRun(t, "cp", dir, c+":/house")
	said := dockerRun(t, "exec", c, "sh", "-euc", `
		apt-get update -q
		xargs -a /house/apt.txt apt-get install -yq --no-install-recommends /debs/pybake-python3.13_*.deb /debs/pybake-python3.13-venv_*.deb
		/opt/python/3.13/bin/python3.13 -m venv /venv
		/venv/bin/pip install --no-index --find-links /house --require-hashes -r /house/requirements.txt
		/venv/bin/python -c 'import pure, compiled; print("imported")'`)
	if !strings.HasSuffix(said, "imported") {
		t.Errorf("pip said:\n%s", said)
	}
}

func wheelsFailures(t *testing.T, b *bakery, z *bazaar) {
	lock := z.sdist(built{Name: "good-one", Version: "1.0", Files: map[string]string{"good_one.py": ""}}) +
		z.sdist(built{Name: "raises", Version: "1.0", Fail: "the flux is off"}) +
		z.sdist(built{Name: "caller", Version: "1.0", Reach: "files.example.org"}) +
		z.sdist(built{Name: "twins", Version: "1.0", Second: true}) +
		z.wheel("liar", "1.0", map[string]string{"liar.py": "x = 1\n" + lieMark})
	_, said, status := b.house(z, "failures.txt", lock)
	if status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	for _, want := range []string{
		"4 of 5 packages failed", "raises 1.0", "the flux is off", "caller 1.0", "files.example.org",
		"twins 1.0", "other-1.0-py3-none-any.whl", "liar 1.0", "liar.py", "raises.log",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not named", want)
		}
	}
	// The next run builds what is missing and nothing else.
	_, said, status = b.house(z, "failures.txt", strings.SplitAfter(lock, "\n")[0])
	if status != 0 || strings.Contains(said, "build good-one") {
		t.Errorf("status %d, or built anew:\n%s", status, said)
	}
}

// wheelsExplained follows what is printed for a build that failed.
func wheelsExplained(t *testing.T, b *bakery, z *bazaar) {
	z.add("forgotten", "forgotten-1.0-py3-none-any.whl", wheelOf("forgotten", "1.0", map[string]string{"forgotten.py": ""}, nil))
	lock := z.sdist(built{Name: "forgetful", Version: "1.0", Files: map[string]string{"forgetful.py": ""}, Imports: "forgotten"}) +
		z.sdist(built{Name: "headless", Version: "1.0", Compile: "headless.c", Files: map[string]string{"headless.c": "#include <no-such-header.h>\n"}})
	_, said, status := b.house(z, "explained.txt", lock)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"missing: no-such-header.h", "missing: forgotten", "hint: recipes/ is beside pybake.toml"} {
		if !strings.Contains(said, want) {
			t.Errorf("not told: %s\n%s", want, said)
		}
	}
	_, recipe, _ := strings.Cut(said, "put into recipes/wheels/forgetful.toml:\n")
	recipe, _, _ = strings.Cut(recipe, "\n")
	dir := filepath.Join(b.dir, "explained")
	pins, err := os.ReadFile(b.lockFile())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"pybake.toml": "", "pybake.lock": string(pins), "recipes/wheels/forgetful.toml": recipe} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	made, said, status := b.house(z, "explained.txt", strings.SplitAfter(lock, "\n")[0], "-C", dir, "--store", filepath.Join(b.dir, "baked"))
	if status != 0 || origins(made) != "forgetful sdist" {
		t.Errorf("with %q: status %d\n%s", recipe, status, said)
	}
}

func wheelsHook(t *testing.T, b *bakery, z *bazaar) {
	z.add("plugin", "plugin-1.0-py3-none-any.whl", wheelOf("plugin", "1.0", map[string]string{"plugin.py": ""}, nil))
	// A hook whose answer depends on what it finds: other than when it was pinned.
	p := built{Name: "moody", Version: "1.0", Files: map[string]string{"moody.py": ""}}
	lock := z.sdist(p)
	if _, said, status := b.house(z, "hook.txt", lock, "--frozen"); status == 0 || !strings.Contains(said, "not pinned") || !strings.Contains(said, "moody") {
		t.Errorf("--frozen: status %d\n%s", status, said)
	}
	if _, _, status := b.house(z, "hook.txt", lock); status != 0 {
		t.Fatalf("status %d", status)
	}
	// The pin of another that asks for a plugin is taken away, as if it asked only now, in
	// other circumstances.
	p = built{Name: "wants-more", Version: "1.0", Files: map[string]string{"wants_more.py": ""}, Asks: []string{"plugin"}}
	lock = z.sdist(p)
	if _, _, status := b.house(z, "hook2.txt", lock); status != 0 {
		t.Fatalf("status %d", status)
	}
	file := b.lockFile()
	pins, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(pins), "name = 'wants-more'")
	after = strings.Replace(after, "dynamic = [\n  'plugin',\n]\n", "", 1)
	asked, rest, _ := strings.Cut(after, "asked = '")
	_, rest, known := strings.Cut(rest, "\n")
	if after = asked + rest; !known {
		t.Fatalf("no circumstances in\n%s", pins)
	}
	if err := os.WriteFile(file, []byte(before+"name = 'wants-more'"+after), 0o644); err != nil || !found {
		t.Fatal(err, found)
	}
	wheelsOf := filepath.Join(b.dir, "baked", "wheel")
	dir, err := filepath.EvalSymlinks(filepath.Join(wheelsOf, "wants-more-1.0-any"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(b.bin, "clean", "--help").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, said, status := b.house(z, "hook3.txt", lock)
	if status != 1 || !strings.Contains(said, "plugin") || !strings.Contains(said, "--repin-build wants-more") {
		t.Errorf("status %d\n%s", status, said)
	}
	if _, said, status = b.house(z, "hook3.txt", lock, "--repin-build", "wants-more"); status != 0 {
		t.Errorf("repinned: status %d\n%s", status, said)
	}
}

func wheelsChanged(t *testing.T, b *bakery, z *bazaar) {
	z.add("tampered", "tampered-1.0-py3-none-any.whl", wheelOf("tampered", "1.0", map[string]string{"tampered.py": ""}, nil))
	lock := z.sdist(built{Name: "victim", Version: "1.0", Files: map[string]string{"victim.py": ""}, static: []string{"tampered"}})
	restore := z.change("tampered-1.0-py3-none-any.whl")
	_, said, status := b.house(z, "changed.txt", lock)
	for _, want := range []string{"victim 1.0", "tampered", "expected", "sha256"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not named", want)
		}
	}
	if status == 0 {
		t.Errorf("status %d", status)
	}
	restore()
	if _, _, status := b.house(z, "changed.txt", lock); status != 0 {
		t.Errorf("with the right bytes: status %d", status)
	}

	lock = z.wheel("moved", "1.0", map[string]string{"moved.py": ""})
	z.remove("moved", "moved-1.0-py3-none-any.whl")
	z.add("moved", "moved-1.1-py3-none-any.whl", wheelOf("moved", "1.1", map[string]string{"moved.py": ""}, nil))
	_, said, status = b.house(z, "moved.txt", lock)
	if status == 0 || !strings.Contains(said, "moved 1.0") || !strings.Contains(said, "127.0.0.1") {
		t.Errorf("moved: status %d\n%s", status, said)
	}
}

func wheelsGate(t *testing.T, b *bakery, z *bazaar) {
	lock := z.wheel("broken-import", "1.0", map[string]string{"broken_import.py": "import nowhere_to_be_found\n"}) +
		z.wheel("needy", "1.0", map[string]string{"needy.py": ""}, "fine<1") +
		z.wheel("fine", "2.0", map[string]string{"fine.py": ""})
	_, said, status := b.house(z, "gate.txt", lock)
	if status != 1 || !strings.Contains(said, "needy") || !strings.Contains(said, "fine") {
		t.Errorf("status %d\n%s", status, said)
	}
	lock = strings.Join(slices.Delete(strings.SplitAfter(lock, "\n"), 1, 2), "")
	_, said, status = b.house(z, "gate.txt", lock)
	if status != 1 || !strings.Contains(said, "broken_import 1.0") || !strings.Contains(said, "nowhere_to_be_found") {
		t.Errorf("status %d\n%s", status, said)
	}
	if houses, err := filepath.Glob(filepath.Join(b.dir, "baked/wheels/gate.txt-*")); err != nil || len(houses) > 0 {
		t.Errorf("published: %q, %v", houses, err)
	}
}

func wheelsReproducible(t *testing.T, b *bakery, z *bazaar) {
	lock := z.sdist(built{Name: "steady", Version: "1.0", Files: map[string]string{"steady.py": ""}}) +
		z.sdist(built{Name: "dicey", Version: "1.0", Files: map[string]string{"dicey.py": ""}, Random: true})
	_, said, status := b.house(z, "dice.txt", lock, "--verify-reproducible")
	if status != 1 || !strings.Contains(said, "dicey 1.0") || !strings.Contains(said, "dicey_random.py") || strings.Contains(said, "steady 1.0: ") {
		t.Errorf("status %d\n%s", status, said)
	}
}

// wheelsKilled ends a house in each of the ways in which builds end badly.
func wheelsKilled(t *testing.T, b *bakery, z *bazaar) {
	lock := z.sdist(built{Name: "quick", Version: "1.0", Files: map[string]string{"quick.py": ""}}) +
		z.sdist(built{Name: "slow", Version: "1.0", Files: map[string]string{"slow.py": ""}, Sleep: 8})
	file := filepath.Join(b.dir, "killed.txt")
	if err := os.WriteFile(file, []byte(lock), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{file, "--python", "3.13.5", "--distro", "trixie", "--index-url", z.url}
	cmd, _, read := b.startVerb("wheels", "build slow 1.0 …", args...)
	waitFor(t, func() bool {
		_, err := os.Stat(filepath.Join(b.dir, "baked/wheel/quick-1.0-any"))
		return err == nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-read
	cmd.Wait()
	// The next run cleans up, has what was done, and is interrupted itself.
	cmd, said, read := b.startVerb("wheels", "build slow 1.0 …", args...)
	if !strings.Contains(said.String(), "left by a run that was killed") {
		t.Errorf("the next run removed nothing:\n%s", said)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-read
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 128+int(syscall.SIGINT) {
		t.Errorf("interrupted: status %d:\n%s", status, said)
	}
	if strings.Contains(said.String(), "build quick") {
		t.Errorf("quick was built again:\n%s", said)
	}
	if left := dockerRun(t, "ps", "-aq", "--filter", "name=pybake-wheel"); left != "" {
		t.Errorf("containers left: %s", left)
	}
	if drafts, err := filepath.Glob(filepath.Join(b.dir, "baked/tmp/*")); err != nil || len(drafts) > 0 {
		t.Errorf("drafts left: %q, %v", drafts, err)
	}
	made, text, status := b.house(z, "killed.txt", lock)
	if status != 0 || origins(made) != "quick sdist, slow sdist" {
		t.Errorf("status %d: %s\n%s", status, origins(made), text)
	}
}

func waitFor(t *testing.T, ready func() bool) {
	t.Helper()
	for range 600 {
		if ready() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(fmt.Errorf("waited a minute in vain"))
}
