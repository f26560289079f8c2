//go:build engine

package engine

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const runRef = "pybake-engine-test:run"

// runEngine connects, with the image of the tests of Run.
func runEngine(t *testing.T) *Engine {
	t.Helper()
	program := filepath.Join(t.TempDir(), "run")
	build := exec.Command("go", "build", "-o", program, "./testdata/run")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	e := connect(t, t.TempDir())
	root := tarOf(
		tar.Header{Name: "run", Mode: 0o755}, binary,
		tar.Header{Name: "plain", Mode: 0o644}, []byte("#!"),
		tar.Header{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o777}, nil,
	)
	if _, err := e.Import(t.Context(), root, runRef, ImageConfig{Entrypoint: []string{"/run"}, Cmd: []string{"exit", "9"}, Env: []string{"WORD=image"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveImage(context.Background(), runRef); err != nil {
			t.Error(err)
		}
	})
	return e
}

// nothingLeft fails if the session has a container or volume.
func nothingLeft(t *testing.T, e *Engine) {
	t.Helper()
	left, err := e.labelled(context.Background(), sessionLabel+"="+e.session.id, false)
	if err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

// started is a Run in the background that has said "ready".
type started struct {
	status int
	err    error
	done   chan struct{}
}

func background(t *testing.T, ctx context.Context, e *Engine, s RunSpec, streams RunIO) *started {
	t.Helper()
	s.Image = runRef
	r, w := io.Pipe()
	streams.Stdout = w
	b := &started{done: make(chan struct{})}
	go func() {
		b.status, b.err = e.Run(ctx, s, streams)
		w.Close()
		close(b.done)
	}()
	lines := bufio.NewReader(r)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		<-b.done
		t.Fatalf("said %q, %v; ended with %d, %v", line, err, b.status, b.err)
	}
	go io.Copy(io.Discard, lines)
	return b
}

func TestRun(t *testing.T) {
	e := runEngine(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		spec   RunSpec
		stdin  string
		status int
		out    string
		errs   string
	}{
		{name: "the image's own command", status: 9},
		{name: "other arguments", spec: RunSpec{Cmd: []string{"exit", "0"}}},
		{name: "both streams", spec: RunSpec{Cmd: []string{"say", "a", "b"}}, out: "a\n", errs: "b\n"},
		{name: "a terminal has one", spec: RunSpec{Cmd: []string{"say", "a", "b"}, TTY: true}, out: "a\r\nb\r\n"},
		{name: "input", spec: RunSpec{Cmd: []string{"cat"}, Interactive: true}, stdin: strings.Repeat("line\n", 50_000), out: strings.Repeat("line\n", 50_000)},
		{name: "input that nobody reads", spec: RunSpec{Cmd: []string{"exit", "3"}, Interactive: true}, stdin: strings.Repeat("x", 1<<20), status: 3},
		{name: "input that is not connected", spec: RunSpec{Cmd: []string{"cat"}}, stdin: "line\n"},
		{name: "another entrypoint goes without the image's arguments", spec: RunSpec{Entrypoint: []string{"/run", "say", "a", "b"}}, out: "a\n", errs: "b\n"},
		{
			name: "who and where",
			spec: RunSpec{Cmd: []string{"look"}, User: "7:8", Workdir: "/data", Hostname: "box", Env: []string{"WORD=spec"}, Init: true, Network: "none"},
			out:  "7 7 8 box /data spec\n", // process 1 is the init
		},
		{
			name: "what can be written",
			spec: RunSpec{
				Cmd: []string{"look", "/x", "/scratch/x", "/own/x", "/their/x"}, User: "0:0", Hostname: "box", ReadOnly: true,
				Tmpfs: map[string]string{"/scratch": ""}, Binds: []Bind{{Source: dir, Target: "/own"}, {Source: dir, Target: "/their", ReadOnly: true}},
			},
			out: "1 0 0 box / image\n/x false\n/scratch/x true\n/own/x true\n/their/x false\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.spec.Image = runRef
			var out, errs bytes.Buffer
			status, err := e.Run(t.Context(), test.spec, RunIO{Stdin: strings.NewReader(test.stdin), Stdout: &out, Stderr: &errs})
			if err != nil || status != test.status {
				t.Errorf("got %d, %v; want %d", status, err, test.status)
			}
			got := out.String()
			if test.spec.Init {
				_, rest, _ := strings.Cut(got, " ")
				got = "7 " + rest
			}
			if got != test.out || errs.String() != test.errs {
				t.Errorf("said %.100q and %.100q, want %.100q and %.100q", got, &errs, test.out, test.errs)
			}
			nothingLeft(t, e)
		})
	}
	if data, err := os.ReadFile(filepath.Join(dir, "x")); string(data) != "written" {
		t.Errorf("the file in the mounted directory: %q, %v", data, err)
	}
}

