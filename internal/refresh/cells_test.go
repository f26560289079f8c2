package refresh

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// matrixOf is the matrix of a pybake.toml. All of its files of locks are empty.
func matrixOf(t *testing.T, toml string) *Matrix {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"pybake.toml": toml, "a.lock": "", "b.lock": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := project.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	pins := &project.Lock{Format: project.LockFormat}
	pins.SetPython(project.PythonPin{Want: "3.13", Version: "3.13.5"})
	pins.SetPython(project.PythonPin{Want: "3.12", Version: "3.12.4"})
	return &Matrix{Project: p, Recipes: set, Pins: pins, Arch: "amd64"}
}

func TestCells(t *testing.T) {
	for _, test := range []struct {
		name, toml string
		admits     func(lock, version string) bool
		want       []string // the name, and after an arrow what it needs
		notes      []string // parts of them
	}{
		{"a series is what it is pinned to", "[matrix]\npythons = ['3.13']\ndistros = ['trixie', 'bookworm']", nil,
			[]string{"python 3.13 trixie amd64 = 3.13.5", "python 3.13 bookworm amd64 = 3.13.5"}, nil},
		{"an exact version, a range, each once", "[matrix]\npythons = ['3.13.3', '>=3.12, <3.14', '3.13']\ndistros = ['trixie']", nil,
			[]string{"python 3.13.3 trixie amd64 = 3.13.3", "python 3.12 trixie amd64 = 3.12.4", "python 3.13 trixie amd64 = 3.13.5"}, nil},
		{"houses of locks, one for both variants", "[matrix]\npythons = ['3.13']\ndistros = ['trixie']\nvariants = ['full', 'fast']\nlocks = ['a.lock', 'b.lock']", nil,
			[]string{
				"python 3.13 trixie amd64 = 3.13.5", "python 3.13 trixie amd64 fast = 3.13.5",
				"wheels a.lock 3.13 trixie amd64 = 3.13.5 <- python 3.13 trixie amd64",
				"wheels b.lock 3.13 trixie amd64 = 3.13.5 <- python 3.13 trixie amd64",
			}, nil},
		{"exclusions say all that they have in common",
			"[matrix]\npythons = ['3.13', '3.12']\ndistros = ['trixie', 'bookworm']\nlocks = ['a.lock']\nexclude = [{ python = '<3.13', distro = 'trixie' }, { lock = 'a.lock', distro = 'bookworm' }]", nil,
			[]string{
				"python 3.13 trixie amd64 = 3.13.5", "python 3.13 bookworm amd64 = 3.13.5", "python 3.12 bookworm amd64 = 3.12.4",
				"wheels a.lock 3.13 trixie amd64 = 3.13.5 <- python 3.13 trixie amd64",
			}, nil},
		{"a lock that takes no such Python is told", "[matrix]\npythons = ['3.13', '3.12']\ndistros = ['trixie']\nlocks = ['a.lock']",
			func(_, version string) bool { return version != "3.12.4" },
			[]string{
				"python 3.13 trixie amd64 = 3.13.5", "python 3.12 trixie amd64 = 3.12.4",
				"wheels a.lock 3.13 trixie amd64 = 3.13.5 <- python 3.13 trixie amd64",
			}, []string{"does not take Python 3.12.4"}},
		{"images need what their chains have", `
[matrix]
pythons = ['3.13']
distros = ['trixie']
locks = ['a.lock']
[images.deps]
from = 'trixie'
python = '3.13'
wheels = 'a.lock'
[images.web]
from = 'deps'
apt = ['tini']
`, nil, []string{
			"python 3.13 trixie amd64 = 3.13.5",
			"wheels a.lock 3.13 trixie amd64 = 3.13.5 <- python 3.13 trixie amd64",
			"image deps trixie amd64 <- python 3.13 trixie amd64",
			"image web trixie amd64 <- python 3.13 trixie amd64, image deps trixie amd64",
		}, nil},
		{"an image needs a Python with all optimisations, or none of the matrix", `
[matrix]
pythons = ['3.13']
distros = ['trixie']
variants = ['fast']
locks = ['a.lock']
[images.web]
from = 'trixie'
python = '3.13'
wheels = 'a.lock'
`, nil, []string{
			"python 3.13 trixie amd64 fast = 3.13.5",
			"wheels a.lock 3.13 trixie amd64 = 3.13.5 <- python 3.13 trixie amd64 fast",
			"image web trixie amd64",
		}, nil},
		{"no images where the matrix has none", "[matrix]\npythons = ['3.13']\ndistros = ['trixie']\nimages = []\n[images.web]\nfrom = 'trixie'", nil,
			[]string{"python 3.13 trixie amd64 = 3.13.5"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := matrixOf(t, test.toml)
			m.Admits = test.admits
			cells, notes, err := m.Cells()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range cells {
				line := c.Name
				if c.Version != "" {
					line += " = " + c.Version
				}
				if len(c.Needs) > 0 {
					line += " <- " + strings.Join(c.Needs, ", ")
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if len(notes) != len(test.notes) {
				t.Fatalf("notes %q", notes)
			}
			for i, part := range test.notes {
				if !strings.Contains(notes[i], part) {
					t.Errorf("note %q does not say %q", notes[i], part)
				}
			}
		})
	}
}

func TestCellsRefuse(t *testing.T) {
	for _, test := range []struct{ name, toml, want string }{
		{"a distro that nobody knows", "[matrix]\npythons = ['3.13']\ndistros = ['trixy']", "pybake.toml:3:12"},
		{"a range that has no series", "[matrix]\npythons = ['>=3.90']\ndistros = ['trixie']", "pybake.toml:2:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := matrixOf(t, test.toml).Cells()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestCellsUnpinned: of a series that is not pinned there are cells, which say so.
func TestCellsUnpinned(t *testing.T) {
	const matrix = `
[matrix]
pythons = ['3.13', '3.11']
distros = ['trixie']
locks = ['a.lock']
exclude = [%s]
[refresh]
releases = []
[images.web]
from = 'trixie'
python = '3.11'
wheels = 'a.lock'
`
	fails := []string{"python 3.11 trixie amd64", "wheels a.lock 3.11 trixie amd64 <- python 3.11 trixie amd64", "image web trixie amd64 <- python 3.11 trixie amd64"}
	for _, test := range []struct {
		exclude string
		want    []string // all but those of 3.13
	}{
		{"", fails},
		{"{ python = '3.11' }", []string{"image web trixie amd64"}},
		{"{ python = '<3.12' }", []string{"image web trixie amd64"}},
		{"{ python = '>=3.11', distro = 'trixie' }", []string{"image web trixie amd64"}},
		{"{ python = '<3.11.9' }", fails}, // which it may be or not
		{"{ python = '3.11.2' }", fails},
		{"{ python = '3.1' }", fails},
		{"{ lock = 'a.lock', python = '3.11' }", []string{fails[0], fails[2]}},
	} {
		m := matrixOf(t, fmt.Sprintf(matrix, test.exclude))
		m.Admits = func(_, version string) bool {
			if version == "" {
				t.Error("asked whether a lock takes no version")
			}
			return true
		}
		cells, notes, err := m.Cells()
		if err != nil || len(notes) > 0 {
			t.Fatalf("notes %q, error %v", notes, err)
		}
		var got []string
		for _, c := range cells {
			if c.Want == "3.13" {
				if c.Err != nil || c.Version != "3.13.5" {
					t.Errorf("%s = %q: %v", c.Name, c.Version, c.Err)
				}
				continue
			}
			if c.Version != "" || c.Want != "" && !errors.Is(c.Err, ErrUnpinned) {
				t.Errorf("%s = %q: %v", c.Name, c.Version, c.Err)
			}
			line := c.Name
			if len(c.Needs) > 0 {
				line += " <- " + strings.Join(c.Needs, ", ")
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("exclude %s: %s", test.exclude, diff)
		}
	}
}

func TestRowsAreTheSameOnEveryDistro(t *testing.T) {
	for _, test := range []struct {
		cell Cell
		want string
	}{
		{Cell{Kind: KindPython, Want: "3.13"}, "python 3.13"},
		{Cell{Kind: KindPython, Want: "3.13", Variant: Fast}, "python 3.13 fast"},
		{Cell{Kind: KindWheels, Want: "3.13", Lock: "a.lock"}, "a.lock on 3.13"},
		{Cell{Kind: KindImage, Image: "web"}, "image web"},
	} {
		if got := test.cell.Row(); got != test.want {
			t.Errorf("row %q, want %q", got, test.want)
		}
	}
}
