package index

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func wheelOf(t *testing.T, members ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, name := range members {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(f, "Name: %s\n", name)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestMetadataOf(t *testing.T) {
	good := wheelOf(t, "foo/__init__.py", "Foo_bar-1.dist-info/METADATA", "foo/vendored/x-1.dist-info/METADATA", "other-1.dist-info/METADATA")
	twice := wheelOf(t, "foo_bar-1.dist-info/METADATA", "Foo.Bar-1.dist-info/METADATA")
	without := wheelOf(t, "foo/__init__.py")
	beside := []byte("Name: beside\n")
	const within = "Name: Foo_bar-1.dist-info/METADATA\n"
	w := newWeb(t, map[string]http.HandlerFunc{"https://pypi.example.org": guarded("ann", "hunter2", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a+b/offered.whl.metadata":
			w.Write(beside)
		case "/a+b/offered.whl", "/good.whl":
			w.Write(good)
		case "/twice.whl":
			w.Write(twice)
		case "/without.whl":
			w.Write(without)
		default:
			http.NotFound(w, r)
		}
	})})
	const host = "https://pypi.example.org"
	sha := func(b []byte) map[string]string { return map[string]string{"sha256": digestOf(b)} }
	for _, tt := range []struct {
		what  string
		file  File
		want  string
		err   string
		asked int
		again int // asked by the next client
	}{
		{"beside", File{URL: host + "/a+b/offered.whl", Hashes: sha(good), Metadata: true, MetadataSHA256: digestOf(beside)}, string(beside), "", 1, 0},
		{"beside a signed address", File{URL: host + "/a+b/offered.whl?x=1", Hashes: sha(good), Metadata: true, MetadataSHA256: digestOf(beside)}, string(beside), "", 1, 0},
		{"beside, without its hash", File{URL: host + "/a+b/offered.whl", Hashes: sha(good), Metadata: true}, string(beside), "", 1, 1},
		{"beside, without any hash", File{URL: host + "/a+b/offered.whl", Metadata: true}, string(beside), "", 1, 1},
		{"beside, of another hash", File{URL: host + "/a+b/offered.whl", Hashes: sha(good), Metadata: true, MetadataSHA256: sum2}, "",
			"index corp: https://pypi.example.org/a+b/offered.whl.metadata is not Foo_Bar-1-py3-none-any.whl.metadata: expected sha256 " + sum2 + ", found " + digestOf(beside), 1, 1},
		{"promised", File{URL: host + "/good.whl", Hashes: sha(good), Metadata: true, MetadataSHA256: digestOf(beside)}, within, "", 2, 0},
		{"within", File{URL: host + "/good.whl", Hashes: sha(good)}, within, "", 1, 0},
		{"within, of another hash", File{URL: host + "/good.whl", Hashes: map[string]string{"sha256": sum2}}, "", "expected sha256 " + sum2, 1, 1},
		{"within, without a hash", File{URL: host + "/good.whl"}, "", "no hash given", 0, 0},
		{"gone", File{URL: host + "/gone.whl", Hashes: sha(good)}, "", "404 Not Found", 1, 1},
		{"twice", File{URL: host + "/twice.whl", Hashes: sha(twice)}, "", "METADATA twice", 1, 0},
		{"none", File{URL: host + "/without.whl", Hashes: sha(without)}, "", "the wheel has none", 1, 0},
	} {
		t.Run(tt.what, func(t *testing.T) {
			tt.file.Name, tt.file.Index = "Foo_Bar-1-py3-none-any.whl", "corp"
			cache := t.TempDir()
			for i, asked := range []int{tt.asked, tt.again} {
				c := &Client{HTTP: w.client, Cache: cache, Indexes: []Index{{URL: "https://ann:hunter2@pypi.example.org/simple"}}}
				text, err := c.MetadataOf(t.Context(), tt.file)
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("run %d: error %v, want %s", i, err, tt.err)
				}
				if string(text) != tt.want {
					t.Errorf("run %d: %q", i, text)
				}
				if n := len(w.said()); n != asked {
					t.Errorf("run %d: asked %d times, want %d", i, n, asked)
				}
			}
			noSecrets(t, cache)
		})
	}
	c := w.clientOf(t)
	if _, err := c.MetadataOf(t.Context(), File{Name: "foo-1.tar.gz"}); err == nil || !strings.HasPrefix(err.Error(), "metadata of foo-1.tar.gz: ") {
		t.Error(err)
	}
	c.Cache = ""
	if _, err := c.MetadataOf(t.Context(), File{Name: "foo-1-py3-none-any.whl", URL: host + "/good.whl", Hashes: sha(good)}); err == nil || !strings.Contains(err.Error(), "no cache directory") {
		t.Error(err)
	}
}

// A cache that cannot be written is said so.
func TestUnwritableCache(t *testing.T) {
	w := newWeb(t, map[string]http.HandlerFunc{"https://pypi.example.org": pages(map[string]string{"/foo/": ""})})
	c := w.clientOf(t, Index{URL: "https://pypi.example.org/"})
	if err := os.WriteFile(filepath.Join(c.Cache, "index"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Project(t.Context(), "foo"); err == nil || !strings.Contains(err.Error(), "cache what an index said: ") {
		t.Error(err)
	}
}
