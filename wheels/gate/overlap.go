package gate

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// strays are top-level names that wheels carry by mistake: nobody can own them,
// and nobody imports them.
var strays = []string{
	"benchmark", "benchmarks", "conftest", "demo", "demos", "doc", "docs", "example", "examples", "samples", "scripts",
	"setup", "test", "testing", "tests", "tools",
}

// overlaps says which files of wheels are installed over different files of
// other wheels. read gives a file that a namespace may be declared in; notes
// are about what harms nobody.
func overlaps(parts []*part, site string, read func(p *part, name string) ([]byte, error)) (problems, notes []string, err error) {
	owners := map[string][]*part{}
	for _, p := range parts {
		for at := range p.files {
			owners[at] = append(owners[at], p)
		}
		for _, s := range p.Scripts {
			at := "bin/" + s.Name
			if _, ok := p.files[at]; !ok {
				owners[at] = append(owners[at], p)
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(owners)) {
		for i, second := range owners[at] {
			first := owners[at][0]
			if i == 0 || same(first, second, at) {
				continue
			}
			line := fmt.Sprintf("%s and %s: different files in %s", first.Label, second.Label, at)
			harmless := stray(at, site)
			if !harmless && path.Base(at) == "__init__.py" {
				if harmless, err = declareNamespace(at, read, first, second); err != nil {
					return nil, nil, err
				}
			}
			if harmless {
				notes = append(notes, line)
			} else {
				problems = append(problems, line)
			}
		}
	}
	return problems, notes, nil
}

// same is whether two wheels install the same at one place.
func same(a, b *part, at string) bool {
	inA, okA := a.files[at]
	inB, okB := b.files[at]
	if okA != okB {
		return false
	}
	if okA {
		return inA.hash == inB.hash
	}
	target := func(p *part) string {
		i := slices.IndexFunc(p.Scripts, func(s script) bool { return "bin/"+s.Name == at })
		return p.Scripts[i].Module + ":" + p.Scripts[i].Attr
	}
	return target(a) == target(b)
}

// stray is whether a file is in a place that nobody owns: in a top-level
// package or module with a name of strays, or a text that lies beside packages.
func stray(at, site string) bool {
	rest, ok := strings.CutPrefix(at, site+"/")
	if !ok {
		return strings.HasPrefix(at, "share/") || !strings.Contains(at, "/")
	}
	top, _, deeper := strings.Cut(rest, "/")
	stem, ext, _ := strings.Cut(top, ".")
	if slices.Contains(strays, stem) {
		return true
	}
	return !deeper && !slices.Contains([]string{"py", "pth"}, ext) && !strings.HasSuffix(ext, "so")
}

// declareNamespace is whether the __init__.py of both wheels declare their
// package to be a namespace, as was done before PEP 420; then either will do.
func declareNamespace(at string, read func(p *part, name string) ([]byte, error), both ...*part) (bool, error) {
	for _, p := range both {
		text, err := read(p, p.files[at].name)
		if err != nil {
			return false, err
		}
		if len(text) > 4096 || !bytes.Contains(text, []byte("extend_path")) && !bytes.Contains(text, []byte("declare_namespace")) {
			return false, nil
		}
	}
	return true, nil
}
