package distro

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
)

func TestParseURIs(t *testing.T) {
	hash := strings.Repeat("7", 64)
	const archive = "http://deb.example.org/debian/"
	out := "Reading package lists...\nThe following NEW packages will be installed:\n  make\n" +
		"'" + archive + "pool/main/z/zlib/zlib1g-dev_1%3a1.2.13_amd64.deb' zlib1g-dev_1%3a1.2.13_amd64.deb 1 SHA256:" + hash + "\n" +
		"'file:/tmp/pybake-request.deb' pybake-request_0_amd64.deb 20672 \n" +
		"'http://other.example.org/make_4.4.1-2_amd64.deb' make_4.4.1-2_amd64.deb 463104 SHA256:" + hash + "\n"
	got, err := parseURIs(out, []string{"http://third.example.org/"})
	want := []project.Package{
		{Name: "make", Version: "4.4.1-2", Arch: "amd64", Digest: "sha256:" + hash},
		{Name: "zlib1g-dev", Version: "1:1.2.13", Arch: "amd64", Digest: "sha256:" + hash},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	for _, bad := range []struct{ out, unsigned, want string }{
		{out, archive, "zlib1g-dev_1%3a1.2.13_amd64.deb comes from an archive that is not signed"},
		{strings.ReplaceAll(out, "SHA256:", "MD5Sum:"), "-", "zlib1g-dev_1%3a1.2.13_amd64.deb: no SHA-256 in the index"},
		{strings.ReplaceAll(out, hash, ""), "-", "no SHA-256 in the index"},
		{strings.ReplaceAll(out, hash, hash[1:]), "-", "no SHA-256 in the index"},
		{strings.ReplaceAll(out, " make_", " make"), "-", "want name_version_arch.deb"},
	} {
		if _, err := parseURIs(bad.out, []string{bad.unsigned}); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("error %v, want %s", err, bad.want)
		}
	}
}

func TestRequestCheck(t *testing.T) {
	good := Request{
		Names:     []string{"g++", "libstdc++6", "libpq5=17.5-1+b1", "libc6-dev:amd64", "zlib1g=1:1.2.13~rc1-2"},
		Relations: []string{"tzdata", "libc6 (>= 2.36)", "libc6(>=2.36)", "a1 | b2:any (<< 1:2~) | c3", "x0 (= 1)"},
	}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "-oDpkg::Pre-Invoke::=id", "a", "Gcc", "gcc make", "gcc\n", "./x.deb", "gcc=", "gcc=1;", "lib*", "gcc^", "gcc/sid"} {
		if err := (Request{Names: []string{"make", bad}}).check(); err == nil {
			t.Errorf("name %q", bad)
		}
	}
	for _, bad := range []string{"", "a1,", "a1 |", "| b2", "gcc\nEssential: yes", "gcc (>= 1)\n", "gcc (1)", "gcc (> 1)", "gcc (>= )", "gcc [amd64]", "gcc=1", "%s%n"} {
		if err := (Request{Relations: []string{"make", bad}}).check(); err == nil || !strings.Contains(err.Error(), "want a relation") {
			t.Errorf("relation %q: %v", bad, err)
		}
	}
}

func TestOnlyAbsent(t *testing.T) {
	const absent = "Failed to fetch http://deb.example.org/debian/pool/a.deb  404  Not Found [IP: 192.0.2.1 80]"
	const away = "Failed to fetch http://deb.example.org/debian/pool/b.deb  Could not connect to deb.example.org:80 (192.0.2.1), connection timed out"
	for said, want := range map[string]bool{
		"Err:1 http://deb.example.org/debian trixie/main amd64 a amd64 1; " + absent + "; Some files failed to download": true,
		absent + "; " + absent: true,
		absent + "; " + away:   false,
		away:                   false,
		"Write error - write (28: No space left on device)": false,
	} {
		if onlyAbsent(said) != want {
			t.Errorf("%s: want %v", said, want)
		}
	}
}
