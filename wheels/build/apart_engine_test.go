//go:build engine

package build

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// look is what a build can see of another that was in the same place before.
const look = `
import os, socket
def look():
    seen = []
    for place in ("/build", "/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue"):
        s = os.stat(place)
        seen.append(f"{place} {s.st_mode:o} {s.st_uid} {os.listxattr(place)}")
        for at, dirs, files in os.walk(place):
            seen += [os.path.join(at, name) for name in dirs + files]
    for name in ("shm", "msg", "sem"):
        seen.append(f"{len(open('/proc/sysvipc/' + name).readlines()) - 1} {name}")
    seen += ["process " + open(f"/proc/{p}/comm").read().strip() for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]
    with socket.socket(socket.AF_UNIX) as s:
        if s.connect_ex("\0canary") == 0:
            seen.append("abstract socket")
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", 4711)) == 0:
            seen.append("TCP socket")
    return sorted(seen)
def get_requires_for_build_wheel(settings=None):
    return look()
`

// apart: a build finds nothing of the one before it in the same container, and a
// container that cannot be made clean gets no other build.
func apart(t *testing.T, b *Builder) {
	b = b.with(1<<30, 200, time.Minute)
	defer func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	next := func() ([]string, string) {
		r := start(t, b, backend(look))
		defer r.Close(t.Context())
		return requires(t, r), r.worker.ID
	}
	want, before := next()
	if len(want) < 10 {
		t.Fatal(want)
	}
	for _, tt := range []struct {
		name    string
		code    string
		retired bool
	}{
		{"nothing", "pass", false},
		{"files", `
for place in ("/build", "/build/src", "/build/home", "/tmp", "/var/tmp", "/dev/shm", "/run/lock"):
    os.makedirs(place + "/a/b")
    open(place + "/a/b/c", "w").write("secret")
    os.symlink("/etc/passwd", place + "/link")
    os.mkfifo(place + "/fifo")
os.rename("/build/src", "/build/source")
os.chmod("/build/source/a", 0)
os.chmod("/build/source/a", 0o700)
`, false},
		{"a daemon that ignores signals", `
import signal, socket, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(n, signal.SIG_IGN)
        a = socket.socket(socket.AF_UNIX); a.bind("\0canary"); a.listen()
        b = socket.socket(); b.bind(("127.0.0.1", 4711)); b.listen()
        open("/tmp/up", "w").close()
        while True: time.sleep(1)
    os._exit(0)
while not os.path.exists("/tmp/up"): time.sleep(.01)
`, false},
		{"a daemon that cannot be looked at", `
import ctypes, time
if os.fork() == 0:
    ctypes.CDLL(None).prctl(4, 0)
    os.setsid()
    while True: time.sleep(1)
`, false},
		{"System V shared memory", "import ctypes\nassert ctypes.CDLL(None).shmget(7, 4096, 0o1666) >= 0", true},
		{"System V messages", "import ctypes\nassert ctypes.CDLL(None).msgget(7, 0o1666) >= 0", true},
		{"System V semaphores", "import ctypes\nassert ctypes.CDLL(None).semget(7, 1, 0o1666) >= 0", true},
		{"a message queue", "import ctypes\nassert ctypes.CDLL(None).mq_open(b'/q', os.O_CREAT | os.O_RDWR, 0o666, None) >= 0", true},
		{"attributes of a directory", "os.chmod('/build', 0o700)", true},
		{"a directory without permissions", "os.makedirs('/tmp/a/b')\nos.chmod('/tmp/a', 0)", true},
	} {
		code := "import os\ndef leave():\n    " + strings.ReplaceAll(strings.TrimSpace(tt.code), "\n", "\n    ") +
			"\ndef get_requires_for_build_wheel(settings=None):\n    leave()\n    return []\n"
		r := start(t, b, backend(code))
		if r.worker.ID != before {
			t.Errorf("%s: not where the one before was", tt.name)
		}
		requires(t, r)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		got, where := next()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is left: %s", tt.name, diff)
		}
		if retired := where != before; retired != tt.retired {
			t.Errorf("%s: another container: %t", tt.name, retired)
		} else if retired && exists(t, b, before) {
			t.Errorf("%s: the container is left", tt.name)
		}
		before = where
	}
	// One whose build failed is as good as dirty.
	r := start(t, b, backend("def get_requires_for_build_wheel(settings=None): 1/0"))
	if _, err := r.Requires(t.Context()); err == nil {
		t.Error("no error")
	}
	r.Close(t.Context())
	if exists(t, b, before) {
		t.Error("the container of a failed build is left")
	}
}
