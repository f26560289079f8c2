package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// data is what the tests download, and good is the file that it is.
var data = func() []byte {
	b := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}()

var good = fileOf("P-1.tar.xz", data)

func fileOf(name string, content []byte) File {
	sum := sha256.Sum256(content)
	return File{Name: name, SHA256: hex.EncodeToString(sum[:])}
}

func flipped() []byte {
	b := bytes.Clone(data)
	b[len(b)/2] ^= 1
	return b
}

func testFetcher(t *testing.T) *Fetcher {
	return &Fetcher{Cache: t.TempDir(), Stall: 5 * time.Second, Backoff: time.Millisecond}
}

// serve starts a server that numbers its requests from 0 and notes their Range.
func serve(t *testing.T, handle func(n int, w http.ResponseWriter, r *http.Request)) (Place, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n := len(asked)
		asked = append(asked, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
		mu.Unlock()
		handle(n, w, r)
	}))
	t.Cleanup(server.Close)
	return URL(server.URL+"/pub", "server", server.Client()), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

func whole(_ int, w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// cut sends n bytes of a longer answer and hangs up.
func cut(w http.ResponseWriter, content []byte, n int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// inCache lists the files of a cache, and checks that what is named by a hash
// has it.
func inCache(t *testing.T, f *Fetcher) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(f.Cache, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		dir := filepath.Base(filepath.Dir(p))
		names = append(names, dir+"/"+d.Name()[:4])
		if dir != "partial" {
			content, err := os.ReadFile(p)
			if err != nil || fileOf("", content).SHA256 != d.Name() {
				t.Errorf("%s has other content, or %v", p, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var (
	complete = []string{good.SHA256[:2] + "/" + good.SHA256[:4]}
	part     = []string{"partial/" + good.SHA256[:4]}
)

func TestServers(t *testing.T) {
	const f = "/pub/P-1.tar.xz"
	const third = "bytes=1048576-"
	type handler = func(n int, w http.ResponseWriter, r *http.Request)
	status := func(code int) handler {
		return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	first := func(one, then handler) handler {
		return func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 0 {
				one(n, w, r)
			} else {
				then(n, w, r)
			}
		}
	}
	cutThird := func(_ int, w http.ResponseWriter, _ *http.Request) { cut(w, data, 1<<20) }
	noRange := func(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(data) }
	for _, tt := range []struct {
		what  string
		file  File
		serve handler
		want  string // in the error; "" for success
		asked []string
		left  []string
	}{
		{"well", good, whole, "", []string{f}, complete},
		{"flipped byte", good, func(_ int, w http.ResponseWriter, r *http.Request) { w.Write(flipped()) },
			"is not P-1.tar.xz: expected sha256 " + good.SHA256 + ", found " + fileOf("", flipped()).SHA256, []string{f}, nil},
		{"404", good, status(404), f + ": 404 Not Found", []string{f}, nil},
		{"403 is not tried again", good, status(403), f + ": 403 Forbidden", []string{f}, nil},
		{"500, then well", good, first(status(500), whole), "", []string{f, f}, complete},
		{"503 for ever", good, status(503), f + ": 503 Service Unavailable (after 3 tries)", []string{f, f, f}, nil},
		{"resume", good, first(cutThird, whole), "", []string{f, f + " " + third}, complete},
		{"no ranges", good, first(cutThird, noRange), "", []string{f, f + " " + third}, complete},
		{"cut at the same byte for ever", good, cutThird, "after 1048576 bytes: unexpected EOF (after 3 tries)",
			[]string{f, f + " " + third, f + " " + third, f + " " + third}, part},
		{"a wrong range", good, first(cutThird, func(n int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(data)-1, len(data)))
				w.WriteHeader(206)
			}
			w.Write(data)
		}), "", []string{f, f + " " + third, f}, complete},
		{"a lying range", good, first(cutThird, func(n int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 1048576-%d/%d", len(data)-1, len(data)))
				w.WriteHeader(206)
				w.Write(data[:len(data)-1<<20])
				return
			}
			w.Write(data)
		}), "", []string{f, f + " " + third, f}, complete},
		{"ranges refused", good, first(cutThird, func(n int, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(416)
				return
			}
			w.Write(data)
		}), "", []string{f, f + " " + third, f}, complete},
		{"Content-Length too small", good, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write(data[:1000])
		}, "expected sha256", []string{f}, nil},
		{"Content-Length beyond the known size", File{Name: good.Name, SHA256: good.SHA256, Size: int64(len(data))},
			func(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(append(flipped(), 0)) },
			"is not P-1.tar.xz: expected 3145728 bytes, found more", []string{f}, nil},
		{"endless", File{Name: good.Name, SHA256: good.SHA256, Size: int64(len(data))}, func(_ int, w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(data); err != nil {
					return
				}
			}
		}, "expected 3145728 bytes, found more", []string{f}, nil},
		{"closed early, size known", File{Name: good.Name, SHA256: good.SHA256, Size: int64(len(data))},
			first(func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.(http.Flusher).Flush() // so there is no Content-Length
				w.Write(data[:1<<20])
			}, whole), "", []string{f, f + " " + third}, complete},
		{"redirects for ever", good, func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, f, http.StatusFound)
		}, "stopped after 10 redirects", []string{f, f, f, f, f, f, f, f, f, f}, nil},
		{"redirect", good, func(_ int, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == f {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
				return
			}
			w.Write(data)
		}, "", []string{f, "/elsewhere"}, complete},
		{"stall in the head, then well", good, first(func(_ int, _ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		}, whole), "", []string{f, f}, complete},
		{"stall in the body, then well", good, first(func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Write(data[:1<<20])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, whole), "", []string{f, f + " " + third}, complete},
	} {
		t.Run(tt.what, func(t *testing.T) {
			fetcher := testFetcher(t)
			fetcher.Attempts = 3
			if strings.HasPrefix(tt.what, "stall") {
				fetcher.Stall = 500 * time.Millisecond
			}
			place, asked := serve(t, tt.serve)
			got, err := fetcher.Get(t.Context(), []File{tt.file}, []Place{place})
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if content, err := os.ReadFile(got.Path); err != nil || !bytes.Equal(content, data) {
					t.Errorf("%s: %v", got.Path, err)
				}
			} else if !errors.As(err, new(*FailedError)) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if diff := cmp.Diff(tt.asked, asked()); diff != "" {
				t.Errorf("asked: %s", diff)
			}
			if diff := cmp.Diff(tt.left, inCache(t, fetcher)); diff != "" {
				t.Errorf("left: %s", diff)
			}
		})
	}
}

