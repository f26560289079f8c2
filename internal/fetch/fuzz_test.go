package fetch

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// Go minimises every archive that reaches new code for up to a minute; to
// fuzz for a short time add -fuzzminimizetime 10x.
func seeds(f *testing.F) {
	f.Add(build(f, friendly...), "src", true)
	f.Add(build(f, m{tar.TypeReg, "../a", "x", 0}), "", false)
	f.Add(build(f, m{tar.TypeSymlink, "a/b/s", "../..", 0}, m{tar.TypeSymlink, "t", "a/b/s/../secret", 0}), "", false)
	f.Add(build(f, m{tar.TypeSymlink, "a", ".", 0}, m{tar.TypeReg, "a/secret", "x", 0}), "x/y", false)
	f.Add(build(f, m{tar.TypeReg, "P/a", "1", 0}, m{tar.TypeLink, "P/b", "P/a", 0}), ".", true)
	f.Add([]byte("\x1f\x8b"), "/", false)
}

// FuzzCopy: what Copy writes has clean, relative, single names below Top,
// each in a directory before it, and is its own copy.
func FuzzCopy(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, archive []byte, top string, strip bool) {
		once, err := repack(archive, Rules{StripTop: strip, Top: top, MaxBytes: 1 << 20, MaxFiles: 1000})
		if err != nil {
			return
		}
		types := map[string]byte{".": tar.TypeDir}
		for r := tar.NewReader(bytes.NewReader(once)); ; {
			hdr, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(hdr.Name, "/")
			if !filepath.IsLocal(name) || path.Clean(name) != name || types[name] != 0 || types[path.Dir(name)] != tar.TypeDir {
				t.Errorf("member %q", hdr.Name)
			}
			if clean := path.Clean(top); clean != "." && name != clean && !strings.HasPrefix(name, clean+"/") && !strings.HasPrefix(clean, name+"/") {
				t.Errorf("member %q is not below %q", hdr.Name, top)
			}
			if hdr.Typeflag == tar.TypeSymlink && !filepath.IsLocal(path.Join(path.Dir(name), hdr.Linkname)) {
				t.Errorf("member %q points to %q", hdr.Name, hdr.Linkname)
			}
			if hdr.Typeflag == tar.TypeLink && types[hdr.Linkname] != tar.TypeReg {
				t.Errorf("member %q is a link to %q", hdr.Name, hdr.Linkname)
			}
			types[name] = hdr.Typeflag
			if hdr.Typeflag == tar.TypeLink {
				types[name] = tar.TypeReg
			}
		}
		twice, err := repack(once, Rules{MaxFiles: 2000})
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("a copy of the copy is another, or %v", err)
		}
	})
}

// FuzzUnpack: nothing outside the directory changes (unpack checks that),
// and no link inside it leads there.
func FuzzUnpack(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, archive []byte, top string, strip bool) {
		in, _ := unpack(t, archive, Rules{StripTop: strip, Top: top, MaxBytes: 1 << 20, MaxFiles: 1000})
		filepath.WalkDir(in, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				t.Error(err)
				return nil
			}
			if d.Type()&fs.ModeSymlink != 0 {
				if real, err := filepath.EvalSymlinks(p); err == nil && real != in && !strings.HasPrefix(real, in+"/") {
					link, _ := os.Readlink(p)
					t.Errorf("%s -> %s leads to %s", p, link, real)
				}
			}
			return nil
		})
	})
}
