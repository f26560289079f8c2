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
