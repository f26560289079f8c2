package python

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/elfcheck/elftest"
	"github.com/pybake/pybake/nfpm"
)

// Files of strictTree.
const (
	interpreter = "/opt/python/3.13/bin/python3.13"
	libpython   = "/opt/python/3.13/lib/libpython3.13.so.1.0"
	stableStub  = "/opt/python/3.13/lib/libpython3.so"
	sslModule   = "/opt/python/3.13/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so"
	testModule  = "/opt/python/3.13/lib/python3.13/lib-dynload/_testcapi.cpython-313-x86_64-linux-gnu.so"
	osModule    = "/opt/python/3.13/lib/python3.13/__pycache__/os.cpython-313.pyc"
	makefile    = "/opt/python/3.13/lib/python3.13/LICENSE.txt" // a text, as a Makefile is
)

// strictTree is a staged tree in which the checks find nothing: what is in it,
// before it is written.
type strictTree struct {
	plan  *Plan
	elfs  map[string]*elftest.Spec // by installed path
	debug map[string]*elftest.Spec // of the symbols, by the path of what they are of
	texts map[string]string        // files that are no ELF files
	links map[string]string
	extra []tar.Header // in a package of its own
}

func newStrictTree(t *testing.T) *strictTree {
	tree := &strictTree{
		plan: planFor(t, request("3.13.5")), texts: map[string]string{}, links: map[string]string{}, debug: map[string]*elftest.Spec{},
		elfs: map[string]*elftest.Spec{
			interpreter: {
				Interp: "/lib64/ld-linux-x86-64.so.2", Needed: []string{"libm.so.6", "libz.so.1", "libc.so.6"},
				Needs: map[string][]string{"libc.so.6": {"GLIBC_2.2.5", "GLIBC_2.38"}}, Imports: []string{"__memcpy_chk", "__stack_chk_fail", "memcpy"},
			},
			libpython: {
				Soname: "libpython3.13.so.1.0", Needed: []string{"libc.so.6"}, RunPath: "$ORIGIN", Imports: []string{"__printf_chk", "__stack_chk_fail", "abort"},
			},
			// It only needs libpython, and has no code.
			stableStub: {Soname: "libpython3.so", Needed: []string{"libpython3.13.so.1.0", "libc.so.6"}, Imports: []string{"__cxa_finalize", "__gmon_start__"}},
			sslModule:  {Needed: []string{"libssl.so.3", "libc.so.6"}, Imports: []string{"strcpy"}},
			testModule: {Needed: []string{"libc.so.6"}, Imports: []string{"__sprintf_chk", "__stack_chk_fail"}},
		},
	}
	for i, path := range slices.Sorted(maps.Keys(tree.elfs)) {
		id := fmt.Sprintf("build %02d", i)
		tree.elfs[path].Hard, tree.elfs[path].BuildID = true, id
		tree.debug[path] = &elftest.Spec{Hard: true, BuildID: id, DebugStr: "\x00int\x00GNU C17 14.2.0 -O2 -fstack-protector-strong\x00GNU AS 2.44\x00"}
	}
	tree.debug[testModule].DebugStr = "" // it calls __stack_chk_fail
	tree.debug[stableStub].DebugStr = ""
	return tree
}

// proof writes the tree and packages of it.
func (tree *strictTree) proof(t *testing.T) *proof {
	t.Helper()
	s := fakeStage(t, tree.plan)
	const symbols = "pybake-python3.13-dbgsym"
	s.files[symbols] = slices.DeleteFunc(s.files[symbols], func(f nfpm.File) bool { return strings.HasPrefix(f.Path, debugDir) })
	for path, spec := range tree.elfs {
		write(t, filepath.Join(s.dir, path), string(elftest.Build(*spec)))
	}
	for path, text := range tree.texts {
		write(t, filepath.Join(s.dir, path), text)
	}
	for path, target := range tree.links {
		s.files["pybake-python3.13"] = append(s.files["pybake-python3.13"], nfpm.File{Path: path, Link: target})
	}
	for path, spec := range tree.debug {
		installed := symbolFile(hex.EncodeToString([]byte(spec.BuildID)))
		if of, ok := tree.elfs[path]; ok {
			installed = symbolFile(hex.EncodeToString([]byte(of.BuildID)))
		}
		file := filepath.Join(s.dir, installed)
		write(t, file, string(elftest.Build(*spec)))
		s.files[symbols] = append(s.files[symbols], nfpm.File{Path: installed, Source: file})
	}
	p := &proof{s: s, debs: map[string]string{}, checks: map[string][]artifacts.Check{}}
	dir := t.TempDir()
	made, err := s.write(t.Context(), dir, 1, "gzip:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range made {
		p.debs[f.Package.Name] = filepath.Join(dir, f.Path)
	}
	if tree.extra != nil {
		p.debs["pybake-extra"] = filepath.Join(dir, "extra.deb")
		write(t, p.debs["pybake-extra"], debOf(t, tree.extra))
	}
	return p
}

