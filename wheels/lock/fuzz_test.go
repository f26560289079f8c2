package lock

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pybake/pybake/internal/strict"
)

// Long seeds are minimised for long: run these with -fuzzminimizetime 3x.
func FuzzRequirements(f *testing.F) { fuzz(f, "requirements.txt", "*/*.txt") }
func FuzzPylock(f *testing.F)       { fuzz(f, "pylock.toml", "*/pylock.toml") }
func FuzzUv(f *testing.F)           { fuzz(f, "uv.lock", "uv*/uv.lock") }
func FuzzPoetry(f *testing.F)       { fuzz(f, "poetry.lock", "*/poetry.lock") }
func FuzzPdm(f *testing.F)          { fuzz(f, "pdm.lock", "*/pdm.lock") }
func FuzzPipfile(f *testing.F)      { fuzz(f, "Pipfile.lock", "*/Pipfile.lock") }

// FuzzProject reads any text as the pyproject.toml beside locks that need one.
func FuzzProject(f *testing.F) {
	locks := map[string]string{"poetry.lock": "poetry-1.8", "pdm.lock": "pdm-2.10"}
	read := func(dir, name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", dir, name))
		if err != nil {
			f.Fatal(err)
		}
		return data
	}
	fsys := fstest.MapFS{}
	for name, dir := range locks {
		fsys[name] = &fstest.MapFile{Data: read(dir, name)}
		f.Add(string(read(dir, "pyproject.toml")))
	}
	f.Fuzz(func(t *testing.T, text string) {
		fsys := maps.Clone(fsys)
		fsys["pyproject.toml"] = &fstest.MapFile{Data: []byte(text)}
		for name := range locks {
			l, err := Read(fsys, name, Options{})
			if err != nil {
				checkErrors(t, "pyproject.toml", text, err)
				continue
			}
			s, err := l.Select(targets[1])
			if err != nil {
				continue
			}
			for _, p := range s.Packages {
				checkSelected(t, p)
			}
		}
	})
}

// fuzz reads any text as a lock and selects from what is accepted: there is no
// panic, problems have places in the file, and what is selected is pinned or
// built from a tree, and hashed.
func fuzz(f *testing.F, name, pattern string) {
	seeds, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	project := ""
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		if beside, err := os.ReadFile(filepath.Join(filepath.Dir(seed), "pyproject.toml")); err == nil {
			project = string(beside)
		}
		f.Add(shorter(string(data)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		fsys := fstest.MapFS{name: {Data: []byte(text)}}
		if project != "" {
			fsys["pyproject.toml"] = &fstest.MapFile{Data: []byte(project)}
		}
		l, err := Read(fsys, name, fixtureOptions)
		if err != nil {
			checkErrors(t, name, text, err)
			return
		}
		for _, target := range targets {
			s, err := l.Select(target)
			if err != nil {
				continue
			}
			for _, p := range s.Packages {
				checkSelected(t, p)
			}
		}
	})
}

// shorter is the first and the last kilobytes of a seed, at lines: the whole of
// some takes a fuzzer too long.
func shorter(text string) string {
	const most = 8 << 10
	if len(text) <= 2*most {
		return text
	}
	head, tail := text[:most], text[len(text)-most:]
	if i := strings.LastIndex(head, "\n[[package"); i > 0 {
		head = head[:i+1]
	}
	if i := strings.Index(tail, "\n[[package"); i > 0 {
		tail = tail[i:]
	}
	return head + tail
}

func checkErrors(t *testing.T, name, text string, err error) {
	t.Helper()
	var errs strict.Errors
	if !errors.As(err, &errs) {
		return
	}
	lines := strings.Split(text, "\n")
	for _, e := range errs {
		if e.File == name && e.Line > 0 && (e.Line > len(lines) || e.Col < 1 || e.Col > len(lines[e.Line-1])+1) {
			t.Errorf("not in the file: %v", e)
		}
	}
}

func checkSelected(t *testing.T, p Selected) {
	t.Helper()
	if len(p.Candidates) == 0 {
		t.Errorf("%s: nothing to install it from", p.Name)
	}
	for _, c := range p.Candidates {
		switch p.Source.Kind {
		case Git:
			if len(p.Source.Commit) < 40 {
				t.Errorf("%s: git at %q", p.Name, p.Source.Commit)
			}
			continue
		case Directory:
			continue
		case Registry:
			if p.Version == "" && c.Name == "" {
				t.Errorf("%s: not pinned", p.Name)
			}
		}
		if len(c.Hashes) == 0 {
			t.Errorf("%s: no hash", p.Name)
		}
	}
}
