package index

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/fetch"
)

// web is a world of servers: every host of every test is here.
type web struct {
	handlers map[string]http.HandlerFunc // by scheme and host: "https://pypi.example.org"
	client   *http.Client

	mu    sync.Mutex
	asked []string // "https://pypi.example.org/simple/foo/", and the credentials, if any
}

func newWeb(t *testing.T, handlers map[string]http.HandlerFunc) *web {
	t.Helper()
	w := &web{handlers: handlers}
	plain := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(secure.Close)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		server := plain
		if strings.HasSuffix(address, ":443") {
			server = secure
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Transport: transport}
	return w
}

func (w *web) serve(rw http.ResponseWriter, r *http.Request) {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	line := scheme + r.Host + r.URL.RequestURI()
	if auth := r.Header.Get("Authorization"); auth != "" {
		text, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Basic "))
		line += " " + string(text)
	}
	if referer := r.Header.Get("Referer"); referer != "" {
		line += " from " + referer
	}
	w.mu.Lock()
	w.asked = append(w.asked, line)
	w.mu.Unlock()
	if handle := w.handlers[scheme+r.Host]; handle != nil {
		handle(rw, r)
		return
	}
	http.NotFound(rw, r)
}

// said is what was asked since the last time.
func (w *web) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
}

// pages serves paths as HTML.
func pages(byPath map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, ok := byPath[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, text)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (w *web) clientOf(t *testing.T, indexes ...Index) *Client {
	t.Helper()
	return &Client{HTTP: w.client, Indexes: indexes, Cache: t.TempDir(), Backoff: time.Millisecond}
}

func names(files []File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

func TestProject(t *testing.T) {
	w := newWeb(t, map[string]http.HandlerFunc{
		"https://one.example.org": pages(map[string]string{
			"/simple/foo-bar/": `<a href="foo_bar-1.zip">`, "/simple/empty/": "",
		}),
		"https://two.example.org": pages(map[string]string{
			"/foo-bar/": `<a href="foo_bar-9.zip">`, "/baz/": `<a href="baz-1.zip">`, "/empty/": `<a href="empty-1.zip">`,
		}),
		"https://json.example.org": func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.Header.Get("Accept"), "application/vnd.pypi.simple.v1+json, ") || !strings.HasSuffix(r.Header.Get("Accept"), ", text/html;q=0.01") {
				t.Errorf("Accept %q", r.Header.Get("Accept"))
			}
			w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
			fmt.Fprint(w, `{"meta":{"api-version":"1.0"},"files":[{"filename":"x-1.zip","url":"x-1.zip"}]}`)
		},
		"https://gone.example.org": status(410),
		"https://odd.example.org":  status(403),
	})
	one, two := Index{Name: "one", URL: "https://one.example.org/simple"}, Index{URL: "https://two.example.org/"}
	gone, odd := Index{URL: "https://gone.example.org/"}, Index{Name: "bucket", URL: "https://odd.example.org/", Absent: []int{403}}
	explicit := Index{Name: "explicit", URL: "https://two.example.org/", Explicit: true}
	for _, tt := range []struct {
		what    string
		indexes []Index
		project string
		want    []string
		err     string
	}{
		{"the first rules", []Index{one, two}, "Foo_.Bar", []string{"foo_bar-1.zip"}, ""},
		{"the next is asked", []Index{gone, odd, one, two}, "baz", []string{"baz-1.zip"}, ""},
		{"no files are an answer", []Index{one, two}, "empty", nil, ""},
		{"JSON", []Index{{URL: "https://json.example.org/simple/"}}, "x", []string{"x-1.zip"}, ""},
		{"unknown", []Index{one, two, gone, odd}, "Nope", nil,
			"project nope: unknown to one and https://two.example.org/ and https://gone.example.org/ and bucket"},
		{"explicit", []Index{one, explicit}, "baz", nil, "project baz: unknown to one"},
		{"none", nil, "baz", nil, "project baz: no index to ask"},
		{"no name", []Index{one}, "../secret", nil, `project "../secret": not a name`},
		{"no URL", []Index{{Name: "bad", URL: "file:///srv/simple"}}, "baz", nil, "project baz: index bad: file:///srv/simple: not an http or https URL"},
		{"malformed URL", []Index{{URL: "https://u:hunter2@h.example.org:x/"}}, "baz", nil, "project baz: index malformed URL: malformed URL"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			files, err := w.clientOf(t, tt.indexes...).Project(t.Context(), tt.project)
			if text := fmt.Sprint(err); tt.err != "" && text != tt.err || tt.err == "" && err != nil {
				t.Errorf("error %v, want %s", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, names(files)); diff != "" {
				t.Error(diff)
			}
			if _, unknown := errors.AsType[*UnknownProjectError](err); unknown != (strings.Contains(tt.err, "unknown") || strings.Contains(tt.err, "no index")) {
				t.Errorf("error %T", err)
			}
		})
	}
	files, err := w.clientOf(t, two).Project(t.Context(), "baz")
	if err != nil || files[0].Index != "https://two.example.org/" {
		t.Errorf("%+v, %v", files, err)
	}
}

