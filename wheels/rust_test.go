package wheels

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/cargo"
	"github.com/pybake/pybake/wheels/sdist"
)

// Parts of sources with Rust.
const (
	maturin   = "[build-system]\nrequires = [\"Maturin>=1,<2\"]\nbuild-backend = \"maturin\"\n[project]\nname = \"fast\"\nversion = \"1\"\n"
	rustless  = "[build-system]\nrequires = [\"setuptools\"]\n[project]\nname = \"fast\"\nversion = \"1\"\n"
	manifest  = "[package]\nname = \"fast\"\nrust-version = \"1.88\"\n"
	noLock    = "version = 3\n"
	gitSource = "git+https://git.example.org/x#1"
)

// lockOf is a Cargo.lock with a crate.
func lockOf(name, source string) string {
	return fmt.Sprintf("version = 3\n[[package]]\nname = %q\nversion = \"1.0.0\"\nsource = %q\nchecksum = \"%s\"\n", name, source, strings.Repeat("a", 64))
}

const cratesIndex = "registry+https://index.example.org/crates.io-index"

// rustTask is the task of a directory, with recipes of the project.
func rustTask(t *testing.T, files map[string]string, own fstest.MapFS) *task {
	t.Helper()
	root := t.TempDir()
	write(t, root, files)
	req := appRequest(t, root, ".")
	set, err := recipes.Load(own)
	if err != nil {
		t.Fatal(err)
	}
	req.Recipes = set
	if req.Distro, err = set.Distro("trixie"); err != nil {
		t.Fatal(err)
	}
	p, err := NewAppPlan(req)
	if err != nil {
		t.Fatal(err)
	}
	k := &task{b: &Builder{}, p: p, source: p.sourceOf(p.Packages[0])}
	if k.src, err = sdist.OpenDir(os.DirFS(root), ".", nil); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRustOf(t *testing.T) {
	lock, other, git := lockOf("itoa", cratesIndex), lockOf("ryu", cratesIndex), lockOf("x", gitSource)
	named := func(m map[string]string) map[string]string { m["pyproject.toml"] = maturin; return m }
	for _, tt := range []struct {
		name   string
		files  map[string]string
		recipe string // a Cargo.lock
		want   string // crates, or the error
	}{
		{"none", map[string]string{"pyproject.toml": rustless}, "", ""},
		{"at the top", named(map[string]string{"Cargo.toml": manifest, "Cargo.lock": lock}), "", "itoa"},
		{"below", named(map[string]string{"src/rust/Cargo.toml": manifest, "src/rust/Cargo.lock": lock}), "", "itoa"},
		{"of the workspace", named(map[string]string{"Cargo.toml": "", "Cargo.lock": lock, "vendor/ryu/Cargo.lock": other}), "", "itoa"},
		{"two", named(map[string]string{"a/Cargo.lock": lock, "b/Cargo.lock": other}), "", "itoa ryu"},
		{"of tests", named(map[string]string{"tests/Cargo.lock": git, "a/b/Cargo.lock": lock}), "", "itoa"},
		{"no crates", named(map[string]string{"Cargo.lock": noLock}), "", "nothing"},
		{"not said", map[string]string{"pyproject.toml": rustless, "Cargo.toml": manifest, "Cargo.lock": lock}, "", "itoa"},
		{"not said, nor usable", map[string]string{"pyproject.toml": rustless, "Cargo.toml": manifest, "Cargo.lock": git}, "", ""},
		{"not said, no lock", map[string]string{"pyproject.toml": rustless, "Cargo.toml": manifest}, "", ""},
		{"missing", named(map[string]string{"Cargo.toml": manifest}), "", "brings no Cargo.lock"},
		{"missing, but in the recipe", named(map[string]string{"Cargo.toml": manifest}), lock, "itoa"},
		{"git", named(map[string]string{"Cargo.lock": git}), "", "Cargo.lock:5:10: package[0].source: x-1.0.0: is from a git repository"},
		{"git, but another in the recipe", named(map[string]string{"Cargo.lock": git}), lock, "itoa"},
		{"git in the recipe", named(map[string]string{"Cargo.lock": lock}), git, "recipes/wheels/fast.Cargo.lock:5:10: package[0].source"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var own fstest.MapFS
			if tt.recipe != "" {
				own = fstest.MapFS{"wheels/fast.toml": {Data: []byte("cargo-lock = \"fast.Cargo.lock\"\n")}, "wheels/fast.Cargo.lock": {Data: []byte(tt.recipe)}}
			}
			k := rustTask(t, tt.files, own)
			got, err := k.rustOf(k.src)
			var names []string
			for _, c := range cargo.Union(got.locks) {
				names = append(names, c.Name)
			}
			said := strings.Join(names, " ")
			if err == nil && said == "" && got.digest != "" {
				said = "nothing"
			}
			if err != nil {
				said = err.Error()
			}
			if said != tt.want && (err == nil || !strings.Contains(said, tt.want)) {
				t.Errorf("%s, want %s", said, tt.want)
			}
		})
	}
	if _, err := rustTask(t, map[string]string{"pyproject.toml": maturin}, nil).rustOf(&sdist.Source{Build: sdist.System{Requires: []string{"setuptools_rust"}}}); !errors.As(err, new(*NoCargoLockError)) {
		t.Error(err)
	}
}

