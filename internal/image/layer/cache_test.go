package layer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func put(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		names = append(names, f.Name())
	}
	return names
}

func TestCache(t *testing.T) {
	c := Cache{filepath.Join(t.TempDir(), "a [b]*", "trees")}
	get := func(key, want string) {
		t.Helper()
		path, ok, err := c.Get(key)
		if err != nil || ok != (want != "") || path != want {
			t.Fatalf("get %s: %q, %v, %v; want %q", key, path, ok, err, want)
		}
	}
	get("key", "")
	path, err := c.Add("key", put("content"))
	if want := filepath.Join(c.Dir, fmt.Sprintf("key.%x.gz", sha256.Sum256([]byte("content")))); err != nil || path != want {
		t.Fatalf("added %s, %v; want %s", path, err, want)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "content" {
		t.Fatalf("%q, %v", data, err)
	}
	get("key", path)
	get("ke", "")
	get("key2", "")
	if again, err := c.Add("key", put("content")); err != nil || again != path {
		t.Errorf("added again: %s, %v", again, err)
	}

	trouble := errors.New("trouble")
	_, err = c.Add("other", func(w io.Writer) error { put("much")(w); return trouble })
	if !errors.Is(err, trouble) || !strings.Contains(err.Error(), "other") {
		t.Error(err)
	}
	for _, key := range []string{"", "a.b", "../a", "a/b", "*", strings.Repeat("x", 200)} {
		if _, _, err := c.Get(key); err == nil {
			t.Errorf("got %q", key)
		}
		if _, err := c.Add(key, put("")); err == nil {
			t.Errorf("added %q", key)
		}
	}
	if names := files(t, c.Dir); len(names) != 1 {
		t.Errorf("the cache holds %q", names)
	}

	for _, damage := range []string{"Content", "conten", ""} {
		if err := os.WriteFile(path, []byte(damage), 0o644); err != nil {
			t.Fatal(err)
		}
		get("key", "")
		if names := files(t, c.Dir); len(names) != 0 {
			t.Errorf("after damage the cache holds %q", names)
		}
	}
}

func TestCacheStale(t *testing.T) {
	c := Cache{filepath.Join(t.TempDir(), "trees")}
	if gone, err := c.Stale(time.Now()); err != nil || gone != nil {
		t.Errorf("stale are %q of nothing, %v", gone, err)
	}
	long, limit := time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	add := func(key string) string {
		path, err := c.Add(key, put(key))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
		return path
	}
	unused := add("unused")
	add("used")
	if _, ok, err := c.Get("used"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	killed, foreign, fresh := filepath.Join(c.Dir, newPrefix+"1"), filepath.Join(c.Dir, "README"), filepath.Join(c.Dir, newPrefix+"2")
	for _, path := range []string{killed, foreign, fresh} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if path != fresh {
			if err := os.Chtimes(path, long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone, err := c.Stale(limit)
	if err != nil || len(gone) != 2 || gone[0] != killed || gone[1] != unused {
		t.Errorf("stale are %q, %v", gone, err)
	}
}

func TestCacheAtOnce(t *testing.T) {
	c := Cache{t.TempDir()}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range 20 {
				key := fmt.Sprint("key", n)
				path, ok, err := c.Get(key)
				if err == nil && !ok {
					path, err = c.Add(key, put(key))
				}
				if data, readErr := os.ReadFile(path); err != nil || readErr != nil || string(data) != key {
					t.Errorf("%s: %q, %v, %v", key, data, err, readErr)
				}
			}
		})
	}
	all.Wait()
}
