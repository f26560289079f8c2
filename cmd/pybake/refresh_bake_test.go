//go:build engine

package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh/report"
)

// refreshTests go through the nights of a project with the Python that TestBake baked.
// The subtests stand on each other.
func refreshTests(t *testing.T, b *bakery) {
	s := newNightly(t, b)
	ok := t.Run("first night", func(t *testing.T) { firstNight(t, s.on(t)) })
	if !ok {
		t.FailNow() // nothing to go on with
	}
	clients := newClients(t, s)
	t.Run("clients", func(t *testing.T) { clientsInstall(t, s.on(t), clients) })
	t.Run("nothing to do", func(t *testing.T) { nothingToDo(t, s.on(t)) })
	t.Run("not proved", func(t *testing.T) { notProved(t, s.on(t)) })
	t.Run("one line", func(t *testing.T) { bumped(t, s.on(t), clients) })
	t.Run("broken", func(t *testing.T) { brokenNight(t, s.on(t)) })
	t.Run("rolled back", func(t *testing.T) { rolledBack(t, s.on(t), clients) })
	t.Run("deadline", func(t *testing.T) { tooShort(t, s.on(t)) })
	t.Run("two at once", func(t *testing.T) { twoAtOnce(t, s.on(t)) })
	t.Run("killed", func(t *testing.T) { killedNights(t, s.on(t)) })
	t.Run("flipped bit", func(t *testing.T) { flippedBit(t, s.on(t)) })
	t.Run("moved pin", func(t *testing.T) { movedPin(t, s.on(t)) })
	t.Run("gc", func(t *testing.T) { collected(t, s.on(t), clients) })
	t.Run("flipped bit in the pool", func(t *testing.T) { flippedPool(t, s.on(t)) })
}

// nightly is a project with a matrix, in a store of its own that has the baked Python.
type nightly struct {
	*shop
	serving string // address of its server: "172.17.0.1:40001"
	hook    *hook
	lines   map[string]string // of locks: "greet 1.0"
}

const nightlyProject = `
[matrix]
pythons = ["3.13"]
distros = ["trixie"]
locks   = ["one.lock", "two.lock"]

[[index]]
name = "bazaar"
url  = "INDEX"

[images.client]
from       = "trixie"
python     = "3.13"
wheels     = "one.lock"
apt        = ["netbase"]
entrypoint = ["python"]
check      = ["python", "-c", "import compiled, greet"]
tags       = ["pybake-test/client:1"]

[images.bare]
from  = "trixie"
apt   = ["netbase"]
check = ["true"]
tags  = ["pybake-test/bare:1"]

[refresh]
checks     = "quick"
releases   = ["releases.csv"]
on-failure = ["sh", "alarm.sh", "{report}"]
webhook    = "HOOK/${TOKEN}"

[publish]
key = "${HOME}/.config/pybake/signing.key"
url = "http://SERVING/"
`

// The cells of the project.
const (
	cellPython = "python 3.13 trixie amd64"
	cellOne    = "wheels one.lock 3.13 trixie amd64"
	cellTwo    = "wheels two.lock 3.13 trixie amd64"
	cellClient = "image client trixie amd64"
	cellBare   = "image bare trixie amd64"
)

func newNightly(t *testing.T, b *bakery) *nightly {
	z := newBazaar(t)
	h := newHook(t)
	s := &nightly{shop: &shop{bakery: b.on(t), index: z}, hook: h, lines: map[string]string{}}
	s.base = append(slices.Clone(b.base), "PIP_INDEX_URL=", "PIP_EXTRA_INDEX_URL=", "PIP_FIND_LINKS=", "no_proxy=127.0.0.1,172.17.0.1", "TOKEN=hunter2")
	baked := filepath.Join(b.dir, "baked")
	s.move(filepath.Join(b.dir, "nightly"))
	for _, version := range []string{"1.0", "1.1", "1.2", "1.3", "1.4"} {
		s.lines["greet "+version] = z.wheel("greet", version, map[string]string{"greet.py": "WORD = 'greet " + version + "'\n"})
	}
	s.lines["compiled"] = z.sdist(built{Name: "compiled", Version: "3.0", Compile: "compiled.c", Files: map[string]string{"compiled.c": extension}})
	for version, p := range map[string]built{
		"1.0": {}, "1.1": {Fail: "the flux is off"}, "1.2": {}, "1.3": {Sleep: 8}, "1.4": {Sleep: 8}, "1.5": {},
	} {
		p.Name, p.Version, p.Files = "pure", version, map[string]string{"pure.py": "import taken\n"}
		s.lines["pure "+version] = z.sdist(p)
	}
	s.lines["taken"] = z.wheel("taken", "1.0", map[string]string{"taken.py": ""})
	s.serving = freeAddress(t, gateway(t))
	for name, text := range map[string]string{
		"pybake.toml":  strings.NewReplacer("INDEX", z.url, "HOOK", h.url, "SERVING", s.serving).Replace(nightlyProject),
		"releases.csv": "version,sha256_tar_xz,sha256_tgz\n3.13.5,93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640,e6190f52699b534ee203d9f417bdbca05a92f23e35c19c691a50ed2942835385\n",
		"alarm.sh":     "cat > alarm.txt && printf %s \"$1\" > alarm.path\n",
	} {
		s.write(name, text)
	}
	s.lock("one.lock", "compiled", "greet 1.0")
	s.lock("two.lock", "taken", "pure 1.0")
	copyStore(t, baked, filepath.Join(s.dir, "baked"), "python")
	copyFile(t, filepath.Join(baked, project.LockFile), s.dir)
	t.Cleanup(func() { s.on(t).forgetAll() })
	return s
}

