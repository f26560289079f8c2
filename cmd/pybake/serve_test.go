package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// publishedDir makes a published directory with a signed repository and an index.
func publishedDir(t *testing.T, root string) string {
	dir := filepath.Join(root, "published")
	for _, name := range []string{
		"dists/bookworm/Release", "dists/trixie/InRelease", "simple/trixie/3.13/x/index.html", "simple/trixie/3.13/x/index.json",
		"simple/trixie/3.9/index.html", "report/index.html", "pybake.asc",
	} {
		file := filepath.Join(dir, "generations", "000001", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"current": "generations/000001", "dists": "current/dists", "simple": "current/simple", "report": "current/report", "pybake.asc": "current/pybake.asc",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startServe runs pybake serve. The reader is its standard output; end interrupts it
// and returns its standard error.
func startServe(t *testing.T, sys *system, args ...string) (stdout io.Reader, end func() string) {
	t.Helper()
	out, in := io.Pipe()
	signals := make(chan os.Signal, 1)
	sys.stdout, sys.signals = in, signals
	status := make(chan int, 1)
	go func() {
		status <- run(append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), sys)
		in.CloseWithError(io.ErrUnexpectedEOF)
	}()
	return out, func() string {
		t.Helper()
		go io.Copy(io.Discard, out)
		signals <- syscall.SIGINT
		if got := <-status; got != 0 {
			t.Errorf("status %d", got)
		}
		return sys.stderr.(*bytes.Buffer).String()
	}
}

func TestServe(t *testing.T) {
	sys := testSystem(t)
	dir := publishedDir(t, sys.dir)
	stdout, end := startServe(t, sys, "--json", "--verbose")
	var got serving
	if err := json.NewDecoder(stdout).Decode(&got); err != nil {
		t.Fatalf("%v\n%s", err, end())
	}
	url := got.URL
	install := func(python string) servingSimple {
		at := url + "simple/trixie/" + python + "/"
		return servingSimple{
			"trixie", python, at,
			"pip install --index-url " + at + " --require-hashes -r requirements.txt",
			"uv pip install --default-index " + at + " --require-hashes -r requirements.txt",
		}
	}
	want := serving{
		URL: url, Dir: dir, Report: url + "report/",
		Apt: []servingApt{
			{"bookworm", false, []string{"echo 'deb [trusted=yes] " + url + " bookworm main' > /etc/apt/sources.list.d/pybake.list"}},
			{"trixie", true, []string{
				"curl -fsSo /usr/share/keyrings/pybake.asc " + url + "pybake.asc",
				"echo 'deb [signed-by=/usr/share/keyrings/pybake.asc] " + url + " trixie main' > /etc/apt/sources.list.d/pybake.list",
			}},
		},
		Simple: []servingSimple{install("3.13"), install("3.9")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for path, status := range map[string]int{"simple/trixie/3.13/x/": 200, "dists/trixie/InRelease": 200, ".work/x": 404} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	said := end()
	for _, line := range []string{"GET /simple/trixie/3.13/x/ 200 31\n", "GET /dists/trixie/InRelease 200 22\n", "GET /.work/x 404 14\n"} {
		if !strings.Contains(said, "127.0.0.1 "+line) {
			t.Errorf("no line %q in:\n%s", line, said)
		}
	}
	if strings.Contains(said, "WARNING") {
		t.Errorf("a warning on loopback:\n%s", said)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it still answers")
	}
}

func TestServeText(t *testing.T) {
	sys := testSystem(t)
	dir := publishedDir(t, sys.dir)
	elsewhere := testSystem(t)
	stdout, end := startServe(t, elsewhere, dir)
	buf := make([]byte, 64<<10)
	n, err := stdout.Read(buf)
	if err != nil {
		t.Fatalf("%v\n%s", err, end())
	}
	text := string(buf[:n])
	url, _, _ := strings.Cut(text, "\n")
	for _, line := range []string{
		"# apt, bookworm (not signed)", "# apt, trixie", "# trixie, Python 3.13", "# report", url + "report/",
		"pip install --index-url " + url + "simple/trixie/3.9/ --require-hashes -r requirements.txt",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q in:\n%s", line, text)
		}
	}
	if said := end(); strings.Contains(said, "GET") {
		t.Errorf("requests without --verbose:\n%s", said)
	}
}

func TestListen(t *testing.T) {
	for address, want := range map[string]struct {
		host    string
		warning bool
	}{
		"127.0.0.1:0": {"127.0.0.1:%d", false},
		"localhost:0": {"localhost:%d", false},
		"0.0.0.0:0":   {"127.0.0.1:%d", true},
		":0":          {"127.0.0.1:%d", true},
	} {
		sys := testSystem(t)
		l, host, err := newApp(sys).listen(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		var port int
		if _, err := fmt.Sscanf(host, want.host, &port); err != nil || port == 0 {
			t.Errorf("%s: %s", address, host)
		}
		if said := sys.stderr.(*bytes.Buffer).String(); strings.Contains(said, "WARNING") != want.warning {
			t.Errorf("%s: %q", address, said)
		}
		l.Close()
	}
}

// TestServeBeyond: pip is told to take what is not encrypted.
func TestServeBeyond(t *testing.T) {
	dir := publishedDir(t, t.TempDir())
	for host, want := range map[string]string{"web.example.org:80": " --trusted-host web.example.org ", "[::1]:80": "", "localhost:80": ""} {
		s := findServing(dir, host)
		if got := s.Simple[0].Pip; strings.Contains(got, "--trusted-host") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%s: %s", host, got)
		}
	}
}
