//go:build engine

package gate

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/whl"
)

// bench is what all tests share: trixie with its own Python in the part of the
// baked one, and shared objects compiled on it.
type bench struct {
	engine  *engine.Engine
	dir     string
	gate    *Gate
	builder string            // image with libpq and a compiler
	tools   []project.Package // in it
	objects map[string][]byte // compiled, by name
}

var shared bench

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
	if shared.dir, err = os.MkdirTemp("", "gate-test-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared.dir)
	address := engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
	if shared.engine, err = engine.Connect(ctx, address, filepath.Join(shared.dir, "sessions")); err != nil {
		return 1, err
	}
	defer shared.engine.Close(ctx)
	defer removeImages(ctx)
	if err := shared.prepare(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// prepare makes the base, with components more than usual, so that no image
// has the name of a real one or of another package's tests; then the builder and what it compiles.
func (b *bench) prepare(ctx context.Context) error {
	set, err := recipes.Load(nil)
	if err != nil {
		return err
	}
	target := distro.Target{Arch: "amd64"}
	if target.Distro, err = set.Distro("trixie"); err != nil {
		return err
	}
	target.Distro.Base.Image = "pybake-gate-test/no-such-image:1"
	target.Distro.Base.Mmdebstrap.Components = []string{"main", "contrib", "non-free"}
	maker, err := newMaker(filepath.Join(b.dir, "cache"))
	if err != nil {
		return err
	}
	b.gate = &Gate{Distros: maker, Report: quiet{}, Target: target, Series: "3.13", Prefix: "/usr", Jobs: 2}
	if b.gate.Base, err = maker.Base(ctx, target, nil); err != nil {
		return err
	}
	if b.gate.PythonPackages, err = maker.Resolve(ctx, target, b.gate.Base, []string{"python3-venv"}, nil); err != nil {
		return err
	}
	b.tools, err = maker.Resolve(ctx, target, b.gate.Base, []string{"gcc", "libc6-dev", "libpq-dev"}, nil)
	if err != nil {
		return err
	}
	if b.builder, err = maker.Builder(ctx, target, b.gate.Base, b.tools, "builder"); err != nil {
		return err
	}
	return b.compile(ctx)
}

// removeImages removes what stands on the base of the tests, then the base.
func removeImages(ctx context.Context) {
	if shared.gate == nil || shared.gate.Base.Digest == "" {
		return
	}
	refs := []string{distro.BaseRef(shared.gate.Target, shared.gate.Base.Digest)}
	images, err := shared.engine.Images(ctx, "org.pybake.base="+shared.gate.Base.Digest)
	if err != nil {
		fmt.Fprintln(os.Stderr, "images are left:", err)
	}
	for _, img := range images {
		refs = slices.Insert(refs, 0, img.Tags...)
	}
	for _, ref := range refs {
		if err := shared.engine.RemoveImage(ctx, ref); err != nil {
			fmt.Fprintf(os.Stderr, "image %s is left: %v\n", ref, err)
		}
	}
}

// quiet is a reporter whom nobody listens to.
type quiet struct{}

func (quiet) Step(string) func(error) { return func(error) {} }
func (quiet) Note(string, ...any)     {}
func (quiet) Output() io.Writer       { return io.Discard }

// newMaker is a Maker as cmd makes one, with a cache of its own.
func newMaker(cache string) (*distro.Maker, error) {
	m := &distro.Maker{Engine: shared.engine, Fetcher: &fetch.Fetcher{Cache: cache}, Report: quiet{}, Environ: os.Environ()}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value := os.Getenv(name); value != "" {
				m.Proxy = append(m.Proxy, name+"="+value)
			}
		}
	}
	bundle := os.Getenv("SSL_CERT_FILE")
	if bundle == "" {
		bundle = "/etc/ssl/certs/ca-certificates.crt"
	}
	var err error
	m.CABundle, err = os.ReadFile(bundle)
	return m, err
}

// compileObjects makes extension modules without Python's headers: the layout
// of PyModuleDef is part of its ABI.
const compileObjects = `
cd /build
module() {
	cat > $1.c <<EOF
void *PyModule_Create2(void *, int);
static void *def[13] = {(void *)1, 0, 0, 0, 0, "$1", 0, (void *)-1};
$2
void *PyInit_$1(void) { $3; return PyModule_Create2(def, 1013); }
EOF
	gcc -shared -fPIC -o $1.so $1.c $4
}
echo 'int inner(void) { return 1; }' > inner.c
gcc -shared -fPIC -Wl,-soname,libinner.so.1 -o libinner.so.1 inner.c
echo 'int nobody(void) { return 1; }' > nobody.c
gcc -shared -fPIC -Wl,-soname,libnobody.so.3 -o libnobody.so.3 nobody.c
module pq 'int PQlibVersion(void);' 'PQlibVersion()' -lpq
module runpath 'int inner(void);' 'inner()' '-Wl,-rpath,$ORIGIN/../inner.libs libinner.so.1'
module preload 'int inner(void);' 'inner()' libinner.so.1
module orphan 'int nobody(void);' 'nobody()' libnobody.so.3
module undefined 'int no_such_symbol(void);' 'no_such_symbol()' ''
module crash 'void abort(void);' 'abort()' ''
echo 'int embedded(void) { return 1; }' > embedded.c
mkdir -p deb/DEBIAN deb/usr/lib
gcc -shared -fPIC -Wl,-soname,libpython3.13.so.1.0 -o deb/usr/lib/libpython3.13.so.1.0 embedded.c
module embeds 'int embedded(void);' 'embedded()' '-Wl,-rpath,/usr/lib deb/usr/lib/libpython3.13.so.1.0'
cat > deb/DEBIAN/control <<EOF
Package: pybake-libpython3.13
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: stands for the package of the Python
EOF
dpkg-deb --build deb libpython.deb
`

