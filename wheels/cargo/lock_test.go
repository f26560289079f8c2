package cargo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const origin = "registry+https://index.example.org/crates.io-index"

func digits(digit string) string { return strings.Repeat(digit, 64) }

// locked is a package of a lock.
func locked(name, version, checksum string) string {
	s := fmt.Sprintf("\n[[package]]\nname = %q\nversion = %q\nsource = %q\n", name, version, origin)
	if checksum != "" {
		s += fmt.Sprintf("checksum = %q\n", checksum)
	}
	return s + "dependencies = [\n \"serde\",\n]\n"
}

func TestParseLock(t *testing.T) {
	itoa, wasi := Crate{"itoa", "1.0.9", digits("a")}, Crate{"wasi", "0.11.0+wasi-snapshot", digits("b")}
	both := locked("wasi", "0.11.0+wasi-snapshot", digits("b")) + locked("itoa", "1.0.9", digits("a"))
	own := "[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\"itoa\"]\n"
	for _, tt := range []struct {
		name string
		text string
		want Lock
	}{
		{"empty", "version = 4\n", Lock{Version: 4}},
		{"own crates only", "version = 3\n" + own, Lock{Version: 3}},
		{"version 4", "version = 4\n" + own + both, Lock{Version: 4, Crates: []Crate{itoa, wasi}, origin: origin}},
		{"version 3", "version = 3\n" + both + own, Lock{Version: 3, Crates: []Crate{itoa, wasi}, origin: origin}},
		{"version 2", own + both, Lock{Version: 2, Crates: []Crate{itoa, wasi}, origin: origin}},
		{"version 1", own + locked("itoa", "1.0.9", "") +
			fmt.Sprintf("[metadata]\n\"checksum itoa 1.0.9 (%s)\" = %q\n", origin, digits("a")),
			Lock{Version: 1, Crates: []Crate{itoa}, origin: origin}},
		{"a crate replaced by one in the source", "version = 3\n" + own + "[[patch.unused]]\nname = \"x\"\nversion = \"1.0.0\"\n", Lock{Version: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseLock("x.tar.gz/Cargo.lock", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, *got, cmp.AllowUnexported(Lock{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseBadLock(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no TOML", "version = \n", "l:1:11: "},
		{"newer", "version = 5\n", "l:1:11: version: 5: want at most 4"},
		{"no checksum", "version = 3\n" + locked("itoa", "1.0.9", ""), "l:3:3: package[0]: itoa-1.0.9: has no checksum"},
		{"bad checksum", "version = 3\n" + locked("itoa", "1.0.9", digits("A")), "has no checksum"},
		{"version 1 without", locked("itoa", "1.0.9", "") + "[metadata]\n", "l:2:3: package[0]: itoa-1.0.9: has no checksum"},
		{"name", "version = 3\n" + locked("../x", "1.0.9", digits("a")), `l:4:8: package[0].name: "../x": want the name of a crate`},
		{"version", "version = 3\n" + locked("x", "1.0/..", digits("a")), `l:5:11: package[0].version: x: "1.0/..": want a version`},
		{
			"git", "version = 3\n[[package]]\nname = \"x\"\nversion = \"1.0.0\"\nsource = \"git+https://git.example.org/x?rev=1#12\"\n",
			"l:5:10: package[0].source: x-1.0.0: is from a git repository (https://git.example.org/x?rev=1#12)",
		},
		{
			"registry", "version = 3\n[[package]]\nname = \"x\"\nversion = \"1.0.0\"\nsource = \"sparse+https://corp.example.org/\"\n",
			`l:5:10: package[0].source: x-1.0.0: is from "sparse+https://corp.example.org/"`,
		},
		{
			"two", "version = 3\n" + locked("a", "1.0.0", digits("a")) + strings.ReplaceAll(locked("b", "1.0.0", digits("b")), "index.", "other."),
			"l:15:10: package[1].source: b-1.0.0: comes from",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseLock("l", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
	// All together.
	_, err := ParseLock("l", []byte("version = 3\n"+locked("a", "1.0.0", "")+locked("b", "1", digits("b"))))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Error(err)
	}
}

func TestUnion(t *testing.T) {
	a, b := Crate{"a", "1.0.0", digits("a")}, Crate{"b", "1.0.0", digits("b")}
	got := Union([]*Lock{{Crates: []Crate{b}}, {Crates: []Crate{a, b}}})
	if diff := cmp.Diff([]Crate{a, b}, got); diff != "" {
		t.Error(diff)
	}
	if Digest(got) == Digest([]Crate{a}) || Digest(got) != Digest([]Crate{a, b}) {
		t.Error("a digest is not that of the set")
	}
}

func TestRequest(t *testing.T) {
	l, err := ParseLock("l", []byte("version = 4\n"+locked("wasi", "0.11.0+x", digits("b"))+locked("syn", "1.0.109", digits("a"))+locked("syn", "2.0.50", digits("c"))))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range l.Request() {
		files[f.Name] = string(f.Data)
	}
	want := map[string]string{
		"Cargo.toml": "[package]\nname = \"request\"\nversion = \"0.0.0\"\nedition = \"2018\"\n\n[dependencies]\n" +
			"crate0 = { package = \"syn\", version = \"=1.0.109\", default-features = false }\n" +
			"crate1 = { package = \"syn\", version = \"=2.0.50\", default-features = false }\n" +
			"crate2 = { package = \"wasi\", version = \"=0.11.0\", default-features = false }\n",
		"Cargo.lock": "version = 3\n" +
			"\n[[package]]\nname = \"syn\"\nversion = \"1.0.109\"\nsource = \"" + origin + "\"\nchecksum = \"" + digits("a") + "\"\n" +
			"\n[[package]]\nname = \"syn\"\nversion = \"2.0.50\"\nsource = \"" + origin + "\"\nchecksum = \"" + digits("c") + "\"\n" +
			"\n[[package]]\nname = \"wasi\"\nversion = \"0.11.0+x\"\nsource = \"" + origin + "\"\nchecksum = \"" + digits("b") + "\"\n",
		"src/lib.rs": "",
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
}
