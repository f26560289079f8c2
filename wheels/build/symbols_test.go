package build

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/elfcheck/elftest"
)

func TestTakeSymbols(t *testing.T) {
	text := string(elftest.Build(elftest.Spec{Hard: true}))
	const id = ".build-id/01/23456789abcdef.debug" // what elftest gives
	file := func(name, text string) entry { return entry{tar.Header{Name: name, Typeflag: tar.TypeReg}, text} }
	dir := func(name string) entry { return entry{tar.Header{Name: name + "/", Typeflag: tar.TypeDir}, ""} }
	for name, tt := range map[string]struct {
		members []entry
		want    string // of the error
	}{
		"one":         {[]entry{dir(".build-id"), dir(".build-id/01"), file(id, text)}, ""},
		"nothing":     {nil, ""},
		"no ELF":      {[]entry{file(id, "text")}, "no ELF file of that build id"},
		"other id":    {[]entry{file(strings.Replace(id, "23", "24", 1), text)}, "no ELF file of that build id"},
		"no id":       {[]entry{file(id, string(elftest.Build(elftest.Spec{})))}, "no ELF file of that build id"},
		"other name":  {[]entry{file("x.so", text)}, "no name of a build id"},
		"upper case":  {[]entry{file(strings.ToUpper(id), text)}, "no name of a build id"},
		"no hex":      {[]entry{file(".build-id/01/../01/23.debug", text)}, "no name of a build id"},
		"other dir":   {[]entry{dir("lib")}, "a directory"},
		"link":        {[]entry{{tar.Header{Name: id, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""}}, "a symbolic link"},
		"hard link":   {[]entry{{tar.Header{Name: id, Typeflag: tar.TypeLink, Linkname: "debug/y"}, ""}}, "a hard link"},
		"device":      {[]entry{{tar.Header{Name: id, Typeflag: tar.TypeChar}, ""}}, "no regular file"},
		"link on top": {[]entry{{tar.Header{Name: ".build-id", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, ""}}, "a symbolic link"},
		"too large":   {[]entry{file(id, text), file(strings.Replace(id, "23", "24", 1), text)}, "too much"},
	} {
		t.Run(name, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "to")
			err := takeSymbols(to, packed(t, tt.members), int64(len(text)+99))
			if bad, ok := errors.AsType[*symbolsError](err); tt.want == "" && err != nil || tt.want != "" && (!ok || !strings.Contains(bad.Error(), tt.want)) {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(to, id)); name == "one" && string(got) != text {
				t.Error(err)
			}
		})
	}
	many := make([]entry, maxSymbols)
	for i := range many {
		many[i] = dir(".build-id")
	}
	if err := takeSymbols(t.TempDir(), packed(t, many), 1); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Error(err)
	}
	if err := takeSymbols(t.TempDir(), packed(t, []entry{file(id, text), file(id, text)}), maxWheel); err == nil {
		t.Error("twice the same file, no error")
	}
	if err := takeSymbols(t.TempDir(), strings.NewReader(strings.Repeat("x", 600)), maxWheel); err == nil {
		t.Error("no tar, no error")
	}
}

type entry struct {
	tar.Header
	text string
}

// packed is a tar as that of the directory.
func packed(t *testing.T, members []entry) *bytes.Buffer {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range append([]entry{{tar.Header{Name: "/", Typeflag: tar.TypeDir}, ""}}, members...) {
		m.Name, m.Size = "debug/"+m.Name, int64(len(m.text))
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &buf
}
