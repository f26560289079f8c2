package nfpm

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
)

// tarNames returns the member names of the data archive as they are stored.
func tarNames(t *testing.T, info *nfpm.Info) (names []string) {
	t.Helper()
	info.Deb.Compression = "none"
	var b bytes.Buffer
	if err := deb.Default.Package(info, &b); err != nil {
		t.Fatal(err)
	}
	_, data, ok := bytes.Cut(b.Bytes(), []byte("data.tar"))
	if !ok {
		t.Fatal("no data member")
	}
	for r := tar.NewReader(bytes.NewReader(data[60-len("data.tar"):])); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// refused checks that p does not build and that the error says each of want.
func refused(t *testing.T, p *Package, want ...string) {
	t.Helper()
	var b bytes.Buffer
	err := p.Build(&b)
	if err == nil {
		t.Fatalf("built, want an error with %q", want)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if b.Len() != 0 {
		t.Errorf("%d bytes written", b.Len())
	}
}

func TestRefusedFields(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Package)
		want string
	}{
		{"upper case name", func(p *Package) { p.Name = "Pybake" }, `Package "Pybake"`},
		{"short name", func(p *Package) { p.Name = "p" }, `Package "p"`},
		{"no name", func(p *Package) { p.Name = "" }, `Package ""`},
		{"name with line", func(p *Package) { p.Name = "pybake\n" }, `Package "pybake\n"`},
		{"no version", func(p *Package) { p.Version = "" }, `Version ""`},
		{"version with v", func(p *Package) { p.Version = "v1.0" }, `Version "v1.0"`},
		{"version with space", func(p *Package) { p.Version = "1.0 2" }, `Version "1.0 2"`},
		{"version without revision", func(p *Package) { p.Version = "1.0-" }, `Version "1.0-"`},
		{"version with underscore", func(p *Package) { p.Version = "1_0" }, `Version "1_0"`},
		{"version with two epochs", func(p *Package) { p.Version = "1:2:3" }, `Version "1:2:3"`},
		{"Rust's arch", func(p *Package) { p.Arch = "x86_64" }, `Architecture "x86_64"`},
		{"no maintainer", func(p *Package) { p.Maintainer = "" }, `Maintainer ""`},
		{"maintainer without address", func(p *Package) { p.Maintainer = "Jo" }, `Maintainer "Jo"`},
		{"field smuggled", func(p *Package) { p.Maintainer = "Jo\nEssential: yes <j@x>" }, `Maintainer "Jo\n`},
		{"no section", func(p *Package) { p.Section = "" }, `Section ""`},
		{"odd priority", func(p *Package) { p.Priority = "high" }, `Priority "high"`},
		{"homepage without scheme", func(p *Package) { p.Homepage = "example.org" }, `Homepage "example.org"`},
		{"no synopsis", func(p *Package) { p.Synopsis = "" }, `synopsis ""`},
		{"long synopsis", func(p *Package) { p.Synopsis = strings.Repeat("x", 80) }, `synopsis "xxx`},
		{"indented text", func(p *Package) { p.Description = "a\n  b" }, `description line "  b"`},
		{"reserved line", func(p *Package) { p.Description = "a\n.b" }, `description line ".b"`},
		{"tab in text", func(p *Package) { p.Description = "a\tb" }, `description line "a\tb"`},
		{"relation without space", func(p *Package) { p.Depends = []string{"libc6(>=2.3)"} }, `Depends "libc6(>=2.3)"`},
		{"two relations in one", func(p *Package) { p.Depends = []string{"aa, bb"} }, `Depends "aa, bb"`},
		{"empty relation", func(p *Package) { p.Depends = []string{""} }, `Depends ""`},
		{"obsolete operator", func(p *Package) { p.Breaks = []string{"aa (< 1)"} }, `Breaks "aa (< 1)"`},
		{"relation with a wrong version", func(p *Package) { p.Recommends = []string{"aa (= x)"} }, `Recommends "aa (= x)"`},
		{"alternatives in Conflicts", func(p *Package) { p.Conflicts = []string{"aa | bb"} }, `Conflicts "aa | bb"`},
		{"range in Provides", func(p *Package) { p.Provides = []string{"aa (>= 1)"} }, `Provides "aa (>= 1)"`},
		{"own field", func(p *Package) { p.Fields = map[string]string{"depends": "aa"} }, `depends "aa"`},
		{"field twice", func(p *Package) { p.Fields = map[string]string{"Origin": "a", "origin": "b"} }, `origin "b"`},
		{"field without value", func(p *Package) { p.Fields = map[string]string{"Origin": ""} }, `Origin ""`},
		{"field of two lines", func(p *Package) { p.Fields = map[string]string{"Origin": "a\nB: c"} }, `Origin "a\nB: c"`},
		{"field name with colon", func(p *Package) { p.Fields = map[string]string{"A:": "a"} }, `field name "A:"`},
		{"field name as comment", func(p *Package) { p.Fields = map[string]string{"#A": "a"} }, `field name "#A"`},
		{"field name as signature", func(p *Package) { p.Fields = map[string]string{"-A": "a"} }, `field name "-A"`},
		{"script without interpreter", func(p *Package) { p.Scripts.PostRm = "rm -rf x" }, `postrm "rm -rf x"`},
		{"no time", func(p *Package) { p.Time = time.Time{} }, `time 0001`},
		{"no compression", func(p *Package) { p.Compression = "" }, `compression ""`},
		{"unknown compression", func(p *Package) { p.Compression = "bzip2" }, `compression "bzip2"`},
		{"level for xz", func(p *Package) { p.Compression = "xz:9" }, `compression "xz:9"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := sample(t, "gzip")
			c.edit(p)
			refused(t, p, c.want)
		})
	}
	t.Run("all at once", func(t *testing.T) {
		p := sample(t, "gzip")
		p.Version, p.Arch, p.Depends = "x", "X", []string{"X"}
		refused(t, p, `Version "x"`, `Architecture "X"`, `Depends "X"`)
	})
}

func TestAcceptedFields(t *testing.T) {
	for _, version := range []string{"1", "3.13.5-1+deb12", "3.13.5~rc1-1", "3.13.5+fast-2~bpo12+1", "10:1.2-3-4", "0~"} {
		p := sample(t, "gzip")
		p.Version, p.Depends = version, []string{"aa (= " + version + ")", "bb:any (<< 2) | cc"}
		if got := inspect(t, build(t, p)).Fields["Version"]; got != version {
			t.Errorf("version %q became %q", version, got)
		}
	}
	for _, arch := range []string{"all", "amd64", "arm64", "i386", "armhf", "x32", "kfreebsd-amd64"} {
		p := sample(t, "gzip")
		p.Arch = arch
		if got := inspect(t, build(t, p)).Fields["Architecture"]; got != arch {
			t.Errorf("architecture %q became %q", arch, got)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/bin/sh", link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		file File
		want string
	}{
		{"relative", File{Path: "opt/x"}, "clean absolute path"},
		{"climbing", File{Path: "/opt/../etc/x"}, "clean absolute path"},
		{"root", File{Path: "/", Dir: true}, "clean absolute path"},
		{"line break", File{Path: "/opt/a\nb"}, "printable UTF-8"},
		{"no UTF-8", File{Path: "/opt/\xff"}, "printable UTF-8"},
		{"configuration", File{Path: "/etc/pybake.conf"}, "conffiles"},
		{"setuid", File{Path: "/opt/x", Mode: 0o755 | 1<<23}, "policy 10.9"},
		{"setuid in octal", File{Path: "/opt/x", Mode: 0o4755}, "policy 10.9"},
		{"world-writable", File{Path: "/opt/x", Mode: 0o666}, "policy 10.9"},
		{"group-writable directory", File{Path: "/opt/x", Dir: true, Mode: 0o775}, "policy 10.9"},
		{"two kinds", File{Path: "/opt/x", Dir: true, Link: "y"}, "more than one of"},
		{"unclean link", File{Path: "/opt/x", Link: "a/../b"}, `want it clean, "b"`},
		{"link with mode", File{Path: "/opt/x", Link: "b", Mode: 0o755}, "a symlink has none"},
		{"source is a symlink", File{Path: "/opt/x", Source: link}, "want a regular file"},
		{"source is a directory", File{Path: "/opt/x", Source: dir}, "want a regular file"},
		{"source is missing", File{Path: "/opt/x", Source: dir + "/none"}, "no such file"},
		{"twice", File{Path: "/opt/python"}, "given twice"},
		{"below a file", File{Path: "/opt/python/3.13/bin/python3/x"}, `"/opt/python/3.13/bin/python3" is not a directory`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := sample(t, "gzip")
			p.Files = append(p.Files, c.file)
			refused(t, p, c.want)
		})
	}
}

func TestTree(t *testing.T) {
	t.Run("sorted, below the prefix", func(t *testing.T) {
		files, err := Tree(filepath.Join(staged(t), "opt/python/3.13/bin"), "/opt/bin")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, f.Path+" "+f.Link+" "+f.Mode.String())
		}
		want := "/opt/bin  -rwxr-xr-x\n/opt/bin/lib ../lib ----------\n" +
			"/opt/bin/python3 python3.13 ----------\n/opt/bin/python3.13  -rwxr-xr-x"
		if g := strings.Join(got, "\n"); g != want {
			t.Errorf("got\n%s\nwant\n%s", g, want)
		}
	})
	for name, make := range map[string]func(dir string) error{
		"pipe":       func(dir string) error { return syscall.Mkfifo(dir+"/x", 0o600) },
		"line break": func(dir string) error { return os.WriteFile(dir+"/a\nb", nil, 0o600) },
		"no UTF-8":   func(dir string) error { return os.Mkdir(dir+"/\xff", 0o700) },
		"missing":    os.Remove,
		"file":       func(dir string) error { return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(dir); err != nil {
				t.Fatal(err)
			}
			files, err := Tree(dir, "/opt/x")
			if err == nil || !strings.HasPrefix(err.Error(), "list tree "+dir) {
				t.Errorf("files %v, error %v", files, err)
			}
		})
	}
}
