package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var errNoEngine = errors.New("no engine")

// complete is a machine that lacks nothing.
func complete() *machine {
	return &machine{
		os: "Debian GNU/Linux 12 (bookworm)", apt: true, root: true,
		dockerd: "/usr/sbin/dockerd", mmdebstrap: "/usr/bin/mmdebstrap",
		debianKeys: "/debian.gpg", ubuntuKeys: "/ubuntu.gpg", caBundle: "/ca.crt",
	}
}

// lacking is a fresh machine but for the ubuntu keyring.
func lacking() *machine {
	return &machine{os: "Debian GNU/Linux 12 (bookworm)", apt: true, root: true, engineErr: errNoEngine, ubuntuKeys: "/ubuntu.gpg"}
}

func TestPlanSetup(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*machine)
		want   setupPlan
	}{
		{"complete", func(*machine) {}, setupPlan{}},
		{"another engine", func(m *machine) { m.dockerd = "" }, setupPlan{}},
		{"stopped", func(m *machine) { m.engineErr = errNoEngine }, setupPlan{start: true}},
		{"no engine", func(m *machine) { m.engineErr, m.dockerd = errNoEngine, "" }, setupPlan{install: []string{"docker.io"}, start: true}},
		{"no tools", func(m *machine) { m.mmdebstrap, m.debianKeys, m.caBundle = "", "", "" },
			setupPlan{install: []string{"mmdebstrap", "debian-archive-keyring", "ca-certificates"}}},
		{"no ubuntu keys", func(m *machine) { m.ubuntuKeys = "" }, setupPlan{optional: []string{"ubuntu-keyring", "ubuntu-archive-keyring"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := complete()
			test.change(m)
			if diff := cmp.Diff(test.want, planSetup(m), cmp.AllowUnexported(setupPlan{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParsePolicy(t *testing.T) {
	got := parsePolicy([]byte(`docker.io:
  Installed: (none)
  Candidate: 20.10.24+dfsg1-1
  Version table:
     20.10.24+dfsg1-1 500
ubuntu-keyring:
  Installed: (none)
  Candidate: (none)
  Version table:
`))
	if diff := cmp.Diff(map[string]bool{"docker.io": true}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// fakeApt puts an apt onto PATH that writes down how it is called. It knows
// packages once it was updated; installing fails as often as told.
func fakeApt(t *testing.T, knows bool, failures string) (calls func() string) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	if knows {
		write("lists", "", 0o644)
	}
	write("failures", failures, 0o644)
	write("apt-cache", `#!/bin/sh
shift
candidate="(none)"
test -e "${0%/*}/lists" && candidate=1.0
for p; do printf '%s:\n  Candidate: %s\n' "$p" "$candidate"; done
`, 0o755)
	write("apt-get", `#!/bin/sh
dir="${0%/*}"
echo "$*" >> "$dir/calls"
if [ "$1" = update ]; then : > "$dir/lists"; exit; fi
read failures < "$dir/failures"
[ "$failures" = 0 ] && exit
echo $((failures - 1)) > "$dir/failures"
echo "E: Unable to fetch some archives"
exit 100
`, 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		data, err := os.ReadFile(filepath.Join(dir, "calls"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(data)
	}
}

const installAll = "install --yes --no-install-recommends docker.io mmdebstrap debian-archive-keyring ca-certificates\n"

func TestInstall(t *testing.T) {
	for _, test := range []struct {
		name     string
		knows    bool
		failures string
		calls    string
		err      string
	}{
		{"known", true, "0\n", installAll, ""},
		{"unknown", false, "0\n", "update\n" + installAll, ""},
		{"old lists", true, "1\n", installAll + "update\n" + installAll, ""},
		{"broken", true, "2\n", installAll + "update\n" + installAll, "exit status 100"},
		{"broken from the start", false, "1\n", "update\n" + installAll, "exit status 100"},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := fakeApt(t, test.knows, test.failures)
			sys := testSystem(t)
			m := lacking()
			m.engineErr, m.dockerd = nil, ""
			plan := planSetup(m)
			plan.install = append([]string{"docker.io"}, plan.install...)
			err := newApp(sys).carryOut(t.Context(), m, plan, false)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(test.calls, calls()); diff != "" {
				t.Errorf("calls -want +got:\n%s", diff)
			}
		})
	}
}

func TestSetupSays(t *testing.T) {
	for _, test := range []struct {
		name   string
		knows  bool
		dryRun bool
		change func(*machine)
		stdout string
		err    string
		hint   string
	}{
		{"dry run", false, true, func(*machine) {},
			"apt-get update\napt-get " + installAll + "sh -c 'setsid dockerd >>/var/log/pybake-dockerd.log 2>&1 </dev/null &'\n", "", ""},
		{"dry run, not root", true, true, func(m *machine) { m.root, m.systemd = false, true },
			"sudo apt-get " + installAll + "sudo systemctl start docker\n", "", ""},
		{"not root", true, false, func(m *machine) { m.root = false },
			"", "setup installs packages, for which it must be root", setupCommand(false)},
		{"locked out", true, false, func(m *machine) { *m = *complete(); m.root, m.engineErr = false, fs.ErrPermission },
			"", "permission denied", `sudo usermod --append --groups docker "$USER", then log in anew`},
		{"not debian", true, false, func(m *machine) { m.apt, m.os = false, "Fedora Linux 42" },
			"", "setup knows only Debian and Ubuntu, and this is Fedora Linux 42", ""},
		{"nothing to do", true, false, func(m *machine) { *m = *complete() }, "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := fakeApt(t, test.knows, "0\n")
			sys := testSystem(t)
			m := lacking()
			test.change(m)
			err := newApp(sys).carryOut(t.Context(), m, planSetup(m), test.dryRun)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.HasPrefix(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			if status, hint := explain(err, nil); err != nil && (hint != test.hint || status != statusFailed) {
				t.Errorf("status %d, hint %q, want %q", status, hint, test.hint)
			}
			if diff := cmp.Diff(test.stdout, sys.stdout.(*bytes.Buffer).String()); diff != "" {
				t.Errorf("stdout -want +got:\n%s", diff)
			}
			if called := calls(); called != "" {
				t.Errorf("called apt-get: %s", called)
			}
		})
	}
}

func TestSetupForAnotherEngine(t *testing.T) {
	sys := testSystem(t)
	sys.getenv = func(name string) string { return map[string]string{"DOCKER_HOST": "ssh://box"}[name] }
	m := lacking()
	err := newApp(sys).carryOut(t.Context(), m, planSetup(m), false)
	if err == nil || !errors.Is(err, errNoEngine) || !strings.Contains(err.Error(), "unset DOCKER_HOST, or start the engine at ssh://box") {
		t.Errorf("error %v", err)
	}
}
