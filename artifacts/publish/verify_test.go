package publish

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/artifacts/sign"
)

// replace replaces a file as damage would, without changing others that are links to
// the same.
func replace(path, text string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return errors.Join(os.Remove(path), os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, info.ModTime(), info.ModTime()))
}

func TestVerifyDamage(t *testing.T) {
	keys := newKeys(t)
	const beta = "simple/trixie/3.13/beta/index.json"
	for _, c := range []struct {
		name   string
		damage func(d *Directory, g *Generation) error
		want   []string
	}{
		{"a flipped bit in the pool", func(d *Directory, g *Generation) error {
			return replace(d.path(g.Set.Entries[1].Wheels[1].Path()), "betb")
		}, []string{"beta-2.0-py3-none-any.whl: sha256 is "}},
		{"a file of the pool is gone", func(d *Directory, g *Generation) error {
			return os.Remove(d.path(g.Set.Entries[0].Debs[1].Path()))
		}, []string{"pybake-python3.13-venv_3.13.5-2+deb13_amd64.deb: missing"}},
		{"metadata is longer", func(d *Directory, g *Generation) error {
			return replace(d.path(g.Set.Entries[1].Wheels[1].Path()+".metadata"), strings.Repeat("x", 1000))
		}, []string{".metadata: more than 46 bytes"}},
		{"a page was edited", func(d *Directory, _ *Generation) error { return replace(d.path(beta), "{}") }, []string{beta + ": 2 bytes, the list says"}},
		{"a page is a directory", func(d *Directory, _ *Generation) error {
			return errors.Join(os.Remove(d.path(beta)), os.Mkdir(d.path(beta), 0o755))
		}, []string{beta + ": not a regular file"}},
		{"a page was added", func(d *Directory, _ *Generation) error {
			return os.WriteFile(d.path("simple/trixie/3.13/evil.html"), nil, 0o644)
		}, []string{"simple/trixie/3.13/evil.html: it is not in the list"}},
		{"a link leads elsewhere", func(d *Directory, _ *Generation) error {
			return errors.Join(os.Remove(d.path("dists")), os.Symlink("generations/000001/dists", d.path("dists")))
		}, []string{"dists/trixie/InRelease: "}},
		{"a link is gone", func(d *Directory, _ *Generation) error { return os.Remove(d.path("simple")) }, []string{beta + ": missing"}},
		{"InRelease is of another generation", func(d *Directory, g *Generation) error {
			return replace(d.path("dists/trixie/InRelease"), read(t, d, "generations/000001/dists/trixie/InRelease"))
		}, []string{"dists/trixie/InRelease: sha256 is"}},
		{"the list was edited", func(d *Directory, g *Generation) error {
			path := filepath.Join(g.Dir, listFile)
			return replace(path, strings.Replace(read(t, d, "current/files.txt"), "generation 2", "generation 3", 1))
		}, []string{"current/files.txt: verify note: ", "current/files.txt: files.txt.asc: "}},
		{"the list is another", func(d *Directory, g *Generation) error { return replace(filepath.Join(g.Dir, listFile), "<html>") },
			[]string{"current/files.txt: it does not end with a newline"}},
		{"the set was edited", func(d *Directory, g *Generation) error { return replace(filepath.Join(g.Dir, setFile), "{}") },
			[]string{"current/set.json: 2 bytes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, t.TempDir())
			must[*Generation](t)(d.Publish(t.Context(), Release{Set: sample(t, d, 1), Keys: keys, Now: day(1)}))
			g := must[*Generation](t)(d.Publish(t.Context(), Release{Set: sample(t, d, 2), Keys: keys, Now: day(2)}))
			verified(t, d, keys.Public(), day(3))
			if err := c.damage(d, g); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.FileServer(http.Dir(d.Dir)))
			defer server.Close()
			for _, src := range []Source{{Dir: d.Dir}, {URL: server.URL, HTTP: server.Client()}} {
				src.Now = day(3)
				v := must[*Verified](t)(Verify(t.Context(), src, keys.Public()))
				if src.Dir == "" && c.name == "a page was added" {
					continue // nobody can tell from outside
				}
				if len(v.Problems) == 0 {
					t.Errorf("%s: nothing found", src)
					continue
				}
				for _, want := range c.want {
					if src.Dir == "" && strings.HasSuffix(want, "not a regular file") {
						want = beta // what the server makes of it
					}
					if !contains(v.Err().Error(), want) {
						t.Errorf("%s: no %q in\n%v", src, want, v.Err())
					}
				}
			}
		})
	}
}

