package project

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/strict"
)

func digest(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// sample is a lock with some of everything, in the order of the file.
func sample() *Lock {
	gcc := Package{"gcc-14", "14.2.0-19", "amd64", digest("1")}
	make := Package{"make", "1:4.4.1-2+b1", "amd64", digest("2")}
	return &Lock{
		Format: LockFormat,
		Bases: []BasePin{
			{Distro: "bookworm", Arch: "amd64", Origin: "registry", Ref: "debian:bookworm-slim", Digest: digest("a"), Packages: []Package{{"apt", "2.6.1", "amd64", ""}}},
			{Distro: "trixie", Arch: "amd64", Origin: "mmdebstrap", Digest: digest("b"), Packages: []Package{{"adduser", "3.152", "all", ""}, {"apt", "3.0.3", "amd64", ""}}},
			{Distro: "trixie", Arch: "arm64", Origin: "engine", Ref: "t:trixie", Digest: digest("c"), Packages: []Package{{"libc6", "2.41-12", "arm64", ""}}},
		},
		Builders: []SetPin{{Distro: "trixie", Arch: "amd64", For: "python 3.13", Request: []string{"gcc", "make"}, Packages: []Package{gcc, make}}},
		Runtimes: []SetPin{{Distro: "trixie", Arch: "amd64", For: "python 3.13", Request: []string{"libssl3t64"}, Packages: []Package{{"libssl3t64", "3.5.1-1~deb13u1", "amd64", digest("3")}}}},
		Profiles: []ProfilePin{{Series: "3.13", Distro: "trixie", Arch: "amd64", Variant: "pgo+lto", Compiler: "gcc 14.2.0-19", Workload: "-m test --pgo", Digest: digest("d")}},
		Pythons: []PythonPin{
			{Want: "3.11.9", Version: "3.11.9", TGZ: hash("5")},
			{Want: "3.13", Version: "3.13.5", XZ: hash("6"), TGZ: hash("7"), From: "https://mirror.example.org/python/", Proof: "OpenPGP signature of Thomas Wouters’ key", Next: "3.13.6", NextSince: "2025-08-07T01:00:12Z"},
			{Want: "3.15", Version: "3.15.0b4", XZ: hash("8"), Next: "3.15.0rc1", NextSince: "2026-08-07T01:00:12Z"},
		},
		Releases: []ReleasePin{
			{Python: "3.13.5", Distro: "bookworm", Arch: "amd64", Variant: "full", Release: 1, Inputs: hash("9")},
			{Python: "3.13.5", Distro: "trixie", Arch: "amd64", Variant: "fast", Release: 12, Inputs: hash("a")},
			{Python: "3.13.5", Distro: "trixie", Arch: "amd64", Variant: "full", Release: 2, Inputs: hash("b")},
		},
	}
}

func hash(digit string) string { return strings.Repeat(digit, 64) }

// TestLockRoundTrip writes pins in every order and reads them back.
func TestLockRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), LockFile)
	for range 20 {
		l := &Lock{}
		bases := sample().Bases
		rand.Shuffle(len(bases), func(i, j int) { bases[i], bases[j] = bases[j], bases[i] })
		for _, pin := range bases {
			l.SetBase(pin)
			slices.Reverse(pin.Packages)
			l.SetBase(pin) // replaces
		}
		builder := sample().Builders[0]
		slices.Reverse(builder.Packages)
		slices.Reverse(builder.Request)
		l.SetBuilder(builder)
		l.SetRuntime(sample().Runtimes[0])
		l.SetProfile(sample().Profiles[0])
		for _, i := range rand.Perm(3) {
			python, release := sample().Pythons[i], sample().Releases[i]
			l.SetPython(PythonPin{Want: python.Want, Version: "3.0.1"})
			l.SetPython(python) // replaces
			l.SetRelease(ReleasePin{Python: release.Python, Distro: release.Distro, Arch: release.Arch, Variant: release.Variant})
			l.SetRelease(release)
		}
		if err := l.Write(path); err != nil {
			t.Fatal(err)
		}
		got, err := ReadLock(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sample(), got); diff != "" {
			t.Fatal(diff)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "sample.lock", string(data))
	if err := (&Lock{}).Write(path); err != nil {
		t.Fatal(err)
	}
	if l, err := ReadLock(path); err != nil || !cmp.Equal(l, &Lock{Format: LockFormat}) {
		t.Errorf("an empty lock: %+v, %v", l, err)
	}
}

