package sdist

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// zipped is a zip file of members of a tar.
func zipped(t testing.TB, members ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		hdr := &zip.FileHeader{Name: m.Name, Method: zip.Deflate, Modified: m.ModTime}
		hdr.SetMode(m.FileInfo().Mode())
		f, err := w.CreateHeader(hdr)
		if err != nil {
			t.Fatal(err)
		}
		body := m.Uname
		if m.Typeflag == tar.TypeSymlink {
			body = m.Linkname
		}
		if _, err := io.WriteString(f, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// raw is a member of a zip file, as its bytes are. The local header says the same as
// the central directory where local does not change it.
type raw struct {
	name, body   string
	flags        uint16
	method       uint16
	size         uint32 // unpacked; 0: that of the body
	mode         fs.FileMode
	extra        string
	local        func(*raw)
	before       string // bytes before the local header
	after        string // bytes after the body
	crc          uint32 // 0: that of the body
	streamed     bool   // sizes are not in the local header
	sameAsBefore bool   // refers to the local header of the member before
}

func le16(v int) string { return string(binary.LittleEndian.AppendUint16(nil, uint16(v))) }
func le32(v uint32) string {
	return string(binary.LittleEndian.AppendUint32(nil, v))
}

func (m raw) fields() string {
	crc, size := m.crc, m.size
	if crc == 0 {
		crc = crc32.ChecksumIEEE([]byte(m.body))
	}
	if size == 0 {
		size = uint32(len(m.body))
	}
	packed := uint32(len(m.body))
	if m.streamed {
		crc, size, packed = 0, 0, 0
	}
	return le16(int(m.flags)) + le16(int(m.method)) + le32(0) + le32(crc) + le32(packed) + le32(size) + le16(len(m.name)) + le16(len(m.extra))
}

// rawZip puts a zip file together.
func rawZip(end func(string) string, members ...raw) []byte {
	var data, central string
	at := 0
	for _, m := range members {
		l := m
		l.local = nil
		if m.local != nil {
			m.local(&l)
		}
		m.streamed = false
		if !m.sameAsBefore {
			data += m.before
			at = len(data)
			data += "PK\x03\x04" + le16(20) + l.fields() + l.name + l.extra + m.body + m.after
		}
		mode := uint32(m.mode.Perm()) | 0o100000
		switch m.mode.Type() {
		case fs.ModeSymlink:
			mode = 0o120777
		case fs.ModeDir:
			mode = 0o040755
		case fs.ModeDevice:
			mode = 0o060644
		case fs.ModeNamedPipe:
			mode = 0o010644
		}
		central += "PK\x01\x02" + le16(3<<8|20) + le16(20) + m.fields() + le16(0) + le16(0) + le16(0) + le32(mode<<16) + le32(uint32(at)) + m.name + m.extra
	}
	tail := "PK\x05\x06" + le32(0) + le16(len(members)) + le16(len(members)) + le32(uint32(len(central))) + le32(uint32(len(data))) + le16(0)
	if end != nil {
		tail = end(tail)
	}
	return []byte(data + central + tail)
}

var setupPy = raw{name: "foo-1.0/setup.py", body: "setup()"}

func TestRawZip(t *testing.T) {
	// What the tests change is right before they change it; a comment, a data
	// descriptor of either form and a link within are no harm.
	sum := le32(crc32.ChecksumIEEE([]byte("abc"))) + le32(3) + le32(3)
	data := rawZip(func(end string) string { return end[:20] + le16(7) + "comment" },
		setupPy, raw{name: "foo-1.0/d/", mode: fs.ModeDir}, raw{name: "foo-1.0/d/link", body: "../setup.py", mode: fs.ModeSymlink},
		raw{name: "foo-1.0/a", body: "abc", flags: 8, streamed: true, after: "PK\x07\x08" + sum, mode: 0o755},
		raw{name: "foo-1.0/ü", body: "abc", flags: 8 | 1<<11, streamed: true, after: sum})
	s, err := Open(cached(t, data), "foo-1.0.zip")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5 755 build/ ", "5 755 build/src/ ", "0 644 build/src/setup.py setup()", "5 755 build/src/d/ ",
		"2 777 build/src/d/link ../setup.py", "0 755 build/src/a abc", "0 644 build/src/ü abc",
	}
	if diff := cmp.Diff(want, listing(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestZipRefused(t *testing.T) {
	a := raw{name: "foo-1.0/a", body: "abc"}
	with := func(change func(*raw)) []byte {
		m := a
		change(&m)
		return rawZip(nil, setupPy, m)
	}
	local := func(change func(*raw)) []byte { return with(func(m *raw) { m.local = change }) }
	end := func(change func(string) string) []byte { return rawZip(change, setupPy, a) }
	tests := []struct {
		data []byte
		want string
	}{
		// names
		{rawZip(nil, setupPy, a, a), `"foo-1.0/a": occurs twice`},
		{rawZip(nil, setupPy, a, raw{name: "foo-1.0/./a"}), `"foo-1.0/./a": occurs twice`},
		{rawZip(nil, setupPy, a, raw{name: "./foo-1.0/a"}), `"./foo-1.0/a": occurs twice`},
		{with(func(m *raw) { m.name = "foo-1.0/../x" }), `"foo-1.0/../x": name contains ".."`},
		{with(func(m *raw) { m.name = "/x" }), `"/x": name is absolute`},
		{with(func(m *raw) { m.name = "x" }), `"x": is beside the archive's one directory "foo-1.0"`},
		{with(func(m *raw) { m.name = `foo-1.0\a` }), `"foo-1.0\\a": name contains a backslash`},
		{with(func(m *raw) { m.name = "foo-1.0/a\x00.py" }), `"foo-1.0/a\x00.py": name contains NUL`},
		{with(func(m *raw) { m.name = "foo-1.0/\x81" }), `"foo-1.0/\x81": name is not UTF-8`},
		{with(func(m *raw) { m.name, m.flags = "foo-1.0/a", 1<<13 }), `"foo-1.0/a": has flags 0x2000 that are not understood`},
		{with(func(m *raw) { m.extra = "\x75\x70\x05\x00\x01abcd" }), `"foo-1.0/a": a second name in an extra field`},
		{local(func(m *raw) { m.extra = "\x75\x70\x05\x00\x01abcd" }), `"foo-1.0/a": a second name in an extra field`},
		{with(func(m *raw) { m.extra = "\x55\x54\x05\x00\x01" }), `"foo-1.0/a": an extra field is cut off`},
		// kinds
		{with(func(m *raw) { m.body, m.mode = "../x", fs.ModeSymlink }), `"foo-1.0/a": symbolic link to "../x": leaves the archive`},
		{with(func(m *raw) { m.body, m.mode = "/etc", fs.ModeSymlink }), `"foo-1.0/a": symbolic link to "/etc": absolute`},
		{with(func(m *raw) { m.body, m.mode = strings.Repeat("x", 4097), fs.ModeSymlink }), `"foo-1.0/a": symbolic link longer than 4096 bytes`},
		{with(func(m *raw) { m.mode = fs.ModeDevice }), `"foo-1.0/a": is a device`},
		{with(func(m *raw) { m.mode = fs.ModeNamedPipe }), `"foo-1.0/a": is a fifo`},
		{with(func(m *raw) { m.mode = fs.ModeDir }), `"foo-1.0/a": is a directory by its name or by its mode, not by both`},
		{with(func(m *raw) { m.name = "foo-1.0/a/"; m.mode = fs.ModeSymlink }), `"foo-1.0/a/": is a directory by its name or by its mode, not by both`},
		{with(func(m *raw) { m.name = "foo-1.0/a/"; m.mode = fs.ModeDir }), `"foo-1.0/a/": is a directory with contents`},
		// contents
		{with(func(m *raw) { m.flags = 1 }), `"foo-1.0/a": is encrypted`},
		{with(func(m *raw) { m.method = 12 }), `"foo-1.0/a": is compressed by method 12: neither stored nor deflated`},
		{with(func(m *raw) { m.size = 4 }), `"foo-1.0/a": is stored with two sizes`},
		{with(func(m *raw) { m.size = 1<<32 - 1 }), `"foo-1.0/a": is stored with two sizes`},
		{with(func(m *raw) { m.size, m.method = 1<<32-1, 8 }), `"foo-1.0/a": has sizes of ZIP64, which no source needs`},
		{with(func(m *raw) { m.extra = "\x01\x00\x00\x00" }), `"foo-1.0/a": has sizes of ZIP64, which no source needs`},
		{with(func(m *raw) { m.crc = 1 }), `"foo-1.0/a": zip: checksum error`},
		{with(func(m *raw) { m.method, m.body, m.size = 8, "\xff\xff\xff", 1000 }), `"foo-1.0/a": flate: corrupt input before offset 1`},
		{with(func(m *raw) { m.method, m.body, m.size = 8, "\x4b\x04\x00", 2; m.crc = crc32.ChecksumIEEE([]byte("a")) }), `"foo-1.0/a": unexpected EOF`},
		{with(func(m *raw) { m.method, m.size = 8, 900<<20 }), `"foo-1.0/a": archive is larger than the limit of 268435456 bytes`},
		// local headers
		{local(func(m *raw) { m.name = "foo-1.0/b" }), `"foo-1.0/a": its local header has another name than the central directory`},
		{local(func(m *raw) { m.flags = 1 << 11 }), `"foo-1.0/a": its local header has another set of flags than the central directory`},
		{local(func(m *raw) { m.method = 8 }), `"foo-1.0/a": its local header has another method than the central directory`},
		{local(func(m *raw) { m.crc = 1 }), `"foo-1.0/a": its local header has another checksum than the central directory`},
		{local(func(m *raw) { m.size = 5 }), `"foo-1.0/a": its local header has another size than the central directory`},
		{local(func(m *raw) { m.streamed = true }), `"foo-1.0/a": its local header has another checksum than the central directory`},
		{with(func(m *raw) { m.flags, m.after = 8, "not a data descriptor" }), `"foo-1.0/a": its data descriptor is not what the central directory says`},
		{with(func(m *raw) { m.flags = 8 }), `"foo-1.0/a": its data descriptor is not what the central directory says`},
		{with(func(m *raw) { m.sameAsBefore, m.name = true, "foo-1.0/setup.py" }), `"foo-1.0/setup.py": overlaps another member`},
		// between
		{with(func(m *raw) { m.before = "x" }), `"foo-1.0/a": bytes before the member that belong to none`},
		{with(func(m *raw) { m.before = strings.Repeat("x", 200_000) }), `"foo-1.0/a": bytes before the member that belong to none`},
		{with(func(m *raw) { m.before = "PK\x03\x04" + strings.Repeat("x", 100) }), `"foo-1.0/a": bytes before the member that belong to none`},
		{with(func(m *raw) { m.after = "x" }), `bytes between the members and the central directory`},
		{append([]byte("PK\x03\x04"), end(nil)...), `the central directory is not where its end record says`},
		{append(end(nil), "x"...), `bytes after the end of the archive`},
		{append(end(nil), end(nil)...), `the central directory is not where its end record says`},
		{end(nil)[:60], `not a zip archive: no end record`},
		{end(func(e string) string { return e[:21] }), `not a zip archive: no end record`},
		{end(func(e string) string { return e[:8] + le16(3) + le16(3) + e[12:] }), `central directory: unexpected EOF`},
		{end(func(e string) string { return e[:8] + le16(1) + le16(2) + e[12:] }), `the archive has several parts`},
		{end(func(e string) string { return e[:4] + le16(1) + e[6:] }), `the archive has several parts`},
		{end(func(e string) string { return e[:16] + le32(1) + e[20:] }), `the central directory is not where its end record says`},
		{end(func(e string) string {
			return "junk" + e[:12] + le32(binary.LittleEndian.Uint32([]byte(e[12:]))+4) + e[16:]
		}), `the central directory is not what its end record says`},
		{end(func(e string) string { return "PK\x06\x07" + strings.Repeat("\x00", 16) + e }), `ZIP64, which no source needs`},
		{rawZip(nil), `archive is empty`},
	}
	for _, test := range tests {
		_, err := Open(cached(t, test.data), "foo-1.0.zip")
		var bad *BadError
		if !errors.As(err, &bad) {
			t.Errorf("%s: got %v", test.want, err)
			continue
		}
		if diff := cmp.Diff("foo-1.0.zip: "+test.want, err.Error()); diff != "" {
			t.Error(diff)
		}
	}
}
