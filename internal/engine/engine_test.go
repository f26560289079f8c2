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
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
)

const (
	boxRef   = "pybake-engine-test:box"
	ownerEnv = "PYBAKE_TEST_OWNER" // session directory of a child that is to be killed
)

// TestMain imports the image of all tests, unless this is the child.
func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerEnv); dir != "" {
		ownContainer(dir)
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests with tag engine need a container engine:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func testAddress() Address {
	return Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}
}

func runTests(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "engine-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	box := filepath.Join(dir, "box")
	build := exec.Command("go", "build", "-o", box, "./testdata/box")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the box: %w\n%s", err, out)
	}
	binary, err := os.ReadFile(box)
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	e, err := Connect(ctx, testAddress(), filepath.Join(dir, "sessions"))
	if err != nil {
		return 1, err
	}
	root := tarOf(
		tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, nil,
		tar.Header{Name: "bin/box", Mode: 0o755}, binary,
		tar.Header{Name: "bin/sleep", Typeflag: tar.TypeSymlink, Linkname: "box"}, nil,
		tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil,
		tar.Header{Name: "build/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: 1000, Gid: 1000}, nil,
	)
	if _, err := e.Import(ctx, root, boxRef, ImageConfig{Labels: map[string]string{"org.pybake.test": "a $b \"c\" \\"}, Env: []string{"FROM_IMAGE=yes"}}); err != nil {
		return 1, err
	}
	code := m.Run()
	return code, errors.Join(e.RemoveImage(ctx, boxRef), e.Close(ctx))
}

// tarOf makes a tar of headers and contents in turn.
func tarOf(parts ...any) *bytes.Buffer {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(parts); i += 2 {
		h := parts[i].(tar.Header)
		data, _ := parts[i+1].([]byte)
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := w.Write(data); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return &buf
}

func connect(t *testing.T, sessions string) *Engine {
	t.Helper()
	e, err := Connect(t.Context(), testAddress(), sessions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the test's own context has ended
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func start(t *testing.T, s Spec) *Container {
	t.Helper()
	e := connect(t, t.TempDir())
	if s.Image == "" {
		s.Image = boxRef
	}
	if s.Limit == 0 {
		s.Limit = 5 * time.Minute
	}
	s.Purpose = "engine-test"
	c, err := e.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// output runs the box in the container and returns its standard output.
func output(t *testing.T, c *Container, cmd Command, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	cmd.Argv, cmd.Stdout, cmd.Stderr = append([]string{"box"}, args...), &out, &errs
	if err := c.Exec(t.Context(), cmd); err != nil {
		t.Fatalf("%v\nstdout: %s\nstderr: %s", err, &out, &errs)
	}
	return out.String()
}

// exists reports whether the engine still knows a container.
func exists(t *testing.T, c *Container) bool {
	t.Helper()
	_, err := c.engine.api.ContainerInspect(context.Background(), c.ID)
	if err != nil && !cerrdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

// vanished waits until the engine knows the container no more.
func vanished(t *testing.T, c *Container, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); exists(t, c); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("container %s is still there after %s", c.Name, within)
		}
	}
}

// waiter is a writer that tells when the first output came.
type waiter struct{ came chan struct{} }

func newWaiter() *waiter { return &waiter{make(chan struct{}, 1)} }

func (w *waiter) Write(p []byte) (int, error) {
	select {
	case w.came <- struct{}{}:
	default:
	}
	return len(p), nil
}

func TestInfo(t *testing.T) {
	info, err := connect(t, t.TempDir()).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Name == "" || info.Version == "" || info.API == "" || info.Arch == "" || info.CPUs < 1 || info.Memory < 1<<20 {
		t.Errorf("incomplete: %+v", info)
	}
}

func TestExec(t *testing.T) {
	c := start(t, Spec{})
	for _, code := range []int{1, 2, 77, 255} {
		var exit *ExitError
		err := c.Exec(t.Context(), Command{Argv: []string{"box", "exit", fmt.Sprint(code)}})
		if !errors.As(err, &exit) || exit.Code != code || exit.OOM || IsGone(err) {
			t.Errorf("exit %d: %v", code, err)
		}
	}
	var exit *ExitError
	if err := c.Exec(t.Context(), Command{Argv: []string{"no-such-command"}}); !errors.As(err, &exit) || exit.Code != 127 && exit.Code != 126 {
		t.Errorf("missing command: %v", err)
	}

	var out, errs strings.Builder
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "say", "to out", "to err"}, Stdout: &out, Stderr: &errs}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "to out\n" || errs.String() != "to err\n" {
		t.Errorf("stdout %q, stderr %q", &out, &errs)
	}
	out.Reset()
	errs.Reset()
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "flood", "300"}, Stdout: &out, Stderr: &errs}); err != nil {
		t.Fatal(err)
	}
	if out.String() != strings.Repeat("o", 300<<10) || errs.String() != strings.Repeat("e", 300<<10) {
		t.Errorf("flood: %d bytes of stdout, %d of stderr, or mixed", out.Len(), errs.Len())
	}

	in := strings.Repeat("0123456789abcdef", 100<<10)
	if got := output(t, c, Command{Stdin: strings.NewReader(in)}, "cat"); got != in {
		t.Errorf("stdin: %d bytes came back of %d", len(got), len(in))
	}
	if got := output(t, c, Command{}, "cat"); got != "" {
		t.Errorf("no stdin: %q", got)
	}
	if got := output(t, c, Command{}, "id"); got != "1000 1000 pybake /\n" {
		t.Errorf("default user: %q", got)
	}
	if got := output(t, c, Command{User: "0:0", Dir: "/build"}, "id"); got != "0 0 pybake /build\n" {
		t.Errorf("root in /build: %q", got)
	}
}

