//go:build engine

package install

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
)

// bench is what all tests share: trixie, and an image of it with the distro's
// own Python where the baked one would be.
type bench struct {
	engine *engine.Engine
	dir    string
	base   string // image
	image  string
}

var shared bench

const imageRef = "pybake-install-test:python"

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests with tag engine need a container engine, mmdebstrap and an apt mirror:", err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if shared.dir, err = os.MkdirTemp("", "install-test-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared.dir)
	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	if shared.engine, err = engine.Connect(ctx, address, filepath.Join(shared.dir, "sessions")); err != nil {
		return 1, err
	}
	defer shared.engine.Close(ctx)
	defer func() {
		for _, ref := range []string{imageRef, shared.base} {
			if err := shared.engine.RemoveImage(ctx, ref); err != nil {
				fmt.Fprintf(os.Stderr, "image %s is left: %v\n", ref, err)
			}
		}
	}()
	if err := shared.prepare(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// prepare makes the base, with components unlike those of other tests, so that
// no image has the name of a real one.
func (b *bench) prepare(ctx context.Context) error {
	set, err := recipes.Load(nil)
	if err != nil {
		return err
	}
	target := distro.Target{Arch: "amd64"}
	if target.Distro, err = set.Distro("trixie"); err != nil {
		return err
	}
	target.Distro.Base.Image = "pybake-install-test/no-such-image:1"
	target.Distro.Base.Mmdebstrap.Components = []string{"main", "non-free-firmware", "contrib"}
	maker := &distro.Maker{Engine: b.engine, Fetcher: &fetch.Fetcher{Cache: filepath.Join(b.dir, "cache")}, Report: quiet{}, Environ: os.Environ()}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value := os.Getenv(name); value != "" {
			maker.Proxy = append(maker.Proxy, name+"="+value)
		}
	}
	bundle := os.Getenv("SSL_CERT_FILE")
	if bundle == "" {
		bundle = "/etc/ssl/certs/ca-certificates.crt"
	}
	if maker.CABundle, err = os.ReadFile(bundle); err != nil {
		return err
	}
	base, err := maker.Base(ctx, target, nil)
	if err != nil {
		return err
	}
	b.base = distro.BaseRef(target, base.Digest)
	packages, err := maker.Resolve(ctx, target, base, []string{"python3-venv"}, nil)
	if err != nil {
		return err
	}
	files, err := maker.Files(ctx, target, base, packages)
	if err != nil {
		return err
	}
	c, err := maker.Offliner(ctx, target, b.base, "install-test")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := maker.Install(ctx, c, files); err != nil {
		return err
	}
	if _, err := shell(ctx, c, "0:0", "mkdir -p /opt/python/3.13/bin && ln -s /usr/bin/python3.13 /opt/python/3.13/bin/python3.13"); err != nil {
		return err
	}
	_, err = c.Commit(ctx, imageRef, engine.ImageConfig{})
	return err
}

// quiet is a reporter whom nobody listens to.
type quiet struct{}

func (quiet) Step(string) func(error) { return func(error) {} }
func (quiet) Note(string, ...any)     {}
func (quiet) Output() io.Writer       { return io.Discard }

// shell runs a script and returns what it prints.
func shell(ctx context.Context, c *engine.Container, user, script string) (string, error) {
	var out strings.Builder
	err := c.Exec(ctx, engine.Command{Argv: []string{"sh", "-euc", script}, User: user, Stdout: &out, Stderr: &out, Env: []string{"LC_ALL=C.UTF-8"}})
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out.String())
	}
	return out.String(), err
}

