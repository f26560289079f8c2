package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pybake/pybake/artifacts"
)

// makeStore makes a store of three artifacts, of which "python 3.13.5 trixie amd64"
// is returned.
func makeStore(t *testing.T, dir string) *artifacts.Artifact {
	t.Helper()
	store, err := artifacts.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var first *artifacts.Artifact
	for _, name := range []string{"python 3.13.5 trixie amd64", "python 3.11.2 bookworm amd64", "wheels app.lock trixie"} {
		kind, _, _ := strings.Cut(name, " ")
		draft, err := store.Begin(kind)
		if err != nil {
			t.Fatal(err)
		}
		for file, data := range map[string]string{"a.deb": "the bytes of a", "b.deb": "the bytes of b"} {
			if err := os.WriteFile(filepath.Join(draft.Dir(), file), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		made, err := draft.Publish(t.Context(), artifacts.Manifest{Name: name, Inputs: []artifacts.Input{{Name: "name", Value: name}}})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = made
		}
	}
	return first
}

// verifyRun is pybake verify with more arguments, and what it printed.
func verifyRun(t *testing.T, dir string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	sys := testSystem(t)
	status = run(append([]string{"verify", "--store=" + dir}, args...), sys)
	return status, sys.stdout.(*bytes.Buffer).String(), sys.stderr.(*bytes.Buffer).String()
}

// TestVerifyStore damages a store in many ways. Each is found and named, and goes
// with --repair, unless it is for a person to decide.
func TestVerifyStore(t *testing.T) {
	write := func(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }
	const link = "/python/3.13.5-trixie-amd64"
	for _, test := range []struct {
		name   string
		says   []string // KEY stands for the key of the artifact
		stays  bool     // also with --repair
		damage func(store, artifact string) error
	}{
		{"flipped bit", []string{"python 3.13.5 trixie amd64: artifacts/python/KEY/a.deb: sha256 is "}, false, func(_, artifact string) error {
			return write(artifact+"/a.deb", "the bytes of A")
		}},
		{"two files", []string{"python 3.13.5 trixie amd64: artifacts/python/KEY/a.deb: sha256 is ", "KEY/b.deb: sha256 is "}, false, func(_, artifact string) error {
			return errors.Join(write(artifact+"/a.deb", "the bytes of A"), write(artifact+"/b.deb", "the bytes of B"))
		}},
		{"missing file", []string{"python/3.13.5-trixie-amd64: artifacts/python/KEY/a.deb: no such file"}, false, func(_, artifact string) error {
			return os.Remove(artifact + "/a.deb")
		}},
		{"further file", []string{"python 3.13.5 trixie amd64: artifacts/python/KEY/c.deb: not in the manifest"}, false, func(_, artifact string) error {
			return write(artifact+"/c.deb", "")
		}},
		{"link in an artifact", []string{"python 3.13.5 trixie amd64: artifacts/python/KEY/c.deb: not a regular file"}, false, func(_, artifact string) error {
			return os.Symlink("a.deb", artifact+"/c.deb")
		}},
		{"no manifest", []string{"python/3.13.5-trixie-amd64: artifacts/python/KEY/manifest.json: no such file"}, false, func(_, artifact string) error {
			return os.Remove(artifact + "/manifest.json")
		}},
		{"older format", []string{"python/3.13.5-trixie-amd64: artifacts/python/KEY/manifest.json: format 0 is not known"}, false, func(_, artifact string) error {
			return write(artifact+"/manifest.json", `{"format": 0}`)
		}},
		{"newer format", []string{"manifest.json: format 99 is newer than this pybake reads"}, true, func(_, artifact string) error {
			return write(artifact+"/manifest.json", `{"format": 99}`)
		}},
		{"artifact is a file", []string{"python/3.13.5-trixie-amd64: artifacts/python/KEY/manifest.json: "}, false, func(_, artifact string) error {
			return errors.Join(os.RemoveAll(artifact), write(artifact, ""))
		}},
		{"no artifact", []string{"python/3.13.5-trixie-amd64: leads to an artifact that is not there"}, false, func(_, artifact string) error {
			return os.RemoveAll(artifact)
		}},
		{"no artifacts of a kind", []string{"wheels/app.lock-trixie: leads to an artifact that is not there"}, false, func(store, _ string) error {
			return os.RemoveAll(store + "/artifacts/wheels")
		}},
		{"link elsewhere", []string{"python/3.13.5-trixie-amd64: leads to /etc, which is no artifact of this kind"}, false, func(store, _ string) error {
			return errors.Join(os.Remove(store+link), os.Symlink("/etc", store+link))
		}},
		{"link to another kind", []string{"which is no artifact of this kind"}, false, func(store, artifact string) error {
			return errors.Join(os.Remove(store+link), os.Symlink("../artifacts/wheels/"+filepath.Base(artifact), store+link))
		}},
		{"directory for a link", []string{"python/3.13.5-trixie-amd64: is no part of a store"}, true, func(store, _ string) error {
			return errors.Join(os.Remove(store+link), os.Mkdir(store+link, 0o755))
		}},
		{"stray directory", []string{"copy: is no part of a store"}, true, func(store, artifact string) error {
			return os.CopyFS(store+"/copy", os.DirFS(artifact))
		}},
		{"stray directory among the artifacts", []string{"artifacts/python/KEY.bak: is no part of a store"}, true, func(_, artifact string) error {
			return os.Mkdir(artifact+".bak", 0o755)
		}},
		{"stray directory among the kinds", []string{"artifacts/Old: is no part of a store"}, true, func(store, _ string) error {
			return os.Mkdir(store+"/artifacts/Old", 0o755)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "baked")
			made := makeStore(t, dir)
			if status, out, said := verifyRun(t, dir); status != 0 || out != "3 artifacts, 6 files, 84 B\n" {
				t.Fatalf("untouched: status %d\n%s%s", status, out, said)
			}
			if err := test.damage(dir, made.Dir); err != nil {
				t.Fatal(err)
			}
			status, out, said := verifyRun(t, dir)
			for _, says := range test.says {
				if says = strings.ReplaceAll(says, "KEY", string(made.Key)); !strings.Contains(out, says) {
					t.Errorf("want %q in\n%s", says, out)
				}
			}
			if status != 1 || strings.Count(out, "\n") != len(test.says)+1 || !strings.Contains(said, "problem") || strings.Contains(said, "--repair") == test.stays {
				t.Errorf("status %d\n%s%s", status, out, said)
			}
			status, out, said = verifyRun(t, dir, "--repair")
			if test.stays {
				if status != 1 || strings.Contains(out, "(removed)") {
					t.Errorf("repaired: status %d\n%s%s", status, out, said)
				}
				return
			}
			if status != 0 || strings.Count(out, "(removed)") != len(test.says) || !strings.Contains(said, "the next run builds it again") {
				t.Errorf("--repair: status %d\n%s%s", status, out, said)
			}
			if status, out, said := verifyRun(t, dir); status != 0 || !strings.HasPrefix(out, "2 artifacts") && !strings.HasPrefix(test.name, "link") {
				t.Errorf("after --repair: status %d\n%s%s", status, out, said)
			}
			if again := makeStore(t, dir); again.Key != made.Key {
				t.Errorf("key %s", again.Key)
			}
			if status, out, _ := verifyRun(t, dir); status != 0 || out != "3 artifacts, 6 files, 84 B\n" {
				t.Errorf("built again: status %d\n%s", status, out)
			}
		})
	}
}

