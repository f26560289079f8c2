package watch

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/ulikunitz/xz"

	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
)

var today = time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)

// manager is a release manager of the tests.
var manager = sync.OnceValue(func() *sign.Keys { return newKeys("manager") })

func newKeys(name string) *sign.Keys {
	k, err := sign.Generate(name, today.AddDate(-1, 0, 0))
	if err != nil {
		panic(err)
	}
	return k
}

// tree is a place laid out as python.org/ftp/python, by path.
type tree struct {
	t     *testing.T
	files map[string][]byte
	hooks map[string]http.HandlerFunc // instead of the file, or of the listing of a path that ends in /

	mu    sync.Mutex
	asked []string
}

func newTree(t *testing.T, versions ...string) *tree {
	tr := &tree{t: t, files: map[string][]byte{}, hooks: map[string]http.HandlerFunc{}}
	tr.files["pubkeys.txt"] = slices.Concat([]byte("Keys of the managers.\n\n"), newKeys("other").Public().OpenPGP, manager().Public().OpenPGP)
	for _, v := range versions {
		tr.release(v)
	}
	return tr
}

// release adds both archives of a release, signed by the manager.
func (tr *tree) release(version string) {
	for _, ending := range endings {
		tr.put(version, ending, source(tr.t, version, ending))
	}
}

// put adds an archive, signed by the manager on the day before today.
func (tr *tree) put(version, ending string, data []byte) {
	tr.t.Helper()
	signature, err := manager().Detach(data, today.AddDate(0, 0, -1))
	if err != nil {
		tr.t.Fatal(err)
	}
	name := at(version, ending)
	tr.files[name], tr.files[name+".asc"] = data, signature
}

// at is where a file of a release lies: "3.15.0/Python-3.15.0b4.tgz".
func at(version, ending string) string {
	base := version
	if i := strings.IndexAny(version, "abr"); i > 0 {
		base = version[:i]
	}
	return base + "/Python-" + version + ending
}

// source is a source archive of a release.
func source(t *testing.T, version, ending string) []byte {
	t.Helper()
	var buf bytes.Buffer
	var z io.WriteCloser = gzip.NewWriter(&buf)
	if ending == ".tar.xz" {
		var err error
		if z, err = xz.NewWriter(&buf); err != nil {
			t.Fatal(err)
		}
	}
	w := tar.NewWriter(z)
	for _, name := range []string{"Python-" + version + "/", "Python-" + version + "/README.rst"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	return buf.Bytes()
}

// children are the names in a directory, directories with a slash.
func (tr *tree) children(dir string) []string {
	names := map[string]bool{}
	for path := range tr.files {
		if rest, ok := strings.CutPrefix(path, dir); ok {
			name, _, isDir := strings.Cut(rest, "/")
			if isDir {
				name += "/"
			}
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (tr *tree) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/python/")
	tr.mu.Lock()
	tr.asked = append(tr.asked, path)
	tr.mu.Unlock()
	if hook := tr.hooks[path]; hook != nil {
		hook(w, r)
		return
	}
	data, ok := tr.files[path]
	if path == "" || strings.HasSuffix(path, "/") {
		names := tr.children(path)
		if ok = names != nil; ok {
			data = []byte(nginx(names...))
		}
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Write(data)
}

// nginx is a listing as nginx prints it.
func nginx(names ...string) string {
	var b strings.Builder
	b.WriteString("<html>\n<head><title>Index of /python/</title></head>\n<body>\n<h1>Index of /python/</h1><hr><pre><a href=\"../\">../</a>\n")
	for _, name := range names {
		fmt.Fprintf(&b, "<a href=%q>%s</a>    11-Jun-2025 20:51    -\n", name, name)
	}
	return b.String() + "</pre><hr></body>\n</html>\n"
}

// serve is the address of the tree.
func (tr *tree) serve() string {
	s := httptest.NewServer(tr)
	tr.t.Cleanup(s.Close)
	return s.URL + "/python/"
}

// write is a directory with the tree.
func (tr *tree) write() string {
	dir := tr.t.TempDir()
	for path, data := range tr.files {
		name := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			tr.t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			tr.t.Fatal(err)
		}
	}
	return dir
}

// watcher trusts the manager for 3.12 and 3.13, and an identity for 3.13 to 3.15.
func watcher(t *testing.T, places ...string) *Watcher {
	pgp := []string{manager().Public().Fingerprint}
	const identity, issuer = "hugo@example.org", "https://id.example.org"
	return &Watcher{
		Fetcher: &fetch.Fetcher{Cache: t.TempDir(), Backoff: time.Millisecond, Attempts: 2},
		Places:  places,
		Signers: map[string]recipes.Signer{
			"3.12": {Manager: "M", OpenPGP: pgp},
			"3.13": {Manager: "M", OpenPGP: pgp, Identity: identity, Issuer: issuer},
			"3.14": {Manager: "H", Identity: identity, Issuer: issuer},
			"3.15": {Manager: "H", OpenPGP: pgp, Identity: identity, Issuer: issuer},
		},
		Now: func() time.Time { return today },
	}
}

// known makes the func that Look wants.
func known(versions ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(versions, v) }
}

func versions(found []Found) string {
	var names []string
	for _, f := range found {
		names = append(names, f.Version)
	}
	return strings.Join(names, " ")
}

func texts(errs []error) string {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// cached are the files in the cache of a Watcher, by hash; it has no other files.
func cached(t *testing.T, w *Watcher) []string {
	t.Helper()
	var names []string
	files, _ := filepath.Glob(filepath.Join(w.Fetcher.Cache, "*", "*", "*"))
	rest, _ := filepath.Glob(filepath.Join(w.Fetcher.Cache, "partial", "*"))
	for _, name := range append(files, rest...) {
		names = append(names, filepath.Base(name))
	}
	slices.Sort(names)
	return names
}
