package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tree is a tar of 2000 files of words, 40 MB.
func tree(b *testing.B, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	words := make([][]byte, 4000)
	for i := range words {
		words[i] = fmt.Appendf(nil, "%x ", rng.Uint64N(1<<(8+4*rng.UintN(12))))
	}
	var ms []m
	for i := range 2000 {
		var data bytes.Buffer
		for data.Len() < 20_000 {
			data.Write(words[min(rng.IntN(len(words)), rng.IntN(len(words)))])
		}
		ms = append(ms, m{tar.TypeReg, fmt.Sprintf("t%d/%d/%d", seed, i%50, i), data.String(), nil})
	}
	return archive(b, ms...)
}

func BenchmarkFragment(b *testing.B) {
	data := tree(b, 1)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := Fragment(io.Discard, bytes.NewReader(data), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// The peer sorts what lies on a disk.
func BenchmarkTarGzip(b *testing.B) {
	data, dir := tree(b, 1), b.TempDir()
	unpack := exec.Command("tar", "-xC", dir)
	unpack.Stdin = bytes.NewReader(data)
	if out, err := unpack.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if out, err := exec.Command("sh", "-c", `tar --sort=name -cC "$0" . | gzip -6n >/dev/null`, dir).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

func fragments(b *testing.B, n int) (paths []string, size int64) {
	for i := range n {
		data := tree(b, uint64(i))
		size += int64(len(data))
		var f bytes.Buffer
		if err := Fragment(&f, bytes.NewReader(data), Options{}); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, write(b, "f.gz", f.Bytes()))
	}
	return paths, size
}

func BenchmarkJoin(b *testing.B) {
	for _, n := range []int{1, 5} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			paths, size := fragments(b, n)
			b.SetBytes(size)
			for b.Loop() {
				if _, err := Join(io.Discard, paths...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The peer only tells the two hashes of what is one file already.
func BenchmarkGzipSha256sum(b *testing.B) {
	paths, size := fragments(b, 5)
	all := filepath.Join(b.TempDir(), "all.tar.gz")
	var data []byte
	for _, p := range paths {
		f, err := os.ReadFile(p)
		if err != nil {
			b.Fatal(err)
		}
		data = append(data, f...)
	}
	if err := os.WriteFile(all, data, 0o644); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		if out, err := exec.Command("sh", "-c", `gzip -dc "$0" | sha256sum && sha256sum "$0"`, all).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}