func TestAnswers(t *testing.T) {
	ok := pages(map[string]string{"/foo/": `<a href="foo-1.zip">`})
	after := func(n int, first, then http.HandlerFunc) http.HandlerFunc {
		var mu sync.Mutex
		return func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			n--
			left := n
			mu.Unlock()
			if left >= 0 {
				first(w, r)
			} else {
				then(w, r)
			}
		}
	}
	wait := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", text)
			w.WriteHeader(429)
		}
	}
	zeros := func(w http.ResponseWriter, _ *http.Request) {
		var bomb bytes.Buffer
		zip := gzip.NewWriter(&bomb)
		block := make([]byte, 1<<20)
		for range maxPage>>20 + 1 {
			zip.Write(block)
		}
		zip.Close()
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb.Bytes())
	}
	const get = "project foo: index corp: GET https://pypi.example.org/foo/: "
	for _, tt := range []struct {
		what   string
		handle http.HandlerFunc
		asked  int
		err    string // "" if the file comes
	}{
		{"busy", after(3, status(503), ok), 4, ""},
		{"too busy", status(500), 4, get + "500 Internal Server Error (after 4 tries)"},
		{"throttled", after(1, wait("0"), ok), 2, ""},
		{"throttled for long", wait("3600"), 1, get + "429 Too Many Requests; to be asked again in 1h0m0s"},
		{"throttled for ever", wait("99999999999999999"), 1, get + "429 Too Many Requests; to be asked again in 298261h37m4s"},
		{"cut off", after(2, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, ok), 3, ""},
		{"cut short", after(1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("<a href"))
		}, ok), 2, ""},
		{"silent", after(1, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ok), 2, ""},
		{"silent in the middle", after(1, func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("<a href"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, ok), 2, ""},
		{"silent for ever", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 4, get + "nothing came for 200ms (after 4 tries)"},
		{"teapot", status(418), 1, get + "418 I'm a teapot"},
		{"nothing", status(204), 1, get + "204 No Content"},
		{"unasked 304", status(304), 1, "project foo: index corp: unchanged"},
		{"too long", func(w http.ResponseWriter, _ *http.Request) {
			block := make([]byte, 1<<20)
			for range maxPage>>20 + 1 {
				w.Write(block)
			}
		}, 1, get + "longer than the limit of 67108864 bytes"},
		{"bomb", zeros, 1, get + "longer than the limit of 67108864 bytes"},
		{"another type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Write([]byte("sign in"))
		}, 1, get + `not a page of an index: Content-Type "text/plain; charset=utf-8"`},
		{"loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, 10, get + "stopped after 10 redirects"},
		{"down to http", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://u:hunter2@pypi.example.org/foo/?hunter2", http.StatusFound)
		}, 1, get + "redirected from https to http://pypi.example.org/foo/"},
		{"bad redirect", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://u:hunter2@[/foo?hunter2")
			w.WriteHeader(http.StatusFound)
		}, 1, get + "failed to parse Location header"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			w := newWeb(t, map[string]http.HandlerFunc{"https://pypi.example.org": tt.handle})
			c := w.clientOf(t, Index{Name: "corp", URL: "https://pypi.example.org"})
			if strings.HasPrefix(tt.what, "silent") {
				c.Stall = 200 * time.Millisecond
			}
			files, err := c.Project(t.Context(), "foo")
			if tt.err == "" && (err != nil || len(files) != 1) || tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)) {
				t.Errorf("%v, error %v, want %s", files, err, tt.err)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("error %v", err)
			}
			if n := len(w.said()); n != tt.asked {
				t.Errorf("asked %d times, want %d", n, tt.asked)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "1.5": 0,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Addresses on a page start from where it was at last.
func TestRedirect(t *testing.T) {
	w := newWeb(t, map[string]http.HandlerFunc{
		"https://old.example.org": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://new.example.org/s"+r.URL.Path+"?token=hunter2", http.StatusMovedPermanently)
		},
		"https://new.example.org": pages(map[string]string{"/s/foo/": `<a href="../foo-1.zip">`}),
	})
	files, err := w.clientOf(t, Index{URL: "https://old.example.org/"}).Project(t.Context(), "foo")
	if err != nil {
		t.Fatal(err)
	}
	if got := files[0]; got.URL != "https://new.example.org/s/foo-1.zip" || got.Index != "https://old.example.org/" {
		t.Errorf("%+v", got)
	}
}

