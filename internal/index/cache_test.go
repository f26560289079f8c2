package index

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/fetch"
)

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