func TestLookup(t *testing.T) {
	l := sample()
	if pin, ok := l.Base("trixie", "arm64"); !ok || pin.Digest != digest("c") {
		t.Errorf("base: %+v, %v", pin, ok)
	}
	if pin, ok := l.Builder("trixie", "amd64", "python 3.13"); !ok || len(pin.Packages) != 2 {
		t.Errorf("builder: %+v, %v", pin, ok)
	}
	if pin, ok := l.Runtime("trixie", "amd64", "python 3.13"); !ok || pin.Request[0] != "libssl3t64" {
		t.Errorf("runtime: %+v, %v", pin, ok)
	}
	like := sample().Profiles[0]
	like.Digest = ""
	if pin, ok := l.Profile(like); !ok || pin.Digest != digest("d") {
		t.Errorf("profile: %+v, %v", pin, ok)
	}
	like.Compiler = "gcc 15"
	if pin, ok := l.Python("3.13"); !ok || pin.Version != "3.13.5" {
		t.Errorf("python: %+v, %v", pin, ok)
	}
	want := sample().Releases[1]
	if pin, ok := l.Release(ReleasePin{Python: "3.13.5", Distro: "trixie", Arch: "amd64", Variant: "fast", Release: 1}); !ok || pin != want {
		t.Errorf("release: %+v, %v", pin, ok)
	}
	_, python := l.Python("3.13.5")
	_, release := l.Release(ReleasePin{Python: "3.13.5", Distro: "trixie", Arch: "arm64", Variant: "fast"})
	_, profile := l.Profile(like)
	_, base := l.Base("jammy", "amd64")
	_, builder := l.Builder("trixie", "amd64", "python 3.12")
	_, runtime := l.Runtime("trixie", "arm64", "python 3.13")
	if profile || base || builder || runtime || python || release {
		t.Error("found what is not there")
	}
}

func TestUnpin(t *testing.T) {
	set := func(distro, arch, who string) SetPin { return SetPin{Distro: distro, Arch: arch, For: who} }
	l := &Lock{
		Bases:    []BasePin{{Distro: "bookworm", Arch: "amd64"}, {Distro: "trixie", Arch: "amd64"}, {Distro: "trixie", Arch: "arm64"}},
		Builders: []SetPin{set("trixie", "amd64", "python 3.13"), set("trixie", "amd64", "python 3.12"), set("trixie", "arm64", "python 3.13")},
		Runtimes: []SetPin{set("trixie", "amd64", "python 3.13"), set("bookworm", "amd64", "python 3.13")},
		Profiles: []ProfilePin{{Series: "3.13", Distro: "trixie", Arch: "amd64"}},
	}
	want := &Lock{
		Bases:    []BasePin{{Distro: "bookworm", Arch: "amd64"}, {Distro: "trixie", Arch: "arm64"}},
		Builders: []SetPin{set("trixie", "arm64", "python 3.13")},
		Runtimes: []SetPin{set("bookworm", "amd64", "python 3.13")},
		Profiles: []ProfilePin{{Series: "3.13", Distro: "trixie", Arch: "amd64"}},
	}
	if !l.Unpin("trixie", "amd64") {
		t.Error("says that nothing was pinned")
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Error(diff)
	}
	if l.Unpin("trixie", "amd64") {
		t.Error("drops twice")
	}
}

