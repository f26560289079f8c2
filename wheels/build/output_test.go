package build

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/fetch"
)

func TestMisnamed(t *testing.T) {
	for _, tt := range []struct{ name, version, file, want string }{
		{"Foo.Bar", "1.0", "foo_bar-1-py3-none-any.whl", ""},
		{"foo", "", "foo-7-py3-none-any.whl", ""},
		{"foo", "1.0", "foo-1.0.0-1-py3-none-any.whl", ""},
		{"foo", "1", "bar-1-py3-none-any.whl", "is not one of foo"},
		{"foo", "1", "foo-2-py3-none-any.whl", "is not of version 1"},
		{"foo", "1", "foo-1+local-py3-none-any.whl", "is not of version 1"},
		{"foo", "1", "foo-0.0.0-py3-none-any.whl", "is not of version 1"},
		{"foo", "1", "foo-1.tar.gz", "which is no name of a wheel"},
		{"foo", "1", "", "which is no name of a wheel"},
		{"foo", "1", "../foo-1-py3-none-any.whl", "which is no name of a wheel"},
		{"foo", "", "a/foo-1-py3-none-any.whl", "which is no name of a wheel"},
	} {
		got := Job{Name: tt.name, Version: tt.version}.misnamed(tt.file)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

func TestTakeWheel(t *testing.T) {
	const whl = "x-1-py3-none-any.whl"
	file := func(name string) tar.Header { return tar.Header{Name: "out/" + name, Typeflag: tar.TypeReg, Size: 3} }
	for name, tt := range map[string]struct {
		members []tar.Header
		want    []string
		text    string
	}{
		"one":     {[]tar.Header{file(whl)}, []string{whl}, "abc"},
		"nothing": {nil, nil, ""},
		"two":     {[]tar.Header{file(whl), file("y.whl")}, []string{whl, "y.whl"}, "abc"},
		"other":   {[]tar.Header{file("y.whl")}, []string{"y.whl"}, ""},
		"link":    {[]tar.Header{{Name: "out/" + whl, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, []string{whl + " (a symbolic link)"}, ""},
		"hard":    {[]tar.Header{{Name: "out/" + whl, Typeflag: tar.TypeLink, Linkname: "out/y"}}, []string{whl + " (a hard link)"}, ""},
		"fifo":    {[]tar.Header{{Name: "out/" + whl, Typeflag: tar.TypeFifo}}, []string{whl + " (no regular file)"}, ""},
		"device":  {[]tar.Header{{Name: "out/" + whl, Typeflag: tar.TypeChar}}, []string{whl + " (no regular file)"}, ""},
		"below":   {[]tar.Header{{Name: "out/d/", Typeflag: tar.TypeDir}, file("d/" + whl)}, []string{"d (a directory)", "d/" + whl}, ""},
		"many":    {slicesOf(file("y"), 30), append(strings.Split(strings.Repeat("y ", 19)+"y", " "), "more"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var buf, got bytes.Buffer
			w := tar.NewWriter(&buf)
			for _, h := range append([]tar.Header{{Name: "out/", Typeflag: tar.TypeDir}}, tt.members...) {
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				io.WriteString(w, "abc"[:h.Size])
			}
			w.Close()
			found, err := takeWheel(&got, &buf, whl)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, found); diff != "" || got.String() != tt.text {
				t.Errorf("%q %s", got.String(), diff)
			}
		})
	}
	if _, err := takeWheel(io.Discard, strings.NewReader(strings.Repeat("x", 600)), whl); err == nil {
		t.Error("no tar, no error")
	}
}

func slicesOf(h tar.Header, n int) (out []tar.Header) {
	for range n {
		out = append(out, h)
	}
	return out
}

func TestFailedError(t *testing.T) {
	e := &FailedError{Package: "foo 1", Step: "build_wheel", Kind: Raised, Cause: "ValueError: x", Tail: []string{"tail"}}
	if got, want := e.Error(), "foo 1: build_wheel: ValueError: x"; got != want {
		t.Error(got)
	}
	e.Reached = []string{"a.example.org", "b.example.org"}
	if got, want := e.Error(), "foo 1: build_wheel: ValueError: x; it asked for a.example.org, b.example.org, and a build has no network"; got != want {
		t.Error(got)
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{7: "7 bytes", 1 << 10: "1 KiB", 512 << 20: "512 MiB", 2 << 30: "2 GiB", 5 << 29: "2.5 GiB"} {
		if got := size(n); got != want {
			t.Error(got)
		}
	}
	for d, want := range map[time.Duration]string{time.Hour: "1 h", 30 * time.Minute: "30 min", 90 * time.Second: "90 s", 1500 * time.Millisecond: "1.5 s"} {
		if got := span(d); got != want {
			t.Error(got)
		}
	}
}

func TestEnviron(t *testing.T) {
	r := &Run{env: "/build-env/1f", b: &Builder{Prefix: "/opt/python/3.13", Series: "3.13"}, job: Job{
		Backend: "b", ConfigSettings: map[string][]string{"one": {"1"}, "two": {"1", "2"}}, Env: map[string]string{"CFLAGS": "-O1", "MORE": "m"},
	}}
	env := r.environ()
	for key, want := range map[string]string{
		"PATH": "/build-env/1f/bin:/opt/python/3.13/bin:/usr/bin:/bin", "MAKEFLAGS": "-j1", "MAX_JOBS": "1",
		"SOURCE_DATE_EPOCH": "315532800", "CFLAGS": "-O1", "MORE": "m", "CXXFLAGS": fmt.Sprintf(cflags, "-g0", "/build-env/1f"), "LDFLAGS": ldflags + " -Wl,-S",
	} {
		if env[key] != want {
			t.Errorf("%s=%s", key, env[key])
		}
	}
	r.job.Symbols = true
	env = r.environ()
	for key, want := range map[string]string{"CXXFLAGS": fmt.Sprintf(cflags, "-g", "/build-env/1f"), "FFLAGS": env["CXXFLAGS"], "LDFLAGS": ldflags} {
		if env[key] != want {
			t.Errorf("with symbols: %s=%s", key, env[key])
		}
	}
	r.job.Subdirectory = "python/x"
	r.job.Epoch, r.job.Jobs = time.Unix(1e9, 0), 4
	if env := r.environ(); env["SOURCE_DATE_EPOCH"] != "1000000000" || env["MAKEFLAGS"] != "-j4" || env["CARGO_BUILD_JOBS"] != "4" {
		t.Error(env)
	}
	text, err := json.Marshal(r.request("wheel", nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"config_settings":{"one":"1","two":["1","2"]}`, `"backend_path":null`, `"source":"/build/src/python/x"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: no %s", text, want)
		}
	}
}

func TestTmpfs(t *testing.T) {
	const memory = 1 << 30
	all := tmpfs(memory)
	if want := "exec,nosuid,nodev,mode=755,uid=1000,gid=1000,size=536870912,nr_inodes=131072"; all[Dir] != want {
		t.Error(all[Dir])
	}
	if want := "exec,nosuid,nodev,mode=1777,size=268435456,nr_inodes=65536"; all["/tmp"] != want {
		t.Error(all["/tmp"])
	}
	var sum int64
	for _, share := range places {
		sum += memory / share
	}
	if sum > memory*15/16 { // else a full disk is out of memory
		t.Errorf("%d of %d bytes", sum, memory)
	}
	if options := tmpfs(0)["/tmp"]; strings.Contains(options, "size") {
		t.Error(options)
	}
}

func TestStartRefused(t *testing.T) {
	src := source(nil)
	for want, job := range map[string]Job{
		"no source or no backend":                         {Name: "x", Backend: "b"},
		"build x 1: no source or no backend":              {Name: "x", Version: "1", Source: src},
		"subdirectory ../y: not a path within the source": {Name: "x", Source: src, Backend: "b", Subdirectory: "../y"},
		"subdirectory /y: not a path within the source":   {Name: "x", Source: src, Backend: "b", Subdirectory: "/y"},
	} {
		if _, err := new(Builder).Start(t.Context(), job); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// source is a source of a few files.
type source map[string]string

func (s source) WriteTar(dst *tar.Writer, top string, uid, gid int) error {
	var all []fetch.MemFile
	for name, text := range s {
		all = append(all, fetch.MemFile{Name: name, Data: []byte(text)})
	}
	return fetch.PackFiles(dst, all, fetch.Rules{Top: top, UID: uid, GID: gid, MTime: time.Unix(1e9, 0)})
}

func TestInstalled(t *testing.T) {
	r := &Run{installed: map[string]string{}}
	if err := r.install([]Wheel{{Name: "Foo_Bar-1-py3-none-any.whl"}, {Name: "b-1-py3-none-any.whl"}}); err != nil {
		t.Fatal(err)
	}
	err := r.install([]Wheel{{Name: "foo.bar-2-py3-none-any.whl"}})
	if err == nil || !strings.Contains(err.Error(), "foo.bar-2-py3-none-any.whl: Foo_Bar-1-py3-none-any.whl is in the environment already") {
		t.Error(err)
	}
	if err := r.install([]Wheel{{Name: "foo.zip"}}); err == nil {
		t.Error("no wheel, no error")
	}
}
