package python

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fakeDpkg answers dpkg -L PACKAGE with the lists beside it.
const fakeDpkg = `#!/bin/sh
[ "$1" = -L ] && [ $# -eq 2 ] || { echo "dpkg $*: not expected" >&2; exit 9; }
cat "${0%/*}/$2.list"
`

// TestPrerm runs the script over a tree in which three packages share a
// directory of bytecode, as sh does on an upgrade or a removal.
func TestPrerm(t *testing.T) {
	const lib = "/opt/python/3.13/lib/python3.13/"
	packages := map[string][]string{
		"pybake-python3.13": {
			lib + "os.py", lib + "__pycache__/os.cpython-313.pyc", lib + "json", lib + "json/__init__.py",
			lib + "json/__pycache__/__init__.cpython-313.pyc", lib + "odd 'name' $x/[a]*.py",
		},
		"pybake-python3.13-tk":   {lib + "turtle.py", lib + "__pycache__/turtle.cpython-313.pyc"},
		"pybake-python3.13-test": {lib + "test/test_os.py"},
	}
	// Left by running the modules.
	left := []string{
		lib + "__pycache__/os.cpython-313.opt-1.pyc", lib + "__pycache__/os.cpython-313.opt-2.pyc",
		lib + "__pycache__/turtle.cpython-313.opt-1.pyc",
		lib + "json/__pycache__/__init__.cpython-313.opt-1.pyc",
		lib + "odd 'name' $x/__pycache__/[a]*.cpython-313.pyc",
		lib + "odd 'name' $x/__pycache__/[a]*.cpython-313.opt-1.pyc",
		lib + "test/__pycache__/test_os.cpython-313.pyc", lib + "test/__pycache__/test_os.cpython-313.opt-2.pyc",
	}
	// Put there by others: no prerm touches it.
	foreign := []string{
		lib + "__pycache__/mine.cpython-313.opt-1.pyc", lib + "__pycache__/os.cpython-312.opt-1.pyc",
		lib + "site-packages/pip/__pycache__/__init__.cpython-313.pyc", lib + "odd 'name' $x/a.py",
		lib + "odd 'name' $x/__pycache__/ab.cpython-313.pyc",
	}
	own := lib + "odd 'name' $x/__pycache__/[a]*."
	tests := []struct {
		pkg  string
		args []string
		gone []string
	}{
		{"pybake-python3.13", []string{"upgrade", "3.13.6-1+deb13"}, []string{
			lib + "__pycache__/os.cpython-313.opt-1.pyc", lib + "__pycache__/os.cpython-313.opt-2.pyc",
			lib + "json/__pycache__/__init__.cpython-313.opt-1.pyc", own + "cpython-313.opt-1.pyc",
		}},
		{"pybake-python3.13", []string{"remove"}, []string{
			lib + "__pycache__/os.cpython-313.opt-1.pyc", lib + "__pycache__/os.cpython-313.opt-2.pyc", lib + "__pycache__/os.cpython-313.pyc",
			lib + "json/__pycache__", lib + "json/__pycache__/__init__.cpython-313.opt-1.pyc", lib + "json/__pycache__/__init__.cpython-313.pyc",
			own + "cpython-313.opt-1.pyc", own + "cpython-313.pyc",
		}},
		{"pybake-python3.13-tk", []string{"remove"}, []string{
			lib + "__pycache__/turtle.cpython-313.opt-1.pyc", lib + "__pycache__/turtle.cpython-313.pyc",
		}},
		{"pybake-python3.13-tk", []string{"upgrade", "2"}, []string{lib + "__pycache__/turtle.cpython-313.opt-1.pyc"}},
		{"pybake-python3.13-test", []string{"upgrade", "2"}, []string{
			lib + "test/__pycache__", lib + "test/__pycache__/test_os.cpython-313.pyc", lib + "test/__pycache__/test_os.cpython-313.opt-2.pyc",
		}},
		{"pybake-python3.13", []string{"failed-upgrade", "1"}, nil},
		{"pybake-python3.13", []string{"deconfigure", "in-favour", "x", "1"}, nil},
	}
	s := &stage{plan: planFor(t, request("3.13.5"))}
	for _, tt := range tests {
		t.Run(tt.pkg+" "+tt.args[0], func(t *testing.T) {
			root, bin := t.TempDir(), t.TempDir()
			for name, files := range packages {
				for _, f := range files {
					if filepath.Ext(f) != "" {
						write(t, root+f, f)
					}
				}
				write(t, filepath.Join(bin, name+".list"), root+strings.Join(files, "\n"+root)+"\n")
			}
			for _, f := range slices.Concat(left, foreign) {
				write(t, root+f, f)
			}
			write(t, filepath.Join(bin, "dpkg"), fakeDpkg)
			if err := os.Chmod(filepath.Join(bin, "dpkg"), 0o755); err != nil {
				t.Fatal(err)
			}
			before := list(t, root)

			own := slices.ContainsFunc(packages[tt.pkg], func(f string) bool { return filepath.Ext(f) == ".pyc" })
			script := filepath.Join(bin, "prerm")
			write(t, script, s.prerm(own))
			cmd := exec.Command("sh", append([]string{script}, tt.args...)...)
			cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "DPKG_MAINTSCRIPT_PACKAGE=" + tt.pkg}
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Fatalf("%v: %s", err, out)
			}
			after := list(t, root)
			gone := slices.DeleteFunc(before, func(f string) bool { return slices.Contains(after, f) })
			slices.Sort(tt.gone)
			if diff := cmp.Diff(tt.gone, gone, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("gone: %s", diff)
			}
		})
	}
}

// list is everything below a directory, sorted.
func list(t *testing.T, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, strings.TrimPrefix(path, root))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}
