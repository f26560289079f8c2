package fetch

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// m is a member of a test archive; body is the target of links.
type m struct {
	typ  byte
	name string
	body string
	mode int64
}

func build(t testing.TB, members ...m) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, m := range members {
		hdr := &tar.Header{Typeflag: m.typ, Name: m.name, Mode: m.mode, ModTime: time.Unix(1e9, 0), Uid: 7, Gid: 7}
		if hdr.Mode == 0 {
			hdr.Mode = 0o644
		}
		switch m.typ {
		case tar.TypeReg:
			hdr.Size = int64(len(m.body))
		case tar.TypeSymlink, tar.TypeLink:
			hdr.Linkname = m.body
		case tar.TypeXGlobalHeader:
			hdr = &tar.Header{Typeflag: m.typ, Name: m.name, PAXRecords: map[string]string{"comment": "0"}}
		}
		if err := w.WriteHeader(hdr); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		if m.typ == tar.TypeReg {
			io.WriteString(w, m.body)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// list shows an archive one member a line.
func list(t testing.TB, archive []byte) []string {
	t.Helper()
	var lines []string
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		hdr, err := r.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%c %o %d:%d %d %s %s%s",
			hdr.Typeflag, hdr.Mode, hdr.Uid, hdr.Gid, hdr.ModTime.Unix(), hdr.Name, hdr.Linkname, body)))
	}
}

func repack(archive []byte, rules Rules) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := Copy(w, bytes.NewReader(archive), rules); err != nil {
		return nil, err
	}
	err := w.Close()
	return buf.Bytes(), err
}

// unpack unpacks into DIR/in and fails the test if anything else in DIR, which
// holds a file and a directory to be tempted by, has changed.
func unpack(t testing.TB, archive []byte, rules Rules) (string, error) {
	t.Helper()
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	for _, d := range []string{in, filepath.Join(dir, "out")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(in)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	err = Unpack(root, bytes.NewReader(archive), rules)

	var outside []string
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
		}
		if p == in {
			return fs.SkipDir
		}
		outside = append(outside, strings.TrimPrefix(p, dir))
		return nil
	})
	if diff := cmp.Diff([]string{"", "/out", "/secret"}, outside); diff != "" {
		t.Errorf("outside the directory: %s", diff)
	}
	info, statErr := os.Stat(filepath.Join(dir, "secret"))
	content, _ := os.ReadFile(filepath.Join(dir, "secret"))
	if statErr != nil || string(content) != "secret" || info.Mode() != 0o600 {
		t.Errorf("the file outside is now %v %q", info.Mode(), content)
	}
	return in, err
}