// forgetAll has the engine forget the images of the project and their layers.
func (s *nightly) forgetAll() {
	s.t.Helper()
	refs := []string{"pybake-test/client:1", "pybake-test/bare:1"}
	for _, img := range s.images() {
		refs = append(append(refs, img.Refs()...), s.nameless(img.Name)...)
	}
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		if imageID(ref) != "" {
			dockerRun(s.t, "rmi", "-f", ref)
		}
	}
}

// freeAddress is an address with a port that nobody listens on.
func freeAddress(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// on is the project for a subtest.
func (s *nightly) on(t *testing.T) *nightly {
	c := *s
	c.shop = s.shop.on(t)
	return &c
}

// lock writes a lock of some lines.
func (s *nightly) lock(name string, lines ...string) {
	s.t.Helper()
	text := ""
	for _, line := range lines {
		if s.lines[line] == "" {
			s.t.Fatalf("no line %q", line)
		}
		text += s.lines[line]
	}
	s.write(name, text)
}

// published is the path of something that is published.
func (s *nightly) published(name string) string { return filepath.Join(s.dir, "published", name) }

// current is the generation that is published.
func (s *nightly) current() string {
	s.t.Helper()
	to, err := os.Readlink(s.published("current"))
	if err != nil {
		s.t.Fatal(err)
	}
	return to
}

// same is what most nights here are run with: pins of the distro stay.
var same = []string{"--update", "3.13"}

// night runs pybake refresh, and returns what it says of each cell.
func (s *nightly) night(status int, args ...string) (told map[string]report.Artifact, n report.Night, said string) {
	s.t.Helper()
	return s.nightWith(nil, status, append([]string{"refresh", "--json"}, args...)...)
}

func (s *nightly) nightWith(env []string, status int, args ...string) (told map[string]report.Artifact, n report.Night, said string) {
	s.t.Helper()
	out, said, got := s.run(env, args...)
	if got != status {
		s.t.Fatalf("status %d, want %d", got, status)
	}
	if err := json.Unmarshal([]byte(out), &n); err != nil {
		s.t.Fatalf("%v in %q", err, out)
	}
	told = map[string]report.Artifact{}
	for _, a := range n.Artifacts {
		told[a.Name] = a
	}
	return told, n, said
}

// states sees what became of the cells: Python, one.lock, two.lock, client, bare.
func (s *nightly) states(told map[string]report.Artifact, want string) {
	s.t.Helper()
	var got []string
	for _, name := range []string{cellPython, cellOne, cellTwo, cellClient, cellBare} {
		got = append(got, told[name].State)
	}
	if text := strings.Join(got, " "); text != want {
		s.t.Errorf("states %q, want %q", text, want)
	}
	if len(told) != len(got) {
		s.t.Errorf("%d cells", len(told))
	}
}

// verifies sees that all that is published is whole and signed.
func (s *nightly) verifies(where ...string) {
	s.t.Helper()
	out, said, status := s.run(nil, append([]string{"verify", "--json"}, where...)...)
	if status != 0 || !strings.Contains(out, `"problems": []`) {
		s.t.Errorf("verify %q: status %d\n%s%s", where, status, out, said)
	}
}

// tree are the files below a directory but those of the report, with what is in them.
func (s *nightly) tree() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	root := s.published(".")
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		switch {
		case err != nil:
			return err
		case rel == "report" || rel == "reports" || rel == ".work":
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case e.Type()&fs.ModeSymlink != 0:
			all[rel], err = os.Readlink(name)
		case e.IsDir():
			all[rel] = "directory"
		default:
			var data []byte
			data, err = os.ReadFile(name)
			all[rel] = string(data)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// hook is a webhook on loopback.
type hook struct {
	url string

	mu     sync.Mutex
	bodies []string
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/hunter2" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.bodies = append(h.bodies, string(body))
	}))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// wasCalled is what was posted since the last call.
func (h *hook) wasCalled() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.bodies
	h.bodies = nil
	return all
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// nowhereEnv is a machine without engine and network.
var nowhereEnv = []string{"DOCKER_HOST=unix:///nonexistent", "http_proxy=http://127.0.0.1:9", "https_proxy=http://127.0.0.1:9", "no_proxy="}

// requirements is the list of requirements of a house, with hashes.
func (s *nightly) requirements(lock string) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "baked", "wheels", lock+"-3.13.5-trixie-amd64", "requirements.txt"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// gateway is this machine as containers on the engine's bridge see it: the first address of
// its network. An engine that has just been installed does not tell it as the gateway.
func gateway(t *testing.T) string {
	t.Helper()
	network := dockerRun(t, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		t.Fatal(err)
	}
	return prefix.Masked().Addr().Next().String()
}