func TestReadLockProblems(t *testing.T) {
	dir := t.TempDir()
	if l, err := ReadLock(filepath.Join(dir, "none")); err != nil || l.Format != LockFormat {
		t.Errorf("no file: %+v, %v", l, err)
	}
	data, err := sample().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for name, text := range map[string]string{
		"lock-format":    strings.Replace(good, "format = 1", "format = 2\nnew = [1]", 1),
		"lock-no-format": "[[base]]\n",
		"lock-values": strings.NewReplacer("'mmdebstrap'", "'magic'", "bookworm'", "../x'", digest("1"), "", digest("a"), "sha256:A",
			"'apt 3.0.3 amd64'", "'apt'", "'arm64'", "'amd64'").Replace(good),
		"lock-pins": strings.NewReplacer("'mmdebstrap'", "'magic'", "bookworm'", "../x'", " "+digest("1"), "", digest("a"), "sha256:A", "'arm64'", "'amd64'").Replace(good),
		"lock-pythons": strings.NewReplacer("want = '3.15'", "want = '3.14'", "want = '3.13'", "want = '3.11.9'", "version = '3.13.5'", "version = '3.13'", hash("5"), "5", "'2026-08-07T01:00:12Z'", "'yesterday'",
			"next = '3.13.6'", "next = '3.13.x'", "'OpenPGP", "'"+strings.Repeat("x", 1000), hash("8"), "").Replace(good),
		"lock-next": strings.NewReplacer("version = '3.13.5'", "version = '3.13.6'", "'3.15.0rc1'", "'3.15.0b3'", "next-since = '2026-08-07T01:00:12Z'\n", "",
			"variant = 'full'", "variant = 'pgo'", "release = 2", "release = 0", hash("9"), "sha256:"+hash("9"), "'fast'", "'pgo'", "'bookworm'", "'book worm'").Replace(good),
		"lock-merged": "<<<<<<< ours\n" + good,
		"lock-types":  strings.NewReplacer("[[base]]", "[base.x]", "format = 1", "format = '1'").Replace(good),
	} {
		path := filepath.Join(dir, LockFile)
		write(t, path, text)
		_, err := ReadLock(path)
		var errs strict.Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%s: %v", name, err)
		}
		golden(t, name+".golden", strings.ReplaceAll(err.Error(), dir+"/", "")+"\n")
		if err := Update(path, func(*Lock) error { t.Error("called"); return nil }); !errors.As(err, &errs) {
			t.Errorf("%s: update: %v", name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s: a refused file changed: %v", name, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, LockFile)
	broken := errors.New("broken")
	if err := Update(path, func(l *Lock) error { l.SetBase(sample().Bases[0]); return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed change was written: %v", err)
	}
	if err := Update(path, func(l *Lock) error { l.SetBase(sample().Bases[0]); return nil }); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := before.Mode().Perm(); got != 0o644 {
		t.Errorf("mode %v", got)
	}
	if err := Update(path, func(l *Lock) error { l.SetBase(sample().Bases[0]); return nil }); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("written although nothing changed: %v", err)
	}
	// A pin that could not be read back is not written.
	err = Update(path, func(l *Lock) error {
		l.SetPython(PythonPin{Want: "3.13", Version: "3.13.5"})
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "python[0]: neither xz nor tgz") {
		t.Errorf("a pin without a hash: %v", err)
	}
	err = Update(path, func(l *Lock) error {
		l.SetBuilder(SetPin{Distro: "trixie", Arch: "amd64", Packages: []Package{{Name: "two words"}}})
		return nil
	})
	if err == nil {
		t.Error("a broken package was written")
	}
	if err := Update(filepath.Join(dir, "none", LockFile), func(*Lock) error { return nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) != 1 {
		t.Errorf("left behind: %q, %v", names, err)
	}
}

// TestUpdateConcurrent has goroutines of several processes add a pin each:
// all must be there in the end, and whoever reads finds a whole file.
func TestUpdateConcurrent(t *testing.T) {
	const processes, goroutines = 3, 10
	if path := os.Getenv("PYBAKE_TEST_LOCK"); path != "" {
		updateMany(t, path, os.Getenv("PYBAKE_TEST_ARCH"), goroutines)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), LockFile)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			cmd := exec.Command(exe, "-test.run=^TestUpdateConcurrent$")
			cmd.Env = append(os.Environ(), "PYBAKE_TEST_LOCK="+path, fmt.Sprintf("PYBAKE_TEST_ARCH=arch%d", i))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, out)
			}
		})
	}
	wg.Wait()
	l, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Builders) != processes*goroutines {
		t.Errorf("%d pins, want %d", len(l.Builders), processes*goroutines)
	}
}

func updateMany(t *testing.T, path, arch string, n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			pin := sample().Builders[0]
			pin.Arch, pin.For = arch, fmt.Sprintf("python 3.%d", i)
			if err := Update(path, func(l *Lock) error { l.SetBuilder(pin); return nil }); err != nil {
				t.Error(err)
			}
			if _, err := ReadLock(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestPackage(t *testing.T) {
	for _, text := range []string{"adduser 3.152 all", "g++-14 14.2.0-19 amd64 " + digest("0"), "make 1:4.4.1-2+b1~x amd64"} {
		var p Package
		if err := p.UnmarshalText([]byte(text)); err != nil || p.String() != text {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "make", "make 4.4", "make 4.4 amd64 md5:00", "make  4.4 amd64", "make 4.4 amd64 ", "make 4.4 amd64\n", "Make 4.4 amd64", "../x 1 all", "make v4 amd64", "make 4.4 amd64 " + digest("G")} {
		if err := new(Package).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
}