// However many ask, there is one request; an error is not kept, and who gives
// up does so for itself.
func TestOnce(t *testing.T) {
	release := make(chan struct{})
	w := newWeb(t, map[string]http.HandlerFunc{"https://pypi.example.org": func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		pages(map[string]string{"/foo/": `<a href="foo-1.zip">`})(w, r)
	}})
	c := w.clientOf(t, Index{URL: "https://pypi.example.org/"})
	hasty, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := c.Project(hasty, "foo")
		gaveUp <- err
	}()
	for len(w.peek()) == 0 {
		time.Sleep(time.Millisecond)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			files, err := c.Project(t.Context(), "Foo")
			if err != nil || len(files) != 1 {
				t.Errorf("%v, %v", files, err)
			}
		})
	}
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	wg.Wait()
	files, err := c.Project(t.Context(), "foo")
	if err != nil {
		t.Fatal(err)
	}
	files[0].Name = "changed"
	if files, _ = c.Project(t.Context(), "foo"); files[0].Name != "foo-1.zip" {
		t.Error("the client's own files were changed")
	}
	if asked := w.said(); len(asked) != 2 {
		t.Errorf("asked %v", asked)
	}
}

func (w *web) peek() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

func TestMatch(t *testing.T) {
	h := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	link := func(name, hash string) string {
		return `<a href="` + name + "#" + strings.Replace(hash, ":", "=", 1) + `">`
	}
	w := newWeb(t, map[string]http.HandlerFunc{
		"https://one.example.org": pages(map[string]string{
			"/foo/": link("foo-1.zip", h("1")) + link("foo-2.zip", h("2")) + `<a href="foo-3.zip">`, "/signed/": link("signed-1.zip?s=1", h("1")),
		}),
		"https://two.example.org": pages(map[string]string{
			"/foo/": link("foo-1.zip", h("1")) + link("foo-4.zip", "sha512:"+sum5), "/baz/": link("baz-1.zip", h("1")),
		}),
	})
	one, two := Index{Name: "one", URL: "https://u:hunter2@one.example.org"}, Index{Name: "two", URL: "https://two.example.org", Explicit: true}
	for _, tt := range []struct {
		what    string
		indexes []Index
		project string
		hashes  []string
		want    []string // "index name"
		hosts   int      // asked
		again   int      // asked by another client
		err     string
	}{
		{"one of many", []Index{one, two}, "Foo", []string{h("2")}, []string{"one foo-2.zip"}, 1, 0, ""},
		{"several", []Index{one, two}, "foo", []string{h("2"), h("1")}, []string{"one foo-1.zip", "one foo-2.zip"}, 1, 0, ""},
		{"the rest elsewhere", []Index{one, two}, "foo", []string{h("1"), "sha512:" + sum5}, []string{"one foo-1.zip", "two foo-4.zip"}, 2, 0, ""},
		{"the rest nowhere", []Index{one, two}, "foo", []string{h("1"), h("9")}, []string{"one foo-1.zip"}, 2, 0, ""},
		{"not at the first", []Index{one, two}, "baz", []string{h("1")}, []string{"two baz-1.zip"}, 2, 0, ""},
		{"signed addresses do not last", []Index{one}, "signed", []string{h("1")}, []string{"one signed-1.zip"}, 1, 1, ""},
		{"no file", []Index{one, two}, "foo", []string{h("9")}, nil, 2, 2,
			"project foo: no file has " + h("9") + ": one lists 3 files, 1 of them without a hash; two lists 2 files"},
		{"no file, many hashes", []Index{two}, "foo", []string{h("9"), h("8"), h("7")}, nil, 1, 1, "project foo: no file has " + h("9") + " or 2 others: two lists 2 files"},
		{"unknown", []Index{one, two}, "nope", []string{h("1")}, nil, 2, 2, "project nope: unknown to one and two"},
		{"no hash", []Index{one}, "foo", nil, nil, 0, 0, `project "foo": not a name, or no hash to look for`},
	} {
		t.Run(tt.what, func(t *testing.T) {
			c := w.clientOf(t, tt.indexes...)
			for i, asked := range []int{tt.hosts, tt.again} {
				c = &Client{HTTP: w.client, Indexes: c.Indexes, Cache: c.Cache}
				files, err := c.Match(t.Context(), tt.project, tt.hashes)
				if text := fmt.Sprint(err); tt.err != "" && text != tt.err || tt.err == "" && err != nil {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				var got []string
				for _, f := range files {
					got = append(got, f.Index+" "+f.Name)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if n := len(w.said()); n != asked {
					t.Errorf("run %d: asked %d times, want %d", i, n, asked)
				}
			}
			if tt.again == 0 && tt.err == "" {
				c = &Client{Indexes: c.Indexes, Cache: c.Cache, Offline: true}
				if files, err := c.Match(t.Context(), tt.project, tt.hashes); err != nil || len(files) != len(tt.want) {
					t.Errorf("offline: %v, %v", files, err)
				}
			}
			noSecrets(t, c.Cache)
		})
	}
}

// noSecrets looks for passwords in all files of a cache.
func noSecrets(t *testing.T, dir string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(name)
		if bytes.Contains(data, []byte("hunter2")) || strings.HasPrefix(d.Name(), ".new-") {
			t.Errorf("%s: %s", name, data)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return files
}

// A damaged answer is as good as none, and is written again.
func TestDamagedCache(t *testing.T) {
	w := newWeb(t, map[string]http.HandlerFunc{"https://pypi.example.org": pages(map[string]string{"/foo/": `<a href="foo-1.zip#sha256=` + sum2 + `">`})})
	first := w.clientOf(t, Index{URL: "https://pypi.example.org"})
	match := func() int {
		t.Helper()
		c := &Client{HTTP: w.client, Indexes: first.Indexes, Cache: first.Cache}
		files, err := c.Match(t.Context(), "foo", []string{"sha256:" + sum2})
		if err != nil || len(files) != 1 || files[0].URL != "https://pypi.example.org/foo/foo-1.zip" {
			t.Fatalf("%v, %v", files, err)
		}
		return len(w.said())
	}
	match()
	damages := map[string]func([]byte) []byte{
		"empty":      func([]byte) []byte { return nil },
		"short":      func(b []byte) []byte { return b[:len(b)-1] },
		"changed":    func(b []byte) []byte { return bytes.Replace(b, []byte("foo-1"), []byte("foo-2"), 1) },
		"no digest":  func(b []byte) []byte { return b[65:] },
		"of others":  func([]byte) []byte { return entryOf(`[{"Name":"foo-1.zip","Hashes":{"sha256":"00"}}]`) },
		"not a list": func([]byte) []byte { return entryOf(`{}`) },
		"no files":   func([]byte) []byte { return entryOf(`[]`) },
	}
	for what, damage := range damages {
		err := filepath.WalkDir(first.Cache, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return os.WriteFile(name, damage(data), 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := match(); n != 1 {
			t.Errorf("%s: asked %d times", what, n)
		}
		if n := match(); n != 0 {
			t.Errorf("%s: asked %d times again", what, n)
		}
	}
}

func entryOf(content string) []byte {
	return []byte(digestOf(content) + "\n" + content)
}

// Pages are asked for again, but sent only if they have changed; offline they
// serve as they are.
func TestKeptPages(t *testing.T) {
	version, hits := 1, 0
	w := newWeb(t, map[string]http.HandlerFunc{
		"https://tag.example.org": func(w http.ResponseWriter, r *http.Request) {
			tag := fmt.Sprintf(`"v%d"`, version)
			w.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				hits++
				w.WriteHeader(304)
				return
			}
			pages(map[string]string{"/foo/": fmt.Sprintf(`<a href="foo-%d.zip">`, version)})(w, r)
		},
		"https://date.example.org": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			at := time.Unix(1e9+int64(version), 0)
			if r.Header.Get("If-Modified-Since") == at.UTC().Format(http.TimeFormat) {
				hits++
			}
			http.ServeContent(w, r, "", at, strings.NewReader(fmt.Sprintf(`<a href="foo-%d.zip">`, version)))
		},
	})
	for _, host := range []string{"https://u:hunter2@tag.example.org/", "https://u:hunter2@date.example.org/"} {
		version, hits = 1, 0
		first := w.clientOf(t, Index{URL: "https://none.example.org/"}, Index{URL: host})
		ask := func(offline bool, want string) {
			t.Helper()
			c := &Client{HTTP: w.client, Indexes: first.Indexes, Cache: first.Cache, Offline: offline}
			files, err := c.Project(t.Context(), "foo")
			if err != nil || len(files) != 1 || files[0].Name != want {
				t.Errorf("%s: %v, %v", host, files, err)
			}
			if n := len(w.said()); offline && n > 0 {
				t.Errorf("asked %d times", n)
			}
		}
		ask(false, "foo-1.zip")
		ask(false, "foo-1.zip")
		version = 2
		ask(true, "foo-1.zip")
		ask(false, "foo-2.zip")
		ask(true, "foo-2.zip")
		if hits != 1 {
			t.Errorf("%s: %d times unchanged", host, hits)
		}
		noSecrets(t, first.Cache)
	}
}

func TestOffline(t *testing.T) {
	w := newWeb(t, nil)
	c := w.clientOf(t, Index{Name: "corp", URL: "https://pypi.example.org/"})
	c.Offline = true
	f := File{Name: "foo-1-py3-none-any.whl", URL: "https://pypi.example.org/foo-1-py3-none-any.whl", Hashes: map[string]string{"sha256": sum2}, Metadata: true, Index: "corp"}
	_, err := c.Project(t.Context(), "foo")
	if !errors.Is(err, fetch.ErrOffline) || err.Error() != "project foo: index corp: not asked: offline" {
		t.Error(err)
	}
	if _, err = c.Match(t.Context(), "foo", []string{"sha256:" + sum2}); !errors.Is(err, fetch.ErrOffline) {
		t.Error(err)
	}
	if _, err = c.MetadataOf(t.Context(), f); !errors.Is(err, fetch.ErrOffline) || !strings.HasPrefix(err.Error(), "metadata of foo-1-py3-none-any.whl: ") {
		t.Error(err)
	}
	if asked := w.said(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
}

func TestLabel(t *testing.T) {
	for text, want := range map[string]string{
		"https://u:hunter2@pypi.example.org/simple/?hunter2#hunter2": "https://pypi.example.org/simple/",
		"https://hunter2@pypi.example.org":                           "https://pypi.example.org",
		"https://u:hunter2@h.example.org:x":                          "malformed URL",
		"https://u:hun/hunter2@h.example.org":                        "malformed URL",
		"https://u:hunter2%zz@h.example.org":                         "malformed URL",
		"u:hunter2@h.example.org":                                    "malformed URL",
		"hunter2@h.example.org/simple":                               "malformed URL",
		"":                                                           "malformed URL",
	} {
		if got := Label(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	if got := (Index{Name: "x https://u:hunter2@h.example.org/", URL: "y"}).Label(); got != "x https://h.example.org/" {
		t.Error(got)
	}
	if _, err := url.Parse(Label("https://h.example.org/a%2Fb/@x/")); err != nil || Label("https://h.example.org/a%2Fb/@x/") != "https://h.example.org/a%2Fb/@x/" {
		t.Error(err)
	}
}
