package patch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const old = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"

const twoHunks = `From a person to people.

diff --git a/src/n.txt b/src/n.txt
--- a/src/n.txt
+++ b/src/n.txt
@@ -1,3 +1,3 @@
 one
-two
+2
 three
@@ -8,3 +8,4 @@ seven
 eight
 nine
+9.5
 ten
`

const traditional = "--- n-1.0/src/n.txt\t2024-01-01 10:00:00 +0000\n+++ mine/src/n.txt\t2024-01-02 10:00:00 +0000\n@@ -1,2 +1,2 @@\n-one\n+1\n two\n"

func TestEdit(t *testing.T) {
	for _, c := range []struct {
		name    string
		patches []string
		file    string // edited
		data    string // "" for no file
		want    string // "" for no file
		err     string
	}{
		{"git", []string{twoHunks}, "src/n.txt", old, "one\n2\nthree\nfour\nfive\nsix\nseven\neight\nnine\n9.5\nten\n", ""},
		{"diff -u", []string{traditional}, "src/n.txt", old, "1" + old[3:], ""},
		{"another file", []string{twoHunks}, "n.txt", old, old, ""},
		{"one after the other", []string{traditional, "--- a/src/n.txt\n+++ b/src/n.txt\n@@ -1,2 +1,2 @@\n-1\n+uno\n two\n"}, "src/n.txt", old, "uno" + old[3:], ""},
		{"new", []string{"--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n"}, "new", "", "x\n", ""},
		{"removed", []string{"--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"}, "gone", "x\n", "", ""},
		{"no line end", []string{"--- a/n\n+++ b/n\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n"}, "n", "x", "y\n", ""},
		{"offset", []string{twoHunks}, "src/n.txt", "zero\n" + old, "", `p0: src/n.txt: hunk 1, line 1 of the file: is "zero\n", not "one\n"`},
		{"second hunk", []string{twoHunks}, "src/n.txt", strings.Replace(old, "nine", "IX", 1), "", `p0: src/n.txt: hunk 2, line 9 of the file: is "IX\n", not "nine\n"`},
		{"second patch", []string{traditional, traditional}, "src/n.txt", old, "", `p1: src/n.txt: hunk 1, line 1 of the file: is "1\n", not "one\n"`},
		{"CRLF", []string{traditional}, "src/n.txt", strings.ReplaceAll(old, "\n", "\r\n"), "", `p0: src/n.txt: hunk 1, line 1 of the file: is "one\r\n", not "one\n"`},
		{"too short", []string{twoHunks}, "src/n.txt", "one\ntwo\nthree\n", "", "p0: src/n.txt: hunk 2, line 4 of the file: src has fewer lines than required by fragment"},
		{"not there", []string{twoHunks}, "src/n.txt", "", "", "p0: src/n.txt: no such file"},
		{"new, but there", []string{"--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n"}, "new", "x\n", "", "p0: new: is there already"},
		{"removed, but longer", []string{"--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"}, "gone", "x\ny\n", "", "p0: gone: hunk 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var set Set
			for i, text := range c.patches {
				p, err := Parse("p"+string(rune('0'+i)), []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				set = append(set, p)
			}
			var data []byte
			if c.data != "" {
				data = []byte(c.data)
			}
			got, err := set.Edit(c.file, data)
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) {
					t.Errorf("%v\nwant %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if (got == nil) != (c.want == "") {
				t.Errorf("a file: %t", got != nil)
			}
		})
	}
}

func TestParse(t *testing.T) {
	const hunk = "@@ -1 +1 @@\n-x\n+y\n"
	for text, want := range map[string]string{
		"":             "p: no diff in it",
		"just words\n": "p: no diff in it",
		"--- a/n\n+++ b/n\n@@ -1,2 +1 @@\n-x\n+y\n":                                                                                "p: ",
		"--- n\n+++ n\n" + hunk:                                                                                                    "p: : want the name of a file below a first part",
		"--- a/../n\n+++ b/../n\n" + hunk:                                                                                          "p: ../n: want the name of a file below a first part",
		"--- a/n\n+++ b/n\n" + hunk + "--- a/n\n+++ b/n\n" + hunk:                                                                  "p: n: two diffs of it",
		"diff --git a/n b/m\nsimilarity index 100%\nrename from n\nrename to m\n":                                                  "p: m: a rename or copy",
		"diff --git a/n b/n\nold mode 100644\nnew mode 100755\n":                                                                   "p: n: another mode",
		"diff --git a/n b/n\nnew file mode 100755\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n":                                    "p: n: another mode",
		"diff --git a/n b/n\nnew file mode 100644\nindex 0000000..1111111\nBinary files /dev/null and b/n differ\n":                "p: n: a binary file",
		"diff --git a/n b/n\nnew file mode 100644\nindex 0000000000000000000000000000000000000000..e69de29bb2d1d6434b8b29ae775a\n": "p: n: no hunk",
	} {
		if _, err := Parse("p", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q\n%v\nwant %s", text, err, want)
		}
	}
}

func TestFiles(t *testing.T) {
	one, err := Parse("p", []byte(twoHunks+"diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := Parse("q", []byte(traditional))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new", "src/n.txt"}, Set{one, two}.Files()); diff != "" {
		t.Error(diff)
	}
}
