//go:build engine

package repin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/recipes"
)

const testBase = "pybake-repin-test/base:1"

// mirror is two archives of a few packages, on the address that containers with
// a network have this machine under: the first is trusted, the second, with what
// is named "loose…", nobody vouches for.
type mirror struct {
	url string

	mu    sync.Mutex
	files map[string][]byte // "a/Packages", "a/tiny_1_all.deb"
	sent  []string          // package files
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	data, ok := m.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if path.Ext(name) == ".deb" {
		m.sent = append(m.sent, path.Base(name))
	}
	w.Write(data)
}

// set makes these the packages of the archives: "tiny 2 tiny-lib (>= 1)" is
// version 2 of tiny, and depends on tiny-lib. Those that begin with "!" are in
// the index only.
func (m *mirror) set(t *testing.T, packages ...string) {
	t.Helper()
	files := map[string][]byte{"a/Packages": nil, "b/Packages": nil}
	for _, text := range packages {
		text, absent := strings.CutPrefix(text, "!")
		fields := strings.SplitN(text, " ", 3)
		var depends []string
		if len(fields) == 3 {
			depends = strings.Split(fields[2], ", ")
		}
		p := &nfpm.Package{
			Name: fields[0], Version: fields[1], Arch: "all", Maintainer: "Jo Doe <jo@example.org>", Section: "misc", Priority: "optional",
			Synopsis: "of a test", Depends: depends, Time: time.Unix(1e9, 0), Compression: "xz",
			Files: []nfpm.File{{Path: "/opt/" + fields[0] + "/file", Content: []byte(text)}},
		}
		local := filepath.Join(t.TempDir(), p.FileName())
		if err := p.WriteFile(local); err != nil {
			t.Fatal(err)
		}
		deb, err := os.ReadFile(local)
		if err != nil {
			t.Fatal(err)
		}
		control, err := nfpm.Control(bytes.NewReader(deb))
		if err != nil {
			t.Fatal(err)
		}
		archive := "a/"
		if strings.HasPrefix(fields[0], "loose") {
			archive = "b/"
		}
		files[archive+"Packages"] = fmt.Appendf(files[archive+"Packages"], "%s\nFilename: ./%s\nSize: %d\nSHA256: %s\n\n",
			strings.TrimRight(control, "\n"), p.FileName(), len(deb), sum(deb))
		if !absent {
			files[archive+p.FileName()] = deb
		}
	}
	for _, archive := range []string{"a/", "b/"} {
		index := files[archive+"Packages"]
		files[archive+"Release"] = fmt.Appendf(nil, "Date: %s\nSHA256:\n %s %d Packages\n", time.Now().UTC().Format(time.RFC1123), sum(index), len(index))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files, m.sent = files, nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// bench is an engine, and a base image whose apt knows the mirror alone.
type bench struct {
	*Mover
	engine *engine.Engine
	target distro.Target
	mirror *mirror
	server *httptest.Server
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{target: distro.Target{Arch: "amd64"}, mirror: &mirror{}}
	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	var err error
	if b.engine, err = engine.Connect(t.Context(), address, filepath.Join(t.TempDir(), "sessions")); err != nil {
		t.Fatal("a container engine is needed: ", err)
	}
	t.Cleanup(func() { b.engine.Close(context.Background()) })
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.target.Distro, err = set.Distro("trixie"); err != nil {
		t.Fatal(err)
	}
	b.Mover = &Mover{Report: quiet{}, Distros: &distro.Maker{
		Engine: b.engine, Fetcher: &fetch.Fetcher{Cache: t.TempDir()}, Report: quiet{}, Environ: os.Environ(),
	}}
	from := "pybake-test/base:trixie" // of other tests; else mmdebstrap's
	if _, found, err := b.engine.Image(t.Context(), from); err != nil {
		t.Fatal(err)
	} else if !found {
		b.target.Distro.Base.Image = from
		base, err := b.Distros.Base(t.Context(), b.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		from = distro.BaseRef(b.target, base.Digest)
	}
	b.serve(t, from)
	b.target.Distro.Base.Image = testBase
	b.commit(t, from, "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*; printf 'deb [trusted=yes] "+
		b.mirror.url+"/a/ ./\ndeb [allow-insecure=yes] "+b.mirror.url+"/b/ ./\n' > /etc/apt/sources.list.d/test.list")
	return b
}

// removeLater removes an image that was not there before. The engine may still
// count a container that was removed.
func (b *bench) removeLater(t *testing.T, ref string) {
	t.Cleanup(func() {
		err := b.engine.RemoveImage(context.Background(), ref)
		for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); {
			err = b.engine.RemoveImage(context.Background(), ref)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// serve starts the mirror on the gateway of the network that an image gets.
func (b *bench) serve(t *testing.T, image string) {
	t.Helper()
	c, err := b.engine.Start(t.Context(), engine.Spec{Image: image, Purpose: "repin-test", Network: true, Limit: time.Hour, Memory: 1 << 30, PIDs: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Remove(t.Context())
	var out strings.Builder
	if err := c.Exec(t.Context(), engine.Command{Argv: []string{"cat", "/proc/net/route"}, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	var gateway net.IP
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "00000000" {
			raw, err := hex.DecodeString(f[2])
			if err != nil || len(raw) != 4 {
				t.Fatalf("gateway %q: %v", f[2], err)
			}
			gateway = binary.LittleEndian.AppendUint32(nil, binary.BigEndian.Uint32(raw))
		}
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort(gateway.String(), "0"))
	if err != nil {
		t.Fatal("the engine's bridge is to be on this machine: ", err)
	}
	b.server = httptest.NewUnstartedServer(b.mirror)
	b.server.Listener.Close()
	b.server.Listener = listener
	b.server.Start()
	t.Cleanup(b.server.Close)
	b.mirror.url = b.server.URL
}

// commit makes the base image of the tests of another, changed by a script.
func (b *bench) commit(t *testing.T, from, script string) {
	t.Helper()
	c, err := b.Distros.Offliner(t.Context(), b.target, from, "repin-test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Remove(t.Context())
	var out strings.Builder
	if err := c.Exec(t.Context(), engine.Command{Argv: []string{"sh", "-euc", script}, User: "0:0", Stdout: &out, Stderr: &out}); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	img, err := c.Commit(t.Context(), testBase, engine.ImageConfig{})
	if err != nil {
		t.Fatal(err)
	}
	b.removeLater(t, distro.BaseRef(b.target, img.ID))
	b.removeLater(t, testBase)
}

// pin is a lock with sets as builds pin them today.
func (b *bench) pin(t *testing.T) *project.Lock {
	t.Helper()
	l := &project.Lock{Format: project.LockFormat}
	base, err := b.Distros.Base(t.Context(), b.target, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.SetBase(base)
	pin := func(who string, request, local []string) project.SetPin {
		names := request
		if local != nil {
			names = nil
		}
		packages, err := b.Distros.Resolve(t.Context(), b.target, base, names, local)
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		return project.SetPin{Distro: "trixie", Arch: "amd64", For: who, Request: request, Packages: packages}
	}
	l.SetBuilder(pin("python 3.13", []string{"tiny-tool"}, nil))
	depends := []string{"dash | no-such-package", "libc6 (>= 2.1)", "tiny (>= 1)"}
	local := filepath.Join(t.TempDir(), "pybake-python3.13_1_amd64.deb")
	err = (&nfpm.Package{
		Name: "pybake-python3.13", Version: "1", Arch: "amd64", Maintainer: "Jo Doe <jo@example.org>", Section: "misc", Priority: "optional",
		Synopsis: "of a test", Depends: depends, Time: time.Unix(1e9, 0), Compression: "xz",
		Files: []nfpm.File{{Path: "/opt/python/file", Content: []byte("x")}},
	}).WriteFile(local)
	if err != nil {
		t.Fatal(err)
	}
	python := pin("python 3.13", depends, []string{local})
	l.SetRuntime(python)
	house := pin("wheels app.lock 3.13", []string{"tiny-wide"}, nil)
	house.Packages = slices.DeleteFunc(house.Packages, func(p project.Package) bool { return slices.Contains(python.Packages, p) })
	l.SetRuntime(house)
	l.SetRuntime(pin("image web", sorted(slices.Concat(atVersions(python.Packages), atVersions(house.Packages), []string{"tiny-app"})), nil))
	l.SetRuntime(pin("lintian", []string{"tiny-lint"}, nil))
	return l
}

var one = []string{"tiny 1", "tiny-tool 1 tiny", "tiny-lib 1", "tiny-wide 1 tiny, tiny-lib", "tiny-app 1 tiny-lib (>= 1)", "tiny-lint 1", "loose 1"}

// with is one with another version of its first package.
func with(first string) []string { return append([]string{first}, one[1:]...) }

// look looks, and says what it found.
func (b *bench) look(t *testing.T, l *project.Lock) (*Moved, []string) {
	t.Helper()
	before := text(t, l)
	moved, err := b.Look(t.Context(), l, b.target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, text(t, l)); diff != "" {
		t.Errorf("Look changed the lock: %s", diff)
	}
	return moved, append(say(moved.Moves), say(moved.Failed)...)
}

// TestMovedPackage moves one package of an archive, then its base image.
func TestMovedPackage(t *testing.T) {
	b := newBench(t)
	b.mirror.set(t, one...)
	l := b.pin(t)
	if _, said := b.look(t, l); said != nil {
		t.Errorf("nothing moved, and it says %q", said)
	}

	b.mirror.set(t, with("tiny 2")...)
	moved, said := b.look(t, l)
	if diff := cmp.Diff([]string{"tiny 1 → 2 in trixie (image web, python 3.13, python 3.13 builder)"}, said); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"tiny_2_all.deb"}, b.mirror.sent); diff != "" {
		t.Errorf("downloaded: %s", diff)
	}
	moved.Apply(l)
	if diff := cmp.Diff(text(t, b.pin(t)), text(t, l)); diff != "" {
		t.Errorf("not what is pinned anew: %s", diff)
	}
	if _, said := b.look(t, l); said != nil {
		t.Errorf("it moved, and it says %q", said)
	}

	b.commit(t, testBase, "sed -i '/^Package: dash$/,/^$/s/^Version: .*/Version: 9/' /var/lib/dpkg/status")
	moved, said = b.look(t, l)
	if len(said) != 1 || !strings.HasPrefix(said[0], "dash ") || !strings.HasSuffix(said[0], " → 9 in trixie (base image)") {
		t.Errorf("the base image moved, and it says %q", said)
	}
	moved.Apply(l)
	if diff := cmp.Diff(text(t, b.pin(t)), text(t, l)); diff != "" {
		t.Errorf("not what is pinned anew: %s", diff)
	}
}

// TestNotMoved has archives that are broken in several ways.
func TestNotMoved(t *testing.T) {
	b := newBench(t)
	b.mirror.set(t, one...)
	l := b.pin(t)
	want := func(moves, failed string) {
		t.Helper()
		_, said := b.look(t, l)
		if got := strings.Join(said, "\n"); !strings.HasPrefix(got, moves) || !strings.Contains(got, failed) || len(said) != 2 {
			t.Errorf("%s", got)
		}
	}
	const move = "tiny 1 → 2 in trixie (image web, python 3.13, python 3.13 builder)\n"
	// One set has no answer; its file is not there; nobody vouches for it.
	b.mirror.set(t, with("tiny 2")[:5]...)
	want(move, "lintian (runtime) of trixie keeps its pins: Unable to locate package tiny-lint")
	b.mirror.set(t, append(with("tiny 2")[:5], "!tiny-lint 2")...)
	want(move, "tiny-lint_2_all.deb  404  Not Found")
	b.mirror.set(t, append(with("tiny 2"), "loose 1", "tiny-lint 2 loose")...)
	want(move, "loose_1_all.deb comes from an archive that is not signed")

	// An index that is not the one that was released, then no answer at all.
	b.mirror.set(t, with("tiny 3")...)
	b.mirror.files["a/Packages"] = append(b.mirror.files["a/Packages"], '\n')
	before := text(t, l)
	for _, broken := range []string{"index", "server"} {
		moved, err := b.Look(t.Context(), l, b.target, nil)
		if moved != nil || err == nil || !strings.Contains(err.Error(), "resolve packages of trixie-amd64: ") {
			t.Errorf("broken %s: %v, %v", broken, moved, err)
		}
		b.server.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if moved, err := b.Look(ctx, l, b.target, nil); moved != nil || err == nil {
		t.Errorf("cancelled: %v, %v", moved, err)
	}
	if text(t, l) != before {
		t.Error("Look changed the lock")
	}
}
