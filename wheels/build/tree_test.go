package build

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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
		w: tar.NewWriter(&buf), env: "/build-env/1f", prefix: "/opt/python/3.13", series: "3.13", time: time.Unix(1e9, 0),
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
		case h.Typeflag == tar.TypeReg:
			line += fmt.Sprintf(" %q", text)
		}
		out = append(out, line)
	}
}

func TestInterpreter(t *testing.T) {
	tr, buf := newTree()
	tr.top = "build-env/1f"
	if err := tr.interpreter(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`0644 0:0 build-env/1f/pyvenv.cfg "home = /opt/python/3.13/bin\ninclude-system-site-packages = false\nversion = 3.13\n"`,
		"5755 0:0 build-env/1f/bin/",
		"2777 0:0 build-env/1f/bin/python3.13 -> /opt/python/3.13/bin/python3.13",
		"2777 0:0 build-env/1f/bin/python -> python3.13", "2777 0:0 build-env/1f/bin/python3 -> python3.13",
		"5755 0:0 build-env/1f/lib/", "5755 0:0 build-env/1f/lib/python3.13/", "5755 0:0 build-env/1f/lib/python3.13/site-packages/",
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
	const site, bin = "lib/python3.13/site-packages/", "bin/"
	want := []string{
		"5755 0:0 lib/", "5755 0:0 lib/python3.13/", "5755 0:0 " + site,
		"5755 0:0 " + site + "foo/",
		"0644 0:0 " + site + `foo/__init__.py "x = 1\n"`,
		"0755 0:0 " + site + `foo/tool "#!python\n"`,
		"0755 0:0 " + site + `foo/link "__init__.py"`,
		"0644 0:0 " + site + `pure.py "pure"`,
		"0755 0:0 " + site + `plat.so "plat"`,
		"5755 0:0 " + bin,
		"0755 0:0 " + bin + `run "#!/build-env/1f/bin/python\nimport foo\n"`,
		"0755 0:0 " + bin + `gui "#!/build-env/1f/bin/python\nimport foo\n"`,
		"0755 0:0 " + bin + `short "#!"`,
		"0755 0:0 " + bin + `prog "#!/bin/sh\nexit\n"`,
		"5755 0:0 share/", "5755 0:0 share/foo/",
		`0644 0:0 share/foo/data "data"`,
		"5755 0:0 include/", "5755 0:0 include/site/", "5755 0:0 include/site/python3.13/",
		"5755 0:0 include/site/python3.13/foo-bar/",
		`0644 0:0 include/site/python3.13/foo-bar/foo.h "header"`,
		"5755 0:0 " + site + "other-1.0.dist-info/",
		"0644 0:0 " + site + `other-1.0.dist-info/METADATA "Name: other"`,
		"5755 0:0 " + site + "other-1.0.data/",
		"0644 0:0 " + site + `other-1.0.data/x "not a scheme of this wheel"`,
		"5755 0:0 " + site + "Foo_Bar-1.0.dist-info/",
		"0644 0:0 " + site + `Foo_Bar-1.0.dist-info/METADATA "Name: Foo_Bar"`,
		"0644 0:0 " + site + `Foo_Bar-1.0.dist-info/entry_points.txt "[console_scripts]\nfoo = foo.main:Run.it [x]\n"`,
		"0755 0:0 " + bin + `foo "#!/build-env/1f/bin/python\nimport sys\nfrom foo.main import Run\nif __name__ == \"__main__\":\n    sys.exit(Run.it())\n"`,
	}
	tr, buf := newTree()
	if err := tr.wheels([]Wheel{w}, true, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, listTar(t, buf)); diff != "" {
		t.Error(diff)
	}
	// In parts: what names the environment, and all else.
	named := func(line string) bool { return strings.Contains(line, "/build-env/") }
	for _, programs := range []bool{true, false} {
		tr, buf := newTree()
		if err := tr.wheels([]Wheel{w}, !programs, programs); err != nil {
			t.Fatal(err)
		}
		part := slices.DeleteFunc(slices.Clone(want), func(line string) bool {
			return named(line) != programs && line != "5755 0:0 bin/"
		})
		if diff := cmp.Diff(part, listTar(t, buf)); diff != "" {
			t.Error(programs, diff)
		}
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
			err := tr.wheels([]Wheel{tt.wheel}, true, true)
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
		tr.top = "build-env/1f"
		if tr.wheels([]Wheel{w}, true, true) != nil {
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
			if clean != "/build-env/1f" && !strings.HasPrefix(clean, "/build-env/1f/") || h.Uid != 0 {
				t.Errorf("%q: %s of %d", name, h.Name, h.Uid)
			}
		}
	})
}
