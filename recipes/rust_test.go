package recipes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const rustToolchain = "[[toolchain]]\nversion = \"1.88.0\"\nhost = \"x86_64-unknown-linux-gnu\"\nsha256 = \""

func TestToolchains(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	s, err := load(t, map[string]string{"rust.toml": rustToolchain + hash + "\"\n"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Toolchain{{"1.88.0", "x86_64-unknown-linux-gnu", hash}}
	if diff := cmp.Diff(want, s.Toolchains()); diff != "" {
		t.Error(diff)
	}
	if got := want[0].File(); got != "rust-1.88.0-x86_64-unknown-linux-gnu.tar.xz" {
		t.Error(got)
	}
	if got := embeddedSet(t).Toolchains(); len(got) > 0 {
		t.Errorf("%+v without a project", got)
	}
	for text, want := range map[string]string{
		"[[toolchain]]\n": "recipes/rust.toml:1:3: toolchain[0].version: missing or empty",
		strings.Replace(rustToolchain, "1.88.0", "1.88", 1) + hash + "\"\n": `toolchain[0].version: "1.88": want a version such as "1.88.0"`,
		rustToolchain + "…\"\n": "toolchain[0].sha256: ",
		strings.Replace(rustToolchain, "x86_64-", "../", 1) + hash + "\"\n": "toolchain[0].host: ",
		rustToolchain + hash + "\"\n" + rustToolchain + hash + "\"\n":       "toolchain[1]: 1.88.0 for x86_64-unknown-linux-gnu: given twice",
		"[[toolchains]]\n": `did you mean "toolchain"?`,
	} {
		_, err := load(t, map[string]string{"rust.toml": text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestCargoLock(t *testing.T) {
	s, err := load(t, map[string]string{
		"wheels/foo.toml":         "cargo-lock = \"foo.Cargo.lock\"\nrust = \"1.88\"\n[[when]]\nversions = \"<2\"\ncargo-lock = \"foo-1.Cargo.lock\"\n",
		"wheels/foo.Cargo.lock":   "version = 4\n",
		"wheels/foo-1.Cargo.lock": "version = 3\n",
		"wheels/other.Cargo.lock": "of nobody",
		"distros/trixie.toml":     "[rust]\npackages = [\"rustc-9\"]\npath = \"/usr/lib/rust-9/bin\"\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := s.Wheel("foo", "trixie")
	for version, want := range map[string]string{"2.0": "version = 4\n", "1.5": "version = 3\n", "": "version = 4\n"} {
		if got := s.CargoLock(w.At(version).CargoLock); string(got) != want {
			t.Errorf("%s: %q", version, got)
		}
	}
	if s.CargoLock("none.Cargo.lock") != nil || s.CargoLock("") != nil {
		t.Error("a lock that is not there")
	}
	if got := distro(t, s, "trixie").Rust; !cmp.Equal(got, Rust{[]string{"rustc-9"}, "/usr/lib/rust-9/bin"}) {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]string{
		"wheels/foo.toml|cargo-lock = \"foo.Cargo.lock\"\n": "recipes/wheels/foo.toml: cargo-lock: open wheels/foo.Cargo.lock: file does not exist",
		"wheels/foo.toml|cargo-lock = \"../x.lock\"\n":      `cargo-lock: "../x.lock": want the name of a file beside the recipe`,
		"wheels/foo.toml|rust = \"new\"\n":                  `rust: "new": want a version such as "1.88"`,
		"distros/trixie.toml|[rust]\npath = \"bin\"\n":      `rust.path: "bin": want a directory`,
	} {
		file, text, _ := strings.Cut(text, "|")
		_, err := load(t, map[string]string{file: text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
