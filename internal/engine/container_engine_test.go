//go:build engine

package engine

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
)

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

func TestNoNames(t *testing.T) {
	for _, none := range []bool{false, true} {
		c := start(t, Spec{NoNames: none})
		if got := output(t, c, Command{}, "nets"); got != "lo\n" {
			t.Errorf("interfaces: %q", got)
		}
		output(t, c, Command{}, "loop")
		if mounts := output(t, c, Command{}, "cat", "/proc/self/mounts"); strings.Contains(mounts, " /etc/hosts ") == none || strings.Contains(mounts, " /etc/resolv.conf ") == none {
			t.Errorf("no names %v:\n%s", none, mounts)
		}
	}
	const ref = "pybake-engine-test:names"
	c := start(t, Spec{NoNames: true})
	if _, err := c.Commit(t.Context(), ref, ImageConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.engine.RemoveImage(context.Background(), ref); err != nil {
			t.Error(err)
		}
	})
	for _, s := range []Spec{{NoNames: true, Network: true}, {Image: ref, Network: true}} {
		if got := output(t, start(t, s), Command{}, "nets"); strings.Count(got, "\n") < 2 {
			t.Errorf("interfaces with network: %q", got)
		}
	}
}

func TestIPv6(t *testing.T) {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		t.Fatalf("the tests with tag engine need a kernel with IPv6: %v", err)
	}
	for want, s := range map[string]Spec{"": {}, "00000000000000000000000000000001": {IPv6: true}} {
		c := start(t, s)
		address, _, _ := strings.Cut(output(t, c, Command{}, "cat", "/proc/net/if_inet6"), " ")
		if address != want {
			t.Errorf("with IPv6 %v: the address of loopback is %q", s.IPv6, address)
		}
		if got := output(t, c, Command{}, "nets"); got != "lo\n" {
			t.Errorf("with IPv6 %v: interfaces %q", s.IPv6, got)
		}
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
