package recipes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const changes = "--- a/setup.py\n+++ b/setup.py\n@@ -1 +1 @@\n-x\n+y\n"

// TestPatches reads those of a project, and finds them in what makes a key.
func TestPatches(t *testing.T) {
	files := map[string]string{
		"wheels/ours.toml":         "patches = [{ file = \"a.patch\", why = \"it is old\" }]\n[[when]]\nversions = \"<2\"\npatches = [{ file = \"b.patch\", why = \"it is older\" }]\n",
		"wheels/ours/a.patch":      changes,
		"wheels/ours/b.patch":      strings.ReplaceAll(changes, "setup.py", "b.py"),
		"wheels/ours/unnamed.diff": "not read",
	}
	s, err := load(t, files)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := s.Wheel("ours", "trixie")
	for version, want := range map[string][]string{"1": {"b.py", "setup.py"}, "2": {"setup.py"}, "": {"setup.py"}} {
		set, err := w.At(version).Patched("ours")
		if diff := cmp.Diff(want, set.Files()); diff != "" || err != nil {
			t.Errorf("version %q: %v %s", version, err, diff)
		}
	}
	before := w.Building().Patches[0].SHA256
	files["wheels/ours/a.patch"] = strings.ReplaceAll(changes, "+y", "+z")
	if s, err = load(t, files); err != nil {
		t.Fatal(err)
	}
	w, _ = s.Wheel("ours", "trixie")
	if got := w.Building().Patches[0].SHA256; got == before || len(got) != 64 {
		t.Errorf("hash %s, and of another text %s", before, got)
	}
}

func TestPatchProblems(t *testing.T) {
	_, err := load(t, map[string]string{
		"wheels/a.toml":           "patches = [{ file = \"../b/x.patch\", why = \"b\" }, { file = \"x.diff\" }]\n",
		"wheels/b.toml":           "patches = [{ file = \"x.patch\", why = \"b\" }, { file = \"x.patch\", why = \"b\" }]\n",
		"wheels/c.toml":           "patches = [{ file = \"none.patch\", why = \"b\" }]\n[[when]]\nversions = \"<2\"\npatches = [{ file = \"bad.patch\", why = \"b\" }]\n",
		"wheels/c/bad.patch":      "--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-x\n+y\n",
		"wheels/b/x.patch":        changes,
		"wheels/pyyaml/own.patch": changes, // of no recipe
	})
	for _, want := range []string{
		`recipes/wheels/a.toml:1:21: patches[0].file: "../b/x.patch": want the name of a file, such as "gcc14.patch"`,
		`patches[1].file: "x.diff": want the name of a file`,
		`recipes/wheels/a.toml:1:50: patches[1].why: missing or empty`,
		`patches[1].file: "x.patch": given twice`,
		`recipes/wheels/c.toml: no patch recipes/wheels/c/none.patch`,
		`recipes/wheels/c.toml: recipes/wheels/c/bad.patch: line 4`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
