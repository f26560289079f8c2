package watch

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/fetch"
)

// TestListing reads listings of several servers, and passes over links that are
// no names of the layout.
func TestListing(t *testing.T) {
	const apache = `<!DOCTYPE HTML><html><body><table>
<tr><th><a href="?C=N;O=D">Name</a></th></tr>
<tr><td valign="top"><img src="/icons/folder.gif" alt="[DIR]"></td><td><a href="/ftp/">Parent Directory</a></td></tr>
<tr><td valign="top"><img src="/icons/folder.gif"></td><td><a href="3.13.6/">3.13.6/</a></td><td align="right">2025-08-06 17:08</td></tr>
</table></body></html>`
	const plain = "<ul>\n<li><A title=x HREF='./3.13.6/'>3.13.6/</A></li>\n<li><a href=\"&#51;.13.5/\">3.13.5/</a></li>\n</ul>"
	const hostile = `<a href="https://evil.example.org/3.13.99/">x</a><a href="//evil.example.org/3.13.98/">x</a>
<a href="../../3.13.97/">x</a><a href="3.13.96/../../etc/">x</a><a href="javascript:3.13.95/">x</a><a href="/3.13.94/">x</a>
<a href="3.13.99999/">x</a><a href="3.13.093/">x</a><a href="3.13.92%2f">x</a><a href="3.13.91/?x">x</a><a href="-3.13.90/">x</a>
<a href="3.13.89
/">x</a><a data-href="3.13.88/">x</a><!-- <a href= 3.13.87/> --><a href="3.13.6/">3.13.99/</a><a href="3.13.6/">again</a>`
	for name, page := range map[string]string{"apache": apache, "plain": plain, "hostile": hostile} {
		tr := newTree(t, "3.13.6")
		tr.hooks[""] = func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(page)) }
		w := watcher(t, tr.serve())
		found, errs := w.Look(context.Background(), []string{"3.13"}, known())
		if errs != nil || versions(found) != "3.13.6" {
			t.Errorf("%s: found %s, %v; asked %q", name, versions(found), errs, tr.asked)
		}
	}
}

