package project

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pybake/pybake/internal/strict"
)

var tree = DirectorySource("libs/ours")

func wheelOf(name, version, digit string) BuildPackage {
	return BuildPackage{name, version, strings.ReplaceAll(name, "-", "_") + "-" + version + "-py3-none-any.whl", digest(digit)}
}

func buildPin(name, source, python string) BuildPin {
	return BuildPin{
		Name: name, Version: "1.2", Source: source, Python: python, Distro: "trixie", Arch: "amd64", ExcludeNewer: "2025-06-01T00:00:00Z",
		Requires: []string{"setuptools>=61"}, Packages: []BuildPackage{wheelOf("setuptools", "80.9.0", "5")},
	}
}

// builds is a lock with some of everything that this file is about, in the
// order of the file.
func builds() *Lock {
	scm := buildPin("attrs", digest("0"), "3.13")
	scm.Version, scm.ExcludeNewer = "23.2.0", ""
	scm.Requires = []string{"hatch-vcs", `hatchling; python_version >= '3.8'`}
	scm.Dynamic = []string{"editables"}
	scm.Packages = []BuildPackage{wheelOf("hatch-vcs", "0.4.0", "1"), wheelOf("hatchling", "1.27.0", "2")}
	local := buildPin("ours", tree, "3.13")
	local.Version, local.Requires, local.Packages = "", []string{}, []BuildPackage{}
	local.Crates, local.Rust = digest("6"), digest("7")
	return &Lock{
		Format: LockFormat,
		Archives: []ArchivePin{
			{URL: "https://git.example.org/a.git", Commit: strings.Repeat("1", 40), Digest: digest("3")},
			{URL: "ssh://git.example.org/b.git", Commit: strings.Repeat("2", 64), Digest: digest("4")},
		},
		Builds: []BuildPin{scm, local, buildPin("psycopg2", digest("a"), "3.11"), buildPin("psycopg2", digest("a"), "3.13")},
	}
}

func TestBuildRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), LockFile)
	for range 10 {
		l := &Lock{}
		want := builds()
		for _, i := range rand.Perm(len(want.Builds)) {
			pin := want.Builds[i]
			l.SetBuild(BuildPin{Name: pin.Name, Source: pin.Source, Python: pin.Python, Distro: pin.Distro, Arch: pin.Arch})
			slices.Reverse(pin.Requires)
			slices.Reverse(pin.Packages)
			l.SetBuild(pin) // replaces
		}
		for _, i := range rand.Perm(len(want.Archives)) {
			l.SetArchive(ArchivePin{URL: want.Archives[i].URL, Commit: want.Archives[i].Commit})
			l.SetArchive(want.Archives[i])
		}
		if err := l.Write(path); err != nil {
			t.Fatal(err)
		}
		got, err := ReadLock(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(builds(), got); diff != "" {
			t.Fatal(diff)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "builds.lock", string(data))
}

func TestBuildLookup(t *testing.T) {
	l := builds()
	like := BuildPin{Name: "psycopg2", Source: digest("a"), Python: "3.11", Distro: "trixie", Arch: "amd64"}
	if pin, ok := l.Build(like); !ok || pin.Version != "1.2" {
		t.Errorf("build: %+v, %v", pin, ok)
	}
	for _, change := range []func(*BuildPin){
		func(p *BuildPin) { p.Name = "psycopg3" }, func(p *BuildPin) { p.Source = digest("b") }, func(p *BuildPin) { p.Python = "3.12" },
		func(p *BuildPin) { p.Distro = "noble" }, func(p *BuildPin) { p.Arch = "arm64" },
	} {
		other := like
		change(&other)
		if _, ok := l.Build(other); ok {
			t.Errorf("found what is not there: %+v", other)
		}
	}
	if pin, ok := l.Archive("https://git.example.org/a.git", strings.Repeat("1", 40)); !ok || pin.Digest != digest("3") {
		t.Errorf("archive: %+v, %v", pin, ok)
	}
	if _, ok := l.Archive("https://git.example.org/a.git", strings.Repeat("3", 40)); ok {
		t.Error("found an archive that is not there")
	}
}

// TestBuildTree replaces what was pinned for a tree as it was, and nothing else.
func TestBuildTree(t *testing.T) {
	const hash = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	l := builds()
	l.SetBuild(buildPin("ours", hash, "3.13"))
	l.SetBuild(buildPin("ours", hash, "3.12"))
	edited := buildPin("ours", tree, "3.13")
	l.SetBuild(edited)
	l.SetBuild(buildPin("ours", digest("9"), "3.13")) // of an sdist
	l.SetBuild(buildPin("ours", DirectorySource("."), "3.13"))
	want := append(slices.DeleteFunc(builds().Builds, func(p BuildPin) bool { return p.Name == "ours" }),
		buildPin("ours", hash, "3.12"), edited, buildPin("ours", digest("9"), "3.13"), buildPin("ours", DirectorySource("."), "3.13"))
	if diff := cmp.Diff(want, l.Builds); diff != "" {
		t.Error(diff)
	}
	if _, err := l.Bytes(); err != nil {
		t.Error(err)
	}
	for source, want := range map[string]bool{
		"directory .": true, "directory ./a": true, "directory ./my libs/a": true, "directory": false, "directory ": false, "directory a": false,
		"directory ./": false, "directory ./.": false, "directory ./../a": false, "directory /a": false, "directory ./a/": false, "./a": false,
	} {
		if isDirectory(source) != want {
			t.Errorf("%q: %v", source, !want)
		}
	}
}

func TestUnpinBuild(t *testing.T) {
	l := builds()
	if !l.UnpinBuild("Psycopg2") || l.UnpinBuild("psycopg2") {
		t.Error("says what it did not do")
	}
	if diff := cmp.Diff(builds().Builds[:2], l.Builds); diff != "" {
		t.Error(diff)
	}
	if l.Unpin("trixie", "amd64"); len(l.Builds) != 2 {
		t.Error("unpinning a distro drops build requirements")
	}
}

func TestBuildProblems(t *testing.T) {
	data, err := builds().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	for name, text := range map[string]string{
		"builds-values": strings.NewReplacer("name = 'attrs'", "name = 'At_trs'", "version = '23.2.0'", "version = 'new'", "'"+digest("0")+"'", "'md5:00'",
			"python = '3.11'", "python = '3.11.2'", "T00:00:00Z", "", "'setuptools>=61'", "'setuptools>'", "'editables'", "''",
			"'setuptools 80.9.0", "'setuptools 80.8.0", "hatch_vcs-0.4.0", "hatchling-0.4.0", "https://git", "https://me:hunter2@git",
			"commit = '"+strings.Repeat("2", 64), "commit = 'main", digest("3"), "sha256:3", digest("6"), "6", digest("7"), "7", "ssh://git.example.org/b.git", "../b").Replace(good),
		"builds-texts":  strings.NewReplacer(" "+digest("5"), "", digest("1"), "sha256:xyz", "hatchling 1.27.0", "hatchling  1.27.0").Replace(good),
		"builds-twice":  strings.NewReplacer("3.11", "3.13", "hatch-vcs 0.4.0 hatch_vcs-0.4.0", "hatchling 0.4.0 hatchling-0.4.0").Replace(good),
		"builds-merged": strings.NewReplacer("distro = 'trixie'", "distro = '../x'\nnew = 1").Replace(good),
	} {
		path := filepath.Join(t.TempDir(), LockFile)
		write(t, path, text)
		_, err := ReadLock(path)
		var errs strict.Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%s: %v", name, err)
		}
		got := strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "")
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: a secret shows", name)
		}
		golden(t, name+".golden", got+"\n")
	}
}

// TestBuildUnreadable does not write a pin that could not be read back.
func TestBuildUnreadable(t *testing.T) {
	for name, change := range map[string]func(*BuildPin){
		"name": func(p *BuildPin) { p.Name = "Foo" }, "source": func(p *BuildPin) { p.Source = "" }, "python": func(p *BuildPin) { p.Python = "3" },
		"distro": func(p *BuildPin) { p.Distro = "" }, "time": func(p *BuildPin) { p.ExcludeNewer = "now" },
		"requires": func(p *BuildPin) { p.Requires = []string{"a b"} }, "dynamic": func(p *BuildPin) { p.Dynamic = []string{""} },
		"file":   func(p *BuildPin) { p.Packages[0].File = "setuptools-80.9.0.tar.gz" },
		"digest": func(p *BuildPin) { p.Packages[0].Digest = digest("A") },
		"twice":  func(p *BuildPin) { p.Packages = append(p.Packages, wheelOf("setuptools", "70", "1")) },
	} {
		pin := buildPin("foo", digest("a"), "3.13")
		change(&pin)
		if data, err := (&Lock{Builds: []BuildPin{pin}}).Bytes(); err == nil {
			t.Errorf("%s: written:\n%s", name, data)
		}
	}
	if data, err := (&Lock{Archives: []ArchivePin{{}}}).Bytes(); err == nil {
		t.Errorf("archive: written:\n%s", data)
	}
}

