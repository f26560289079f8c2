//go:build engine

package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/engine"
)

const site = "venv/lib/python3.13/site-packages/"

// full is a wheel that has something of everything.
var full = sample{
	name: "full", tag: "py3-none-any",
	meta: "Summary: all\nDescription: long\n        and longer\nRequires-Dist: other\n\n# Body\n\ntext\n",
	files: map[string]string{
		"full/__init__.py":                    "import sys\nNAMES = {'a', 'b', None, 'c'}\n",
		"full/broken.py":                      "print 'two'\n",
		"full/latin.py":                       "x = '\xe9'\n",
		"full/tests/__init__.py":              "",
		"full/tests/test_x.py":                "",
		"full/templates/tests/x.html":         "a template",
		"full/sub/__init__.py":                "def f():\n    from .tests import helper\n",
		"full/sub/tests/__init__.py":          "",
		"full/sub/tests/helper.py":            "",
		"full/include/full.h":                 "",
		"full/include/README":                 "",
		"full/jinja/include/x.html":           "",
		"full/x.pyx":                          "",
		"full/x.pyi":                          "",
		"full/x.a":                            "",
		"full/__pycache__/old.cpython-39.pyc": "",
		"tests/__init__.py":                   "",
		"full-1.0.data/scripts/plain.sh":      "#!/bin/sh\n",
		"full-1.0.data/scripts/rewritten":     "#!pythonw -E\nprint(1)\n",
		"full-1.0.data/scripts/program":       "#!python\n# that of the entry point wins\n",
		"full-1.0.data/headers/full.h":        "",
		"full-1.0.data/data/etc/full.conf":    "x",
		"full-1.0.data/data/share/man/full.1": "x",
		"full-1.0.data/platlib/plat.py":       "",
		"full-1.0.dist-info/entry_points.txt": "[console_scripts]\n# all\nprogram = full.sub:f.g [extra]\n[gui_scripts]\nwindow=full:main\n[other]\nx = y\n",
		"full-1.0.dist-info/licenses/LICENSE": "mine",
		"full-1.0.dist-info/sboms/x.json":     "{}",
		"full-1.0.dist-info/zip-safe":         "",
		"full-1.0.dist-info/REQUESTED":        "",
		"full-1.0.dist-info/direct_url.json":  "{}",
		"full-1.0.dist-info/top_level.txt":    "full\n",
	},
	extra: []member{{name: "full/tool", text: "#!/bin/sh\n", mode: 0o755}, {name: "empty/", mode: 0o755}},
}

func files(list []entry) (names []string) {
	for _, e := range list {
		if !strings.HasSuffix(e.name, "/") && !strings.Contains(e.name, "__pycache__/") {
			names = append(names, strings.TrimPrefix(e.name, site))
		}
	}
	slices.Sort(names)
	return names
}

