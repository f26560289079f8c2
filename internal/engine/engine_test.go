//go:build engine

package engine

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
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