func TestMaxSize(t *testing.T) {
	for what, handle := range map[string]func(int, http.ResponseWriter, *http.Request){
		"told":   whole,
		"untold": func(_ int, w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.Write(data) },
	} {
		f := testFetcher(t)
		f.MaxSize = 1000
		place, asked := serve(t, handle)
		_, err := f.Get(t.Context(), []File{good}, []Place{place})
		if err == nil || !strings.Contains(err.Error(), "longer than the limit of 1000 bytes") {
			t.Errorf("%s: error %v", what, err)
		}
		if n := len(asked()); n != 1 || len(inCache(t, f)) != 0 {
			t.Errorf("%s: asked %d times, left %v", what, n, inCache(t, f))
		}
	}
}

// A long file over a line that breaks after every MiB needs more tries than
// there are attempts, because each brings something new.
func TestEveryTryBringsSomething(t *testing.T) {
	f := testFetcher(t)
	f.Attempts = 1
	place, asked := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		var from int
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		if from+1<<20 >= len(data) {
			whole(0, w, r)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		if from > 0 {
			w.WriteHeader(206)
		}
		w.Write(data[from : from+1<<20])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	if _, err := f.Get(t.Context(), []File{good}, []Place{place}); err != nil {
		t.Fatal(err)
	}
	if len(asked()) != 3 {
		t.Errorf("asked %v", asked())
	}
}

func TestOrderAndTrail(t *testing.T) {
	tgz := fileOf("P-1.tgz", []byte("tgz"))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, tgz.Name), []byte("tgz"), 0o644); err != nil {
		t.Fatal(err)
	}
	bad, _ := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) })
	bad.Label = "captive portal"
	server, asked := serve(t, whole)
	f := testFetcher(t)
	var last [2]int64
	f.Progress = func(_ File, done, total int64) { last = [2]int64{done, total} }

	// The second alternative at the second place is before the third place.
	got, err := f.Get(t.Context(), []File{good, tgz}, []Place{bad, Dir(dir, "mirror"), server})
	if err != nil {
		t.Fatal(err)
	}
	if got.Place != "mirror" || got.File != tgz || len(asked()) != 0 {
		t.Errorf("got %+v, asked %v", got, asked())
	}
	var mismatch *MismatchError
	if len(got.Trail) != 4 || !errors.As(got.Trail[1].Err, &mismatch) || mismatch.Place != "captive portal" {
		t.Errorf("trail %v", got.Trail)
	}
	if last != [2]int64{3, 3} {
		t.Errorf("progress %v", last)
	}

	// From the cache, whichever is there; no place is asked.
	got, err = f.Get(t.Context(), []File{good, tgz}, []Place{server})
	if err != nil || got.File != tgz || got.Place != "cache "+f.Cache || len(asked()) != 0 {
		t.Errorf("got %+v, %v, asked %v", got, err, asked())
	}
}