// A list can be signed and yet not agree with what is under it.
func TestVerifyIndexes(t *testing.T) {
	d := open(t, t.TempDir())
	g := publishDay(t, d, 1, sample(t, d, 1))
	l := must[*list](t)(d.list(1))
	edit := func(path, old, new string) {
		t.Helper()
		text := strings.Replace(read(t, d, path), old, new, 1)
		if err := replace(d.path(path), text); err != nil {
			t.Fatal(err)
		}
		for i, f := range l.Files {
			if f.Path == path {
				l.Files[i] = listed{path, int64(len(text)), hashBytes([]byte(text))}
			}
		}
	}
	deb, wheel := g.Set.Entries[0].Debs[0], g.Set.Entries[1].Wheels[1]
	edit("dists/trixie/main/binary-amd64/Packages", deb.SHA256+"\n", strings.Repeat("a", 64)+"\n")
	edit("simple/trixie/3.13/beta/index.json", wheel.SHA256+"/", strings.Repeat("b", 64)+"/")
	edit("simple/trixie/3.13/alpha/index.json", `"../../../../pool`, `"https://evil.example.org/pool`)
	if err := replace(filepath.Join(g.Dir, listFile), l.text()); err != nil {
		t.Fatal(err)
	}
	v := must[*Verified](t)(Verify(t.Context(), Source{Dir: d.Dir, Now: day(2)}, sign.Public{}))
	for _, want := range []string{
		"dists/trixie/Release: of dists/trixie/main/binary-amd64/Packages it says",
		"dists/trixie/main/binary-amd64/Packages: of pool/",
		"simple/trixie/3.13/beta/index.json: it names ",
		"simple/trixie/3.13/alpha/index.json: the URL of \"alpha-1.0-py3-none-any.whl\" is not relative",
	} {
		if v.Err() == nil || !contains(v.Err().Error(), want) {
			t.Errorf("no %q in\n%v", want, v.Err())
		}
	}
}

func TestVerifyNot(t *testing.T) {
	d := open(t, t.TempDir())
	server := httptest.NewServer(http.FileServer(http.Dir(d.Dir)))
	defer server.Close()
	for _, src := range []Source{{Dir: d.Dir}, {URL: server.URL}} {
		if _, err := Verify(t.Context(), src, sign.Public{}); err == nil || !contains(err.Error(), "it is no published directory") {
			t.Errorf("an empty directory: %v", err)
		}
	}
	if err := d.PutBytes(t.Context(), blobOf("x", "x"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, src := range []Source{{Dir: d.Dir}, {URL: server.URL}} {
		if _, err := Verify(t.Context(), src, sign.Public{}); !errors.Is(err, ErrNone) {
			t.Errorf("nothing published: %v", err)
		}
	}
	publishDay(t, d, 1, sample(t, d, 1))
	if err := os.RemoveAll(d.path("generations/000001")); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), Source{Dir: d.Dir}, sign.Public{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the current generation is gone: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		src  Source
		want string
	}{
		{Source{URL: "ftp://example.org/"}, "not an http or https address"},
		{Source{URL: "https://user:secret@example.org:bad/"}, "an address that is none"},
		{Source{URL: "http://127.0.0.1:1/"}, "verify http://127.0.0.1:1/: current/files.txt: "},
	} {
		if _, err := Verify(ctx, c.src, sign.Public{}); err == nil || !contains(err.Error(), c.want) || contains(err.Error(), "secret") {
			t.Errorf("%v, want %q in it", err, c.want)
		}
	}
}

// Verify begins anew when a generation is published meanwhile.
func TestVerifySwitch(t *testing.T) {
	d := open(t, t.TempDir())
	publishDay(t, d, 1, sample(t, d, 1))
	files := http.FileServer(http.Dir(d.Dir))
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Release") {
			if asked++; asked == 1 {
				publishDay(t, d, 2, sample(t, d, 2))
			}
		}
		if r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%s: Accept-Encoding %q", r.URL.Path, r.Header.Get("Accept-Encoding"))
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	v := must[*Verified](t)(Verify(t.Context(), Source{URL: server.URL + "/", HTTP: server.Client(), Now: day(3)}, sign.Public{}))
	if v.Err() != nil || v.Number != 2 || asked < 2 {
		t.Errorf("generation %d, %d times: %v", v.Number, asked, v.Err())
	}
}

// A list is read as strictly as it is written.
func TestParseList(t *testing.T) {
	sum := strings.Repeat("a", 64)
	head := listHead + "\ngeneration 7\ndate 2026-01-02T03:04:05Z\ncontent " + sum + "\n"
	l := must[*list](t)(parseList(head + sum + " 3 a b\n" + sum + " 4 b/c\n"))
	if l.text() != head+sum+" 3 a b\n"+sum+" 4 b/c\n" || !l.Date.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("read and written: %q", l.text())
	}
	for text, want := range map[string]string{
		"":                                 "newline",
		"pybake\n":                         "line 1",
		listHead + "\n":                    "it ends in its head",
		strings.Replace(head, "7", "0", 1): "line 2",
		strings.Replace(head, "2026-01-02T", "", 1): "line 3",
		head + "\n":                                             "line 5",
		head + sum + " 3\n":                                     "line 5",
		head + sum + " -3 a\n":                                  "line 5",
		head + sum + " 3 ../a\n":                                "line 5",
		head + sum + " 3 /a\n":                                  "line 5",
		head + sum + " 3 a/\n":                                  "line 5",
		head + sum[1:] + " 3 a\n":                               "line 5",
		head + strings.ToUpper(sum) + " 3 a\n":                  "line 5",
		head + sum + " 3 b\n" + sum + " 3 a\n":                  "line 6: a is not behind b",
		head + sum + " 3 a\n" + sum + " 3 a\n":                  "line 6",
		strings.Replace(head, "content "+sum, "content abc", 1): "lines 2 to 4",
	} {
		if _, err := parseList(text); err == nil || !contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
