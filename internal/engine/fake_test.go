package engine

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/pkg/stdcopy"
)

// fake is an engine that answers what a test wants: a handler by "METHOD
// /path", without the version; what is not there is 404.
type fake map[string]http.HandlerFunc

func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Ostype", "linux")
	path := strings.TrimPrefix(r.URL.Path, "/v1.41")
	if h := f[r.Method+" "+path]; h != nil {
		h(w, r)
		return
	}
	if path == "/_ping" {
		return
	}
	reply(http.StatusNotFound, `{"message": "no such thing"}`)(w, r)
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// serve starts a fake engine on a unix socket and returns its address.
func serve(t *testing.T, f fake) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fake") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: f}}
	server.Start()
	t.Cleanup(server.Close)
	return "unix://" + socket
}

func connectFake(t *testing.T, f fake) *Engine {
	t.Helper()
	e, err := Connect(t.Context(), Address{Host: serve(t, f)}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.session.file.Close(); e.api.Close() })
	return e
}

func TestConnectFails(t *testing.T) {
	dir := t.TempDir()
	closed := filepath.Join(dir, "closed")
	if err := os.WriteFile(closed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	tests := []struct {
		name, host string
		is         error  // in the chain
		contains   string // in the message
	}{
		{"no socket", "unix://" + dir + "/missing", fs.ErrNotExist, "missing"},
		{"no listener", "unix://" + closed, syscall.ECONNREFUSED, "closed"},
		{"no scheme", "box", nil, "unix://, tcp:// or ssh://"},
		{"windows", "npipe:////./pipe/docker_engine", nil, "unix://, tcp:// or ssh://"},
		{"another server", "tcp://" + web.Listener.Addr().String(), nil, "404"},
		{"silent server", serve(t, fake{"HEAD /_ping": func(w http.ResponseWriter, r *http.Request) { w.Header().Del("Api-Version") }}), nil, "not a container engine"},
		{"windows containers", serve(t, fake{"HEAD /_ping": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Ostype", "windows") }}), nil, "windows containers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sessions := t.TempDir()
			_, err := Connect(t.Context(), Address{Host: test.host}, sessions)
			var none *NoEngineError
			if !errors.As(err, &none) || len(none.Tried) != 1 || none.Tried[0].Host != test.host {
				t.Fatalf("got %v", err)
			}
			if test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.contains) {
				t.Errorf("got %v, want %v and %q", err, test.is, test.contains)
			}
			if left, _ := os.ReadDir(sessions); len(left) > 0 {
				t.Errorf("a session without an engine: %v", left)
			}
		})
	}
}

func TestConnectTooOld(t *testing.T) {
	host := serve(t, fake{"HEAD /_ping": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Api-Version", "1.40") }})
	_, err := Connect(t.Context(), Address{Host: host}, t.TempDir())
	var old *TooOldError
	if !errors.As(err, &old) || old.API != "1.40" || old.Host != host {
		t.Errorf("got %v", err)
	}
}

func TestConnectNegotiates(t *testing.T) {
	for api, want := range map[string]string{"1.41": "1.41", "1.45": "1.45", "1.99": "1.51"} {
		host := serve(t, fake{"HEAD /_ping": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Api-Version", api) }})
		e, err := Connect(t.Context(), Address{Host: host}, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if got := e.api.ClientVersion(); got != want {
			t.Errorf("engine of API %s: using %s, want %s", api, got, want)
		}
		e.session.file.Close()
		e.api.Close()
	}
}

func TestConnectTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(fake{})
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of every refused handshake
	server.StartTLS()
	defer server.Close()
	trusted := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(trusted, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	host := "tcp://" + server.Listener.Addr().String()
	tests := []struct {
		name string
		a    Address
		ok   bool
	}{
		{"trusted", Address{Host: host, TLSVerify: true, CertPath: trusted}, true},
		{"not trusted", Address{Host: host, TLSVerify: true, CertPath: t.TempDir()}, false},
		{"not verified", Address{Host: host, CertPath: t.TempDir()}, true},
		{"no TLS", Address{Host: host}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, err := Connect(t.Context(), test.a, t.TempDir())
			if err == nil {
				e.session.file.Close()
				e.api.Close()
			}
			if (err == nil) != test.ok {
				t.Errorf("got %v, want success %v", err, test.ok)
			}
		})
	}
}

// A frozen engine must not keep anybody who wants to leave.
func TestConnectCancelled(t *testing.T) {
	frozen := make(chan struct{})
	host := serve(t, fake{"HEAD /_ping": func(w http.ResponseWriter, r *http.Request) { <-frozen }})
	defer close(frozen)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(enough) })
	if _, err := Connect(ctx, Address{Host: host}, t.TempDir()); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

// hijack answers an exec's start with a stream that write fills and that then
// breaks off.
func hijack(write func(io.Writer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the client may fail while it still writes
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		write(conn)
	}
}

// drop closes the connection without an answer.
func drop(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func TestExecLost(t *testing.T) {
	const running, stopped = `{"State": {"Running": true}}`, `{"State": {"Running": false}}`
	created := reply(http.StatusCreated, `{"Id": "x"}`)
	hello := hijack(func(w io.Writer) { io.WriteString(stdcopy.NewStdWriter(w, stdcopy.Stdout), "hello") })
	tests := []struct {
		name string
		fake fake
		gone bool
		want string // in the message
	}{
		{"still running", fake{"POST /exec/x/start": hello, "GET /exec/x/json": reply(200, `{"Running": true}`), "GET /containers/c/json": reply(200, running)}, true, "its output ended while it ran"},
		{"exec forgotten", fake{"POST /exec/x/start": hello, "GET /containers/c/json": reply(200, running)}, true, "no such thing"},
		{"no answer about the exec", fake{"POST /exec/x/start": hello, "GET /exec/x/json": drop}, true, "EOF"},
		{"stream cut in a frame", fake{"POST /exec/x/start": hijack(func(w io.Writer) { w.Write([]byte{1, 0, 0, 0, 0, 0, 1, 0, 'h'}) }), "GET /exec/x/json": drop}, true, "EOF"},
		{"no answer to the start", fake{"POST /exec/x/start": drop}, true, "EOF"},
		{"killed with its container", fake{"POST /exec/x/start": hello, "GET /exec/x/json": reply(200, `{"ExitCode": 137}`), "GET /containers/c/json": reply(200, stopped)}, true, "container has stopped"},
		{"no answer to the create", fake{"POST /containers/c/exec": drop}, true, "EOF"},
		{"create in a removed container", fake{"POST /containers/c/exec": reply(404, `{"message": "No such container: c"}`)}, true, "removed"},
		{"create in a stopped container", fake{"POST /containers/c/exec": reply(409, `{"message": "Container c is not running"}`), "GET /containers/c/json": reply(200, stopped)}, true, "stopped"},
		{"create refused", fake{"POST /containers/c/exec": reply(500, `{"message": "no"}`), "GET /containers/c/json": reply(200, running)}, false, "no"},
		{"failed by itself", fake{"POST /exec/x/start": hello, "GET /exec/x/json": reply(200, `{"ExitCode": 137}`), "GET /containers/c/json": reply(200, running)}, false, "exit status 137"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.fake["POST /containers/c/exec"] == nil {
				test.fake["POST /containers/c/exec"] = created
			}
			c := &Container{ID: "c", Name: "c", engine: connectFake(t, test.fake), limit: time.Hour, started: time.Now(), created: "2026-01-02T03:04:05Z"}
			err := c.Exec(t.Context(), Command{Argv: []string{"make", "all"}})
			if err == nil || IsGone(err) != test.gone || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "exec make all: ") {
				t.Errorf("got %v; want gone %v and %q", err, test.gone, test.want)
			}
		})
	}
}

// An engine that stopped answering in the middle of a command must not keep
// anybody who wants to leave either.
func TestExecFrozen(t *testing.T) {
	for _, at := range []string{"POST /containers/c/exec", "POST /exec/x/start", "GET /exec/x/json"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			frozen := make(chan struct{})
			f := fake{
				"POST /containers/c/exec": reply(http.StatusCreated, `{"Id": "x"}`),
				"POST /exec/x/start":      hijack(func(io.Writer) {}),
			}
			f[at] = func(w http.ResponseWriter, r *http.Request) { <-frozen }
			f["DELETE /containers/c"] = f[at]
			c := &Container{ID: "c", Name: "c", engine: connectFake(t, f), limit: time.Hour, started: time.Now()}
			defer close(frozen) // lets the server close
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(50*time.Millisecond, cancel)
			begin := time.Now()
			if err := c.Exec(ctx, Command{Argv: []string{"make"}}); !errors.Is(err, context.Canceled) || IsGone(err) {
				t.Errorf("got %v", err)
			}
			// 3 s for the container, 1 s for the streams; cmd gives up after 5 s.
			if d := time.Since(begin); d > 4500*time.Millisecond {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestImportFails(t *testing.T) {
	progress := func(line string) fake {
		return fake{"POST /images/create": reply(200, `{"status": "importing"}`+"\n"+line)}
	}
	tests := []struct {
		name       string
		fake       fake
		full, gone bool
	}{
		{"disk full in mid-stream", progress(`{"error": "write /var/lib/x: no space left on device"}`), true, false},
		{"disk full at once", fake{"POST /images/create": reply(500, `{"message": "no space left on device"}`)}, true, false},
		{"other error in mid-stream", progress(`{"error": "bad tar"}`), false, false},
		{"cut in mid-stream", progress(`{"stat`), false, true},
		{"no answer", fake{"POST /images/create": drop}, false, true},
		{"success, but no image", progress(`{"status": "sha256:1"}`), false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := connectFake(t, test.fake).Import(t.Context(), strings.NewReader("tar"), "a:b", ImageConfig{})
			if err == nil || IsDiskFull(err) != test.full || IsGone(err) != test.gone {
				t.Errorf("got %v; want full %v, gone %v", err, test.full, test.gone)
			}
		})
	}
}

// The engine removes a container that ends by itself; Remove then meets
// conflicts, and returns only when it is no more.
func TestRemoveWhileRemoved(t *testing.T) {
	tries := 0
	e := connectFake(t, fake{"DELETE /containers/c": func(w http.ResponseWriter, r *http.Request) {
		tries++
		if tries < 4 {
			reply(409, `{"message": "removal of container c is already in progress"}`)(w, r)
			return
		}
		reply(404, `{"message": "No such container: c"}`)(w, r)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&Container{ID: "c", engine: e}).Remove(ctx); err != nil || tries != 4 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}

func TestChanges(t *testing.T) {
	got, err := ImageConfig{
		Labels: map[string]string{"b": "sha256:00", "a": `x "y" \ $Z`, "c": ""}, Env: []string{"LANG=C.UTF-8", "A=b c"},
		User: "1000:1000", Entrypoint: []string{"/x"}, Cmd: []string{"a b", `"`},
	}.changes()
	want := []string{`LABEL a="x \"y\" \\ \$Z"`, `LABEL b=sha256:00`, `LABEL c=`, `ENV LANG=C.UTF-8`, `ENV A="b c"`, `USER 1000:1000`, `ENTRYPOINT ["/x"]`, `CMD ["a b","\""]`}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	if got, err := (ImageConfig{Labels: map[string]string{"a": "b\nUSER root"}}).changes(); err == nil {
		t.Errorf("two lines: %q", got)
	}
}

func TestDiskFull(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, io.EOF: false, errors.New("No space"): false,
		&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}:          true,
		fmt.Errorf("put: %w", errors.New("write: no space left on device")): true,
	} {
		if IsDiskFull(err) != want {
			t.Errorf("%v: want %v", err, want)
		}
	}
}

func TestExitErrorText(t *testing.T) {
	long := &ExitError{Argv: []string{"sh", "-c", strings.Repeat("x\n", 100)}, Code: 137, OOM: true}
	if s := long.Error(); strings.Contains(s, "\n") || len(s) > 140 || !strings.Contains(s, "exit status 137: out of memory") {
		t.Errorf("got %q", s)
	}
}