func TestStrict(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, good.Name), flipped(), 0o644); err != nil {
		t.Fatal(err)
	}
	source := Dir(dir, "--source "+dir)
	source.Strict = true
	server, asked := serve(t, whole)
	f := testFetcher(t)
	_, err := f.Get(t.Context(), []File{good}, []Place{source, server})
	mismatch, ok := errors.AsType[*MismatchError](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	want := MismatchError{"--source " + dir, filepath.Join(dir, good.Name), good, fileOf("", flipped()).SHA256}
	if *mismatch != want {
		t.Errorf("got %+v, want %+v", *mismatch, want)
	}
	if len(asked()) != 0 || len(inCache(t, f)) != 0 {
		t.Errorf("asked %v, left %v", asked(), inCache(t, f))
	}

	// A strict place without the file is no reason to stop.
	if err := os.Remove(filepath.Join(dir, good.Name)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), []File{good}, []Place{source, server}); err != nil {
		t.Error(err)
	}
}

func TestFailedError(t *testing.T) {
	tgz := fileOf("P-1.tgz", []byte("tgz"))
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, good.Name), 0o755),
		syscall.Mkfifo(filepath.Join(dir, tgz.Name), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	missing, _ := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	base := missing
	missing.Label = "python.example.org"
	refused := URL("http://127.0.0.1:1/", "pool", http.DefaultClient)
	refused.Names = func(f File) []string { return []string{"pool/main/p/p_1.orig.tar.xz"} }
	f := testFetcher(t)
	_, err := f.Get(t.Context(), []File{good, tgz}, []Place{Dir(dir, "dir"), missing, refused})
	if !errors.As(err, new(*FailedError)) || !errors.Is(err, ErrNotHere) {
		t.Fatalf("error %v", err)
	}
	_, why := base.Open(t.Context(), "x", 0)
	host := strings.TrimSuffix(strings.TrimPrefix(why.Error(), "GET "), "/x: 404 Not Found")
	want := fmt.Sprintf(`no place has P-1.tar.xz (sha256 %.8s…) or P-1.tgz (sha256 %.8s…)
  cache %s: not there
  dir: %s/P-1.tar.xz: not a regular file
  dir: %s/P-1.tgz: not a regular file
  python.example.org: GET %s/P-1.tar.xz: 404 Not Found
  python.example.org: GET %s/P-1.tgz: 404 Not Found
  pool: GET http://127.0.0.1:1/pool/main/p/p_1.orig.tar.xz: dial tcp 127.0.0.1:1: connect: connection refused`,
		good.SHA256, tgz.SHA256, f.Cache, dir, dir, host, host)
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestOffline(t *testing.T) {
	server, asked := serve(t, whole)
	dir := t.TempDir()
	f := testFetcher(t)
	f.Offline = true
	_, err := f.Get(t.Context(), []File{good}, []Place{server, Dir(dir, "dir")})
	if !errors.Is(err, ErrOffline) || len(asked()) != 0 || !strings.Contains(err.Error(), "\n  server: not asked: offline\n  dir: P-1.tar.xz: not there") {
		t.Errorf("error %v, asked %v", err, asked())
	}
	// A local directory is no network, however it is written.
	if err := os.WriteFile(filepath.Join(dir, good.Name), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get(t.Context(), []File{good}, []Place{URL("file://"+dir, "dir", nil)}); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	var auth atomic.Value
	place, asked := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		auth.Store(r.Header.Get("Authorization") + r.URL.RawQuery)
		if r.URL.Path == "/pub/pool/p_1+dfsg~1.tar.xz" {
			w.Write(data)
			return
		}
		http.NotFound(w, r)
	})
	place.Names = func(f File) []string { return []string{"other name%", "../x", "pool/p_1+dfsg~1.tar.xz"} }
	got, err := testFetcher(t).Get(t.Context(), []File{good}, []Place{place})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/pub/other name%", "/pub/pool/p_1+dfsg~1.tar.xz"}, asked()); diff != "" {
		t.Error(diff)
	}
	if len(got.Trail) != 3 || got.Trail[2].Err.Error() != `"../x": not a path below a URL` {
		t.Errorf("trail %v", got.Trail)
	}

	_, why := place.Open(t.Context(), "x", 0)
	base := strings.TrimSuffix(strings.TrimPrefix(why.Error(), "GET "), "/x: 404 Not Found")
	exact := URL("", "index", http.DefaultClient)
	exact.Names = func(File) []string {
		return []string{"ftp://h.example.org/x", strings.Replace(base, "://", "://me:pw@", 1) + "/pool/p_1+dfsg~1.tar.xz?sig=1"}
	}
	if _, err := testFetcher(t).Get(t.Context(), []File{good}, []Place{exact}); err != nil {
		t.Error(err)
	}
	if auth.Load() != "Basic bWU6cHc=sig=1" {
		t.Errorf("sent %v", auth.Load())
	}
}

