package whl

import (
	"debug/elf"
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/elfcheck/elftest"
	"github.com/pybake/pybake/internal/pep"
)

// tagged is a wheel's name and files for tags.
func tagged(t *testing.T, tag string, more files) (name string, f files) {
	t.Helper()
	purelib := "true"
	if !strings.HasSuffix(tag, "-any") {
		purelib = "false"
	}
	return "foo-1.0-" + tag + ".whl", base().with(files{
		info + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: " + purelib + "\nTag: " + tag + "\n",
	}).with(more)
}

const target = "cp313-cp313-manylinux_2_17_x86_64"

func TestCheck(t *testing.T) {
	ranks := pep.Target{Python: [2]int{3, 13}, Arch: "x86_64", Glibc: [2]int{2, 41}}.Ranks()
	lib := func(s elftest.Spec) files { return files{"foo/_a.cpython-313-x86_64-linux-gnu.so": elfText(s)} }
	needs := func(v string) elftest.Spec {
		return elftest.Spec{Hard: true, Needs: map[string][]string{"libc.so.6": {v}}}
	}
	const a = `"foo/_a.cpython-313-x86_64-linux-gnu.so": `
	tests := []struct {
		name            string
		tag             string
		files           files
		want            Want
		problems, notes []string
	}{
		{"pure", "py3-none-any", nil, Want{Name: "Foo", Version: "1", Ranks: ranks}, nil, nil},
		{"built", target, lib(needs("GLIBC_2.17")), Want{Ranks: ranks, Built: true}, nil, nil},
		{"other", "py3-none-any", nil, Want{Name: "bar", Version: "1.1"}, []string{"is of foo, not of bar", "is version 1.0, not 1.1"}, nil},
		{"local", "py3-none-any", nil, Want{Version: "1.0+cpu"}, []string{"is version 1.0, not 1.0+cpu"}, nil},
		{"no version", "py3-none-any", nil, Want{Version: "one"}, []string{`the version wanted: parse specifier "==one": byte 2: expected a version after ==, found "one"`}, nil},
		{"other Python", "cp312-cp312-manylinux_2_17_x86_64", nil, Want{Ranks: ranks}, []string{"none of its tags fits the target"}, nil},
		{"newer glibc", "cp313-cp313-manylinux_2_99_x86_64", nil, Want{Ranks: ranks}, []string{"none of its tags fits the target"}, nil},
		{"ELF in pure", "py3-none-any", lib(elftest.Spec{Hard: true}), Want{}, []string{a + "is for x86_64, the wheel's tag for any platform"}, nil},
		{"ELF for any platform", "cp313-none-any", lib(elftest.Spec{Hard: true}), Want{}, []string{a + "is for x86_64, the wheel's tag for any platform"}, nil},
		{"allowed ELF in pure", "py3-none-any", lib(elftest.Spec{}), Want{AllowELF: []string{"foo/_a.*.so"}, Built: true}, nil, nil},
		{"object in pure", "py3-none-any", lib(elftest.Spec{Type: elf.ET_REL}), Want{Built: true}, nil, nil},
		{"BPF in pure", "py3-none-any", lib(elftest.Spec{Machine: elf.EM_BPF}), Want{Built: true}, nil, nil},
		{
			"not pure, but for any", "py3-none-any", files{info + "WHEEL": strings.Replace(wheelText, "true", "false", 1)}, Want{},
			nil, []string{"is for any platform, but says that it is not pure (Root-Is-Purelib: false)"},
		},
		{"machine", target, lib(elftest.Spec{Machine: elf.EM_AARCH64}), Want{}, []string{a + "is for aarch64, the wheel's tag for x86_64"}, []string{a + "executable stack"}},
		{"families", "py3-none-linux_armv6l", lib(elftest.Spec{Machine: elf.EM_ARM, Narrow: true, Hard: true}), Want{}, nil, nil},
		{"foreign", target, lib(elftest.Spec{Machine: elf.EM_CUDA}), Want{Built: true}, nil, nil},
		{"glibc", target, lib(needs("GLIBC_2.28")), Want{Ranks: ranks}, []string{a + "needs glibc 2.28, the wheel's tag says that 2.17 is enough"}, nil},
		{
			"glibc of the higher tag", "cp313-cp313-manylinux1_x86_64.manylinux_2_17_x86_64", lib(needs("GLIBC_2.14")), Want{Ranks: ranks},
			nil, []string{a + "needs glibc 2.14, the wheel's tag says that 2.5 is enough"},
		},
		{
			"glibc of a tag that does not fit", "cp313-cp313-manylinux_2_17_x86_64.manylinux_2_99_x86_64", lib(needs("GLIBC_2.50")), Want{Ranks: ranks},
			[]string{a + "needs glibc 2.50, the wheel's tag says that 2.17 is enough"}, nil,
		},
		{"glibc without promise", "cp313-cp313-linux_x86_64", lib(needs("GLIBC_2.41")), Want{Ranks: ranks, Built: true}, nil, nil},
		{"glibc for musl", "cp313-cp313-musllinux_1_2_x86_64", lib(needs("GLIBC_2.5")), Want{}, []string{a + "needs glibc 2.5, the wheel's tag is for musl"}, nil},
		{"module for another Python", "cp312-cp312-linux_x86_64", lib(elftest.Spec{Hard: true}), Want{}, []string{a + "is a module for cpython-313, the wheel's tag for cpython-312"}, nil},
		{"free threads", "cp313-cp313t-linux_x86_64", lib(elftest.Spec{Hard: true}), Want{}, []string{a + "is a module for cpython-313, the wheel's tag for cpython-313t"}, nil},
		{"one of several", "cp312.cp313-cp312.cp313-linux_x86_64", lib(elftest.Spec{Hard: true}), Want{}, nil, nil},
		{"stable ABI", "cp38-abi3-linux_x86_64", lib(elftest.Spec{Hard: true}), Want{}, nil, nil},
		{
			"soft", target, lib(elftest.Spec{RunPath: "$ORIGIN:/build/lib:$ORIGINAL/x"}), Want{Built: true}, []string{
				a + "no RELRO, executable stack, no build id, no BIND_NOW",
				a + `run path "/build/lib" is not relative to $ORIGIN`, a + `run path "$ORIGINAL/x" is not relative to $ORIGIN`,
			}, nil,
		},
		{
			"soft, taken", target, lib(elftest.Spec{RPath: "$ORIGIN/../foo.libs:lib"}), Want{},
			nil, []string{a + "executable stack", a + `run path "lib" is not relative to $ORIGIN`},
		},
		{
			"embeds Python", target, lib(elftest.Spec{Hard: true, RunPath: "/opt/python/3.13/lib:/opt/python/3.13/lib/x:/opt/python/3.12/lib"}),
			Want{Built: true, Prefix: "/opt/python/3.13"}, []string{
				a + `run path "/opt/python/3.13/lib/x" is not relative to $ORIGIN`, a + `run path "/opt/python/3.12/lib" is not relative to $ORIGIN`,
			}, nil,
		},
		{
			"embeds no Python", target, lib(elftest.Spec{Hard: true, RunPath: "/lib"}), Want{Built: true},
			[]string{a + `run path "/lib" is not relative to $ORIGIN`}, nil,
		},
		{"unreadable", target, files{"a.so": "\x7fELF"}, Want{Built: true}, []string{`"a.so": read ELF: header at 0x0, 16 bytes: beyond the end`}, nil},
		{"unreadable, taken", target, files{"a.so": "\x7fELF"}, Want{}, nil, nil},
		{
			"paths", "py3-none-any", files{"foo/a.py": "x = '/build/src/a.c'\n", "foo/b.py": "see https://example.org/build/\n", "foo/c/d.txt": "/build/"},
			Want{Built: true, BuilderPaths: []string{"/build/", "/none/"}, AllowPaths: []string{"foo/c/"}},
			[]string{`"foo/a.py": names the builder: "x = '/build/src/a.c'\n"`}, nil,
		},
		{"paths, taken", "py3-none-any", files{"foo/a.py": "/build/"}, Want{BuilderPaths: []string{"/build/"}}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, f := tagged(t, tt.tag, tt.files)
			w, err := readFiles(t, name, f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.Check(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Problems, tt.problems) || !slices.Equal(got.Notes, tt.notes) {
				t.Errorf("problems %q\nnotes %q", got.Problems, got.Notes)
			}
		})
	}
}