// TestPlaceErrors has places that do not give what they list.
func TestPlaceErrors(t *testing.T) {
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	page := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
	}
	xz := at("3.13.6", ".tar.xz")
	for _, test := range []struct {
		what  string
		hooks map[string]http.HandlerFunc
		want  string
		is    error
	}{
		{"a page", map[string]http.HandlerFunc{"": page("<html>Log in</html>")}, "lists no release; want directories such as 3.13.5/", nil},
		{"no page", map[string]http.HandlerFunc{"": http.NotFound}, "404 Not Found", fetch.ErrNotHere},
		{"huge listing", map[string]http.HandlerFunc{"": page(strings.Repeat(`<a href="3.13.6/">`, 1<<19))}, "longer than the limit of 8388608 bytes", errTooLong},
		{"huge signature", map[string]http.HandlerFunc{xz + ".asc": page(strings.Repeat(" ", 9<<20))}, "longer than the limit", errTooLong},
		{"no directory", map[string]http.HandlerFunc{"3.13.6/": http.NotFound}, "3.13.6/: 404 Not Found", nil},
		{"listed but gone", map[string]http.HandlerFunc{xz: http.NotFound}, "Python-3.13.6.tar.xz: 404 Not Found", nil},
		{"keys in trouble", map[string]http.HandlerFunc{"pubkeys.txt": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }}, "pubkeys.txt: 503 Service Unavailable", nil},
		{"a key in trouble", map[string]http.HandlerFunc{
			"pubkeys.txt": page(string(newKeys("other").Public().OpenPGP)),
			"keys/" + manager().Public().Fingerprint + ".asc": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		}, ".asc: 503 Service Unavailable", nil},
		{"truncated", map[string]http.HandlerFunc{xz: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.Write([]byte("begin"))
		}}, "Python-3.13.6.tar.xz: after 5 bytes: unexpected EOF", nil},
		{"redirect to nowhere", map[string]http.HandlerFunc{"": http.RedirectHandler(elsewhere.URL, 302).ServeHTTP}, "404 Not Found", nil},
		{"redirect to itself", map[string]http.HandlerFunc{"": http.RedirectHandler("", 302).ServeHTTP}, "redirected ten times", errRedirect},
	} {
		t.Run(test.what, func(t *testing.T) {
			tr := newTree(t, "3.13.6", "3.13.5")
			tr.hooks = test.hooks
			place := tr.serve()
			w := watcher(t, place)
			found, errs := w.Look(context.Background(), []string{"3.13"}, known())
			if found != nil || len(errs) != 1 {
				t.Fatalf("found %v, %v", found, errs)
			}
			bad, ok := errors.AsType[*PlaceError](errs[0])
			if !ok || bad.Place != place || !strings.Contains(bad.Error(), test.want) {
				t.Errorf("got %v\nwant %s", errs[0], test.want)
			}
			if test.is != nil && !errors.Is(errs[0], test.is) {
				t.Errorf("got %v, want %v", errs[0], test.is)
			}
			if left := cached(t, w); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestTriesAgain has a server that is in trouble once, in every file.
func TestTriesAgain(t *testing.T) {
	tr := newTree(t, "3.13.6")
	plain := newTree(t)
	plain.files = tr.files
	seen := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch seen[r.URL.Path]++; {
		case seen[r.URL.Path] > 1:
			plain.ServeHTTP(w, r)
		case strings.HasSuffix(r.URL.Path, ".tar.xz"):
			w.Header().Set("Content-Length", "100000")
			w.Write(make([]byte, 50000))
		default:
			w.WriteHeader(502)
		}
	}))
	defer s.Close()
	found, errs := watcher(t, s.URL+"/python").Look(context.Background(), []string{"3.13"}, known())
	if errs != nil || len(found) != 1 || found[0].XZ != sum(tr.files[at("3.13.6", ".tar.xz")]) {
		t.Errorf("found %+v, %v", found, errs)
	}
}

// TestStall has a server that sends a little and no more.
func TestStall(t *testing.T) {
	tr := newTree(t, "3.13.6")
	tr.hooks[at("3.13.6", ".tgz")] = func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("begin"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	w := watcher(t, tr.serve())
	w.Fetcher.Stall, w.Fetcher.Attempts = 500*time.Millisecond, 1
	_, errs := w.Look(context.Background(), []string{"3.13"}, known())
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "Python-3.13.6.tgz: nothing came for 500ms") {
		t.Errorf("got %v", errs)
	}
}

// TestCancel ends a look in the middle of a download.
func TestCancel(t *testing.T) {
	tr := newTree(t, "3.13.6", "3.12.1")
	ctx, cancel := context.WithCancel(context.Background())
	tr.hooks[at("3.13.6", ".tar.xz")] = func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("begin"))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}
	w := watcher(t, tr.serve(), tr.serve())
	found, errs := w.Look(ctx, []string{"3.13", "3.12"}, known())
	if found != nil || len(errs) == 0 || !errors.Is(errs[len(errs)-1], context.Canceled) {
		t.Errorf("found %v, %v", found, errs)
	}
	if left := cached(t, w); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestRedirects follows a tree to another host, where signatures prove what comes,
