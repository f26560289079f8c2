//go:build engine

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// bazaar is a package index on loopback, with projects made for the tests. Its sdists
// are built by a backend of its own, which is a wheel of the index too.
type bazaar struct {
	t   *testing.T
	url string

	mu     sync.Mutex
	listed map[string]map[string]string // project → file name → SHA-256 on its page
	files  map[string][]byte            // by name
	asked  []string                     // paths
}

func newBazaar(t *testing.T) *bazaar {
	z := &bazaar{t: t, listed: map[string]map[string]string{}, files: map[string][]byte{}}
	server := httptest.NewServer(z)
	t.Cleanup(server.Close)
	z.url = server.URL + "/simple/"
	z.add("pybackend", "pybackend-1.0-py3-none-any.whl", wheelOf("pybackend", "1.0", map[string]string{"pybackend.py": pybackend}, nil))
	return z
}

func (z *bazaar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, r.URL.Path)
	dir, name := path.Split(strings.TrimSuffix(r.URL.Path, "/"))
	if dir == "/files/" && z.files[name] != nil {
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(z.files[name]))
		return
	}
	page := z.listed[name]
	if dir != "/simple/" || page == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprint(w, "<!DOCTYPE html><html><body>\n")
	for file, sum := range page {
		fmt.Fprintf(w, "<a href=\"../../files/%s#sha256=%s\">%s</a>\n", file, sum, html.EscapeString(file))
	}
}

// add puts a file on the index and returns its SHA-256.
func (z *bazaar) add(project, name string, data []byte) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	sum := sha256.Sum256(data)
	if z.listed[project] == nil {
		z.listed[project] = map[string]string{}
	}
	z.listed[project][name] = hex.EncodeToString(sum[:])
	z.files[name] = data
	return z.listed[project][name]
}

// change flips a byte of a file, while its page says what it said.
func (z *bazaar) change(name string) (restore func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	old := z.files[name]
	bad := bytes.Clone(old)
	bad[len(bad)/2] ^= 1
	z.files[name] = bad
	return func() {
		z.mu.Lock()
		defer z.mu.Unlock()
		z.files[name] = old
	}
}

// remove takes a file off the index.
func (z *bazaar) remove(project, name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	delete(z.listed[project], name)
	delete(z.files, name)
}

// sdist puts a source distribution on the index and returns a line of requirements.
func (z *bazaar) sdist(p built) string {
	name := strings.ReplaceAll(p.Name, "-", "_") + "-" + p.Version
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	t := tar.NewWriter(gz)
	config, err := json.Marshal(p)
	if err != nil {
		z.t.Fatal(err)
	}
	requires := append([]string{"pybackend"}, p.static...)
	files := map[string]string{
		"pybackend.json": string(config),
		"pyproject.toml": fmt.Sprintf("[build-system]\nrequires = [\"%s\"]\nbuild-backend = \"pybackend\"\n", strings.Join(requires, `", "`)),
		"PKG-INFO":       fmt.Sprintf("Metadata-Version: 2.2\nName: %s\nVersion: %s\n", p.Name, p.Version),
	}
	for _, r := range p.Depends {
		files["PKG-INFO"] += "Requires-Dist: " + r + "\n"
	}
	for file, text := range p.Files {
		files["src/"+file] = text
	}
	for _, file := range sortedKeys(files) {
		h := &tar.Header{Name: name + "/" + file, Mode: 0o644, Size: int64(len(files[file])), ModTime: time.Unix(1700000000, 0), Typeflag: tar.TypeReg}
		if err := t.WriteHeader(h); err != nil {
			z.t.Fatal(err)
		}
		fmt.Fprint(t, files[file])
	}
	t.Close()
	gz.Close()
	sum := z.add(p.Name, name+".tar.gz", b.Bytes())
	return fmt.Sprintf("%s==%s --hash=sha256:%s\n", p.Name, p.Version, sum)
}

// wheel puts a wheel on the index and returns a line of requirements.
func (z *bazaar) wheel(name, version string, files map[string]string, depends ...string) string {
	file := strings.ReplaceAll(name, "-", "_") + "-" + version + "-py3-none-any.whl"
	sum := z.add(name, file, wheelOf(name, version, files, depends))
	return fmt.Sprintf("%s==%s --hash=sha256:%s\n", name, version, sum)
}

