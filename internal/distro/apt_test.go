package distro

import (
	"testing"

	"github.com/pybake/pybake/internal/project"
)

// TestGone reads what lastErrors leaves of apt's output.
func TestGone(t *testing.T) {
	missing := []project.Package{{Name: "gcc-14", Version: "14.2.0-19"}, {Name: "libstdc++6", Version: "14.2.0-19"}, {Name: "tzdata", Version: "2025b-4"}}
	tests := []struct{ name, said, want string }{
		{"a version", "Version '14.2.0-19' for 'libstdc++6' was not found: exec sh: exit status 100", "libstdc++6"},
		{"a package", "Unable to locate package gcc-14; Unable to locate package tzdata: exec sh: exit status 100", "gcc-14"},
		{"the base has it, no archive", "Can't find a source to download version '2025b-4' of 'tzdata:amd64': exec sh", "tzdata"},
		{"another package", "Version '1' for 'make' was not found", ""},
		{"no name", "Err:1 http://deb.example.org/debian trixie InRelease; Failed to fetch http://deb.example.org/debian/dists/trixie/InRelease  Temporary failure resolving 'deb.example.org'", ""},
		{"no server", "Failed to fetch http://deb.example.org/x.deb  Could not connect to deb.example.org:80 (192.0.2.1), connection timed out", ""},
		{"lists that could not be had", "Err:1 http://deb.example.org/debian trixie InRelease; Version '14.2.0-19' for 'gcc-14' was not found", ""},
		{"something else", "You don't have enough free space in /var/cache/apt/archives/.", ""},
	}
	for _, tt := range tests {
		if p, ok := gone(tt.said, missing); p.Name != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", tt.name, p.Name, ok, tt.want)
		}
	}
}
