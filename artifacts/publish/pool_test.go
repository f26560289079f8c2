package publish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPut(t *testing.T) {
	dir := t.TempDir()
	d := open(t, filepath.Join(dir, "published"))
	good := blobOf("a b+c_1~2.deb", "good")
	write := func(name, text string, mode fs.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	symlink := filepath.Join(dir, "symlink")
	fifo := filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink("plain", symlink), syscall.Mkfifo(fifo, 0o644)); err != nil {
		t.Fatal(err)
	}
	away, err := os.MkdirTemp("/dev/shm", "publish-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(away) })
	far := filepath.Join(away, "far")
	if err := os.WriteFile(far, []byte("good"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		blob       Blob
		linked     bool
		want       string // in the error
	}{
		{"link", write("plain", "good", 0o644), good, true, ""},
		{"readable only by the owner", write("private", "good", 0o600), good, false, ""},
		{"changeable by others", write("shared", "good", 0o666), good, false, ""},
		{"symbolic link", symlink, good, false, ""},
		{"another file system", far, good, false, ""},
		{"other bytes", write("other", "evil", 0o644), good, false, "sha256 is b5c1fb"},
		{"shorter", write("short", "goo", 0o644), good, false, "3 bytes, want 4"},
		{"longer", write("long", "good!", 0o644), good, false, "5 bytes, want 4"},
		{"other bytes, copied", write("other600", "evil", 0o600), good, false, "sha256 is b5c1fb"},
		{"missing", filepath.Join(dir, "none"), good, false, "no such file"},
		{"fifo", fifo, good, false, "not a regular file"},
		{"directory", dir, good, false, "not a regular file"},
		{"a name with a slash", "", blobOf("../x", "good"), false, "cannot be the name"},
		{"a name with a newline", "", blobOf("x\ny", "good"), false, "cannot be the name"},
		{"a hidden name", "", blobOf(".x", "good"), false, "cannot be the name"},
		{"no name", "", blobOf("", "good"), false, "cannot be the name"},
		{"no hash", "", Blob{Name: "x", SHA256: "../../5f", Size: 4}, false, "is not a SHA-256"},
		{"no size", "", Blob{Name: "x", SHA256: good.SHA256, Size: -1}, false, "a size of -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want != "" {
				refusesPut(t, d, c.blob, c.path, c.want)
			} else {
				takesPut(t, d, c.blob, c.path, c.linked)
			}
			isSwept(t, d)
		})
	}
	if err := d.PutBytes(t.Context(), good, []byte("evil")); !errors.As(err, new(*MismatchError)) {
		t.Errorf("PutBytes of other bytes: %v", err)
	}
}

func refusesPut(t *testing.T, d *Directory, b Blob, path, want string) {
	err := d.Put(t.Context(), b, path)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %q in it", err, want)
	}
	isMismatch := strings.Contains(want, "bytes, want") || strings.Contains(want, "sha256 is")
	if mismatch := new(*MismatchError); isMismatch && (!errors.As(err, mismatch) || (*mismatch).Path != path) {
		t.Errorf("%#v is no MismatchError with the path", err)
	}
	if d.Has(b) {
		t.Error("the pool has it")
	}
}

func takesPut(t *testing.T, d *Directory, b Blob, path string, linked bool) {
	if err := d.Put(t.Context(), b, path); err != nil {
		t.Fatal(err)
	}
	if !d.Has(b) || read(t, d, b.Path()) != "good" {
		t.Error("the pool has it not")
	}
	given, errA := os.Stat(path)
	there, errB := os.Stat(d.path(b.Path()))
	if errA != nil || errB != nil || os.SameFile(given, there) != linked || there.Mode() != 0o644 {
		t.Errorf("linked: %v, mode %v, want %v (%v, %v)", os.SameFile(given, there), there.Mode(), linked, errA, errB)
	}
	if err := d.Put(t.Context(), b, path+"-none"); err != nil {
		t.Errorf("what is there is asked for again: %v", err)
	}
	if err := os.Remove(d.path(b.Path())); err != nil {
		t.Fatal(err)
	}
}

// The pool keeps its bytes when the store's file is damaged, if it has its own; else
// Mend brings them back.
func TestDamagedStore(t *testing.T) {
	for _, copied := range []bool{false, true} {
		dir := t.TempDir()
		d := open(t, filepath.Join(dir, "published"))
		d.Copy = copied
		b := blobOf("x.deb", "good")
		file := filepath.Join(dir, "x.deb")
		if err := os.WriteFile(file, []byte("good"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := d.Put(t.Context(), b, file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("evil"), 0o644); err != nil { // in place
			t.Fatal(err)
		}
		if intact := read(t, d, b.Path()) == "good"; intact != copied {
			t.Errorf("copied: %v, intact: %v", copied, intact)
		}
		d.Mend = true
		if err := d.Put(t.Context(), b, file); (err == nil) != copied {
			t.Errorf("mended from a damaged file: %v", err)
		}
		if err := errors.Join(os.Remove(file), os.WriteFile(file, []byte("good"), 0o644)); err != nil {
			t.Fatal(err)
		}
		if err := d.Put(t.Context(), b, file); err != nil {
			t.Fatal(err)
		}
		if read(t, d, b.Path()) != "good" {
			t.Error("not mended")
		}
	}
}

// A file of the pool that was cut short is replaced without Mend.
func TestShortPool(t *testing.T) {
	d := open(t, t.TempDir())
	b := &builder{d: d}
	w := b.wheel("alpha", "1.0", "alpha")
	metadata := d.path(poolPath(w.SHA256, metadataName(w.Name)))
	if err := errors.Join(b.err, os.Truncate(d.path(w.Path()), 2), os.Truncate(metadata, 0)); err != nil {
		t.Fatal(err)
	}
	b.wheel("alpha", "1.0", "alpha")
	if b.err != nil || read(t, d, w.Path()) != "alpha" {
		t.Error("not replaced: ", b.err)
	}
	err := d.PutMetadata(t.Context(), w.Blob, []byte("other"))
	if !errors.As(err, new(*MismatchError)) {
		t.Errorf("other metadata of a wheel: %v", err)
	}
	d.Mend = true
	if err := d.PutMetadata(t.Context(), w.Blob, []byte("other")); err != nil {
		t.Error(err)
	}
}

// What is about to be published is made young.
func TestTouch(t *testing.T) {
	d := open(t, t.TempDir())
	b := &builder{d: d}
	w := b.wheel("alpha", "1.0", "alpha")
	age(t, d.path(poolDir), 3*time.Hour)
	b.wheel("alpha", "1.0", "alpha")
	if removed, err := d.Prune(t.Context(), 1, time.Now(), false); len(removed) > 0 || err != nil || !d.Has(w.Blob) {
		t.Errorf("removed %v, %v", removed, err)
	}
	age(t, d.path(poolDir), 3*time.Hour)
	if removed, err := d.Prune(t.Context(), 1, time.Now(), false); len(removed) != 1 || err != nil || d.Has(w.Blob) {
		t.Errorf("removed %v, %v", removed, err)
	}
}

func TestOpen(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"newer", formatFile, `{"format": 2}`, "format 2 is not known"},
		{"broken", formatFile, `{"format`, "unexpected end"},
		{"none", formatFile, `{}`, "format 0 is not known"},
		{"foreign", "index.html", "", "holds index.html and is no published directory"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := Open(dir)
		if err == nil {
			err = d.PutBytes(t.Context(), blobOf("x", "x"), []byte("x"))
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%s: it was written into", c.name)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}
