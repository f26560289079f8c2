package apt

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// made is a package whose control file has the lines, and its name and hash by
// what they say.
func made(name, version, arch string, lines ...string) Package {
	control := "Package: " + name + "\nVersion: " + version + "\nArchitecture: " + arch + "\n" + strings.Join(lines, "\n")
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(control)))
	_, upstream, ok := strings.Cut(version, ":")
	if !ok {
		upstream = version
	}
	return Package{
		Control:  strings.TrimSuffix(control, "\n"),
		Filename: path.Join("pool", sum[:2], sum, name+"_"+upstream+"_"+arch+".deb"),
		Size:     int64(len(control)), SHA256: sum,
	}
}

// sample is a repository that uses everything a repository can.
func sample() *Repository {
	return &Repository{
		Origin: "pybake", Label: "pybake", Codename: "trixie", Description: "Python for trixie",
		Date:          time.Date(2025, 11, 21, 3, 0, 0, 999, time.FixedZone("", 3600)),
		ValidUntil:    time.Date(2025, 11, 28, 2, 0, 0, 0, time.UTC),
		Architectures: []string{"arm64", "amd64"},
		Packages: []Package{
			made("pybake-python3.13", "3.13.5-2+deb13", "amd64",
				"X-Zeta: last", "Build-Ids: 0123abcd", "Section: python", "Priority: optional",
				"Maintainer: Jo Doe <jo@example.org>", "Installed-Size: 29983",
				"Depends: libc6 (>= 2.38),\n tzdata", "Recommends: ca-certificates", "Multi-Arch: allowed",
				"Homepage: https://example.org/", "Description: CPython 3.13.5\n First paragraph.\n .\n Second: ünï."),
			made("pybake-python3.13", "3.13.5-1+deb13", "amd64", "Description: the release before"),
			made("pybake-doc", "1:3.13.5~rc1", "all", "Description:\n no synopsis"),
			made("pybake-python3.13", "3.13.5-2+deb13", "arm64", "Description: the same for another machine"),
		},
	}
}

// fakeSign stands for a signature.
func fakeSign(release []byte) (inline, detached []byte, err error) {
	return []byte("signed:\n" + string(release)), []byte("signature\n"), nil
}

func files(t testing.TB, r *Repository) map[string]string {
	t.Helper()
	list, err := r.Files(fakeSign)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range list {
		all[f.Path] = string(f.Data)
	}
	return all
}

func TestGolden(t *testing.T) {
	all := files(t, sample())
	golden(t, "Release", all["dists/trixie/Release"])
	golden(t, "Packages.amd64", all["dists/trixie/main/binary-amd64/Packages"])
	golden(t, "Packages.arm64", all["dists/trixie/main/binary-arm64/Packages"])
	list, err := sample().Files(fakeSign)
	if err != nil {
		t.Fatal(err)
	}
	var paths strings.Builder
	for _, f := range list {
		fmt.Fprintln(&paths, f.Path)
	}
	golden(t, "paths", paths.String())
}

// TestRelease holds what Release says against the files.
func TestRelease(t *testing.T) {
	all := files(t, sample())
	release := all["dists/trixie/Release"]
	if want := "signed:\n" + release; all["dists/trixie/InRelease"] != want {
		t.Errorf("InRelease: %q", all["dists/trixie/InRelease"])
	}
	if all["dists/trixie/Release.gpg"] != "signature\n" {
		t.Errorf("Release.gpg: %q", all["dists/trixie/Release.gpg"])
	}
	_, sums, _ := strings.Cut(release, "SHA256:\n")
	listed := 0
	for line := range strings.Lines(sums) {
		var sum, name string
		var size int
		if _, err := fmt.Sscan(line, &sum, &size, &name); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		listed++
		data := all["dists/trixie/"+name]
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(data))); got != sum || len(data) != size {
			t.Errorf("%s: %d bytes with hash %s, Release says %d and %s", name, len(data), got, size, sum)
		}
		if got := all[path.Join("dists/trixie", path.Dir(name), "by-hash/SHA256", sum)]; got != data {
			t.Errorf("%s: by-hash has %d bytes, want %d", name, len(got), len(data))
		}
		if plain, ok := strings.CutSuffix(name, ".gz"); ok {
			z, err := gzip.NewReader(strings.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(z)
			if err != nil || string(got) != all["dists/trixie/"+plain] || !z.ModTime.IsZero() || z.Name != "" {
				t.Errorf("%s: %d bytes of %q at %v, %v", name, len(got), z.Name, z.ModTime, err)
			}
		}
	}
	if listed != 4 || len(all) != 3+2*listed {
		t.Errorf("%d files, %d of them in Release", len(all), listed)
	}
}

