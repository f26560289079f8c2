package lock

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// options of the fixtures whose exports hold an index line.
var fixtureOptions = Options{Allow: []string{"--index-url", "--extra-index-url"}}

// locks are the fixtures: locks that the real tools wrote (testdata/make.sh).
func locks(t testing.TB) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"*/*.lock", "*/Pipfile.lock", "*/pylock.toml", "*/requirements.txt", "*/dev.txt"} {
		found, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	if len(list) < 16 {
		t.Fatalf("only %d fixtures", len(list))
	}
	return list
}

func read(t testing.TB, file string) (*Lock, error) {
	t.Helper()
	return Read(os.DirFS(filepath.Dir(file)), filepath.Base(file), fixtureOptions)
}

// targets are what every fixture is selected for.
var targets = []Target{
	{Python: "3.9.18", Arch: "x86_64", Glibc: [2]int{2, 31}},
	{Python: "3.11.7", Arch: "x86_64", Glibc: [2]int{2, 36}},
	{Python: "3.13.5", Arch: "aarch64", Glibc: [2]int{2, 41}},
	{Python: "3.11.7", Arch: "x86_64", Glibc: [2]int{2, 36}, NoDefaultGroups: true, NoBinary: []string{":all:"}},
}

func (t Target) title() string {
	s := fmt.Sprintf("Python %s %s glibc %d.%d", t.Python, t.Arch, t.Glibc[0], t.Glibc[1])
	if len(t.Extras) > 0 {
		s += " extras " + strings.Join(t.Extras, ",")
	}
	if len(t.Groups) > 0 {
		s += " groups " + strings.Join(t.Groups, ",")
	}
	if t.NoDefaultGroups {
		s += ", no default groups"
	}
	if len(t.NoBinary) > 0 {
		s += ", no binary " + strings.Join(t.NoBinary, ",")
	}
	return s
}

// TestGolden holds what every fixture gives for every target, and with all its
// extras and groups, to the golden beside it.
func TestGolden(t *testing.T) {
	for _, file := range locks(t) {
		t.Run(strings.TrimPrefix(filepath.ToSlash(file), "testdata/"), func(t *testing.T) {
			l, err := read(t, file)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "%s: %d packages\nrequires Python %s\nindexes %v\nextras %v\ngroups %v, by default %v\n",
				l.Format, len(l.Packages), l.RequiresPython, l.Indexes, l.Extras, l.Groups, l.DefaultGroups)
			all := targets[1]
			all.Extras, all.Groups = l.Extras, l.Groups
			for _, target := range append(targets[:len(targets):len(targets)], all) {
				fmt.Fprintf(&b, "\n# %s\n", target.title())
				s, err := l.Select(target)
				if err != nil {
					fmt.Fprintf(&b, "error: %v\n", err)
					continue
				}
				writeSelection(&b, s)
			}
			compare(t, filepath.Join(filepath.Dir(file), strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))+".golden"), b.String())
		})
	}
}

func writeSelection(b *strings.Builder, s *Selection) {
	for _, p := range s.Packages {
		fmt.Fprintf(b, "%s %s%s\t%s", p.Name, p.Version, brackets(p.Extras), p.Pos)
		if p.Source.Kind != Registry {
			data, _ := json.Marshal(p.Source)
			fmt.Fprintf(b, " %s", data)
		}
		if len(p.Dependencies) > 0 {
			fmt.Fprintf(b, " needs %s", strings.Join(p.Dependencies, " "))
		}
		b.WriteByte('\n')
		for i, c := range p.Candidates {
			if i == 2 {
				fmt.Fprintf(b, "    and %d more\n", len(p.Candidates)-i)
				break
			}
			fmt.Fprintf(b, "    %s %s (%s) %d hashes %.15s\n", c.Origin, c.Name, c.Why, len(c.Hashes), strings.Join(c.Hashes, " "))
		}
	}
	for _, left := range s.Left {
		fmt.Fprintf(b, "left out: %s %s at %s: %s\n", left.Name, left.Version, left.Pos, left.Why)
	}
	for _, note := range s.Notes {
		fmt.Fprintf(b, "note: %s\n", note)
	}
}

func brackets(extras []string) string {
	if len(extras) == 0 {
		return ""
	}
	return "[" + strings.Join(extras, ",") + "]"
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs, see go test -update; got:\n%s", golden, got)
	}
}

// TestAddresses keeps the fixtures free of the hosts of real indexes. Those of
// sources that the metadata of a package names may stand.
func TestAddresses(t *testing.T) {
	for _, file := range locks(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(data), "https://")[1:] {
			host, _, _ := strings.Cut(part, "/")
			if !strings.HasSuffix(host, ".example.org") && host != "github.com" {
				t.Errorf("%s: address of %.40q", file, host)
			}
		}
	}
}
