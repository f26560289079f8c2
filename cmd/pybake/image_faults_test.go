//go:build engine

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pybake/pybake/internal/engine"
)

// faultProject has one image for each planted fault.
const faultProject = `
distro = "trixie"
python = "3.13.5"

[[index]]
name = "bazaar"
url  = "INDEX"

[images.shop-compiler]
from = "trixie"
apt  = ["gcc"]

[images.shop-privileged]
from = "trixie"
apt  = ["sudo"]

[images.shop-lacking]
from = "trixie"
app  = "lacking"

[images.shop-writing]
from = "trixie"
app  = "writing"

[images.shop-installer]
from = "trixie"
app  = "installer"

[images.shop-pointless]
from       = "trixie"
entrypoint = ["no-such-program"]

[images.shop-failing]
from  = "trixie"
check = ["sh", "-c", "echo it is broken; exit 3"]

[images.shop-large]
from     = "trixie"
files    = { "/srv/large" = "large" }
max-size = { files = "1kB" }

[images.shop-twin]
from = "trixie"
user = "twin:1000"

[images.shop-follower]
from = "shop-lacking"
`

// imageFaults plants faults and sees the check of that name fail and no other. The
// tag keeps what it had.
func imageFaults(t *testing.T, s *shop) {
	there := s.on(t)
	there.bakery.dir = filepath.Join(s.dir, "faults")
	there.write("pybake.toml", strings.Replace(faultProject, "INDEX", s.index.url, 1))
	there.write("pyproject.toml", "")
	there.write("large", strings.Repeat("x", 2000))
	copyFile(t, filepath.Join(s.dir, "pybake.lock"), there.dir)
	for _, p := range []built{
		{Name: "lacking", Version: "1.0", Files: map[string]string{"lacking.py": ""}, Depends: []string{"flask>=3"}},
		{Name: "writing", Version: "1.0", Files: map[string]string{"writing.py": "open(__file__ + '.cache', 'w')\n"}},
		{Name: "installer", Version: "1.0", Files: map[string]string{"pip/__init__.py": "", "pip/__main__.py": ""}},
	} {
		there.project(p)
	}
	faults := map[string][]string{ // what is said of it
		"shop-compiler": {"image shop-compiler trixie amd64: 2 checks failed\n", "no compiler:\n", "/usr/bin/gcc (layer apt)\n",
			"no headers or static archives:\n", ".h (layer apt), of package libgcc-14-dev\n"},
		"shop-privileged": {"image shop-privileged trixie amd64: 1 check failed\n", "no set-uid beyond the base:\n", "/usr/bin/sudo"},
		"shop-lacking": {"image shop-lacking trixie amd64: 1 check failed\n", "requirements consistent:\n",
			"lacking 1.0 requires flask>=3, which the lock does not have"},
		"shop-writing":   {"image shop-writing trixie amd64: 1 check failed\n", "modules import:\n", "import writing: OSError: [Errno 30] Read-only file system"},
		"shop-installer": {"image shop-installer trixie amd64: 1 check failed\n", "no installer:\n", "/site-packages/pip (layer app)"},
		"shop-pointless": {"image shop-pointless trixie amd64: 2 checks failed\n", `ENTRYPOINT "no-such-program": is not on PATH`},
		"shop-failing":   {"image shop-failing trixie amd64: 1 check failed\n", "starts:\n", "status 3: it is broken"},
		"shop-large":     {"image shop-large: files has ", " bytes, and max-size allows 1000"},
		"shop-twin":      {"layer files of shop-twin: ", `user twin:1000: /etc/passwd of what the image stands on has "app:x:1000:1000:`},
		"shop-follower":  {"image shop-follower: it stands on shop-lacking"},
	}
	for name := range faults {
		dockerRun(t, "tag", shopWeb, name+":latest")
	}
	defer func() {
		for name := range faults {
			dockerRun(t, "rmi", name+":latest")
		}
	}()
	before := imageID(shopWeb)
	out, said, status := there.run(nil, "image")
	if status != 1 || out != "" {
		t.Errorf("status %d, and it prints %q", status, out)
	}
	for name, want := range faults {
		for _, text := range want {
			if !strings.Contains(said, text) {
				t.Errorf("image %s: %q is not said", name, text)
			}
		}
		if id := imageID(name + ":latest"); id != before {
			t.Errorf("%s:latest is another image: %q", name, id)
		}
	}
	there.isClean()
}

