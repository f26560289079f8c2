//go:build engine

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts/publish"
)

// entry is what is published of a cell.
func (s *nightly) entry(cell string) publish.Entry {
	s.t.Helper()
	return s.entryIn("current", cell)
}

// requirementsOf is a list of requirements for what a generation has of one.lock.
func (s *nightly) requirementsOf(generation int) string {
	s.t.Helper()
	text := ""
	for _, w := range s.entryIn(fmt.Sprintf("generations/%06d", generation), cellOne).Wheels {
		text += fmt.Sprintf("%s==%s --hash=sha256:%s\n", w.Project, w.Version, w.SHA256)
	}
	return text
}

// entryIn is what a generation has of a cell.
func (s *nightly) entryIn(generation, cell string) publish.Entry {
	s.t.Helper()
	text, err := os.ReadFile(s.published(generation + "/set.json"))
	var set publish.Set
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range set.Entries {
		if e.Cell == cell {
			return e
		}
	}
	s.t.Fatalf("nothing is published of %s", cell)
	return publish.Entry{}
}

// clients are clean machines that install from what is published: over HTTP in a
// network that leads to this machine only, and from a volume without any network.
type clients struct {
	clean   string // image: the distro and, of the distro, what the Python depends on
	python  string // image: with the Python, too
	network string
	url     string
	dir     string
	served  string // what pybake serve --json printed
}

const clientPackages = "pybake-python3.13 pybake-python3.13-venv"

func newClients(t *testing.T, s *nightly) *clients {
	t.Helper()
	c := &clients{clean: "pybake-test/clean:1", python: "pybake-test/python:1", network: "pybake-test-clients", dir: s.published(".")}
	host, port, err := net.SplitHostPort(s.serving)
	if err != nil {
		t.Fatal(err)
	}
	c.url = "http://" + net.JoinHostPort(host, port) + "/"
	serve := exec.Command(s.bin, "serve", "--json", "--listen", s.serving)
	serve.Dir, serve.Env = s.dir, s.base
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serve.Process.Kill(); serve.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if c.served += lines.Text() + "\n"; lines.Text() == "}" {
			break
		}
	}
	if !strings.Contains(c.served, s.serving) {
		t.Fatalf("serve printed %q", c.served)
	}
	dockerRun(t, "network", "create", "--internal", c.network)
	t.Cleanup(func() { dockerRun(t, "network", "rm", c.network) })
	c.makeClean(t, s)
	return c
}

// makeClean makes the image of a clean machine. What the Python depends on is of the
// distro, which the tests have no copy of.
func (c *clients) makeClean(t *testing.T, s *nightly) {
	base, _ := pinned(t, filepath.Join(s.dir, "pybake.lock"))
	made := dockerRun(t, "run", "-d", base, "sleep", "600")
	defer dockerRun(t, "rm", "-f", made)
	dockerRun(t, "exec", made, "mkdir", "/debs")
	for _, d := range s.entry(cellPython).Debs {
		if strings.Contains(" "+clientPackages+" pybake-libpython3.13 ", " "+strings.SplitN(d.Name, "_", 2)[0]+" ") {
			dockerRun(t, "cp", s.published(d.Path()), made+":/debs/")
		}
	}
	dockerRun(t, "exec", made, "sh", "-euc", `
		apt-get update -q
		apt-get install -yq --no-install-recommends /debs/*.deb
		apt-get purge -yq 'pybake-*'
		rm -rf /debs /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*`)
	dockerRun(t, "commit", made, c.clean)
	t.Cleanup(func() {
		for _, ref := range []string{c.python, c.clean} {
			if imageID(ref) != "" {
				dockerRun(t, "rmi", ref)
			}
		}
	})
}

