package index

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/fetch"
)

// guarded serves to one user alone.
func guarded(user, password string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func netrcOf(t *testing.T, text string) *Netrc {
	t.Helper()
	n, err := ParseNetrc("netrc", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCredentials(t *testing.T) {
	page := pages(map[string]string{"/a/foo/": `<a href="foo-1.zip">`, "/b/foo/": `<a href="foo-1.zip">`})
	two := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/a/") {
			guarded("ann", "hunter2", page)(w, r)
		} else {
			guarded("bob", "hunter2b", page)(w, r)
		}
	}
	type ringer = func(ctx context.Context, u *url.URL) (string, string, bool)
	said := func(user, password string) ringer {
		return func(context.Context, *url.URL) (string, string, bool) { return user, password, true }
	}
	nothing := func(context.Context, *url.URL) (string, string, bool) { return "", "", false }
	const host = "https://pypi.example.org"
	const get = "project foo: index corp: GET https://pypi.example.org/a/foo/: "
	for _, tt := range []struct {
		what    string
		handle  http.HandlerFunc
		indexes []string
		netrc   string
		ring    ringer
		asked   []string
		rung    []string // URLs that the keyring was asked for
		err     string
	}{
		{"in the URL", two, []string{"https://ann:hunter2@pypi.example.org/a"}, "", nil, []string{host + "/a/foo/ ann:hunter2"}, nil, ""},
		{"percent-encoded", guarded("a@b", "hunter2/", page), []string{"https://a%40b:hunter2%2F@pypi.example.org/a"}, "", nil, []string{host + "/a/foo/ a@b:hunter2/"}, nil, ""},
		{"the port is the same", two, []string{"https://ann:hunter2@PYPI.example.org:443/a"}, "", nil, []string{"https://PYPI.example.org:443/a/foo/ ann:hunter2"}, nil, ""},
		{"two on a host", two, []string{"https://bob:hunter2b@pypi.example.org/b", "https://ann:hunter2@pypi.example.org/a"}, "", nil, []string{host + "/b/foo/ bob:hunter2b"}, nil, ""},
		{"two on a host, the other", two, []string{"https://ann:hunter2@pypi.example.org/a", "https://bob:hunter2b@pypi.example.org/b"}, "", nil, []string{host + "/a/foo/ ann:hunter2"}, nil, ""},
		{"netrc", two, []string{host + "/a"}, "machine pypi.example.org login ann password hunter2", nil, []string{host + "/a/foo/ ann:hunter2"}, nil, ""},
		{"netrc by default", two, []string{host + "/a"}, "default login ann password hunter2", nil, []string{host + "/a/foo/ ann:hunter2"}, nil, ""},
		{"netrc of that user", two, []string{"https://ann@pypi.example.org/a"}, "machine pypi.example.org login bob password hunter2b machine pypi.example.org login ann password hunter2", nil,
			[]string{host + "/a/foo/ ann:hunter2"}, nil, ""},
		{"netrc is no better than the URL", two, []string{"https://ann:hunter2@pypi.example.org/a"}, "machine pypi.example.org login bob password hunter2b", nil, []string{host + "/a/foo/ ann:hunter2"}, nil, ""},
		{"a user only", two, []string{"https://ann@pypi.example.org/a"}, "", said("ann", "hunter2"), []string{host + "/a/foo/ ann:hunter2"}, []string{"https://ann@pypi.example.org/a"}, ""},
		{"a token only", guarded("hunter2", "", page), []string{"https://hunter2@pypi.example.org/a"}, "", nil, []string{host + "/a/foo/ hunter2:"}, nil, ""},
		{"asked at 401", two, []string{host + "/a"}, "", said("ann", "hunter2"), []string{host + "/a/foo/", host + "/a/foo/ ann:hunter2"}, []string{host + "/a"}, ""},
		{"asked when refused", two, []string{"https://ann:old-hunter2@pypi.example.org/a"}, "", said("ann", "hunter2"),
			[]string{host + "/a/foo/ ann:old-hunter2", host + "/a/foo/ ann:hunter2"}, []string{"https://ann@pypi.example.org/a"}, ""},
		{"none", two, []string{host + "/a"}, "machine other.example.org login x password hunter2", nil, []string{host + "/a/foo/"}, nil,
			get + "401 Unauthorized: no credentials for pypi.example.org, neither in the URL of the index nor in netrc"},
		{"none in the keyring", two, []string{host + "/a"}, "", nothing, []string{host + "/a/foo/"}, []string{host + "/a"},
			get + "401 Unauthorized: no credentials for pypi.example.org, neither in the URL of the index nor in netrc nor in the keyring"},
		{"refused", two, []string{"https://ann:hunter2x@pypi.example.org/a"}, "", nil, []string{host + "/a/foo/ ann:hunter2x"}, nil,
			get + "401 Unauthorized: the credentials from the URL of the index were refused"},
		{"netrc refused", two, []string{host + "/a"}, "machine pypi.example.org login ann password hunter2x", nil, []string{host + "/a/foo/ ann:hunter2x"}, nil,
			get + "401 Unauthorized: the credentials from netrc were refused"},
		{"keyring refused", two, []string{host + "/a"}, "", said("ann", "hunter2x"), []string{host + "/a/foo/", host + "/a/foo/ ann:hunter2x"}, []string{host + "/a"},
			get + "401 Unauthorized: the credentials from the keyring were refused"},
		{"forbidden", status(403), []string{"https://ann:hunter2@pypi.example.org/a"}, "", said("ann", "hunter2"), []string{host + "/a/foo/ ann:hunter2"}, nil,
			get + "403 Forbidden: the credentials from the URL of the index were refused"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			w := newWeb(t, map[string]http.HandlerFunc{host: tt.handle, "https://PYPI.example.org:443": tt.handle})
			c := w.clientOf(t)
			for _, address := range tt.indexes {
				c.Indexes = append(c.Indexes, Index{Name: "corp", URL: address})
			}
			c.Netrc = netrcOf(t, tt.netrc)
			var rung []string
			if tt.ring != nil {
				c.Credentials = func(ctx context.Context, u *url.URL) (string, string, bool) {
					rung = append(rung, u.String())
					return tt.ring(ctx, u)
				}
			}
			files, err := c.Project(t.Context(), "foo")
			if text := fmt.Sprint(err); tt.err != "" && text != tt.err || tt.err == "" && (err != nil || len(files) != 1) {
				t.Errorf("%v, error %v, want %s", files, err, tt.err)
			}
			if tt.err != "" && !errors.As(err, new(*AccessError)) || strings.Contains(fmt.Sprintf("%v %+v", err, files), "hunter2") {
				t.Errorf("error %v, files %+v", err, files)
			}
			if diff := cmp.Diff(tt.asked, w.said()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.rung, rung); diff != "" {
				t.Error(diff)
			}
			noSecrets(t, c.Cache)
		})
	}
}