func TestExecStreamsFail(t *testing.T) {
	broken := errors.New("broken")
	c := start(t, Spec{})
	in := io.MultiReader(strings.NewReader("half"), errReader{broken})
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "cat"}, Stdin: in}); !errors.Is(err, broken) || IsGone(err) {
		t.Errorf("unreadable input: %v", err)
	}
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "say", "a", "b"}, Stdout: errWriter{broken}}); !errors.Is(err, broken) || IsGone(err) {
		t.Errorf("unwritable output: %v", err)
	}
	if exists(t, c) {
		t.Error("a command whose output nobody takes goes on")
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }

func TestStrict(t *testing.T) {
	c := start(t, Spec{})
	if got := output(t, c, Command{}, "nets"); got != "lo\n" {
		t.Errorf("interfaces without network: %q", got)
	}
	for _, user := range []string{"1000:1000", "0:0"} {
		status := output(t, c, Command{User: user}, "cat", "/proc/self/status")
		for _, want := range []string{"CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(status, want) {
				t.Errorf("user %s: no %q in:\n%s", user, want, status)
			}
		}
	}
	info, err := c.engine.api.ContainerInspect(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Mounts) > 0 || len(info.HostConfig.Binds) > 0 {
		t.Errorf("mounts: %v %v", info.Mounts, info.HostConfig.Binds)
	}
}