func start(t *testing.T, image string, caps ...string) *engine.Container {
	t.Helper()
	c, err := shared.engine.Start(t.Context(), engine.Spec{Image: image, Purpose: "install-test", Limit: 10 * time.Minute, Caps: caps})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func run(t *testing.T, c *engine.Container, script string) string {
	t.Helper()
	out, err := shell(t.Context(), c, "0:0", script)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// member is a member of a wheel that is not made of sample.files.
type member struct {
	name, text string
	mode       fs.FileMode
	local      string // name in the local header, if it is another
}

// sample is a wheel to be made.
type sample struct {
	name   string // "my_app"
	tag    string // "py3-none-any" if empty
	meta   string // lines of METADATA, and its body
	files  map[string]string
	extra  []member
	record string            // more lines
	left   []string          // what RECORD does not have
	hashes map[string]string // what RECORD says instead
	sum    string            // what the lock says instead
	keep   []string
}

func (s sample) wheel(t *testing.T, dir string) Wheel {
	t.Helper()
	if s.tag == "" {
		s.tag = "py3-none-any"
	}
	info := s.name + "-1.0.dist-info/"
	files := map[string]string{
		info + "METADATA": "Metadata-Version: 2.1\nName: " + s.name + "\nVersion: 1.0\n" + s.meta,
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: " + s.tag + "\n",
	}
	maps.Copy(files, s.files)
	var all []member
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all = append(all, member{name: name, text: files[name], mode: 0o644})
	}
	all = append(all, s.extra...)
	record := s.record
	for _, m := range all {
		sum := sha256.Sum256([]byte(m.text))
		hash := "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:])
		if other, ok := s.hashes[m.name]; ok {
			hash = other
		}
		if !slices.Contains(s.left, m.name) && !strings.HasSuffix(m.name, "/") {
			record += fmt.Sprintf("%s,%s,%d\n", m.name, hash, len(m.text))
		}
	}
	all = append(all, member{name: info + "RECORD", text: record + info + "RECORD,,\n", mode: 0o644})
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, m := range all {
		h := &zip.FileHeader{Name: m.name, Method: zip.Store}
		h.SetMode(m.mode)
		h.CRC32, h.CompressedSize64, h.UncompressedSize64 = crc32.ChecksumIEEE([]byte(m.text)), uint64(len(m.text)), uint64(len(m.text))
		w, err := z.CreateRaw(h)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(m.text))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	for _, m := range s.extra {
		if m.local != "" { // the first is the local header
			data = bytes.Replace(data, []byte(m.name), []byte(m.local), 1)
		}
	}
	name := fmt.Sprintf("%s-1.0-%s.whl", s.name, s.tag)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	sum := s.sum
	if sum == "" {
		sum = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return Wheel{Path: path, Name: name, SHA256: sum, Keep: s.keep}
}

func makeHouse(t *testing.T, samples ...sample) (wheels []Wheel) {
	t.Helper()
	dir := t.TempDir()
	for _, s := range samples {
		wheels = append(wheels, s.wheel(t, dir))
	}
	return wheels
}

// forest is the trees of wheels, by the name of the wheel.
func forest(t *testing.T, wheels []Wheel, jobs int) map[string][]entry {
	t.Helper()
	all := map[string][]entry{}
	err := Trees(t.Context(), start(t, imageRef), "3.13", wheels, jobs, func(w Wheel, files io.Reader) error {
		all[w.Name] = entries(t, files)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// putHouse copies what Trees would, and returns the command for all wheels but
// its options.
func putHouse(t *testing.T, c *engine.Container, wheels []Wheel) string {
	t.Helper()
	files, _, err := arguments("3.13", wheels, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := putFiles(t.Context(), c, files, wheels); err != nil {
		t.Fatal(err)
	}
	return "/opt/python/3.13/bin/python3.13 -I -B /srv/install/install.py wheels --house /srv/install/house --lock /srv/install/requirements.txt "
}

// treeOf reads a directory of a container, without times.
func treeOf(t *testing.T, c *engine.Container, dir string) []entry {
	t.Helper()
	stream, err := c.Get(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	return entries(t, stream)
}

func byName(list []entry) map[string]entry {
	m := map[string]entry{}
	for _, e := range list {
		m[e.name] = e
	}
	return m
}

// tarFile is a tar of one file.
func tarFile(t *testing.T, name string, text []byte) string {
	t.Helper()
	var b strings.Builder
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// remade is a wheel with other bytes, and their hash.
func remade(t *testing.T, w Wheel, change func([]byte) []byte) Wheel {
	t.Helper()
	data, err := os.ReadFile(w.Path)
	if err != nil {
		t.Fatal(err)
	}
	data = change(data)
	if err := os.WriteFile(w.Path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	w.SHA256 = fmt.Sprintf("%x", sha256.Sum256(data))
	return w
}
