//go:build engine

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pybake/pybake/internal/image"
)

// imageChain makes a chain of images, and again after each thing that may change.
func imageChain(t *testing.T, s *shop) {
	out, said, status := s.run(nil, "image")
	if want := shopData + "\n" + shopDeps + "\n" + shopWeb + "\n" + shopTests + "\n"; status != 0 || out != want {
		t.Fatalf("status %d, and it prints %q, want %q", status, out, want)
	}
	for _, want := range []string{"unpacked", "shopdeps", "shop-tests: ", "of them above the base"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in the tables", want)
		}
	}
	made, _ := s.image()
	for name, want := range map[string]string{
		"shopdata":   "trixie base built, shopdata python built, shopdata files built",
		"shopdeps":   "trixie base reused, shopdata python reused, shopdata files reused, shopdeps wheels built",
		"shop":       "trixie base reused, shopdata python reused, shopdata files reused, shopdeps wheels reused, shop apt built, shop app built",
		"shop-tests": "trixie base reused, shopdata python reused, shopdata files reused, shopdeps wheels reused, shop-tests apt reused, shop-tests app reused, shop-tests files built",
	} {
		if got := rows(made[name]); made[name].Origin != "found" || got != want {
			t.Errorf("%s: %s: %s\nwant %s", name, made[name].Origin, got, want)
		}
	}
	for name, ref := range map[string]string{"shopdata": shopData, "shopdeps": shopDeps, "shop": shopWeb, "shop-tests": shopTests} {
		if id := imageID(ref); id == "" || id != made[name].ID {
			t.Errorf("the engine has %s as %q, want %s", ref, id, made[name].ID)
		}
	}
	shopAnswers(t, "first edition; bonjour; greet 1.0; open; 1000; compiled")
	shopHolds(t)
	s.isClean()

	again, said := s.image("shop")
	if m := again["shop"]; m.Origin != "found" || m.Digest != made["shop"].Digest || strings.Contains(said, "layer") {
		t.Errorf("again: %s %s\n%s", m.Origin, m.Digest, said)
	}
	// The engine is asked whether the image is there.
	_, said, status = s.run([]string{"DOCKER_HOST=unix:///nonexistent"}, "image", "shop")
	if status != 1 || !strings.Contains(said, "connect to a container engine") {
		t.Errorf("without an engine: status %d\n%s", status, said)
	}
	shopEdited(t, s, made["shop"])
	shopBumped(t, s)
}

// shopAnswers runs the web server as it would be run, and asks it.
func shopAnswers(t *testing.T, want string) {
	t.Helper()
	c := dockerRun(t, "run", "-d", "--read-only", "--network", "none", shopWeb)
	defer dockerRun(t, "rm", "-f", c)
	got := dockerRun(t, "exec", c, "python", "-c", `
import time, urllib.request
for left in reversed(range(100)):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8000/").read().decode())
        break
    except OSError:
        if not left:
            raise
        time.sleep(0.1)
`)
	if got != want {
		t.Errorf("the shop says %q, want %q", got, want)
	}
	if first := dockerRun(t, "exec", c, "cat", "/proc/1/comm"); first != "tini" {
		t.Errorf("process 1 is %s", first)
	}
	if out, err := exec.Command("docker", "exec", c, "touch", "/home/app/x").CombinedOutput(); err == nil {
		t.Errorf("the root is not read-only: %s", out)
	}
	dockerRun(t, "stop", "-t", "60", c)
	if status := dockerRun(t, "inspect", "-f", "{{.State.ExitCode}}", c); status != "143" {
		t.Errorf("SIGTERM ended it with %s, want 143", status)
	}
}

