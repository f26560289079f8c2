package check

import (
	"archive/tar"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/elfcheck/elftest"
	"github.com/pybake/pybake/internal/image/layer"
)

// member is an entry of a layer of a test: a file, a directory if the name ends
// in a slash, or a symbolic link.
type member struct {
	name, text string
	mode       int64 // 0: 0755 for directories, else 0644
	link       string
	uid, gid   int
	kind       byte   // 0 as above
	capability string // security.capability
}

// site is that of the tests.
const testSite = "venv/lib/python3.13/site-packages/"

// installed is a distribution as it is installed: its files below the site, with
// bytecode, and its metadata.
func installed(name, version, requires string, files ...member) (members []member) {
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	metadata := "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
	for r := range strings.SplitSeq(requires, "\n") {
		if r != "" {
			metadata += "Requires-Dist: " + r + "\n"
		}
	}
	for _, f := range files {
		if base, ok := strings.CutSuffix(f.name, ".py"); ok {
			dir, stem := path.Split(base)
			files = append(files, member{name: dir + "__pycache__/" + stem + ".cpython-313.pyc", text: pyc})
		}
	}
	files = append(files, member{name: info + "METADATA", text: metadata})
	record := info + "RECORD,,\n"
	for _, f := range files {
		record += f.name + ",,\n"
	}
	for _, f := range append(files, member{name: info + "RECORD", text: record}) {
		f.name = path.Join(testSite, f.name)
		members = append(members, f)
	}
	return members
}

// pyc begins as bytecode with an unchecked hash does.
const pyc = "\xf3\x0d\x0d\x0a\x01\x00\x00\x00hashhash"

// library is an ELF file for the machine of the tests.
func library(s elftest.Spec) string { return string(elftest.Build(s)) }

// healthy are the layers of an image without faults.
func healthy() map[string][]member {
	return map[string][]member{
		"base": {
			{name: "bin", link: "usr/bin"}, {name: "lib", link: "usr/lib"},
			{name: "tmp/", mode: 0o1777}, {name: "home/app/", mode: 0o700, uid: 1000, gid: 1000},
			{name: "usr/bin/sh", text: "\x7fELF", mode: 0o755}, {name: "usr/bin/env", text: "\x7fELF", mode: 0o755},
			{name: "usr/bin/su", text: "\x7fELF", mode: 0o4755},
			{name: "usr/lib/x86_64-linux-gnu/"}, {name: "usr/lib/x86_64-linux-gnu/libc.so.6", text: "\x7fELF"},
			{name: "usr/lib64/ld-linux-x86-64.so.2", text: "\x7fELF", mode: 0o755},
			{name: "usr/share/doc/perl/copyright", text: "free"}, {name: "var/lib/apt/lists/lock"}, {name: "var/log/lastlog"},
			{name: "var/lib/dpkg/info/perl-base.list", text: "/.\n/usr/share/doc/perl\n"},
		},
		"python": {
			{name: "opt/python/3.13/bin/python3.13", text: library(elftest.Spec{Needed: []string{"libc.so.6"}}), mode: 0o755},
			{name: "opt/python/3.13/lib/python3.13/os.py"}, {name: "opt/python/3.13/lib/python3.13/__pycache__/os.cpython-313.pyc", text: pyc},
			{name: "venv/bin/python", link: "/opt/python/3.13/bin/python3.13"},
		},
		"apt": {{name: "usr/lib/x86_64-linux-gnu/libpq.so.5", text: library(elftest.Spec{Soname: "libpq.so.5", Needed: []string{"libc.so.6"}})}},
		"wheels": installed("Flask", "3.0", "click>=8\nasgiref>=3; extra == 'async'", member{name: "flask/__init__.py"},
			member{name: "flask/_speed.cpython-313-x86_64-linux-gnu.so", text: library(elftest.Spec{Needed: []string{"libpq.so.5", "libc.so.6"}, Exports: []string{"PyInit__speed"}})}),
		"app": slices.Concat(
			installed("click", "8.1", "", member{name: "click.py"}),
			installed("shop", "1.0", "flask>=3\ncolorama; sys_platform == 'win32'", member{name: "shop/__init__.py"},
				member{name: "../../../bin/shop", text: "#!/venv/bin/python\nimport shop\n", mode: 0o755})),
		"files": {{name: "etc/shop/shop.h", text: "the project's own"}},
	}
}

var layerNames = []string{"base", "python", "apt", "wheels", "app", "files"}

// makeImage writes the layers.
func makeImage(t *testing.T, layers map[string][]member) Image {
	t.Helper()
	i := Image{
		Names: layerNames, Base: 1, Series: "3.13", Python: "3.13.5", Machine: "x86_64", User: "1000:1000", Workdir: "/home/app",
		Env: []string{"PATH=/venv/bin:/usr/bin:/bin"}, Entrypoint: []string{"shop"},
		Dists: []Dist{{Name: "flask", Version: "3.0"}, {Name: "click", Version: "8.1"}, {Name: "shop", Version: "1.0.0"}},
	}
	for _, name := range layerNames {
		blob := layer.Blob{Path: filepath.Join(t.TempDir(), name)}
		writeLayer(t, blob.Path, layers[name])
		facts, err := ReadFacts(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		i.Layers, i.Facts = append(i.Layers, blob), append(i.Facts, facts)
	}
	return i
}

// writeLayer writes a tar; what comes later under a name replaces what was before.
func writeLayer(t *testing.T, file string, members []member) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last := map[string]member{}
	for _, m := range members {
		last[m.name] = m
	}
	w := tar.NewWriter(f)
	for _, name := range slices.Sorted(maps.Keys(last)) {
		m := last[name]
		h := &tar.Header{Name: name, Typeflag: cmp.Or(m.kind, tar.TypeReg), Mode: cmp.Or(m.mode, 0o644), Uid: m.uid, Gid: m.gid, Size: int64(len(m.text))}
		switch {
		case strings.HasSuffix(name, "/"):
			h.Typeflag, h.Mode = tar.TypeDir, cmp.Or(m.mode, 0o755)
		case m.link != "" && m.kind == 0:
			h.Typeflag, h.Mode, h.Linkname = tar.TypeSymlink, 0o777, m.link
		case m.link != "":
			h.Linkname = m.link
		}
		if m.capability != "" {
			h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": m.capability}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// byName are the results of checks by their names.
func byName(checks []artifacts.Check) map[string]artifacts.Check {
	m := map[string]artifacts.Check{}
	for _, c := range checks {
		m[c.Name] = c
	}
	return m
}
