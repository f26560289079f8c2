//go:build engine

package gate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sound is a house in which everything is as it should be, and most things are
// unusual.
func sound() []sample {
	return []sample{
		database,
		{name: "Pure.App", requires: []string{"my-db>=1", "absent; extra == 'x'"}, files: map[string]string{
			"pure_app/__init__.py": "import my_db.pq",
			"pure_app/cli.py":      "class App:\n    def run(): pass\nmain = App()\n",
			"pure_app/extra.py":    "import absent",
			"tests/__init__.py":    "import pytest_is_not_here",
		}, scripts: "pure = pure_app.cli:main.run\nwith-extra = pure_app.extra:main [x]"},
		{name: "ns_one", files: map[string]string{"ns/one/__init__.py": "print('noise')", "ns/extra.py": "import absent"}},
		{name: "ns_two", files: map[string]string{"ns/two/__init__.py": "", "tests/__init__.py": "1"}},
		{name: "with_runpath", files: map[string]string{
			"runpath/__init__.py": "import runpath.runpath", "runpath/runpath" + suffix: "@runpath.so", "inner.libs/libinner.so.1": "@libinner.so.1",
		}},
		{name: "with_preload", files: map[string]string{
			"preload/__init__.py":      "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libinner.so.1'))",
			"preload/preload" + suffix: "@preload.so", "preload/libinner.so.1": "@libinner.so.1",
		}},
		{name: "at_home", files: map[string]string{
			"at_home.py": "import getpass, os, pwd\ngetpass.getuser(); pwd.getpwuid(os.getuid())\n" +
				"open(os.path.expanduser('~/cache'), 'w').close()\nassert not os.access(os.path.dirname(__file__), os.W_OK)\n",
		}},
		{name: "not_here", files: map[string]string{"not_here.py": "import uwsgi", "needs" + suffix: "@orphan.so"}},
	}
}

func soundHouse(t *testing.T) (*Gate, House) {
	t.Helper()
	h := makeHouse(t, closure(t), sound()...)
	h.ImportSkip = map[string]map[string]string{"not-here": {"not_here": "only inside uwsgi", "needs": "needs the driver"}}
	g := offline(t)
	g.Absent = map[string]map[string]string{"not-here": {"libnobody.so.3": "comes with the driver"}}
	return g, h
}

func TestProve(t *testing.T) {
	g, h := soundHouse(t)
	details, failed := prove(t, g, h)
	if len(failed) > 0 {
		t.Errorf("failed: %q", failed)
	}
	for name, parts := range map[string][]string{
		"files not overwritten":       {"tests/__init__.py"},
		"installs by pip with hashes": {"8 wheels, pip 2"},
		"installed is the lock":       {"8 packages, and of the environment pip"},
		"shared libraries resolve":    {"6 files", "not-here: libnobody.so.3 need not be there: comes with the driver"},
		"modules import": {
			"7 modules and 3 extension modules", "not_here 1.0: import not_here: left out: only inside uwsgi",
			"ns_one 1.0: import ns.extra: ModuleNotFoundError: No module named 'absent'",
			"Pure.App 1.0: import tests: ModuleNotFoundError: No module named 'pytest_is_not_here'",
		},
		"console scripts load": {"1 script", "Pure.App 1.0: script with-extra: ModuleNotFoundError: No module named 'absent'"},
	} {
		for _, part := range parts {
			if !strings.Contains(details[name], part) {
				t.Errorf("%s: %q is not in %q", name, part, details[name])
			}
		}
	}
}

