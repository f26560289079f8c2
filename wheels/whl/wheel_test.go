package whl

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/elfcheck/elftest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func elfText(s elftest.Spec) string { return string(elftest.Build(s)) }

// TestStructure changes files of a wheel; RECORD agrees unless it is among them.
func TestStructure(t *testing.T) {
	meta := func(text string) files { return files{info + "METADATA": text} }
	wheel := func(old, new string) files { return files{info + "WHEEL": strings.Replace(wheelText, old, new, 1)} }
	tests := []struct {
		name  string
		files files
		want  []string // nil if the wheel is right
	}{
		{"right", nil, nil},
		{"no METADATA", files{info + "METADATA": "-"}, []string{"no foo-1.0.dist-info/METADATA"}},
		{"no WHEEL", files{info + "WHEEL": "-"}, []string{"no foo-1.0.dist-info/WHEEL"}},
		{"empty WHEEL", files{info + "WHEEL": ""}, []string{
			"WHEEL: no Wheel-Version", "WHEEL: no Root-Is-Purelib", "WHEEL: no Tag py3-none-any, which the file name has",
		}},
		{"two .dist-info", files{"bar-1.0.dist-info/METADATA": "x"}, []string{"several .dist-info directories: bar-1.0.dist-info, foo-1.0.dist-info"}},
		{"vendored .dist-info", files{"foo/_vendor/bar-1.0.dist-info/METADATA": "x"}, nil},
		{"other name", meta("Metadata-Version: 2.1\nName: bar\nVersion: 1.0\n"), []string{`METADATA: Name "bar", in the file name "foo"`}},
		{"same name", meta("Metadata-Version: 2.1\nName: FOO\nVersion: 1.0.0\n"), nil},
		{"other version", meta("Metadata-Version: 2.1\nName: foo\nVersion: 1.0+local\n"), []string{`METADATA: Version "1.0+local", in the file name 1.0`}},
		{"bad METADATA", meta("Metadata-Version: 3.0\nName: foo\n"), []string{"METADATA: no Version", `METADATA: Metadata-Version "3.0" is newer than 2`}},
		{"Wheel-Version 1.9", wheel("Wheel-Version: 1.0", "Wheel-Version: 1.9"), nil},
		{"Wheel-Version 2", wheel("Wheel-Version: 1.0", "Wheel-Version: 2.0"), []string{`WHEEL: Wheel-Version "2.0", not 1`}},
		{"Wheel-Version 10", wheel("Wheel-Version: 1.0", "Wheel-Version: 10"), []string{`WHEEL: Wheel-Version "10", not 1`}},
		{"Root-Is-Purelib", wheel("true", "yes"), []string{`WHEEL: Root-Is-Purelib "yes", neither true nor false`}},
		{"twice", wheel("true", "true\nRoot-Is-Purelib: false"), []string{`WHEEL: two values of Root-Is-Purelib: "true" and "false"`}},
		{"Build", wheel("Tag:", "Build: 1\nTag:"), []string{`WHEEL: Build "1", in the file name ""`}},
		{"other tag", wheel("py3-none-any", "py2.py3-none-any"), []string{"WHEEL: Tag py2-none-any, which the file name has not"}},
		{"bad tag", wheel("Tag: py3-none-any", "Tag: py3-none-any\nTag: any"), []string{`WHEEL: Tag: parse tag "any": byte 0: want three parts between hyphens`}},
		{"second .data", files{"bar-1.0.data/scripts/a": "x"}, []string{`"bar-1.0.data": a second .data directory, not foo-1.0.data`}},
		{".data", files{"foo-1.0.data/scripts/a": "x", "foo-1.0.data/data/etc/b": "x", "foo-1.0.data/headers/c.h": "x", "foo-1.0.data/platlib/d.py": ""}, nil},
		{"unknown in .data", files{"foo-1.0.data/lib/a": "x"}, []string{`"foo-1.0.data/lib/a": "lib" is no directory of .data that is installed`}},
		{"file in .data", files{"foo-1.0.data/scripts": "x"}, []string{`"foo-1.0.data/scripts": is in no directory of .data`}},
		{"installed twice", files{"foo-1.0.data/purelib/foo/__init__.py": "x"}, []string{
			`"foo/__init__.py": is installed where "foo-1.0.data/purelib/foo/__init__.py" is`,
		}},
		{"command installed twice", files{"foo-1.0.data/scripts/a": "x", "foo-1.0.data/data/bin/a": "x"}, []string{
			`"foo-1.0.data/scripts/a": is installed where "foo-1.0.data/data/bin/a" is`,
		}},
		{"odd .dist-info", files{"foo/a.dist-info": "no directory"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readFiles(t, wheelName, base().with(tt.files))
			if tt.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantBad(t, err, wheelName, tt.want...)
		})
	}
}

