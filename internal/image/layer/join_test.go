package layer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// joined is a layer of fragments.
func joined(t testing.TB, fragments ...[]byte) Blob {
	t.Helper()
	var paths []string
	for _, f := range fragments {
		paths = append(paths, write(t, "fragment.gz", f))
	}
	var b bytes.Buffer
	blob, err := Join(&b, paths...)
	if err != nil {
		t.Fatal(err)
	}
	blob.Path = write(t, "layer.tar.gz", b.Bytes())
	return blob
}

func sum(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func TestJoin(t *testing.T) {
	a := fragmentOf(t, Options{}, dir("venv"), file("venv/a", "1"), hardlink("venv/b", "venv/a"))
	b := fragmentOf(t, Options{}, dir("venv"), file("venv/a", "1"), file("venv/c", strings.Repeat("x", 3_000_000)), file(".wh.gone", ""))
	for _, fragments := range [][][]byte{nil, {fragmentOf(t, Options{})}, {a}, {a, b}, {b, a}, {a, a, b}, {append(bytes.Clone(a), b...)}} {
		blob := joined(t, fragments...)
		data, err := os.ReadFile(blob.Path)
		if err != nil {
			t.Fatal(err)
		}
		plain := gunzip(t, data)
		want := Blob{Path: blob.Path, Digest: sum(data), DiffID: sum(plain), Size: int64(len(data)), Unpacked: int64(len(plain))}
		if diff := cmp.Diff(want, blob); diff != "" {
			t.Error(diff)
		}
		if !bytes.HasPrefix(data, bytes.Join(fragments, nil)) || !bytes.Equal(plain[len(plain)-1024:], ending) {
			t.Error("not the fragments and an end")
		}
	}
	want := []string{
		"5 0755 0:0 1714979289 venv/", `0 0644 0:0 1714979289 venv/a = "1"`, "1 0644 0:0 1714979289 venv/b -> venv/a",
		"0 0000 0:0 0 .wh.gone", "5 0755 0:0 1714979289 venv/", `0 0644 0:0 1714979289 venv/a = "1"`, `0 0644 0:0 1714979289 venv/c = "` + strings.Repeat("x", 19),
	}
	blob := joined(t, a, b)
	data, _ := os.ReadFile(blob.Path)
	got := listing(t, data)
	got[len(got)-1] = got[len(got)-1][:len(want[len(want)-1])]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if out, err := exec.Command("tar", "-tzf", blob.Path).CombinedOutput(); err != nil || strings.Count(string(out), "\n") != len(want) {
		t.Errorf("tar: %v\n%s", err, out)
	}
}

func gz(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

func TestJoinRefuses(t *testing.T) {
	a := fragmentOf(t, Options{}, dir("d"), file("d/f", "1"))
	plain := gunzip(t, a)
	flipped := bytes.Clone(a)
	flipped[len(flipped)-6] ^= 1 // of the checksum
	mode := func(h *tar.Header) { h.Mode = 0o700 }
	for _, c := range []struct {
		want  string
		other []byte
	}{
		{`entry "d/f": fragment 1 of the layer has another one of that name`, fragmentOf(t, Options{}, file("d/f", "2"))},
		{`entry "d/f": fragment 1 of`, fragmentOf(t, Options{}, symlink("d/f", "1"))},
		{`entry "d/f": fragment 1 of`, fragmentOf(t, Options{}, m{tar.TypeReg, "d/f", "1", mode})},
		{`entry "d/": fragment 1 of`, fragmentOf(t, Options{}, m{tar.TypeDir, "d", "", mode})},
		{`entry "d": fragment 1 of`, fragmentOf(t, Options{}, symlink("d", "/etc"))},
		{`entry "d/f/g": is below "d/f", which is no directory`, fragmentOf(t, Options{}, file("d/f/g", ""))},
		{`entry "d": is beside a whiteout of "d"`, fragmentOf(t, Options{}, file(".wh.d", ""))},
		{`hard link to "gone", which no file before it is called`, gz(members(t, hardlink("l", "gone")))},
		{`entry "../x": name contains ".."`, gz(members(t, file("../x", "")))},
		{"holds the end of an archive", gz(archive(t, file("x", "")))},
		{"unexpected EOF", a[:len(a)-1]},
		{"unexpected EOF", gz(plain[:len(plain)-1])},
		{"unexpected EOF", nil},
		{"invalid checksum", flipped},
		{"invalid header", append(bytes.Clone(a), "garbage, more than a header"...)},
		{"invalid header", archive(t, file("x", ""))},
		{"invalid tar header", gz([]byte(strings.Repeat("x", 512)))},
	} {
		other := write(t, "other.gz", c.other)
		_, err := Join(io.Discard, write(t, "a.gz", a), other)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "join layer: fragment ") {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, err := Join(io.Discard, "/proc/none.gz"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// After a full disk nothing is open and nothing runs.
func TestJoinEnds(t *testing.T) {
	before, opened := runtime.NumGoroutine(), len(files(t, "/proc/self/fd"))
	big := write(t, "big.gz", fragmentOf(t, Options{}, file("f", string(noise(20_000_000)))))
	end := write(t, "a.gz", fragmentOf(t, Options{}, file("a", "")))
	for _, n := range []int{0, 1_000_000} {
		if _, err := Join(&errWriter{n}, big, big, end, big, big); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("full after %d bytes: %v", n, err)
		}
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines, there were %d", now, before)
	}
	if now := len(files(t, "/proc/self/fd")); now > opened {
		t.Errorf("%d files are open, there were %d", now, opened)
	}
}
