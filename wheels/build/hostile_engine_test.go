//go:build engine

package build

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// canary is what a host has that no build may find: a file, a process with it in its
// arguments and environment, and listeners.
type canary struct {
	mark                 string // of this run alone: "5D1F…"
	file, unix, abstract string
	tcp, udp             int // ports
	pid                  int
	heard                chan string
}

func newCanary(t *testing.T) *canary {
	t.Helper()
	dir := t.TempDir()
	c := &canary{mark: rand.Text(), file: filepath.Join(dir, "file"), unix: filepath.Join(dir, "socket"), heard: make(chan string, 100)}
	text := "CANARY-" + c.mark
	c.abstract = "pybake-" + text
	if err := os.WriteFile(c.file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CANARY", text)
	process := exec.Command("sh", "-c", "exec sleep 1000", text)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Process.Kill(); process.Wait() })
	c.pid = process.Process.Pid
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				c.heard <- network + " " + address
				conn.Close()
			}
		}()
		return l
	}
	c.tcp = listen("tcp", "127.0.0.1:0").Addr().(*net.TCPAddr).Port
	listen("unix", c.unix)
	listen("unix", "@"+c.abstract)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	go func() {
		if n, _, err := udp.ReadFrom(make([]byte, 100)); err == nil {
			c.heard <- fmt.Sprint("udp ", n)
		}
	}()
	c.udp = udp.LocalAddr().(*net.UDPAddr).Port
	return c
}

// tries is a backend that says what it managed to do, of functions that end well only
// when they should not.
func (c *canary) tries(functions string) string {
	return fmt.Sprintf(`
import ctypes, glob, os, shutil, socket, subprocess, sys, time
FILE, UNIX, ABSTRACT, TCP, UDP, PID, TEXT = %q, %q, "\0" + %q, %d, %d, %d, "CANARY-" + %q
done = []
def attempt(f):
    try:
        f()
        done.append(f.__name__)
    except (OSError, AssertionError, ValueError):
        pass
def get_requires_for_build_wheel(settings=None):
    return done
`, c.file, c.unix, c.abstract, c.tcp, c.udp, c.pid, c.mark) + functions
}

const reads = `
@attempt
def file(): open(FILE).read()
@attempt
def process_environment(): open(f"/proc/{PID}/environ").read()
@attempt
def process_arguments(): assert any(TEXT in open(p, errors="replace").read() for p in glob.glob("/proc/[0-9]*/cmdline"))
@attempt
def environment(): assert TEXT in repr(os.environ)
@attempt
def shadow(): open("/etc/shadow").read()
@attempt
def of_root(): os.listdir("/root")
@attempt
def memory_of_process_1(): open("/proc/1/mem", "rb").read(1)
@attempt
def environment_of_process_1(): open("/proc/1/environ").read()
@attempt
def disk(): assert glob.glob("/dev/[svn]d*") or glob.glob("/dev/nvme*") or glob.glob("/dev/dm-*")
@attempt
def root_of_process_1(): os.listdir("/proc/1/root/")
@attempt
def other_sources():
    mine = {"src", "out", "home"}
    assert set(os.listdir("/build")) - mine or glob.glob("/build-env/../build/*/../../*/own.py") != []
`

const reaches = `
def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(1)
        s.connect(address)
        s.send(b"x")
        if kind == socket.SOCK_DGRAM: s.recv(1)
@attempt
def tcp(): connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", TCP))
@attempt
def udp(): connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", UDP))
@attempt
def unix(): connect(socket.AF_UNIX, socket.SOCK_STREAM, UNIX)
@attempt
def abstract(): connect(socket.AF_UNIX, socket.SOCK_STREAM, ABSTRACT)
@attempt
def engine(): connect(socket.AF_UNIX, socket.SOCK_STREAM, "/var/run/docker.sock")
@attempt
def engine2(): connect(socket.AF_UNIX, socket.SOCK_STREAM, "/run/docker.sock")
@attempt
def containerd(): connect(socket.AF_UNIX, socket.SOCK_STREAM, "/run/containerd/containerd.sock")
@attempt
def name(): socket.getaddrinfo("canary.example.org", 80)
@attempt
def raw(): socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
@attempt
def packet(): socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
@attempt
def netlink():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.settimeout(1)
        s.send(b"\x11\0\0\0\x12\0\1\3" + b"\0" * 9)  # the list of links
        assert b"eth" in s.recv(65536)
@attempt
def netlink_change():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.settimeout(1)  # an address for the loopback interface, and the answer to that
        s.send(b"\x20\0\0\0\x14\0\5\6" + b"\0" * 8 + b"\2\x08\0\0\1\0\0\0" + b"\x08\0\2\0\x0a\0\0\1")
        assert s.recv(65536)[16:20] == b"\0\0\0\0"
@attempt
def interfaces(): assert os.listdir("/sys/class/net") != ["lo"]
`