func TestRunVolume(t *testing.T) {
	e := runEngine(t)
	const name = "pybake-engine-test-cache"
	t.Cleanup(func() {
		if err := e.api.VolumeRemove(context.Background(), name, true); err != nil {
			t.Error(err)
		}
	})
	s := RunSpec{Image: runRef, Cmd: []string{"look", "/cache/x"}, Binds: []Bind{{Source: name, Target: "/cache"}}}
	for range 2 {
		if status, err := e.Run(t.Context(), s, RunIO{}); err != nil || status != 0 {
			t.Fatal(status, err)
		}
	}
	if _, err := e.api.VolumeInspect(t.Context(), name); err != nil {
		t.Errorf("the volume does not stay: %v", err)
	}
	nothingLeft(t, e)
}

func TestRunRefused(t *testing.T) {
	e := runEngine(t)
	taken := background(t, t.Context(), e, RunSpec{Cmd: []string{"serve"}, Ports: []PortBinding{{HostIP: "127.0.0.1", Port: "80"}}}, RunIO{})
	port := hostPort(t, e)
	tests := []struct {
		name   string
		spec   RunSpec
		status int
		is     error
		says   string
	}{
		{"no image", RunSpec{Image: "pybake-engine-test:missing"}, StatusEngine, ErrNoImage, "pybake-engine-test:missing"},
		{"no path", RunSpec{Binds: []Bind{{Source: "/nonexistent/x", Target: "/x"}}}, StatusEngine, ErrNoPath, "/nonexistent/x"},
		{"port taken", RunSpec{Ports: []PortBinding{{HostIP: "127.0.0.1", HostPort: port, Port: "80"}}}, StatusEngine, ErrPortTaken, port},
		{"no GPU", RunSpec{GPUs: &GPUs{Count: -1}}, StatusEngine, ErrNoGPU, "gpu"},
		{"no network", RunSpec{Network: "pybake-engine-test-none"}, StatusEngine, nil, "pybake-engine-test-none"},
		{"no user", RunSpec{User: "nobody-at-all"}, StatusEngine, nil, "nobody-at-all"},
		{"no command", RunSpec{Entrypoint: []string{"nowhere"}}, StatusNotFound, nil, "nowhere"},
		{"no such path", RunSpec{Entrypoint: []string{"/nowhere"}}, StatusNotFound, nil, "/nowhere"},
		{"no command but a file", RunSpec{Entrypoint: []string{"/plain"}}, StatusNotRunnable, nil, "/plain"},
		{"no command but a directory", RunSpec{Entrypoint: []string{"/data"}}, StatusNotRunnable, nil, "/data"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.spec.Image == "" {
				test.spec.Image = runRef
			}
			status, err := e.Run(t.Context(), test.spec, RunIO{})
			if err == nil || status != test.status || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %d, %v; want %d, %v and %q", status, err, test.status, test.is, test.says)
			}
			if left, err := e.labelled(t.Context(), sessionLabel+"="+e.session.id, false); err != nil || len(left) != 1 {
				t.Errorf("beside the server: %+v, %v", left, err)
			}
		})
	}
	if answer, err := http.Get("http://127.0.0.1:" + port); err != nil {
		t.Error(err)
	} else if body, err := io.ReadAll(answer.Body); string(body) != "hello" {
		t.Errorf("the port answers %q, %v", body, err)
	}
	if err := e.endSession(context.Background()); err != nil { // as Close does
		t.Error(err)
	}
	if <-taken.done; taken.status != 137 || taken.err != nil {
		t.Errorf("killed: %d, %v", taken.status, taken.err)
	}
	e.session, _ = openSession(t.TempDir(), e.host) // for Close
}

