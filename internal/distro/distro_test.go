package distro

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

var trixie = Target{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}

func TestParseSources(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"one line", "deb https://deb.example.org/debian trixie main\n", []string{"https://deb.example.org/debian"}},
		{"no newline at the end", "deb http://deb.example.org/debian/ trixie main", []string{"http://deb.example.org/debian"}},
		{
			"options", "deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] https://deb.example.org/debian trixie main\n" +
				"deb [ trusted=yes ]  http://other.example.org/d ./\n",
			[]string{"https://deb.example.org/debian", "http://other.example.org/d"},
		},
		{
			"each once, in order", "deb http://b.example.org/debian trixie main\ndeb-src http://a.example.org/debian trixie main\n" +
				"deb-src http://b.example.org/debian/ trixie main\n",
			[]string{"http://b.example.org/debian", "http://a.example.org/debian"},
		},
		{"comments", "# deb http://x.example.org/debian trixie main\n#deb http://y.example.org/debian trixie main\n\n", nil},
		{"not of the network", "deb file:///srv/debian trixie main\ndeb cdrom:[Debian]/ trixie main\ncopy:/x\n", nil},
		{
			"deb822", "# See sources.list(5)\nTypes: deb deb-src\nURIs: https://deb.example.org/debian https://security.example.org/debian-security/\n" +
				"Suites: trixie trixie-updates\nComponents: main\nSigned-By: /usr/share/keyrings/k.gpg\n",
			[]string{"https://deb.example.org/debian", "https://security.example.org/debian-security"},
		},
		{
			"deb822, folded", "Types: deb\nURIs:\n https://deb.example.org/debian\n https://security.example.org/debian-security\nSuites: trixie\n",
			[]string{"https://deb.example.org/debian", "https://security.example.org/debian-security"},
		},
		{
			"deb822, not enabled", "Types: deb\nURIs: https://a.example.org/debian\nSuites: trixie\nEnabled: no\n\n" +
				"Types: deb\nEnabled: yes\nURIs: https://b.example.org/debian\nSuites: trixie\n",
			[]string{"https://b.example.org/debian"},
		},
		{
			"deb822, a comment within", "Types: deb\nURIs: https://a.example.org/debian\n# https://b.example.org/debian\n https://c.example.org/debian\nSuites: trixie\n",
			[]string{"https://a.example.org/debian", "https://c.example.org/debian"},
		},
		{
			"both", "deb http://a.example.org/debian trixie main\nTypes: deb\nURIs: http://b.example.org/debian\n",
			[]string{"http://a.example.org/debian", "http://b.example.org/debian"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, addresses(parseSources(tt.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDebName(t *testing.T) {
	tests := []struct {
		file string
		want project.Package
	}{
		{"gcc-14_14.2.0-19_amd64.deb", project.Package{Name: "gcc-14", Version: "14.2.0-19", Arch: "amd64"}},
		{"gcc_4%3a14.2.0-1_amd64.deb", project.Package{Name: "gcc", Version: "4:14.2.0-1", Arch: "amd64"}},
		{"libstdc++6_14.2.0-19_amd64.deb", project.Package{Name: "libstdc++6", Version: "14.2.0-19", Arch: "amd64"}},
		{"tzdata_2025b-4+deb13u1_all.deb", project.Package{Name: "tzdata", Version: "2025b-4+deb13u1", Arch: "all"}},
		{"zlib1g-dev_1%3a1.3.dfsg+really1.3.1-1+b1_amd64.deb", project.Package{Name: "zlib1g-dev", Version: "1:1.3.dfsg+really1.3.1-1+b1", Arch: "amd64"}},
		{"x_1~rc1_arm64.deb", project.Package{Name: "x", Version: "1~rc1", Arch: "arm64"}},
	}
	for _, tt := range tests {
		got, err := parseDebName(tt.file)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.file, got, err)
		}
		if back := debName(got); back != tt.file {
			t.Errorf("%+v: %s, want %s", got, back, tt.file)
		}
	}
	for _, bad := range []string{"", "x.deb", "x_1.deb", "x_1_amd64_y.deb", "x_1%zz_amd64.deb"} {
		if got, err := parseDebName(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestRepository(t *testing.T) {
	for ref, want := range map[string]string{
		"debian":                             "debian",
		"debian:trixie-slim":                 "debian",
		"corp/base:1":                        "corp/base",
		"registry.example.org/base:1":        "registry.example.org/base",
		"registry.example.org:5000/base":     "registry.example.org:5000/base",
		"registry.example.org:5000/base:1.2": "registry.example.org:5000/base",
	} {
		if got := repository(ref); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}

func TestLastErrors(t *testing.T) {
	tests := []struct{ name, out, want string }{
		{"nothing", "", ""},
		{"apt", "Reading package lists...\nE: Unable to locate package no-such\nW: careful\nE: Broken\n", "Unable to locate package no-such; Broken"},
		{
			"a server", "Hit:1 http://deb.example.org trixie InRelease\nErr:2 http://deb.example.org trixie Release\n  404 Not Found\n",
			"Err:2 http://deb.example.org trixie Release",
		},
		{
			"a file", "Err:6 http://deb.example.org trixie/main amd64 x amd64 1\n  404  Not Found\nE: Failed to fetch http://deb.example.org/x.deb  404  Not Found\n",
			"Failed to fetch http://deb.example.org/x.deb  404  Not Found",
		},
		{
			"unmet", "The following packages have unmet dependencies:\n libpq5 : Depends: libldap2 (>= 2.6.2) but it is not installable\n" +
				"          Depends: libssl3t64 (>= 3.4.0)\nE: held broken packages.\n",
			"libpq5 : Depends: libldap2 (>= 2.6.2) but it is not installable; Depends: libssl3t64 (>= 3.4.0); held broken packages.",
		},
		{"no error", "one\ntwo\nthree\nfour\n", "two; three; four"},
		{"one line", "one\n", "one"},
		{"not at the beginning", "x E: no\nlast\n", "x E: no; last"},
	}
	for _, tt := range tests {
		if got := lastErrors(tt.out); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBaseRef(t *testing.T) {
	if got := BaseRef(trixie, "sha256:4f1c02aa9be1"+strings.Repeat("0", 52)); got != "pybake/base:trixie-amd64-4f1c02aa9be1" {
		t.Error(got)
	}
}

func TestMovedError(t *testing.T) {
	cause := errors.New("no such version")
	tests := []struct {
		err  MovedError
		want string
	}{
		{
			MovedError{Target: trixie, What: "package gcc-14", Pinned: "14.2.0-19", Found: "14.2.0-20"},
			"package gcc-14 of trixie-amd64: pinned 14.2.0-19, now 14.2.0-20",
		},
		{
			MovedError{Target: trixie, What: "package gcc-14", Pinned: "14.2.0-19", Explains: cause},
			"package gcc-14 of trixie-amd64: pinned 14.2.0-19, no longer to be had: no such version",
		},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if err := error(fmt.Errorf("base: %w", &tests[1].err)); !errors.Is(err, cause) {
		t.Errorf("%v does not lead to its cause", err)
	}
}