const rises = `
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)
@attempt
def setuid(): os.setuid(0)
@attempt
def setgid(): os.setgid(0)
@attempt
def setuid_bit():
    shutil.copy("/usr/bin/id", "/tmp/id")
    os.chown("/tmp/id", 0, 0)
    os.chmod("/tmp/id", 0o4755)
@attempt
def setuid_program():
    for program in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd"):
        text = subprocess.run([program, "-c", "id"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
        assert "uid=0" not in text
    raise AssertionError
@attempt
def device(): os.mknod("/tmp/disk", 0o060666, os.makedev(8, 0))
@attempt
def device_file(): os.mknod("/tmp/mem", 0o020666, os.makedev(1, 1))
@attempt
def mount(): call("mount", b"none", b"/tmp", b"tmpfs", 0, None)
@attempt
def namespace(): call("unshare", 0x10000000)
@attempt
def chroot(): os.chroot("/tmp")
@attempt
def kill_1(): os.kill(1, 9)
@attempt
def kill_root():
    for p in os.listdir("/proc"):
        if p.isdigit() and os.stat("/proc/" + p).st_uid == 0:
            try: os.kill(int(p), 9)
            except PermissionError: continue
            return
    raise AssertionError
@attempt
def trace():
    for p in os.listdir("/proc"):
        if p.isdigit() and os.stat("/proc/" + p).st_uid == 0:
            call("ptrace", 16, int(p), None, None)
@attempt
def capabilities():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    assert int(status["CapEff"], 16) or int(status["CapPrm"], 16) or int(status["CapAmb"], 16) or status["NoNewPrivs"].strip() != "1"
@attempt
def kernel(): open("/proc/sys/kernel/core_pattern", "w")
@attempt
def cgroup(): os.mkdir(glob.glob("/sys/fs/cgroup/memory")[0] + "/x") if glob.glob("/sys/fs/cgroup/memory") else os.mkdir("/sys/fs/cgroup/x")
@attempt
def keyring(): call("syscall", 248, b"user", b"x", b"x", 1, -3)
@attempt
def requirement(): open(sys.prefix + "/lib/python3.13/site-packages/first.py", "a")
@attempt
def requirement_replaced(): os.rename(sys.prefix + "/lib/python3.13/site-packages/first.py", "/tmp/first.py")
@attempt
def requirement_linked(): os.link(sys.prefix + "/lib/python3.13/site-packages/first.py", "/tmp/first.py")
@attempt
def bytecode(): open(glob.glob(sys.prefix + "/lib/python3.13/site-packages/__pycache__/first*")[0], "a")
`

