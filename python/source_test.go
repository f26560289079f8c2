package python

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/fetch"
)

func TestReleaseDir(t *testing.T) {
	for file, want := range map[string]string{
		"Python-3.13.5.tar.xz":    "3.13.5",
		"Python-3.13.5.tgz":       "3.13.5",
		"Python-3.9.20.tgz":       "3.9.20",
		"Python-3.15.0b4.tar.xz":  "3.15.0",
		"Python-3.15.0a1.tgz":     "3.15.0",
		"Python-3.14.0rc2.tar.xz": "3.14.0",
	} {
		if got := releaseDir(file); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// library is a transport that answers for every host with the files it has,
// by whole URL, and notes what it was asked for.
type library struct {
	files map[string]string
	asked []string
}

func (l *library) RoundTrip(r *http.Request) (*http.Response, error) {
	l.asked = append(l.asked, r.URL.String())
	w := httptest.NewRecorder()
	if body, ok := l.files[r.URL.String()]; ok {
		w.WriteString(body)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
	return w.Result(), nil
}

func hexSum(text string) string {
	hash := sha256.Sum256([]byte(text))
	return hex.EncodeToString(hash[:])
}

const archive = "the bytes of a release"

// sources are both archives of a version; the hash of the .tgz is of nothing.
func sources(version string) []fetch.File {
	return []fetch.File{
		{Name: "Python-" + version + ".tar.xz", SHA256: hexSum(archive)},
		{Name: "Python-" + version + ".tgz", SHA256: sum("f")},
	}
}

// allPlaces are those of a plan in the order of fetchSource.
func allPlaces(p *Plan, named []string, client *http.Client) []fetch.Place {
	return append(Places(named, client), pool(p, []string{"https://deb.example.org/debian", "https://deb.example.org/security/"}, client)...)
}

// TestPlacesOrder asks everywhere for what nobody has.
func TestPlacesOrder(t *testing.T) {
	const deb = "https://deb.example.org/"
	for _, tt := range []struct {
		version string
		want    []string
	}{
		{"3.13.5", []string{
			"https://mirror.example.org/python/Python-3.13.5.tar.xz",
			"https://mirror.example.org/python/Python-3.13.5.tgz",
			upstream + "3.13.5/Python-3.13.5.tar.xz",
			upstream + "3.13.5/Python-3.13.5.tgz",
			deb + "debian/pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz",
			deb + "debian/pool/updates/main/p/python3.13/python3.13_3.13.5.orig.tar.xz",
			deb + "debian/pool/main/p/python3.13/python3.13_3.13.5.orig.tar.gz",
			deb + "debian/pool/updates/main/p/python3.13/python3.13_3.13.5.orig.tar.gz",
			deb + "security/pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz",
			deb + "security/pool/updates/main/p/python3.13/python3.13_3.13.5.orig.tar.xz",
			deb + "security/pool/main/p/python3.13/python3.13_3.13.5.orig.tar.gz",
			deb + "security/pool/updates/main/p/python3.13/python3.13_3.13.5.orig.tar.gz",
		}},
		{"3.15.0b4", []string{
			"https://mirror.example.org/python/Python-3.15.0b4.tar.xz",
			"https://mirror.example.org/python/Python-3.15.0b4.tgz",
			upstream + "3.15.0/Python-3.15.0b4.tar.xz",
			upstream + "3.15.0/Python-3.15.0b4.tgz",
			deb + "debian/pool/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.xz",
			deb + "debian/pool/updates/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.xz",
			deb + "debian/pool/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.gz",
			deb + "debian/pool/updates/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.gz",
			deb + "security/pool/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.xz",
			deb + "security/pool/updates/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.xz",
			deb + "security/pool/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.gz",
			deb + "security/pool/updates/main/p/python3.15/python3.15_3.15.0~b4.orig.tar.gz",
		}},
	} {
		l := &library{}
		dir, cache := t.TempDir(), t.TempDir()
		p := planFor(t, request(tt.version))
		f := &fetch.Fetcher{Cache: cache}
		places := allPlaces(p, []string{dir, "https://mirror.example.org/python/"}, &http.Client{Transport: l})
		_, err := f.Get(t.Context(), sources(tt.version), places)
		var failed *fetch.FailedError
		if !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, l.asked); diff != "" {
			t.Errorf("%s: asked for: %s", tt.version, diff)
		}
		// Every place is in the message, in the order in which it was asked.
		rest := err.Error()
		for _, label := range []string{
			"cache " + cache, "source " + dir, "source https://mirror.example.org/python/", "python.org", "source pool of trixie", "source pool of trixie",
		} {
			_, after, found := strings.Cut(rest, "\n  "+label+": ")
			if !found {
				t.Errorf("%s: no answer of %s in its turn:\n%v", tt.version, label, err)
			}
			rest = after
		}
	}
}

// TestPlacesFirst takes the first place that has the file, and leaves a trail
// of those before it.
func TestPlacesFirst(t *testing.T) {
	const (
		mirror = "https://mirror.example.org/python/Python-3.13.5.tar.xz"
		org    = upstream + "3.13.5/Python-3.13.5.tar.xz"
		debian = "https://deb.example.org/debian/pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz"
	)
	tests := []struct {
		name  string
		files map[string]string
		local bool
		place string
		trail []string
	}{
		{"a directory", map[string]string{mirror: archive, org: archive}, true, "source DIR", []string{"cache"}},
		{"an address", map[string]string{mirror: archive, org: archive}, false, "source https://mirror.example.org/python/", []string{"cache", "source DIR", "source DIR"}},
		{"upstream", map[string]string{org: archive, debian: archive}, false, "python.org", []string{
			"cache", "source DIR", "source DIR", "source https://mirror.example.org/python/", "source https://mirror.example.org/python/",
		}},
		{"the pool", map[string]string{debian: archive}, false, "source pool of trixie", []string{
			"cache", "source DIR", "source DIR", "source https://mirror.example.org/python/", "source https://mirror.example.org/python/",
			"python.org", "python.org",
		}},
		{"upstream is damaged", map[string]string{org: archive + "x", debian: archive}, false, "source pool of trixie", []string{
			"cache", "source DIR", "source DIR", "source https://mirror.example.org/python/", "source https://mirror.example.org/python/",
			"python.org: " + hexSum(archive+"x"), "python.org",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, cache := t.TempDir(), t.TempDir()
			if tt.local {
				write(t, filepath.Join(dir, "Python-3.13.5.tar.xz"), archive)
			}
			p := planFor(t, request("3.13.5"))
			client := &http.Client{Transport: &library{files: tt.files}}
			f := &fetch.Fetcher{Cache: cache}
			got, err := f.Get(t.Context(), sources("3.13.5"), allPlaces(p, []string{dir, "https://mirror.example.org/python/"}, client))
			if err != nil {
				t.Fatal(err)
			}
			short := strings.NewReplacer(dir, "DIR", "cache "+cache, "cache")
			if place := short.Replace(got.Place); place != tt.place {
				t.Errorf("from %s, want %s", place, tt.place)
			}
			var trail []string
			for _, a := range got.Trail {
				said := short.Replace(a.Place)
				if mismatch, ok := errors.AsType[*fetch.MismatchError](a.Err); ok {
					said += ": " + mismatch.Found
				}
				trail = append(trail, said)
			}
			if diff := cmp.Diff(tt.trail, trail); diff != "" {
				t.Error(diff)
			}
			if data, err := os.ReadFile(got.Path); err != nil || string(data) != archive {
				t.Errorf("%q, %v", data, err)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestNamedIsStrict flips one bit of a file where the user said that it is:
// refused, though upstream has the right one.
func TestNamedIsStrict(t *testing.T) {
	flipped := []byte(archive)
	flipped[len(flipped)/2] ^= 1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/python/Python-3.13.5.tar.xz" {
			w.Write(flipped)
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Python-3.13.5.tar.xz"), string(flipped))
	for _, named := range []string{dir, server.URL + "/python", "file://" + dir} {
		t.Run(named[:4], func(t *testing.T) {
			l := &library{files: map[string]string{upstream + "3.13.5/Python-3.13.5.tar.xz": archive}}
			places := Places([]string{named}, server.Client())
			places = append(places, Places(nil, &http.Client{Transport: l})...)
			cache := t.TempDir()
			f := &fetch.Fetcher{Cache: cache}
			_, err := f.Get(context.Background(), sources("3.13.5"), places)
			var mismatch *fetch.MismatchError
			if !errors.As(err, &mismatch) {
				t.Fatalf("error %v", err)
			}
			for _, want := range []string{"source " + named + ": ", "Python-3.13.5.tar.xz", "expected sha256 " + hexSum(archive), "found " + hexSum(string(flipped))} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: want %q", err, want)
				}
			}
			if l.asked != nil {
				t.Errorf("then asked for %v", l.asked)
			}
			for _, hash := range []string{hexSum(archive), hexSum(string(flipped))} {
				if found, _ := filepath.Glob(filepath.Join(cache, "*", "*", hash)); found != nil {
					t.Errorf("kept %v", found)
				}
			}
		})
	}
}

// TestPlacesOffline asks the directory and nobody else.
func TestPlacesOffline(t *testing.T) {
	l := &library{}
	dir := t.TempDir()
	f := &fetch.Fetcher{Cache: t.TempDir(), Offline: true}
	places := Places([]string{"https://mirror.example.org/", dir}, &http.Client{Transport: l})
	if _, err := f.Get(t.Context(), sources("3.13.5"), places); !errors.Is(err, fetch.ErrOffline) || l.asked != nil {
		t.Errorf("asked for %v, error %v", l.asked, err)
	}
	write(t, filepath.Join(dir, "Python-3.13.5.tar.xz"), archive)
	if got, err := f.Get(t.Context(), sources("3.13.5"), places); err != nil || got.Place != "source "+dir {
		t.Errorf("%v, %v", got, err)
	}
}