func TestCredentialsStaySecret(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/404/f":
			http.NotFound(w, r)
		case "/loop/f":
			http.Redirect(w, r, "/loop/f?token=hunter2", http.StatusFound)
		case "/bad/f":
			w.Header().Set("Location", "http://hunter2:hunter2@[/f?hunter2")
			w.WriteHeader(http.StatusFound)
		case "/cut/f":
			cut(w, data, 10)
		case "/slow/f":
			<-r.Context().Done()
		default:
			w.Write([]byte("other"))
		}
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	for _, base := range []string{
		"http://hunter2@" + host + "/404", "http://u:hunter2@" + host + "/loop/", "http://u:hunter2@" + host + "/bad",
		"http://u:hunter2@" + host + "/cut?hunter2", "http://u:hunter2@" + host + "/slow", "http://u:hunter2@" + host + "/other?key=hunter2",
		"http://u:hunter2@127.0.0.1:1/", "http://u:hunter2@host.invalid/", "ftp://u:hunter2@" + host, "http://u:hun/hunter2@" + host,
		"http://u:hunter2%zz@" + host, "https://u:hunter2@" + host,
	} {
		for _, strict := range []bool{false, true} {
			f := testFetcher(t)
			f.Attempts, f.Stall = 1, 100*time.Millisecond
			place := URL(base, "--source "+base, server.Client())
			exact := URL("", "--source x", server.Client())
			exact.Names = func(File) []string { return []string{base + "#hunter2", base + "/f#hunter2"} }
			file := good
			file.Name = "f"
			for _, place := range []Place{place, exact} {
				place.Strict = strict
				_, err := f.Get(t.Context(), []File{file}, []Place{place})
				if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "--source") {
					t.Errorf("%s: error %v", base, err)
				}
			}
		}
	}
}

