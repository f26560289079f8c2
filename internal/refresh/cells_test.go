package refresh

import (
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
			"image deps trixie amd64 <- python 3.13 trixie amd64, wheels a.lock 3.13 trixie amd64",
			"image web trixie amd64 <- python 3.13 trixie amd64, wheels a.lock 3.13 trixie amd64, image deps trixie amd64",
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
		{"a series without a pin", "[matrix]\npythons = ['3.11']\ndistros = ['trixie']\n[refresh]\nreleases = []", "python 3.11: no release of it is pinned"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := matrixOf(t, test.toml).Cells()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
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
