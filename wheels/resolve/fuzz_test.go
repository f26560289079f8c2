package resolve

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
)

// FuzzResolve gives texts to what reads requirements, files of an index and
// metadata. A result is pinned, hashed and fits.
func FuzzResolve(f *testing.F) {
	f.Add("a>=1", "a-1.0-py3-none-any.whl", ">=3.9", "Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Dist: b[x]>=1; extra == 'y'\nRequires-Dist: b\n")
	f.Add("a[y]==1.0", "a-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", "", "Metadata-Version: 2.1\nName: A\nVersion: 1\nProvides-Extra: y\nRequires-Dist: b[x]>=1; extra == 'y'\n")
	f.Add("a @ https://example.org/a-1.0-py3-none-any.whl#sha256="+strings.Repeat("0", 64), "a-1.0.tar.gz", "<3", "Metadata-Version: 2.1\nName: a\nVersion: 1.0\n")
	f.Add("a===1.0 ; python_version>'3'", "a-1.0rc1-1-py3-none-any.whl", "*", "")
	f.Fuzz(func(t *testing.T, requires, name, python, metadata string) {
		ix := newFake(t, "b 1.0 extra=x\nb 2.0\n\ta")
		hashes := map[string]string{"sha256": strings.Repeat("0", 64)}
		file := index.File{Name: name, URL: "https://example.org/" + name, RequiresPython: python, Hashes: hashes, Index: "corp"}
		ix.files["a"] = []index.File{file, file}
		ix.metadata[name] = metadata
		r := trixie(t, ix)
		got, err := r.Resolve(t.Context(), []string{requires})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		ranks := r.Target.Ranks()
		for _, p := range got.Pins {
			w, err := pep.ParseWheelName(p.File)
			if err != nil {
				t.Fatal(err)
			}
			if _, fits := w.Rank(ranks); !fits || w.Name != p.Name || len(p.SHA256) != 64 {
				t.Errorf("pin %+v", p)
			}
		}
	})
}

// FuzzWorld holds answers against all answers there are.
func FuzzWorld(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, seed, seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, a, b uint64, yanks bool) {
		rnd := rand.New(rand.NewPCG(a, b))
		w := newWorld(t, rnd, yanks)
		if checkWorld(t, w, rnd); t.Failed() {
			t.Logf("requires %q, constraints %v of\n%s", w.roots, w.constraints, w.text)
		}
	})
}
