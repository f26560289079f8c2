//go:build engine

package main

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// intruder looks for what the host has, on all ways; managed is what it got at. What is
// held back by more than one wall is tried wall by wall in wheels/build, TestContainer.
const intruder = `
import glob, os, socket, subprocess, sys
FILE, SOCKET, PORT, MARK = %q, %q, %d, "CANARY-" + %q
def attempt(f):
    try:
        f()
        managed.append(f.__name__)
    except (OSError, AssertionError):
        pass
@attempt
def file(): open(FILE).read()
@attempt
def environment(): assert MARK in repr(os.environ)
@attempt
def process(): assert any(MARK in open(p, errors="replace").read() for p in glob.glob("/proc/[0-9]*/cmdline"))
@attempt
def tcp(): socket.create_connection(("127.0.0.1", PORT), 2)
@attempt
def unix(): socket.socket(socket.AF_UNIX).connect(SOCKET)
@attempt
def engine(): socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock")
@attempt
def name(): socket.getaddrinfo("canary.example.org", 443)
@attempt
def root(): os.setuid(0)
@attempt
def requirement(): open(sys.modules["pybackend"].__file__, "a")
@attempt
def others(): assert glob.glob("/build/*/src/bystander*") or glob.glob("/build/src/src/bystander*")
@attempt
def python(): open(os.path.dirname(os.__file__) + "/planted.py", "w")
if os.fork() == 0:
    os.setsid()
    os.execvp("sleep", ["sleep", "4321"])
`

// wheelsHostile gives the command sdists that mean harm, beside one that does not: what
// they try leads nowhere, each is named, the other is built, and nothing is left.
func wheelsHostile(t *testing.T, b *bakery, z *bazaar) {
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "file"), filepath.Join(dir, "socket")
	if err := os.WriteFile(file, []byte("as it was"), 0o644); err != nil {
		t.Fatal(err)
	}
	const mark = "CANARY-hostile"
	heard := make(chan string, 100)
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				heard <- network
				c.Close()
			}
		}()
		return l
	}
	port := listen("tcp", "127.0.0.1:0").Addr().(*net.TCPAddr).Port
	listen("unix", socket)
	process := exec.Command("sh", "-c", "exec sleep 1000", mark)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Process.Kill(); process.Wait() })
	b.base = append(b.base, "CANARY="+mark)

	planted := filepath.Join(dir, "planted.py")
	up := strings.Repeat("../", 30)
	bad := []struct {
		built
		want string // what is said of it
	}{
		{built{Name: "escapes", Raw: map[string]string{up + strings.TrimPrefix(planted, "/"): "x = 1"}}, `name contains ".."`},
		{built{Name: "absolute", Raw: map[string]string{planted: "x = 1"}}, "absolute"},
		{built{Name: "impostor", Code: "import os\nwheel = 'bystander-1.0-py3-none-any.whl'\nopen(os.path.join(wheel_directory, wheel), 'w').close()"}, "is not one of impostor"},
		{built{Name: "linked", Code: fmt.Sprintf("import os\nwheel = 'linked-1.0-py3-none-any.whl'\nos.symlink(%q, os.path.join(wheel_directory, wheel))", file)}, "a symbolic link"},
		{built{Name: "twice", Second: true}, "other-1.0-py3-none-any.whl"},
		{built{Name: "floods", Code: "with open('/tmp/x', 'wb') as f:\n    while True: f.write(b'x' * 65536)"}, "no room left in /tmp"},
		{built{Name: "kills", Code: "import os, signal\nos.kill(-1, signal.SIGKILL)\nos.kill(os.getpid(), 9)"}, "was killed by SIGKILL"},
	}
	// The two that end well, for what that is worth.
	good := z.sdist(built{Name: "intruder", Version: "1.0", Files: map[string]string{"intruder.py": ""}, Code: fmt.Sprintf(intruder, file, socket, port, strings.TrimPrefix(mark, "CANARY-"))}) +
		z.sdist(built{Name: "bystander", Version: "1.0", Files: map[string]string{"bystander.py": ""}})
	lock := good
	for _, p := range bad {
		p.Version = "1.0"
		p.Files = map[string]string{p.Name + ".py": ""}
		lock += z.sdist(p.built)
	}
	_, said, status := b.house(z, "hostile.txt", lock)
	if want := fmt.Sprintf("%d of %d packages failed", len(bad), len(bad)+2); status != 1 || !strings.Contains(said, want) {
		t.Errorf("status %d, no %q:\n%s", status, want, said)
	}
	for _, p := range bad {
		_, of, found := strings.Cut(said, p.Name+" 1.0: ")
		if !found || !strings.Contains(of, p.want) {
			t.Errorf("%s: not said: %s\n%s", p.Name, p.want, said)
		}
	}
	made, said, status := b.house(z, "hostile.txt", good)
	if status != 0 || origins(made) != "bystander sdist, intruder sdist" || strings.Contains(said, "build ") {
		t.Errorf("the others: status %d, %s\n%s", status, origins(made), said)
	}
	for _, w := range made.Wheels {
		if w.Name == "intruder" {
			wheel, err := zip.OpenReader(filepath.Join(made.Dir, w.File))
			if err != nil {
				t.Fatal(err)
			}
			defer wheel.Close()
			if managed, err := fs.ReadFile(wheel, "managed.py"); err == nil {
				t.Errorf("the intruder managed %s", managed)
			}
		}
	}

	if text, err := os.ReadFile(file); err != nil || string(text) != "as it was" {
		t.Errorf("the canary's file: %q, %v", text, err)
	}
	err := filepath.WalkDir(b.dir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == "planted.py" {
			t.Errorf("planted: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(planted); err == nil {
		t.Errorf("planted: %s", planted)
	}
	close(heard)
	for network := range heard {
		t.Errorf("the canary heard %s", network)
	}
	if out, err := exec.Command("pgrep", "-f", "sleep 4321").Output(); err == nil {
		t.Errorf("still running: %s", out)
	}
	if left := dockerRun(t, "ps", "-aq", "--filter", "name=pybake-wheel"); left != "" {
		t.Errorf("containers left: %s", left)
	}
}