// The keyring is asked once, however many requests need it at once.
func TestKeyringOnce(t *testing.T) {
	w := newWeb(t, map[string]http.HandlerFunc{"https://pypi.example.org": guarded("ann", "hunter2", status(404))})
	c := w.clientOf(t, Index{URL: "https://pypi.example.org/"})
	asked := 0
	c.Credentials = func(context.Context, *url.URL) (string, string, bool) { asked++; return "ann", "hunter2", true }
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := c.Project(t.Context(), fmt.Sprintf("foo%d", i)); !errors.As(err, new(*UnknownProjectError)) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// What leaves for another host, whichever way, leaves without the credentials
// of the index.
func TestCredentialsStay(t *testing.T) {
	elsewhere := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	content := []byte("content")
	for _, tt := range []struct {
		what, from, to string // to: where a file is, or is redirected to
		redirect       bool
		netrc          string
		want           []string
	}{
		{"same host", "https://pypi.example.org", "https://pypi.example.org/f/foo-1.zip", false, "", []string{"https://pypi.example.org/f/foo-1.zip ann:hunter2"}},
		{"other host", "https://pypi.example.org", "https://files.example.org/foo-1.zip", false, "", []string{"https://files.example.org/foo-1.zip"}},
		{"host below", "https://example.org", "https://files.example.org/foo-1.zip", true, "",
			[]string{"https://example.org/get ann:hunter2", "https://files.example.org/foo-1.zip"}},
		{"other port", "https://pypi.example.org", "https://pypi.example.org:8443/foo-1.zip", true, "",
			[]string{"https://pypi.example.org/get ann:hunter2", "https://pypi.example.org:8443/foo-1.zip"}},
		{"other scheme", "http://pypi.example.org", "https://pypi.example.org/foo-1.zip", true, "",
			[]string{"http://pypi.example.org/get ann:hunter2", "https://pypi.example.org/foo-1.zip"}},
		{"by default", "https://pypi.example.org", "https://files.example.org/foo-1.zip", false, "default login ann password hunter2", []string{"https://files.example.org/foo-1.zip"}},
		{"netrc has it", "https://pypi.example.org", "https://files.example.org/foo-1.zip", false, "machine files.example.org login bob password hunter2b",
			[]string{"https://files.example.org/foo-1.zip bob:hunter2b"}},
		{"netrc has it after a redirect", "https://pypi.example.org", "https://files.example.org/foo-1.zip", true, "machine files.example.org login bob password hunter2b",
			[]string{"https://pypi.example.org/get ann:hunter2", "https://files.example.org/foo-1.zip bob:hunter2b"}},
		{"netrc has it, in the clear", "https://pypi.example.org", "http://files.example.org/foo-1.zip", false, "machine files.example.org login bob password hunter2b",
			[]string{"http://files.example.org/foo-1.zip"}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			send := func(w http.ResponseWriter, _ *http.Request) { w.Write(content) }
			target, err := url.Parse(tt.to)
			if err != nil {
				t.Fatal(err)
			}
			handlers := map[string]http.HandlerFunc{target.Scheme + "://" + target.Host: send}
			address := tt.to
			if tt.redirect {
				handlers[tt.from] = elsewhere(tt.to)
				address = tt.from + "/get"
			}
			w := newWeb(t, handlers)
			c := w.clientOf(t, Index{URL: strings.Replace(tt.from, "://", "://ann:hunter2@", 1) + "/simple?hunter2"})
			c.Netrc = netrcOf(t, tt.netrc)
			dialAnyPort(c)
			place := c.Place("index https://u:hunter2@pypi.example.org/")
			place.Names = func(fetch.File) []string { return []string{address} }
			f := &fetch.Fetcher{Cache: t.TempDir()}
			got, err := f.Get(t.Context(), []fetch.File{{Name: "foo-1.zip", SHA256: digestOf(content)}}, []fetch.Place{place})
			if err != nil || strings.Contains(fmt.Sprintf("%+v", got), "hunter2") {
				t.Errorf("%+v, %v", got, err)
			}
			if diff := cmp.Diff(tt.want, w.said()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// dialAnyPort makes port 8443 one of https too.
func dialAnyPort(c *Client) {
	transport := c.HTTP.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		return dial(ctx, network, strings.Replace(address, ":8443", ":443", 1))
	}
}

// Pages do not carry them away either.
func TestCredentialsStayOnRedirect(t *testing.T) {
	w := newWeb(t, map[string]http.HandlerFunc{
		"https://pypi.example.org": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.org/foo/", http.StatusFound)
		},
		"https://evil.example.org": status(401),
	})
	c := w.clientOf(t, Index{Name: "corp", URL: "https://ann:hunter2@pypi.example.org/?hunter2"})
	var rung []string
	c.Credentials = func(_ context.Context, u *url.URL) (string, string, bool) {
		rung = append(rung, u.String())
		return "", "", false
	}
	_, err := c.Project(t.Context(), "foo")
	want := "project foo: index corp: GET https://evil.example.org/foo/: 401 Unauthorized: no credentials for evil.example.org, neither in the URL of the index nor in netrc nor in the keyring"
	if err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff([]string{"https://pypi.example.org/foo/?hunter2 ann:hunter2", "https://evil.example.org/foo/"}, w.said()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"https://evil.example.org/"}, rung); diff != "" {
		t.Error(diff)
	}
}

// Whatever goes wrong, no error has the password.
func TestCredentialsStaySecret(t *testing.T) {
	w := newWeb(t, map[string]http.HandlerFunc{"https://pypi.example.org": func(w http.ResponseWriter, r *http.Request) {
		switch strings.Split(r.URL.Path, "/")[1] {
		case "loop":
			http.Redirect(w, r, "https://u:hunter2@pypi.example.org"+r.URL.Path+"?hunter2", http.StatusFound)
		case "bad":
			w.Header().Set("Location", "https://hunter2:hunter2@[/f?hunter2")
			w.WriteHeader(http.StatusFound)
		case "cut":
			panic(http.ErrAbortHandler)
		case "slow":
			<-r.Context().Done()
		case "type":
			w.Header().Set("Content-Type", "text/plain")
		case "json":
			w.Header().Set("Content-Type", jsonType)
		case "401":
			w.WriteHeader(401)
		case "500":
			w.WriteHeader(500)
		default:
			http.NotFound(w, r)
		}
	}})
	for _, address := range []string{
		"https://u:hunter2@pypi.example.org/loop?hunter2", "https://u:hunter2@pypi.example.org/bad", "https://u:hunter2@pypi.example.org/cut#hunter2",
		"https://hunter2@pypi.example.org/slow", "https://u:hunter2@pypi.example.org/type?hunter2", "https://u:hunter2@pypi.example.org/json",
		"https://u:hunter2@pypi.example.org/401", "https://hunter2@pypi.example.org/401", "https://u:hunter2@pypi.example.org/500", "https://u:hunter2@pypi.example.org/404",
		"ftp://u:hunter2@pypi.example.org/", "https://u:hun/hunter2@pypi.example.org", "https://u:hunter2%zz@pypi.example.org", "https://u:hunter2@[::1", "u:hunter2@pypi.example.org",
	} {
		c := w.clientOf(t, Index{URL: address})
		c.Attempts, c.Stall = 1, 200*time.Millisecond
		_, err1 := c.Project(t.Context(), "foo")
		_, err2 := c.Match(t.Context(), "foo", []string{"sha256:" + sum2})
		place := c.Place(Label(address))
		place.Names = func(fetch.File) []string { return []string{address} }
		_, err3 := (&fetch.Fetcher{Cache: t.TempDir(), Attempts: 1, Stall: 200 * time.Millisecond}).Get(t.Context(), []fetch.File{{Name: "f", SHA256: sum2}}, []fetch.Place{place})
		for i, err := range []error{err1, err2, err3} {
			if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), "hunter2") {
				t.Errorf("%s: error %d: %v", address, i, err)
			}
		}
		noSecrets(t, c.Cache)
	}
}
