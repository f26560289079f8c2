//go:build engine

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// bakery is a machine of its own for the real binary: home, cache and store.
type bakery struct {
	t    *testing.T
	bin  string
	dir  string
	base []string // environment
}

func newBakery(t *testing.T) *bakery {
	dir := t.TempDir()
	bin := filepath.Join(dir, "pybake")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return &bakery{t: t, bin: bin, dir: dir, base: append(os.Environ(),
		"HOME="+dir, "PYBAKE_CACHE="+filepath.Join(dir, "cache"), "PYBAKE_STORE="+filepath.Join(dir, "baked"), "CI=true")}
}

// on is the bakery for a subtest.
func (b *bakery) on(t *testing.T) *bakery {
	c := *b
	c.t = t
	return &c
}

// run runs pybake to its end.
func (b *bakery) run(env []string, args ...string) (stdout, stderr string, status int) {
	b.t.Helper()
	cmd := exec.Command(b.bin, args...)
	cmd.Dir, cmd.Env = b.dir, append(slices.Clone(b.base), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && !failed {
		b.t.Fatal(err)
	}
	if failed {
		status = exit.ExitCode()
	}
	b.t.Logf("pybake %s: status %d\n%s", strings.Join(args, " "), status, said.String())
	return out.String(), said.String(), status
}

// bake runs pybake python and returns what it made.
func (b *bakery) bake(env []string, args ...string) madePython {
	b.t.Helper()
	out, _, status := b.run(env, append([]string{"python", "--json"}, args...)...)
	if status != 0 {
		b.t.Fatalf("exit status %d", status)
	}
	var made madePython
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		b.t.Fatal(err)
	}
	return made
}

// start starts pybake python and returns when its standard error has said word.
func (b *bakery) start(word string, args ...string) (cmd *exec.Cmd, rest *bytes.Buffer, read chan struct{}) {
	b.t.Helper()
	return b.startVerb("python", word, args...)
}

func (b *bakery) startVerb(verb, word string, args ...string) (cmd *exec.Cmd, rest *bytes.Buffer, read chan struct{}) {
	b.t.Helper()
	cmd = exec.Command(b.bin, append([]string{verb}, args...)...)
	cmd.Dir, cmd.Env = b.dir, b.base
	pipe, err := cmd.StderrPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { cmd.Process.Kill() })
	rest, read = &bytes.Buffer{}, make(chan struct{})
	found := make(chan bool, 1)
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		seen := false
		for {
			n, err := pipe.Read(buf)
			rest.Write(buf[:n])
			if !seen && strings.Contains(rest.String(), word) {
				seen = true
				found <- true
			}
			if err != nil {
				if !seen {
					found <- false
				}
				return
			}
		}
	}()
	select {
	case ok := <-found:
		if !ok {
			b.t.Fatalf("pybake ended before it said %q:\n%s", word, rest)
		}
	case <-time.After(5 * time.Minute):
		b.t.Fatalf("pybake did not say %q", word)
	}
	return cmd, rest, read
}

// jobs are the names of the containers of a release's jobs. Other builds may
// run on the same engine.
func jobs(t *testing.T, release string) []string {
	t.Helper()
	return strings.Fields(dockerRun(t, "ps", "-a", "--format", "{{.Names}}", "--filter", "name=amd64-release-"+release+"-fast"))
}

