package whl

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// header is what both headers of a member say.
type header struct {
	name              string
	flags, method     uint16
	crc, packed, size uint32
	extra             []byte
	at, attrs         uint32 // of the central directory only
	disk              uint16
}

// entry is a member of an archive that a test makes, with what is wrong with it.
type entry struct {
	name       string
	data       string
	stored     bool
	mode       uint32 // with the type; 0: 0100644
	descriptor int    // bytes of a data descriptor: 0, 12, 16, 20 or 24
	zero       bool   // beside a descriptor: nothing in the local header
	packed     []byte // instead of data, deflated
	after      string // bytes behind it

	mangle func(local, central *header)
}

// archiveSpec is an archive that a test makes.
type archiveSpec struct {
	entries           []entry
	first, last       string // before the first member, before the central directory
	inner, comment    string // at the end of the central directory, of the archive
	end               string // behind all
	count             int    // added to the number of members
	zip64, zip64Wrong bool
}

func u16(v ...uint16) (b []byte) {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func u32(v ...uint32) (b []byte) {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func u64(v ...uint64) (b []byte) {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// extra64 is a field of ZIP64.
func extra64(v ...uint64) []byte {
	return slices.Concat(u16(1, uint16(8*len(v))), u64(v...))
}

func deflate(data string) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		panic(err)
	}
	w.Write([]byte(data))
	w.Close()
	return b.Bytes()
}

// bytes makes the archive.
func (s archiveSpec) bytes() []byte {
	var out, dir bytes.Buffer
	out.WriteString(s.first)
	for _, e := range s.entries {
		packed := e.packed
		h := header{
			name: e.name, method: 8, crc: crc32.ChecksumIEEE([]byte(e.data)), size: uint32(len(e.data)), at: uint32(out.Len()),
			attrs: (typeRegular | 0o644) << 16,
		}
		if e.mode != 0 {
			h.attrs = e.mode << 16
		}
		if e.stored {
			h.method, packed = 0, []byte(e.data)
		} else if packed == nil {
			packed = deflate(e.data)
		}
		h.packed = uint32(len(packed))
		if e.descriptor > 0 {
			h.flags |= flagDescriptor
		}
		local, central := h, h
		if e.zero {
			local.crc, local.packed, local.size = 0, 0, 0
		}
		if e.mangle != nil {
			e.mangle(&local, &central)
		}
		out.WriteString("PK\x03\x04")
		out.Write(u16(20, local.flags, local.method, 0, 0x21))
		out.Write(u32(local.crc, local.packed, local.size))
		out.Write(u16(uint16(len(local.name)), uint16(len(local.extra))))
		out.WriteString(local.name)
		out.Write(local.extra)
		out.Write(packed)
		out.Write(descriptor(e.descriptor, h))
		out.WriteString(e.after)

		dir.WriteString("PK\x01\x02")
		dir.Write(u16(3<<8|20, 20, central.flags, central.method, 0, 0x21))
		dir.Write(u32(central.crc, central.packed, central.size))
		dir.Write(u16(uint16(len(central.name)), uint16(len(central.extra)), 0, central.disk, 0))
		dir.Write(u32(central.attrs, central.at))
		dir.WriteString(central.name)
		dir.Write(central.extra)
	}
	out.WriteString(s.last)
	dir.WriteString(s.inner)
	s.writeEnd(&out, dir.Bytes())
	return out.Bytes()
}

func descriptor(n int, h header) []byte {
	var sign []byte
	if n == 16 || n == 24 {
		sign = []byte("PK\x07\x08")
	}
	switch n {
	case 12, 16:
		return slices.Concat(sign, u32(h.crc, h.packed, h.size))
	case 20, 24:
		return slices.Concat(sign, u32(h.crc), u64(uint64(h.packed), uint64(h.size)))
	}
	return make([]byte, n)
}

func (s archiveSpec) writeEnd(out *bytes.Buffer, dir []byte) {
	at, count := out.Len(), len(s.entries)+s.count
	out.Write(dir)
	if s.zip64 {
		wide := out.Len()
		wrong := uint64(0)
		if s.zip64Wrong {
			wrong = 1
		}
		out.WriteString("PK\x06\x06")
		out.Write(u64(44))
		out.Write(u16(45, 45))
		out.Write(u32(0, 0))
		out.Write(u64(uint64(count)+wrong, uint64(count)+wrong, uint64(len(dir)), uint64(at)))
		out.WriteString("PK\x06\x07")
		out.Write(u32(0))
		out.Write(u64(uint64(wide)))
		out.Write(u32(1))
	}
	out.WriteString("PK\x05\x06")
	out.Write(u16(0, 0, uint16(count), uint16(count)))
	out.Write(u32(uint32(len(dir)), uint32(at)))
	out.Write(u16(uint16(len(s.comment))))
	out.WriteString(s.comment + s.end)
}

// files are those of a wheel, by name.
type files map[string]string

const (
	wheelName = "foo-1.0-py3-none-any.whl"
	info      = "foo-1.0.dist-info/"
	wheelText = "Wheel-Version: 1.0\nGenerator: test 1\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)

// base is a wheel that is right.
func base() files {
	return files{
		"foo/__init__.py": "import os\n",
		info + "METADATA": "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n\nBody: no field\n",
		info + "WHEEL":    wheelText,
	}
}

// with is the files and others; those that are "-" are taken away.
func (f files) with(others files) files {
	out := maps.Clone(f)
	for name, data := range others {
		if out[name] = data; data == "-" {
			delete(out, name)
		}
	}
	return out
}

func recordLine(name, data string) string {
	sum := sha256.Sum256([]byte(data))
	return fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(data))
}

// record is the RECORD of the files, in the .dist-info of that name.
func (f files) record(info string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f)) {
		b.WriteString(recordLine(name, f[name]))
	}
	b.WriteString(info + "RECORD,,\n")
	return b.String()
}

// entries are the files as members, with RECORD unless there is one.
func (f files) entries() []entry {
	var out []entry
	for _, name := range slices.Sorted(maps.Keys(f)) {
		out = append(out, entry{name: name, data: f[name]})
	}
	if _, ok := f[info+"RECORD"]; !ok {
		out = append(out, entry{name: info + "RECORD", data: f.record(info)})
	}
	return out
}

// put writes an archive to a file that is named like in a cache.
func put(t testing.TB, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "0a1b2c")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func readFiles(t testing.TB, name string, f files) (*Wheel, error) {
	t.Helper()
	return Read(put(t, archiveSpec{entries: f.entries()}.bytes()), name)
}

// wantBad wants the problems of an error, all of them and in any order.
func wantBad(t testing.TB, err error, name string, want ...string) {
	t.Helper()
	var bad *BadError
	if !errors.As(err, &bad) {
		t.Fatalf("error %v, want %q", err, want)
	}
	if bad.File != name || !strings.HasPrefix(err.Error(), name+": ") {
		t.Errorf("the error is about %q: %v", bad.File, err)
	}
	got := slices.Sorted(slices.Values(bad.Problems))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("problems\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