// debOf is a package of empty files that nfpm would refuse to make.
func debOf(t *testing.T, entries []tar.Header) string {
	var deb strings.Builder
	deb.WriteString("!<arch>\n")
	member := func(name, data string) {
		fmt.Fprintf(&deb, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", name, 0, 0, 0, "100644", len(data), data)
		if len(data)%2 == 1 {
			deb.WriteByte('\n')
		}
	}
	pack := func(entries []tar.Header, data string) string {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range entries {
			h.Size = int64(len(data))
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			w.Write([]byte(data)) // to memory
		}
		w.Close()
		return b.String()
	}
	member("debian-binary", "2.0\n")
	member("control.tar", pack([]tar.Header{{Name: "./control", Mode: 0o644}}, "Package: pybake-extra\n"))
	member("data.tar", pack(entries, ""))
	return deb.String()
}

// TestFileChecks runs the round over a tree as it is, and with a fault planted
// in it for every check.
func TestFileChecks(t *testing.T) {
	all := []string{"elf", "hardening", "run-paths", "needed", "glibc", "fortified", "stack-protector", "symbols", "builder-paths", "modes"}
	entry := func(mode int64, owner string) tar.Header {
		return tar.Header{Name: "./opt/python/3.13/bin/tool", Mode: mode, Uname: owner, Gname: "root"}
	}
	for _, tt := range []struct {
		name  string
		plant func(*strictTree)
		fails []string
		want  string // in the detail of the last that fails
	}{
		{"nothing", func(*strictTree) {}, nil, ""},
		{"half an ELF file", func(s *strictTree) { s.texts[osModule] = "\x7fELF and no more" }, []string{"elf", "builder-paths"}, "os.cpython-313.pyc: read ELF"},
		{"another machine", func(s *strictTree) {
			s.elfs[sslModule].Machine = elf.EM_AARCH64
			delete(s.debug, sslModule)
		}, []string{"elf"}, "_ssl.cpython-313-x86_64-linux-gnu.so: for aarch64, not x86_64"},
		{"no RELRO", func(s *strictTree) { s.elfs[sslModule].NoRELRO = true }, []string{"hardening"}, "_ssl.cpython-313-x86_64-linux-gnu.so: no RELRO"},
		{"bound lazily", func(s *strictTree) { s.elfs[libpython].Lazy = true }, []string{"hardening"}, "no BIND_NOW"},
		{"executable stack", func(s *strictTree) { s.elfs[testModule].ExecStack = true }, []string{"hardening"}, "executable stack"},
		{"text relocations", func(s *strictTree) { s.elfs[testModule].TextRel = true }, []string{"hardening"}, "text relocations"},
		{"fixed address", func(s *strictTree) { s.elfs[interpreter].Type = elf.ET_EXEC }, []string{"hardening"}, "bin/python3.13: not position independent"},
		{"run path", func(s *strictTree) { s.elfs[sslModule].RunPath = "$ORIGIN/..:/srv/lib" }, []string{"run-paths"}, "run path /srv/lib"},
		{"old run path", func(s *strictTree) { s.elfs[sslModule].RPath = "/srv/lib" }, []string{"run-paths"}, "run path /srv/lib"},
		{"another library", func(s *strictTree) { s.elfs[sslModule].Needed = []string{"libssl.so.3", "libevil.so.1"} }, []string{"needed"},
			"_ssl.cpython-313-x86_64-linux-gnu.so needs libevil.so.1, which is not in libraries.python of recipes/distros/trixie.toml"},
		{"a library of another package", func(s *strictTree) { s.elfs[testModule].Needed = []string{"libtk8.6.so"} }, []string{"needed"}, "not in libraries.test of"},
		{"a library for libpython", func(s *strictTree) { s.elfs[libpython].Needed = []string{"libssl.so.3"} }, []string{"needed"}, "not in libraries.libpython of"},
		{"no list of libraries", func(s *strictTree) { s.plan.Distro.Libraries = nil }, []string{"needed"},
			"recipes/distros/trixie.toml does not say which libraries the packages may need; where these are right, add\n[libraries]\n" +
				"libpython = [\"libc.so.6\"]\npython = [\"libc.so.6\", \"libm.so.6\", \"libssl.so.3\", \"libz.so.1\"]\ntest = [\"libc.so.6\"]"},
		{"new glibc", func(s *strictTree) { s.elfs[sslModule].Needs = map[string][]string{"libc.so.6": {"GLIBC_2.42"}} }, []string{"glibc"}, "asks for glibc 2.42"},
		{"not fortified", func(s *strictTree) { s.elfs[sslModule].Imports = []string{"printf", "strcpy", "syslog"} }, []string{"fortified"}, "calls printf, syslog, which"},
		{"interpreter not fortified", func(s *strictTree) { s.elfs[interpreter].Imports = []string{"__stack_chk_fail", "memcpy"} }, []string{"fortified"}, "bin/python3.13: calls no fortified"},
		{"unit with no stack protector", func(s *strictTree) { s.debug[sslModule].DebugStr += "GNU C17 14.2.0 -O2\x00" }, []string{"stack-protector"},
			"_ssl.cpython-313-x86_64-linux-gnu.so: compiled without -fstack-protector-strong: GNU C17 14.2.0 -O2"},
		{"stack protector taken back", func(s *strictTree) {
			s.debug[sslModule].DebugStr += "GNU C17 14.2.0 -fstack-protector-strong -fno-stack-protector -O2\x00"
		},
			[]string{"stack-protector"}, "compiled without -fstack-protector-strong"},
		{"interpreter with no stack protector", func(s *strictTree) { s.elfs[interpreter].Imports = []string{"__memcpy_chk"} }, []string{"stack-protector"}, "bin/python3.13: has no __stack_chk_fail"},
		{"module that nothing tells of", func(s *strictTree) { s.elfs[testModule].Imports = []string{"__sprintf_chk"} }, []string{"stack-protector"}, "_testcapi.cpython-313-x86_64-linux-gnu.so: has no"},
		{"no symbols", func(s *strictTree) { delete(s.debug, testModule) }, []string{"symbols"}, "/usr/lib/debug/.build-id/62/75696c64203034.debug is not in the symbol package"},
		{"symbols of another", func(s *strictTree) { s.debug[testModule].BuildID = "build 99" }, []string{"symbols"}, "its build id is 6275696c64203939"},
		{"symbols of nothing", func(s *strictTree) { s.debug["/none"] = &elftest.Spec{Hard: true, BuildID: "build 77"} }, []string{"symbols"},
			"/usr/lib/debug/.build-id/62/75696c64203737.debug: no file has this build id"},
		{"no build id", func(s *strictTree) {
			s.elfs[testModule].NoBuildID = true
			delete(s.debug, testModule)
		}, []string{"symbols"}, "no build id"},
		{"builder in bytecode", func(s *strictTree) { s.texts[osModule] = "\x00\xffc/build/stage/opt" }, []string{"builder-paths"}, "os.cpython-313.pyc: names the builder"},
		{"builder in a Makefile", func(s *strictTree) { s.texts[makefile] = "abs_srcdir=/build/src\n" }, []string{"builder-paths"}, "LICENSE.txt: names the builder"},
		{"builder in a link", func(s *strictTree) { s.links["/opt/python/3.13/bin/python4"] = "/build/out/python" }, []string{"builder-paths"}, "bin/python4: names the builder"},
		{"builder in a library", func(s *strictTree) { s.elfs[sslModule].Exports = []string{"/build/freeze/x.c"} }, []string{"builder-paths"}, "_ssl.cpython-313-x86_64-linux-gnu.so: names the builder"},
		{"builder in compressed symbols", func(s *strictTree) { s.debug[sslModule].DebugStr += "/home/pybake/x.c\x00" }, []string{"builder-paths"}, ".debug: names the builder in .debug_str"},
		{"set-uid", func(s *strictTree) { s.extra = []tar.Header{entry(0o4755, "root")} }, []string{"modes"}, "pybake-extra: /opt/python/3.13/bin/tool: mode urwxr-xr-x"},
		{"writable for all", func(s *strictTree) { s.extra = []tar.Header{entry(0o666, "root")} }, []string{"modes"}, "mode -rw-rw-rw-"},
		{"owner", func(s *strictTree) { s.extra = []tar.Header{entry(0o755, "pybake")} }, []string{"modes"}, "owner pybake:root 0:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := newStrictTree(t)
			tt.plant(tree)
			p := tree.proof(t)
			if err := p.files(t.Context()); err != nil {
				t.Fatal(err)
			}
			var ran, failed []string
			var detail string
			for _, c := range p.checks["files"] {
				ran = append(ran, c.Name)
				if !c.OK {
					failed, detail = append(failed, c.Name), c.Detail
				}
			}
			if diff := cmp.Diff(all, ran); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.fails, failed); diff != "" || !strings.Contains(detail, tt.want) {
				t.Errorf("failed %q with %q, want %q with %q", failed, detail, tt.fails, tt.want)
			}
		})
	}
}