func TestDamagedCache(t *testing.T) {
	server, asked := serve(t, whole)
	f := testFetcher(t)
	damage := func() {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(f.path(good)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path(good), flipped(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	got, err := f.Get(t.Context(), []File{good}, []Place{server})
	if err != nil || got.Place != "server" || len(got.Trail) != 1 || !strings.Contains(got.Trail[0].Err.Error(), "damaged: ") ||
		!strings.HasSuffix(got.Trail[0].Err.Error(), "; removed") {
		t.Errorf("got %+v, %v", got, err)
	}
	inCache(t, f)

	// Also when this Fetcher has seen it whole.
	damage()
	if got, err = f.Get(t.Context(), []File{good}, []Place{server}); err != nil || got.Place != "server" {
		t.Errorf("got %+v, %v", got, err)
	}
	// And removed even if nobody can replace it.
	damage()
	if _, err = f.Get(t.Context(), []File{good}, nil); !errors.As(err, new(*FailedError)) {
		t.Error(err)
	}
	if left := inCache(t, f); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if len(asked()) != 2 {
		t.Errorf("asked %v", asked())
	}
}

// A partial file of other bytes, from another place perhaps, is not held
// against the one that is asked now.
func TestWrongPart(t *testing.T) {
	server, asked := serve(t, whole)
	for what, begun := range map[string][]byte{
		"other bytes": flipped()[:2<<20], "longer": append(flipped(), flipped()...), "complete": data,
	} {
		f := testFetcher(t)
		if err := os.MkdirAll(filepath.Dir(f.partial(good)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.partial(good), begun, 0o644); err != nil {
			t.Fatal(err)
		}
		before := len(asked())
		got, err := f.Get(t.Context(), []File{good}, []Place{server})
		if err != nil || len(got.Trail) != 1 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
		if n := len(asked()) - before; (n == 0) != (what == "complete") {
			t.Errorf("%s: asked %d times", what, n)
		}
		if diff := cmp.Diff(complete, inCache(t, f)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
}

func TestTwoAtOnce(t *testing.T) {
	release := make(chan struct{})
	server, asked := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		<-release
		whole(n, w, r)
	})
	one := testFetcher(t)
	fetchers := []*Fetcher{one, one, {Cache: one.Cache}, {Cache: one.Cache}}
	var wg sync.WaitGroup
	for _, f := range fetchers {
		wg.Go(func() {
			got, err := f.Get(context.Background(), []File{good}, []Place{server})
			if err != nil {
				t.Error(err)
				return
			}
			if content, err := os.ReadFile(got.Path); err != nil || !bytes.Equal(content, data) {
				t.Error("other bytes, or ", err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // for all to queue up
	close(release)
	wg.Wait()
	if len(asked()) != 1 {
		t.Errorf("asked %v", asked())
	}
	if diff := cmp.Diff(complete, inCache(t, one)); diff != "" {
		t.Error(diff)
	}
}

func TestCancel(t *testing.T) {
	server, _ := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Write(data[:1<<20])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	f := testFetcher(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.Progress = func(_ File, done, _ int64) {
		if done == 1<<20 {
			cancel()
		}
	}
	start := time.Now()
	_, err := f.Get(ctx, []File{good}, []Place{server})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if diff := cmp.Diff(part, inCache(t, f)); diff != "" {
		t.Error(diff)
	}

	// Also while waiting for someone else's download.
	held, err := f.lock(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := f.Get(ctx, []File{good}, []Place{server}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// /dev/full is a disk without space.
func TestNoSpace(t *testing.T) {
	server, _ := serve(t, whole)
	f := testFetcher(t)
	if err := os.MkdirAll(filepath.Dir(f.partial(good)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", f.partial(good)); err != nil {
		t.Fatal(err)
	}
	next := Place{Label: "next", Open: func(context.Context, string, int64) (Body, error) {
		t.Error("another place was asked")
		return Body{}, ErrNotHere
	}}
	_, err := f.Get(t.Context(), []File{good}, []Place{server, next})
	if !errors.Is(err, syscall.ENOSPC) || errors.As(err, new(*FailedError)) {
		t.Errorf("error %v", err)
	}
	if left := inCache(t, f); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestBadCall(t *testing.T) {
	sum := good.SHA256
	for _, tt := range []struct {
		files []File
		want  string
	}{
		{nil, "no file asked for"},
		{[]File{{Name: "", SHA256: sum}}, `file name "" is not a plain name`},
		{[]File{{Name: "..", SHA256: sum}}, `file name ".." is not a plain name`},
		{[]File{{Name: "a/b", SHA256: sum}}, `file name "a/b" is not a plain name`},
		{[]File{{Name: "a"}}, "a: no hash given"},
		{[]File{{Name: "a", SHA256: sum, SHA512: sum}}, "is not 128 lower case hex digits"},
		{[]File{{Name: "a", SHA384: sum}}, "is not 96 lower case hex digits"},
		{[]File{{Name: "a", SHA256: sum[:63]}}, "is not 64 lower case hex digits"},
		{[]File{{Name: "a", SHA256: strings.ToUpper(sum)}}, "is not 64 lower case hex digits"},
		{[]File{{Name: "a", SHA256: "../" + sum[:61]}}, "is not 64 lower case hex digits"},
		{[]File{{Name: "a", SHA256: sum, Size: -1}}, "size -1 is negative"},
	} {
		f := testFetcher(t)
		if _, err := f.Get(t.Context(), tt.files, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: error %v, want %s", tt.files, err, tt.want)
		}
	}
	if _, err := new(Fetcher).Get(t.Context(), []File{good}, nil); err == nil {
		t.Error("no cache: no error")
	}
	if _, err := io.ReadAll(&ctxReader{canceled(), strings.NewReader("x")}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
