package elfcheck

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/elfcheck/elftest"
)

var all = []string{"no RELRO", ExecStack, "no build id", "no BIND_NOW"}

func TestRead(t *testing.T) {
	const id = "0123456789abcdef"
	tests := []struct {
		name string
		spec elftest.Spec
		want File
	}{
		{"nothing", elftest.Spec{}, File{Type: elf.ET_DYN, Machine: "x86_64", Missing: all}},
		{"hard", elftest.Spec{Hard: true}, File{Type: elf.ET_DYN, Machine: "x86_64", BuildID: id}},
		{"stack", elftest.Spec{Hard: true, ExecStack: true}, File{Type: elf.ET_DYN, Machine: "x86_64", BuildID: id, Missing: []string{ExecStack}}},
		{"lazy", elftest.Spec{Hard: true, Lazy: true}, File{Type: elf.ET_DYN, Machine: "x86_64", BuildID: id, Missing: []string{"no BIND_NOW"}}},
		{"no RELRO", elftest.Spec{Hard: true, NoRELRO: true}, File{Type: elf.ET_DYN, Machine: "x86_64", BuildID: id, Missing: []string{"no RELRO"}}},
		{"no build id", elftest.Spec{Hard: true, NoBuildID: true}, File{Type: elf.ET_DYN, Machine: "x86_64", Missing: []string{NoBuildID}}},
		{"textrel", elftest.Spec{Hard: true, TextRel: true}, File{Type: elf.ET_DYN, Machine: "x86_64", BuildID: id, Missing: []string{"text relocations"}}},
		{"fixed", elftest.Spec{Type: elf.ET_EXEC, Hard: true}, File{Type: elf.ET_EXEC, Machine: "x86_64", BuildID: id, Missing: []string{"not position independent"}}},
		{"object", elftest.Spec{Type: elf.ET_REL}, File{Type: elf.ET_REL, Machine: "x86_64"}},
		{
			"all", elftest.Spec{
				Hard: true, Soname: "libfoo.so.1", Needed: []string{"libc.so.6", "libm.so.6"}, RPath: "$ORIGIN:/opt", RunPath: "$ORIGIN/../foo.libs",
				Needs: map[string][]string{
					"libc.so.6": {"GLIBC_2.2.5", "GLIBC_2.28", "GLIBC_2.9", "GLIBC_PRIVATE"}, "libm.so.6": {"GLIBC_2.27"}, "libz.so.1": {"ZLIB_3.0"},
				},
				Exports: []string{"PyInit_foo", "PyInit_bar", "PyModExport_baz"}, Interp: "/lib/ld.so",
			}, File{
				Type: elf.ET_DYN, Machine: "x86_64", BuildID: id, Soname: "libfoo.so.1", Needed: []string{"libc.so.6", "libm.so.6"},
				RPath: []string{"$ORIGIN", "/opt"}, RunPath: []string{"$ORIGIN/../foo.libs"}, GLIBC: [2]int{2, 28},
				Inits: []string{"foo", "bar", "baz"}, Interp: "/lib/ld.so",
			},
		},
		{
			"relr", elftest.Spec{Hard: true, Needs: map[string][]string{"libc.so.6": {"GLIBC_2.17", "GLIBC_ABI_DT_RELR"}}},
			File{Type: elf.ET_DYN, Machine: "x86_64", BuildID: id, GLIBC: [2]int{2, 36}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, narrow := range []bool{false, true} {
				for _, big := range []bool{false, true} {
					spec, want := tt.spec, tt.want
					spec.Narrow, spec.Big = narrow, big
					if narrow {
						want.Machine = "x32"
					}
					data := elftest.Build(spec)
					got, err := Read(bytes.NewReader(data), int64(len(data)))
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(&want, got); diff != "" {
						t.Errorf("narrow %v, big %v:\n%s", narrow, big, diff)
					}
				}
			}
		})
	}
}

func TestMachine(t *testing.T) {
	tests := []struct {
		spec    elftest.Spec
		want    string
		foreign bool
	}{
		{elftest.Spec{Machine: elf.EM_AARCH64}, "aarch64", false},
		{elftest.Spec{Machine: elf.EM_AARCH64, Big: true}, "aarch64_be", false},
		{elftest.Spec{Machine: elf.EM_386, Narrow: true}, "i686", false},
		{elftest.Spec{Machine: elf.EM_ARM, Narrow: true}, "armv7l", false},
		{elftest.Spec{Machine: elf.EM_PPC64}, "ppc64le", false},
		{elftest.Spec{Machine: elf.EM_PPC64, Big: true}, "ppc64", false},
		{elftest.Spec{Machine: elf.EM_S390, Big: true}, "s390x", false},
		{elftest.Spec{Machine: elf.EM_RISCV}, "riscv64", false},
		{elftest.Spec{Machine: elf.EM_LOONGARCH}, "loongarch64", false},
		{elftest.Spec{Machine: elf.EM_CUDA}, "EM_CUDA", true},
		{elftest.Spec{Machine: elf.EM_BPF}, "EM_BPF", true},
		{elftest.Spec{Machine: 0xfff0}, "machine 65520", true},
	}
	for _, tt := range tests {
		data := elftest.Build(tt.spec)
		f, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if f.Machine != tt.want || f.Foreign() != tt.foreign {
			t.Errorf("%v: %s, foreign %v", tt.want, f.Machine, f.Foreign())
		}
	}
}

