package serve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts/simple"
	"github.com/pybake/pybake/internal/index"
)

// published makes a published directory with two generations, of which the second
// is current, and returns its path.
func published(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for n, body := range map[int]string{1: "seven", 2: "eight"} {
		for name, text := range map[string]string{
			"dists/trixie/InRelease":                            body,
			"dists/trixie/main/binary-amd64/Packages":           body,
			"dists/trixie/main/binary-amd64/Packages.gz":        "\x1f\x8b" + body,
			"dists/trixie/by-hash/SHA256/" + sum(body):          body,
			"simple/trixie/3.13/x/index.html":                   "<a>" + body,
			"simple/trixie/3.13/x/index.json":                   `{"` + body + `"}`,
			"simple/trixie/3.13/html-only/index.html":           body,
			"report/index.html":                                 body,
			"report/night.json":                                 body,
			"report/feed.atom":                                  body,
			"report/metrics.prom":                               body,
			"pybake.asc":                                        body,
			"houses/<a>&b.tar":                                  body,
			"houses/.hidden":                                    body,
			"dists/trixie/Release.gpg":                          body,
			"pybake-trixie.sources":                             body,
			"houses/a:b/index.html":                             body,
			"files.txt":                                         body,
			"dists/trixie/main/binary-amd64/by-hash/SHA256/abc": body,
		} {
			write(t, dir, fmt.Sprintf("generations/00000%d/%s", n, name), text)
		}
	}
	for _, name := range []string{"dists", "simple", "report", "houses", "pybake.asc", "pybake-trixie.sources", "files.txt"} {
		link(t, dir, "current/"+name, name)
	}
	link(t, dir, "generations/000002", "current")
	write(t, dir, pool("wheel", "x-1-py3-none-any.whl"), "wheel")
	write(t, dir, pool("wheel", "x-1-py3-none-any.whl")+".metadata", "Name: x")
	write(t, dir, pool("deb", "x_1_amd64.deb"), "deb")
	write(t, dir, ".work/draft/secret", "secret")
	write(t, dir, "published.json", "{}")
	return dir
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func pool(text, name string) string { return "pool/" + sum(text)[:2] + "/" + sum(text) + "/" + name }

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, dir, to, name string) {
	t.Helper()
	if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// get asks a handler; headers are pairs.
func get(h http.Handler, path string, headers ...string) *http.Response {
	return ask(h, http.MethodGet, path, headers...)
}

func ask(h http.Handler, method, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = path // as it is, not as a client would clean it
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFiles(t *testing.T) {
	h := Handler(published(t))
	const fresh, forever = "no-cache", "public, max-age=31536000, immutable"
	for _, c := range []struct{ path, mediaType, cache, tag, body string }{
		{"/" + pool("wheel", "x-1-py3-none-any.whl"), "application/octet-stream", forever, sum("wheel"), "wheel"},
		{"/" + pool("wheel", "x-1-py3-none-any.whl") + ".metadata", "text/plain; charset=utf-8", forever, sum("wheel") + ".metadata", "Name: x"},
		{"/" + pool("deb", "x_1_amd64.deb"), "application/vnd.debian.binary-package", forever, sum("deb"), "deb"},
		{"/dists/trixie/InRelease", "text/plain; charset=utf-8", fresh, sum("eight"), "eight"},
		{"/dists/trixie/Release.gpg", "application/pgp-signature", fresh, sum("eight"), "eight"},
		{"/dists/trixie/main/binary-amd64/Packages", "text/plain; charset=utf-8", fresh, sum("eight"), "eight"},
		{"/dists/trixie/main/binary-amd64/Packages.gz", "application/gzip", fresh, sum("\x1f\x8beight"), "\x1f\x8beight"},
		{"/dists/trixie/by-hash/SHA256/" + sum("eight"), "application/octet-stream", forever, sum("eight"), "eight"},
		{"/dists/trixie/main/binary-amd64/by-hash/SHA256/abc", "application/octet-stream", fresh, sum("eight"), "eight"},
		{"/report/", "text/html; charset=utf-8", fresh, sum("eight"), "eight"},
		{"/report/index.html", "text/html; charset=utf-8", fresh, sum("eight"), "eight"},
		{"/report/night.json", "application/json", fresh, sum("eight"), "eight"},
		{"/report/feed.atom", "application/atom+xml", fresh, sum("eight"), "eight"},
		{"/report/metrics.prom", "text/plain; version=0.0.4; charset=utf-8", fresh, sum("eight"), "eight"},
		{"/pybake.asc", "application/pgp-keys", fresh, sum("eight"), "eight"},
		{"/pybake-trixie.sources", "text/plain; charset=utf-8", fresh, sum("eight"), "eight"},
		{"/simple/trixie/3.13/x/index.json", simpleJSON, fresh, sum(`{"eight"}`), `{"eight"}`},
		{"/simple/trixie/3.13/html-only/", "text/html; charset=utf-8", fresh, sum("eight"), "eight"},
		{"/generations/000001/files.txt", "text/plain; charset=utf-8", fresh, sum("seven"), "seven"},
		{"/houses/<a>&b.tar", "application/x-tar", fresh, sum("eight"), "eight"},
	} {
		r := get(h, c.path, "Accept", simpleJSON)
		got := []string{r.Status, r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"), r.Header.Get("ETag"), body(t, r)}
		if diff := cmp.Diff([]string{"200 OK", c.mediaType, c.cache, `"` + c.tag + `"`, c.body}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.path, diff)
		}
		if has := r.Header.Get("Last-Modified") != ""; has != strings.HasPrefix(c.path, "/pool/") {
			t.Errorf("%s: Last-Modified: %v", c.path, has)
		}
		if again := get(h, c.path, "Accept", simpleJSON, "If-None-Match", r.Header.Get("ETag")); again.StatusCode != http.StatusNotModified || body(t, again) != "" {
			t.Errorf("%s: asked again: %s", c.path, again.Status)
		}
		head := ask(h, http.MethodHead, c.path, "Accept", simpleJSON)
		if diff := cmp.Diff(r.Header, head.Header); diff != "" || body(t, head) != "" {
			t.Errorf("HEAD %s (-GET +HEAD):\n%s", c.path, diff)
		}
	}
}

func TestForms(t *testing.T) {
	h := Handler(published(t))
	for _, c := range []struct{ accept, mediaType string }{
		{"application/vnd.pypi.simple.v1+json", simpleJSON},
		{"", textHTML},
	} {
		r := get(h, "/simple/trixie/3.13/x/", "Accept", c.accept)
		want := map[string]string{simpleJSON: `{"eight"}`, textHTML: "<a>eight"}[c.mediaType]
		if got := body(t, r); got != want || !strings.HasPrefix(r.Header.Get("Content-Type"), c.mediaType) || r.Header.Get("Vary") != "Accept" {
			t.Errorf("%q: %q, %v", c.accept, got, r.Header)
		}
		r = get(h, "/simple/trixie/3.13/x/", "Accept", c.accept, "If-None-Match", r.Header.Get("ETag"))
		if r.StatusCode != http.StatusNotModified || r.Header.Get("Vary") != "Accept" {
			t.Errorf("%q again: %s, %v", c.accept, r.Status, r.Header)
		}
	}
}

func TestHidden(t *testing.T) {
	dir := published(t)
	outside := t.TempDir()
	write(t, outside, "secret", "secret")
	link(t, dir, filepath.Join(outside, "secret"), "absolute")
	link(t, dir, "../../../../../../../etc/passwd", "relative")
	link(t, dir, outside, "directory")
	link(t, dir, "loop", "loop")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := Handler(dir)
	for _, path := range []string{
		"/.work/draft/secret", "/.work/", "/.work", "/houses/.hidden", "/..", "/../", "/dists/../published.json", "/dists/./trixie/InRelease",
		"//published.json", "/dists//trixie/InRelease", "/published.json/", "/published.json/x", "/nothing", "/nothing/", "", "published.json",
		"/absolute", "/relative", "/directory/secret", "/directory/", "/loop", "/pipe", "/pipe/", "/a\x00b", "/" + strings.Repeat("a", 300),
		"/simple/../.work/draft/secret", `/..\.work`,
	} {
		r := get(h, path)
		if text := body(t, r); r.StatusCode != http.StatusNotFound || strings.Contains(text, "secret") || strings.Contains(text, dir) {
			t.Errorf("%q: %s, %q", path, r.Status, text)
		}
		if r.Header.Get("ETag")+r.Header.Get("Cache-Control") != "" {
			t.Errorf("%q: %v", path, r.Header)
		}
	}
	r := get(h, "/")
	list := body(t, r)
	for _, hidden := range []string{".work", "absolute", "relative", "directory", "loop"} {
		if strings.Contains(list, hidden) {
			t.Errorf("/ lists %s:\n%s", hidden, list)
		}
	}
	for _, shown := range []string{`<a href="./simple/">simple/</a>`, `<a href="./published.json">published.json</a>`} {
		if !strings.Contains(list, shown) {
			t.Errorf("/ does not list %s:\n%s", shown, list)
		}
	}
	if list := body(t, get(h, "/houses/")); strings.Contains(list, "hidden") || !strings.Contains(list, `<a href="./%3Ca%3E&amp;b.tar">&lt;a&gt;&amp;b.tar</a>`) {
		t.Errorf("/houses/ lists:\n%s", list)
	}
}

// TestTraversal sends what a client would have cleaned over a connection.
func TestTraversal(t *testing.T) {
	server := httptest.NewServer(Handler(published(t)))
	defer server.Close()
	for _, path := range []string{"/../.work/draft/secret", "/%2e%2e/x", "/%2ework/draft/secret", "/dists/%2e%2e/.work/draft/secret", "/..%2f.work", "/%2e%2e%2fetc/passwd"} {
		r, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = path
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, resp); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s, %q", path, resp.Status, text)
		}
		resp.Body.Close()
	}
}

