package whl

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// odd is the member that the tests of archives make faults in, and its name in
// errors.
const odd = "foo/odd.py"

// TestArchive plants a fault in the headers or the bytes of one member of a
// wheel whose files are right otherwise.
func TestArchive(t *testing.T) {
	local := func(f func(*header)) func(l, c *header) { return func(l, _ *header) { f(l) } }
	both := func(f func(*header)) func(l, c *header) { return func(l, c *header) { f(l); f(c) } }
	text := strings.Repeat("x = 1\n", 100)
	tests := []struct {
		name string
		odd  entry
		want string // after the name of the member
	}{
		{"local name", entry{mangle: local(func(h *header) { h.name = "foo/evil.p" })}, `name "foo/odd.py" in the central directory, "foo/evil.p" in the local header`},
		{"local size", entry{mangle: local(func(h *header) { h.size++ })}, "size 600 in the central directory, 601 in the local header"},
		{"local packed size", entry{mangle: local(func(h *header) { h.packed++ })}, "packed size"},
		{"local method", entry{mangle: local(func(h *header) { h.method = 0 })}, "method 8 in the central directory, 0 in the local header"},
		{"local flags", entry{mangle: local(func(h *header) { h.flags = flagUTF8 })}, "flags 0 in the central directory, 2048 in the local header"},
		{"local CRC", entry{mangle: local(func(h *header) { h.crc++ })}, "CRC"},
		{"local zero", entry{zero: true}, "size 600 in the central directory, 0 in the local header"},
		{"local elsewhere", entry{mangle: func(_, c *header) { c.at++ }}, "no local header where the central directory says"},
		{"second name", entry{mangle: both(func(h *header) { h.extra = append(u16(0x7075, 8), "\x01....bad"...) })}, "a second name in an extra field"},
		{"cut extra", entry{mangle: both(func(h *header) { h.extra = u16(9, 9) })}, "an extra field is cut off"},
		{"short extra", entry{mangle: local(func(h *header) { h.extra = []byte{1} })}, "local header: an extra field is cut off"},
		{"ZIP64 without field", entry{mangle: func(_, c *header) { c.size = 0xffffffff }}, "sizes of ZIP64 without their field"},
		{"ZIP64 field too long", entry{mangle: func(_, c *header) { c.extra = extra64(1) }}, "a ZIP64 field of 8 bytes for 0 numbers"},
		{"ZIP64 twice", entry{mangle: func(_, c *header) { c.size, c.extra = 0xffffffff, append(extra64(600), extra64(600)...) }}, "two ZIP64 fields"},
		{"ZIP64 negative", entry{mangle: func(_, c *header) { c.size, c.extra = 0xffffffff, extra64(1<<63) }}, "a number of ZIP64 beyond all sizes"},
		{"ZIP64 lies", entry{mangle: func(_, c *header) { c.size, c.extra = 0xffffffff, extra64(601) }}, "size 601 in the central directory, 600 in the local header"},
		{"disk", entry{mangle: func(_, c *header) { c.disk = 1 }}, "is in another part of the archive"},
		{"encrypted", entry{mangle: both(func(h *header) { h.flags |= 1 })}, "is encrypted"},
		{"flags", entry{mangle: both(func(h *header) { h.flags |= 1 << 13 })}, "unknown flags 0x2000"},
		{"method", entry{mangle: both(func(h *header) { h.method = 12 })}, "compression method 12, neither stored nor deflated"},
		{"stored size", entry{stored: true, mangle: both(func(h *header) { h.size++ })}, "stored, but 600 bytes for 601"},
		{"descriptor missing", entry{mangle: both(func(h *header) { h.flags |= flagDescriptor })}, "a data descriptor of 0 bytes"},
		{"descriptor lies", entry{descriptor: 16, zero: true, after: "", mangle: func(l, c *header) { c.crc++ }}, "its data descriptor disagrees with the central directory"},
		{"descriptor without signature", entry{mangle: both(func(h *header) { h.flags |= flagDescriptor }), after: strings.Repeat("x", 16)}, "a data descriptor without its signature"},
		{"gap", entry{after: "hidden"}, "6 bytes after it belong to no member"},
		{"overlap", entry{mangle: both(func(h *header) { h.packed += 100; h.method = 8 })}, "overlaps with what follows it"},
		{"larger", entry{mangle: both(func(h *header) { h.size-- })}, "is larger than the 599 bytes that its header says"},
		{"smaller", entry{mangle: both(func(h *header) { h.size++ })}, "has 600 bytes, 601 by its header"},
		{"CRC", entry{mangle: both(func(h *header) { h.crc++ })}, "its CRC is wrong"},
		{"trailing", entry{packed: append(deflate(text), "tail"...)}, "has bytes after the end of its packed content"},
		{"garbage", entry{packed: []byte("\xff\xff\xff\xff")}, "cannot be unpacked: "},
		{"cut", entry{packed: deflate(text)[:4]}, "cannot be unpacked: "},
		{"symlink", entry{mode: typeLink | 0o777}, "is a symbolic link"},
		{"device", entry{mode: 0o020666}, "is a device or another special file"},
		{"fifo", entry{mode: 0o010666}, "is a device or another special file"},
		{"directory by mode", entry{mode: typeDir | 0o755}, "is a directory by its name or its attributes, not by both"},
		{"directory by attribute", entry{mangle: func(_, c *header) { c.attrs |= 0x10 }}, "is a directory by its name or its attributes, not by both"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.odd.name, tt.odd.data = odd, text
			err := readOdd(t, base().with(files{odd: text}), tt.odd)
			var bad *BadError
			if !errors.As(err, &bad) {
				t.Fatalf("%v, want %s", err, tt.want)
			}
			for _, p := range bad.Problems {
				if tt.name != "local elsewhere" && !strings.HasPrefix(p, `"`+odd+`": `) {
					t.Errorf("another member: %s", p)
				}
			}
			if !strings.Contains(err.Error(), `"`+odd+`": `+tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// readOdd reads a wheel of which one member is replaced.
func readOdd(t *testing.T, f files, odd entry) error {
	t.Helper()
	spec := archiveSpec{entries: f.entries()}
	for i := range spec.entries {
		if spec.entries[i].name == odd.name {
			spec.entries[i] = odd
		}
	}
	_, err := Read(put(t, spec.bytes()), wheelName)
	return err
}

// TestArchiveTaken are archives as tools write them.
func TestArchiveTaken(t *testing.T) {
	wide := func(l, c *header) {
		l.extra = extra64(uint64(l.size), uint64(l.packed))
		l.size, l.packed = 0xffffffff, 0xffffffff
		c.extra = extra64(uint64(c.size), uint64(c.packed), uint64(c.at))
		c.size, c.packed, c.at = 0xffffffff, 0xffffffff, 0xffffffff
	}
	for name, e := range map[string]entry{
		"stored":             {stored: true},
		"descriptor":         {descriptor: 12, zero: true},
		"signed descriptor":  {descriptor: 16, zero: true},
		"wide descriptor":    {descriptor: 20, zero: true},
		"signed and wide":    {descriptor: 24, zero: true},
		"descriptor, filled": {descriptor: 16},
		"ZIP64":              {mangle: wide},
		"ZIP64 in vain":      {mangle: func(l, _ *header) { l.extra = extra64(0, 0) }},
		"no mode":            {mangle: func(_, c *header) { c.attrs = 0 }},
		"time stamps":        {mangle: func(l, _ *header) { l.extra = append(u16(0x5455, 5), "\x01abcd"...) }},
		"same second name":   {mangle: func(l, _ *header) { l.extra = append(u16(0x7075, 15), "\x01...."+odd...) }},
	} {
		t.Run(name, func(t *testing.T) {
			e.name, e.data = odd, "x = 1\n"
			if err := readOdd(t, base().with(files{odd: e.data}), e); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("ZIP64 end", func(t *testing.T) {
		if _, err := Read(put(t, archiveSpec{entries: base().entries(), zip64: true}.bytes()), wheelName); err != nil {
			t.Error(err)
		}
	})
	t.Run("directories", func(t *testing.T) {
		entries := append([]entry{{name: "foo/", mode: typeDir | 0o755}, {name: info, stored: true, mode: typeDir | 0o755}}, base().entries()...)
		w, err := Read(put(t, archiveSpec{entries: entries}.bytes()), wheelName)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.Files) != 4 {
			t.Errorf("files %v", w.Files)
		}
	})
}

// TestEnds plants faults outside of all members.
func TestEnds(t *testing.T) {
	tests := []struct {
		name string
		spec archiveSpec
		want []string
	}{
		{"before", archiveSpec{first: "#!/bin/sh\n"}, []string{`"foo-1.0.dist-info/METADATA": 10 bytes before the first member`}},
		{"before the directory", archiveSpec{last: "hidden"}, []string{`"foo-1.0.dist-info/RECORD": 6 bytes after it belong to no member`}},
		{"in the directory", archiveSpec{inner: "hidden"}, []string{"the central directory has 6 bytes after its 4 members"}},
		{"after", archiveSpec{end: "hidden"}, []string{"bytes after the end of the archive"}},
		{"comment", archiveSpec{comment: "hello"}, []string{"the archive has a comment"}},
		{"more", archiveSpec{count: 1}, []string{"the central directory ends after 4 of 5 members"}},
		{"fewer", archiveSpec{count: -1}, []string{"the central directory has 70 bytes after its 3 members"}},
		{"ZIP64 lies", archiveSpec{zip64: true, zip64Wrong: true}, []string{"the two end records of the archive disagree"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.entries = base().entries()
			_, err := Read(put(t, tt.spec.bytes()), wheelName)
			wantBad(t, err, wheelName, tt.want...)
		})
	}
	for name, data := range map[string]string{
		"not a zip archive: too short":            "PK",
		"not a zip archive: no end record":        strings.Repeat("<html>not found</html>", 10),
		"bytes before an empty central directory": "hidden" + "PK\x05\x06" + string(u16(0, 0, 0, 0)) + string(u32(0, 6)) + string(u16(0)),
	} {
		_, err := Read(put(t, []byte(data)), wheelName)
		wantBad(t, err, wheelName, name)
	}
}

// TestCut reads every beginning of a wheel.
func TestCut(t *testing.T) {
	data := archiveSpec{entries: base().entries(), zip64: true}.bytes()
	for n := range data {
		if _, _, err := read(bytes.NewReader(data[:n]), int64(n), wheelName, defaults()); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(data))
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"/etc/passwd":                      "name is absolute",
		"../evil.py":                       `name contains ".."`,
		"foo/../../evil.py":                `name contains ".."`,
		"foo/..":                           `name contains ".."`,
		"./foo.py":                         "name is not in its plain form",
		"foo//a.py":                        "name is not in its plain form",
		"foo/./a.py":                       "name is not in its plain form",
		"foo\\a.py":                        "name contains a backslash",
		"foo/a\x00.py":                     "name contains NUL",
		"foo/a\n.py":                       "name contains a control character",
		"foo/\xff.py":                      "name is not UTF-8",
		"foo/ä.py":                         "name is neither ASCII nor marked as UTF-8",
		"":                                 "name is empty",
		strings.Repeat("a", 256):           "name has a part longer than 255 bytes",
		strings.Repeat("a/", 2049):         "name is longer than 4096 bytes",
		strings.Repeat("a/", 101) + "a.py": "name has more than 100 directories",
	} {
		entries := append(base().entries(), entry{name: name})
		_, err := Read(put(t, archiveSpec{entries: entries}.bytes()), wheelName)
		shown := quote(name)
		if err == nil || !strings.Contains(err.Error(), shown+": "+want) {
			t.Errorf("%s: %v, want %s", shown, err, want)
		}
	}
	// Marked as what it is.
	f := base().with(files{"foo/ä.py": "a = 1\n"})
	e := entry{name: "foo/ä.py", data: "a = 1\n", mangle: func(l, c *header) { l.flags |= flagUTF8; c.flags |= flagUTF8 }}
	if err := readOdd(t, f, e); err != nil {
		t.Error(err)
	}
}

func TestTwice(t *testing.T) {
	tests := []struct {
		more []entry
		want []string
	}{
		{[]entry{{name: "foo/__init__.py", data: "import os\n"}}, []string{`"foo/__init__.py": occurs twice`}},
		{[]entry{{name: "foo/", mode: typeDir | 0o755}, {name: "foo/", mode: typeDir | 0o755}}, []string{`"foo": occurs twice`}},
		{[]entry{{name: "foo/__init__.py/a"}}, []string{`"foo/__init__.py/a": is below "foo/__init__.py", a file`, `"foo/__init__.py/a": not in RECORD`}},
		{[]entry{{name: "foo/b/", data: "x", mode: typeDir | 0o755}}, []string{`"foo/b": is a directory with 1 bytes`}},
		{[]entry{{name: "foo/b/"}}, []string{`"foo/b": is a directory by its name or its attributes, not by both`}},
	}
	for _, tt := range tests {
		_, err := Read(put(t, archiveSpec{entries: append(base().entries(), tt.more...)}.bytes()), wheelName)
		wantBad(t, err, wheelName, tt.want...)
	}
}

func TestLimits(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	tests := []struct {
		name   string
		limits func(*limits)
		files  files
		mangle func(l, c *header)
		want   string
	}{
		{"members", func(l *limits) { l.members = 3 }, nil, nil, "4 members, more than 3"},
		{"total", func(l *limits) { l.total = 1 << 20 }, files{odd: zeros}, nil, `"foo/odd.py": with it the archive has more than 1048576 bytes`},
		{"ratio", func(l *limits) { l.free = 1 << 10 }, files{odd: zeros}, nil, " bytes are packed into "},
		{"whole", func(l *limits) { l.file = 40 }, nil, nil, "METADATA\": has 61 bytes, more than 40"},
		{"declared", func(*limits) {}, files{odd: zeros}, func(l, c *header) {
			l.extra, c.extra = extra64(9<<30, uint64(l.packed)), extra64(9<<30)
			l.size, l.packed, c.size = 0xffffffff, 0xffffffff, 0xffffffff
		}, `"foo/odd.py": with it the archive has more than 8589934592 bytes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := archiveSpec{entries: base().with(tt.files).entries()}
			for i := range spec.entries {
				if spec.entries[i].name == odd {
					spec.entries[i].mangle = tt.mangle
				}
			}
			data, l := spec.bytes(), defaults()
			tt.limits(&l)
			_, _, err := read(bytes.NewReader(data), int64(len(data)), wheelName, l)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestManyProblems(t *testing.T) {
	entries := base().entries()
	for range 150 {
		entries = append(entries, entry{name: "../evil"})
	}
	_, err := Read(put(t, archiveSpec{entries: entries}.bytes()), wheelName)
	var bad *BadError
	if !errors.As(err, &bad) || len(bad.Problems) != maxProblems || bad.More < 50 || !strings.Contains(err.Error(), " more") {
		t.Errorf("%v", err)
	}
}
