package cargo

import (
	"strings"
	"testing"
)

func TestMinimum(t *testing.T) {
	lock := func(version string) File { return File{"x/Cargo.lock", []byte("version = " + version + "\n")} }
	toml := func(text string) File { return File{"x/Cargo.toml", []byte(text)} }
	for _, tt := range []struct {
		name  string
		files []File
		want  Need
	}{
		{"nothing", nil, Need{}},
		{"old", []File{toml("[package]\nname = \"x\"\n"), lock("2")}, Need{}},
		{"lock", []File{toml("[package]\nedition = \"2021\"\n"), lock("4")}, Need{"1.78", "x/Cargo.lock: version = 4"}},
		{"edition", []File{lock("4"), toml("[package]\nedition = \"2024\"\nrust-version = \"1.70\"\n")}, Need{"1.85", `x/Cargo.toml: edition = "2024"`}},
		{"rust-version", []File{toml("[package]\nedition = \"2021\"\nrust-version = \"1.88.1\"\n"), lock("4")}, Need{"1.88.1", `x/Cargo.toml: rust-version = "1.88.1"`}},
		{"of the workspace", []File{toml("[package]\nedition.workspace = true\nrust-version = { workspace = true }\n[workspace.package]\nrust-version = \"1.83\"\n")},
			Need{"1.83", `x/Cargo.toml: rust-version = "1.83"`}},
		{"broken", []File{toml("[package"), lock("9")}, Need{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Minimum(tt.files); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestCrateMinimum(t *testing.T) {
	c := Crate{Name: "x", Version: "1.0.0"}
	// What it says of compilers does not count: it may be for another platform.
	path := archive(t, c, "[package]\nedition = \"2024\"\nrust-version = \"1.99\"\n")
	got, err := CrateMinimum(c, path)
	if want := (Need{"1.85", `x-1.0.0/Cargo.toml: edition = "2024"`}); err != nil || got != want {
		t.Error(got, err)
	}
	if _, err := CrateMinimum(Crate{Name: "y", Version: "1.0.0"}, path); err == nil || !strings.Contains(err.Error(), "no y-1.0.0/Cargo.toml in it") {
		t.Error(err)
	}
}

func TestCompare(t *testing.T) {
	order := []string{"", "1.9", "1.63.0", "1.85", "1.85.1", "1.96", "2"}
	for i, a := range order {
		for j, b := range order {
			if got := Compare(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q to %q is %d", a, b, got)
			}
		}
	}
	if Compare("1.85", "1.85.0") != 0 {
		t.Error("1.85 is not 1.85.0")
	}
}

func TestCompilerVersion(t *testing.T) {
	for text, want := range map[string]string{
		"1.96.0+dfsg1-1~deb13u1+b1":                 "1.96.0",
		"1.75.0+dfsg0ubuntu1~bpo0-0ubuntu0.22.04.1": "1.75.0",
		"2:1.91.1+dfsg0-1":                          "1.91.1", "unknown": "",
	} {
		if got := CompilerVersion(text); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
