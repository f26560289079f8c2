//go:build engine

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/nfpm"
)

// plantedTests are files of tests that do not do what a recipe expects.
var plantedTests = map[string]string{
	"test_planted.py": `import unittest
class A(unittest.TestCase):
    def test_fails(self): self.fail("planted")
    def test_passes(self): pass
`,
	"test_planted_skip.py": "import unittest\nraise unittest.SkipTest('planted')\n",
	"test_planted_flaky.py": `import os, unittest
class A(unittest.TestCase):
    def test_second(self):
        if not os.path.exists("/tmp/planted"):
            open("/tmp/planted", "w").close()
            self.fail("planted")
`,
	"test_planted_crash.py": "import os\nos._exit(3)\n",
}

const plantedSuite = `[suite]
resources = ["decimal"]
packages = ["netbase"]
files = ["test_json", "test_planted", "test_planted_crash", "test_planted_flaky", "test_planted_skip", "test_winreg"]
[suite.skip]
test_winreg = "needs Windows"
[suite.fail]
"test.test_planted.A.test_passes" = "planted, it passes"
`

// suiteGate runs a few files of tests on the packages of the bakery, with others planted
// beside them in a package more, and sees what is not expected fail the check.
func suiteGate(t *testing.T, b *bakery) {
	own := *b
	own.dir = filepath.Join(b.dir, "suite")
	if err := os.MkdirAll(filepath.Join(own.dir, "recipes/python"), 0o755); err != nil {
		t.Fatal(err)
	}
	pins, err := os.ReadFile(b.lockFile())
	if err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(own.dir, "pybake.lock"), string(pins))
	writeText(t, filepath.Join(own.dir, "pybake.toml"), "")
	recipe := filepath.Join(own.dir, "recipes/python/3.13.toml")
	store := filepath.Join(own.dir, "baked")
	plantTests(t, filepath.Join(b.dir, "baked"), store)
	args := []string{"python", "3.13.5", "--distro", "trixie", "--fast", "--checks", "full", "--json", "--store", store}

	writeText(t, recipe, plantedSuite)
	out, said, status := own.run(nil, args...)
	for _, want := range []string{
		"not accepted, 1 checks failed", "CPython's test suite: 3 of CPython's tests did not do what is expected",
		"test_planted: test.test_planted.A.test_fails failed", "test_planted_crash: failed as a whole", "test_planted_skip: skipped: planted",
		"test_planted_flaky failed and passed in a second run",
		"test.test_planted.A.test_passes passes, listed as failing: planted, it passes",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said", want)
		}
	}
	if status != 1 || out != "" || strings.Contains(said, "test_winreg: skipped") || strings.Contains(said, "test_json") {
		t.Errorf("status %d, printed %q", status, out)
	}
	if suites, err := filepath.Glob(filepath.Join(store, "artifacts/python-suite/*")); err != nil || len(suites) > 0 {
		t.Errorf("%q, %v: the store says that it passed", suites, err)
	}

	writeText(t, recipe, plantedSuite+"\"test.test_planted.A.test_fails\" = \"planted\"\ntest_planted_crash = \"planted\"\n[suite.distros.trixie.skip]\ntest_planted_skip = \"planted\"\n")
	for _, env := range [][]string{nil, {"DOCKER_HOST=unix:///nonexistent"}} { // run, and found
		out, _, status := own.run(env, args...)
		var made madePython
		if err := json.Unmarshal([]byte(out), &made); status != 0 || err != nil {
			t.Fatalf("status %d, %v", status, err)
		}
		check := made.Checks[len(made.Checks)-1]
		if made.Origin != "found" || !check.OK || check.Counts["files"] != 6 || check.Counts["files-failed"] != 2 || check.Counts["files-skipped"] != 2 || len(check.Notes) != 2 {
			t.Errorf("%s, check %+v", made.Origin, check)
		}
	}
}

// plantTests copies the Python of a store to another, with a package more that has
// files of tests.
func plantTests(t *testing.T, from, to string) {
	t.Helper()
	former, err := artifacts.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	made, err := former.Lookup("python 3.13.5 trixie amd64 fast")
	if err != nil {
		t.Fatal(err)
	}
	store, err := artifacts.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := store.Begin(made.Kind)
	if err != nil {
		t.Fatal(err)
	}
	defer draft.Discard()
	for _, f := range made.Files {
		if err := os.Link(filepath.Join(made.Dir, f.Path), filepath.Join(draft.Dir(), f.Path)); err != nil {
			t.Fatal(err)
		}
	}
	planted := &nfpm.Package{
		Name: "pybake-planted", Version: "1", Arch: "all", Maintainer: "A <a@example.org>", Section: "python", Priority: "optional",
		Synopsis: "planted tests", Description: "Tests that fail.", Time: time.Unix(1e9, 0), Compression: "gzip",
	}
	for name, text := range plantedTests {
		planted.Files = append(planted.Files, nfpm.File{Path: "/opt/python/3.13/lib/python3.13/test/" + name, Content: []byte(text)})
	}
	if err := planted.WriteFile(filepath.Join(draft.Dir(), planted.FileName())); err != nil {
		t.Fatal(err)
	}
	m := made.Manifest
	m.Logs = nil
	if _, err := draft.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}
