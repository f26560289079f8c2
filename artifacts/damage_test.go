package artifacts_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
)

// damages are what can happen to the artifact of fullManifest. verify marks
// what Find cannot see.
var damages = []struct {
	name, file string
	verify     bool
	do         func(dir string) error
}{
	{"no manifest", "manifest.json", false, func(dir string) error { return os.Remove(dir + "/manifest.json") }},
	{"empty manifest", "manifest.json", false, func(dir string) error { return os.Truncate(dir+"/manifest.json", 0) }},
	{"manifest is a directory", "manifest.json", false, func(dir string) error {
		return errors.Join(os.Remove(dir+"/manifest.json"), os.Mkdir(dir+"/manifest.json", 0o755))
	}},
	{"older manifest", "manifest.json", false, replace("manifest.json", `"format": 1`, `"format": 0`)},
	{"changed input", "manifest.json", false, replace("manifest.json", "14.2.0-19", "14.2.0-18")},
	{"changed label", "SHA256SUMS", false, replace("manifest.json", `"series": "3.13"`, `"series": "3.12"`)},
	{"file that leaves", "manifest.json", false, replace("manifest.json", "extra/notes.txt", "../../tes.txt")},
	{"no sums", "SHA256SUMS", false, func(dir string) error { return os.Remove(dir + "/SHA256SUMS") }},
	{"missing file", "extra/notes.txt", false, func(dir string) error { return os.RemoveAll(dir + "/extra") }},
	{"shorter file", "extra/notes.txt", false, func(dir string) error { return os.Truncate(dir+"/extra/notes.txt", 3) }},
	{"link for a file", "extra/notes.txt", false, func(dir string) error {
		return errors.Join(os.Rename(dir+"/extra/notes.txt", dir+"/n"), os.Symlink("../n", dir+"/extra/notes.txt"))
	}},
	{"artifact is a file", "manifest.json", false, func(dir string) error {
		return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o644))
	}},
	{"flipped bit", "extra/notes.txt", true, replace("extra/notes.txt", "notes", "nodes")},
	{"extra file", "extra/more.txt", true, func(dir string) error { return os.WriteFile(dir+"/extra/more.txt", nil, 0o644) }},
	{"extra log", "logs/more.log", true, func(dir string) error { return os.WriteFile(dir+"/logs/more.log", nil, 0o644) }},
}

// replace returns what replaces text in a file and fails if it is not there.
func replace(file, before, after string) func(dir string) error {
	return func(dir string) error {
		path := filepath.Join(dir, file)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := strings.Replace(string(data), before, after, 1)
		if text == string(data) {
			return fmt.Errorf("%s: no %q", path, before)
		}
		return os.WriteFile(path, []byte(text), 0o644)
	}
}

// Damage is found and named, and publishing again or removing mends it.
func TestDamage(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			a := publish(t, s, "python", fullManifest, fullFiles)
			if err := c.do(a.Dir); err != nil {
				t.Fatal(err)
			}
			_, findErr := s.Find("python", a.Key)
			verifyErr := s.Verify(t.Context(), a)
			if c.verify && findErr != nil {
				t.Errorf("Find: %v", findErr)
			}
			err := findErr
			if c.verify {
				err = verifyErr
			}
			for what, err := range map[string]error{"Find or Verify": err, "Verify": verifyErr} {
				var damaged *artifacts.DamagedError
				if !errors.As(err, &damaged) || damaged.File != c.file || damaged.Key != a.Key || damaged.Kind != "python" {
					t.Errorf("%s: %v, want a DamagedError of %s", what, err, c.file)
				}
			}
			list, errs := s.List()
			if c.verify != (len(list) == 1) || c.verify != (len(errs) == 0) {
				t.Errorf("List = %v, %v", list, errs)
			}
			if c.verify {
				if err := s.Remove(t.Context(), "python", a.Key); err != nil {
					t.Fatal(err)
				}
			}
			again := publish(t, s, "python", fullManifest, fullFiles)
			if d := cmp.Diff(a, again); d != "" {
				t.Errorf("published again (-first +again):\n%s", d)
			}
			if err := s.Verify(t.Context(), again); err != nil {
				t.Error(err)
			}
			isEmpty(t, s, "tmp")
			if err := c.do(a.Dir); err != nil {
				t.Fatal(err)
			}
			if err := s.Remove(t.Context(), "python", a.Key); err != nil {
				t.Error(err)
			}
			isEmpty(t, s, "artifacts/python")
			isEmpty(t, s, "python")
		})
	}
}

// An artifact of a newer format is neither read nor replaced.
func TestNewerManifest(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "python", fullManifest, fullFiles)
	if err := replace("manifest.json", `"format": 1`, `"format": 2`)(a.Dir); err != nil {
		t.Fatal(err)
	}
	const want = "manifest.json: format 2 is newer than this pybake reads (1)"
	var damaged *artifacts.DamagedError
	if _, err := s.Find("python", a.Key); err == nil || errors.As(err, &damaged) || !strings.Contains(err.Error(), want) {
		t.Errorf("Find: %v, want error with %q", err, want)
	}
	d, err := s.Begin("python")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	write(t, d.Dir(), fullFiles)
	if _, err := d.Publish(t.Context(), fullManifest); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Publish: %v, want error with %q", err, want)
	}
}

// Deleting a log is no damage.
func TestDeletedLog(t *testing.T) {
	s := open(t, t.TempDir())
	a := publish(t, s, "python", fullManifest, fullFiles)
	if err := os.RemoveAll(filepath.Join(a.Dir, "logs")); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), a); err != nil {
		t.Error(err)
	}
}
