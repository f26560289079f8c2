//go:build engine

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/recipes"
)

// plantedFaults breaks an installed Python in the ways that the checks of
// check.py are there to find, and sees those of that name fail and no other.
func plantedFaults(t *testing.T, b *bakery, made madePython) {
	image := proofImage(t, b, made)
	const (
		lib     = "/opt/python/3.13/lib/python3.13"
		python  = "/opt/python/3.13/bin/python3.13"
		compile = python + " -m compileall -q -f --invalidation-mode unchecked-hash "
	)
	// Each is quick, and runs whatever is planted.
	quick := []string{
		"version", "no-compiler", "extensions", "ssl", "sqlite", "compression", "zoneinfo", "ctypes", "terminal", "dbm", "decimal",
		"uuid", "externally-managed", "extension", "sysconfig", "embed", "tk", "modules", "imports", "libraries",
	}
	slow := []string{"venv", "bytecode", "suite"}
	for _, fault := range []struct {
		name  string
		plant string
		also  []string // of the slow ones
		fails []string
	}{
		{"nothing", "true", slow, nil},
		{"another release", `sed -i 's/"3.13.5"/"3.13.6"/' /proof/config.json`, nil, []string{"version", "embed"}},
		{"a compiler", "cp /bin/true /usr/bin/gcc", nil, []string{"no-compiler"}},
		{"_sqlite3 removed", "rm " + lib + "/lib-dynload/_sqlite3.*", nil, []string{"extensions", "sqlite", "modules", "imports"}},
		{"_interpqueues broken", "echo no library > $(echo " + lib + "/lib-dynload/_interpqueues.*)", nil, []string{"extensions"}},
		{"no TLS", "rm " + lib + "/lib-dynload/_ssl.*", nil, []string{"extensions", "ssl", "modules", "imports"}},
		{"_lzma removed", "rm " + lib + "/lib-dynload/_lzma.*", nil, []string{"extensions", "compression", "modules", "imports"}},
		{"no time zones", "rm -r /usr/share/zoneinfo", nil, []string{"zoneinfo"}},
		{"_ctypes removed", "rm " + lib + "/lib-dynload/_ctypes.*", nil, []string{"extensions", "ctypes", "modules", "imports"}},
		{"no terminals", "rm -r /usr/share/terminfo", nil, []string{"terminal"}},
		{"_gdbm removed", "rm " + lib + "/lib-dynload/_gdbm.*", nil, []string{"extensions", "dbm", "modules", "imports"}},
		{"decimal in Python", "echo 'from _pydecimal import *' > " + lib + "/decimal.py && " + compile + lib + "/decimal.py", nil, []string{"decimal"}},
		{"_uuid removed", "rm " + lib + "/lib-dynload/_uuid.*", nil, []string{"extensions", "uuid", "modules"}},
		{"not marked", "rm " + lib + "/EXTERNALLY-MANAGED", nil, []string{"externally-managed"}},
		{"no pip", "rm " + lib + "/ensurepip/_bundled/pip-*.whl", []string{"venv"}, []string{"venv"}},
		{"headers of another", "cp " + lib + "/lib-dynload/_hashlib.*.so /proof/pybake_probe.so", nil, []string{"extension"}},
		{"configured in the builder", "echo 'echo -I/build/src' >> " + python + "-config", nil, []string{"sysconfig"}},
		{"no Python.h", "rm /opt/python/3.13/include/python3.13/Python.h", nil, []string{"sysconfig"}},
		{"no libpython", "rm /opt/python/3.13/lib/libpython3.13.so.1.0", nil, []string{"sysconfig", "embed", "libraries"}},
		{"no Tcl", "rm /usr/lib/x86_64-linux-gnu/libtcl8.6.so*", nil, []string{"tk", "imports", "libraries"}},
		{"another module", "mkdir " + lib + "/extra", nil, []string{"modules"}},
		{"another extension module", "touch " + lib + "/lib-dynload/extra.so", nil, []string{"modules"}},
		{"a module of the list removed", "rm " + lib + "/this.py " + lib + "/__pycache__/this.*", nil, []string{"modules"}},
		{"no list of modules", `sed -i 's/"modules":\[[^]]*\]/"modules":[]/' /proof/config.json`, nil, []string{"modules"}},
		{"stale bytecode", "echo '# newer' >> " + lib + "/abc.py", []string{"bytecode"}, []string{"bytecode"}},
		{"no bytecode", "rm " + lib + "/__pycache__/this.*", []string{"bytecode"}, []string{"bytecode"}},
		{"bytecode of nothing", "rm " + lib + "/json/tool.py", []string{"bytecode"}, []string{"bytecode"}},
		{"bytecode by date", python + " -m compileall -q -f --invalidation-mode timestamp " + lib + "/abc.py", []string{"bytecode"}, []string{"bytecode"}},
		{"bytecode made elsewhere", compile + "-d /build/stage " + lib + "/abc.py", []string{"bytecode"}, []string{"bytecode"}},
		{
			"other code under the right hash", `cp ` + lib + `/abc.py /abc.py && echo 'x = 1' >> ` + lib + `/abc.py && ` + compile + lib + `/abc.py && cp /abc.py ` + lib + `/abc.py
			` + python + ` -c 'import importlib.util as u, sys; p = sys.argv[1]; c = u.cache_from_source(p); d = open(c, "rb").read()
open(c, "wb").write(d[:8] + u.source_hash(open(p, "rb").read()) + d[16:])' ` + lib + `/abc.py`,
			[]string{"bytecode"}, []string{"bytecode"},
		},
		{"a module that fails", "echo 'raise RuntimeError' > " + lib + "/json/tool.py && " + compile + lib + "/json/tool.py", []string{"bytecode"}, []string{"imports"}},
		{"a test that fails", "echo 'import nothing' > " + lib + "/test/test_list.py", []string{"suite"}, []string{"suite"}},
		{"a library that nobody has", "cp /opt/python/3.13/lib/libpython3.so /opt/python/3.13/lib/libother.so", nil, []string{"libraries"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			checks := slices.Concat(quick, fault.also)
			script := fault.plant + `
				export HOME=/tmp LC_ALL=C.UTF-8 TERM=linux; cd /proof
				exec setpriv --reuid 1000 --regid 1000 --clear-groups ` + python + " check.py config.json " + strings.Join(checks, " ")
			out, err := exec.Command("docker", "run", "--rm", "--network", "none", image, "sh", "-euc", script).Output()
			var ran, failed []string
			for line := range strings.Lines(string(out)) {
				var check struct {
					Name string
					OK   bool
				}
				if err := json.Unmarshal([]byte(line), &check); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				ran = append(ran, check.Name)
				if !check.OK {
					failed = append(failed, check.Name)
				}
			}
			if !slices.Equal(ran, checks) {
				t.Errorf("%q ran, want %q: %v", ran, checks, err)
			}
			if !slices.Equal(failed, fault.fails) {
				t.Errorf("%q failed, want %q:\n%s", failed, fault.fails, out)
			}
		})
	}
}