// TestChoose chooses compilers of images that are there.
func TestChoose(t *testing.T) {
	toolchain18, toolchain19 := strings.Repeat("8", 64), strings.Repeat("9", 64)
	const host = "x86_64-unknown-linux-gnu"
	table := func(entries ...string) string {
		var s string
		for i := 0; i < len(entries); i += 3 {
			s += fmt.Sprintf("[[toolchain]]\nversion = %q\nhost = %q\nsha256 = %q\n", entries[i], entries[i+1], entries[i+2])
		}
		return s
	}
	both := table("1.80.0", host, toolchain18, "1.90.0", host, toolchain19)
	for _, tt := range []struct {
		name, need, known, pinned string
		want                      string // hash, "distro", or of the error
	}{
		{"the distro's is enough", "1.85", both, "", "distro"},
		{"anything is", "", "", "", "distro"},
		{"the newest known", "1.86", both, "", toolchain19},
		{"the pinned one", "1.70", both, toolchain18, toolchain18},
		{"the pinned one is too old", "1.81", both, toolchain18, "distro"},
		{"the pinned one is not known", "1.70", both, strings.Repeat("7", 64), "distro"},
		{"none", "1.88", "", "", "it needs Rust 1.88 (why): trixie has 1.85.1; name a newer one in recipes/rust.toml"},
		{"none new enough", "1.91.1", both, "", "trixie has 1.85.1, recipes/rust.toml 1.90.0; name a newer one"},
		{"for another host", "1.88", table("1.99.0", "aarch64-unknown-linux-gnu", toolchain19), "", "of rust-1.88.0-x86_64-unknown-linux-gnu.tar.xz"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := rustTask(t, map[string]string{"pyproject.toml": maturin, "Cargo.lock": noLock}, fstest.MapFS{"rust.toml": {Data: []byte(tt.known)}})
			var err error
			if k.rust, err = k.rustOf(k.src); err != nil {
				t.Fatal(err)
			}
			if tt.pinned != "" {
				k.pin.Rust = "sha256:" + tt.pinned
			}
			there := func(name, image string) {
				tools := k.b.shared(name)
				tools.once.Do(func() {})
				tools.image, tools.pin.Packages = image, []project.Package{{Name: "rustc", Version: "9"}, {Name: "rustc-web", Version: "1.85.1+dfsg1-1"}}
			}
			there("wheels 3.13", "plain")
			there("wheels 3.13 cargo-web rustc-web", "distro")
			for _, r := range k.p.req.Recipes.Toolchains() {
				there("wheels 3.13 with "+r.File(), r.SHA256)
			}
			err = k.choose(t.Context(), cargo.Need{Version: tt.need, Why: "why"})
			if err != nil {
				if !errors.As(err, new(*CompilerError)) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %s", err, tt.want)
				}
				return
			}
			pinned := map[bool]string{true: "", false: "sha256:" + tt.want}[tt.want == "distro"]
			if k.tools.image != tt.want || k.pin.Rust != pinned || k.pin.Crates == "" || (k.rustPath == "/opt/rust/bin") != (pinned != "") {
				t.Errorf("%s, pin %q, path %q; want %s", k.tools.image, k.pin.Rust, k.rustPath, tt.want)
			}
		})
	}
}

