package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tarOf makes a tar of headers and contents in turn.
func tarOf(parts ...any) *bytes.Buffer {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(parts); i += 2 {
		h := parts[i].(tar.Header)
		data, _ := parts[i+1].([]byte)
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			panic(err)
		}
		if _, err := w.Write(data); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return &buf
}

// A reader of a tar must not come to its end if the stream was cut, or the
// container vanished while the engine read it.
func TestGetLost(t *testing.T) {
	whole := tarOf(tar.Header{Name: "x", Mode: 0o644}, []byte("bytes")).String()
	body := whole[:len(whole)-tarEnd]
	answer := func(text, length string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Docker-Container-Path-Stat", "e30=") // {}
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			io.WriteString(w, text)
		}
	}
	running := reply(200, `{"State": {"Running": true}}`)
	tests := []struct {
		name string
		fake fake
		gone bool
	}{
		{"whole", fake{"GET /containers/c/archive": answer(whole, ""), "GET /containers/c/json": running}, false},
		{"container removed meanwhile", fake{"GET /containers/c/archive": answer(whole, "")}, true},
		{"container stopped meanwhile", fake{"GET /containers/c/archive": answer(whole, ""), "GET /containers/c/json": reply(200, `{"State": {}}`)}, true},
		{"connection lost", fake{"GET /containers/c/archive": answer(body, "10000"), "GET /containers/c/json": running}, true},
		{"connection lost in the mark", fake{"GET /containers/c/archive": answer(whole[:len(whole)-1], "10000"), "GET /containers/c/json": running}, true},
		{"no mark", fake{"GET /containers/c/archive": answer(body, ""), "GET /containers/c/json": running}, true},
		{"nothing", fake{"GET /containers/c/archive": answer("", ""), "GET /containers/c/json": running}, true},
		{"an error at the end", fake{"GET /containers/c/archive": answer(whole+`{"message": "no"}`, ""), "GET /containers/c/json": running}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &Container{ID: "c", Name: "c", engine: connectFake(t, test.fake), limit: time.Hour, started: time.Now()}
			read := func() io.ReadCloser {
				r, err := c.Get(t.Context(), "/x")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { r.Close() })
				return r
			}
			data, err := io.ReadAll(read())
			if IsGone(err) != test.gone || (err != nil) != test.gone || !test.gone && string(data) != whole {
				t.Errorf("got %d bytes, %v; want gone %v", len(data), err, test.gone)
			}
			tr := tar.NewReader(read())
			for err = nil; err == nil; {
				_, err = tr.Next()
			}
			if IsGone(err) != test.gone || (err == io.EOF) == test.gone {
				t.Errorf("as a tar: %v; want gone %v", err, test.gone)
			}
		})
	}
}

func TestFilesSmallReads(t *testing.T) {
	whole := tarOf(tar.Header{Name: "x", Mode: 0o644}, bytes.Repeat([]byte("0123456789"), 20000)).String()
	same := func(err error) error { return err }
	for _, size := range []int{1, 511, 1024, 100 << 10} {
		f := newFiles(io.NopCloser(strings.NewReader(whole)), same)
		var got []byte
		var err error
		for buf, n := make([]byte, size), 0; err == nil; got = append(got, buf[:n]...) {
			n, err = f.Read(buf)
		}
		if err != io.EOF || string(got) != whole {
			t.Errorf("reads of %d bytes: %d of %d bytes, %v", size, len(got), len(whole), err)
		}
	}
}

func TestLoadFails(t *testing.T) {
	answer := func(line string) fake {
		return fake{"POST /images/load": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			reply(200, line)(w, r)
		}}
	}
	broken := errors.New("broken")
	tests := []struct {
		name           string
		fake           fake
		archive        io.Reader
		full, gone, ok bool
		is             error
	}{
		{name: "loaded", fake: answer(`{"stream": "Loaded image: a:b\n"}`), ok: true},
		{name: "disk full in mid-stream", fake: answer(`{"stream": "x"}` + "\n" + `{"errorDetail": {"message": "x"}, "error": "write /var/lib/x: no space left on device"}`), full: true},
		{name: "cut in mid-stream", fake: answer(`{"stre`), gone: true},
		{name: "no answer", fake: fake{"POST /images/load": drop}, gone: true},
		{name: "refused", fake: fake{"POST /images/load": reply(500, `{"message": "no"}`)}},
		{name: "unreadable archive", fake: answer(""), archive: errReader{broken}, is: broken},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.archive == nil {
				test.archive = strings.NewReader("tar")
			}
			err := connectFake(t, test.fake).Load(t.Context(), test.archive)
			if (err == nil) != test.ok || IsDiskFull(err) != test.full || IsGone(err) != test.gone || !errors.Is(err, test.is) && test.is != nil {
				t.Errorf("got %v; want ok %v, full %v, gone %v", err, test.ok, test.full, test.gone)
			}
		})
	}
}