// TestCut reads every beginning of a file: an error or a file, never a panic.
func TestCut(t *testing.T) {
	data := elftest.Build(elftest.Spec{
		Hard: true, Soname: "libfoo.so.1", Needed: []string{"libc.so.6"}, RunPath: "/x", Needs: map[string][]string{"libc.so.6": {"GLIBC_2.28"}},
	})
	for n := range len(data) {
		if _, err := Read(bytes.NewReader(data[:n]), int64(n)); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(data))
		}
	}
}

// TestDetached reads what objcopy --only-keep-debug leaves of a file: a dynamic
// section of no bytes, somewhere behind the end.
func TestDetached(t *testing.T) {
	data := elftest.Build(elftest.Spec{Hard: true, Needed: []string{"libc.so.6"}})
	for at := 64; ; at += 56 {
		if elf.ProgType(binary.LittleEndian.Uint32(data[at:])) == elf.PT_DYNAMIC {
			binary.LittleEndian.PutUint64(data[at+8:], uint64(len(data))+100) // where
			binary.LittleEndian.PutUint64(data[at+32:], 0)                    // bytes
			break
		}
	}
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil || f.BuildID != "0123456789abcdef" || f.Needed != nil {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestLimits are files that would take more than they are.
func TestLimits(t *testing.T) {
	many := func(n int, s string) []string { return slices.Repeat([]string{s}, n) }
	for want, data := range map[string][]byte{
		"DT_NEEDED: more than 16384 bytes of names": elftest.Build(elftest.Spec{Needed: many(9, strings.Repeat("n", 2000))}),
		"DT_RUNPATH: string 0x1 has no end":         elftest.Build(elftest.Spec{RunPath: strings.Repeat("r", maxString)}),
		"too many symbol versions":                  elftest.Build(elftest.Spec{Needs: map[string][]string{"l": many(100, strings.Repeat("v", 4000))}}),
		"interpreter of 4097 bytes, more than 4096": elftest.Build(elftest.Spec{Interp: strings.Repeat("i", maxString)}),
		"dynamic section of ":                       elftest.Build(elftest.Spec{Needed: many(70_000, "n")}),
	} {
		_, err := Read(bytes.NewReader(data), int64(len(data)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	text, short := put("text", []byte("#!/bin/sh\nexit 0 # longer than a header\n")), put("short", []byte("\x7fE"))
	hard, soft := put("hard", elftest.Build(elftest.Spec{Hard: true})), put("soft", elftest.Build(elftest.Spec{RPath: "/a:/b", RunPath: "/c"}))
	object := put("object", elftest.Build(elftest.Spec{Type: elf.ET_REL}))
	for name, want := range map[string]bool{text: false, short: false, hard: true, soft: true, object: true} {
		if is, err := Is(name); err != nil || is != want {
			t.Errorf("Is(%s) = %v, %v", filepath.Base(name), is, err)
		}
	}
	if _, err := Is(filepath.Join(dir, "none")); err == nil {
		t.Error("a file that is not there")
	}
	if id, err := BuildID(hard); err != nil || id != "0123456789abcdef" {
		t.Errorf("BuildID: %q, %v", id, err)
	}
	if _, err := BuildID(soft); err == nil || !strings.Contains(err.Error(), "no build id") {
		t.Errorf("BuildID: %v", err)
	}
	if _, err := Open(text); err == nil || !strings.Contains(err.Error(), "not an ELF file") {
		t.Errorf("Open: %v", err)
	}
}

func TestStrayRunPaths(t *testing.T) {
	for paths, want := range map[string][]string{
		"":                         nil,
		"$ORIGIN":                  nil,
		"$ORIGIN/../foo.libs":      nil,
		"$ORIGIN:/opt:$ORIGINAL/x": {"/opt", "$ORIGINAL/x"},
		"/build/stage":             {"/build/stage"},
		"lib":                      {"lib"},
	} {
		for _, spec := range []elftest.Spec{{RPath: paths}, {RunPath: paths}} {
			data := elftest.Build(spec)
			f, err := Read(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.StrayRunPaths(); !slices.Equal(got, want) {
				t.Errorf("%q: %q, want %q", paths, got, want)
			}
		}
	}
}

// TestImports has names at the start, in either table of relocations.
func TestImports(t *testing.T) {
	for _, spec := range []elftest.Spec{{}, {Narrow: true}, {Big: true}, {Narrow: true, Big: true}} {
		spec.Imports = []string{"memcpy", "__printf_chk", "abort", "_Py_NoneStruct"}
		spec.Exports = []string{"PyInit_foo"}
		data := elftest.Build(spec)
		got, err := readImports(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"_Py_NoneStruct", "__printf_chk", "abort", "memcpy"}, got); diff != "" {
			t.Errorf("narrow %v, big %v: %s", spec.Narrow, spec.Big, diff)
		}
		for n := range len(data) {
			if _, err := readImports(bytes.NewReader(data[:n]), int64(n)); err == nil {
				t.Errorf("%d of %d bytes were taken", n, len(data))
			}
		}
	}
	data := elftest.Build(elftest.Spec{Hard: true})
	if got, err := readImports(bytes.NewReader(data), int64(len(data))); err != nil || len(got) > 0 {
		t.Errorf("of a file with no relocations: %q, %v", got, err)
	}
}

func TestDebug(t *testing.T) {
	const text = "\x00int\x00GNU C17 12.2.0 -O2 -fstack-protector-strong\x00GNU C11 14.2.0 -O3\x00GNU AS 2.44\x00GNU GIMPLE 14.2.0\x00"
	for _, spec := range []elftest.Spec{{}, {Narrow: true, Machine: elf.EM_386}, {Big: true, Machine: elf.EM_S390}} {
		spec.DebugStr = text
		name := filepath.Join(t.TempDir(), "x.debug")
		if err := os.WriteFile(name, elftest.Build(spec), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Producers(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"GNU C11 14.2.0 -O3", "GNU C17 12.2.0 -O2 -fstack-protector-strong"}, got); diff != "" {
			t.Error(diff)
		}
		sections, err := Uncompressed(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string][]byte{".debug_str": []byte(text)}, sections); diff != "" {
			t.Error(diff)
		}
	}
	bare := filepath.Join(t.TempDir(), "bare")
	if err := os.WriteFile(bare, elftest.Build(elftest.Spec{}), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := Producers(bare); err != nil || got != nil {
		t.Errorf("of a file with no sections: %q, %v", got, err)
	}
	if got, err := Uncompressed(bare); err != nil || len(got) > 0 {
		t.Errorf("of a file with no sections: %q, %v", got, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, spec := range []elftest.Spec{
		{},
		{Narrow: true, Big: true, Hard: true, RunPath: "$ORIGIN"},
		{Hard: true, Soname: "l", Needed: []string{"m"}, Needs: map[string][]string{"m": {"GLIBC_2.28", "X"}}, Exports: []string{"PyInit_a"}, Interp: "/i"},
		{Narrow: true, Imports: []string{"memcpy", "abort"}},
	} {
		f.Add(elftest.Build(spec))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(bytes.NewReader(data), int64(len(data)))
		if (file == nil) == (err == nil) {
			t.Errorf("%v, %v", file, err)
		}
		readImports(bytes.NewReader(data), int64(len(data))) // an error or names, never a panic
	})
}

func TestDropRunPaths(t *testing.T) {
	drop := func(dir string) bool { return strings.HasPrefix(dir, "/usr/lib") }
	for _, tt := range []struct {
		spec elftest.Spec
		left []string // run paths
	}{
		{elftest.Spec{RunPath: "/usr/lib/a:/usr/lib/b"}, nil},
		{elftest.Spec{RPath: "/usr/lib/a", RunPath: "$ORIGIN"}, []string{"$ORIGIN"}},
		{elftest.Spec{RPath: "/usr/lib/a", RunPath: "/usr/lib/b"}, nil},
		{elftest.Spec{RunPath: "$ORIGIN:/usr/lib/a"}, []string{"$ORIGIN", "/usr/lib/a"}},
		{elftest.Spec{}, nil},
	} {
		for i := range 4 {
			spec := tt.spec
			spec.Hard, spec.Soname, spec.Needed = true, "libfoo.so.1", []string{"libc.so.6"}
			spec.Narrow, spec.Big = i%2 == 1, i > 1
			data := elftest.Build(spec)
			want, err := Read(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if err := DropRunPaths(data, drop); err != nil {
				t.Errorf("%+v: %v", tt.spec, err)
			}
			got, err := Read(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if left := slices.Concat(got.RPath, got.RunPath); !slices.Equal(left, tt.left) {
				t.Errorf("%+v: left %q", tt.spec, left)
			}
			want.RPath, want.RunPath = got.RPath, got.RunPath
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v: %s", tt.spec, diff)
			}
		}
	}
}
