//go:build engine

package main

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
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image"
)

const runProject = `
[images.runtest]
from = "trixie"
tags = ["pybake-run-test:{version}"]

[images.runtest.run]
volumes = ["{root}/data:/data", "{root}/gone:/gone"]

[images.runtest.runs.look]
command   = ["look", "/x", "/data/x"]
volumes   = ["{root}/data:/data"]
env       = { WORD = "{version}" }
user      = "{uid}:{gid}"
read-only = true

[images.runtest.runs.serve]
command = ["serve"]
ports   = ["127.0.0.1::80"]

[images.runtest.runs.gpu]
gpus = "all"

[images.unbuilt]
from = "runtest"
`

// runBakery is a bakery with a project whose image the engine holds: the program
// that the engine's own tests run.
func runBakery(t *testing.T) (*bakery, *engine.Engine) {
	b := newBakery(t)
	if err := errors.Join(os.WriteFile(filepath.Join(b.dir, "pybake.toml"), []byte(runProject), 0o644), os.Mkdir(filepath.Join(b.dir, "data"), 0o755)); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(b.dir, "program")
	build := exec.Command("go", "build", "-o", program, "../../internal/engine/testdata/run")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	err = w.WriteHeader(&tar.Header{Name: "run", Mode: 0o755, Size: int64(len(binary))})
	_, writeErr := w.Write(binary)
	if err := errors.Join(err, writeErr, w.Close()); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Connect(t.Context(), engine.Address{Host: os.Getenv("DOCKER_HOST"), RuntimeDir: os.Getenv("XDG_RUNTIME_DIR")}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const ref = "pybake-run-test:1.4.2"
	config := engine.ImageConfig{Entrypoint: []string{"/run"}, Labels: map[string]string{image.LabelName: "runtest", "org.opencontainers.image.version": "1.4.2"}}
	if _, err := e.Import(t.Context(), &root, ref, config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.RemoveImage(context.Background(), ref), e.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return b, e
}

// runContainers are the containers of pybake run runtest.
func runContainers(t *testing.T, e *engine.Engine) (found []string) {
	t.Helper()
	left, err := e.Leftovers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range left {
		if strings.HasPrefix(l.Name, "pybake-runtest-") {
			found = append(found, l.Name)
		}
	}
	return found
}

// TestRunImage: what a command gets and gives, in the real binary.
func TestRunImage(t *testing.T) {
	b, e := runBakery(t)
	for _, test := range []struct {
		args   []string
		status int
		out    string // patterns
		says   string
	}{
		{[]string{"look"}, 0, fmt.Sprintf(`^1 %d %d \S+ / 1\.4\.2\n/x false\n/data/x true\n$`, os.Getuid(), os.Getgid()), `^$`},
		{[]string{"look", "--", "exit", "42"}, 42, `^$`, `^$`},
		{[]string{"look", "--", "say", "a", "b"}, 0, `^a\n$`, `^b\n$`},
		{[]string{"--volume", "nowhere:/x:rx"}, 2, `^$`, `--volume "nowhere:/x:rx": "rx": want ro or rw`},
		{[]string{}, 2, `^$`, `^pybake: pybake\.toml:7:33: images\.runtest\.run\.volumes\[1\]: stat \S+/gone: no such file or directory\n$`},
		{[]string{"look", "--user", "nobody-at-all"}, 125, `^$`, `nobody-at-all`},
		{[]string{"gpu"}, 125, `^$`, `no runtime for GPUs(.|\n)*hint: `},
		{[]string{"look", "--print"}, 0, `--env WORD=1\.4\.2 pybake-run-test:1\.4\.2 look /x /data/x\n$`, `^$`},
	} {
		out, said, status := b.on(t).run(nil, append([]string{"run", "runtest"}, test.args...)...)
		if status != test.status || !regexp.MustCompile(test.out).MatchString(out) || !regexp.MustCompile(test.says).MatchString(said) {
			t.Errorf("%q: status %d\n%s%s", test.args, status, out, said)
		}
	}
	if _, said, status := b.run(nil, "run", "unbuilt"); status != 125 || !strings.Contains(said, "hint: pybake image unbuilt\n") {
		t.Errorf("not built: status %d\n%s", status, said)
	}
	if _, err := os.Stat(filepath.Join(b.dir, "gone")); err == nil {
		t.Error("the directory that there was not was made")
	}
	if data, err := os.ReadFile(filepath.Join(b.dir, "data", "x")); string(data) != "written" {
		t.Errorf("the mounted directory has %q, %v", data, err)
	}
	cmd := exec.Command(b.bin, "run", "runtest", "look", "--", "cat")
	cmd.Dir, cmd.Env, cmd.Stdin = b.dir, b.base, strings.NewReader(strings.Repeat("line\n", 30_000))
	if out, err := cmd.Output(); err != nil || string(out) != strings.Repeat("line\n", 30_000) {
		t.Errorf("standard input: %d bytes, %v", len(out), err)
	}
	if left := runContainers(t, e); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// startRun runs pybake run in the background until the command says "ready".
func (b *bakery) startRun(args ...string) (cmd *exec.Cmd, out *bufio.Reader) {
	b.t.Helper()
	cmd = exec.Command(b.bin, append([]string{"run", "runtest"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = b.dir, b.base, os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { // of a test that has failed
		if cmd.ProcessState == nil {
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait()
		}
	})
	out = bufio.NewReader(pipe)
	if line, err := out.ReadString('\n'); line != "ready\n" {
		b.t.Fatalf("pybake run %q said %q, %v", args, line, err)
	}
	return cmd, out
}

func TestRunImageSignals(t *testing.T) {
	b, e := runBakery(t)
	for _, test := range []struct {
		command string
		signals []syscall.Signal
		status  int
	}{
		{"trap", []syscall.Signal{syscall.SIGTERM}, 64 + 15},
		{"trap", []syscall.Signal{syscall.SIGINT}, 64 + 2},
		{"trap", []syscall.Signal{syscall.SIGUSR2}, 64 + 12},
		{"deaf", []syscall.Signal{syscall.SIGHUP, syscall.SIGKILL}, -1}, // nobody can heed that
	} {
		cmd, _ := b.startRun("look", "--", test.command)
		for _, s := range test.signals {
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != test.status {
			t.Errorf("%s %v: %v, want %d", test.command, test.signals, err, test.status)
		}
	}
	// What the killed one left goes with the next run.
	if left := runContainers(t, e); len(left) != 1 {
		t.Fatalf("left by the killed one: %v", left)
	}
	if _, said, status := b.run(nil, "run", "runtest", "look", "--", "exit", "0"); status != 0 || !strings.Contains(said, "left by a run that was killed") {
		t.Errorf("status %d\n%s", status, said)
	}
	if left := runContainers(t, e); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestRunImageDeaf: the third signal kills what heeds none, and an output that
// nobody reads ends it, too.
func TestRunImageDeaf(t *testing.T) {
	b, e := runBakery(t)
	cmd, out := b.startRun("look", "--", "deaf")
	ended := make(chan error, 1)
	go func() { io.Copy(io.Discard, out); ended <- cmd.Wait() }()
	for sending := true; sending; {
		select {
		case <-ended:
			sending = false
		default:
			cmd.Process.Signal(syscall.SIGINT)
		}
	}
	if status := cmd.ProcessState.ExitCode(); status != 137 {
		t.Errorf("status %d", status)
	}
	head := exec.Command("sh", "-c", b.bin+" run runtest look -- flood 100000 | head -c 1")
	head.Dir, head.Env = b.dir, b.base
	if said, err := head.CombinedOutput(); err != nil || !strings.Contains(string(said), "broken pipe") {
		t.Errorf("%v\n%.1000s", err, said)
	}
	if left := runContainers(t, e); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRunImagePort(t *testing.T) {
	b, e := runBakery(t)
	cmd, _ := b.startRun("serve", "--publish", "127.0.0.1:18347:80")
	answer, err := http.Get("http://127.0.0.1:18347/")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); string(body) != "hello" {
		t.Errorf("the port answers %q, %v", body, err)
	}
	if _, said, status := b.run(nil, "run", "runtest", "serve", "--publish", "127.0.0.1:18347:80"); status != 125 || !strings.Contains(said, "a port of this machine is taken") {
		t.Errorf("a second time: status %d\n%s", status, said)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if left := runContainers(t, e); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestRunImageTerminal: a command has the terminal that pybake has, in its size,
// and leaves it as it was.
func TestRunImageTerminal(t *testing.T) {
	b, _ := runBakery(t)
	script := "stty rows 33 cols 44; " + b.bin + " run runtest look -- terminal 33; echo status $?; stty -a"
	cmd := exec.Command("script", "-qec", script, "/dev/null")
	cmd.Dir, cmd.Env = b.dir, b.base
	out, err := cmd.CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "size 33 44\r\n") || !strings.Contains(text, "status 0") || !strings.Contains(text, " icanon ") {
		t.Errorf("%v\n%s", err, out)
	}
}