// shopHolds looks for what must not be in an image, and must.
func shopHolds(t *testing.T) {
	t.Helper()
	found := dockerRun(t, "run", "--rm", "--user", "0", "--entrypoint", "sh", shopWeb, "-c", `
		for program in pip pip3 gcc cc ld as make curl git; do command -v $program; done
		find / -xdev \( -name '*.h' -o -name '*.a' -o -name '*.deb' -o -name '*.whl' -o -name pip -o -name setuptools -o -name ensurepip -o -name '.git' -o -name install.py -o -name apt.sh \
			-o -name test_plain.py \) -print
		find /var/lib/apt/lists /var/cache/apt /mnt /tmp /var/log -type f -size +0 -print
		find /usr/share/doc -type f ! -name copyright -print
		find / -xdev -newermt 2020-01-02 -type f ! -path '/proc/*' ! -path '/sys/*' ! -path '/etc/*' ! -path '/.dockerenv' -print | head -3`)
	if found != "" {
		t.Errorf("in the image:\n%s", found)
	}
	var config struct {
		User, WorkingDir string
		ExposedPorts     map[string]any
		Labels           map[string]string
	}
	if err := json.Unmarshal([]byte(dockerRun(t, "inspect", "-f", "{{json .Config}}", shopWeb)), &config); err != nil {
		t.Fatal(err)
	}
	labels := config.Labels
	if config.User != "1000:1000" || config.WorkingDir != "/home/app" || config.ExposedPorts["8000/tcp"] == nil ||
		labels["org.opencontainers.image.version"] != "1.4.2" || len(labels["org.opencontainers.image.revision"]) != 40 ||
		labels[image.LabelName] != "shop" || labels["org.opencontainers.image.created"] != "2026-05-06T07:08:09Z" {
		t.Errorf("configuration %+v", config)
	}
	bytecode := dockerRun(t, "run", "--rm", "--entrypoint", "sh", shopWeb, "-c", "ls /venv/lib/python3.13/site-packages/shop/__pycache__")
	if bytecode != "__init__.cpython-313.pyc" {
		t.Errorf("bytecode: %s", bytecode)
	}
}

// shopEdited changes one line of the application.
func shopEdited(t *testing.T, s *shop, before madeImage) {
	s.change("src/shop/__init__.py", "first edition", "second edition")
	s.commit("second")
	s.git("tag", "-f", "v1.4.2")
	made, _ := s.image("shop")
	web := made["shop"]
	if want := "trixie base reused, shopdata python reused, shopdata files reused, shopdeps wheels reused, shop apt reused, shop app built"; rows(web) != want {
		t.Errorf("%s\nwant %s", rows(web), want)
	}
	for i, l := range web.Layers {
		if same := l.Digest == before.Layers[i].Digest; same != (l.Name != "app") {
			t.Errorf("layer %s has the digest of before: %v", l.Name, same)
		}
	}
	if why := web.Layers[len(web.Layers)-1].Why; !strings.Contains(why, "app.shop") {
		t.Errorf("the app is built because %q", why)
	}
	shopAnswers(t, "second edition; bonjour; greet 1.0; open; 1000; compiled")
	s.isClean()
}

// shopBumped changes one wheel of the lock: one tree is made.
func shopBumped(t *testing.T, s *shop) {
	trees := s.trees()
	s.change("requirements.lock", s.greet["1.0"], s.greet["1.1"])
	s.commit("third")
	s.git("tag", "-f", "v1.4.2")
	made, said := s.image("shop")
	if got, want := rows(made["shopdeps"]), "trixie base reused, shopdata python reused, shopdata files reused, shopdeps wheels built"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, want := rows(made["shop"]), "trixie base reused, shopdata python reused, shopdata files reused, shopdeps wheels reused, shop apt built, shop app reused"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if why := made["shopdeps"].Layers[3].Why; !strings.Contains(why, "wheel.greet") || strings.Contains(why, "wheel.compiled") {
		t.Errorf("the wheels are built because %q", why)
	}
	if more := len(s.trees()) - len(trees); more != 2 || !strings.Contains(said, "install 1 wheel ") {
		t.Errorf("%d more files of trees, want a tree and its index\n%s", more, said)
	}
	shopAnswers(t, "second edition; bonjour; greet 1.1; open; 1000; compiled")
	s.isClean()
}