// proofImage is an image in which all packages are installed and check.py is
// ready to run. It is removed after the test.
func proofImage(t *testing.T, b *bakery, made madePython) string {
	proof := t.TempDir()
	for name, data := range map[string][]byte{"config.json": proofConfig(t), "tls.pem": localhost(t)} {
		if err := os.WriteFile(filepath.Join(proof, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	start := func(image string) string {
		c := dockerRun(t, "run", "-d", image, "sleep", "600")
		t.Cleanup(func() { dockerRun(t, "rm", "-f", c) })
		dockerRun(t, "exec", "-u", "0:0", c, "mkdir", "/debs", "/proof")
		for _, p := range made.Packages {
			dockerRun(t, "cp", p.Path, c+":/debs/")
		}
		for _, name := range []string{"check.py", "probe.c", "embed.c"} {
			dockerRun(t, "cp", "../../python/proof/"+name, c+":/proof/")
		}
		return c
	}
	baseImage, builderImage := pinned(t, b.lockFile())
	builder := start(builderImage)
	dockerRun(t, "exec", "-u", "0:0", builder, "sh", "-euc", `
		dpkg --install --force-depends /debs/pybake-python3.13_*.deb /debs/pybake-libpython*.deb /debs/pybake-python3.13-dev_*.deb
		cd /proof
		config=/opt/python/3.13/bin/python3.13-config
		gcc -shared -fPIC $($config --cflags) probe.c -o pybake_probe.so
		gcc -fPIE -pie $($config --cflags --embed) embed.c -o pybake_embed $($config --ldflags --embed)`)
	for _, name := range []string{"pybake_probe.so", "pybake_embed"} {
		dockerRun(t, "cp", builder+":/proof/"+name, proof)
	}
	base := start(baseImage)
	dockerRun(t, "cp", proof+"/.", base+":/proof/")
	dockerRun(t, "exec", base, "sh", "-euc", `
		apt-get update -q
		apt-get install -yq --no-install-recommends /debs/*.deb
		rm -r /debs
		chmod -R a+rX /proof`)
	image := dockerRun(t, "commit", base)
	t.Cleanup(func() { dockerRun(t, "rmi", image) })
	return image
}

// proofConfig is what check.py is told of 3.13.5.
func proofConfig(t *testing.T) []byte {
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	series, err := set.Series("3.13")
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"version": "3.13.5", "prefix": "/opt/python/3.13", "stdlib": "/opt/python/3.13/lib/python3.13", "builder": []string{"/build/src"}, "probe": "/proof", "skip": series.ImportSkip,
		"extensions": slices.DeleteFunc(slices.Clone(series.Extensions), func(e string) bool { return e == "_tkinter" }),
		"all":        slices.Concat(series.Extensions, series.TestExtensions), "modules": series.Modules, "recipe": "recipes/python/3.13.toml",
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// localhost is a key and a certificate of itself.
func localhost(t *testing.T) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
	)
}
