//go:build engine

package wheels

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/nfpm"
)

// simple is an index that can be closed.
type simple struct {
	mu     sync.Mutex
	files  map[string][]byte
	closed bool
}

func (s *simple) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, name := path.Split(strings.TrimSuffix(r.URL.Path, "/"))
	switch {
	case s.closed:
		http.Error(w, "closed", http.StatusForbidden)
	case dir == "/files/":
		w.Write(s.files[name])
	default:
		w.Header().Set("Content-Type", "text/html")
		for file, data := range s.files {
			if strings.HasPrefix(strings.ReplaceAll(file, "_", "-"), name+"-") {
				fmt.Fprintf(w, "<a href=\"/files/%s#sha256=%x\">%s</a>\n", file, sha256.Sum256(data), file)
			}
		}
	}
}

// setuptools stands for the real one: it asks for what asks.txt says, and its wheel
// tells what it saw.
const setuptools = `
import base64, hashlib, os, sys, time, zipfile
__legacy__ = sys.modules[__name__]
def get_requires_for_build_wheel(config_settings=None):
    return open("asks.txt").read().split() if os.path.exists("asks.txt") else []
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if os.path.exists("sleep"):
        print("sleeping", flush=True)
        time.sleep(600)
    version = os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION", "0")
    info = "shop-%s.dist-info/" % version
    seen = sorted(os.path.relpath(os.path.join(d, f), ".") for d, _, files in os.walk(".") for f in files)
    import setuptools
    files = {
        "shop.py": open("shop.py", "rb").read(), "seen.txt": "\n".join(seen).encode(),
        "cached.txt": str(setuptools.__cached__ and os.path.exists(setuptools.__cached__)).encode(),
        info + "METADATA": ("Metadata-Version: 2.1\nName: shop\nVersion: %s\nRequires-Dist: flask\n" % version).encode(),
        info + "WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "entry_points.txt": b"[console_scripts]\nshop = shop:main\n",
    }
    record = "".join("%s,sha256=%s,%d\n" % (n, base64.urlsafe_b64encode(hashlib.sha256(d).digest()).rstrip(b"=").decode(), len(d)) for n, d in files.items())
    name = "shop-%s-py3-none-any.whl" % version
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as z:
        for n, d in {**files, info + "RECORD": (record + info + "RECORD,,\n").encode()}.items():
            z.writestr(n, d)
    return name
`

func (s *simple) add(name, version string, files map[string]string) {
	info := name + "-" + version + ".dist-info/"
	files[info+"METADATA"] = "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
	files[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	var record string
	for _, file := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256([]byte(files[file]))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", file, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[file]))
	}
	files[info+"RECORD"] = record + info + "RECORD,,\n"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range slices.Sorted(maps.Keys(files)) {
		w, _ := z.Create(file)
		io.WriteString(w, files[file])
	}
	z.Close()
	s.files[name+"-"+version+"-py3-none-any.whl"] = b.Bytes()
}

// someDebs is an artifact with packages of the names of a baked Python.
func someDebs(t *testing.T, store *artifacts.Store) *artifacts.Artifact {
	t.Helper()
	draft, err := store.Begin("python")
	if err != nil {
		t.Fatal(err)
	}
	m := artifacts.Manifest{Kind: "python", Name: "python 3.13.5 trixie amd64", Inputs: []artifacts.Input{{Name: "a", Value: "b"}}}
	for _, name := range builderDebs {
		name = fmt.Sprintf(name, "3.13")
		deb := nfpm.Package{
			Name: name, Version: "3.13.5-1", Arch: "amd64", Maintainer: "Jo Doe <jo@example.org>", Section: "python", Priority: "optional",
			Synopsis: "stands for the real one", Description: "For tests.", Time: time.Unix(1750000000, 0), Compression: "zstd:3",
			Files: []nfpm.File{{Path: "/usr/share/doc/" + name + "/copyright", Content: []byte("none\n")}},
		}
		if name == "pybake-python3.13" {
			deb.Depends = []string{"python3"}
			deb.Files = append(deb.Files, nfpm.File{Path: "/opt/python/3.13/bin/python3.13", Link: "/usr/bin/python3.13"})
		}
		file := name + "_3.13.5-1_amd64.deb"
		f, err := os.Create(filepath.Join(draft.Dir(), file))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(deb.Build(f), f.Close()); err != nil {
			t.Fatal(err)
		}
		m.Files = append(m.Files, artifacts.File{Path: file, Package: &artifacts.Package{Name: name, Version: "3.13.5-1", Architecture: "amd64"}})
	}
	a, err := draft.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