func dockerRun(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestBake goes through the life of one CPython, from nothing to faults. The
// subtests stand on each other: one build without PGO and LTO serves most.
func TestBake(t *testing.T) {
	b := newBakery(t)
	fast := []string{"3.13.5", "--distro", "trixie", "--fast"}
	var made madePython
	ok := t.Run("built", func(t *testing.T) {
		made = b.on(t).bake(nil, fast...)
		checkMade(t, made, "built", "3.13.5-1~fast+deb13")
	})
	if !ok {
		t.FailNow() // nothing to go on with
	}
	t.Run("found", func(t *testing.T) {
		nothing := []string{"DOCKER_HOST=unix:///nonexistent", "http_proxy=http://127.0.0.1:9", "https_proxy=http://127.0.0.1:9"}
		again := b.on(t).bake(nothing, fast...)
		checkMade(t, again, "found", "3.13.5-1~fast+deb13")
		if again.Key != made.Key {
			t.Errorf("key %s, was %s", again.Key, made.Key)
		}
	})
	t.Run("shown", func(t *testing.T) {
		out, _, status := b.on(t).run(nil, "show", made.Name)
		if status != 0 || !strings.Contains(out, "builder.package.gcc-14:amd64") || !strings.Contains(out, "up to date") {
			t.Errorf("status %d\n%s", status, out)
		}
	})
	t.Run("plain apt", func(t *testing.T) { plainApt(t, b.on(t), made) })
	t.Run("flipped byte", func(t *testing.T) { flippedByte(t, b.on(t)) })
	t.Run("nowhere", func(t *testing.T) { nowhere(t, b.on(t)) })
	t.Run("killed", func(t *testing.T) { killed(t, b.on(t)) })
	t.Run("planted faults", func(t *testing.T) { plantedFaults(t, b.on(t), made) })
	t.Run("test suite", func(t *testing.T) { suiteGate(t, b.on(t)) })
	t.Run("wheels", func(t *testing.T) { wheelTests(t, b.on(t)) })
	t.Run("images", func(t *testing.T) { imageTests(t, b.on(t)) })
	t.Run("trained", func(t *testing.T) { trained(t, b.on(t)) })
	t.Run("optimised", func(t *testing.T) {
		checkMade(t, b.on(t).bake(nil, "3.13.5", "--distro", "trixie"), "built", "3.13.5-1+deb13")
	})
	t.Run("refresh", func(t *testing.T) { refreshTests(t, b.on(t)) })
}

func checkMade(t *testing.T, made madePython, origin, version string) {
	t.Helper()
	if made.Origin != origin {
		t.Errorf("%s, want %s", made.Origin, origin)
	}
	var names []string
	for _, p := range made.Packages {
		names = append(names, p.Name)
		info, err := os.Stat(p.Path)
		if err != nil {
			t.Error(err)
		} else if info.Size() != p.Size {
			t.Errorf("%s has %d bytes, want %d", p.Path, info.Size(), p.Size)
		}
		if p.Version != version || p.Architecture != "amd64" || len(p.SHA256) != 64 {
			t.Errorf("package %+v, want version %s", p, version)
		}
	}
	slices.Sort(names)
	want := []string{
		"pybake-libpython3.13", "pybake-python3.13", "pybake-python3.13-dbgsym", "pybake-python3.13-dev",
		"pybake-python3.13-test", "pybake-python3.13-tk", "pybake-python3.13-venv",
	}
	if !slices.Equal(names, want) {
		t.Errorf("packages %q, want %q", names, want)
	}
	if len(made.Checks) < 25 {
		t.Errorf("%d checks", len(made.Checks))
	}
	for _, c := range made.Checks {
		if !c.OK {
			t.Errorf("check %s: %s", c.Name, c.Detail)
		}
	}
}

// pinned are the names of the images that a lock's pins lead to: the base of trixie
// and the builder of CPython 3.13 on it. The engine may hold others.
func pinned(t *testing.T, lockFile string) (base, builder string) {
	t.Helper()
	lock, err := project.ReadLock(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	target := distro.Target{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}
	pin, ok := lock.Base("trixie", "amd64")
	if !ok {
		t.Fatalf("%s has no pin of a base", lockFile)
	}
	set, ok := lock.Builder("trixie", "amd64", "python 3.13")
	if !ok {
		t.Fatalf("%s has no pin of a builder", lockFile)
	}
	return distro.BaseRef(target, pin.Digest), distro.BuilderRef(target, pin, set.Packages, "builder")
}

// lockFile is where the pins are of what is baked without a project.
func (b *bakery) lockFile() string { return filepath.Join(b.dir, "baked", "pybake.lock") }

// plainApt installs by hand, with the network and apt's own sources, in a
// container that the docker command made.
func plainApt(t *testing.T, b *bakery, made madePython) {
	base, _ := pinned(t, b.lockFile())
	c := dockerRun(t, "run", "-d", base, "sleep", "600")
	defer dockerRun(t, "rm", "-f", c)
	dockerRun(t, "exec", c, "mkdir", "/debs")
	for _, p := range made.Packages {
		dockerRun(t, "cp", p.Path, c+":/debs/")
	}
	said := dockerRun(t, "exec", c, "sh", "-euc", `
		apt-get update -q
		apt-get install -yq --no-install-recommends /debs/pybake-python3.13_*.deb /debs/pybake-python3.13-venv_*.deb
		python=/opt/python/3.13/bin/python3.13
		$python -c 'import ssl, sqlite3, ctypes, lzma, zoneinfo; print(zoneinfo.ZoneInfo("Europe/Berlin"))'
		! $python -m pip --version
		$python -m venv /tmp/venv
		cp /opt/python/3.13/lib/python3.13/ensurepip/_bundled/pip-*.whl /tmp
		/tmp/venv/bin/pip install --no-index --find-links /tmp --force-reinstall pip
		ls /usr/bin/python3* 2>/dev/null | wc -l`)
	if !strings.Contains(said, "Europe/Berlin") || !strings.Contains(said, "Successfully installed pip-") || !strings.HasSuffix(said, "\n0") {
		t.Errorf("apt and pip said:\n%s", said)
	}
}

// trained learns a profile as far as it is stored and pinned, with next to no workload and
// no optimisation, in a project whose recipes say so.
func trained(t *testing.T, b *bakery) {
	own := *b
	own.dir = filepath.Join(b.dir, "training")
	if err := os.MkdirAll(filepath.Join(own.dir, "recipes/python"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"pybake.toml":              "",
		"recipes/python/3.13.toml": "cflags = [\"-O0\", \"-U_FORTIFY_SOURCE\"]\nprofile = [\"-c\", \"pass\"]\n",
	} {
		if err := os.WriteFile(filepath.Join(own.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd, said, read := own.start("compile …", "3.13.5", "--distro", "trixie")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-read
	cmd.Wait()
	if !strings.Contains(said.String(), "training a profile for 3.13 with gcc-14") {
		t.Errorf("said:\n%s", said)
	}
	pins, err := os.ReadFile(filepath.Join(own.dir, "pybake.lock"))
	if err != nil || !strings.Contains(string(pins), "workload = '-c pass; workload.py ") {
		t.Errorf("%v, pybake.lock:\n%s", err, pins)
	}
	made, err := filepath.Glob(filepath.Join(b.dir, "baked/artifacts/python-profile/*/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	// Others may have taken the one that comes with the recipes.
	made = slices.DeleteFunc(made, func(name string) bool {
		text, err := os.ReadFile(name)
		return err != nil || !strings.Contains(string(text), `"-c pass; workload.py `)
	})
	if len(made) != 1 {
		t.Errorf("profiles %q", made)
	}
}

// flippedByte offers the real source with one byte changed.
func flippedByte(t *testing.T, b *bakery) {
	mirror := filepath.Join(b.dir, "mirror")
	if err := os.Mkdir(mirror, 0o755); err != nil {
		t.Fatal(err)
	}
	cached, err := filepath.Glob(filepath.Join(b.dir, "cache/downloads/sha256/93/93e583f2*"))
	if err != nil || len(cached) != 1 {
		t.Fatalf("%q, %v", cached, err)
	}
	source, err := os.ReadFile(cached[0])
	if err != nil {
		t.Fatal(err)
	}
	source[len(source)/2] ^= 1
	if err := os.WriteFile(filepath.Join(mirror, "Python-3.13.5.tar.xz"), source, 0o644); err != nil {
		t.Fatal(err)
	}
	// In a cache of its own, so that the place is asked.
	cache := []string{"PYBAKE_CACHE=" + filepath.Join(b.dir, "cache2")}
	_, said, status := b.run(cache, "python", "3.13.5", "--distro", "trixie", "--fast", "--release", "9", "--source", mirror)
	const want = "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640"
	if status != 2 || !strings.Contains(said, mirror) || !strings.Contains(said, want) {
		t.Errorf("status %d, want 2 and the place and hash named:\n%s", status, said)
	}
	if left := jobs(t, "9"); len(left) > 0 {
		t.Errorf("containers left: %q", left)
	}
}

// nowhere asks for a release while no place can be reached.
func nowhere(t *testing.T, b *bakery) {
	closed := []string{"http_proxy=http://127.0.0.1:9", "https_proxy=http://127.0.0.1:9", "no_proxy="}
	_, said, status := b.run(closed, "python", "3.13.6", "--distro", "trixie", "--fast")
	for _, want := range []string{"Python-3.13.6.tar.xz", "Python-3.13.6.tgz", "cache ", "python.org", "source pool of trixie", "--source DIR"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not named", want)
		}
	}
	if status != 1 {
		t.Errorf("status %d, want 1:\n%s", status, said)
	}
}

// killed ends a build in each of the ways in which builds end badly.
func killed(t *testing.T, b *bakery) {
	args := []string{"3.13.5", "--distro", "trixie", "--fast", "--release", "2"}

	cmd, _, read := b.start("configure …", args...)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-read
	cmd.Wait()
	if left := jobs(t, "2"); len(left) != 1 {
		t.Fatalf("after kill -9: %q, want the container of the job", left)
	}

	// The next run cleans up after it, and is interrupted itself.
	cmd, said, read := b.start("configure …", args...)
	if !strings.Contains(said.String(), "left by a run that was killed") {
		t.Errorf("the next run removed nothing:\n%s", said)
	}
	start := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-read
	cmd.Wait()
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("the interrupt took %s", took)
	}
	if status := cmd.ProcessState.ExitCode(); status != 128+int(syscall.SIGINT) {
		t.Errorf("interrupted: status %d:\n%s", status, said)
	}
	if left := jobs(t, "2"); len(left) > 0 {
		t.Fatalf("after the interrupt: %q", left)
	}

	// Somebody removes the container.
	cmd, said, read = b.start("configure …", args...)
	dockerRun(t, append([]string{"rm", "-f"}, jobs(t, "2")...)...)
	<-read
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 1 || !strings.Contains(said.String(), "pybake: ") {
		t.Errorf("container removed: status %d:\n%s", status, said)
	}
	if left := jobs(t, "2"); len(left) > 0 {
		t.Errorf("containers left: %q", left)
	}
	drafts, err := filepath.Glob(filepath.Join(b.dir, "baked/tmp/*"))
	if err != nil || len(drafts) > 0 {
		t.Errorf("drafts left: %q, %v", drafts, err)
	}
	out, _, _ := b.run(nil, "list")
	if strings.Contains(out, "release 2") || !strings.Contains(out, "python 3.13.5 trixie amd64 fast") {
		t.Errorf("the store is not as it was:\n%s", out)
	}
}