func TestHostile(t *testing.T) {
	const reg, dir, sym, hard = tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink
	long := strings.Repeat("d/", 2100) + "f"
	for _, tt := range []struct {
		what    string
		rules   Rules
		members []m
		want    string // in the error
	}{
		{"absolute", Rules{}, []m{{reg, "/etc/passwd", "x", 0}}, `"/etc/passwd": name is absolute`},
		{"up", Rules{}, []m{{reg, "../secret", "x", 0}}, `"../secret": name contains ".."`},
		{"up inside", Rules{}, []m{{reg, "a/../b", "x", 0}}, `"a/../b": name contains ".."`},
		{"up at the end", Rules{}, []m{{dir, "a/..", "", 0}}, `name contains ".."`},
		{"too long", Rules{}, []m{{reg, long, "x", 0}}, "longer than 4096"},
		{"root is a file", Rules{}, []m{{reg, ".", "x", 0}}, "is not a directory"},
		{"root is a link", Rules{}, []m{{sym, ".", "x", 0}}, "is not a directory"},
		{"link up", Rules{}, []m{{sym, "a", "../secret", 0}}, `"a": symbolic link to "../secret": leaves`},
		{"link up from below", Rules{}, []m{{sym, "a/b", "../../secret", 0}}, "leaves the archive"},
		{"link absolute", Rules{}, []m{{sym, "a", "/etc", 0}}, `symbolic link to "/etc": absolute`},
		{"link empty", Rules{}, []m{{sym, "a", "", 0}}, "symbolic link to nowhere"},
		{"link down and up", Rules{}, []m{{sym, "a/b/c", "../..", 0}, {sym, "t", "a/b/c/../secret", 0}}, `"t": symbolic link to "a/b/c/../secret": goes down and up`},
		{"link beside stripped top", Rules{StripTop: true, Top: "x/y"}, []m{{sym, "P/a", "../b", 0}}, "leaves the archive"},
		{"through a link", Rules{}, []m{{sym, "a", ".", 0}, {reg, "a/b", "x", 0}}, `"a/b": is below "a", a symbolic link`},
		{"through an absolute link", Rules{AllowAbsoluteLinks: true}, []m{{sym, "a", "/tmp", 0}, {reg, "a/b", "x", 0}}, `below "a", a symbolic link`},
		{"directory through a link", Rules{}, []m{{sym, "a", ".", 0}, {dir, "a/b/c", "", 0}}, `below "a", a symbolic link`},
		{"below a file", Rules{}, []m{{reg, "a", "", 0}, {reg, "a/b", "x", 0}}, `is below "a", a file`},
		{"hard link out", Rules{}, []m{{hard, "a", "../secret", 0}}, `hard link to "../secret": name contains ".."`},
		{"hard link absolute", Rules{}, []m{{hard, "a", "/etc/passwd", 0}}, "hard link to \"/etc/passwd\": name is absolute"},
		{"hard link ahead", Rules{}, []m{{hard, "a", "b", 0}, {reg, "b", "x", 0}}, `hard link to "b": no regular file before it`},
		{"hard link to link", Rules{AllowAbsoluteLinks: true}, []m{{sym, "a", "/etc/passwd", 0}, {hard, "b", "a", 0}}, "no regular file before it"},
		{"hard link to directory", Rules{}, []m{{dir, "a", "", 0}, {hard, "b", "a", 0}}, "no regular file before it"},
		{"twice", Rules{}, []m{{reg, "a", "1", 0}, {reg, "./a", "2", 0}}, `"./a": occurs twice`},
		{"file over link", Rules{AllowAbsoluteLinks: true}, []m{{sym, "a", "/etc/passwd", 0}, {reg, "a", "2", 0}}, `"a": occurs twice`},
		{"link over directory", Rules{}, []m{{dir, "a", "", 0}, {sym, "a", "b", 0}}, `"a": occurs twice`},
		{"directory over file", Rules{}, []m{{reg, "a", "", 0}, {dir, "a", "", 0}}, `"a": occurs twice`},
		{"link over implied directory", Rules{}, []m{{reg, "a/b", "", 0}, {sym, "a", "b", 0}}, `"a": occurs twice`},
		{"character device", Rules{}, []m{{tar.TypeChar, "null", "", 0}}, `"null": is a device`},
		{"block device", Rules{}, []m{{tar.TypeBlock, "sda", "", 0}}, `"sda": is a device`},
		{"fifo", Rules{}, []m{{tar.TypeFifo, "p", "", 0}}, `"p": is a fifo`},
		{"type 7", Rules{}, []m{{tar.TypeCont, "c", "", 0}}, `"c": is of unknown type '7'`},
		{"bytes", Rules{MaxBytes: 5}, []m{{reg, "a", "123", 0}, {reg, "b", "456", 0}}, `"b": archive is larger than the limit of 5 bytes`},
		{"members", Rules{MaxFiles: 2}, []m{{reg, "a", "", 0}, {reg, "b", "", 0}, {reg, "c", "", 0}}, `"c": archive has more than the limit of 2 members`},
		{"implied members", Rules{MaxFiles: 3}, []m{{reg, "a/b/c/d", "", 0}}, "more than the limit of 3 members"},
		{"two tops", Rules{StripTop: true}, []m{{reg, "P/a", "", 0}, {reg, "Q/a", "", 0}}, `"Q/a": is beside the archive's one directory "P"`},
		{"top is a file", Rules{StripTop: true}, []m{{reg, "P", "", 0}}, `"P": is not a directory`},
		{"top is a link", Rules{StripTop: true}, []m{{sym, "P", "x", 0}}, `"P": is not a directory`},
		{"hard link to other top", Rules{StripTop: true}, []m{{reg, "P/a", "", 0}, {hard, "P/b", "Q/a", 0}}, "beside the archive's one directory"},
		{"nothing", Rules{StripTop: true}, nil, "archive is empty"},
		{"top leaves", Rules{Top: "../x"}, []m{{reg, "a", "", 0}}, `archive top "../x": not a relative path`},
	} {
		t.Run(tt.what, func(t *testing.T) {
			archive := build(t, tt.members...)
			if _, err := repack(archive, tt.rules); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Copy: error %v, want %s", err, tt.want)
			}
			if _, err := unpack(t, archive, tt.rules); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Unpack: error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestBrokenArchive(t *testing.T) {
	whole := build(t, m{tar.TypeReg, "a", "one", 0}, m{tar.TypeReg, "b", strings.Repeat("x", 2000), 0})
	nul := bytes.Clone(whole) // the writer would refuse to write it
	copy(nul, "a\x00b")
	for _, tt := range []struct {
		what    string
		archive []byte
		want    string
	}{
		{"cut in a file", whole[:2048], `"b": unexpected EOF`},
		{"cut in a header", whole[:1200], `read archive after member "a": unexpected EOF`},
		{"not an archive", []byte(strings.Repeat("<html>", 200)), `read archive after member "": archive/tar: invalid tar header`},
		{"checksum", nul, "invalid tar header"},
	} {
		if _, err := repack(tt.archive, Rules{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Copy: error %v, want %s", tt.what, err, tt.want)
		}
		if _, err := unpack(t, tt.archive, Rules{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Unpack: error %v, want %s", tt.what, err, tt.want)
		}
	}
}

var friendly = []m{
	{tar.TypeXGlobalHeader, "pax_global_header", "", 0},
	{tar.TypeDir, "./", "", 0o700},
	{tar.TypeReg, "P-1/configure", "#!", 0o4775},
	{tar.TypeDir, "P-1/", "", 0o2500},
	{tar.TypeReg, "P-1/a/b/read me ä", "text", 0o400},
	{tar.TypeDir, "P-1/a", "", 0o700},
	{tar.TypeDir, "P-1/a", "", 0o755},
	{tar.TypeSymlink, "P-1/a/b/up", "../../configure", 0},
	{tar.TypeSymlink, "P-1/a/top", "..", 0},
	{tar.TypeLink, "P-1/hard", "P-1/configure", 0},
}

func TestCopy(t *testing.T) {
	archive := build(t, friendly...)
	got, err := repack(archive, Rules{StripTop: true, Top: "./src/py/", UID: 1000, GID: 1001, MTime: time.Unix(5, 0)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5 755 1000:1001 5 src/",
		"5 755 1000:1001 5 src/py/",
		"0 755 1000:1001 5 src/py/configure #!",
		"5 755 1000:1001 5 src/py/a/",
		"5 755 1000:1001 5 src/py/a/b/",
		"0 644 1000:1001 5 src/py/a/b/read me ä text",
		"2 777 1000:1001 5 src/py/a/b/up ../../configure",
		"2 777 1000:1001 5 src/py/a/top ..",
		"1 755 1000:1001 5 src/py/hard src/py/configure",
	}
	if diff := cmp.Diff(want, list(t, got)); diff != "" {
		t.Error(diff)
	}

	got, err = repack(archive, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	want = []string{
		"5 755 0:0 1000000000 P-1/",
		"0 755 0:0 1000000000 P-1/configure #!",
		"5 755 0:0 1000000000 P-1/a/",
		"5 755 0:0 1000000000 P-1/a/b/",
		"0 644 0:0 1000000000 P-1/a/b/read me ä text",
		"2 777 0:0 1000000000 P-1/a/b/up ../../configure",
		"2 777 0:0 1000000000 P-1/a/top ..",
		"1 755 0:0 1000000000 P-1/hard P-1/configure",
	}
	if diff := cmp.Diff(want, list(t, got)); diff != "" {
		t.Error(diff)
	}
}

// describe lists what is below a directory.
func describe(t testing.TB, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%v %s", info.Mode(), strings.TrimPrefix(p, dir+"/"))
		if link, err := os.Readlink(p); err == nil {
			line += " -> " + link
		} else if !info.ModTime().Equal(time.Unix(1e9, 0)) {
			line += " " + info.ModTime().UTC().Format(time.DateTime)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestUnpack(t *testing.T) {
	in, err := unpack(t, build(t, friendly...), Rules{StripTop: true, Top: "src"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drwx------ src", // 0500, but usable by its owner
		"drwx------ src/a",
		"drwxr-xr-x src/a/b",
		"-r-------- src/a/b/read me ä",
		"Lrwxrwxrwx src/a/b/up -> ../../configure",
		"Lrwxrwxrwx src/a/top -> ..",
		"-rwxrwxr-x src/configure",
		"-rwxrwxr-x src/hard",
	}
	if diff := cmp.Diff(want, describe(t, in)); diff != "" {
		t.Error(diff)
	}
	one, _ := os.Stat(filepath.Join(in, "src/configure"))
	two, _ := os.Stat(filepath.Join(in, "src/hard"))
	if !os.SameFile(one, two) {
		t.Error("the hard link is another file")
	}
	content, err := os.ReadFile(filepath.Join(in, "src/a/b/up"))
	if err != nil || string(content) != "#!" {
		t.Errorf("through the link: %q, %v", content, err)
	}
}

func TestUnpackStaged(t *testing.T) {
	archive := build(t, m{tar.TypeSymlink, "usr/bin/x", "/opt/../etc/x", 0}, m{tar.TypeReg, "usr/f", "", 0o555})
	in, err := unpack(t, archive, Rules{AllowAbsoluteLinks: true, MTime: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"drwxr-xr-x usr 1970-01-01 00:00:00",
		"drwxr-xr-x usr/bin 1970-01-01 00:00:00",
		"Lrwxrwxrwx usr/bin/x -> /opt/../etc/x",
		"-r-xr-xr-x usr/f 1970-01-01 00:00:00",
	}
	if diff := cmp.Diff(want, describe(t, in)); diff != "" {
		t.Error(diff)
	}
}

// What lies in the directory already, links out of it above all, is neither
// overwritten nor followed out.
func TestUnpackOntoSomething(t *testing.T) {
	for _, tt := range []struct {
		what   string
		member m
	}{
		{"file", m{tar.TypeReg, "file", "new", 0}},
		{"link", m{tar.TypeReg, "link", "new", 0}},
		{"directory through a link", m{tar.TypeReg, "dirlink/f", "new", 0}},
		{"directory onto a link", m{tar.TypeDir, "dirlink", "", 0}},
	} {
		dir := t.TempDir()
		in := filepath.Join(dir, "in")
		for _, err := range []error{
			os.Mkdir(in, 0o755), os.Mkdir(filepath.Join(dir, "out"), 0o755),
			os.WriteFile(filepath.Join(in, "file"), []byte("old"), 0o644),
			os.Symlink("../out/f", filepath.Join(in, "link")),
			os.Symlink("../out", filepath.Join(in, "dirlink")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := Unpack(root, bytes.NewReader(build(t, tt.member)), Rules{}); err == nil {
			t.Errorf("%s: no error", tt.what)
		}
		root.Close()
		if entries, _ := os.ReadDir(filepath.Join(dir, "out")); len(entries) > 0 {
			t.Errorf("%s: wrote %v outside", tt.what, entries)
		}
		if content, _ := os.ReadFile(filepath.Join(in, "file")); string(content) != "old" {
			t.Errorf("%s: overwrote the file", tt.what)
		}
	}
}

func TestPack(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "d"), 0o700),
		os.WriteFile(filepath.Join(dir, "d/run"), []byte("#!"), 0o700),
		os.WriteFile(filepath.Join(dir, "a"), []byte("text"), 0o600),
		os.Symlink("d/run", filepath.Join(dir, "z")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	rules := Rules{Top: "in", UID: 9, GID: 8, MTime: time.Unix(7, 0)}
	if err := Pack(w, os.DirFS(dir), rules); err != nil {
		t.Fatal(err)
	}
	rules.Top = "mem"
	files := []MemFile{{Name: "b", Data: []byte("B"), Exec: true}, {Name: "a/c", Data: []byte("C")}}
	if err := PackFiles(w, files, rules); err != nil {
		t.Fatal(err)
	}
	w.Close()
	want := []string{
		"5 755 9:8 7 in/",
		"0 644 9:8 7 in/a text",
		"5 755 9:8 7 in/d/",
		"0 755 9:8 7 in/d/run #!",
		"2 777 9:8 7 in/z d/run",
		"5 755 9:8 7 mem/",
		"5 755 9:8 7 mem/a/",
		"0 644 9:8 7 mem/a/c C",
		"0 755 9:8 7 mem/b B",
	}
	if diff := cmp.Diff(want, list(t, buf.Bytes())); diff != "" {
		t.Error(diff)
	}

	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "bad")); err != nil {
		t.Fatal(err)
	}
	err := Pack(tar.NewWriter(io.Discard), os.DirFS(dir), rules)
	if err == nil || !strings.Contains(err.Error(), `"bad": symbolic link to "/etc/passwd": absolute`) {
		t.Errorf("absolute link: %v", err)
	}
	if err := PackFiles(tar.NewWriter(io.Discard), []MemFile{{Name: "../x"}}, rules); err == nil {
		t.Error("a name that leaves: no error")
	}
}

func TestTar(t *testing.T) {
	plain := build(t, m{tar.TypeReg, "a", "one", 0})
	compress := func(open func(io.Writer) (io.WriteCloser, error)) []byte {
		var buf bytes.Buffer
		w, err := open(&buf)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(plain)
		w.Close()
		return buf.Bytes()
	}
	for what, data := range map[string][]byte{
		"none": plain,
		"gzip": compress(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }),
		"zstd": compress(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }),
		"xz":   compress(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }),
	} {
		path := filepath.Join(t.TempDir(), "93e5")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Tar(path)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v; want %d", what, len(got), err, len(plain))
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Tar(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no file: no error")
	}
}
