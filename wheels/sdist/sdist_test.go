package sdist

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/ulikunitz/xz"

	"github.com/pybake/pybake/internal/strict"
)

var noon = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// file, dir and link are members of a tar; others are made as headers.
func file(name, body string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o664, ModTime: noon, Uname: body}
}

func dir(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o775, ModTime: noon.Add(time.Hour)}
}

func link(typ byte, name, target string) *tar.Header {
	return &tar.Header{Typeflag: typ, Name: name, Linkname: target, Mode: 0o777, ModTime: noon.Add(time.Hour)}
}

// tarball is an archive of members. The bodies of files are in Uname on the way.
func tarball(t testing.TB, members ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		hdr := *m
		body := hdr.Uname
		hdr.Uname = ""
		if err := w.WriteHeader(&hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func xzed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cached writes an archive as the cache has it, without its name.
func cached(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "0123abcd")
	if err := os.WriteFile(path, data, 0o444); err != nil {
		t.Fatal(err)
	}
	return path
}

const pkgInfo = "Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0\n"

// plain is a source distribution as most are.
func plain() []*tar.Header {
	return []*tar.Header{
		dir("foo_bar-1.0/"), file("foo_bar-1.0/PKG-INFO", pkgInfo), file("foo_bar-1.0/setup.py", "setup()"),
		file("foo_bar-1.0/src/a.c", "int a;"), file("foo_bar-1.0/src/native/Cargo.toml", "[package]"),
	}
}

// listing is what WriteTar gives: a line for each member.
func listing(t *testing.T, s *Source) []string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := s.WriteTar(w, "build/src", 1000, 1001); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	err := each(tar.NewReader(&b), func(hdr *tar.Header, r io.Reader) error {
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if hdr.Uid != 1000 || hdr.Gid != 1001 || !hdr.ModTime.Equal(s.Newest) {
			t.Errorf("%s: owner %d:%d, time %v", hdr.Name, hdr.Uid, hdr.Gid, hdr.ModTime)
		}
		lines = append(lines, fmt.Sprintf("%c %o %s %s%s", hdr.Typeflag, hdr.Mode, hdr.Name, hdr.Linkname, body))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestOpen(t *testing.T) {
	bz2, err := os.ReadFile("testdata/plain.tar.bz2")
	if err != nil {
		t.Fatal(err)
	}
	dotted := []*tar.Header{{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "0123"}}, dir("./")}
	for _, m := range plain() {
		dotted = append(dotted, m)
		m := dotted[len(dotted)-1]
		m.Name = "./" + m.Name
	}
	data := tarball(t, plain()...)
	for name, data := range map[string][]byte{
		"foo_bar-1.0.tar.gz": gzipped(t, data), "foo-bar-1.0.tgz": gzipped(t, data), "Foo.Bar-1.tar": data,
		"foo_bar-1.0.tar.xz": xzed(t, data), "foo_bar-1.0.tar.bz2": bz2, "foo_bar-1.0.0.tar.gz": gzipped(t, tarball(t, dotted...)),
		"foo_bar-1.0.zip": zipped(t, plain()...),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(cached(t, data), name)
			if err != nil {
				t.Fatal(err)
			}
			if s.Metadata == nil || s.Metadata.Name != "Foo.Bar" || s.File != name || s.Hash() != "" {
				t.Errorf("got %+v", s)
			}
			if !s.Newest.Equal(noon) || s.Compiled != 1 || !s.HasCargo || s.Size != int64(len(pkgInfo)+7+6+9) {
				t.Errorf("newest %v, compiled %d, cargo %v, size %d", s.Newest, s.Compiled, s.HasCargo, s.Size)
			}
			if diff := cmp.Diff([]File{{"src/native/Cargo.toml", []byte("[package]")}}, s.Cargo); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(System{Requires: []string{"setuptools>=40.8.0"}, Backend: "setuptools.build_meta:__legacy__"}, s.Build); diff != "" {
				t.Error(diff)
			}
			want := []string{
				"5 755 build/ ", "5 755 build/src/ ", "0 644 build/src/PKG-INFO " + pkgInfo, "0 644 build/src/setup.py setup()",
				"5 755 build/src/src/ ", "0 644 build/src/src/a.c int a;", "5 755 build/src/src/native/ ",
				"0 644 build/src/src/native/Cargo.toml [package]",
			}
			if diff := cmp.Diff(want, listing(t, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefused holds every refusal to its text.
func TestRefused(t *testing.T) {
	setup := file("foo-1.0/setup.py", "")
	with := func(members ...*tar.Header) []byte {
		return gzipped(t, tarball(t, append([]*tar.Header{setup}, members...)...))
	}
	whole := with(file("foo-1.0/big", strings.Repeat("0123456789", 1000)))
	tests := []struct {
		name string // of the file, if not foo-1.0.tar.gz
		data []byte
		want string // without the name of the file
	}{
		{"", with(file("foo-1.0/../x", "")), `"foo-1.0/../x": name contains ".."`},
		{"", with(file("/etc/passwd", "")), `"/etc/passwd": name is absolute`},
		{"", with(file("bar/x", "")), `"bar/x": is beside the archive's one directory "foo-1.0"`},
		{"", with(file("x", "")), `"x": is beside the archive's one directory "foo-1.0"`},
		{"", with(file("foo-1.0/a", ""), file("./foo-1.0/./a", "")), `"./foo-1.0/./a": occurs twice`},
		{"", with(setup), `"foo-1.0/setup.py": occurs twice`},
		{"", with(link(tar.TypeSymlink, "foo-1.0/a", "../x")), `"foo-1.0/a": symbolic link to "../x": leaves the archive`},
		{"", with(link(tar.TypeSymlink, "foo-1.0/a", "/etc")), `"foo-1.0/a": symbolic link to "/etc": absolute`},
		{"", with(link(tar.TypeLink, "foo-1.0/a", "foo-1.0/b")), `"foo-1.0/a": hard link to "foo-1.0/b": no regular file before it`},
		{"", with(link(tar.TypeSymlink, "foo-1.0/a", "b"), file("foo-1.0/a/c", "")), `"foo-1.0/a/c": is below "a", a symbolic link`},
		{"", with(&tar.Header{Typeflag: tar.TypeChar, Name: "foo-1.0/null"}), `"foo-1.0/null": is a device`},
		{"", with(&tar.Header{Typeflag: tar.TypeFifo, Name: "foo-1.0/a \"quoted\": fifo"}), `"foo-1.0/a \"quoted\": fifo": is a fifo`},
		{"", with(link(tar.TypeSymlink, "foo-1.0/pyproject.toml", "x")), `"pyproject.toml": is a link; want the file itself`},
		{"", with(link(tar.TypeLink, "foo-1.0/PKG-INFO", "foo-1.0/setup.py")), `"PKG-INFO": is a link; want the file itself`},
		{"", with(file("foo-1.0/pyproject.toml", strings.Repeat("#", 4<<20+1))), `"pyproject.toml": 4194305 bytes: more than 4194304, which is as much as is read`},
		{"", gzipped(t, tarball(t, file("foo-1.0/setup.cfg", ""))), `nothing that builds: neither pyproject.toml nor setup.py`},
		{"", gzipped(t, tarball(t, file("foo-1.0/sub/setup.py", ""), dir("foo-1.0/setup.py"))), `nothing that builds: neither pyproject.toml nor setup.py`},
		{"", gzipped(t, tarball(t)), `archive is empty`},
		{"", nil, `is empty`},
		{"", []byte("PK\x03\x04"), `is not a tar file`},
		{"foo-1.0.tgz", []byte("PK\x03\x04"), `is not a tar file`},
		{"foo-1.0.zip", with(), `is not a zip file`},
		{"foo-1.0.tar.Z", []byte("\x1f\x9d\x90\x00"), `is compressed by compress (.Z), which is not read`},
		{"", []byte("\x1f\x8b\x08\x00"), `decompress: unexpected EOF`},
		{"", []byte(strings.Repeat("x", 1024)), `read archive after member "": archive/tar: invalid tar header`},
		{"", whole[:len(whole)-30], `"foo-1.0/big": unexpected EOF`},
		{"", with(file("foo-1.0/PKG-INFO", "Name: foo\n")), `"PKG-INFO": core metadata: no Metadata-Version; no Version`},
		{"", with(file("foo-1.0/PKG-INFO", pkgInfo)), `"PKG-INFO": is of Foo.Bar 1.0: parse sdist name "foo-1.0.tar.gz": byte 0: not a file of Foo.Bar`},
		{"foo.bar-1.1.tar.gz", with(file("foo-1.0/PKG-INFO", pkgInfo)), `"PKG-INFO": is of Foo.Bar 1.0: the file's name says 1.1`},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			if test.name == "" {
				test.name = "foo-1.0.tar.gz"
			}
			s, err := Open(cached(t, test.data), test.name)
			var bad *BadError
			if !errors.As(err, &bad) || s != nil {
				t.Fatalf("got %v, %v", s, err)
			}
			want := test.name + ": " + test.want
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestBombs: what unpacks to more than the file is worth is not unpacked.
func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 3<<20)
	small := limits{members: 100, total: 1 << 30, free: 1 << 20, ratio: 100}
	many := []*tar.Header{file("foo/setup.py", "")}
	for i := range 100 {
		many = append(many, file(fmt.Sprintf("foo/%d", i), ""))
	}
	var comments []*tar.Header
	for range 10 {
		comments = append(comments, &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": zeros[:500_000]}})
	}
	for want, data := range map[string][]byte{
		`"foo/big": archive is larger than the limit of 1048576 bytes`:      gzipped(t, tarball(t, file("foo/setup.py", ""), file("foo/big", zeros))),
		`"foo/a/b": archive is larger than the limit of 1048576 bytes`:      zipped(t, file("foo/setup.py", ""), file("foo/a/b", zeros)),
		`"foo/99": archive has more than the limit of 100 members`:          gzipped(t, tarball(t, many...)),
		`archive has more than the limit of 100 members`:                    zipped(t, many...),
		`read archive after member "g": unpacks to more than 1048576 bytes`: gzipped(t, tarball(t, comments...)),
	} {
		name := "foo-1.0"
		_, err := open(cached(t, data), name, "", true, small)
		var bad *BadError
		if !errors.As(err, &bad) || err.Error() != name+": "+want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := open(cached(t, data), name, "", true, defaults()); strings.Contains(fmt.Sprint(err), "limit") {
			t.Errorf("by the usual limits: %v", err)
		}
	}
	if l := defaults(); l.bytes(1) != 256<<20 || l.bytes(10<<20) != 1000<<20 || l.bytes(1<<60) != 8<<30 {
		t.Error("limits do not follow the size of the file")
	}
}

func TestNewest(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"1969-12-31T23:59:59Z", "1980-01-01T00:00:00Z"},
		{"2020-02-02T00:00:00Z", "2020-02-02T00:00:00Z"},
		{"2099-12-31T23:59:59Z", "2099-12-31T23:59:59Z"},
		{"2199-12-31T23:59:59Z", "2099-12-31T23:59:59Z"},
	} {
		in, err := time.Parse(time.RFC3339, test.in)
		if err != nil {
			t.Fatal(err)
		}
		setup := file("foo-1/setup.py", "")
		setup.ModTime = in
		s, err := Open(cached(t, tarball(t, setup)), "foo-1.tar")
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Newest.Format(time.RFC3339); got != test.want {
			t.Errorf("%s: got %s, want %s", test.in, got, test.want)
		}
	}
}

// TestModes: permissions are normal, and links stay.
func TestModes(t *testing.T) {
	run := file("foo-1/run", "#!")
	run.Mode = 0o4711
	secret := file("foo-1/secret", "x")
	secret.Mode = 0
	s, err := Open(cached(t, tarball(t, file("foo-1/setup.py", ""), run, secret,
		link(tar.TypeSymlink, "foo-1/a/up", "../run"), link(tar.TypeLink, "foo-1/again", "foo-1/run"))), "foo-1.tar")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5 755 build/ ", "5 755 build/src/ ", "0 644 build/src/setup.py ", "0 755 build/src/run #!", "0 644 build/src/secret x",
		"5 755 build/src/a/ ", "2 777 build/src/a/up ../run", "1 755 build/src/again build/src/run",
	}
	if diff := cmp.Diff(want, listing(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestFromArchive(t *testing.T) {
	project := func(top string) []byte {
		return tarball(t, file(top+"README", ""), file(top+"libs/foo/pyproject.toml", "[build-system]\nrequires = [\"a\"]"),
			file(top+"libs/foo/PKG-INFO", "rubbish"), link(tar.TypeSymlink, top+"libs/foo/README", "../../README"), file(top+"setup.py", ""))
	}
	for _, test := range []struct {
		about, top, sub string
		want            string // requirement, or problem
	}{
		{"top", "repo-main/", "", "setuptools>=40.8.0"},
		{"no top", "", "", "setuptools>=40.8.0"},
		{"subdirectory", "repo-main/", "libs/foo", "a"},
		{"subdirectory without top", "", "libs/foo", "a"},
		{"none", "repo-main/", "libs/bar", `main.tar: "libs/bar": no such directory`},
		{"prefix of a name", "repo-main/", "libs/fo", `main.tar: "libs/fo": no such directory`},
		{"empty", "repo-main/", "libs", "main.tar: nothing that builds: neither pyproject.toml nor setup.py in libs"},
		{"top as subdirectory", "repo-main/", "repo-main", `main.tar: "repo-main": no such directory`},
		{"out", "repo-main/", "../x", `main.tar: subdirectory "../x": want one within the archive`},
		{"absolute", "repo-main/", "/x", `main.tar: subdirectory "/x": want one within the archive`},
	} {
		s, err := FromArchive(cached(t, project(test.top)), "main.tar", test.sub)
		got := fmt.Sprint(err)
		if err == nil {
			got = strings.Join(s.Build.Requires, " ")
			lines := strings.Join(listing(t, s), "\n")
			if !strings.Contains(lines, "build/src/libs/foo/README ../../README") || !strings.Contains(lines, "build/src/setup.py") {
				t.Errorf("%s: got\n%s", test.about, lines)
			}
			if s.Subdirectory != test.sub || s.Metadata != nil {
				t.Errorf("%s: %+v", test.about, s)
			}
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.about, got, test.want)
		}
	}
	// What is wrong is still said of an archive without a top.
	bad := tarball(t, file("setup.py", ""), file("a", ""), file("a", ""))
	if _, err := FromArchive(cached(t, bad), "x.tar", ""); err == nil || err.Error() != `x.tar: "a": occurs twice` {
		t.Errorf("got %v", err)
	}
	// One file at the top is no directory.
	if _, err := FromArchive(cached(t, tarball(t, file("setup.py", ""))), "x.tar", ""); err != nil {
		t.Error(err)
	}
}

func TestProblemsOfPyproject(t *testing.T) {
	text := "[build-system]\nrequires = [1, \"a\"]\nbuild-backend = true\n"
	_, err := FromArchive(cached(t, tarball(t, file("x/a/pyproject.toml", text))), "x-1.tar", "a")
	var errs strict.Errors
	if !errors.As(err, &errs) || len(errs) != 2 {
		t.Fatalf("got %v", err)
	}
	want := "x-1.tar/a/pyproject.toml:2:13: build-system.requires[0]: want a string, found an integer\n" +
		"x-1.tar/a/pyproject.toml:3:17: build-system.build-backend: want a string, found a boolean"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

// TestDisk: what is not about the archive is no BadError.
func TestDisk(t *testing.T) {
	var bad *BadError
	if _, err := Open(filepath.Join(t.TempDir(), "none"), "foo-1.tar"); !errors.Is(err, os.ErrNotExist) || errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.TempDir(), "foo-1.tar"); err == nil || errors.As(err, &bad) {
		t.Errorf("a directory: got %v", err)
	}
	s, err := Open(cached(t, tarball(t, plain()...)), "foo-bar-1.0.tar")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	if err := s.WriteTar(tar.NewWriter(failing{full}), "x", 0, 0); !errors.Is(err, full) || errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
