package recipes

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func load(t *testing.T, files map[string]string) (*Set, error) {
	t.Helper()
	project := fstest.MapFS{}
	for name, text := range files {
		project[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Load(project)
}

func embeddedSet(t *testing.T) *Set {
	t.Helper()
	s, err := Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEmbedded holds the embedded recipes together.
func TestEmbedded(t *testing.T) {
	s := embeddedSet(t)
	var names []string
	for _, d := range s.Distros() {
		names = append(names, d.Codename)
	}
	if diff := cmp.Diff([]string{"bookworm", "bullseye", "jammy", "noble", "trixie"}, names); diff != "" {
		t.Errorf("distros: %s", diff)
	}
	names = nil
	for _, series := range s.AllSeries() {
		names = append(names, series.Series)
		if _, ok := s.Newest(series.Series); !ok {
			t.Errorf("series %s has no release", series.Series)
		}
		if series.Released >= series.Bugfix || series.Bugfix >= series.EOL {
			t.Errorf("series %s: its dates are not in order", series.Series)
		}
		for _, must := range []string{"_bz2", "_ctypes", "_curses", "_dbm", "_decimal", "_gdbm", "_hashlib", "_lzma", "_sqlite3", "_ssl", "_tkinter", "_uuid", "pyexpat", "readline", "zlib"} {
			if !slices.Contains(series.Extensions, must) {
				t.Errorf("series %s: no extension %s", series.Series, must)
			}
		}
		if slices.Contains(series.Extensions, "_zstd") != (Compare(series.Series, "3.14") >= 0) {
			t.Errorf("series %s: _zstd is new in 3.14", series.Series)
		}
	}
	if diff := cmp.Diff([]string{"3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"}, names); diff != "" {
		t.Errorf("series: %s", diff)
	}
	for _, r := range s.releases {
		if _, err := s.Series(r.Series); err != nil {
			t.Errorf("release %s: %v", r.Version, err)
		}
		if r.XZ == "" || r.TGZ == "" || r.XZ == r.TGZ {
			t.Errorf("release %s: want two hashes", r.Version)
		}
	}
	for _, pair := range [][2]string{{"3.9", "bullseye"}, {"3.11", "bookworm"}, {"3.13", "trixie"}} {
		if err := s.Supported(pair[0], pair[1]); err != nil {
			t.Error(err)
		}
	}
}

// TestBuiltin: what is linked into an interpreter is one of its extension modules.
func TestBuiltin(t *testing.T) {
	s, linked := embeddedSet(t), 0
	for name, series := range s.series {
		for _, module := range series.Builtin {
			linked++
			if !slices.Contains(series.Extensions, module) {
				t.Errorf("%s: %s is none of its extension modules", name, module)
			}
		}
	}
	if linked == 0 {
		t.Error("nothing is linked in")
	}
}

// TestProfiles reads every profile that the recipes bring.
func TestProfiles(t *testing.T) {
	s := embeddedSet(t)
	if len(s.profiles) == 0 {
		t.Fatal("no profile")
	}
	for name, p := range s.profiles {
		text, err := p.Tar()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sum := fmt.Sprintf("sha256:%x", sha256.Sum256(text)); sum != p.Digest {
			t.Errorf("%s: %s, its recipe says %s", name, sum, p.Digest)
		}
		parts := strings.SplitN(name, "-", 2)
		if len(parts) != 2 || !strings.HasPrefix(p.TrainedOn, parts[0]+".") {
			t.Errorf("%s: trained on %s", name, p.TrainedOn)
		}
	}
	// A project brings its own: values by key, the archive as a whole.
	own, err := load(t, map[string]string{"profiles/3.13-trixie-amd64.toml": "trained-on = \"3.13.9\"\n", "profiles/3.13-trixie-amd64.tar.xz": "an archive of another kind"})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := own.Profile("3.13", "trixie", "amd64")
	if _, err := p.Tar(); !ok || p.TrainedOn != "3.13.9" || err == nil || !strings.Contains(err.Error(), "profile trained on 3.13.9: xz: ") {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestProject puts recipes of a project over the embedded ones.
func TestProject(t *testing.T) {
	plain := embeddedSet(t)
	hash := strings.Repeat("ab", 32)
	sid := strings.NewReplacer(`"trixie"`, `"sid"`, "debian:trixie-slim", "debian:sid-slim").Replace(embeddedFile(t, "distros/trixie.toml"))
	s, err := load(t, map[string]string{
		"distros/trixie.toml":  "glibc = \"2.99\"\n[base]\nimage = \"corp/base:1\"\n[builder]\npackages = [\"only-this\"]\n",
		"distros/sid.toml":     sid,
		"python/3.13.toml":     "cflags = [\"-g1\"]\n[import-skip]\nmine = \"broken here\"\n[unsupported]\nbullseye = \"we say so\"\njammy = \"\"\n",
		"releases.csv":         "# ours\nversion,sha256_tar_xz,sha256_tgz\n\n3.13.99," + hash + ",\n3.13.5," + release(t, plain, "3.13.5").XZ + ",\r\n",
		"wheels/psycopg2.toml": "extension = false\nruntime = [\"libpq5\"]\n[distros.bullseye]\nbuild = []\n",
		"wheels/ours.toml":     "requires = [\"wheel\"]\n[env]\nOURS = \"1\"\n",
		"images/later.toml":    "not = read",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := distro(t, plain, "trixie")
	want.Glibc, want.Base.Image, want.Builder.Packages = "2.99", "corp/base:1", []string{"only-this"}
	if diff := cmp.Diff(want, distro(t, s, "trixie")); diff != "" {
		t.Errorf("trixie: %s", diff)
	}
	if got := distro(t, s, "sid").Base.Image; got != "debian:sid-slim" {
		t.Errorf("sid: %s", got)
	}
	series, err := s.Series("3.13")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(series.CFlags, []string{"-g1"}) || series.ImportSkip["mine"] == "" || series.ImportSkip["antigravity"] == "" || len(series.Extensions) < 60 {
		t.Errorf("3.13: %+v", series)
	}
	if newest, _ := s.Newest("3.13"); newest != (Release{Version: "3.13.99", Series: "3.13", XZ: hash}) {
		t.Errorf("newest: %+v", newest)
	}
	if got, want := release(t, s, "3.13.5"), release(t, plain, "3.13.5"); got != want {
		t.Errorf("3.13.5: got %v, want %v", got, want)
	}
	wheel := Wheel{Build: []string{"libpq-dev"}, Runtime: []string{"libpq5"}, Extension: new(bool)}
	if got, ok := s.Wheel("Psycopg2", "trixie"); !ok || !cmp.Equal(wheel, got) {
		t.Errorf("psycopg2 on trixie: %+v", got)
	}
	wheel.Build = []string{}
	if got, ok := s.Wheel("psycopg2", "bullseye"); !ok || !cmp.Equal(wheel, got) {
		t.Errorf("psycopg2 on bullseye: %+v", got)
	}
	if got, ok := s.Wheel("ours", "trixie"); !ok || got.Env["OURS"] != "1" {
		t.Errorf("ours: %+v", got)
	}
	var unsupported *UnsupportedError
	if err := s.Supported("3.13", "bullseye"); !errors.As(err, &unsupported) || unsupported.Reason != "we say so" {
		t.Errorf("3.13 on bullseye: %v", err)
	}
	if err := s.Supported("3.13", "jammy"); err != nil {
		t.Errorf("3.13 on jammy: %v", err)
	}
	if diff := cmp.Diff(distro(t, embeddedSet(t), "trixie"), distro(t, plain, "trixie")); diff != "" {
		t.Errorf("a project changed the embedded recipes: %s", diff)
	}
}

// TestStrict: what was built and passed had lists to be held against.
func TestStrict(t *testing.T) {
	set := embeddedSet(t)
	for _, series := range set.AllSeries() {
		if len(series.Exercised) > 0 && len(series.Modules) < 200 {
			t.Errorf("%s has %d modules", series.Series, len(series.Modules))
		}
		for _, pair := range series.Exercised {
			codename, _, _ := strings.Cut(pair, "-")
			libraries := distro(t, set, codename).Libraries
			for _, group := range libraryGroups {
				if !slices.Contains(libraries[group], "libc.so.6") {
					t.Errorf("%s: libraries.%s: %q", codename, group, libraries[group])
				}
			}
		}
	}
}

func embeddedFile(t *testing.T, name string) string {
	t.Helper()
	data, err := embedded.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func distro(t *testing.T, s *Set, codename string) Distro {
	t.Helper()
	d, err := s.Distro(codename)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func release(t *testing.T, s *Set, version string) Release {
	t.Helper()
	r, err := s.Release(version)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestProblems compares what is said of broken recipes.
func TestProblems(t *testing.T) {
	_, err := load(t, map[string]string{
		"distros/trixie.toml": "glib = \"2.41\"\neol = \"soon\"\n[base]\nimage = \"\"\n",
		"distros/bookworm.toml": "eol = \"soon\"\n[package]\ncompression = \"lzma\"\n[builder]\npackages = [\"gcc\", \"GCC\", \"gcc\"]\n" +
			"[libraries]\ntk = [\"libtk8.6.so\", \"libtk\"]\ndebug = []\n",
		"distros/forky.toml": "codename = \"sid\"\n",
		"python/3.13.toml": "series = \"3.14\"\nextensions = [\"_ssl\", \"_bz2\"]\ntest-extensions = [\"_ssl\"]\nmodules = [\"_ssl\", \"sys\", \"os\", \"a-b\"]\nlibraries = [\"../libx.so\"]\nconfigure = [\"$(rm -rf /)\"]\n[minutes]\nfast = 0\n[import-skip]\n\"a b\" = \"\"\n" +
			"[suite]\nresources = [\"decimal\", \"cpu\", \"-network\"]\npackages = [\"Net\"]\n[suite.skip]\ntest_winreg = \"\"\n[suite.fail]\n\"test-x\" = \"y\"\n[suite.distros.trixie.fail]\ntest_x = \"\"\n",
		"python/3.16.toml":    "= 1\n",
		"wheels/Foo_Bar.toml": "build = [\"libfoo\"]\n",
		"wheels/foo.toml": "biuld = []\nbuild = [\"GCC\", \"gcc\", \"gcc\"]\nruntime = [\"\"]\nmemory = -1\nminutes = 10000\n" +
			"constraints = [\"setuptools<\", \"wheel\", \"wheel\"]\nrequires = [\"wheel @ https://pypi.example.org/w.whl\"]\nimports = [\"a-b\"]\n" +
			"[env]\n\"A-B\" = \"\"\nPATH = \"/opt\"\nNUL = \"\\u0000\"\n[config-settings]\n\"a=b\" = []\n[import-skip]\nfoo = \"\"\n[distros.trixie]\nbuild = [\"-x\"]\n" +
			"[[when]]\nversions = \"1.0\"\nbuild = [\"X\"]\nenv.HOME = \"/\"\n[[when]]\nconstraints = [\"=\"]\nrequires = [\"=\"]\nruntime = []\n",
		"wheels/bar.toml":  "extension = \"yes\"\nbuild = \"gcc\"\n[config-settings]\nx = \"y\"\n",
		"wheels/skip.toml": "[path-skip]\n\"../x\" = \"a\"\n\"a[\" = \"b\"\ny = \"\"\n[[when]]\nversions = \"<1\"\n[when.config-settings]\n\"a=b\" = [\"1\"]\n",
		"releases.csv": "version,sha256_tar_xz,sha256_tgz\n3.13.5," + strings.Repeat("0", 64) + ",\n3.13,x,y\n3.13.98,,\n3.13.97,abc,\n3.13.96\n" +
			"3.13.95," + strings.Repeat("1", 64) + ",\n3.13.95," + strings.Repeat("1", 64) + ",\n",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	golden(t, "problems", err.Error()+"\n")
	for name, files := range map[string]map[string]string{
		"no-header":      {"releases.csv": "3.13.5,a,b\n"},
		"no-such-distro": {"wheels/foo.toml": "[distros.trixi]\nbuild = []\n"},
		"no-such-pair":   {"python/3.13.toml": "[unsupported]\ntrixi = \"reason\"\n[suite.distros.bookwurm.fail]\ntest_x = \"reason\"\n"},
		"new-and-empty":  {"distros/sid.toml": "", "python/3.16.toml": ""},
	} {
		_, err := load(t, files)
		if err == nil {
			t.Fatalf("%s: accepted", name)
		}
		golden(t, name, err.Error()+"\n")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}

// TestUnreadable refuses to go on without recipes that are there.
func TestUnreadable(t *testing.T) {
	for _, files := range []map[string]string{{"distros": ""}, {"python/3.13.toml/x": ""}, {"releases.csv/x": ""}} {
		if _, err := load(t, files); err == nil {
			t.Errorf("%v: accepted", files)
		}
	}
	if _, err := Load(os.DirFS(filepath.Join(t.TempDir(), "none"))); err != nil {
		t.Errorf("no directory: %v", err)
	}
}

func TestUnknown(t *testing.T) {
	s := embeddedSet(t)
	for version, want := range map[string]string{
		"3.13.0rc1": `release "3.13.0rc1": not known; nearest: 3.13.0, 3.13.1, 3.13.2`,
		"3.9.3":     `release "3.9.3": not known; nearest: 3.9.2, 3.9.4, 3.9.1`,
		"3.13.99":   `release "3.13.99": not known; nearest: 3.13.14, 3.13.13, 3.13.12`,
		"2.7.18":    `release "2.7.18": not known; nearest: 3.8.20, 3.9.25, 3.10.20`,
		"3.13":      `release "3.13": not an exact version; the newest known is 3.13.14`,
		"3.13.x":    `release "3.13.x": not an exact version; the newest known is 3.13.14`,
		">=3.9,<4":  `release ">=3.9,<4": not an exact version; the newest known is 3.9.25`,
		"3.15":      `release "3.15": not an exact version; the newest known is 3.15.0b4`,
		"3.7":       `release "3.7": not an exact version`,
		"latest":    `release "latest": not known`,
		"3.13.05":   `release "3.13.05": not an exact version; the newest known is 3.13.14`,
		"":          `release "": not known`,
	} {
		_, err := s.Release(version)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", version, err, want)
		}
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{s.Supported("3.13", "trixi"), `distro "trixi": not known; nearest: trixie`},
		{s.Supported("3.13", "sid"), `distro "sid": not known`},
		{s.Supported("3.7", "trixie"), `series "3.7": not known; nearest: 3.8, 3.9, 3.10`},
	} {
		var unknown *UnknownError
		if !errors.As(test.err, &unknown) || test.err.Error() != test.want {
			t.Errorf("got %v, want %s", test.err, test.want)
		}
	}
}

func TestCompare(t *testing.T) {
	order := []string{"", "x", "3.8", "3.9", "3.10", "3.10.1", "3.15.0a1", "3.15.0b4", "3.15.0b10", "3.15.0rc1", "3.15.0", "3.15.1"}
	for i, a := range order {
		for j, b := range order {
			if got := Compare(a, b); got != cmpInt(i, j) {
				t.Errorf("Compare(%s, %s) = %d", a, b, got)
			}
		}
	}
}

func cmpInt(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

func TestRelease(t *testing.T) {
	hash := strings.Repeat("0f", 32)
	for version, want := range map[string]string{"3.13.5": "3.13.5", "3.15.0b4": "3.15.0~b4", "3.15.0rc1": "3.15.0~rc1", "3.15.0a7": "3.15.0~a7"} {
		r, err := NewRelease(version, "", hash)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.DebianVersion(); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
		if got, want := r.Prerelease(), strings.Contains(want, "~"); got != want {
			t.Errorf("%s: prerelease %v", version, got)
		}
	}
	for _, bad := range [][3]string{{"3.13", hash, ""}, {"3.13.5", "", ""}, {"3.13.5", hash, "no"}, {"3.13.5", strings.ToUpper(hash), ""}, {"03.13.5", hash, ""}, {"3.13.5\n", hash, ""}} {
		if r, err := NewRelease(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%q: accepted as %+v", bad, r)
		}
	}
}

func TestStatus(t *testing.T) {
	series, err := embeddedSet(t).Series("3.13")
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]string{
		"2024-10-06": "prerelease", "2024-10-07": "bugfix", "2026-09-30": "bugfix", "2026-10-01": "security",
		"2029-10-31": "security", "2029-11-01": "eol",
	} {
		on, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := series.Status(on); got != want {
			t.Errorf("%s: got %s, want %s", day, got, want)
		}
	}
}

// TestJSON holds what only informs out of the inputs of keys.
func TestJSON(t *testing.T) {
	s := embeddedSet(t)
	series, err := s.Series("3.13")
	if err != nil {
		t.Fatal(err)
	}
	wheel := Wheel{Note: "n", Memory: 1, Minutes: 1, When: []WheelWhen{{Versions: ">1"}}, Distros: map[string]WheelDistro{"trixie": {}}}
	if data, err := json.Marshal(wheel); err != nil || string(data) != "{}" {
		t.Errorf("wheel: %s, %v", data, err)
	}
	for _, value := range []any{distro(t, s, "trixie"), series} {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"eol", "exercised", "minutes", "released", "unsupported", "keyring", "wheels", "rust", "suite"} {
			if strings.Contains(strings.ToLower(string(data)), `"`+key+`":`) {
				t.Errorf("%T: %s is in its JSON", value, key)
			}
		}
	}
}