func TestRedirect(t *testing.T) {
	h := Handler(published(t))
	for path, want := range map[string]string{"/simple/trixie/3.13/x": "./x/", "/houses/a:b": "./a:b/", "/dists": "./dists/"} {
		if r := get(h, path); r.StatusCode != http.StatusFound || r.Header.Get("Location") != want {
			t.Errorf("%s: %s to %q, want %q", path, r.Status, r.Header.Get("Location"), want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/report?a=b", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("Location"); got != "./report/?a=b" {
		t.Errorf("/report?a=b: to %q", got)
	}
}

func TestMethods(t *testing.T) {
	h := Handler(published(t))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if r := ask(h, method, "/published.json"); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %s, %v", method, r.Status, r.Header)
		}
	}
}

func TestNothing(t *testing.T) {
	if r := get(Handler(filepath.Join(t.TempDir(), "published")), "/"); r.StatusCode != http.StatusNotFound {
		t.Errorf("a directory that is not there: %s", r.Status)
	}
}

func TestRange(t *testing.T) {
	h := Handler(published(t))
	for _, path := range []string{"/" + pool("wheel", "x-1-py3-none-any.whl"), "/dists/trixie/InRelease"} {
		whole := get(h, path)
		all, tag := body(t, whole), whole.Header.Get("ETag")
		for _, c := range []struct {
			what, want string
			code       int
			headers    []string
		}{
			{"a part", all[1:3], http.StatusPartialContent, []string{"Range", "bytes=1-2"}},
			{"the end", all[3:], http.StatusPartialContent, []string{"Range", "bytes=3-"}},
			{"the rest of the same", all[3:], http.StatusPartialContent, []string{"Range", "bytes=3-", "If-Range", tag}},
			{"the rest of another", all, http.StatusOK, []string{"Range", "bytes=3-", "If-Range", `"another"`}},
		} {
			r := get(h, path, c.headers...)
			if got := body(t, r); r.StatusCode != c.code || got != c.want {
				t.Errorf("%s, %s: %s, %q, want %q", path, c.what, r.Status, got, c.want)
			}
		}
		if r := get(h, path, "Range", "bytes=99-"); r.StatusCode != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%s, beyond the end: %s", path, r.Status)
		}
	}
}