func TestGranted(t *testing.T) {
	c := start(t, Spec{
		Network: true, Caps: []string{"CHOWN"}, Env: []string{"A=spec", "B=spec"}, Tmpfs: map[string]string{"/scratch": "exec,size=4m"},
		CABundle: []byte("a bundle\n"), Proxy: []string{"https_proxy=http://proxy.example.org:3128"},
	})
	if got := output(t, c, Command{}, "nets"); !strings.Contains(got, "eth0") && strings.Count(got, "\n") < 2 {
		t.Errorf("interfaces with network: %q", got)
	}
	status := output(t, c, Command{User: "0:0"}, "cat", "/proc/self/status")
	if want := "CapEff:\t0000000000000001\n"; !strings.Contains(status, want) {
		t.Errorf("no %q in:\n%s", want, status)
	}
	if mounts := output(t, c, Command{}, "cat", "/proc/self/mounts"); !strings.Contains(mounts, "tmpfs /scratch tmpfs") {
		t.Errorf("no tmpfs in:\n%s", mounts)
	}
	env := output(t, c, Command{Env: []string{"B=command"}}, "env")
	for _, want := range []string{"A=spec", "B=command", "FROM_IMAGE=yes", "https_proxy=http://proxy.example.org:3128", "SSL_CERT_FILE=/run/pybake/ca.pem", "PIP_CERT=/run/pybake/ca.pem"} {
		if !strings.Contains("\n"+env, "\n"+want+"\n") {
			t.Errorf("no %s in:\n%s", want, env)
		}
	}
	if got := output(t, c, Command{}, "cat", caFile); got != "a bundle\n" {
		t.Errorf("bundle: %q", got)
	}
	if got := output(t, c, Command{}, "cat", aptConfig); !strings.Contains(got, caFile) {
		t.Errorf("apt.conf: %q", got)
	}

	const ref = "pybake-engine-test:commit"
	img, err := c.Commit(t.Context(), ref, ImageConfig{Labels: map[string]string{"org.pybake.test": "committed"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.engine.RemoveImage(context.Background(), ref); err != nil {
			t.Error(err)
		}
	})
	if img.Labels["org.pybake.test"] != "committed" || img.Labels[sessionLabel] != "" {
		t.Errorf("labels of the commit: %v", img.Labels)
	}
	got, err := c.engine.api.ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(got.Config)
	for _, bad := range []string{"proxy", "SSL_CERT", "A=spec", c.engine.session.id, "sleep", hostname + " "} {
		if strings.Contains(text, bad) {
			t.Errorf("the commit keeps %s: %s", bad, text)
		}
	}
	if !strings.Contains(text, "FROM_IMAGE=yes") || !strings.Contains(text, "/bin/sh") {
		t.Errorf("the commit lost the image's settings: %s", text)
	}
	c2 := start(t, Spec{Image: ref})
	var exit *ExitError
	if err := c2.Exec(t.Context(), Command{Argv: []string{"box", "cat", caFile}}); !errors.As(err, &exit) {
		t.Errorf("the commit keeps the CA bundle: %v", err)
	}
	volumes, err := c.engine.labelled(t.Context(), sessionLabel+"="+c.engine.session.id, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(volumes) != 2 {
		t.Fatalf("want the container and its volume: %+v", volumes)
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := c.engine.labelled(t.Context(), sessionLabel+"="+c.engine.session.id, false); err != nil || len(left) > 0 {
		t.Errorf("left after Remove: %+v, %v", left, err)
	}
}

func TestPutGet(t *testing.T) {
	c := start(t, Spec{})
	modTime := time.Unix(1700000000, 0)
	in := []tar.Header{
		{Name: "tree/", Typeflag: tar.TypeDir, Mode: 0o750, Uid: 1000, Gid: 1000},
		{Name: "tree/link", Typeflag: tar.TypeSymlink, Linkname: "script", Mode: 0o777, Uid: 1000, Gid: 1000},
		{Name: "tree/script", Typeflag: tar.TypeReg, Mode: 0o751, Uid: 1000, Gid: 1000, Size: 5},
		{Name: "tree/secret", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 0, Gid: 0, Size: 5},
	}
	var parts []any
	for _, h := range in {
		h.ModTime = modTime
		var data []byte
		if h.Size > 0 {
			data = []byte("12345")
		}
		parts = append(parts, h, data)
	}
	if err := c.Put(t.Context(), "/build", tarOf(parts...)); err != nil {
		t.Fatal(err)
	}
	if got := output(t, c, Command{}, "cat", "/build/tree/link"); got != "12345" {
		t.Errorf("file of uid 1000: %q", got)
	}
	var exit *ExitError
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "cat", "/build/tree/secret"}}); !errors.As(err, &exit) {
		t.Errorf("uid 1000 reads a file of root: %v", err)
	}

	r, err := c.Get(t.Context(), "/build/tree")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := map[string]*tar.Header{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[h.Name] = h
	}
	for _, want := range in {
		h := got[want.Name]
		if h == nil || h.Mode&0o7777 != want.Mode || h.Uid != want.Uid || h.Gid != want.Gid || h.Size != want.Size || h.Linkname != want.Linkname || !h.ModTime.Equal(modTime) {
			t.Errorf("%s: want %+v, got %+v", want.Name, want, h)
		}
	}
	if len(got) != len(in) {
		t.Errorf("got %d entries, want %d", len(got), len(in))
	}

	if err := c.Put(t.Context(), "/nowhere", tarOf(parts...)); !errors.Is(err, fs.ErrNotExist) || IsGone(err) {
		t.Errorf("put into a missing directory: %v", err)
	}
	if _, err := c.Get(t.Context(), "/nowhere"); !errors.Is(err, fs.ErrNotExist) || IsGone(err) {
		t.Errorf("get of a missing path: %v", err)
	}
	broken := errors.New("broken")
	if err := c.Put(t.Context(), "/build", errReader{broken}); !errors.Is(err, broken) || IsGone(err) {
		t.Errorf("put of an unreadable tar: %v", err)
	}
	if err := c.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), "/build", tarOf(parts...)); !IsGone(err) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("put after the end: %v", err)
	}
	if _, err := c.Get(t.Context(), "/build"); !IsGone(err) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get after the end: %v", err)
	}
}