func TestChangesOf(t *testing.T) {
	tests := []struct {
		name, answer, want string
		ok                 bool
	}{
		{"none", `null`, "", true},
		{"sorted, without what the engine makes", `[{"Path":"/b","Kind":0},{"Path":"/b/x","Kind":2},{"Path":"/a","Kind":1},{"Path":"/in","Kind":1},{"Path":"/in/y","Kind":1},{"Path":"/into","Kind":1},
			{"Path":"/sbin","Kind":0},{"Path":"/sbin/docker-init","Kind":1},{"Path":"/usr/sbin/docker-init","Kind":1}]`, "/a /b -/b/x /into /sbin", true},
		{"a name that JSON cannot say", `[{"Path":"/a\ufffd","Kind":1}]`, "", false},
		{"no list", `{}`, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := connectFake(t, fake{"GET /containers/c/changes": reply(200, test.answer), "GET /containers/c/json": reply(200, `{"State": {"Running": true}}`)})
			c := &Container{ID: "c", Name: "c", engine: e, mounts: []string{"/in/"}, limit: time.Hour, started: time.Now()}
			got, err := c.Changes(t.Context())
			var words []string
			for _, x := range got {
				sign := ""
				if x.Deleted {
					sign = "-"
				}
				words = append(words, sign+x.Path)
			}
			if strings.Join(words, " ") != test.want || (err == nil) != test.ok || IsGone(err) {
				t.Errorf("got %v, %v; want %s", words, err, test.want)
			}
		})
	}
}

// A volume that a container still has is asked for again.
func TestVolumeRemoved(t *testing.T) {
	var asked []string
	note := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.Method+" "+r.URL.Path)
			h(w, r)
		}
	}
	tries := 0
	e := connectFake(t, fake{
		"DELETE /containers/v": note(reply(404, `{"message": "no such container"}`)),
		"DELETE /volumes/v": note(func(w http.ResponseWriter, r *http.Request) {
			if tries++; tries < 3 {
				reply(409, `{"message": "volume is in use"}`)(w, r)
				return
			}
			reply(204, "")(w, r)
		}),
	})
	if err := (&Volume{Name: "v", engine: e}).Remove(t.Context()); err != nil || len(asked) != 4 || asked[0] != "DELETE /v1.41/containers/v" {
		t.Errorf("%v, after %v", err, asked)
	}
}

// Whoever gives up must not wait for a reader of which nothing comes.
func TestUploadCancelled(t *testing.T) {
	uploads := map[string]func(ctx context.Context, e *Engine, r io.Reader) error{
		"PUT /containers/c/archive": func(ctx context.Context, e *Engine, r io.Reader) error {
			return (&Container{ID: "c", engine: e}).Put(ctx, "/", r)
		},
		"PUT /containers/v/archive": func(ctx context.Context, e *Engine, r io.Reader) error {
			return (&Volume{Name: "v", engine: e}).Put(ctx, "/", r)
		},
		"POST /images/load": func(ctx context.Context, e *Engine, r io.Reader) error { return e.Load(ctx, r) },
		"POST /images/create": func(ctx context.Context, e *Engine, r io.Reader) error {
			_, err := e.Import(ctx, r, "a:b", ImageConfig{})
			return err
		},
	}
	for path, upload := range uploads {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			enough := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			e := connectFake(t, fake{path: func(w http.ResponseWriter, r *http.Request) {
				cancel(enough)
				io.Copy(io.Discard, r.Body)
			}})
			if err := upload(ctx, e, silent{}); !errors.Is(err, enough) || IsGone(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// silent is a reader of which nothing comes.
type silent struct{}

func (silent) Read([]byte) (int, error) { select {} }

// errReader fails at once.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
