//go:build engine

package engine

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
)

// left fails the test if the session has more on the engine than want things.
func left(t *testing.T, e *Engine, want int) {
	t.Helper()
	got, err := e.labelled(context.Background(), sessionLabel+"="+e.session.id, false)
	if err != nil || len(got) != want {
		t.Errorf("want %d things of the session: %+v, %v", want, got, err)
	}
}

func newVolume(t *testing.T, e *Engine) *Volume {
	t.Helper()
	v, err := e.NewVolume(t.Context(), boxRef, "engine-test")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// refuses fails the test unless the box ends with status 1 and a message.
func refuses(t *testing.T, c *Container, message string, args ...string) {
	t.Helper()
	var errs strings.Builder
	var exit *ExitError
	err := c.Exec(t.Context(), Command{Argv: append([]string{"box"}, args...), User: "0:0", Stderr: &errs})
	if !errors.As(err, &exit) || exit.Code != 1 || !strings.Contains(errs.String(), message) {
		t.Errorf("%v: %v, %q; want %q", args, err, &errs, message)
	}
}

func TestVolume(t *testing.T) {
	e := connect(t, t.TempDir())
	v := newVolume(t, e)
	dir := tarOf(tar.Header{Name: "debs/", Typeflag: tar.TypeDir, Mode: 0o755}, nil, tar.Header{Name: "one", Mode: 0o600, Uid: 1000}, []byte("first"))
	if err := v.Put(t.Context(), "/", dir); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Image: boxRef, Limit: 5 * time.Minute, Mounts: []Mount{{Volume: v, Target: "/build"}, {Volume: v, Target: "/in/it"}}}
	var readers []*Container
	for range 2 {
		c, err := e.Start(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, c)
	}
	if err := v.Put(t.Context(), "debs", tarOf(tar.Header{Name: "a/two", Mode: 0o644}, []byte("second"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range readers {
		for path, want := range map[string]string{"/build/one": "first", "/in/it/debs/a/two": "second"} {
			if got := output(t, c, Command{}, "cat", path); got != want {
				t.Errorf("%s: %q", path, got)
			}
		}
		refuses(t, c, "read-only file system", "write", "/build/x", "x")
		refuses(t, c, "read-only file system", "remove", "/in/it/one")
		if err := c.Put(t.Context(), "/build", tarOf(tar.Header{Name: "x"}, nil)); err == nil || IsGone(err) {
			t.Errorf("put into a mount: %v", err)
		}
		if changes, err := c.Changes(t.Context()); err != nil || fmt.Sprint(changes) != "[{/in false} {/sbin false}]" {
			t.Errorf("changes: %+v, %v; want only the directories that the engine made", changes, err)
		}
	}

	if err := v.Put(t.Context(), "/nowhere", tarOf()); !errors.Is(err, fs.ErrNotExist) || IsGone(err) {
		t.Errorf("put into a missing directory: %v", err)
	}
	broken := errors.New("broken")
	if err := v.Put(t.Context(), "/", errReader{broken}); !errors.Is(err, broken) || IsGone(err) {
		t.Errorf("put of an unreadable tar: %v", err)
	}
	if err := v.Put(t.Context(), "../..", tarOf(tar.Header{Name: "../up", Mode: 0o644}, nil)); err == nil || IsGone(err) {
		t.Errorf("put of a name that escapes: %v", err)
	}
	left(t, e, 4)
	for _, c := range readers {
		if err := c.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if err := v.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	left(t, e, 0)
	if err := v.Put(t.Context(), "/", tarOf()); !IsGone(err) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("put after the end: %v", err)
	}
	spec.Mounts = spec.Mounts[:1]
	if _, err := e.Start(t.Context(), spec); !IsGone(err) {
		t.Errorf("a container with a volume that is no more: %v", err)
	}
	left(t, e, 0)
}

func TestNewVolumeFails(t *testing.T) {
	e := connect(t, t.TempDir())
	if _, err := e.NewVolume(t.Context(), "pybake-engine-test:missing", "engine-test"); !cerrdefs.IsNotFound(err) || IsGone(err) {
		t.Errorf("missing image: %v", err)
	}
	left(t, e, 0)
	for delay := range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(delay)*time.Millisecond, cancel)
		if v, err := e.NewVolume(ctx, boxRef, "engine-test"); err == nil { // it was faster
			err = v.Remove(ctx)
			if err != nil {
				t.Error(err)
			}
		} else if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		cancel()
	}
	left(t, e, 0)
}

// A cancelled Put returns at once, and Remove works after it, and with the same
// context.
func TestVolumePutCancelled(t *testing.T) {
	e := connect(t, t.TempDir())
	v := newVolume(t, e)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	go func() { // half a file, and then nothing
		tw := tar.NewWriter(w)
		_ = tw.WriteHeader(&tar.Header{Name: "big", Mode: 0o644, Size: 64 << 20})
		_, _ = tw.Write(make([]byte, 16<<20))
		cancel(enough)
	}()
	err := v.Put(ctx, "/", r)
	w.Close()
	if !errors.Is(err, enough) || IsGone(err) {
		t.Errorf("cancelled: %v", err)
	}
	if err := v.Remove(ctx); err != nil {
		t.Error(err)
	}
	left(t, e, 0)
}

// The session's end takes with it what uses a volume, then the volume.
func TestCloseWithVolume(t *testing.T) {
	e, err := Connect(t.Context(), testAddress(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v := newVolume(t, e)
	if _, err := e.Start(t.Context(), Spec{Image: boxRef, Limit: 5 * time.Minute, Mounts: []Mount{{Volume: v, Target: "/build"}}}); err != nil {
		t.Fatal(err)
	}
	id := e.session.id
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := connect(t, t.TempDir()).labelled(t.Context(), sessionLabel+"="+id, false)
	if err != nil || len(got) > 0 {
		t.Errorf("left: %+v, %v", got, err)
	}
}

func TestReadOnly(t *testing.T) {
	c := start(t, Spec{ReadOnly: true, Hostname: "other", Tmpfs: map[string]string{"/tmp": ""}})
	if got := output(t, c, Command{}, "id"); got != "1000 1000 other /\n" {
		t.Errorf("host name: %q", got)
	}
	for _, path := range []string{"/x", "/bin/x", "/etc/x"} {
		refuses(t, c, "read-only file system", "write", path, "x")
	}
	output(t, c, Command{}, "write", "/tmp/x", "text")
	if got := output(t, c, Command{}, "cat", "/tmp/x"); got != "text" {
		t.Errorf("tmpfs: %q", got)
	}
	if err := c.Put(t.Context(), "/build", tarOf(tar.Header{Name: "x"}, nil)); err == nil || IsGone(err) {
		t.Errorf("put: %v", err)
	}
}
