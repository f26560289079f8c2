package image

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/image/check"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/project"
)

// plant makes files below a directory: a name that ends in a slash is a directory,
// contents "-> x" are a link.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		target, isLink := strings.CutPrefix(text, "-> ")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(file, 0o755)
		case isLink:
			err = os.Symlink(target, file)
		default:
			err = os.WriteFile(file, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestHashFiles(t *testing.T) {
	files := map[string]string{"a": "1", "sub/b": "2", "sub/link": "-> b", "empty/": ""}
	same := func(string) error { return nil }
	of := func(files map[string]string, change func(root string) error) string {
		t.Helper()
		root := plant(t, files)
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		got, err := hashFiles(root, ".")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := of(files, same)
	for what, got := range map[string]string{
		"another place":                        of(files, same),
		"another time":                         of(files, func(root string) error { return os.Chtimes(root+"/a", time.Time{}, time.Unix(1, 0)) }),
		"another umask":                        of(files, func(root string) error { return os.Chmod(root+"/a", 0o600) }),
		"a directory that others may write to": of(files, func(root string) error { return os.Chmod(root+"/sub", 0o777) }),
	} {
		if got != want {
			t.Errorf("%s: another hash", what)
		}
	}
	for what, got := range map[string]string{
		"another content":   of(map[string]string{"a": "2", "sub/b": "2", "sub/link": "-> b", "empty/": ""}, same),
		"another name":      of(map[string]string{"A": "1", "sub/b": "2", "sub/link": "-> b", "empty/": ""}, same),
		"another target":    of(map[string]string{"a": "1", "sub/b": "2", "sub/link": "-> ../a", "empty/": ""}, same),
		"a directory less":  of(map[string]string{"a": "1", "sub/b": "2", "sub/link": "-> b"}, same),
		"it can be run now": of(files, func(root string) error { return os.Chmod(root+"/a", 0o755) }),
	} {
		if got == want {
			t.Errorf("%s: the same hash", what)
		}
	}
}

func TestHashFilesRefuses(t *testing.T) {
	root := plant(t, map[string]string{"a": ""})
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, link := range map[string]string{"out": "/etc/hostname", "far": "../..", "d/up": "../a", "d/abs": "/a"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pipe", "nowhere", "out", "far", "d"} {
		if got, err := hashFiles(root, name); err == nil || !strings.Contains(err.Error(), filepath.Join(root, name)) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if _, err := hashFiles(root, "d/up"); err != nil { // itself it is followed
		t.Error(err)
	}
}

// blobOf is a layer of some files.
func blobOf(t *testing.T, files map[string]string) layer.Blob {
	t.Helper()
	var plain bytes.Buffer
	tw := tar.NewWriter(&plain)
	for name, text := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(tw, text)
	}
	tw.Close()
	dir := t.TempDir()
	fragment := filepath.Join(dir, "fragment")
	if err := create(fragment, func(w io.Writer) error { return layer.Fragment(w, &plain, layer.Options{}) }); err != nil {
		t.Fatal(err)
	}
	blob, err := join(filepath.Join(dir, blobFile), []string{fragment})
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// blobWith is a layer of some entries without content.
func blobWith(t *testing.T, headers ...tar.Header) layer.Blob {
	t.Helper()
	var plain bytes.Buffer
	tw := tar.NewWriter(&plain)
	for _, h := range headers {
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	tw.Close()
	fragment := filepath.Join(t.TempDir(), "fragment")
	if err := create(fragment, func(w io.Writer) error { return layer.Fragment(w, &plain, layer.Options{}) }); err != nil {
		t.Fatal(err)
	}
	blob, err := join(filepath.Join(t.TempDir(), blobFile), []string{fragment})
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// filesOf writes the layer of files of a link and lists it.
func filesOf(t *testing.T, root string, one project.Image, below ...layer.Blob) (entries []string, err error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "files")
	err = create(name, func(w io.Writer) error {
		p := &Plan{req: Request{Root: root}, users: map[string]bool{}, top: one}
		if err := p.addFiles(&Link{Image: one}); err != nil {
			return err
		}
		var facts []*check.Facts
		for _, blob := range below {
			f, err := check.ReadFacts(t.Context(), blob)
			if err != nil {
				return err
			}
			facts = append(facts, f)
		}
		return (&Builder{}).filesLayer(w, p, p.Layers[0], check.Stack(facts), below)
	})
	if err != nil {
		return nil, err
	}
	blob, err := join(filepath.Join(t.TempDir(), blobFile), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(blob.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = layer.Walk(f, func(e layer.Entry, r io.Reader) error {
		text, err := io.ReadAll(r)
		entries = append(entries, strings.TrimSpace(strings.Join([]string{tarMode(e), e.Name, e.Link + string(text)}, " ")))
		return err
	})
	return entries, err
}

func tarMode(e layer.Entry) string {
	return string(e.Type) + " " + os.FileMode(e.Mode).String() + " " + user{uid: e.UID}.id()
}

func TestFilesLayer(t *testing.T) {
	root := plant(t, map[string]string{"conf/prod.toml": "x = 1\n", "conf/link": "-> prod.toml", "run": "#!"})
	if err := os.Chmod(filepath.Join(root, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	base := blobOf(t, map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/false\n", "etc/group": "root:x:0:\n"})
	got, err := filesOf(t, root, project.Image{User: "shop:2000", Files: map[string]string{"/etc/shop": "conf", "/srv/run": "run"}}, base)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5 -rwxr-xr-x 0:0 etc",
		"0 -rw-r--r-- 0:0 etc/group root:x:0:\nshop:x:2000:",
		"0 -rw-r--r-- 0:0 etc/passwd root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/false\nshop:x:2000:2000::/home/shop:/usr/sbin/nologin",
		"5 -rwxr-xr-x 0:0 etc/shop",
		"2 -rwxrwxrwx 0:0 etc/shop/link prod.toml",
		"0 -rw-r--r-- 0:0 etc/shop/prod.toml x = 1",
		"5 -rwxr-xr-x 0:0 home",
		"5 -rwx------ 2000:2000 home/shop",
		"5 -rwxr-xr-x 0:0 srv",
		"0 -rwxr-xr-x 0:0 srv/run #!",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Directories below keep mode and owner, and links among them are followed.
func TestFilesAbove(t *testing.T) {
	root := plant(t, map[string]string{"x": "1", "d/y": "2"})
	base := blobWith(t,
		tar.Header{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"}, tar.Header{Name: "usr/bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, tar.Header{Name: "home/app/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 1000, Gid: 1000},
		tar.Header{Name: "etc/file", Typeflag: tar.TypeReg})
	got, err := filesOf(t, root, project.Image{Workdir: "/home/app/work", Files: map[string]string{"/bin/x": "x", "/tmp": "d", "/home/app/x": "x", "/new/dir/x": "x"}}, base)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5 -rwxr-xr-x 0:0 home", "5 -rwx------ 1000:1000 home/app", "5 -rwxr-xr-x 1000:1000 home/app/work", "0 -rw-r--r-- 0:0 home/app/x 1",
		"5 -rwxr-xr-x 0:0 new", "5 -rwxr-xr-x 0:0 new/dir", "0 -rw-r--r-- 0:0 new/dir/x 1",
		"5 " + os.FileMode(0o1777).String() + " 0:0 tmp", "0 -rw-r--r-- 0:0 tmp/y 2",
		"5 -rwxr-xr-x 0:0 usr", "5 -rwxr-xr-x 0:0 usr/bin", "0 -rw-r--r-- 0:0 usr/bin/x 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, target := range []string{"/etc/file/x", "/tmp"} {
		if got, err := filesOf(t, root, project.Image{Files: map[string]string{target: "x"}}, base); err == nil || !strings.Contains(err.Error(), "below it is a") {
			t.Errorf("%s: %q, %v", target, got, err)
		}
	}
}

// What is read while the layer is written is what the key says.
func TestFilesChangeMeanwhile(t *testing.T) {
	root := plant(t, map[string]string{"x": "1"})
	one := project.Image{Files: map[string]string{"/x": "x"}}
	p := &Plan{req: Request{Root: root}, users: map[string]bool{}}
	if err := p.addFiles(&Link{Image: one}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "x"), []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (&Builder{}).filesLayer(io.Discard, p, p.Layers[0], layer.Stack(), nil); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Error(err)
	}
}

func TestUserClash(t *testing.T) {
	base := blobOf(t, map[string]string{"etc/passwd": "app:x:1000:1000::/home/app:/bin/false\n", "etc/group": "app:x:1000:\nstaff:x:2000:\n"})
	bare := blobOf(t, map[string]string{"etc/group": ""})
	for _, test := range []struct {
		user  string
		below layer.Blob
		says  string
	}{
		{"twin:1000", base, `user twin:1000: /etc/passwd of what the image stands on has "app:x:1000:1000::/home/app:/bin/false"`},
		{"shop:2000", base, `user shop:2000: /etc/group of what the image stands on has "staff:x:2000:"`},
		{"staff:3000", base, `has "staff:x:2000:"`},
		{"shop:2000", bare, "user shop"},
	} {
		got, err := filesOf(t, t.TempDir(), project.Image{User: test.user}, test.below)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q, %v, want %s", test.user, got, err, test.says)
		}
	}
}

func TestParseUser(t *testing.T) {
	for text, want := range map[string]user{
		"": {"app", 1000, "/home/app"}, "app": {"app", 1000, "/home/app"}, "root": {"root", 0, "/root"}, "shop:2000": {"shop", 2000, "/home/shop"},
	} {
		if got, err := parseUser(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"shop", "shop:", ":2000", "shop:0", "shop:60000", "shop:-1", "shop:x", "shop:1:2"} {
		if got, err := parseUser(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