// trees are the files of the cache of trees.
func (s *shop) trees() []string {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.cache(), "trees", "*.gz"))
	if err != nil || len(found) == 0 {
		s.t.Fatalf("trees: %q, %v", found, err)
	}
	return found
}

// imageSameDigest makes the images again as another machine would: of a clone of
// the repository, with neither layers nor trees, under another umask, hostname and
// time zone.
func imageSameDigest(t *testing.T, s *shop) {
	before, _ := s.image("shop", "shop-tests")
	there := s.clone(t, "elsewhere", "python", "wheel", "wheels")
	s.forget()
	if err := os.RemoveAll(filepath.Join(there.cache(), "trees")); err != nil {
		t.Fatal(err)
	}
	script := `umask 077; hostname elsewhere; exec "$0" "$@"`
	cmd := exec.Command("unshare", "--uts", "sh", "-c", script, there.bin, "image", "--json", "shop", "shop-tests")
	cmd.Dir, cmd.Env = there.dir, append(slices.Clone(there.base), "TZ=Pacific/Chatham", "LC_ALL=C")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	t.Logf("%s", said.String())
	if err != nil {
		t.Fatal(err)
	}
	after := readMade(t, string(out))
	for name, old := range before {
		m := after[name]
		if m.Digest != old.Digest || m.ID != old.ID || m.Key != old.Key {
			t.Errorf("%s: %s %s, was %s %s", name, m.ID, m.Digest, old.ID, old.Digest)
		}
		for i, l := range m.Layers {
			if l.Digest != old.Layers[i].Digest || l.DiffID != old.Layers[i].DiffID {
				t.Errorf("%s: layer %s of %s: %s, was %s", name, l.Name, l.Image, l.Digest, old.Layers[i].Digest)
			}
			if name == "shop" && l.Origin != "built" && l.Image == "shop" {
				t.Errorf("%s: layer %s is %s", name, l.Name, l.Origin)
			}
		}
	}
	there.isClean()
	// The images are back for the first store, too, with nothing made.
	back, _ := s.image("shop")
	if back["shop"].Origin != "found" || imageID(shopWeb) != before["shop"].ID {
		t.Errorf("%s, the engine has %s", back["shop"].Origin, imageID(shopWeb))
	}
}