// TestRustCompiled: what is frozen gets no other compiler.
func TestRustCompiled(t *testing.T) {
	for _, tt := range []struct{ pinned, changes, frozen, want, refused bool }{
		{true, false, true, true, false}, {true, true, false, false, false}, {true, true, true, false, true}, {false, true, true, false, false},
	} {
		k := rustTask(t, map[string]string{"pyproject.toml": rustless}, nil)
		k.b.Frozen, k.pin.Rust = tt.frozen, "sha256:1"
		got, err := k.compiled(tt.pinned, func() error {
			if tt.changes {
				k.pin.Rust = "sha256:2"
			}
			return nil
		})
		if got != tt.want || errors.As(err, new(*UnpinnedError)) != tt.refused {
			t.Errorf("%+v: %v, %v", tt, got, err)
		}
	}
}

// TestNeed: what the recipe says goes before what manifests say.
func TestNeed(t *testing.T) {
	files := map[string]string{"pyproject.toml": maturin, "Cargo.toml": manifest, "Cargo.lock": noLock}
	for recipe, want := range map[string]string{"": "1.88", "rust = \"1.70\"\n": "1.70"} {
		k := rustTask(t, files, fstest.MapFS{"wheels/fast.toml": {Data: []byte(recipe)}})
		var err error
		if k.rust, err = k.rustOf(k.src); err != nil {
			t.Fatal(err)
		}
		if n, err := k.need(); err != nil || n.Version != want {
			t.Errorf("%+v, %v, want %s", n, err, want)
		}
	}
}

// TestCrated: the lock of the recipe goes over that of the source, beside the topmost
// manifest.
func TestCrated(t *testing.T) {
	k := rustTask(t, map[string]string{"pyproject.toml": maturin, "rust/Cargo.toml": manifest, "rust/core/Cargo.toml": manifest}, fstest.MapFS{
		"wheels/fast.toml": {Data: []byte("cargo-lock = \"fast.Cargo.lock\"\n")}, "wheels/fast.Cargo.lock": {Data: []byte(noLock)},
	})
	var err error
	if k.rust, err = k.rustOf(k.src); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := k.content().WriteTar(w, "build/src", 1000, 1000); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s", h.Uid, h.Name))
	}
	for _, want := range []string{"1000 build/src/rust/Cargo.lock", "0 build/cargo/config.toml", "0 build/cargo/rustc", "1000 build/cargo/"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %q", want, got)
		}
	}
	if env := k.env(); env["CARGO_HOME"] != "/build/cargo" || env["RUSTC_WRAPPER"] != "/build/cargo/rustc" {
		t.Error(env)
	}
}

// TestRustInputs: a key without Rust is what it was, and one with it depends on crates,
// compiler and the recipe's lock.
func TestRustInputs(t *testing.T) {
	names := func(k *task) (names []string) {
		for _, in := range k.sharedInputs() {
			names = append(names, in.Name)
		}
		return names
	}
	k := rustTask(t, map[string]string{"pyproject.toml": rustless}, nil)
	plain := names(k)
	k.pin.Crates, k.pin.Rust, k.cargoLock = "sha256:1", "sha256:2", []byte(noLock)
	more := slices.DeleteFunc(names(k), func(name string) bool { return slices.Contains(plain, name) })
	if diff := cmp.Diff([]string{"crates", "cargo", "rust", "cargo-lock"}, more); diff != "" {
		t.Error(diff)
	}
	if got := k.p.toolPackages(k.recipe, k.pin); len(got) > 0 {
		t.Errorf("%q beside another compiler", got)
	}
	k.pin.Rust = ""
	if got := k.p.toolPackages(k.recipe, k.pin); !slices.Equal(got, []string{"cargo-web", "rustc-web"}) {
		t.Errorf("%q", got)
	}
}

func TestComplaint(t *testing.T) {
	out := "    Updating index\nwarning: x\nerror: failed to get `itoa`\n\nCaused by:\n  no such host\n"
	if got := complaint(out); got != "error: failed to get `itoa`; Caused by:; no such host" {
		t.Error(got)
	}
	if got := complaint("sh: cargo: not found\n"); got != "sh: cargo: not found" {
		t.Error(got)
	}
}
