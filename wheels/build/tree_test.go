package build

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// member is a file of a wheel in a test.
type member struct {
	name, text string
	mode       os.FileMode // 0 is 0644
}

// makeWheel writes a wheel that is enough of one for an environment.
func makeWheel(t testing.TB, name string, members ...member) Wheel {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		h.SetMode(m.mode)
		if m.mode == 0 {
			h.SetMode(0o644)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "f1a2") // named by its hash
	if err := os.WriteFile(file, buf.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return Wheel{Path: file, Name: name}
}

// newTree is a tree that writes to a buffer.
func newTree() (*tree, *bytes.Buffer) {
	var buf bytes.Buffer
	return &tree{
		w: tar.NewWriter(&buf), prefix: "/opt/python/3.13", series: "3.13", time: time.Unix(1e9, 0),
		maxBytes: maxTree, maxFiles: maxFiles, made: map[string]bool{},
	}, &buf
}

// listTar prints each member on a line: mode, owner, name, and text or target.
func listTar(t *testing.T, r io.Reader) (out []string) {
	t.Helper()
	for members := tar.NewReader(r); ; {
		h, err := members.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(1e9, 0)) {
			t.Errorf("%s: time %s", h.Name, h.ModTime)
		}
		text, err := io.ReadAll(members)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%c%o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name)
		switch {
		case h.Linkname != "":
			line += " -> " + h.Linkname
		case h.Typeflag == tar.TypeReg && !strings.HasSuffix(h.Name, "build.py"):
			line += fmt.Sprintf(" %q", text)
		}
		out = append(out, line)
	}
}

func TestLayout(t *testing.T) {
	tr, buf := newTree()
	if err := errors.Join(tr.layout([]byte("{}")), tr.environment(nil)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5755 0:0 build/",
		"5755 1000:1000 build/src/", "5755 1000:1000 build/out/", "5755 1000:1000 build/home/", "5755 1000:1000 build/state/",
		`0644 0:0 etc/hosts "127.0.0.1 localhost\n::1 localhost\n"`, `0644 0:0 etc/resolv.conf "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"`,
		"0644 0:0 build/build.py", `0644 0:0 build/job.json "{}"`,
		"5755 0:0 build/env/",
		`0644 0:0 build/env/pyvenv.cfg "home = /opt/python/3.13/bin\ninclude-system-site-packages = false\nversion = 3.13\n"`,
		"5755 0:0 build/env/bin/",
		"2777 0:0 build/env/bin/python3.13 -> /opt/python/3.13/bin/python3.13",
		"2777 0:0 build/env/bin/python -> python3.13", "2777 0:0 build/env/bin/python3 -> python3.13",
		"5755 0:0 build/env/lib/", "5755 0:0 build/env/lib/python3.13/", "5755 0:0 build/env/lib/python3.13/site-packages/",
	}
	if diff := cmp.Diff(want, listTar(t, buf)); diff != "" {
		t.Error(diff)
	}
}

func TestWheelTree(t *testing.T) {
	w := makeWheel(t, "Foo_Bar-1.0-py3-none-any.whl",
		member{"foo/", "", os.ModeDir | 0o755},
		member{"foo/__init__.py", "x = 1\n", 0},
		member{"foo/tool", "#!python\n", 0o755},
		member{"foo/link", "__init__.py", os.ModeSymlink | 0o777},
		member{"Foo_Bar-1.0.data/purelib/pure.py", "pure", 0},
		member{"Foo_Bar-1.0.data/platlib/plat.so", "plat", 0o755},
		member{"Foo_Bar-1.0.data/scripts/run", "#!python -E\nimport foo\n", 0},
		member{"Foo_Bar-1.0.data/scripts/gui", "#!pythonw\nimport foo\n", 0},
		member{"Foo_Bar-1.0.data/scripts/short", "#!", 0},
		member{"Foo_Bar-1.0.data/scripts/prog", "#!/bin/sh\nexit\n", 0},
		member{"Foo_Bar-1.0.data/data/share/foo/data", "data", 0},
		member{"Foo_Bar-1.0.data/headers/foo.h", "header", 0},
		member{"other-1.0.dist-info/METADATA", "Name: other", 0},
		member{"other-1.0.data/x", "not a scheme of this wheel", 0},
		member{"Foo_Bar-1.0.dist-info/METADATA", "Name: Foo_Bar", 0},
		member{"Foo_Bar-1.0.dist-info/entry_points.txt", "[console_scripts]\nfoo = foo.main:Run.it [x]\n", 0},
	)
	tr, buf := newTree()
	if err := tr.wheels([]Wheel{w}); err != nil {
		t.Fatal(err)
	}
	const site, bin = "build/env/lib/python3.13/site-packages/", "build/env/bin/"
	want := []string{
		"5755 0:0 build/env/", "5755 0:0 build/env/lib/", "5755 0:0 build/env/lib/python3.13/", "5755 0:0 " + site,
		"5755 0:0 " + site + "foo/",
		"0644 0:0 " + site + `foo/__init__.py "x = 1\n"`,
		"0755 0:0 " + site + `foo/tool "#!python\n"`,
		"0755 0:0 " + site + `foo/link "__init__.py"`,
		"0644 0:0 " + site + `pure.py "pure"`,
		"0755 0:0 " + site + `plat.so "plat"`,
		"5755 0:0 " + bin,
		"0755 0:0 " + bin + `run "#!/build/env/bin/python\nimport foo\n"`,
		"0755 0:0 " + bin + `gui "#!/build/env/bin/python\nimport foo\n"`,
		"0755 0:0 " + bin + `short "#!"`,
		"0755 0:0 " + bin + `prog "#!/bin/sh\nexit\n"`,
		"5755 0:0 build/env/share/", "5755 0:0 build/env/share/foo/",
		`0644 0:0 build/env/share/foo/data "data"`,
		"5755 0:0 build/env/include/", "5755 0:0 build/env/include/site/", "5755 0:0 build/env/include/site/python3.13/",
		"5755 0:0 build/env/include/site/python3.13/foo-bar/",
		`0644 0:0 build/env/include/site/python3.13/foo-bar/foo.h "header"`,
		"5755 0:0 " + site + "other-1.0.dist-info/",
		"0644 0:0 " + site + `other-1.0.dist-info/METADATA "Name: other"`,
		"5755 0:0 " + site + "other-1.0.data/",
		"0644 0:0 " + site + `other-1.0.data/x "not a scheme of this wheel"`,
		"5755 0:0 " + site + "Foo_Bar-1.0.dist-info/",
		"0644 0:0 " + site + `Foo_Bar-1.0.dist-info/METADATA "Name: Foo_Bar"`,
		"0644 0:0 " + site + `Foo_Bar-1.0.dist-info/entry_points.txt "[console_scripts]\nfoo = foo.main:Run.it [x]\n"`,
		"0755 0:0 " + bin + `foo "#!/build/env/bin/python\nimport sys\nfrom foo.main import Run\nif __name__ == \"__main__\":\n    sys.exit(Run.it())\n"`,
	}
	if diff := cmp.Diff(want, listTar(t, buf)); diff != "" {
		t.Error(diff)
	}
}

