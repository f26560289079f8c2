package python

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// suiteText reads what a real run of some planted files of tests left, without
// tracebacks.
func suiteText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/suite", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func suiteResultOf(t *testing.T, series string) *suiteResult {
	t.Helper()
	first, err := readRun(suiteText(t, series+"-first.txt"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := readRun(suiteText(t, series+"-again.txt"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := newSuiteResult(first, again, strings.NewReader(suiteText(t, series+".xml")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSuiteResult reads the same files of tests as three series report them.
func TestSuiteResult(t *testing.T) {
	want := suiteResult{
		files: []string{
			"test_bisect", "test_planted", "test_planted_crash", "test_planted_flaky", "test_planted_import", "test_planted_setup",
			"test_planted_skip", "test_smtpnet", "test_winreg",
		},
		skipped: map[string]string{
			"test_planted_skip": "planted, it cannot be here", "test_smtpnet": "Use of the 'network' resource not enabled",
			"test_winreg": "No module named 'winreg'",
		},
		failed: map[string][]string{
			"test_planted": {
				"test.test_planted.A.test_fails", "test.test_planted.A.test_known", "test.test_planted.A.test_parts",
			},
			"test_planted_crash": {}, "test_planted_import": {},
		},
		flaky: []string{"test_planted_flaky"},
		tests: 8,
		seen: map[string]bool{
			"test.test_planted.A.test_fails": true, "test.test_planted.A.test_flaky": true, "test.test_planted.A.test_known": true,
			"test.test_planted_flaky.A.test_flaky": true,
		},
		skips: map[string][]string{"cannot be here": {"test.test_planted.A.test_skipped"}},
	}
	for _, series := range []string{"3.9", "3.11", "3.13"} {
		t.Run(series, func(t *testing.T) {
			got := suiteResultOf(t, series)
			for name := range got.seen {
				if strings.Contains(name, ".test_bisect.") {
					delete(got.seen, name)
				}
			}
			want := want
			if series != "3.13" { // a setUpModule that fails
				want.skipped = over(want.skipped, map[string]string{"test_planted_setup": "it ran no tests"})
			} else {
				want.failed = map[string][]string{"test_planted_setup": {"test.test_planted_setup.setUpModule"}}
				for file, tests := range suiteResultOf(t, "3.11").failed {
					want.failed[file] = tests
				}
			}
			if diff := cmp.Diff(&want, got, cmp.AllowUnexported(suiteResult{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func over(below, above map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{below, above} {
		for key, value := range m {
			all[key] = value
		}
	}
	return all
}

// TestSuiteJudged compares one run with what recipes may know.
func TestSuiteJudged(t *testing.T) {
	const reason = "the reason"
	base := recipes.SuiteKnown{
		Skip: map[string]string{"test_planted_setup": reason, "test_planted_skip": reason, "test_smtpnet": reason, "test_winreg": reason},
		Fail: map[string]string{
			"test.test_planted.A.test_fails": reason, "test.test_planted.A.test_known": reason, "test.test_planted.A.test_parts": reason,
			"test_planted_crash": reason, "test_planted_import": reason,
		},
	}
	flaky := "test_planted_flaky failed and passed in a second run"
	for _, tt := range []struct {
		name       string
		known      recipes.SuiteKnown // beside base
		without    string             // what base does not have
		unexpected []string
		notes      []string
	}{
		{name: "as listed"},
		{
			name: "a new failure", without: "test.test_planted.A.test_fails",
			unexpected: []string{"test_planted: test.test_planted.A.test_fails failed"},
		},
		{
			name: "a part of a test", without: "test.test_planted.A.test_parts",
			unexpected: []string{"test_planted: test.test_planted.A.test_parts failed"},
		},
		{
			name: "a crash", without: "test_planted_crash",
			unexpected: []string{"test_planted_crash: failed as a whole: it crashed, timed out or could not be imported"},
		},
		{
			name: "all of a file", without: "test.test_planted.A.test_fails",
			known: recipes.SuiteKnown{Fail: map[string]string{"test_planted": reason}},
		},
		{
			name: "a new skip", without: "test_planted_skip",
			unexpected: []string{"test_planted_skip: skipped: planted, it cannot be here"},
		},
		{
			name: "a file whose setUpModule fails", without: "test_planted_setup",
			unexpected: []string{"test_planted_setup: skipped: it ran no tests"},
		},
		{
			name:  "what passes now",
			known: recipes.SuiteKnown{Fail: map[string]string{"test_bisect": reason, "test.test_planted.A.test_flaky": reason}},
			notes: []string{
				"test.test_planted.A.test_flaky passes, listed as failing: the reason",
				"test_bisect passes, listed as failing: the reason",
			},
		},
		{
			name:  "what runs now",
			known: recipes.SuiteKnown{Skip: map[string]string{"test_bisect": reason}},
			notes: []string{"test_bisect runs, listed as skipped: the reason"},
		},
		{
			name:  "what is not there",
			known: recipes.SuiteKnown{Skip: map[string]string{"test_gone": reason}, Fail: map[string]string{"test_gone": reason, "test.test_planted.A.test_skipped": reason}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known := recipes.SuiteKnown{Skip: over(base.Skip, tt.known.Skip), Fail: over(base.Fail, tt.known.Fail)}
			delete(known.Skip, tt.without)
			delete(known.Fail, tt.without)
			r := suiteResultOf(t, "3.11")
			unexpected, notes := r.judge(known)
			if diff := cmp.Diff(tt.unexpected, unexpected); diff != "" {
				t.Errorf("unexpected: %s", diff)
			}
			if diff := cmp.Diff(append([]string{flaky}, tt.notes...), notes); diff != "" {
				t.Errorf("notes: %s", diff)
			}
			if c := r.check(known); c.OK != (len(tt.unexpected) == 0) || c.Counts["files"] != 9 || c.Counts["tests"] != 8 {
				t.Errorf("check %+v", c)
			}
		})
	}
}

// TestSuiteFlaky bounds what may pass in a second run only.
func TestSuiteFlaky(t *testing.T) {
	r := &suiteResult{flaky: []string{"test_a", "test_b", "test_c", "test_d", "test_e"}}
	if unexpected, _ := r.judge(recipes.SuiteKnown{}); unexpected != nil {
		t.Errorf("%q", unexpected)
	}
	r.flaky = append(r.flaky, "test_f")
	if unexpected, _ := r.judge(recipes.SuiteKnown{}); len(unexpected) != 1 || !strings.Contains(unexpected[0], "6 files of tests") {
		t.Errorf("%q", unexpected)
	}
}

// TestSuiteCut refuses what a run left that did not come to its end.
func TestSuiteCut(t *testing.T) {
	whole := suiteText(t, "3.11-first.txt")
	for _, tt := range []struct{ name, text, want string }{
		{"killed", whole[:len(whole)/2], "it came to no result: "},
		{"empty", "", "it came to no result: "},
		{"interrupted", strings.Replace(whole, "\n1 test run no tests:", "\n1 test omitted:", 1), "it left out 1 files of tests: test_planted_setup"},
	} {
		_, err := readRun(tt.text)
		wantError(t, err, tt.want)
	}
	first, err := readRun(whole)
	if err != nil {
		t.Fatal(err)
	}
	first.blocks["failed"] = nil
	_, err = newSuiteResult(first, nil, strings.NewReader(suiteText(t, "3.11.xml")[:500]))
	wantError(t, err, "results of the test suite: XML syntax error")
}

// TestSuiteKey holds what a passed suite is known by: everything that can change whether
// it passes.
func TestSuiteKey(t *testing.T) {
	p := planFor(t, request("3.13.5"))
	p.Recipe.Suite = recipes.Suite{Resources: []string{"decimal"}, Files: []string{"test_json"}}
	p.Recipe.Suite.Skip = map[string]string{"test_winreg": "needs Windows"}
	made := &artifacts.Artifact{}
	made.Files = []artifacts.File{{Path: "a.deb", SHA256: sum("1")}, {Path: "b.deb", SHA256: sum("2")}}
	pin := project.SetPin{Packages: []project.Package{pkg("netbase 6.4 all sha256:" + sum("3"))}}
	key := func() artifacts.Key {
		key, err := artifacts.NewKey(KindSuite, p.suiteInputs(made, pin))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := key()
	for _, tt := range []struct {
		name   string
		change func() (undo func())
		same   bool
	}{
		{"nothing", func() func() { return func() {} }, true},
		{"a package", func() func() { made.Files[0].SHA256 = sum("4"); return func() { made.Files[0].SHA256 = sum("1") } }, false},
		{"what else is installed", func() func() {
			was := pin
			pin.Packages = []project.Package{pkg("netbase 6.5 all sha256:" + sum("5"))}
			return func() { pin = was }
		}, false},
		{"the base", func() func() { was := p.base; p.base.Digest = "sha256:" + sum("6"); return func() { p.base = was } }, false},
		{"a resource", func() func() {
			p.Recipe.Suite.Resources = []string{"cpu", "decimal"}
			return func() { p.Recipe.Suite.Resources = []string{"decimal"} }
		}, false},
		{"a file of tests", func() func() {
			p.Recipe.Suite.Files = nil
			return func() { p.Recipe.Suite.Files = []string{"test_json"} }
		}, false},
		{"what is known", func() func() {
			p.Recipe.Suite.Fail = map[string]string{"test_x": "y"}
			return func() { p.Recipe.Suite.Fail = nil }
		}, false},
		{"what is known on the distro", func() func() {
			p.Recipe.Suite.Distros = map[string]recipes.SuiteKnown{"trixie": {Skip: map[string]string{"test_x": "y"}}}
			return func() { p.Recipe.Suite.Distros = nil }
		}, false},
		{"what is known on another distro", func() func() {
			p.Recipe.Suite.Distros = map[string]recipes.SuiteKnown{"bookworm": {Skip: map[string]string{"test_x": "y"}}}
			return func() { p.Recipe.Suite.Distros = nil }
		}, true},
		{"words", func() func() {
			p.Recipe.Suite.Skip["test_winreg"] = "there is no registry"
			return func() { p.Recipe.Suite.Skip["test_winreg"] = "needs Windows" }
		}, true},
	} {
		undo := tt.change()
		if got := key(); (got == first) != tt.same {
			t.Errorf("%s: key %s, was %s", tt.name, got.Short(), first.Short())
		}
		undo()
	}
	if key() != first {
		t.Error("a change was not undone")
	}
}
