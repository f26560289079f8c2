package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// small makes spools use files.
func small(t testing.TB, limit int64) {
	old := maxMemory
	maxMemory = limit
	t.Cleanup(func() { maxMemory = old })
}

// The same tree, in any order, with any names of owners, times after the
// latest and attributes, in memory or in a file, is the same layer.
func TestFragmentIsOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		tree := randomTree(rng)
		o := Options{Latest: day, Dir: t.TempDir()}
		want := fragmentOf(t, o, tree...)
		for _, memory := range []int64{1 << 20, 0, 1000} {
			small(t, memory)
			rng.Shuffle(len(tree), func(i, j int) { tree[i], tree[j] = tree[j], tree[i] })
			for i := range tree {
				disguise(rng, &tree[i])
			}
			if got := fragmentOf(t, o, tree...); !bytes.Equal(got, want) {
				t.Fatalf("differs:\n%s", cmp.Diff(listing(t, want), listing(t, got)))
			}
			if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
				t.Fatalf("left in %s: %v, %v", o.Dir, left, err)
			}
		}
	}
}

func randomTree(rng *rand.Rand) []m {
	tree := []m{dir("d0")}
	dirs, files := []string{"d0"}, []string{}
	for i := range 5 + rng.IntN(60) {
		name := fmt.Sprintf("%s/%c%d", dirs[rng.IntN(len(dirs))], "-.a~"[rng.IntN(4)], i)
		switch rng.IntN(5) {
		case 0:
			tree = append(tree, dir(name))
			dirs = append(dirs, name)
		case 1:
			tree = append(tree, symlink(name, "../x"))
		case 2:
			if len(files) > 0 {
				tree = append(tree, hardlink(name, files[rng.IntN(len(files))]))
				continue
			}
			fallthrough
		default:
			tree = append(tree, file(name, string(noise(rng.IntN(3000)))))
			files = append(files, name)
		}
	}
	return tree
}

func disguise(rng *rand.Rand, m *m) {
	later, nobody, dotted := rng.IntN(1e6), rng.IntN(2) == 0, rng.IntN(2) == 0
	m.more = func(h *tar.Header) {
		h.ModTime = day.Add(time.Duration(later) * time.Millisecond)
		h.Format = tar.FormatPAX
		h.AccessTime = time.Unix(int64(later), 0)
		h.PAXRecords = map[string]string{"SCHILY.xattr.user.note": "x"}
		if nobody {
			h.Uname, h.Gname = "nobody", "nogroup"
		}
		if dotted {
			h.Name = "./" + h.Name
		}
	}
}

// Stored layers and keys rely on these bytes. What changes them, a new version
// of the compressor too, makes every layer another one.
func TestFragmentIsPinned(t *testing.T) {
	var text bytes.Buffer
	for i := range 20_000 {
		fmt.Fprintf(&text, "line %d of %x\n", i, i*i)
	}
	got := sum(fragmentOf(t, Options{}, dir("d"), file("d/f", text.String()), hardlink("d/l", "d/f"), symlink("s", "d"), file(".wh.x", "")))
	if want := "sha256:70abdefc2d6bd1196a01182ca4ca4d4e11eff92b8147adec912280abe08b5888"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSpoolHasADirectory(t *testing.T) {
	small(t, 10)
	err := Fragment(io.Discard, bytes.NewReader(archive(t, file("f", strings.Repeat("x", 100)))), Options{Dir: "/proc/none"})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), `entry "f"`) {
		t.Error(err)
	}
}

// Another reader of tars agrees on names and contents.
func FuzzFragment(f *testing.F) {
	f.Add(archive(f, dir("d"), file("d/f", "x"), hardlink("l", "d/f"), symlink("s", "/")), "")
	f.Add(archive(f, file("../a", "x")), "p")
	f.Add(archive(f, file(".wh.a", ""), file("d/"+opaque, "")), "p/q")
	f.Add(archive(f, file(strings.Repeat("n", 200), strings.Repeat("x", 1000))), "")
	f.Add([]byte("\x1f\x8b"), "/")
	f.Fuzz(func(t *testing.T, data []byte, prefix string) {
		o := Options{Prefix: prefix, MaxSize: 1 << 20, Latest: day}
		var once, twice bytes.Buffer
		if Fragment(&once, bytes.NewReader(data), o) != nil {
			return
		}
		o.Prefix, o.MaxSize = "", 1<<22
		plain := gunzip(t, once.Bytes())
		if err := Fragment(&twice, bytes.NewReader(append(plain, ending...)), o); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("the fragment of a fragment is another, or %v", err)
		}
		var names []string
		r := tar.NewReader(bytes.NewReader(plain))
		for {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(h.Name, "/")
			if clean, err := cleanName(name); err != nil || clean != name || h.Typeflag == tar.TypeLink && !slices.Contains(names, h.Linkname) {
				t.Errorf("entry %q -> %q: %v", h.Name, h.Linkname, err)
			}
			names = append(names, name)
		}
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("order of %q", names)
		}
		n := 0
		if err := Walk(bytes.NewReader(once.Bytes()), func(Entry, io.Reader) error { n++; return nil }); err != nil || n != len(names) {
			t.Errorf("walk sees %d entries of %d: %v", n, len(names), err)
		}
	})
}
