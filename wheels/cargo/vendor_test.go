package cargo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// member is one of an archive.
type member struct {
	name, data string
	mode       int64
}

// pack writes a compressed archive and returns its path.
func pack(t *testing.T, members ...member) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.data)), Mode: m.mode, Uid: 7}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, m.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// archive is that of a crate.
func archive(t *testing.T, c Crate, manifest string) string {
	return pack(t, member{c.String() + "/Cargo.toml", manifest, 0o600}, member{c.String() + "/src/lib.rs", "// " + c.Name, 0o644}, member{c.String() + "/run.sh", "", 0o775})
}

// list is what a tar holds: names, owners and modes, with the contents of files.
func list(t *testing.T, text []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = fmt.Sprintf("%d %o %s%s", h.Uid, h.Mode, h.Linkname, data)
	}
}

func TestVendor(t *testing.T) {
	c := Crate{"x", "1.0.0+y", digits("a")}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := Vendor(w, "/build/cargo", "/build/src", false, []Archive{{c, archive(t, c, "[package]\n")}}, 1000, 1000, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := list(t, b.Bytes())
	top := "build/cargo/vendor/x-1.0.0+y/"
	for name, want := range map[string]string{
		"build/cargo/":               "1000 755 ",
		top + "Cargo.toml":           "0 644 [package]\n",
		top + "src/lib.rs":           "0 644 // x",
		top + "run.sh":               "0 755 ",
		top + ".cargo-checksum.json": `0 644 {"files":{},"package":"` + digits("a") + `"}`,
		"build/cargo/config.toml": "0 644 [source.crates-io]\nreplace-with = \"pybake\"\n\n" +
			"[source.pybake]\ndirectory = \"/build/cargo/vendor\"\n\n[net]\noffline = true\n",
		"build/cargo/rustc": "0 755 #!/bin/sh\nexec \"$@\" --remap-path-prefix=/build/cargo/vendor/= --remap-path-prefix=/build/src=. -C link-arg=-Wl,-S\n",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	b.Reset()
	w = tar.NewWriter(&b)
	if err := Vendor(w, "/build/cargo", "/build/src", true, nil, 1000, 1000, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if got := list(t, b.Bytes())["build/cargo/rustc"]; !strings.HasSuffix(got, "=. -C debuginfo=1 -C strip=none\n") {
		t.Errorf("with debug information: %q", got)
	}
	// An archive that leaves its directory is refused.
	bad := Archive{c, pack(t, member{"x-1.0.0+y/Cargo.toml", "", 0o644}, member{"../build.py", "", 0o644})}
	if err := Vendor(tar.NewWriter(io.Discard), "/build/cargo", "/build/src", false, []Archive{bad}, 1, 1, time.Now()); err == nil || !strings.Contains(err.Error(), "crate x-1.0.0+y: ") {
		t.Error(err)
	}
}

func TestUnpack(t *testing.T) {
	top := "rust-1.88.0-x86_64-unknown-linux-gnu/"
	path := pack(t,
		member{top + "install.sh", "", 0o755}, member{top + "components", "", 0o644},
		member{top + "rustc/manifest.in", "", 0o644}, member{top + "rustc/bin/rustc", "r", 0o755}, member{top + "rustc/lib/librustc.so", "l", 0o644},
		member{top + "cargo/bin/cargo", "c", 0o755},
		member{top + "rust-std-x86_64-unknown-linux-gnu/lib/rustlib/x/lib/libstd.rlib", "s", 0o644},
		member{top + "rust-docs/share/doc/index.html", "", 0o644}, member{top + "cargo/../../x", "", 0o644},
	)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := Unpack(w, path, "/opt/rust"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"opt/rust/bin/rustc": "0 755 r", "opt/rust/lib/librustc.so": "0 644 l", "opt/rust/bin/cargo": "0 755 c",
		"opt/rust/lib/rustlib/x/lib/libstd.rlib": "0 644 s",
	}
	if diff := cmp.Diff(want, list(t, b.Bytes())); diff != "" {
		t.Error(diff)
	}
	if err := Unpack(tar.NewWriter(io.Discard), pack(t, member{"x/y/z", "", 0o644}), "/opt/rust"); err == nil {
		t.Error("anything is taken for Rust")
	}
}

func TestPlaces(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"CARGO_REGISTRIES_MY_CORP_TOKEN": "secret"}[name]
	}
	text := `
[build]
rustc-wrapper = "sccache"
[source.crates-io]
replace-with = "corp"
[source.corp]
registry = "sparse+https://crates.example.org/index/"
[registries.my-corp]
index = "sparse+https://crates.example.org/index/"
credential-provider = "program"
[registry]
global-credential-providers = ["program"]
[http]
cainfo = "/home/me/ca.pem"
timeout = 5
[net]
retry = 7
offline = true
`
	want := `[http]
timeout = 5

[net]
retry = 7

[registries]
[registries.my-corp]
index = 'sparse+https://crates.example.org/index/'
token = 'secret'

[registry]
[source]
[source.corp]
registry = 'sparse+https://crates.example.org/index/'

[source.crates-io]
replace-with = 'corp'
`
	got, err := Places("c", []byte(text), env)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"[source.a]\ndirectory = \"/x\"\n": "c: source.a.directory: /x: ",
		"a = \n":                           "c:1:",
	} {
		if _, err := Places("c", []byte(text), env); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Error(err)
		}
	}
}