// hostPort is the port of this machine that the session's container has.
func hostPort(t *testing.T, e *Engine) string {
	t.Helper()
	left, err := e.labelled(t.Context(), sessionLabel+"="+e.session.id, false)
	if err != nil || len(left) != 1 {
		t.Fatal(left, err)
	}
	info, err := e.api.ContainerInspect(t.Context(), left[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return info.NetworkSettings.Ports["80/tcp"][0].HostPort
}

func TestRunSignals(t *testing.T) {
	e := runEngine(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1} {
		signals := make(chan os.Signal, 1)
		b := background(t, t.Context(), e, RunSpec{Cmd: []string{"trap"}}, RunIO{Signals: signals})
		signals <- sig
		if <-b.done; b.status != 64+int(sig) || b.err != nil {
			t.Errorf("%v: %d, %v", sig, b.status, b.err)
		}
	}
	signals := make(chan os.Signal, 2)
	b := background(t, t.Context(), e, RunSpec{Cmd: []string{"deaf"}}, RunIO{Signals: signals})
	signals <- syscall.SIGTERM
	signals <- syscall.SIGKILL
	close(signals)
	if <-b.done; b.status != 137 || b.err != nil {
		t.Errorf("killed: %d, %v", b.status, b.err)
	}
	nothingLeft(t, e)
}

func TestRunTerminal(t *testing.T) {
	e := runEngine(t)
	sizes := make(chan [2]uint, 1)
	sizes <- [2]uint{11, 22}
	r, w := io.Pipe()
	go func() {
		s := RunSpec{Image: runRef, Cmd: []string{"terminal", "33"}, TTY: true, Interactive: true}
		status, err := e.Run(t.Context(), s, RunIO{Stdin: blocked{}, Stdout: w, Resize: sizes})
		w.CloseWithError(fmt.Errorf("ended with %d, %v", status, err))
	}()
	lines := bufio.NewScanner(r)
	var seen []string
	for lines.Scan() {
		seen = append(seen, lines.Text())
		if lines.Text() == "size 11 22" {
			sizes <- [2]uint{33, 44}
		}
	}
	if lines.Err().Error() != "ended with 0, <nil>" || seen[len(seen)-1] != "size 33 44" {
		t.Errorf("saw %q, %v", seen, lines.Err())
	}
	nothingLeft(t, e)
}

// blocked is a terminal at which nobody types.
type blocked struct{}

func (blocked) Read([]byte) (int, error) { select {} }

func TestRunCancelled(t *testing.T) {
	e := runEngine(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := background(t, ctx, e, RunSpec{Cmd: []string{"trap"}}, RunIO{})
	begin := time.Now()
	cancel(enough)
	if <-b.done; b.status != StatusEngine || !errors.Is(b.err, enough) || IsGone(b.err) {
		t.Errorf("cancelled: %d, %v", b.status, b.err)
	}
	if d := time.Since(begin); d > stopGrace {
		t.Errorf("took %s: it was killed, not stopped", d)
	}
	nothingLeft(t, e)
	if _, err := e.Run(ctx, RunSpec{Image: runRef}, RunIO{}); !errors.Is(err, enough) {
		t.Errorf("cancelled before: %v", err)
	}
}

// An output that cannot be written, as that of a pipe to head, ends the command,
// even one that heeds no signal.
func TestRunBrokenOutput(t *testing.T) {
	e := runEngine(t)
	broken := errors.New("broken")
	s := RunSpec{Image: runRef, Cmd: []string{"flood", "1000000"}}
	status, err := e.Run(t.Context(), s, RunIO{Stdout: failing{broken}})
	if status != StatusEngine || !errors.Is(err, broken) || IsGone(err) {
		t.Errorf("got %d, %v", status, err)
	}
	nothingLeft(t, e)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A command whose input cannot be read still runs to its end.
func TestRunBrokenInput(t *testing.T) {
	e := runEngine(t)
	broken := errors.New("broken")
	var out bytes.Buffer
	s := RunSpec{Image: runRef, Cmd: []string{"cat"}, Interactive: true}
	in := io.MultiReader(strings.NewReader("begin\n"), errReader{broken})
	status, err := e.Run(t.Context(), s, RunIO{Stdin: in, Stdout: &out})
	if status != StatusEngine || !errors.Is(err, broken) || out.String() != "begin\n" {
		t.Errorf("got %d, %v after %q", status, err, &out)
	}
	nothingLeft(t, e)
}
