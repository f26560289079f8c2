package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

var day = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// m is a member of an archive.
type m struct {
	typ  byte
	name string
	data string // content, or target of a link
	more func(*tar.Header)
}

func (m m) header() *tar.Header {
	h := &tar.Header{Typeflag: m.typ, Name: m.name, Mode: 0o644, ModTime: day}
	switch m.typ {
	case tar.TypeReg:
		h.Size = int64(len(m.data))
	case tar.TypeLink, tar.TypeSymlink:
		h.Linkname = m.data
	case tar.TypeDir:
		h.Mode = 0o755
	}
	if m.more != nil {
		m.more(h)
	}
	return h
}

func file(name, data string) m     { return m{tar.TypeReg, name, data, nil} }
func dir(name string) m            { return m{tar.TypeDir, name, "", nil} }
func symlink(name, to string) m    { return m{tar.TypeSymlink, name, to, nil} }
func hardlink(name, to string) m   { return m{tar.TypeLink, name, to, nil} }
func device(typ byte, at string) m { return m{typ, at, "", nil} }

// members is a tar without its end.
func members(t testing.TB, ms ...m) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range ms {
		h := m.header()
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if m.typ == tar.TypeReg {
			if _, err := io.WriteString(w, m.data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var ending = make([]byte, 1024)

func archive(t testing.TB, ms ...m) []byte { return append(members(t, ms...), ending...) }

func fragmentOf(t testing.TB, o Options, ms ...m) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Fragment(&b, bytes.NewReader(archive(t, ms...)), o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gunzip(t testing.TB, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// listing is a line for each entry of a gzip'd tar, read without this package.
func listing(t testing.TB, data []byte) []string {
	t.Helper()
	var lines []string
	r := tar.NewReader(bytes.NewReader(gunzip(t, data)))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%c %04o %d:%d%s%s %d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime.Unix(), h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		if len(content) > 0 {
			line += fmt.Sprintf(" = %.20q", content)
		}
		for k, v := range h.PAXRecords {
			if strings.HasPrefix(k, "SCHILY") {
				line += fmt.Sprintf(" %s=%q", k, v)
			}
		}
		lines = append(lines, line)
	}
}

func TestFragment(t *testing.T) {
	owner := 7
	at := func(s int64) func(*tar.Header) { return func(h *tar.Header) { h.ModTime = time.Unix(s, 0) } }
	long := strings.Repeat("d/", 120) + "file"
	for _, c := range []struct {
		name string
		o    Options
		in   []m
		want []string
	}{
		{"nothing", Options{}, nil, nil},
		{"the root alone", Options{}, []m{dir("./")}, nil},
		{"order is that of bytes, directories before what is in them", Options{},
			[]m{file("a/b", "1"), file("a-b", "2"), dir("./a/"), file("é", ""), file("Z", "")},
			[]string{"0 0644 0:0 1714979289 Z", "5 0755 0:0 1714979289 a/", `0 0644 0:0 1714979289 a-b = "2"`, `0 0644 0:0 1714979289 a/b = "1"`, "0 0644 0:0 1714979289 é"}},
		{"times", Options{Latest: time.Unix(1000, 999)},
			[]m{{tar.TypeReg, "early", "", at(10)}, {tar.TypeReg, "late", "", at(1001)}, {tar.TypeReg, "before", "", at(-5)},
				{tar.TypeReg, "fraction", "", func(h *tar.Header) {
					h.ModTime, h.AccessTime, h.Format = time.Unix(12, 900_000_000), day, tar.FormatPAX
				}}},
			[]string{"0 0644 0:0 0 before", "0 0644 0:0 10 early", "0 0644 0:0 12 fraction", "0 0644 0:0 1000 late"}},
		{"a time that ustar cannot say", Options{}, []m{{tar.TypeReg, "f", "", at(1 << 40)}}, []string{"0 0644 0:0 8589934591 f"}},
		{"owners are numbers", Options{},
			[]m{{tar.TypeReg, "f", "", func(h *tar.Header) { h.Uid, h.Gid, h.Uname, h.Gname = 1000, 3_000_000, "app", "staff" }}},
			[]string{"0 0644 1000:3000000 1714979289 f"}},
		{"one owner", Options{Owner: &owner}, []m{{tar.TypeDir, "d", "", func(h *tar.Header) { h.Uid = 5 }}, file("d/.wh.x", "")},
			[]string{"5 0755 7:7 1714979289 d/", "0 0000 0:0 0 d/.wh.x"}},
		{"modes", Options{}, []m{{tar.TypeReg, "su", "", func(h *tar.Header) { h.Mode = 0o104755 }}, {tar.TypeDir, "tmp", "", func(h *tar.Header) { h.Mode = 0o41777 }}, {tar.TypeSymlink, "s", "../x", func(h *tar.Header) { h.Mode = 0o600 }}},
			[]string{"2 0777 0:0 1714979289 s -> ../x", "0 4755 0:0 1714979289 su", "5 1777 0:0 1714979289 tmp/"}},
		{"of extended attributes the capability", Options{}, []m{{tar.TypeReg, "ping", "", func(h *tar.Header) {
			h.PAXRecords = map[string]string{capability: "\x01\x00\x00\x02", "SCHILY.xattr.user.x": "y", "comment": "z"}
		}}}, []string{`0 0644 0:0 1714979289 ping SCHILY.xattr.security.capability="\x01\x00\x00\x02"`}},
		{"hard links", Options{}, []m{file("z", "content"), hardlink("b", "./z"), hardlink("c", "b"), symlink("s", "t"), hardlink("l", "s")},
			[]string{`0 0644 0:0 1714979289 b = "content"`, "1 0644 0:0 1714979289 c -> b", "2 0777 0:0 1714979289 l -> t", "2 0777 0:0 1714979289 s -> t", "1 0644 0:0 1714979289 z -> b"}},
		{"a hard link before the file", Options{}, []m{hardlink("a", "z"), {tar.TypeReg, "z", "x", func(h *tar.Header) { h.Uid = 4 }}},
			[]string{`0 0644 4:0 1714979289 a = "x"`, "1 0644 4:0 1714979289 z -> a"}},
		{"hard links of a dropped file", Options{Drop: func(name string, _ *tar.Header) bool { return name == "a" }},
			[]m{dir("a"), file("a/x", "content"), hardlink("b", "a/x"), hardlink("c", "a/x")},
			[]string{`0 0644 0:0 1714979289 b = "content"`, "1 0644 0:0 1714979289 c -> b"}},
		{"dropped", Options{Drop: func(name string, h *tar.Header) bool { return name == "d" || h.Typeflag == tar.TypeFifo }},
			[]m{file("d/e/f", "1"), dir("d"), file("d-e", "2"), device(tar.TypeFifo, "p"), symlink("d/s", "/")},
			[]string{`0 0644 0:0 1714979289 d-e = "2"`}},
		{"prefix", Options{Prefix: "venv/x", Drop: func(name string, _ *tar.Header) bool { return name == "venv/x/gone" }},
			[]m{dir("."), file("f", "1"), hardlink("l", "f"), symlink("s", "f"), file(".wh.o", ""), file(opaque, ""), file("gone", "")},
			[]string{"5 0755 0:0 1714979289 venv/x/", "0 0000 0:0 0 venv/x/.wh..wh..opq", "0 0000 0:0 0 venv/x/.wh.o", `0 0644 0:0 1714979289 venv/x/f = "1"`, "1 0644 0:0 1714979289 venv/x/l -> venv/x/f", "2 0777 0:0 1714979289 venv/x/s -> f"}},
		{"equal directories", Options{}, []m{dir("d"), file("d/f", ""), dir("./d/")}, []string{"5 0755 0:0 1714979289 d/", "0 0644 0:0 1714979289 d/f"}},
		{"long names", Options{}, []m{file(long, "x"), hardlink("l", long)}, []string{`0 0644 0:0 1714979289 ` + long + ` = "x"`, "1 0644 0:0 1714979289 l -> " + long}},
		{"names that are no text", Options{}, []m{file("a\xffb", "")}, []string{"0 0644 0:0 1714979289 a\xffb"}},
		{"dots in names", Options{}, []m{file("a..b", ""), file("...", ""), file("whx", ""), file("a.wh.b", "")},
			[]string{"0 0644 0:0 1714979289 ...", "0 0644 0:0 1714979289 a..b", "0 0644 0:0 1714979289 a.wh.b", "0 0644 0:0 1714979289 whx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := fragmentOf(t, c.o, c.in...)
			if diff := cmp.Diff(c.want, listing(t, got)); diff != "" {
				t.Error(diff)
			}
			if plain := gunzip(t, got); len(plain)%block != 0 || len(c.want) > 0 && bytes.HasSuffix(plain, ending) {
				t.Errorf("%d bytes, no blocks or with an end", len(plain))
			}
			// A fragment is its own normal form.
			var again bytes.Buffer
			if err := Fragment(&again, bytes.NewReader(append(gunzip(t, got), ending...)), Options{}); err != nil || !bytes.Equal(again.Bytes(), got) {
				t.Errorf("the fragment of a fragment is another, or %v", err)
			}
		})
	}
}

func TestFragmentRefuses(t *testing.T) {
	for _, c := range []struct {
		want string
		o    Options
		in   []m
	}{
		{`entry "../a": name contains ".."`, Options{}, []m{file("../a", "")}},
		{`entry "a/../b": name contains ".."`, Options{}, []m{file("a/../b", "")}},
		{`entry "/etc/passwd": name is absolute`, Options{}, []m{file("/etc/passwd", "")}},
		{`name is longer than 4096 bytes`, Options{}, []m{file(strings.Repeat("x", 4097), "")}},
		{`name is longer than 4096 bytes`, Options{Prefix: "v"}, []m{file(strings.Repeat("x", 4096), "")}},
		{`entry ".": the root is not a directory`, Options{}, []m{symlink(".", "x")}},
		{`entry "a": occurs twice`, Options{}, []m{file("a", "1"), file("./a", "1")}},
		{`entry "a": occurs twice`, Options{}, []m{file("a", "1"), dir("a")}},
		{`entry "a": occurs twice`, Options{}, []m{dir("a"), {tar.TypeDir, "a", "", func(h *tar.Header) { h.Mode = 0o700 }}}},
		{`entry "a": occurs twice`, Options{}, []m{dir("a"), {tar.TypeDir, "a", "", func(h *tar.Header) { h.ModTime = day.Add(time.Hour) }}}},
		{`entry "a/b": is below "a", which is no directory`, Options{}, []m{file("a/b", ""), symlink("a", "/etc")}},
		{`entry "a/b/c": is below "a", which is no directory`, Options{}, []m{file("a", ""), file("a/b/c", "")}},
		{`symbolic link to nowhere`, Options{}, []m{symlink("s", "")}},
		{`symbolic link longer than`, Options{}, []m{symlink("s", strings.Repeat("x", 5000))}},
		{`hard link to "gone", which the tar does not hold`, Options{}, []m{hardlink("l", "gone")}},
		{`hard link to "../x": name contains ".."`, Options{}, []m{hardlink("l", "../x")}},
		{`hard link to "d", which is no file`, Options{}, []m{dir("d"), hardlink("l", "d")}},
		{`entry "l": hard link to a hard link, too often`, Options{}, []m{hardlink("l", "m"), hardlink("m", "l")}},
		{`hard link to ".wh.x", a whiteout`, Options{}, []m{file(".wh.x", ""), hardlink("l", ".wh.x")}},
		{`entry "dev/null": is a device`, Options{}, []m{device(tar.TypeChar, "dev/null")}},
		{`entry "dev/sda": is a device`, Options{}, []m{device(tar.TypeBlock, "dev/sda")}},
		{`entry "p": is a fifo`, Options{}, []m{device(tar.TypeFifo, "p")}},
		{`entry "x": is of unknown type '7'`, Options{}, []m{device(tar.TypeCont, "x")}},
		{`entry "f": owner -1:0: out of range`, Options{}, []m{{tar.TypeReg, "f", "", func(h *tar.Header) { h.Uid, h.Format = -1, tar.FormatGNU }}}},
		{`security.capability of 100 bytes`, Options{}, []m{{tar.TypeReg, "f", "", func(h *tar.Header) { h.PAXRecords = map[string]string{capability: strings.Repeat("x", 100)} }}}},
		{`entry ".wh.a": whiteout is not an empty file`, Options{}, []m{file(".wh.a", "x")}},
		{`entry ".wh.a/": whiteout is not an empty file`, Options{}, []m{dir(".wh.a/")}},
		{`entry ".wh.a/b": is below a whiteout`, Options{}, []m{file(".wh.a/b", "")}},
		{`entry "d/.wh.a/b/c": is below a whiteout`, Options{}, []m{file("d/.wh.a/b/c", "")}},
		{`entry ".wh.": is a whiteout of nothing`, Options{}, []m{file(".wh.", "")}},
		{`entry "d/.wh...": is a whiteout of nothing`, Options{}, []m{file("d/.wh...", "")}},
		{`is a whiteout of nothing`, Options{}, []m{file(".wh..wh.plnk", "")}},
		{`entry "d/a": is beside a whiteout of "d/a"`, Options{}, []m{file("d/.wh.a", ""), file("d/a", "")}},
		{`entry "d/a/b/c": is beside a whiteout of "d/a"`, Options{}, []m{file("d/.wh.a", ""), file("d/a/b/c", "")}},
		{`entry "b": files are larger than the limit of 4096 bytes`, Options{MaxSize: 4096}, []m{file("a", "x"), file("b", strings.Repeat("x", 4096))}},
		{`larger than the limit of 1024 bytes`, Options{MaxSize: 1024}, []m{dir("a"), dir("b"), dir("c")}},
		{`prefix "../x"`, Options{Prefix: "../x"}, nil},
		{`prefix "/x"`, Options{Prefix: "/x"}, nil},
		{`prefix "x/"`, Options{Prefix: "x/"}, nil},
	} {
		err := Fragment(io.Discard, bytes.NewReader(archive(t, c.in...)), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "write layer: ") {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// A sparse file of many bytes takes few in the tar.
func TestFragmentSparseBomb(t *testing.T) {
	// Format 1.0 of GNU tar: the map is in front of the data.
	h := &tar.Header{Typeflag: tar.TypeReg, Name: "GNUSparseFile.0/f", Size: 512, Format: tar.FormatPAX}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// The writer refuses records of this name, so those of the same length are replaced.
	h.PAXRecords = map[string]string{"XNU.sparse.major": "1", "XNU.sparse.minor": "0", "XNU.sparse.realsize": "4611686018427387904", "XNU.sparse.name": "f"}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 512)
	copy(content, "1\n4611686018427387904\n0\n")
	w.Write(content)
	w.Close()
	data := bytes.ReplaceAll(b.Bytes(), []byte("XNU.sparse"), []byte("GNU.sparse"))
	err := Fragment(io.Discard, bytes.NewReader(data), Options{})
	if err == nil || !strings.Contains(err.Error(), `entry "f": files are larger than the limit`) {
		t.Error(err)
	}
}

// A source that ends too early is never a layer.
func TestFragmentCut(t *testing.T) {
	whole := archive(t, dir("d"), file("d/f", strings.Repeat("content", 200)), symlink("s", strings.Repeat("long", 50)))
	for n := 0; n < len(whole)-512; n += 11 {
		err := Fragment(io.Discard, bytes.NewReader(whole[:n]), Options{})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d bytes of %d: %v", n, len(whole), err)
		}
	}
	trouble := errors.New("trouble")
	err := Fragment(io.Discard, io.MultiReader(bytes.NewReader(whole[:700]), errReader{trouble}), Options{})
	if !errors.Is(err, trouble) {
		t.Error(err)
	}
	for _, after := range []string{"x", strings.Repeat("\x00", 10_000) + "x", string(members(t, file("hidden", "")))} {
		err := Fragment(io.Discard, strings.NewReader(string(whole)+after), Options{})
		if err == nil || !strings.Contains(err.Error(), "something follows the end") {
			t.Errorf("%.10q after the end: %v", after, err)
		}
	}
	if err := Fragment(io.Discard, strings.NewReader(string(whole)+strings.Repeat("\x00", 9000)), Options{}); err != nil {
		t.Errorf("padded: %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// errWriter fails after n bytes.
type errWriter struct{ n int }

func (w *errWriter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

func TestFragmentFullDisk(t *testing.T) {
	data := archive(t, dir("d"), file("d/f", string(noise(5000))))
	for n := 0; n < 5000; n += 37 {
		if err := Fragment(&errWriter{n}, bytes.NewReader(data), Options{}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("full after %d bytes: %v", n, err)
		}
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