// clone is the shop as another machine has it: a clone of the repository with the
// pins, a store with some kinds of the artifacts, a cache of its own with the
// downloads.
func (s *shop) clone(t *testing.T, name string, kinds ...string) *shop {
	t.Helper()
	there := s.on(t)
	home := filepath.Join(filepath.Dir(s.dir), name)
	there.bakery.base = append(slices.Clone(there.base), "HOME="+home, "PYBAKE_CACHE="+filepath.Join(home, "cache"))
	there.move(filepath.Join(home, "shop"))
	if err := os.MkdirAll(filepath.Join(home, "cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.git("clone", "-q", s.dir, there.dir)
	if len(kinds) == 0 {
		return there
	}
	copyStore(t, filepath.Join(s.dir, "baked"), filepath.Join(there.dir, "baked"), kinds...)
	copyFile(t, filepath.Join(s.dir, "pybake.lock"), there.dir)
	if out, err := exec.Command("cp", "-al", filepath.Join(s.cache(), "downloads"), there.cache()).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return there
}

// imageOfNoFile makes an image that flags describe, of what is there already.
func imageOfNoFile(t *testing.T, s *shop) {
	const ref = "pybake-test/shop-flags:1"
	m, _ := s.image("--python", "3.13.5", "--distro", "trixie", "--wheels", "requirements.lock", "--app", ".", "--entrypoint", "shop", "--env", "SHOP=shut", "--tag", ref)
	want := "trixie base reused, shop-flags python reused, shop-flags wheels reused, shop-flags app reused"
	if got := rows(m["shop-flags"]); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if said := dockerRun(t, "run", "--rm", ref, "--version"); said != "second edition" {
		t.Errorf("it says %q", said)
	}
	s.write("empty/README", "")
	_, said, status := s.run(nil, "image", "--python", "3.13.5", "--distro", "trixie", "--app", "empty", "--tag", "pybake-test/empty:1")
	if status != 2 || !strings.Contains(said, "empty: nothing that builds: neither pyproject.toml nor setup.py") || imageID("pybake-test/empty:1") != "" {
		t.Errorf("a directory without a project: status %d\n%s", status, said)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "empty")); err != nil {
		t.Fatal(err)
	}
	s.isClean()
}

// imageRunning runs the image as its run configuration says.
func imageRunning(t *testing.T, s *shop) {
	ask := func(args ...string) string {
		cmd := exec.Command(s.bin, append([]string{"run", "shop"}, args...)...)
		cmd.Dir, cmd.Env, cmd.Stderr = s.dir, s.base, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Signal(syscall.SIGTERM)
		var body string
		waitFor(t, func() bool { body = httpBody("http://127.0.0.1:18352/"); return body != "" })
		return body
	}
	if body := ask(); body != "second edition; bonjour; greet 1.1; open; 1000; compiled" {
		t.Errorf("the shop says %q", body)
	}
	s.change("src/shop/__init__.py", "second edition", "third edition")
	if body := ask("--env", "SHOP=closed"); body != "second edition; bonjour; greet 1.1; closed; 1000; compiled" {
		t.Errorf("without --source it says %q", body)
	}
	if body := ask("--source"); body != "third edition; bonjour; greet 1.1; open; 1000; compiled" {
		t.Errorf("with --source it says %q", body)
	}
	s.git("checkout", "-q", "src")
	out, _, status := s.run(nil, "run", "shop", "--publish", "127.0.0.1::1", "--", "--version")
	if out != "second edition\n" || status != 0 {
		t.Errorf("--version: %q, status %d", out, status)
	}
	s.isClean()
}

// imageKept lists and shows images; clean takes nothing that one stands on.
func imageKept(t *testing.T, s *shop) {
	out, _, status := s.run(nil, "list")
	for _, name := range []string{"image shopdata trixie amd64", "image shopdeps trixie amd64", "image shop trixie amd64", "image shop-tests trixie amd64", "layer python trixie", "layer app trixie"} {
		if !strings.Contains(out, name) || status != 0 {
			t.Errorf("list, status %d: no %s\n%s", status, name, out)
		}
	}
	out, _, status = s.run(nil, "show", "image shop trixie amd64")
	for _, want := range []string{"modules import", "layer.04.apt", "shopdeps", "wheels", "app", "reused", "above the base"} {
		if !strings.Contains(out, want) || status != 0 {
			t.Errorf("show, status %d: no %q\n%s", status, want, out)
		}
	}
	out, _, status = s.run(nil, "clean", "--dry-run", "--json", "--keep", "1")
	var clean struct {
		Removed []struct{ Kind, Name string }
	}
	if err := json.Unmarshal([]byte(out), &clean); err != nil || status != 0 {
		t.Fatalf("clean: status %d, %v", status, err)
	}
	used := map[string]bool{}
	for _, tag := range []string{shopData, shopDeps, shopWeb, shopTests} {
		used[tag] = true
	}
	for _, img := range s.images() {
		for i, l := range img.Layers {
			used["layer "+l.Name+" trixie "+l.Key.Short()] = true
			used[img.Refs()[i]] = true
		}
	}
	var versions int
	for _, g := range clean.Removed {
		for _, ref := range strings.Fields(g.Name) {
			if g.Kind == "image" && used[ref] {
				t.Errorf("clean would remove image %s", ref)
			}
		}
		if used[g.Name] {
			t.Errorf("clean would remove %s %s", g.Kind, g.Name)
		}
		if g.Kind == "artifact" && strings.HasPrefix(g.Name, "image shop ") {
			versions++
		}
	}
	if versions == 0 {
		t.Errorf("clean --keep 1 would keep older images: %+v", clean.Removed)
	}
}
