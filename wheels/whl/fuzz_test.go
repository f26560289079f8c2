package whl

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// FuzzRead reads anything. What it takes can be rewritten, and then it takes that
// too and finds the same in it.
func FuzzRead(f *testing.F) {
	f.Add(archiveSpec{entries: base().entries()}.bytes())
	f.Add(archiveSpec{entries: base().entries(), zip64: true}.bytes())
	entries := base().with(files{info + "entry_points.txt": "[console_scripts]\nfoo = foo:main\n", "foo-1.0.data/scripts/a": ""}).entries()
	for i := range entries {
		entries[i].stored = i%2 == 0
		entries[i].descriptor = []int{0, 12, 16, 20, 24}[i%5]
	}
	f.Add(archiveSpec{entries: entries}.bytes())
	small := limits{members: 1000, total: 1 << 22, free: 1 << 20, ratio: 100, file: 1 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, a, err := read(bytes.NewReader(data), int64(len(data)), wheelName, small)
		if err != nil {
			var bad *BadError
			if !errors.As(err, &bad) || bad.File != wheelName || len(bad.Problems) == 0 {
				t.Fatalf("error %#v", err)
			}
			return
		}
		var out bytes.Buffer
		if err := rewrite(&out, w, a, time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		again, _, err := read(bytes.NewReader(out.Bytes()), int64(out.Len()), wheelName, small)
		if err != nil {
			t.Fatalf("rewritten: %v", err)
		}
		for _, f := range again.Files {
			for _, g := range w.Files {
				if f.Path == g.Path && f.SHA256 != g.SHA256 && f.Path != info+"RECORD" && f.Path != infoDir(w)+"/RECORD" {
					t.Errorf("%s has other bytes", f.Path)
				}
			}
		}
	})
}

// FuzzParts puts anything into the files that describe a wheel, and into names
// and headers, of an archive that is whole.
func FuzzParts(f *testing.F) {
	f.Add(wheelText, "Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n", "", "[console_scripts]\na = b:c\n", "foo/a.py", "x", []byte(nil), uint16(0), uint16(8), uint32(0))
	f.Add(wheelText, "", base().record(info), "[x]", "foo-1.0.data/scripts/a", "\x7fELF", extra64(1), uint16(8), uint16(0), uint32(typeLink))
	f.Fuzz(func(t *testing.T, wheel, metadata, record, points, name, data string, extra []byte, flags, method uint16, mode uint32) {
		if len(name) > 1000 || len(extra) > 1000 {
			return
		}
		parts := base().with(files{info + "WHEEL": wheel, info + "METADATA": metadata, info + "entry_points.txt": points, name: data})
		if record != "" {
			parts[info+"RECORD"] = record
		}
		spec := archiveSpec{entries: parts.entries()}
		for i := range spec.entries {
			if e := &spec.entries[i]; e.name == name {
				e.stored = method == 0
				e.mangle = func(l, c *header) {
					l.extra, c.extra, l.flags, c.flags, c.attrs = extra, extra, flags, flags, mode<<16
				}
			}
		}
		archive := spec.bytes()
		w, _, err := read(bytes.NewReader(archive), int64(len(archive)), wheelName, defaults())
		var bad *BadError
		if err != nil && (!errors.As(err, &bad) || len(bad.Problems) == 0) {
			t.Fatalf("error %#v", err)
		}
		if err != nil {
			return
		}
		if checkName(name, true) != nil && name != "" {
			t.Errorf("the name %q was taken", name)
		}
		if mode&typeMask == typeLink || flags&flagEncrypted != 0 {
			t.Errorf("mode %o, flags %#x were taken", mode, flags)
		}
		var out bytes.Buffer
		path := put(t, archive)
		if err := Rewrite(&out, path, wheelName, time.Time{}); err != nil {
			t.Fatal(err)
		}
		w.Path = path
		if _, err := w.Check(Want{Built: true, BuilderPaths: []string{"/build/"}}); err != nil {
			t.Fatal(err)
		}
	})
}