func TestSameBytes(t *testing.T) {
	want := files(t, sample())
	r := sample()
	slices.Reverse(r.Packages)
	slices.Reverse(r.Architectures)
	r.Packages = append(r.Packages, r.Packages[0]) // the same twice
	r.Date = r.Date.UTC()
	if diff := cmp.Diff(want, files(t, r)); diff != "" {
		t.Error(diff)
	}
}

func TestEmpty(t *testing.T) {
	r := &Repository{Codename: "bookworm", Date: time.Unix(1763690400, 0), Architectures: []string{"amd64"}}
	all := files(t, r)
	if got, ok := all["dists/bookworm/main/binary-amd64/Packages"]; got != "" || !ok {
		t.Errorf("Packages: %q, %v", got, ok)
	}
	golden(t, "Release.empty", all["dists/bookworm/Release"])
}

func TestUnsigned(t *testing.T) {
	for name, sign := range map[string]func([]byte) ([]byte, []byte, error){
		"nil":     nil,
		"no keys": func([]byte) ([]byte, []byte, error) { return nil, nil, nil },
	} {
		list, err := sample().Files(sign)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			if base := path.Base(f.Path); base == "InRelease" || base == "Release.gpg" {
				t.Errorf("%s: there is %s", name, f.Path)
			}
		}
	}
}

func TestSignFails(t *testing.T) {
	cause := errors.New("key expired")
	list, err := sample().Files(func([]byte) ([]byte, []byte, error) { return nil, nil, cause })
	if list != nil || !errors.Is(err, cause) || err.Error() != "apt repository trixie: sign Release: key expired" {
		t.Errorf("%d files, %v", len(list), err)
	}
}

// TestSignKeepsRelease lets sign write into what it is given.
func TestSignKeepsRelease(t *testing.T) {
	list, err := sample().Files(func(release []byte) ([]byte, []byte, error) {
		clear(release)
		return nil, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if bytes.Contains(f.Data, []byte{0, 0, 0, 0, 0, 0, 0, 0}) && path.Base(f.Path) == "Release" {
			t.Error("Release is changed")
		}
	}
}

func BenchmarkFiles(b *testing.B) {
	for _, n := range []int{50, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := sample()
			r.Architectures, r.Packages = []string{"amd64"}, nil
			for i := range n {
				r.Packages = append(r.Packages, made(fmt.Sprintf("pybake-package%d", i), "3.13.5-1+deb13", "amd64",
					"Section: python", "Priority: optional", "Maintainer: Jo Doe <jo@example.org>", "Installed-Size: 29983",
					"Depends: tzdata, libbz2-1.0, libc6 (>= 2.38), libdb5.3t64, libexpat1 (>= 2.6.0), libffi8 (>= 3.4), libssl3t64 (>= 3.4.0)",
					"Homepage: https://example.org/", "Description: CPython 3.13.5 as upstream released it",
					" The interpreter and its standard library with bytecode, in /opt/python/3.13. It stands beside the distro's",
					" own python3 and other series and touches neither: nothing is installed in /usr/bin."))
			}
			for b.Loop() {
				if _, err := r.Files(fakeSign); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