// built is a package that pybackend builds, and what it does then.
type built struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Files   map[string]string `json:"files"`   // of the wheel, from src
	Depends []string          `json:"depends"` // Requires-Dist
	Asks    []string          `json:"asks"`    // get_requires_for_build_wheel
	Reach   string            `json:"reach"`   // a host that it tries to reach
	Fail    string            `json:"fail"`    // raised
	Imports string            `json:"imports"` // a module that building needs
	Sleep   float64           `json:"sleep"`   // seconds
	Compile string            `json:"compile"` // a C file of src, compiled to an extension module of its name
	Random  bool              `json:"random"`  // another file each time
	Second  bool              `json:"second"`  // a second wheel
	Code    string            `json:"code"`    // Python that is run first; a name that it returns in wheel is the result
	Raw     map[string]string `json:"raw"`     // more files of the wheel, by names that are not looked at
	static  []string          // more of [build-system] requires
}

const pybackend = `
import base64, hashlib, json, os, socket, subprocess, sysconfig, time, zipfile

def config():
    with open("pybackend.json") as f:
        return json.load(f)

def get_requires_for_build_wheel(config_settings=None):
    return config()["asks"] or []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    c = config()
    said = {"wheel_directory": wheel_directory, "managed": []}
    exec(c["code"], said)
    if "wheel" in said:
        return said["wheel"]
    time.sleep(c["sleep"])
    if c["reach"]:
        socket.create_connection((c["reach"], 443), 5)
    if c["imports"]:
        __import__(c["imports"])
    if c["fail"]:
        raise RuntimeError(c["fail"])
    files = {name: open("src/" + name, "rb").read() for name in c["files"] or {} if not name.endswith(".c")}
    tag, pure = "py3-none-any", "true"
    if c["compile"]:
        module = c["compile"][:-2] + sysconfig.get_config_var("EXT_SUFFIX")
        flags = os.environ.get("CFLAGS", "").split() + os.environ.get("LDFLAGS", "").split()
        subprocess.check_call(["gcc", "-shared", "-fPIC", "-O2", "-I" + sysconfig.get_paths()["include"], "src/" + c["compile"], "-o", "/tmp/" + module, *flags, *(sysconfig.get_config_var("LDFLAGS") or "").split(), "-Wl,-z,relro,-z,now", "-Wl,-rpath,/usr/lib/of-meson"])  # a run path that is taken away
        files[module] = open("/tmp/" + module, "rb").read()
        abi = "cp" + sysconfig.get_config_var("py_version_nodot")
        tag, pure = f"{abi}-{abi}-linux_x86_64", "false"
    files.update((name, text.encode()) for name, text in (c["raw"] or {}).items())
    if said["managed"]:
        files["managed.py"] = repr(said["managed"]).encode()
    if c["random"]:
        files[c["name"] + "_random.py"] = b"# " + os.urandom(8).hex().encode()
    info = "%s-%s.dist-info/" % (c["name"].replace("-", "_"), c["version"])
    meta = "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (c["name"], c["version"])
    meta += "".join("Requires-Dist: %s\n" % d for d in c["depends"] or [])
    files[info + "METADATA"] = meta.encode()
    files[info + "WHEEL"] = ("Wheel-Version: 1.0\nGenerator: pybackend\nRoot-Is-Purelib: %s\nTag: %s\n" % (pure, tag)).encode()
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\n" % (name, digest, len(data))
    files[info + "RECORD"] = (record + info + "RECORD,,\n").encode()
    wheel = "%s-%s-%s.whl" % (c["name"].replace("-", "_"), c["version"], tag)
    for out in [wheel] + (["other-1.0-py3-none-any.whl"] if c["second"] else []):
        with zipfile.ZipFile(os.path.join(wheel_directory, out), "w") as z:
            for name, data in files.items():
                z.writestr(name, data)
    return wheel
`

// wheelOf is the bytes of a pure wheel.
func wheelOf(name, version string, files map[string]string, depends []string) []byte {
	info := strings.ReplaceAll(name, "-", "_") + "-" + version + ".dist-info/"
	all := map[string]string{}
	for file, text := range files {
		all[file] = text
	}
	all[info+"METADATA"] = fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	for _, d := range depends {
		all[info+"METADATA"] += "Requires-Dist: " + d + "\n"
	}
	all[info+"WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	record := ""
	for _, file := range sortedKeys(all) {
		sum := sha256.Sum256([]byte(strings.TrimSuffix(all[file], lieMark)))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", file, base64.RawURLEncoding.EncodeToString(sum[:]), len(all[file]))
	}
	all[info+"RECORD"] = record + info + "RECORD,,\n"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range sortedKeys(all) {
		w, _ := z.Create(file)
		fmt.Fprint(w, all[file])
	}
	z.Close()
	return b.Bytes()
}

// lieMark at the end of a file makes its hash in RECORD a lie.
const lieMark = "# lie\n"

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// wasAsked is whether the index was asked for a path since the last call.
func (z *bazaar) wasAsked() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	out := slices.Clone(z.asked)
	z.asked = nil
	return out
}