// hostile sources, all at once beside good ones: each ends, is to blame for it by
// name, and nothing is left.
func hostile(t *testing.T, b *Builder) {
	c := newCanary(t)
	b = b.with(256<<20, 60, 12*time.Second)
	defer func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	const hook = "def get_requires_for_build_wheel(settings=None):\n    "
	const forever = "while True: "
	var wg sync.WaitGroup
	two := make(chan struct{}, 2)
	for _, tt := range []struct {
		name string
		code string
		kind Kind   // "": all well, and nothing was managed
		want string // part of the cause
	}{
		{"reads", c.tries(reads), "", ""},
		{"network", c.tries(reaches), "", ""},
		{"rises", c.tries(rises), "", ""},
		{"memory", hook + "x = b'x' * (1 << 30)", OutOfMemory, "out of memory at 256 MiB"},
		{"memory of many", "import os, time\n" + hook + "for _ in range(8):\n        if os.fork() == 0:\n            x = b'x' * (200 << 20); time.sleep(100); os._exit(0)\n    os.wait(); os._exit(1)", OutOfMemory, "out of memory"},
		{"forks", "import os\n" + hook + "while True:\n        try: os.fork()\n        except BlockingIOError: pass", TimedOut, "no end after 12 s"},
		{"disk", hook + "with open('/build/x', 'wb') as f:\n        " + forever + "f.write(b'x' * 65536)", DiskFull, "no room left in /build, of 128 MiB: OSError: [Errno 28]"},
		{"disk beside", hook + "with open('/tmp/x', 'wb') as f:\n        " + forever + "f.write(b'x' * 65536)", DiskFull, "no room left in /tmp, of 64 MiB"},
		{"inodes", hook + "n = 0\n    while True: open(f'/build/home/{n}', 'w').close(); n += 1", DiskFull, "no room left in /build"},
		{"log", hook + forever + "print('x' * 10000)", TimedOut, "no end after 12 s"},
		{"endless", "import signal\nfor n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)\n" + hook + forever + "pass", TimedOut, "no end after 12 s"},
		{"answers much", hook + "return ['x' * 4000000]", Died, "without an answer"},
		{"answers by itself", "import os\n" + hook + "os.write(4, b'{\"ok\": [\"forged\"], \"hook\": 7'); os._exit(0)", Died, "without an answer"},
		{"kills all", "import os, signal\n" + hook + "os.kill(-1, signal.SIGKILL); os.kill(os.getpid(), 9)", Died, "was killed by SIGKILL"},
	} {
		wg.Go(func() {
			two <- struct{}{}
			defer func() { <-two }()
			job := backend(tt.code)
			job.Name, job.Wheels = tt.name, []Wheel{makeWheel(t, "first-1-py3-none-any.whl", member{"first.py", "", 0}, member{"first-1.dist-info/METADATA", "", 0})}
			r, err := b.Start(t.Context(), job)
			if err != nil {
				t.Error(tt.name, err)
				return
			}
			defer r.Close(context.Background())
			done, err := r.Requires(t.Context())
			failed, _ := errors.AsType[*FailedError](err)
			switch {
			case tt.kind == "" && err != nil:
				t.Errorf("%s: %v\n%s", tt.name, err, strings.Join(tailOf(err), "\n"))
			case tt.kind == "":
				if len(done) > 0 {
					t.Errorf("%s: %s", tt.name, done)
				}
			case failed == nil || failed.Kind != tt.kind || !strings.Contains(failed.Cause, tt.want) || failed.Package != tt.name+" 1":
				t.Errorf("%s: %v: %+v", tt.name, err, failed)
			}
		})
		wg.Go(func() {
			two <- struct{}{}
			defer func() { <-two }()
			r, err := b.Start(t.Context(), backend(pureBackend))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close(context.Background())
			if _, err := r.Wheel(t.Context(), t.TempDir()); err != nil {
				t.Errorf("beside %s: %v", tt.name, err)
			}
		})
	}
	wg.Wait()
	close(c.heard)
	for what := range c.heard {
		t.Error("the canary heard", what)
	}
	changing(t, b)
}

// changing: what a build leaves running cannot change its output any more.
func changing(t *testing.T, b *Builder) {
	r := start(t, b, backend(`
import os, zipfile
def build_wheel(d, settings=None, m=None):
    name = os.path.join(d, "x-1-py3-none-any.whl")
    with zipfile.ZipFile(name, "w") as z:
        z.writestr("x", os.urandom(8 << 20))
    if os.fork() == 0:
        os.setsid()
        while True:
            with open(name, "r+b") as f:
                f.truncate(0)
                f.write(b"x" * (9 << 20))
    return os.path.basename(name)
`))
	dir := t.TempDir()
	name, err := r.Wheel(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	var found []string
	err = r.output(t.Context(), wheelHook, outDir, func(stream io.Reader) (err error) {
		found, err = takeWheel(&again, stream, name)
		return err
	})
	if err != nil || !slices.Equal(found, []string{name}) || !bytes.Equal(first, again.Bytes()) {
		t.Error(found, err, "the output has changed")
	}
}
