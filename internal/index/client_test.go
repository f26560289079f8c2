package index

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