func TestWheelTreeRefused(t *testing.T) {
	metadata := member{"foo-1.dist-info/METADATA", "", 0}
	for name, tt := range map[string]struct {
		wheel Wheel
		want  string
	}{
		"name":      {Wheel{Name: "foo.zip"}, "wheel name"},
		"no zip":    {Wheel{Name: "foo-1-py3-none-any.whl", Path: os.DevNull}, "zip"},
		"not there": {Wheel{Name: "foo-1-py3-none-any.whl", Path: "/nowhere/to/be/found"}, "no such file"},
		"metadata":  {makeWheel(t, "foo-1-py3-none-any.whl", member{"bar-1.dist-info/METADATA", "", 0}), "no .dist-info/METADATA of that project"},
		"up":        {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"../x", "", 0}), "../x: not a path within the wheel"},
		"up inside": {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"foo-1.data/data/../../x", "", 0}), "not a path within the wheel"},
		"absolute":  {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"/etc/x", "", 0}), "/etc/x: not a path within the wheel"},
		"backslash": {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{`a\b`, "", 0}), "not a path within the wheel"},
		"scheme":    {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"foo-1.data/stdlib/x", "", 0}), `unknown scheme "stdlib"`},
		"no scheme": {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"foo-1.data/x", "", 0}), "not below a scheme"},
		"entry":     {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"foo-1.dist-info/entry_points.txt", "[gui_scripts]\n\n../x=a:b\n", 0}), "line 3: "},
		"bytes":     {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"x", strings.Repeat("x", 2000), 0}), "too large"},
		"files":     {makeWheel(t, "foo-1-py3-none-any.whl", metadata, member{"1", "", 0}, member{"2", "", 0}, member{"3", "", 0}), "too many files"},
	} {
		t.Run(name, func(t *testing.T) {
			tr, _ := newTree()
			tr.maxBytes, tr.maxFiles = 1000, 3
			err := tr.wheels([]Wheel{tt.wheel})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.wheel.Name) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestEntryPoints(t *testing.T) {
	got, err := entryPoints("\n# c\n[gui_scripts]\r\n g = m.n : f \r\n[other]\nnot read\n[console_scripts]\n; c\na-b c=_m:A.b[x,y]\nñ=ñ:é\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []entryPoint{{"g", "m.n", "f"}, {"a-b c", "_m", "A.b"}, {"ñ", "ñ", "é"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entryPoint{})); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{
		"a", "=m:f", "a=m", "a=m:", "a=:f", "a/b=m:f", "..=m:f", ".=m:f", "a=m:f()", "a=m:f\rimport os", "a=m;x:f", "a=m:f [x] y", "a=1:f", "a=m:f.",
	} {
		if got, err := entryPoints("[console_scripts]\n" + line); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func FuzzEntryPoints(f *testing.F) {
	f.Add("[console_scripts]\na = b.c:d.e [x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		points, err := entryPoints(text)
		if err != nil {
			return
		}
		for _, p := range points {
			if strings.ContainsAny(p.name, "/\x00\n") || p.name == "." || p.name == ".." || strings.ContainsAny(p.module+p.attr, " \t\r\n;()'\"\\#") {
				t.Errorf("%+v", p)
			}
		}
	})
}

// FuzzWheelTree: nothing that a wheel says leads out of the environment.
func FuzzWheelTree(f *testing.F) {
	for _, name := range []string{"a", "../a", "foo-1.data/scripts/x", "foo-1.data/data/bin/../../x", "a//b", "./a"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.HasSuffix(name, "/") || len(name) > 60_000 {
			return // zip cannot write such a file
		}
		w := makeWheel(t, "foo-1-py3-none-any.whl", member{"foo-1.dist-info/METADATA", "", 0}, member{name, "#!python", 0})
		tr, buf := newTree()
		if tr.wheels([]Wheel{w}) != nil {
			return
		}
		for members := tar.NewReader(buf); ; {
			h, err := members.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			clean := filepath.Clean("/" + h.Name)
			if clean != "/build/env" && !strings.HasPrefix(clean, "/build/env/") || h.Uid != 0 {
				t.Errorf("%q: %s of %d", name, h.Name, h.Uid)
			}
		}
	})
}