// clientsInstall installs the published packages and wheels as anybody would.
func clientsInstall(t *testing.T, s *nightly, c *clients) {
	s.verifies(c.url)
	s.verifies(c.url, "--key", filepath.Join(s.variable("HOME"), ".config/pybake/signing.key.pub"))
	other := filepath.Join(s.dir, "other.key")
	if _, _, status := s.run(nil, "keygen", other); status != 0 {
		t.Fatalf("keygen: status %d", status)
	}
	out, _, status := s.run(nil, "verify", c.url, "--key", other+".pub")
	if status != 1 || !strings.Contains(out, "files.txt") || !strings.Contains(out, "dists/trixie/InRelease") {
		t.Errorf("verify by another key: status %d\n%s", status, out)
	}

	made := dockerRun(t, "run", "-d", "--network", c.network, c.clean, "sleep", "600")
	defer dockerRun(t, "rm", "-f", made)
	dockerRun(t, "cp", "-L", s.published("pybake-trixie.sources"), made+":/etc/apt/sources.list.d/")
	said := dockerRun(t, "exec", made, "sh", "-euc", `
		! ls /usr/bin/python3* 2>/dev/null
		apt-get update -q
		apt-get install -yq --no-install-recommends `+clientPackages+`
		/opt/python/3.13/bin/python3.13 -m venv /venv`)
	if strings.Contains(said, "W: ") || !strings.Contains(said, strings.TrimSuffix(c.url, "/")+" trixie InRelease") {
		t.Errorf("apt said:\n%s", said)
	}
	dockerRun(t, "commit", made, c.python)

	// Another key than the one that signed.
	dockerRun(t, "exec", made, "sh", "-euc", `
		rm -rf /var/lib/apt/lists/*
		sed -i '/BEGIN PGP/,$d; s/^Signed-By:.*/Signed-By: \/other.asc/' /etc/apt/sources.list.d/pybake-trixie.sources`)
	dockerRun(t, "cp", other+".pub", made+":/other.pub")
	update := exec.Command("docker", "exec", made, "sh", "-euc", "sed -n '/BEGIN PGP/,/END PGP/p' /other.pub > /other.asc; apt-get update -q")
	if said, err := update.CombinedOutput(); err == nil || !strings.Contains(string(said), "trixie InRelease' is not signed") {
		t.Errorf("apt took what another key signed, or did not say why not: %v\n%s", err, said)
	}

	c.pip(t, s.requirements("one.lock"), "greet 1.0")
	c.fromVolume(t, s)
}

// indexURL is where pip finds wheels.
func (c *clients) indexURL() string { return c.url + "simple/trixie/3.13/" }

const installed = `/venv/bin/python -c 'import greet; print(greet.WORD)'`

// pip installs by a list of requirements in a clean machine that has the Python.
func (c *clients) pip(t *testing.T, requirements, want string) {
	t.Helper()
	script := `cat > /requirements.txt; set -- ; grep -q sha256: /requirements.txt && set -- --require-hashes
		/venv/bin/pip install --index-url "$INDEX" --trusted-host ` + strings.Split(strings.TrimPrefix(c.url, "http://"), ":")[0] + ` "$@" -r /requirements.txt
		` + installed
	cmd := exec.Command("docker", "run", "-i", "--rm", "--network", c.network, "-e", "INDEX="+c.indexURL(), c.python, "sh", "-euc", script)
	cmd.Stdin = strings.NewReader(requirements)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), want) {
		t.Errorf("pip does not install %s: %v\n%s", want, err, out)
	}
}

// fromVolume installs all of it without any network.
func (c *clients) fromVolume(t *testing.T, s *nightly) {
	t.Helper()
	made := dockerRun(t, "run", "-d", "--network", "none", c.clean, "sleep", "600")
	defer dockerRun(t, "rm", "-f", made)
	dockerRun(t, "cp", c.dir, made+":/srv/published")
	said := dockerRun(t, "exec", made, "sh", "-euc", `
		sed 's,^URIs:.*,URIs: file:/srv/published/,' /srv/published/pybake-trixie.sources > /etc/apt/sources.list.d/pybake.sources
		apt-get update -q
		apt-get install -yq --no-install-recommends `+clientPackages+`
		/opt/python/3.13/bin/python3.13 -m venv /venv
		mkdir /house && tar -xf /srv/published/pool/*/*/wheelhouse-one.lock-*.tar -C /house
		cp "$(find /house -name requirements.txt)" /requirements.txt
		/venv/bin/pip install --index-url file:///srv/published/simple/trixie/3.13/ --require-hashes -r /requirements.txt
		`+installed)
	if !strings.HasSuffix(said, "greet 1.0") || strings.Contains(said, "W: ") {
		t.Errorf("from a volume:\n%s", said)
	}
}
