package nfpm

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// debOf is a package of some files.
func debOf(t *testing.T, change func(*Package)) []byte {
	t.Helper()
	p := &Package{
		Name: "pybake-test", Version: "1-1", Arch: "amd64", Maintainer: "A <a@example.org>", Section: "misc", Priority: "optional",
		Synopsis: "a test", Description: "Of differences.", Time: time.Unix(1e9, 0), Compression: "gzip",
		Files: []File{
			{Path: "/opt/a", Content: []byte("first\nsecond\n")}, {Path: "/opt/b", Content: []byte("b")}, {Path: "/opt/link", Link: "a"},
		},
	}
	change(p)
	var b bytes.Buffer
	if err := p.Build(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDiffer(t *testing.T) {
	content := func(text []byte) func(*Package) {
		return func(p *Package) { p.Files[0].Content = text }
	}
	plain := func(*Package) {}
	for _, tt := range []struct {
		name     string
		one, two func(*Package)
		want     string
	}{
		{"a byte", plain, content([]byte("first\nsecond!")), "data.tar: /opt/a differs from byte 12 on: 0a and 21 (and 1 more files)"},
		{"a shorter file", plain, content([]byte("first\n")), "data.tar: /opt/a differs from byte 6 on: 7365636f6e640a and  (and 1 more files)"},
		{
			"a file more", plain, func(p *Package) { p.Files = append(p.Files, File{Path: "/opt/c", Content: []byte("c")}) },
			"control.tar: /md5sums differs from byte 80 on:  and 34613861303866303964333762373337 (and 1 more files)",
		},
		{
			"a file less", func(p *Package) { p.Files = append(p.Files, File{Path: "/opt/c"}) }, plain,
			"data.tar: /opt/c is only in the first (and 1 more files)",
		},
		{
			"a mode", plain, func(p *Package) { p.Files[1].Mode = 0o755 },
			"data.tar: /opt/b is -rw-r--r-- root:root 0:0 2001-09-09T01:46:40Z and -rwxr-xr-x root:root 0:0 2001-09-09T01:46:40Z",
		},
		{
			"a link", plain, func(p *Package) { p.Files[2].Link = "b" },
			"data.tar: /opt/link is Lrwxrwxrwx root:root 0:0 2001-09-09T01:46:40Z a and Lrwxrwxrwx root:root 0:0 2001-09-09T01:46:40Z b",
		},
		{"a field", plain, func(p *Package) { p.Section = "libs" }, "control.tar: /control differs from byte 43 on: 6d697363"},
		{"compression", plain, func(p *Package) { p.Compression = "gzip:1" }, "the archive itself differs, and no entry of it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Differ(debOf(t, tt.one), debOf(t, tt.two))
			if err != nil || d == nil {
				t.Fatalf("%v, %v", d, err)
			}
			if got := d.String(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
	one := debOf(t, plain)
	if d, err := Differ(one, debOf(t, plain)); d != nil || err != nil {
		t.Errorf("the same: %v, %v", d, err)
	}
	if d, err := Differ(one, one[:len(one)/2]); err == nil {
		t.Errorf("half a deb: %v", d)
	}
}