// TestRollback switches back to files that are older than what a client has.
func TestRollback(t *testing.T) {
	dir := published(t)
	old := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "generations/000001/dists/trixie/InRelease"), old, old); err != nil {
		t.Fatal(err)
	}
	h := Handler(dir)
	const path = "/dists/trixie/InRelease"
	eight := get(h, path)
	replace(t, dir, "generations/000001")
	headers := []string{"If-None-Match", eight.Header.Get("ETag"), "If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}
	for _, asked := range [][]string{headers, headers[:2], headers[2:]} {
		if r := get(h, path, asked...); r.StatusCode != http.StatusOK || body(t, r) != "seven" {
			t.Errorf("after the rollback, with %v: %s", asked, r.Status)
		}
	}
	if r := get(h, path, "Range", "bytes=1-", "If-Range", eight.Header.Get("ETag")); r.StatusCode != http.StatusOK {
		t.Errorf("the rest of the former file: %s", r.Status)
	}
	replace(t, dir, "generations/000002")
	if r := get(h, path, headers...); r.StatusCode != http.StatusNotModified {
		t.Errorf("after the switch back: %s", r.Status)
	}
}

// replace switches `current`.
func replace(t *testing.T, dir, to string) {
	t.Helper()
	link(t, dir, to, "next")
	if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")); err != nil {
		t.Error(err)
	}
}