// TestProveEmbeds installs the package of the Python that a wheel needs.
func TestProveEmbeds(t *testing.T) {
	g := offline(t)
	h := makeHouse(t, nil, sample{name: "embeds", files: map[string]string{"embeds" + suffix: "@embeds.so"}})
	needs, err := g.Needs(t.Context(), h.Wheels, nil)
	if err != nil || len(needs.Packages) != 0 || !slices.Equal(needs.Of("embeds"), []string{"pybake-libpython3.13"}) {
		t.Errorf("%+v, %v", needs, err)
	}
	deb := filepath.Join(t.TempDir(), "pybake-libpython3.13_1_all.deb")
	if err := os.WriteFile(deb, shared.objects["libpython.deb"], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, failed := prove(t, g, h); !slices.Equal(failed, []string{"shared libraries resolve", "modules import"}) {
		t.Errorf("without the package: failed: %q", failed)
	}
	h.Debs = []string{deb}
	details, failed := prove(t, g, h)
	if want := "0 packages, pybake-libpython3.13_1_all.deb"; len(failed) > 0 || details["apt packages install"] != want {
		t.Errorf("failed: %q; %q, want %q", failed, details["apt packages install"], want)
	}
}

// TestProveStrict leaves one line out of apt.txt.
func TestProveStrict(t *testing.T) {
	for _, test := range []struct {
		left          string
		failed        []string
		check, detail string
	}{
		{"libpq5", []string{"shared libraries resolve", "modules import"}, "modules import", "libpq.so.5: cannot open shared object file"},
		{"libldap2", []string{"apt packages install", "shared libraries resolve", "modules import"}, "apt packages install", "libldap2"},
	} {
		t.Run(test.left, func(t *testing.T) {
			h := makeHouse(t, closure(t), database)
			text, err := os.ReadFile(filepath.Join(h.Dir, "apt.txt"))
			if err != nil {
				t.Fatal(err)
			}
			var kept string
			for line := range strings.Lines(string(text)) {
				if !strings.HasPrefix(line, test.left+"=") {
					kept += line
				}
			}
			if kept == string(text) {
				t.Fatalf("%s is not in %q", test.left, text)
			}
			h.write(t, "apt.txt", kept)
			g := offline(t)
			details, failed := prove(t, g, h)
			if diff := cmp.Diff(test.failed, failed); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(details[test.check], test.detail) {
				t.Errorf("%s: %q", test.check, details[test.check])
			}
			at := "my_db 1.0: lib/python3.13/site-packages/my_db/pq" + suffix + ": libpq.so.5: not found"
			if details["shared libraries resolve"] != at+"\n1 file" {
				t.Errorf("shared libraries: %q", details["shared libraries resolve"])
			}
		})
	}
}

// TestProveFaults plants one fault in each wheel, and finds them all at once.
func TestProveFaults(t *testing.T) {
	h := makeHouse(t, shared.tools,
		sample{name: "broken_import", files: map[string]string{"broken_import/__init__.py": "from . import sub", "broken_import/sub.py": "import no_such"}},
		sample{name: "inconsistent", requires: []string{"first>=2"}, files: map[string]string{"inconsistent.py": ""}},
		sample{name: "no_target", scripts: "gone = no_target:main\nno-module = no_target.cli:main", files: map[string]string{"no_target.py": ""}},
		sample{name: "first", files: map[string]string{"both/__init__.py": "", "both/x.py": "1"}},
		sample{name: "second", files: map[string]string{"both/__init__.py": "", "both/x.py": "2"}},
		sample{name: "orphan", files: map[string]string{"orphan/__init__.py": "", "orphan/orphan" + suffix: "@orphan.so"}},
		sample{name: "undefined", files: map[string]string{"undefined/__init__.py": "", "undefined/undefined" + suffix: "@undefined.so"}},
		sample{name: "crash", files: map[string]string{"crash/__init__.py": "", "crash/crash" + suffix: "@crash.so"}, scripts: "after = crash:__name__"},
		sample{name: "leaves", files: map[string]string{"leaves.py": "import os\nprint('last words', flush=True)\nos._exit(3)", "leaves2.py": "raise SystemExit(0)"}},
		sample{name: "hangs", files: map[string]string{"hangs.py": "import time\ntime.sleep(1000)"}},
		sample{name: "ns_broken", files: map[string]string{"ns/broken.py": "import no_such"}},
		sample{name: "not_listed", files: map[string]string{"not_listed.py": ""}},
	)
	text, err := os.ReadFile(filepath.Join(h.Dir, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	kept, _, _ := strings.Cut(string(text), "not_listed")
	h.write(t, "requirements.txt", kept)
	g := offline(t)
	g.Limit = 5 * time.Second
	details, failed := prove(t, g, h)
	var want []string
	for _, name := range allChecks[1:] {
		want = append(want, strings.TrimPrefix(name, "house: "))
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Error(diff)
	}
	const at = "lib/python3.13/site-packages/"
	for name, parts := range map[string][]string{
		"no compiler":                 {"gcc is /usr/bin/gcc", "as is /usr/bin/as"},
		"files not overwritten":       {"first 1.0 and second 1.0: different files in " + at + "both/x.py"},
		"installs by pip with hashes": {"inconsistent 1.0 depends on first>=2"},
		"installed is the lock":       {"not_listed 1.0: not installed"},
		"requirements consistent":     {"inconsistent 1.0 has requirement first>=2, but you have first 1.0."},
		"shared libraries resolve":    {"orphan 1.0: " + at + "orphan/orphan" + suffix + ": libnobody.so.3: not found"},
		"modules import": {
			"broken_import 1.0: import broken_import: ModuleNotFoundError: No module named 'no_such'",
			"orphan 1.0: import orphan.orphan: ImportError: libnobody.so.3: cannot open shared object file",
			"undefined 1.0: import undefined.undefined: ImportError: ", "undefined symbol: no_such_symbol",
			"crash 1.0: import crash.crash: killed by signal 6 (SIGABRT)",
			"leaves 1.0: import leaves: ended the process with status 3: last words",
			"leaves 1.0: import leaves2: SystemExit: 0",
			"hangs 1.0: import hangs: no end within 5 s",
			"ns_broken 1.0: import ns.broken: ModuleNotFoundError: No module named 'no_such'",
		},
		"console scripts load": {
			"no_target 1.0: script gone: AttributeError: module 'no_target' has no attribute 'main'",
			"no_target 1.0: script no-module: ModuleNotFoundError: No module named 'no_target.cli'",
		},
	} {
		for _, part := range parts {
			if !strings.Contains(details[name], part) {
				t.Errorf("%s: %q is not in %q", name, part, details[name])
			}
		}
	}
	if strings.Contains(details["modules import"], "not_listed") {
		t.Errorf("what is not installed is told again: %q", details["modules import"])
	}
	if strings.Contains(details["console scripts load"], "crash") {
		t.Errorf("what comes after a crash is not tried: %q", details["console scripts load"])
	}
}

// TestProveUnfit has a wheel that this pip does not take, and sees the rest.
func TestProveUnfit(t *testing.T) {
	h := makeHouse(t, nil, sample{name: "pure", files: map[string]string{"pure.py": "import no_such"}}, sample{name: "other", files: map[string]string{"other.py": ""}})
	const file = "other-1.0-py3-none-manylinux_9_99_x86_64.whl"
	if err := os.Rename(filepath.Join(h.Dir, h.Wheels[1].File), filepath.Join(h.Dir, file)); err != nil {
		t.Fatal(err)
	}
	h.Wheels[1].File = file
	details, _ := prove(t, offline(t), h)
	for name, part := range map[string]string{
		"installs by pip with hashes": "other 1.0: pip 25.1.1 of this Python takes no wheel tagged py3-none-manylinux_9_99_x86_64",
		"installed is the lock":       "other 1.0: not installed\n",
		"modules import":              "pure 1.0: import pure: ModuleNotFoundError: No module named 'no_such'",
	} {
		if !strings.Contains(details[name], part) {
			t.Errorf("%s: %q is not in %q", name, part, details[name])
		}
	}
}

// TestProveNotInstalled has a wheel that is not the one of requirements.txt,
// and an apt.txt that lists what nobody resolved.
func TestProveNotInstalled(t *testing.T) {
	h := makeHouse(t, nil, sample{name: "pure", files: map[string]string{"pure.py": ""}})
	h.write(t, "requirements.txt", "pure==1.0 --hash=sha256:"+strings.Repeat("0", 64)+"\n")
	h.write(t, "apt.txt", "libpq5=1\n")
	g := offline(t)
	details, failed := prove(t, g, h)
	want := []string{
		"apt packages install", "installs by pip with hashes", "installed is the lock", "requirements consistent",
		"shared libraries resolve", "modules import", "console scripts load",
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Error(diff)
	}
	for name, part := range map[string]string{
		"apt packages install":        `apt.txt: "libpq5=1" is no package that was resolved`,
		"installs by pip with hashes": "HASHES",
		"installed is the lock":       "not run: the house does not install",
		"modules import":              "not run: the house does not install",
	} {
		if !strings.Contains(details[name], part) {
			t.Errorf("%s: %q is not in %q", name, part, details[name])
		}
	}
}