// compile fills objects.
func (b *bench) compile(ctx context.Context) error {
	c, err := b.gate.Distros.Offliner(ctx, b.gate.Target, b.builder, "gate-test")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	var said strings.Builder
	err = c.Exec(ctx, engine.Command{Argv: []string{"sh", "-euc", compileObjects}, Stdout: &said, Stderr: &said})
	if err != nil {
		return fmt.Errorf("%w: %s", err, &said)
	}
	stream, err := c.Get(ctx, "/build")
	if err != nil {
		return err
	}
	defer stream.Close()
	b.objects = map[string][]byte{}
	for members := tar.NewReader(stream); ; {
		h, err := members.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.Contains(h.Name, ".so") || strings.HasSuffix(h.Name, ".deb") {
			if b.objects[filepath.Base(h.Name)], err = io.ReadAll(members); err != nil {
				return err
			}
		}
	}
}

const suffix = ".cpython-313-x86_64-linux-gnu.so"

// sample is a wheel to be made.
type sample struct {
	name     string // "my_app"
	version  string // "" is 1.0
	requires []string
	scripts  string            // lines of console_scripts
	files    map[string]string // text, or "@pq.so" for an object
}

// write makes the wheel in a directory and returns its facts and its line of
// requirements.txt.
func (s sample) write(t *testing.T, dir string) (*whl.Wheel, string) {
	t.Helper()
	version := cmp.Or(s.version, "1.0")
	files := map[string][]byte{}
	tag, pure := "py3-none-any", "true"
	for name, text := range s.files {
		files[name] = []byte(text)
		if object, ok := strings.CutPrefix(text, "@"); ok {
			if files[name] = shared.objects[object]; files[name] == nil {
				t.Fatalf("no object %s", object)
			}
			tag, pure = "cp313-cp313-linux_x86_64", "false"
		}
	}
	info := s.name + "-" + version + ".dist-info/"
	metadata := "Metadata-Version: 2.1\nName: " + s.name + "\nVersion: " + version + "\n"
	for _, r := range s.requires {
		metadata += "Requires-Dist: " + r + "\n"
	}
	files[info+"METADATA"] = []byte(metadata)
	files[info+"WHEEL"] = []byte("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: " + pure + "\nTag: " + tag + "\n")
	if s.scripts != "" {
		files[info+"entry_points.txt"] = []byte("[console_scripts]\n" + s.scripts + "\n")
	}
	var record, out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(name string, data []byte) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[name])
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[name]))
		add(name, files[name])
	}
	fmt.Fprintf(&record, "%sRECORD,,\n", info)
	add(info+"RECORD", record.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("%s-%s-%s.whl", s.name, version, tag)
	if err := os.WriteFile(filepath.Join(dir, file), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := whl.Read(filepath.Join(dir, file), file)
	if err != nil {
		t.Fatal(err)
	}
	return w, fmt.Sprintf("%s==%s --hash=sha256:%x\n", s.name, version, sha256.Sum256(out.Bytes()))
}

// makeHouse makes a house of samples; apt.txt lists all of apt.
func makeHouse(t *testing.T, apt []project.Package, samples ...sample) House {
	t.Helper()
	h := House{Dir: t.TempDir(), Apt: apt, SHA256: map[string]string{}}
	var lines, packages string
	for _, s := range samples {
		w, line := s.write(t, h.Dir)
		h.Wheels = append(h.Wheels, w)
		_, h.SHA256[w.File], _ = strings.Cut(strings.TrimSpace(line), "sha256:")
		lines += line
	}
	for _, p := range apt {
		packages += p.Name + "=" + p.Version + "\n"
	}
	h.write(t, "requirements.txt", lines)
	h.write(t, "apt.txt", packages)
	return h
}

func (h House) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.Dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// prove proves a house and returns the details of its checks by their names
// without "house: ", and the names of those that failed.
func prove(t *testing.T, g *Gate, h House) (details map[string]string, failed []string) {
	t.Helper()
	var log bytes.Buffer
	checks, err := g.Prove(t.Context(), h, &log)
	g.Close()
	if err != nil {
		t.Fatal(err)
	}
	details = map[string]string{}
	var names []string
	for _, c := range checks {
		names = append(names, c.Name)
		name := strings.TrimPrefix(c.Name, "house: ")
		details[name] = c.Detail
		if !c.OK {
			failed = append(failed, name)
		}
	}
	if !slices.Equal(names, allChecks) {
		t.Errorf("checks %q", names)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("checks: %s\nlog: %s", describe(checks), &log)
		}
	})
	return details, failed
}

func describe(checks []artifacts.Check) string {
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "\n%v %s: %s", c.OK, c.Name, c.Detail)
	}
	return b.String()
}