func TestBuildPackage(t *testing.T) {
	for _, p := range []BuildPackage{
		wheelOf("setuptools", "80.9.0", "0"), wheelOf("setuptools-scm", "8.0.4", "1"), wheelOf("cython", "3.0.0", "2"),
		{"cython", "3.0", "Cython-3.0.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", digest("3")},
	} {
		var got BuildPackage
		if err := got.UnmarshalText([]byte(p.String())); err != nil || got != p || got.check() != nil {
			t.Errorf("%s: %+v, %v, %v", p, got, err, got.check())
		}
	}
	for _, text := range []string{
		"", "a", "a 1 a-1-py3-none-any.whl", "a  1 a-1-py3-none-any.whl " + digest("0"), "a 1 a-1-py3-none-any.whl " + digest("0") + "\n",
		"a 1 a-1-py3-none-any.whl sha512:00", " 1 a-1-py3-none-any.whl " + digest("0"), "a 1 a-1-py3-none-any.whl " + digest("0") + " x",
	} {
		if err := new(BuildPackage).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
	for _, p := range []BuildPackage{
		{"b", "1", "a-1-py3-none-any.whl", ""}, {"A", "1", "a-1-py3-none-any.whl", ""}, {"a", "2", "a-1-py3-none-any.whl", ""},
		{"a", "x", "a-1-py3-none-any.whl", ""}, {"a", "1", "a-1.tar.gz", ""}, {"a", "1", "../a-1-py3-none-any.whl", ""},
	} {
		if p.check() == nil {
			t.Errorf("%s: accepted", p)
		}
	}
}

// FuzzBuildPackage: what is read is written as it was.
func FuzzBuildPackage(f *testing.F) {
	f.Add(wheelOf("setuptools", "80.9.0", "0").String())
	f.Add("a 1 a-1-py3-none-any.whl " + digest("f"))
	f.Fuzz(func(t *testing.T, text string) {
		var p BuildPackage
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return
		}
		if err := p.check(); err == nil && strings.ContainsAny(p.File, "/\n") {
			t.Errorf("%q: file %q", text, p.File)
		}
		if got := p.String(); got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// TestPins has goroutines add a pin each, one of them a bad one, one of
// them failing: all others must be there in the end.
func TestPins(t *testing.T) {
	u := &Pins{Path: filepath.Join(t.TempDir(), LockFile)}
	broken := errors.New("broken")
	errs := make([]error, 100)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = u.Update(func(l *Lock) error {
				l.SetBuild(buildPin(fmt.Sprintf("p%d", i), digest("a"), map[bool]string{true: "no series", false: "3.13"}[i == 30]))
				if i == 60 {
					return broken
				}
				return nil
			})
		})
	}
	wg.Wait()
	l, err := ReadLock(u.Path)
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		_, ok := l.Build(BuildPin{Name: fmt.Sprintf("p%d", i), Source: digest("a"), Python: "3.13", Distro: "trixie", Arch: "amd64"})
		if failed := i == 30 || i == 60; ok == failed || (err != nil) != failed {
			t.Errorf("p%d: pinned %v, %v", i, ok, err)
		}
	}
	if !errors.Is(errs[60], broken) || len(l.Builds) != 98 {
		t.Errorf("%v; %d pins", errs[60], len(l.Builds))
	}
}

// large is a lock of so many sources for six targets.
func large(sources int) *Lock {
	l := builds()
	for i := range sources {
		for _, python := range []string{"3.11", "3.13"} {
			for _, distro := range []string{"bookworm", "bullseye", "trixie"} {
				p := buildPin(fmt.Sprintf("some-package-%d", i), fmt.Sprintf("sha256:%064x", i), python)
				p.Distro, p.Dynamic = distro, []string{"wheel"}
				for _, name := range []string{"packaging", "setuptools-scm", "wheel"} {
					p.Packages = append(p.Packages, wheelOf(name, "8.0.4", "6"))
				}
				l.Builds = append(l.Builds, p)
			}
		}
	}
	return l
}

// TestLarge reads a lock of 300 sources for six targets.
func TestLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), LockFile)
	if err := large(300).Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	byID := cmpopts.SortSlices(func(a, b BuildPin) int { return strings.Compare(a.id().String(), b.id().String()) })
	packages := cmpopts.SortSlices(func(a, b BuildPackage) int { return strings.Compare(a.String(), b.String()) })
	if diff := cmp.Diff(large(300), got, byID, packages); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkReadLock(b *testing.B) {
	path := filepath.Join(b.TempDir(), LockFile)
	if err := large(300).Write(path); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ReadLock(path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	path := filepath.Join(b.TempDir(), LockFile)
	if err := large(300).Write(path); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			u, round := &Pins{Path: path}, 0
			for b.Loop() {
				round++
				var wg sync.WaitGroup
				for i := range n {
					wg.Go(func() {
						pin := buildPin(fmt.Sprintf("new-%d", i), fmt.Sprintf("sha256:%064x", round), "3.13")
						if err := u.Update(func(l *Lock) error { l.UnpinBuild(pin.Name); l.SetBuild(pin); return nil }); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
			}
		})
	}
}
