package resolve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
)

// fake is an index in memory.
type fake struct {
	files    map[string][]index.File
	metadata map[string]string // by file name
	fails    map[string]error  // by project or file name

	mu    sync.Mutex
	asked []string // projects and files, as they were asked for
}

// newFake reads a universe. Each line is a file or, indented, what the wheel above
// needs:
//
//	foo 1.0 [FILE] [key=value …]
//	    bar>=2; python_version < "3.14"
//
// FILE is "any" for a wheel that fits everywhere, "sdist", or what follows
// name-version- in a wheel's file name. Keys: py (requires-python), up (day of
// upload), yanked (reason), hash=no, extra, meta (another "name-version" in the
// metadata), metapy.
func newFake(t testing.TB, universe string) *fake {
	f := &fake{files: map[string][]index.File{}, metadata: map[string]string{}, fails: map[string]error{}}
	last := ""
	for line := range strings.Lines(universe) {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#':
		case strings.TrimLeft(line, " \t") != line:
			if last == "" {
				t.Fatalf("universe: %q belongs to nothing", line)
			}
			f.metadata[last] += "Requires-Dist: " + text + "\n"
		default:
			last = f.add(t, strings.Fields(text))
		}
	}
	return f
}

func (f *fake) add(t testing.TB, words []string) string {
	name, version, kind := words[0], words[1], "any"
	words = words[2:]
	if len(words) > 0 && !strings.Contains(words[0], "=") {
		kind, words = words[0], words[1:]
	}
	dist := strings.ReplaceAll(name, "-", "_")
	file := index.File{Name: dist + "-" + version + "-" + kind + ".whl", Index: "corp"}
	switch kind {
	case "any":
		file.Name = dist + "-" + version + "-py3-none-any.whl"
	case "sdist":
		file.Name = dist + "-" + version + ".tar.gz"
	}
	sum := sha256.Sum256([]byte(file.Name))
	file.Hashes = map[string]string{"sha256": hex.EncodeToString(sum[:])}
	file.URL = "https://files.example.org/" + file.Name
	metadata := "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n"
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		value = strings.ReplaceAll(value, "_", " ")
		switch key {
		case "py":
			file.RequiresPython = value
		case "up":
			up, err := time.Parse(time.DateOnly, value)
			if err != nil {
				t.Fatalf("universe: %s: %v", file.Name, err)
			}
			file.Uploaded = up
		case "yanked":
			file.Yanked, file.YankedReason = true, value
		case "hash":
			file.Hashes = map[string]string{}
		case "extra":
			metadata += "Provides-Extra: " + value + "\n"
		case "meta":
			n, v, _ := strings.Cut(value, "-")
			metadata = "Metadata-Version: 2.1\nName: " + n + "\nVersion: " + v + "\n"
		case "metapy":
			metadata += "Requires-Python: " + value + "\n"
		case "broken":
			metadata = "nothing of use\n"
		default:
			t.Fatalf("universe: unknown key %s", key)
		}
	}
	f.files[name] = append(f.files[name], file)
	if kind != "sdist" {
		f.metadata[file.Name] = metadata
	}
	return file.Name
}

func (f *fake) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

func (f *fake) Project(_ context.Context, name string) ([]index.File, error) {
	f.note(name)
	if err := f.fails[name]; err != nil {
		return nil, err
	}
	files, ok := f.files[name]
	if !ok {
		return nil, &index.UnknownProjectError{Name: name, Indexes: []string{"corp"}}
	}
	return slices.Clone(files), nil
}

func (f *fake) MetadataOf(_ context.Context, file index.File) ([]byte, error) {
	f.note(file.Name)
	if err := f.fails[file.Name]; err != nil {
		return nil, err
	}
	text, ok := f.metadata[file.Name]
	if !ok {
		return nil, fmt.Errorf("no metadata of %s", file.Name)
	}
	return []byte(text + "\n"), nil
}

// trixie is a resolver for Python 3.13 with glibc 2.41.
func trixie(t testing.TB, ix Index) *Resolver {
	env, err := pep.EnvFor("3.13.5", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	return &Resolver{
		Index: ix, Env: env, For: "app 1.0's build-system",
		Target: pep.Target{Python: [2]int{3, 13}, Arch: "x86_64", Glibc: [2]int{2, 41}},
	}
}

// pins is a resolution in one line: "bar 2.0, foo 1.0".
func pins(r *Resolution) string {
	var out []string
	for _, p := range r.Pins {
		out = append(out, p.Name+" "+p.Version)
	}
	return strings.Join(out, ", ")
}
