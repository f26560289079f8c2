package fetch

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hashesOf(content []byte) (sha256, sha384, sha512sum string) {
	s3, s5 := sha512.Sum384(content), sha512.Sum512(content)
	return fileOf("", content).SHA256, hex.EncodeToString(s3[:]), hex.EncodeToString(s5[:])
}

func TestHashed(t *testing.T) {
	s2, s3, s5 := hashesOf(data)
	for _, tt := range []struct {
		hashes []string
		want   File
		err    string
	}{
		{[]string{"sha256:" + s2}, File{Name: "a", Size: 7, SHA256: s2}, ""},
		{[]string{"sha512:" + s5, "sha384:" + s3, "sha512:" + s5}, File{Name: "a", Size: 7, SHA384: s3, SHA512: s5}, ""},
		{nil, File{}, "a: no hash given"},
		{[]string{"md5:" + s2}, File{}, "is neither sha256, sha384 nor sha512"},
		{[]string{s2}, File{}, "is neither sha256, sha384 nor sha512"},
		{[]string{"sha512:" + s2}, File{}, "is not 128 lower case hex digits"},
		{[]string{"sha512:" + strings.ToUpper(s5)}, File{}, "is not 128 lower case hex digits"},
		{[]string{"sha256:" + s2, "sha256:" + s2[1:] + "0"}, File{}, "a: two different sha256 hashes"},
	} {
		got, err := Hashed("a", tt.hashes, 7)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v: error %v, want %s", tt.hashes, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%v: %+v, %v", tt.hashes, got, err)
		}
	}
}

// What a place sends is held against every hash of the file.
func TestOtherHashes(t *testing.T) {
	s2, s3, s5 := hashesOf(data)
	o2, o3, o5 := hashesOf(flipped())
	for _, tt := range []struct {
		what string
		file File
		path string // in the cache, or ""
		err  string
	}{
		{"sha512", File{SHA512: s5}, "sha512/" + s5[:2] + "/" + s5, ""},
		{"sha384", File{SHA384: s3}, "sha384/" + s3[:2] + "/" + s3, ""},
		{"sha384 and sha512", File{SHA384: s3, SHA512: s5}, "sha512/" + s5[:2] + "/" + s5, ""},
		{"all", File{SHA256: s2, SHA384: s3, SHA512: s5}, "sha256/" + s2[:2] + "/" + s2, ""},
		{"another sha512", File{SHA512: o5}, "", "expected sha512 " + o5 + ", found " + s5},
		{"another sha384", File{SHA384: o3}, "", "expected sha384 " + o3 + ", found " + s3},
		{"another sha256", File{SHA256: o2, SHA512: s5}, "", "expected sha256 " + o2 + ", found " + s2},
		{"second wrong", File{SHA256: s2, SHA512: o5}, "", "expected sha512 " + o5 + ", found " + s5},
		{"third wrong", File{SHA256: s2, SHA384: o3, SHA512: s5}, "", "expected sha384 " + o3 + ", found " + s3},
	} {
		t.Run(tt.what, func(t *testing.T) {
			place, asked := serve(t, whole)
			f := testFetcher(t)
			tt.file.Name = good.Name
			got, err := f.Get(t.Context(), []File{tt.file}, []Place{place})
			if tt.err != "" {
				if !errors.As(err, new(*MismatchError)) || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %s", err, tt.err)
				}
				if left := filesBelow(t, f.Cache); len(left) > 0 {
					t.Errorf("left %v", left)
				}
				return
			}
			if err != nil || got.File != tt.file {
				t.Fatalf("%+v, %v", got, err)
			}
			if diff := cmp.Diff([]string{tt.path}, filesBelow(t, f.Cache)); diff != "" {
				t.Error(diff)
			}
			for _, again := range []*Fetcher{f, {Cache: f.Cache}} {
				if _, err := again.Get(t.Context(), []File{tt.file}, []Place{place}); err != nil || len(asked()) != 1 {
					t.Errorf("again: %v, asked %v", err, asked())
				}
			}
		})
	}
}

// A file in the cache is no worse for somebody who thinks that it has another
// hash beside its own.
func TestCachedWithOtherHash(t *testing.T) {
	s2, _, _ := hashesOf(data)
	_, _, o5 := hashesOf(flipped())
	place, _ := serve(t, whole)
	f := testFetcher(t)
	if _, err := f.Get(t.Context(), []File{good}, []Place{place}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Get(t.Context(), []File{{Name: good.Name, SHA256: s2, SHA512: o5}}, nil)
	if !errors.As(err, new(*MismatchError)) || !strings.Contains(err.Error(), "expected sha512 "+o5) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(complete, inCache(t, f)); diff != "" {
		t.Error(diff)
	}
}

// An interrupted download goes on by any algorithm, and a damaged file is
// fetched again.
func TestOtherHashesResume(t *testing.T) {
	_, _, s5 := hashesOf(data)
	file := File{Name: good.Name, SHA512: s5}
	place, asked := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 0 {
			cut(w, data, 1<<20)
		}
		whole(n, w, r)
	})
	f := testFetcher(t)
	got, err := f.Get(t.Context(), []File{file}, []Place{place})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/pub/P-1.tar.xz", "/pub/P-1.tar.xz bytes=1048576-"}, asked()); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(got.Path, flipped(), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err = f.Get(t.Context(), []File{file}, []Place{place})
	if err != nil || len(got.Trail) != 1 || !strings.Contains(got.Trail[0].Err.Error(), "has sha512 ") {
		t.Errorf("%+v, %v", got, err)
	}
	if content, err := os.ReadFile(got.Path); err != nil || !bytes.Equal(content, data) {
		t.Error("other bytes, or ", err)
	}
}

func filesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
