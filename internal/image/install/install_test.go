package install

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const hash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestArguments(t *testing.T) {
	wheels := []Wheel{
		{Name: "My.App-1.0-py3-none-any.whl", SHA256: hash, Keep: []string{"tests", "typing"}},
		{Name: "b-2!1.0+l-1-cp313-cp313-linux_x86_64.whl", SHA256: hash},
	}
	files, argv, err := arguments("3.13", wheels, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := "My.App==1.0 --hash=sha256:" + hash + "\nb==2!1.0+l --hash=sha256:" + hash + "\n"; string(files["requirements.txt"]) != want {
		t.Errorf("lock %q", files["requirements.txt"])
	}
	line := strings.Join(argv, " ")
	for _, part := range []string{"/opt/python/3.13/bin/python3.13 -I ", " --jobs 1 ", " --keep My.App=tests,typing"} {
		if !strings.Contains(line, part) {
			t.Errorf("%q is not in %q", part, line)
		}
	}
	for _, test := range []struct {
		series string
		wheels []Wheel
		want   string
	}{
		{"3", nil, `"3" is no series of Python`},
		{"../3.13", nil, `"../3.13" is no series of Python`},
		{"3.13", []Wheel{{Name: "../a-1-py3-none-any.whl", SHA256: hash}}, `"../a-1-py3-none-any.whl" is not the name of a wheel`},
		{"3.13", []Wheel{{Name: "--a-1-py3-none-any.whl", SHA256: hash}}, `"--a-1-py3-none-any.whl" is not the name of a wheel`},
		{"3.13", []Wheel{{Name: "a.whl", SHA256: hash}}, `"a.whl" is not the name of a wheel`},
		{"3.13", []Wheel{{Name: "a-1-py3-none-any.whl", SHA256: "1"}}, `a-1-py3-none-any.whl: "1" is no SHA-256`},
		{"3.13", []Wheel{wheels[0], wheels[0]}, "My.App-1.0-py3-none-any.whl: is there twice"},
	} {
		if _, _, err := arguments(test.series, test.wheels, 1); err == nil || err.Error() != test.want {
			t.Errorf("%s %v: %v, want %s", test.series, test.wheels, err, test.want)
		}
	}
}

func TestDone(t *testing.T) {
	d := newDone([]Wheel{{Name: "a.whl"}, {Name: "b.whl"}})
	for _, piece := range []string{"noise\nb.", "whl\nb.whl\na.whl", "", "\nrest"} {
		if n, err := d.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	close(d.names)
	var got []string
	for name := range d.names {
		got = append(got, name)
	}
	if !slices.Equal(got, []string{"b.whl", "a.whl"}) {
		t.Errorf("%q", got)
	}
}

func TestTail(t *testing.T) {
	var text tail
	for range 100 {
		text.Write(bytes.Repeat([]byte("x"), 1000))
	}
	text.Write([]byte("end"))
	if len(text) != 16<<10 || !bytes.HasSuffix(text, []byte("xend")) {
		t.Errorf("%d bytes, %q", len(text), text[len(text)-4:])
	}
}

func TestStrip(t *testing.T) {
	var in bytes.Buffer
	w := tar.NewWriter(&in)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "a.whl/", Mode: 0o755, Uid: 1000},
		{Typeflag: tar.TypeDir, Name: "a.whl/venv/", Mode: 0o755, Uid: 1000, Gid: 7, Uname: "app"},
		{Typeflag: tar.TypeReg, Name: "a.whl/venv/x", Mode: 0o4755, Uid: 1000, Size: 3},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("abc")[:h.Size])
	}
	cut := in.Len() - 400
	var out bytes.Buffer
	if err := strip(&out, io.LimitReader(bytes.NewReader(in.Bytes()), int64(cut))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	out.Reset()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := strip(&out, &in); err != nil {
		t.Fatal(err)
	}
	want := []entry{{name: "venv/", kind: tar.TypeDir, mode: 0o755}, {name: "venv/x", kind: tar.TypeReg, mode: 0o755, text: "abc"}}
	if diff := cmp.Diff(want, entries(t, &out), cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
	w = tar.NewWriter(&in)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "a.whl/venv/x", Linkname: "/etc/passwd"})
	if err := strip(io.Discard, &in); err == nil || err.Error() != "a.whl/venv/x: neither a file nor a directory" {
		t.Errorf("a link: %v", err)
	}
}

func TestVenvTar(t *testing.T) {
	var names []string
	for _, e := range entries(t, bytes.NewReader(Venv("3.13"))) {
		names = append(names, e.name+" "+e.link)
	}
	want := []string{
		"venv/ ", "venv/bin/ ", "venv/bin/python /opt/python/3.13/bin/python3.13", "venv/bin/python3 python", "venv/bin/python3.13 python",
		"venv/lib/ ", "venv/lib/python3.13/ ", "venv/lib/python3.13/site-packages/ ", "venv/pyvenv.cfg ",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestScript(t *testing.T) {
	for name, start := range map[string]string{"install.py": "#!/usr/bin/env python3\n", "apt.sh": "#!/bin/sh\n"} {
		if !strings.HasPrefix(string(Script(name)), start) {
			t.Errorf("%s does not begin with %q", name, start)
		}
	}
	if Script("x") != nil {
		t.Error("x is a script")
	}
}

// entry is what counts of a member of a tar.
type entry struct {
	name     string
	kind     byte
	mode     int64
	uid, gid int
	link     string
	text     string
}

func entries(t *testing.T, r io.Reader) (list []entry) {
	t.Helper()
	for members := tar.NewReader(r); ; {
		h, err := members.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(members)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, entry{h.Name, h.Typeflag, h.Mode & 0o7777, h.Uid, h.Gid, h.Linkname, string(text)})
	}
}