// TestSwitch reads while `current` is switched: what comes is one generation's,
// and always there.
func TestSwitch(t *testing.T) {
	dir := published(t)
	h := Handler(dir)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for i := range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				accept := []string{simpleJSON, textHTML}[i%2]
				r := get(h, "/simple/trixie/3.13/x/", "Accept", accept)
				data, err := io.ReadAll(r.Body)
				if err != nil || r.StatusCode != http.StatusOK || r.Header.Get("ETag") != `"`+sum(string(data))+`"` {
					t.Errorf("%s, %q, %v, %v", r.Status, data, r.Header, err)
					return
				}
				mu.Lock()
				seen[strings.Trim(string(data), `{"}<a>`)]++
				mu.Unlock()
			}
		})
	}
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen["seven"] > 100 && seen["eight"] > 100 || t.Failed()
	}
	for n := 0; n < 2000 || !enough(); n++ {
		replace(t, dir, fmt.Sprintf("generations/00000%d", n%2+1))
	}
	cancel()
	readers.Wait()
	if len(seen) != 2 {
		t.Errorf("seen: %v", seen)
	}
}

// TestClient reads rendered pages as a client of package indexes does.
func TestClient(t *testing.T) {
	dir := t.TempDir()
	file := simple.File{
		Project: "Foo.Bar", Version: "1.0+cpu", Name: "foo_bar-1.0+cpu-py3-none-any.whl", SHA256: sum("wheel"), Size: 5,
		RequiresPython: ">=3.9,<4", MetadataSHA256: sum("Name: x"), Path: pool("wheel", "foo_bar-1.0+cpu-py3-none-any.whl"),
		Uploaded: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	former := file
	former.SHA256, former.Yanked, former.Path = sum("former"), `not in "8"`, pool("former", file.Name)
	x := &simple.Index{Title: "x", Depth: 3, Files: []simple.File{file, former}}
	pages, err := x.Pages()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		write(t, dir, "simple/trixie/3.13/"+p.Path, string(p.Data))
	}
	write(t, dir, file.Path+".metadata", "Name: x")
	for _, form := range []string{simpleJSON, textHTML} {
		h := Handler(dir)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if form == textHTML {
				r.Header.Del("Accept")
			}
			h.ServeHTTP(w, r)
		}))
		client := &index.Client{HTTP: server.Client(), Indexes: []index.Index{{URL: server.URL + "/simple/trixie/3.13/"}}, Cache: t.TempDir()}
		files, err := client.Project(t.Context(), "foo.bar")
		if err != nil {
			t.Fatal(err)
		}
		want := index.File{
			Name: file.Name, URL: server.URL + "/" + strings.ReplaceAll(file.Path, "+", "%2B"), Hashes: map[string]string{"sha256": file.SHA256},
			RequiresPython: ">=3.9,<4", Metadata: true, MetadataSHA256: file.MetadataSHA256, Index: server.URL + "/simple/trixie/3.13/",
		}
		if form == simpleJSON {
			want.Size, want.Uploaded = file.Size, file.Uploaded
		}
		gone := want
		gone.URL, gone.Hashes = server.URL+"/"+strings.ReplaceAll(former.Path, "+", "%2B"), map[string]string{"sha256": former.SHA256}
		gone.Yanked, gone.YankedReason = true, former.Yanked
		wanted := []index.File{want, gone}
		if file.SHA256 > former.SHA256 {
			wanted[0], wanted[1] = gone, want
		}
		if diff := cmp.Diff(wanted, files); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
		if metadata, err := client.MetadataOf(t.Context(), want); err != nil || string(metadata) != "Name: x" {
			t.Errorf("%s: metadata: %q, %v", form, metadata, err)
		}
		server.Close()
	}
}