func TestMemory(t *testing.T) {
	c := start(t, Spec{Memory: 64 << 20})
	output(t, c, Command{}, "eat", "8")
	var exit *ExitError
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "eat", "200"}}); !errors.As(err, &exit) || exit.Code != 137 || !exit.OOM {
		t.Errorf("too much memory: %v", err)
	}
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "exit", "3"}}); !errors.As(err, &exit) || exit.Code != 3 || exit.OOM {
		t.Errorf("a later command: %v", err)
	}
	if err := c.Exec(t.Context(), Command{Argv: []string{"box", "child", "box", "eat", "200"}}); !errors.As(err, &exit) || exit.Code != 2 || !exit.OOM {
		t.Errorf("too much memory in a child: %v", err)
	}
}

func TestProcesses(t *testing.T) {
	if got := output(t, start(t, Spec{PIDs: 300}), Command{}, "fork", "12"); got != "12\n" {
		t.Errorf("started %q of 12 processes under a limit of 300", got)
	}
	c := start(t, Spec{PIDs: 40})
	var out, errs strings.Builder
	err := c.Exec(t.Context(), Command{Argv: []string{"box", "fork", "40"}, Stdout: &out, Stderr: &errs})
	var n int
	if _, scanErr := fmt.Sscan(out.String(), &n); scanErr == nil && n > 0 && n < 40 {
		return // the box was told
	}
	if err == nil || !strings.Contains(errs.String(), "failed to create new OS thread") { // its runtime was
		t.Errorf("40 processes under a limit of 40: %v\nstdout: %s\nstderr: %s", err, &out, &errs)
	}
}

func TestLimit(t *testing.T) {
	c := start(t, Spec{Limit: 1500 * time.Millisecond})
	begin := time.Now()
	err := c.Exec(t.Context(), Command{Argv: []string{"box", "hang"}})
	if !errors.Is(err, ErrLimit) || !IsGone(err) {
		t.Errorf("after the limit: %v", err)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("took %s", d)
	}
	vanished(t, c, 5*time.Second)
	if _, err := c.engine.Start(t.Context(), Spec{Image: boxRef}); err == nil {
		t.Error("a container without a limit started")
	}
}

