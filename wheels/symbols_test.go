package wheels

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/build"
)

// TestSymbols: a wheel with symbols is another artifact, unless nothing compiles it; and
// one that is found brings them along.
func TestSymbols(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"app/pyproject.toml": flit})
	p, err := NewAppPlan(appRequest(t, root, "app"))
	if err != nil {
		t.Fatal(err)
	}
	src := p.sourceOf(p.Packages[0])
	keys := func() (own, shared artifacts.Key) {
		own, err := artifacts.NewKey(KindWheel, src.inputs(p, &project.Lock{}, project.SetPin{}))
		if err != nil {
			t.Fatal(err)
		}
		if shared, err = artifacts.NewKey(KindWheel, src.sharedInputs()); err != nil {
			t.Fatal(err)
		}
		return own, shared
	}
	own, shared := keys()
	p.req.Symbols = true
	if with, same := keys(); with == own || same != shared {
		t.Errorf("the keys with symbols %s, %s, without %s, %s", with, same, own, shared)
	}

	const symbols = build.SymbolsDir + "/.build-id/ab/cd.debug"
	wheel := shopWheel(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"web_shop-1.0-py3-none-any.whl": string(wheel), symbols: "text"})
	k := &task{source: src, b: &Builder{}, p: p}
	w, err := k.fromStore(t.Context(), &artifacts.Artifact{Dir: dir, Manifest: artifacts.Manifest{Files: []artifacts.File{
		{Path: symbols}, {Path: "web_shop-1.0-py3-none-any.whl", SHA256: fmt.Sprintf("%x", sha256.Sum256(wheel))},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.symbols, []string{symbols}) || w.path != filepath.Join(dir, w.File) {
		t.Errorf("%+v", w)
	}
}
