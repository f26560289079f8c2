package wheels

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func zipFile(t *testing.T, at time.Time, files ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.whl")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for i := 0; i < len(files); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: files[i], Modified: at})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSameWheel(t *testing.T) {
	day := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	one := zipFile(t, day, "a.py", "x = 1", "a-1.dist-info/RECORD", "r1")
	for _, c := range []struct {
		name, other, want string
	}{
		{"the same", zipFile(t, day, "a.py", "x = 1", "a-1.dist-info/RECORD", "r1"), ""},
		{"a byte", zipFile(t, day, "a.py", "x = 2", "a-1.dist-info/RECORD", "r2"), "not reproducible: built twice, a.py differs from byte 4 on (and 1 more files)"},
		{"a file more", zipFile(t, day, "a.py", "x = 1", "a-1.dist-info/RECORD", "r1", "b.py", ""), "not reproducible: built twice, b.py differs from byte 0 on"},
		{"a file less", zipFile(t, day, "a-1.dist-info/RECORD", "r1"), "not reproducible: built twice, a.py differs from byte 0 on"},
	} {
		err := sameWheel(one, c.other)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if !errors.As(err, new(*DifferError)) || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if err := sameWheel(one, zipFile(t, day.Add(time.Hour), "a.py", "x = 1", "a-1.dist-info/RECORD", "r1")); !errors.As(err, new(*DifferError)) {
		t.Errorf("other times: %v", err)
	}
}

func TestSameSymbols(t *testing.T) {
	const name = "debug/.build-id/ab/cd.debug"
	dir := func(files map[string]string) string {
		out := t.TempDir()
		write(t, out, files)
		return out
	}
	one := dir(map[string]string{name: "text", "a.whl": "one"})
	if err := sameSymbols(one, dir(map[string]string{name: "text", "a.whl": "other"})); err != nil {
		t.Error(err)
	}
	if err := sameSymbols(dir(nil), dir(nil)); err != nil {
		t.Error(err)
	}
	for _, other := range []map[string]string{nil, {name: "tent"}, {name: "text", name + "2": ""}} {
		if err := sameSymbols(one, dir(other)); !errors.As(err, new(*DifferError)) {
			t.Errorf("%v: %v", other, err)
		}
	}
}