func TestVerifyStoreJSON(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "baked")
	made := makeStore(t, dir)
	if err := os.WriteFile(made.Dir+"/a.deb", []byte("the bytes of A"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, repaired := range []bool{false, true} {
		args := []string{"--json"}
		if repaired {
			args = append(args, "--repair")
		}
		_, out, _ := verifyRun(t, dir, args...)
		var got checkedStore
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		if got.Artifacts != 3 || got.Files != 6 || got.Bytes != 84 || len(got.Problems) != 1 {
			t.Fatalf("%s", out)
		}
		if p := got.Problems[0]; p.Key != made.Key || p.Kind != "python" || p.Repaired != repaired || p.Path != "artifacts/python/"+string(made.Key)+"/a.deb" {
			t.Errorf("%+v", p)
		}
	}
}

// TestVerifyNoStore: a wrong name is not a store in which all is well.
func TestVerifyNoStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bakd")
	if status, out, said := verifyRun(t, dir); status != 2 || out != "" || !strings.Contains(said, "no such file") {
		t.Errorf("status %d\n%s%s", status, out, said)
	}
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(dir+"/store.json", []byte(`{"format": 99}`), 0o644)); err != nil {
		t.Fatal(err)
	}
	if status, out, said := verifyRun(t, dir); status == 0 || out != "" || !strings.Contains(said, "format 99") {
		t.Errorf("status %d\n%s%s", status, out, said)
	}
}