func TestCheckErrors(t *testing.T) {
	w, err := readFiles(t, wheelName, base())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Check(Want{AllowELF: []string{"["}}); err == nil || !strings.Contains(err.Error(), `pattern "["`) {
		t.Errorf("a bad pattern: %v", err)
	}
	w.Path += "gone"
	if _, err := w.Check(Want{Built: true, BuilderPaths: []string{"/build/"}}); err == nil {
		t.Error("a file that is gone was searched")
	}
}

// TestSearch finds a path wherever the pieces of a file end.
func TestSearch(t *testing.T) {
	for text, want := range map[string]string{
		"/build/x":                     `"/build/x"`,
		"a\x00/build/foo\x00":          `"a\x00/build/foo\x00"`,
		"\x00main.rs/build/a.rs":       `"\x00main.rs/build/a.rs"`,
		"-I/build/foo":                 `"-I/build/foo"`,
		"API/build/foo":                "",
		"path=/build/foo":              `"path=/build/foo"`,
		"file:///build/foo":            `"file:///build/foo"`,
		"https://example.org/build/":   "",
		"http://build/":                "",
		"${TOP}/build/ ~/build/":       "",
		"../build/ x/build/ '/build/'": `"../build/ x/build/ '/build/'"`,
		"//build/":                     `"//build/"`,
		"/buil/build":                  "",
		"/opt/builder":                 `"/opt/builder"`,
	} {
		for size := 1; size <= len(text); size++ {
			s := newSearch([]string{"/build/", "/opt/builder"})
			for rest := text; rest != "" && s.found == ""; {
				n := min(size, len(rest))
				if k, err := s.Write([]byte(rest[:n])); (err == nil) != (k == n) {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if (s.found == "") != (want == "") || size == len(text) && s.found != want {
				t.Errorf("%q in pieces of %d: %s", text, size, s.found)
			}
		}
	}
	// What is beside a path in another piece is still known.
	s := newSearch([]string{"/build/"})
	long := strings.Repeat("x", 1000) + "https://example.org/build/" + strings.Repeat("y", 1000) + "\n/build/a"
	for i := range len(long) {
		if _, err := s.Write([]byte(long[i : i+1])); err != nil {
			break
		}
	}
	if want := `"` + strings.Repeat("y", 19) + `\n/build/"`; s.found != want {
		t.Errorf("found %s, want %s", s.found, want)
	}
}
