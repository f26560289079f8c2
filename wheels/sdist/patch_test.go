package sdist

import (
	"archive/tar"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/patch"
)

// patches are those of some texts, named by their number.
func patches(t *testing.T, texts ...string) patch.Set {
	t.Helper()
	var set patch.Set
	for i, text := range texts {
		p, err := patch.Parse("p"+string(rune('0'+i)), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, p)
	}
	return set
}

func TestPatched(t *testing.T) {
	members := append(plain(), file("foo_bar-1.0/gone.txt", "x"), file("foo_bar-1.0/pyproject.toml", "[build-system]\nrequires = [\"setuptools\"]\n"))
	s, err := Open(cached(t, gzipped(t, tarball(t, members...))), "foo_bar-1.0.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	before := listing(t, s)
	same, err := s.Patched(nil)
	if err != nil || same != s {
		t.Errorf("no patches: %v", err)
	}
	got, err := s.Patched(patches(t,
		"--- a/src/a.c\n+++ b/src/a.c\n@@ -1 +1,2 @@\n-int a;\n\\ No newline at end of file\n+long a;\n+int b;\n"+
			"--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n",
		"--- a/pyproject.toml\n+++ b/pyproject.toml\n@@ -1,2 +1,2 @@\n [build-system]\n-requires = [\"setuptools\"]\n+requires = [\"setuptools<70\"]\n"+
			"--- /dev/null\n+++ b/src/new/deep/b.c\n@@ -0,0 +1 @@\n+int c;\n",
	))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"setuptools<70"}, got.Build.Requires); diff != "" {
		t.Errorf("what builds it: %s", diff)
	}
	if got.Compiled != s.Compiled+1 || got.Newest != s.Newest || got.Metadata == nil {
		t.Errorf("%d files to compile, %v old", got.Compiled, got.Newest)
	}
	after := listing(t, got)
	added := slices.DeleteFunc(slices.Clone(after), func(l string) bool { return slices.Contains(before, l) })
	removed := slices.DeleteFunc(before, func(l string) bool { return slices.Contains(after, l) })
	if diff := cmp.Diff([]string{
		"0 644 build/src/src/a.c long a;\nint b;\n",
		"0 644 build/src/pyproject.toml [build-system]\nrequires = [\"setuptools<70\"]\n",
		"5 755 build/src/src/new/ ",
		"5 755 build/src/src/new/deep/ ",
		"0 644 build/src/src/new/deep/b.c int c;\n",
	}, added); diff != "" {
		t.Errorf("new: %s", diff)
	}
	if diff := cmp.Diff([]string{
		"0 644 build/src/src/a.c int a;",
		"0 644 build/src/gone.txt x",
		"0 644 build/src/pyproject.toml [build-system]\nrequires = [\"setuptools\"]\n",
	}, removed); diff != "" {
		t.Errorf("no longer: %s", diff)
	}
}

func TestPatchedErrors(t *testing.T) {
	s, err := Open(cached(t, gzipped(t, tarball(t, append(plain(), link(tar.TypeSymlink, "foo_bar-1.0/l", "setup.py"))...))), "foo_bar-1.0.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"--- a/src/a.c\n+++ b/src/a.c\n@@ -1 +1 @@\n-int z;\n+int b;\n":                          `foo_bar-1.0.tar.gz: p0: src/a.c: hunk 1, line 1 of the file: is "int a;", not "int z;\n"`,
		"--- a/none.c\n+++ b/none.c\n@@ -1 +1 @@\n-int z;\n+int b;\n":                            "foo_bar-1.0.tar.gz: p0: none.c: no such file",
		"--- /dev/null\n+++ b/setup.py\n@@ -0,0 +1 @@\n+x\n":                                     "foo_bar-1.0.tar.gz: p0: setup.py: is there already",
		"--- a/l\n+++ b/l\n@@ -1 +1 @@\n-int z;\n+int b;\n":                                      `foo_bar-1.0.tar.gz: "l": is a link`,
		"--- a/setup.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-setup()\n\\ No newline at end of file\n": "foo_bar-1.0.tar.gz: nothing that builds",
	} {
		if _, err := s.Patched(patches(t, text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