// and a CSV to none.
func TestRedirects(t *testing.T) {
	tr := newTree(t, "3.13.6")
	tr.files["releases.csv"] = []byte("version,sha256_tar_xz,sha256_tgz\n3.13.6," + strings.Repeat("a", 64) + ",\n")
	there := tr.serve()
	host, _ := url.Parse(there)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+host.Host+r.URL.Path, http.StatusFound)
	}))
	defer s.Close()
	found, errs := watcher(t, s.URL+"/python/").Look(context.Background(), []string{"3.13"}, known())
	if errs != nil || len(found) != 1 || found[0].From != s.URL+"/python/" {
		t.Errorf("tree: found %v, %v", found, errs)
	}
	found, errs = watcher(t, s.URL+"/python/releases.csv").Look(context.Background(), []string{"3.13"}, known())
	if found != nil || len(errs) != 1 || !errors.Is(errs[0], errRedirect) || !strings.Contains(errs[0].Error(), "to another host, "+host.Host) {
		t.Errorf("csv: found %v, %v", found, errs)
	}

	secure := httptest.NewTLSServer(http.RedirectHandler(there, 302))
	defer secure.Close()
	w := watcher(t, secure.URL+"/python/")
	w.HTTP = secure.Client()
	found, errs = w.Look(context.Background(), []string{"3.13"}, known())
	if found != nil || len(errs) != 1 || !strings.Contains(errs[0].Error(), "redirected from https to http") {
		t.Errorf("downgrade: found %v, %v", found, errs)
	}
}

func TestPlaces(t *testing.T) {
	for place, want := range map[string]string{
		"ftp://user:secret@example.org/python/": "want a path, or an address with http, https or file",
		"https:///python/":                      "want a path",
		"http://example.org/releases.csv":       "hashes that come over plain http prove nothing",
		"http://user:sec%zzret@example.org/":    "malformed address",
		"/nowhere/releases.csv":                 "no such file",
		"file:///nowhere/":                      "no such file",
		"/dev/null":                             "not a regular file",
	} {
		found, errs := watcher(t, place).Look(context.Background(), []string{"3.13"}, known())
		if found != nil || len(errs) != 1 || !strings.Contains(errs[0].Error(), want) || strings.Contains(errs[0].Error(), "sec") {
			t.Errorf("%s: %v, %v; want %s", place, found, errs, want)
		}
	}
	w := watcher(t, Default)
	w.Fetcher.Offline = true
	if _, errs := w.Look(context.Background(), []string{"3.13"}, known()); len(errs) != 1 || !errors.Is(errs[0], fetch.ErrOffline) {
		t.Errorf("offline: %v", errs)
	}
	w.Places = []string{}
	if found, errs := w.Look(context.Background(), []string{"3.13"}, known()); found != nil || errs != nil {
		t.Errorf("no places: %v, %v", found, errs)
	}
}

// TestDefault has python.org, and the server that its keys are on.
func TestDefault(t *testing.T) {
	tr := newTree(t, "3.13.6")
	keys := tr.files["pubkeys.txt"]
	delete(tr.files, "pubkeys.txt")
	var asked []string
	w := watcher(t)
	w.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		rec := httptest.NewRecorder()
		switch r.URL.Path = strings.Replace(r.URL.Path, "/ftp/python/", "/python/", 1); {
		case r.URL.Host == "keys.openpgp.org" && strings.HasSuffix(r.URL.Path, "/by-fingerprint/"+manager().Public().Fingerprint):
			rec.Write(keys)
		default:
			tr.ServeHTTP(rec, r)
		}
		return rec.Result(), nil
	})}
	found, errs := w.Look(context.Background(), []string{"3.13"}, known())
	if errs != nil || len(found) != 1 || found[0].From != "https://www.python.org/ftp/python/" {
		t.Errorf("found %v, %v; asked %q", found, errs, asked)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestFullDisk blames neither the place nor the release.
func TestFullDisk(t *testing.T) {
	p := &place{}
	err := p.blame(&candidate{version: "3.13.6"}, &answerError{&diskError{syscall.ENOSPC}})
	if !errors.Is(err, syscall.ENOSPC) || errors.As(err, new(*PlaceError)) || errors.As(err, new(*ReleaseError)) {
		t.Errorf("got %v", err)
	}
	w := watcher(t, newTree(t, "3.13.6").write())
	w.Fetcher.Cache = "/dev/null/cache"
	found, errs := w.Look(context.Background(), []string{"3.13"}, known())
	if found != nil || len(errs) != 1 || errors.As(errs[0], new(*PlaceError)) || errors.As(errs[0], new(*ReleaseError)) {
		t.Errorf("found %v, %v", found, errs)
	}
}