func TestStartFails(t *testing.T) {
	e := connect(t, t.TempDir())
	if _, err := e.Start(t.Context(), Spec{Image: "pybake-engine-test:missing", Limit: time.Minute}); err == nil || IsGone(err) {
		t.Errorf("missing image: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := e.Start(ctx, Spec{Image: boxRef, Limit: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left, err := e.labelled(t.Context(), sessionLabel+"="+e.session.id, false); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

func TestCancel(t *testing.T) {
	c := start(t, Spec{})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	hanging := newWaiter()
	var begin time.Time
	go func() { <-hanging.came; begin = time.Now(); cancel(enough) }()
	err := c.Exec(ctx, Command{Argv: []string{"box", "hang"}, Stdout: hanging})
	if !errors.Is(err, enough) || IsGone(err) {
		t.Errorf("cancelled: %v", err)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
	if exists(t, c) {
		t.Error("the container is still there")
	}
	if err := c.Remove(ctx); err != nil {
		t.Errorf("removed again: %v", err)
	}
}

func TestKilledFromOutside(t *testing.T) {
	ends := map[string]func(c *Container) error{
		"kill":   func(c *Container) error { return c.engine.api.ContainerKill(t.Context(), c.ID, "KILL") },
		"remove": func(c *Container) error { return c.engine.removeContainer(t.Context(), c.ID) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			c := start(t, Spec{})
			hanging := newWaiter()
			go func() {
				<-hanging.came
				if err := end(c); err != nil {
					t.Error(err)
				}
			}()
			if err := c.Exec(t.Context(), Command{Argv: []string{"box", "hang"}, Stdout: hanging}); !IsGone(err) || errors.Is(err, ErrLimit) {
				t.Errorf("ended from outside: %v", err)
			}
			if err := c.Exec(t.Context(), Command{Argv: []string{"box", "exit", "0"}}); !IsGone(err) {
				t.Errorf("a later command: %v", err)
			}
			vanished(t, c, 5*time.Second)
		})
	}
}

func TestImages(t *testing.T) {
	e := connect(t, t.TempDir())
	img, found, err := e.Image(t.Context(), boxRef)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if img.Labels["org.pybake.test"] != "a $b \"c\" \\" || img.Size == 0 || !strings.HasPrefix(img.ID, "sha256:") || time.Since(img.Created) > time.Hour {
		t.Errorf("%+v", img)
	}
	const ref = "pybake-engine-test:tag"
	if err := e.Tag(t.Context(), img.ID, ref); err != nil {
		t.Fatal(err)
	}
	list, err := e.Images(t.Context(), "org.pybake.test")
	if err != nil || len(list) != 1 || list[0].ID != img.ID || len(list[0].Tags) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	for range 2 {
		if err := e.RemoveImage(t.Context(), ref); err != nil {
			t.Error(err)
		}
	}
	if _, found, err := e.Image(t.Context(), ref); err != nil || found {
		t.Error("still there", found, err)
	}
	if _, err := e.Import(t.Context(), strings.NewReader("not a tar, though it is long enough"), ref, ImageConfig{}); err == nil || IsGone(err) {
		t.Errorf("import of nonsense: %v", err)
	}
	broken := errors.New("broken")
	if _, err := e.Import(t.Context(), errReader{broken}, ref, ImageConfig{}); !errors.Is(err, broken) || IsGone(err) {
		t.Errorf("import of an unreadable tar: %v", err)
	}
}

// ownContainer is the child of TestSweep.
func ownContainer(dir string) {
	ctx := context.Background()
	e, err := Connect(ctx, testAddress(), dir)
	if err == nil {
		var c *Container
		c, err = e.Start(ctx, Spec{Image: boxRef, Limit: 5 * time.Minute, Network: true, CABundle: []byte("x")})
		if err == nil {
			fmt.Println(c.ID)
			select {}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	e := connect(t, dir)
	own, err := e.Start(t.Context(), Spec{Image: boxRef, Limit: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), ownerEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dead := &Container{ID: strings.TrimSpace(line), engine: e}

	if removed, err := e.Sweep(t.Context()); err != nil || len(removed) > 0 || !exists(t, dead) {
		t.Fatalf("swept from a living owner: %+v, %v", removed, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // "signal: killed"

	stranger := connect(t, t.TempDir())
	if removed, err := stranger.Sweep(t.Context()); err != nil || len(removed) > 0 || !exists(t, dead) {
		t.Fatalf("swept by a stranger: %+v, %v", removed, err)
	}
	owners := func(e *Engine) map[string]Owner {
		left, err := e.Leftovers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]Owner{}
		for _, l := range left {
			found[l.ID] = l.Owner
		}
		return found
	}
	if got := owners(e); got[own.ID] != OwnerAlive || got[dead.ID] != OwnerDead {
		t.Errorf("owners: %v", got)
	}
	if got := owners(stranger); got[own.ID] != OwnerForeign || got[dead.ID] != OwnerForeign {
		t.Errorf("owners as a stranger sees them: %v", got)
	}

	removed, err := e.Sweep(t.Context())
	if err != nil || len(removed) != 2 || removed[0].ID != dead.ID || removed[1].Kind != "volume" {
		t.Errorf("swept %+v, %v", removed, err)
	}
	if exists(t, dead) || !exists(t, own) {
		t.Error("swept the wrong container")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 {
		t.Errorf("session files: %v", files)
	}
	if removed, err := e.Sweep(t.Context()); err != nil || len(removed) > 0 {
		t.Errorf("swept again: %+v, %v", removed, err)
	}
}
