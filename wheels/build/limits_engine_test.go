//go:build engine

package build

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func network(t *testing.T, b *Builder) {
	var log bytes.Buffer
	job := backend(`
import socket, urllib.request
def get_requires_for_build_wheel(settings=None):
    for family, flags in ((0, 0), (0, socket.AI_ADDRCONFIG), (socket.AF_INET6, 0)):
        try:
            socket.getaddrinfo(f"{family}-{flags}.example.org", 443, family=family, flags=flags)
        except OSError as e:
            print(e)
    socket.getfqdn()
    try:
        socket.gethostbyaddr("192.0.2.7")
    except OSError:
        pass
    print("the middle of a line ", end="", flush=True)
    urllib.request.urlopen("https://Files.example.org/x.tar.gz")
def build_wheel(d, settings=None, m=None):
    raise OSError("curl: (7) Failed to connect to 192.0.2.7 port 443 after 0 ms")
`)
	job.Log = &log
	r := start(t, b, job)
	_, err := r.Requires(t.Context())
	failed, ok := errors.AsType[*FailedError](err)
	if !ok {
		t.Fatal(err)
	}
	if want := []string{"0-0.example.org", "0-32.example.org", "10-0.example.org", "files.example.org"}; !cmp.Equal(want, failed.Reached) || failed.Kind != Raised {
		t.Errorf("%+v", failed)
	}
	if !strings.Contains(err.Error(), "x 1: get_requires_for_build_wheel: urllib.error.URLError") || !strings.Contains(err.Error(), "it asked for 0-0.example.org, ") {
		t.Error(err)
	}
	// It has a line of its own, wherever the hook was; output and question come by two ways, in either order.
	if !strings.Contains(log.String(), "\npybake: the build asks for files.example.org\n") {
		t.Error(log.String())
	}
	_, err = r.Wheel(t.Context(), t.TempDir())
	if failed, ok := errors.AsType[*FailedError](err); !ok || !cmp.Equal([]string{"192.0.2.7"}, failed.Reached) || failed.Step != "build_wheel" {
		t.Error(err)
	}
}

func memory(t *testing.T, b *Builder) {
	small := b.with(128<<20, 200, 5*time.Minute)
	defer small.Close(t.Context())
	r := start(t, small, backend(`
def get_requires_for_build_wheel(settings=None):
    print("about to", flush=True)
    return [str(len(b"x" * (1 << 30)))]
`))
	_, err := r.Requires(t.Context())
	want := &FailedError{
		Package: "x 1", Step: "get_requires_for_build_wheel", Kind: OutOfMemory, Cause: "out of memory at 128 MiB", Tail: []string{"about to"},
	}
	if failed, _ := errors.AsType[*FailedError](err); !cmp.Equal(want, failed) {
		t.Errorf("%v: %+v", err, failed)
	}
}

// processes: what a hook starts is bounded, and does not outlive it.
func processes(t *testing.T, b *Builder) {
	few := b.with(1<<30, 50, 5*time.Minute)
	defer few.Close(context.Background())
	r := start(t, few, backend(`
import os, signal, time
def get_requires_for_build_wheel(settings=None):
    mine = [p for p in os.listdir("/proc") if p.isdigit() and os.stat("/proc/" + p).st_uid == 1000]
    n = 0
    try:
        while n < 1000:
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.setsid()
                time.sleep(1000)
            n += 1
    except BlockingIOError:
        pass
    return [f"{len(mine)} processes", "all" if n >= 50 else "bounded"]
`))
	for range 2 { // the second finds nothing of the first
		if got := requires(t, r); !slices.Equal(got, []string{"1 processes", "bounded"}) {
			t.Error(got)
		}
	}
}

func timeLimit(t *testing.T, b *Builder) {
	short := b.with(1<<30, 200, 3*time.Second)
	defer short.Close(t.Context())
	r := start(t, short, backend(`
import time
def get_requires_for_build_wheel(settings=None):
    time.sleep(1000)
`))
	_, err := r.Requires(t.Context())
	failed, _ := errors.AsType[*FailedError](err)
	if failed == nil || failed.Kind != TimedOut || failed.Cause != "no end after 3 s" {
		t.Errorf("%v: %+v", err, failed)
	}
	if exists(t, b, r.worker.ID) {
		t.Error("the container is left")
	}
}

func cancelled(t *testing.T, b *Builder) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	job := backend("import time\ndef build_wheel(d, c=None, m=None):\n  print('here', flush=True)\n  time.sleep(1000)\n")
	job.Log = onText{"here", func() { cancel(enough) }}
	r := start(t, b, job)
	_, err := r.Wheel(ctx, t.TempDir())
	if _, failed := errors.AsType[*FailedError](err); failed || !errors.Is(err, enough) {
		t.Error(err)
	}
	if exists(t, b, r.worker.ID) {
		t.Error("the container is left")
	}
	if _, err := b.Start(ctx, job); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// onText calls a function when a text is written.
type onText struct {
	text string
	call func()
}

func (o onText) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(o.text)) {
		o.call()
	}
	return len(p), nil
}
