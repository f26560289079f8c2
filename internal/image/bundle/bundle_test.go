package bundle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, head Head, sources ...Source) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(t.Context(), &out, head, sources); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(t *testing.T, data []byte) (*Bundle, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "b.tar")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), name)
}

func sources(t *testing.T) []Source {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, bytes.Repeat([]byte("layer"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	return []Source{
		{Name: "manifest.json", Data: []byte("[]")},
		{Name: "blobs/sha256/one", Path: file},
		{Name: "store/layer.tar.gz", Path: file},
		{Name: "empty", Data: nil},
	}
}

func TestRoundTrip(t *testing.T) {
	head := Head{Arch: "amd64", Images: map[string]string{"web": "4f1c"}, Tags: map[string]string{"shop:1": "web"}}
	data := write(t, head, sources(t)...)
	if again := write(t, head, sources(t)...); !bytes.Equal(data, again) {
		t.Error("the same files give another bundle")
	}
	if n := bytes.Count(data, bytes.Repeat([]byte("layer"), 1000)); n != 1 {
		t.Errorf("the same bytes are in it %d times", n)
	}
	b, err := open(t, data)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Images["web"] != "4f1c" || b.Tags["shop:1"] != "web" || len(b.Files) != 4 {
		t.Errorf("head: %+v", b.Head)
	}
	for name, want := range map[string]string{
		"manifest.json": "[]", "empty": "", "store/layer.tar.gz": strings.Repeat("layer", 1000), "blobs/sha256/one": strings.Repeat("layer", 1000),
	} {
		r, err := b.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := b.Open("other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Every cut and every flipped bit is found.
func TestDamaged(t *testing.T) {
	data := write(t, Head{}, sources(t)...)
	for n := 0; n < len(data); n += 97 {
		b, err := open(t, data[:n])
		if b != nil || !errors.As(err, new(*DamagedError)) {
			t.Fatalf("cut off after %d of %d bytes: %v", n, len(data), err)
		}
	}
	flipped := 0
	for i := 512; i < len(data)-1024; i += 41 {
		bad := bytes.Clone(data)
		bad[i] ^= 4
		b, err := open(t, bad)
		if b == nil {
			if !errors.As(err, new(*DamagedError)) {
				t.Fatalf("bit of byte %d: %v", i, err)
			}
			flipped++
			continue
		}
		// Only padding and what a header says of owners and times may be different.
		for _, s := range b.at {
			if int64(i) >= s.offset && int64(i) < s.offset+s.size {
				t.Fatalf("byte %d of contents is flipped, and nobody minds", i)
			}
		}
	}
	if flipped == 0 {
		t.Error("no flipped bit was found")
	}
	more := write(t, Head{}, Source{Name: "a", Data: []byte("a")})
	if _, err := open(t, append(more[:len(more)-1024], write(t, Head{})...)); !errors.As(err, new(*DamagedError)) {
		t.Errorf("a file more: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, name := range []string{"", "/etc/passwd", "../x", "a//b", "."} {
		if err := Write(t.Context(), io.Discard, Head{}, []Source{{Name: name}}); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
	if err := Write(t.Context(), io.Discard, Head{}, []Source{{Name: "x", Path: "/nowhere"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if err := Write(ctx, io.Discard, Head{}, []Source{{Name: "x", Data: []byte("x")}}); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("cancelled: %v", err)
	}
}