func TestTrees(t *testing.T) {
	everything := full
	everything.name, everything.keep = "everything", []string{"tests", "headers", "sources", "docs", "metadata", "typing"}
	everything.files = map[string]string{}
	for name, text := range full.files {
		everything.files[strings.ReplaceAll(name, "full-1.0", "everything-1.0")] = text
	}
	stubs := sample{name: "stubs", meta: "Requires-Dist: lazy_loader>=0.1\n", files: map[string]string{"stubs/x.pyi": "", "stubs/__init__.py": ""}}
	astropy := sample{name: "whole", files: map[string]string{"whole/__init__.py": "from whole import (x,\n    tests)\n", "whole/tests/runner.py": "", "whole/a/tests/x.py": ""}}
	wheels := makeHouse(t, full, everything, stubs, astropy)
	all := forest(t, wheels, 2)

	kept := []string{
		"empty.conf", "full-1.0.dist-info/INSTALLER", "full-1.0.dist-info/METADATA", "full-1.0.dist-info/RECORD", "full-1.0.dist-info/WHEEL",
		"full-1.0.dist-info/entry_points.txt", "full-1.0.dist-info/licenses/LICENSE", "full-1.0.dist-info/top_level.txt",
		"full/__init__.py", "full/broken.py", "full/jinja/include/x.html", "full/latin.py", "full/sub/__init__.py", "full/sub/tests/__init__.py",
		"full/sub/tests/helper.py", "full/templates/tests/x.html", "full/tool", "plat.py", "tests/__init__.py",
		"venv/bin/plain.sh", "venv/bin/program", "venv/bin/rewritten", "venv/bin/window", "venv/etc/full.conf",
	}[1:]
	if diff := cmp.Diff(kept, files(all["full-1.0-py3-none-any.whl"])); diff != "" {
		t.Error(diff)
	}
	more := []string{"full/include/README", "full/include/full.h", "full/tests/__init__.py", "full/tests/test_x.py", "full/x.a", "full/x.pyi", "full/x.pyx",
		"venv/include/site/python3.13/everything/full.h", "venv/share/man/full.1", "everything-1.0.dist-info/sboms/x.json", "everything-1.0.dist-info/zip-safe"}
	for _, name := range kept {
		more = append(more, strings.ReplaceAll(name, "full-1.0", "everything-1.0"))
	}
	slices.Sort(more)
	if diff := cmp.Diff(more, files(all["everything-1.0-py3-none-any.whl"])); diff != "" {
		t.Error(diff)
	}
	for wheel, name := range map[string]string{"stubs-1.0-py3-none-any.whl": "stubs/x.pyi", "whole-1.0-py3-none-any.whl": "whole/tests/runner.py"} {
		if !slices.Contains(files(all[wheel]), name) {
			t.Errorf("%s has not %s", wheel, name)
		}
	}
	if slices.Contains(files(all["whole-1.0-py3-none-any.whl"]), "whole/a/tests/x.py") {
		t.Error("whole/a/tests is there")
	}
	texts := byName(all["full-1.0-py3-none-any.whl"])
	for name, want := range map[string]string{
		"venv/bin/rewritten":                  "#!/venv/bin/python\nprint(1)\n",
		"venv/bin/program":                    "#!/venv/bin/python\nimport sys\nfrom full.sub import f\nif __name__ == \"__main__\":\n    sys.exit(f.g())\n",
		site + "full-1.0.dist-info/METADATA":  "Metadata-Version: 2.1\nName: full\nVersion: 1.0\nSummary: all\nRequires-Dist: other\n",
		site + "full-1.0.dist-info/INSTALLER": "pybake\n",
	} {
		if diff := cmp.Diff(want, texts[name].text); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, mode := range map[string]int64{"venv/bin/plain.sh": 0o755, "venv/bin/program": 0o755, site + "full/tool": 0o755, site + "full/broken.py": 0o644, "venv/bin/": 0o755} {
		if got := texts[name]; got.mode != mode || got.uid != 0 || got.gid != 0 {
			t.Errorf("%s: %o %d:%d", name, got.mode, got.uid, got.gid)
		}
	}
	record := texts[site+"full-1.0.dist-info/RECORD"].text
	var listed []string
	for line := range strings.Lines(record) {
		name, _, _ := strings.Cut(line, ",")
		listed = append(listed, strings.Replace(name, "../../../", "venv/", 1))
	}
	var there []string
	for _, e := range all["full-1.0-py3-none-any.whl"] {
		if !strings.HasSuffix(e.name, "/") {
			there = append(there, strings.TrimPrefix(e.name, site))
		}
	}
	slices.Sort(there)
	slices.Sort(listed)
	if diff := cmp.Diff(there, listed); diff != "" {
		t.Errorf("RECORD: %s", diff)
	}
	for _, name := range []string{"full/__pycache__/broken.", "full/__pycache__/latin.", "full/__pycache__/old."} {
		if strings.Contains(record, name) {
			t.Errorf("%s is there", name)
		}
	}
}

// TestSame installs in other orders, numbers of processes and places.
func TestSame(t *testing.T) {
	other := sample{name: "other", files: map[string]string{"tests/__init__.py": "", "empty.py": "", "other.py": "X = ('full', 'sys', 'NAMES', {1: 'a'})\n"}}
	var many = sample{name: "many", files: map[string]string{}}
	for n := range 60 { // more than one process compiles
		many.files[fmt.Sprintf("many/m%d.py", n)] = fmt.Sprintf("import sys\ndef f(a, b=%d):\n    return {'a', 'b', None} | {a}\n%s", n, strings.Repeat("# padding, which counts\n", 2000))
	}
	wheels := makeHouse(t, full, other, many)
	first := forest(t, wheels, 1)
	slices.Reverse(wheels)
	if diff := cmp.Diff(first, forest(t, wheels, 3), cmp.AllowUnexported(entry{})); diff != "" {
		t.Errorf("with more processes: %s", diff)
	}

	c := start(t, imageRef, "CHOWN", "DAC_OVERRIDE", "FOWNER")
	command := putHouse(t, c, wheels)
	run(t, c, "export PYTHONHASHSEED=7 PYTHONOPTIMIZE=2; cd /srv/install/house; /opt/python/3.13/bin/python3.13 /srv/install/install.py venv --python /opt/python/3.13/bin/python3.13 --venv /venv; "+
		command+"--venv /venv --jobs 2; rm -rf /srv/image; mkdir /srv/image; /opt/python/3.13/bin/python3.13 /srv/install/install.py venv --python /opt/python/3.13/bin/python3.13 --venv /venv --root /srv/image; "+
		command+"--venv /venv --root /srv/image")
	want := byName(entries(t, strings.NewReader(string(Venv("3.13")))))
	for _, tree := range first {
		maps.Copy(want, byName(tree))
	}
	for _, dir := range []string{"/venv", "/srv/image/venv"} {
		if diff := cmp.Diff(want, byName(treeOf(t, c, dir)), cmp.AllowUnexported(entry{})); diff != "" {
			t.Errorf("%s: %s", dir, diff)
		}
	}
	said := run(t, c, "cd /; /venv/bin/python -c 'import full, many.m3; print(full.__cached__, many.m3.f.__code__.co_filename)'; "+
		"cat /venv/lib/python3.13/site-packages/full/__pycache__/__init__.cpython-313.pyc | head -c 8 | od -An -tx1 | cut -c 13-")
	if want := "/venv/lib/python3.13/site-packages/full/__pycache__/__init__.cpython-313.pyc /venv/lib/python3.13/site-packages/many/m3.py\n 01 00 00 00\n"; said != want {
		t.Errorf("%q", said)
	}
}

// TestPip compares with what pip installs.
func TestPip(t *testing.T) {
	whole := full
	whole.keep = []string{"tests", "headers", "sources", "docs", "metadata", "typing"}
	whole.files = maps.Clone(full.files)
	delete(whole.files, "full/__pycache__/old.cpython-39.pyc")
	whole.meta = strings.Replace(full.meta, "Requires-Dist: other\n", "", 1)
	wheels := makeHouse(t, whole)
	c := start(t, imageRef, "CHOWN", "DAC_OVERRIDE", "FOWNER")
	putHouse(t, c, wheels)
	run(t, c, "cd /; /opt/python/3.13/bin/python3.13 -m venv --without-pip /venv; "+
		"/opt/python/3.13/bin/python3.13 -m venv /pip; /pip/bin/pip --python /venv/bin/python install -q --no-compile --no-index --no-cache-dir /srv/install/house/*.whl")
	pip, ours := byName(treeOf(t, c, "/venv")), byName(forest(t, wheels, 1)["full-1.0-py3-none-any.whl"])
	own := map[string]bool{ // what differs
		site + "full-1.0.dist-info/RECORD": true, site + "full-1.0.dist-info/INSTALLER": true,
		site + "full-1.0.dist-info/REQUESTED": true, site + "full-1.0.dist-info/direct_url.json": true,
		"venv/bin/program": true, "venv/bin/window": true,
	}
	for name, theirs := range pip {
		if own[name] || strings.HasSuffix(name, "/") || theirs.link != "" || name == "venv/pyvenv.cfg" || strings.HasPrefix(name, "venv/bin/") && strings.Contains(strings.ToLower(name), "activate") || name == "venv/.gitignore" {
			continue
		}
		if strings.HasPrefix(name, "venv/bin/") {
			theirs.mode = 0o755
		}
		if diff := cmp.Diff(theirs, ours[name], cmp.AllowUnexported(entry{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name := range ours {
		if _, ok := pip[name]; !ok && !strings.Contains(name, "__pycache__/") {
			t.Errorf("%s: pip has it not", name)
		}
	}
	if len(pip) < 30 {
		t.Errorf("pip installed %d files", len(pip))
	}
}

func TestVenv(t *testing.T) {
	c := start(t, imageRef)
	if err := c.Put(t.Context(), "/srv", strings.NewReader(tarFile(t, "install.py", Script("install.py")))); err != nil {
		t.Fatal(err)
	}
	if _, err := shell(t.Context(), c, "", "cd /tmp; umask 077; /opt/python/3.13/bin/python3.13 -B /srv/install.py venv --python /opt/python/3.13/bin/python3.13 --venv /venv --root /tmp/x"); err != nil {
		t.Fatal(err)
	}
	made := byName(treeOf(t, c, "/tmp/x/venv"))
	for name, e := range made {
		e.uid, e.gid = 0, 0
		made[name] = e
	}
	if diff := cmp.Diff(byName(entries(t, strings.NewReader(string(Venv("3.13"))))), made, cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	one := map[string]string{"x.py": ""}
	for _, test := range []struct {
		s    sample
		want string
	}{
		{sample{name: "up", extra: []member{{name: "../up.py", mode: 0o644}}}, "'../up.py' is no name of a file in the environment"},
		{sample{name: "root", extra: []member{{name: "/etc/x", mode: 0o644}}}, "'/etc/x' is no name of a file in the environment"},
		{sample{name: "back", extra: []member{{name: "a\\b", mode: 0o644}}}, `is no name of a file in the environment`},
		{sample{name: "nul", extra: []member{{name: "a\x00b", mode: 0o644}}}, `is no name of a file in the environment`},
		{sample{name: "line", extra: []member{{name: "a\nb.py", mode: 0o644}}}, `is no name of a file in the environment`},
		{sample{name: "data", extra: []member{{name: "data-1.0.data/data/../../x", mode: 0o644}}}, "is no name of a file in the environment"},
		{sample{name: "link", extra: []member{{name: "x", text: "/etc/passwd", mode: 0o777 | 1<<27}}}, "'x' is no ordinary file"},
		{sample{name: "twice", files: one, extra: []member{{name: "x.py", mode: 0o644}}}, "'x.py' is there twice"},
		{sample{name: "below", files: one, extra: []member{{name: "x.py/y", mode: 0o644}}}, "'x.py' is a file and a directory"},
		{sample{name: "local", extra: []member{{name: "inner.py", local: "outer.py", mode: 0o644}}}, "'inner.py': has the name b'outer.py' in its local header"},
		{sample{name: "left", files: one, left: []string{"x.py"}}, "'x.py' is not in RECORD"},
		{sample{name: "more", record: "y.py,sha256=AA,1\n"}, "'y.py' is in RECORD only"},
		{sample{name: "hash", files: one, hashes: map[string]string{"x.py": "sha256=AAAA"}}, "'x.py': has the hash 47DEQ"},
		{sample{name: "hash5", files: map[string]string{"x.bin": "1"}, hashes: map[string]string{"x.bin": "sha512=AAAA"}}, "'x.bin': has the hash Tf9"},
		{sample{name: "nohash", files: one, hashes: map[string]string{"x.py": ""}}, "'x.py': has no hash in RECORD"},
		{sample{name: "md5", files: one, hashes: map[string]string{"x.py": "md5=AAAA"}}, "'x.py': has no hash in RECORD"},
		{sample{name: "sum", sum: hash}, ", the lock has " + hash},
		{sample{name: "scheme", files: map[string]string{"scheme-1.0.data/etc/x": ""}}, "'scheme-1.0.data/etc/x': is in no directory of .data that is installed"},
		{sample{name: "python", files: map[string]string{"python-1.0.data/scripts/python3": ""}}, "is part of the environment itself"},
		{sample{name: "cfg", files: map[string]string{"cfg-1.0.data/data/pyvenv.cfg": ""}}, "is part of the environment itself"},
		{sample{name: "place", files: map[string]string{"place-1.0.data/purelib/a.py": "", "a.py": ""}}, "is installed where another file is"},
		{sample{name: "program", files: map[string]string{"program-1.0.dist-info/entry_points.txt": "[console_scripts]\n../x = a:b\n"}}, "entry_points.txt: '../x = a:b' is no NAME = MODULE:FUNCTION"},
		{sample{name: "code", files: map[string]string{"code-1.0.dist-info/entry_points.txt": "[console_scripts]\nx = a:b(),os\n"}}, "is no NAME = MODULE:FUNCTION"},
		{sample{name: "infos", files: map[string]string{"x-1.dist-info/METADATA": ""}}, "has the .dist-info directories infos-1.0.dist-info, x-1.dist-info"},
		{sample{name: "old", tag: "cp312-cp312-linux_x86_64"}, "is not for CPython 3.13 on x86_64"},
		{sample{name: "arm", tag: "cp313-cp313-manylinux_2_17_aarch64"}, "is not for CPython 3.13 on x86_64"},
	} {
		t.Run(test.s.name, func(t *testing.T) {
			t.Parallel()
			good := sample{name: "good", files: map[string]string{"good.py": ""}}
			err := Trees(t.Context(), start(t, imageRef), "3.13", makeHouse(t, test.s, good), 1, func(w Wheel, files io.Reader) error {
				if w.Name != "good-1.0-py3-none-any.whl" {
					t.Errorf("%s is handed over", w.Name)
				}
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "install wheels: "+test.s.name+"-1.0-") {
				t.Errorf("%v\nwant %s", err, test.want)
			}
		})
	}
}

// TestBroken installs what is no wheel, and what is cut off.
func TestBroken(t *testing.T) {
	for _, test := range []struct {
		change func(data []byte) []byte
		want   string
	}{
		{func([]byte) []byte { return nil }, "cannot mmap an empty file"},
		{func(data []byte) []byte { return data[:len(data)/2] }, "File is not a zip file"},
	} {
		w := remade(t, makeHouse(t, full)[0], test.change)
		err := Trees(t.Context(), start(t, imageRef), "3.13", []Wheel{w}, 1, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
	w := makeHouse(t, full)[0]
	w.Path += ".gone"
	if err := Trees(t.Context(), start(t, imageRef), "3.13", []Wheel{w}, 1, nil); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a wheel that is gone: %v", err)
	}
}

func TestOverlaps(t *testing.T) {
	a := sample{name: "a", files: map[string]string{"ns/__init__.py": "", "both.txt": "1", "same.txt": "1"}}
	b := sample{name: "b", files: map[string]string{"ns/__init__.py": "", "both.txt": "2", "same.txt": "1", "there.txt": "1", "like.txt": "1"}}
	c := start(t, imageRef, "CHOWN", "DAC_OVERRIDE", "FOWNER")
	command := putHouse(t, c, makeHouse(t, a, b))
	said, err := shell(t.Context(), c, "0:0", command+"--venv /venv")
	if err == nil || !strings.Contains(said, "/venv: is no virtual environment; install.py venv makes one") {
		t.Errorf("without an environment: %v", err)
	}
	run(t, c, "/opt/python/3.13/bin/python3.13 /srv/install/install.py venv --python /opt/python/3.13/bin/python3.13 --venv /venv; cd /venv/lib/python3.13/site-packages; echo x > there.txt; printf 1 > like.txt")
	said, err = shell(t.Context(), c, "0:0", command+"--venv /venv --jobs 2 2>&1 >/dev/null")
	want := "b-1.0-py3-none-any.whl: lib/python3.13/site-packages/both.txt, which a-1.0-py3-none-any.whl has with other contents\n" +
		"b-1.0-py3-none-any.whl: lib/python3.13/site-packages/there.txt is there already, with other contents\n"
	if err == nil || said != want {
		t.Errorf("%v: %s", err, said)
	}
	said, err = shell(t.Context(), c, "0:0", command+"--venv /venv a-1.0-py3-none-any.whl 2>&1")
	if err == nil || said != "a-1.0-py3-none-any.whl: is installed already: a-1.0.dist-info\n" {
		t.Errorf("%v: %s", err, said)
	}
	for _, test := range []struct{ lock, args, want string }{
		{"", "", "a-1.0-py3-none-any.whl: a is not in the lock"},
		{"a==1 --hash=sha256:" + hash + "\\n", "", "b-1.0-py3-none-any.whl: b is not in the lock"},
		{"a==1 \\\\\\n  --hash=sha256:" + hash + "\\nb==1 --hash=sha256:" + hash + " # b\\nc==1 --hash=sha256:" + hash + "\\n", "", "/srv/install/house: no wheel of c"},
		{"# all\\na==1\\n", "", "/tmp/lock:2: 'a==1' is not NAME==VERSION --hash=sha256:HEX"},
		{"--index-url https://example.org/\\n", "", "/tmp/lock:1: '--index-url https://example.org/' is not"},
		{"", "../x-1-py3-none-any.whl", "is not the name of a wheel"},
		{"", "--keep everything", "'everything': want some of tests headers"},
		{"", "--venv '/a b'", "want an absolute path that a #! line can have"},
		{"", "--venv venv", "want an absolute path that a #! line can have"},
	} {
		said, err := shell(t.Context(), c, "0:0", fmt.Sprintf("printf -- '%s' > /tmp/lock; %s --venv /venv --lock /tmp/lock %s 2>&1", test.lock, command, test.args))
		if err == nil || !strings.Contains(said, test.want) {
			t.Errorf("%q %s: %v, %s", test.lock, test.args, err, said)
		}
	}
}

// TestStops has a consumer that fails, one that reads nothing, and a
// cancellation.
func TestStops(t *testing.T) {
	wheels := makeHouse(t, full, sample{name: "b"}, sample{name: "c"})
	broken, calls := errors.New("broken"), 0
	c := start(t, imageRef)
	err := Trees(t.Context(), c, "3.13", wheels, 1, func(Wheel, io.Reader) error {
		calls++
		return broken
	})
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("%d calls: %v", calls, err)
	}
	calls = 0
	err = Trees(t.Context(), start(t, imageRef), "3.13", wheels, 1, func(Wheel, io.Reader) error {
		calls++
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("%d calls: %v", calls, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	err = Trees(ctx, start(t, imageRef), "3.13", wheels, 1, func(_ Wheel, files io.Reader) error {
		cancel(broken)
		_, err := io.Copy(io.Discard, files)
		return err
	})
	if !errors.Is(err, broken) {
		t.Errorf("cancelled: %v", err)
	}
	c = start(t, imageRef)
	if err := c.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Trees(t.Context(), c, "3.13", wheels, 1, nil); !engine.IsGone(err) {
		t.Errorf("without a container: %v", err)
	}
}