func TestFileNames(t *testing.T) {
	compressed := func(tags ...string) files {
		return files{info + "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: " + strings.Join(tags, "\nTag: ") + "\n"}
	}
	const many = "foo-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
	tests := []struct {
		file  string
		files files
		want  []string
	}{
		{"FOO-1.0.0-py3-none-any.whl", nil, nil},
		{"foo-1.1-py3-none-any.whl", nil, []string{
			`"foo-1.0.dist-info": is not that of foo 1.1, which the file name says`, `METADATA: Version "1.0", in the file name 1.1`,
		}},
		{"foo-1.0-1-py3-none-any.whl", nil, nil},
		{"foo-1.0-py3-none-any.zip", nil, []string{`parse wheel name "foo-1.0-py3-none-any.zip": byte 24: does not end in .whl`}},
		{many, compressed("cp313-cp313-manylinux2014_x86_64", "cp313-cp313-manylinux_2_17_x86_64"), nil},
		{many, compressed("cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64"), nil},
		{many, compressed("cp313-cp313-manylinux2014_x86_64"), []string{"WHEEL: no Tag cp313-cp313-manylinux_2_17_x86_64, which the file name has"}},
	}
	for _, tt := range tests {
		_, err := readFiles(t, tt.file, base().with(tt.files))
		if tt.want == nil && err != nil {
			t.Errorf("%s: %v", tt.file, err)
		}
		if tt.want != nil {
			wantBad(t, err, tt.file, tt.want...)
		}
	}
	_, err := Read(filepath.Join(t.TempDir(), "none"), wheelName)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestRecord plants lies in RECORD.
func TestRecord(t *testing.T) {
	right := base().record(info)
	line := recordLine("foo/__init__.py", "import os\n")
	lie := recordLine("foo/__init__.py", "import sys")
	sum := sha512.Sum384([]byte("import os\n"))
	sha384 := "foo/__init__.py,sha384=" + base64.RawURLEncoding.EncodeToString(sum[:]) + ",10\n"
	replace := func(new string) string { return strings.Replace(right, line, new, 1) }
	tests := []struct {
		name, record string
		files        files
		want         []string
	}{
		{"right", right, nil, nil},
		{"CRLF", strings.ReplaceAll(right, "\n", "\r\n"), nil, nil},
		{"sha384", replace(sha384), nil, nil},
		{"no size", replace(strings.Replace(line, ",10", ",", 1)), nil, nil},
		{"quoted", right + strings.Replace(recordLine("a,b.py", "x"), "a,b.py", `"a,b.py"`, 1), files{"a,b.py": "x"}, nil},
		{"signed", right + info + "RECORD.jws,,\n", files{info + "RECORD.jws": "{}", info + "RECORD.p7s": "x"}, nil},
		{"lie", replace(lie), nil, []string{fmt.Sprintf(`"foo/__init__.py": has the sha256 %x, in RECORD %x`, sha256.Sum256([]byte("import os\n")), sha256.Sum256([]byte("import sys")))}},
		{"sha384 lie", replace(strings.Replace(sha384, ",10", ",11", 1)), nil, []string{`"foo/__init__.py": has 10 bytes, in RECORD 11`}},
		{"missing", replace(""), nil, []string{`"foo/__init__.py": not in RECORD`}},
		{"extra", right + recordLine("foo/gone.py", ""), nil, []string{`"foo/gone.py": in RECORD, but not in the archive`}},
		{"twice", right + line, nil, []string{`"foo/__init__.py": is in RECORD twice`}},
		{"no hash", replace("foo/__init__.py,,10\n"), nil, []string{`"foo/__init__.py": has no hash in RECORD`}},
		{"md5", replace("foo/__init__.py,md5=0a1b,10\n"), nil, []string{
			`"foo/__init__.py": in RECORD with the hash "md5", none of sha256, sha384, sha512`, `"foo/__init__.py": has no hash in RECORD`,
		}},
		{"short hash", replace("foo/__init__.py,sha256=0a1b,10\n"), nil, []string{
			`"foo/__init__.py": in RECORD with a malformed sha256 hash`, `"foo/__init__.py": has no hash in RECORD`,
		}},
		{"size", replace(strings.Replace(line, ",10", ",-1", 1)), nil, []string{
			`"foo/__init__.py": in RECORD with the size "-1"`, `"foo/__init__.py": has no hash in RECORD`,
		}},
		{"absolute", right + recordLine("/etc/passwd", ""), nil, []string{`RECORD: "/etc/passwd": name is absolute`}},
		{"outside", right + recordLine("../a", ""), nil, []string{`RECORD: "../a": name contains ".."`}},
		{"two fields", right + "a,b\n", nil, []string{"RECORD line 5: 2 fields, not 3"}},
		{"no CSV", right + "\"a\n", nil, []string{`RECORD: parse error on line 5, column 4: extraneous or missing " in quoted-field`}},
		{"itself", strings.Replace(right, "RECORD,,", "RECORD,sha256="+strings.Repeat("A", 43)+",1", 1), nil, []string{
			`"foo-1.0.dist-info/RECORD": has a hash in RECORD, which it cannot have`,
		}},
		{"itself missing", strings.Replace(right, info+"RECORD,,\n", "", 1), nil, []string{`"foo-1.0.dist-info/RECORD": not in RECORD`}},
		{"directory", right + "foo/,,\n", nil, []string{`"foo/": in RECORD, but not in the archive`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readFiles(t, wheelName, base().with(tt.files).with(files{info + "RECORD": tt.record}))
			if tt.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantBad(t, err, wheelName, tt.want...)
		})
	}
}

func TestEntryPoints(t *testing.T) {
	for text, want := range map[string]string{
		"[console_scripts]\nfoo = foo.cli:main\n# no more\n\n": "",
		"[other]\nanything = at all!\n":                        "",
		"foo = foo:main\n":                                     `entry_points.txt line 1: "foo = foo:main": is in no section`,
		"[console_scripts]\r\nfoo\r\n":                         `entry_points.txt line 2: "foo": want NAME = VALUE`,
		"[console_scripts]\nfoo = foo\n":                       `entry_points.txt line 2: "foo = foo": want MODULE:FUNCTION`,
		"[gui_scripts]\nfoo = foo:a b\n":                       `entry_points.txt line 2: "foo = foo:a b": want MODULE:FUNCTION`,
		"[console_scripts]\nfoo = foo:main [a\n":               `entry_points.txt line 2: "foo = foo:main [a": want [EXTRA, ...] at the end`,
		"[console_scripts]\n../foo = foo:main\n":               `entry_points.txt line 2: "../foo = foo:main": "../foo" cannot be the name of a command`,
		"[console_scripts]\na b = foo:main\n":                  `entry_points.txt line 2: "a b = foo:main": "a b" cannot be the name of a command`,
		"[console_scripts]\n = foo:main\n":                     `entry_points.txt line 2: "= foo:main": "" cannot be the name of a command`,
		"[console_scripts]\na=a:b\na=a:c\n":                    `entry_points.txt line 3: "a=a:c": is there twice`,
		"[console_scripts]\na\xff=a:b\n":                       `entry_points.txt line 2: "a\xff=a:b": is not UTF-8`,
	} {
		_, err := readFiles(t, wheelName, base().with(files{info + "entry_points.txt": text}))
		if want != "" {
			wantBad(t, err, wheelName, want)
		} else if err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// factual is a wheel like real ones.
func factual() files {
	const py313 = ".cpython-313-x86_64-linux-gnu.so"
	return files{
		"foo/__init__.py": "", "foo/sub/__init__.py": "", "foo/data.json": "{}",
		"foo/_fast" + py313: elfText(elftest.Spec{
			Hard: true, Needed: []string{"libz-0a1b2c.so.1", "libc.so.6"}, RunPath: "$ORIGIN/../foo.libs",
			Needs: map[string][]string{"libc.so.6": {"GLIBC_2.14"}}, Exports: []string{"PyInit__fast"},
		}),
		"foo/lib/libdata.so":        elfText(elftest.Spec{Soname: "libdata.so"}),
		"foo.libs/libz-0a1b2c.so.1": elfText(elftest.Spec{Soname: "libz-0a1b2c.so.1", ExecStack: true, RPath: "/opt/lib"}),
		"_top" + py313:              elfText(elftest.Spec{}),
		"_stable.abi3.so":           elfText(elftest.Spec{}),
		"_plain.so":                 elfText(elftest.Spec{Exports: []string{"PyInit__plain"}}),
		"libtop.so":                 elfText(elftest.Spec{Exports: []string{"PyInit_other"}}),
		"0a1b__mypyc" + py313:       elfText(elftest.Spec{}),
		"single.py":                 "", "types-stubs/__init__.pyi": "", "setup.cfg": "", "__init__.py": "",
		"space/one/__init__.py": "", "space/two.py": "", "space/deep/three.py": "", "space/data/x.txt": "",
		"space/native/__init__.abi3.so":          elfText(elftest.Spec{Exports: []string{"PyInit_native"}}),
		"foo-nspkg.pth":                          "import os\n",
		"foo-1.0.data/purelib/pure/__init__.py":  "",
		"foo-1.0.data/platlib/space/four.py":     "",
		"foo-1.0.data/platlib/late.pth":          "lib\n",
		"foo-1.0.data/scripts/run.sh":            "#!/bin/sh\n",
		"foo-1.0.data/headers/foo.h":             "",
		"foo-1.0.data/data/share/foo/example.py": "",
		"foo/bad.so":                             "\x7fELF is no ELF file",
		info + "METADATA": "Metadata-Version: 2.4\nName: Foo\nVersion: 1.0\nRequires-Python: >=3.9\n" +
			"Requires-Dist: bar>=1 ;\n  extra == \"a\"\nProvides-Extra: a\nLicense-File: LICENSE\n\nlong\n",
		info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test 1\nRoot-Is-Purelib: false\nTag: cp313-cp313-manylinux_2_17_x86_64\n",
		info + "entry_points.txt": "[console_scripts]\nfoo = foo.cli:main\nfoo-a = foo.cli:App.run [a, b]\n\n[gui_scripts]\nfoo-w = foo.gui:main\n" +
			"[other]\nx = y\n",
		info + "licenses/LICENSE":          "MIT",
		info + "COPYING":                   "",
		info + "sboms/auditwheel.cdx.json": "{}",
	}
}

const factualName = "foo-1.0-cp313-cp313-manylinux_2_17_x86_64.whl"

func TestFacts(t *testing.T) {
	f := factual()
	entries := f.entries()
	for i := range entries {
		if strings.HasSuffix(entries[i].name, "run.sh") {
			entries[i].mode = typeRegular | 0o755
		}
	}
	w, err := Read(put(t, archiveSpec{entries: entries}.bytes()), factualName)
	if err != nil {
		t.Fatal(err)
	}
	w.Path = "PATH"
	got, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/facts.golden", append(got, '\n'))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: run go test -update if this is meant (-want +got):\n%s", name, diff)
	}
}

// TestSpool puts a large ELF file through the spool, in pieces of all sizes.
func TestSpool(t *testing.T) {
	small := elftest.Build(elftest.Spec{Soname: "libbig.so"})
	data := append(small, make([]byte, inMemory)...)
	var s spool
	defer s.reset()
	for n, rest := 1, data; len(rest) > 0; n *= 2 {
		n = min(n, len(rest))
		if _, err := s.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		if want := len(data)-len(rest)+n > inMemory; (s.file != nil) != want {
			t.Fatalf("in a file after %d bytes: %v", len(data)-len(rest)+n, !want)
		}
		rest = rest[n:]
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(s.reader()); err != nil || !bytes.Equal(got.Bytes(), data) {
		t.Errorf("%d bytes came back, %v", got.Len(), err)
	}
	if _, err := os.Stat(s.file.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file has a name: %v", err)
	}
	w, err := readFiles(t, factualName, factual().with(files{"foo/big.so": string(data)}))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range w.ELF {
		if e.Path == "foo/big.so" && e.Soname == "libbig.so" {
			return
		}
	}
	t.Error("the large file was not read")
}