// project makes a directory with a project that the backend of the bazaar builds.
func (s *shop) project(p built) {
	s.t.Helper()
	config, err := json.Marshal(p)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(p.Name+"/pybackend.json", string(config))
	s.write(p.Name+"/pyproject.toml", "[build-system]\nrequires = [\"pybackend\"]\nbuild-backend = \"pybackend\"\n")
	for name, text := range p.Files {
		s.write(p.Name+"/src/"+name, text)
	}
}

// working are the containers of the processes of the shop that run.
func (s *shop) working(owner engine.Owner) (names []string) {
	s.t.Helper()
	e, err := engine.Connect(s.t.Context(), engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}, filepath.Join(s.cache(), "sessions"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer e.Close(s.t.Context())
	left, err := e.Leftovers(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range left {
		if l.Kind == "container" && l.Owner == owner {
			names = append(names, l.Name)
		}
	}
	return names
}

// imageKilled ends pybake image in each of the ways in which it ends badly.
func imageKilled(t *testing.T, s *shop) {
	there := s.on(t)
	there.bakery.dir = filepath.Join(s.dir, "killed")
	there.write("pybake.toml", "[images.shop-killed]\nfrom = \"trixie\"\napt = [\"tini\"]\ncheck = [\"sh\", \"-c\", \"[ -e /home/app/x ] || sleep 3\"]\ntags = [\"pybake-test/shop-killed:1\"]\n")
	copyFile(t, filepath.Join(s.dir, "pybake.lock"), there.dir)
	const ref = "pybake-test/shop-killed:1"
	dockerRun(t, "tag", shopWeb, ref)
	old := imageID(ref)
	end := func(word string, how os.Signal) string {
		t.Helper()
		cmd, said, read := there.startVerb("image", word)
		waitFor(t, func() bool { return len(there.working(engine.OwnerAlive)) > 0 })
		if err := cmd.Process.Signal(how); err != nil {
			t.Fatal(err)
		}
		<-read
		cmd.Wait()
		if how == os.Interrupt && cmd.ProcessState.ExitCode() != 128+int(syscall.SIGINT) {
			t.Errorf("interrupted at %q: status %d", word, cmd.ProcessState.ExitCode())
		}
		if left := there.working(engine.OwnerDead); (len(left) > 0) != (how == os.Kill) {
			t.Errorf("%v at %q: containers left: %q", how, word, left)
		}
		if id := imageID(ref); id != old {
			t.Errorf("%v at %q: the tag is that of %q", how, word, id)
		}
		t.Logf("%v at %q:\n%s", how, word, said)
		return said.String()
	}
	end("layer apt …", os.Kill)
	if said := end("layer apt …", os.Interrupt); !strings.Contains(said, "left by a run that was killed") {
		t.Error("the next run removed nothing")
	}
	there.isClean()
	end("check …", os.Kill)
	if said := end("check …", os.Interrupt); strings.Contains(said, "layer apt") {
		t.Error("the layer was made again")
	}
	there.isClean()
	if _, _, status := there.run(nil, "image"); status != 0 || imageID(ref) == old {
		t.Errorf("status %d", status)
	}
	there.isClean()
}

// imageFullDisk makes an image in a store that has no room for it.
func imageFullDisk(t *testing.T, s *shop) {
	there := s.clone(t, "full")
	store := filepath.Join(there.dir, "baked")
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", store).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	defer func() {
		if out, err := exec.Command("umount", store).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	}()
	if out, err := exec.Command("cp", "-a", filepath.Join(s.dir, "baked/artifacts"), filepath.Join(s.dir, "baked/store.json"), store).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	copyFile(t, filepath.Join(s.dir, "pybake.lock"), there.dir)
	there.change("pybake.toml", "from   = \"trixie\"\n", "from   = \"trixie\"\napt    = [\"file\"]\n")
	var fs syscall.Statfs_t
	if err := syscall.Statfs(store, &fs); err != nil {
		t.Fatal(err)
	}
	const room = 300 << 10
	if err := os.WriteFile(filepath.Join(store, "filler"), make([]byte, fs.Bavail*uint64(fs.Bsize)-room), 0o644); err != nil {
		t.Fatal(err)
	}
	before := imageID(shopData)
	_, said, status := there.run(nil, "image", "shopdata")
	if status != 1 || !strings.Contains(said, "no space left on device") || !strings.Contains(said, "layer apt of shopdata") {
		t.Errorf("status %d\n%s", status, said)
	}
	if id := imageID(shopData); id != before {
		t.Errorf("the tag is that of %q", id)
	}
	there.isClean()
	if err := os.Remove(filepath.Join(store, "filler")); err != nil {
		t.Fatal(err)
	}
	if _, _, status := there.run(nil, "image", "shopdata"); status != 0 {
		t.Errorf("with room: status %d", status)
	}
}
