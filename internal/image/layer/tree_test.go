package layer

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func entries(t *testing.T, ms ...m) []Entry {
	t.Helper()
	var all []Entry
	err := Walk(bytes.NewReader(archive(t, ms...)), func(e Entry, _ io.Reader) error {
		all = append(all, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStack(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers [][]m
		want   string // names, with the number of the layer
	}{
		{"nothing", nil, ""},
		{"sorted by bytes", [][]m{{dir("a"), file("a/b", ""), file("a-b", "")}}, "a 0, a-b 0, a/b 0"},
		{"implied directories", [][]m{{file("a/b/c", "")}, {file("a/d", "")}}, "a 0, a/b 0, a/b/c 0, a/d 1"},
		{"a listed directory is that of the layer", [][]m{{dir("a"), file("a/b", "")}, {dir("a")}}, "a 1, a/b 0"},
		{"a file hides a directory", [][]m{{dir("a"), file("a/b", "")}, {file("a", "")}}, "a 1"},
		{"a directory hides a file", [][]m{{file("a", "")}, {dir("a"), file("a/b", "")}}, "a 1, a/b 1"},
		{"an implied directory hides a link", [][]m{{symlink("lib", "usr/lib")}, {file("lib/x", "")}}, "lib 1, lib/x 1"},
		{"whiteout", [][]m{{dir("a"), file("a/b", ""), file("c", "")}, {file(".wh.a", ""), file(".wh.none", ""), file("x/.wh.y", "")}}, "c 0"},
		{"a whiteout is for lower layers", [][]m{{file("a/b", ""), file("a/c", "")}, {file("a/b", ""), file("a/.wh.b", "")}}, "a 0, a/b 1, a/c 0"},
		{"and back", [][]m{{file("a", "")}, {file(".wh.a", "")}, {file("a", "")}}, "a 2"},
		{"opaque", [][]m{{dir("a"), file("a/b", ""), file("c", "")}, {file("a/new", ""), file("a/"+opaque, "")}}, "a 0, a/new 1, c 0"},
		{"opaque root", [][]m{{file("a/b", "")}, {file("c", ""), file(opaque, "")}}, "c 1"},
	} {
		var layers [][]Entry
		for _, l := range c.layers {
			layers = append(layers, entries(t, l...))
		}
		tree := Stack(layers...)
		var got []string
		for e := range tree.All() {
			got = append(got, e.Name+" "+string(rune('0'+tree.Layer(e))))
		}
		if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestHardLinkHasWhatItLinksTo(t *testing.T) {
	su := m{tar.TypeReg, "a", "content", func(h *tar.Header) { h.Mode, h.Uid = 0o4755, 3 }}
	tree := Stack(entries(t, su, hardlink("l", "a")), entries(t, file("a", "other")), entries(t, hardlink("k", "l")))
	for name, want := range map[string]string{
		"a": "{Name:a Type:0 Mode:644 Size:5}", "l": "{Name:l Type:1 Mode:4755 UID:3 Size:7 Link:a}", "k": "{Name:k Type:1 Mode:4755 UID:3 Size:7 Link:l}",
	} {
		if e, ok := tree.Lookup(name); !ok || show(e) != want {
			t.Errorf("%s: %s, want %s", name, show(e), want)
		}
	}
}

func TestLookup(t *testing.T) {
	tree := Stack(entries(t,
		dir("usr"), dir("usr/bin"), file("usr/bin/perl", "x"), symlink("bin", "usr/bin"), symlink("usr/bin/p", "./perl"),
		symlink("etc/alt", "/bin/../bin/p"), symlink("up", "../../../bin//perl"), symlink("loop", "loop"), symlink("a", "b"), symlink("b", "a"),
		symlink("dangling", "usr/none"), symlink("deep", "deep/x"), symlink("rootlink", "/"), symlink("usr/lib", "dot/."), dir("usr/dot"), file("usr/dot/f", ""),
	))
	for path, want := range map[string]string{
		"usr/bin/perl": "usr/bin/perl", "/bin/perl": "usr/bin/perl", "bin/p": "usr/bin/perl", "etc/alt": "usr/bin/perl", "up": "usr/bin/perl",
		"bin/../dot/f": "usr/dot/f", "rootlink/rootlink/bin": "usr/bin", "usr/lib/f": "usr/dot/f", "../../usr": "usr",
		".": ".", "/": ".", "": ".", "etc": "etc",
		"none": "", "loop": "", "a": "", "dangling": "", "deep": "", "usr/bin/perl/x": "", "usr/bin/perl/../p": "", "usr/bin/perl/.": "", "usr/bin/perl/": "",
	} {
		e, ok := tree.Lookup(path)
		if e.Name != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", path, e.Name, ok, want)
		}
	}
	if e, ok := tree.Entry("bin"); !ok || e.Type != tar.TypeSymlink {
		t.Errorf("bin itself: %v %v", e, ok)
	}
	if _, ok := tree.Entry("bin/perl"); ok {
		t.Error("Entry follows a link")
	}
	if n := tree.Layer(Entry{Name: "none"}); n != -1 {
		t.Errorf("none is of layer %d", n)
	}
}
