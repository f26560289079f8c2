package wheels

import (
	"testing"
	"testing/fstest"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/recipes"
)

func TestNative(t *testing.T) {
	p := &Plan{env: pep.Env{PythonVersion: "3.13"}}
	const (
		own   = "a-1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
		arm   = "a-1-cp313-cp313-musllinux_1_2_aarch64.whl"
		older = "a-1-cp312-cp312-manylinux_2_17_x86_64.whl"
		abi3  = "a-1-cp37-abi3-manylinux_2_17_x86_64.whl"
		pure  = "a-1-py3-none-any.whl"
	)
	for _, c := range []struct {
		files []string
		want  string
	}{
		{nil, ""},
		{[]string{pure}, ""},
		{[]string{"a-1.tar.gz", own, pure}, own},
		{[]string{arm, pure}, arm},
		{[]string{abi3, pure}, abi3},
		{[]string{older}, older},
		{[]string{older, pure}, ""}, // compiled for that one only
		{[]string{"a-1-cp313-cp313-win_amd64.whl", "a-1-cp313-cp313-macosx_11_0_arm64.whl"}, ""},
		{[]string{"a-1-py3-none-manylinux2014_x86_64.whl"}, ""}, // a program, or files of the platform
		{[]string{"what is this.whl"}, ""},
	} {
		if got := p.native(c.files); got != c.want {
			t.Errorf("%q: %q, want %q", c.files, got, c.want)
		}
	}
}

// TestCompiled asks the recipe first.
func TestCompiled(t *testing.T) {
	const has = "a-1-cp313-cp313-manylinux_2_17_x86_64.whl"
	for _, c := range []struct{ recipe, native, want string }{
		{"", "", ""},
		{"", has, has + " has one (if it need not, its recipe says extension = false)"},
		{"extension = true", "", "the recipe says that it has one"},
		{"extension = true", has, "the recipe says that it has one"},
		{"extension = false", has, ""},
	} {
		set, err := recipes.Load(fstest.MapFS{"wheels/a.toml": {Data: []byte(c.recipe)}})
		if err != nil {
			t.Fatal(err)
		}
		p := &Plan{Distro: "trixie", req: Request{Recipes: set}}
		if got := p.compiled(&Package{Name: "a", Version: "1", native: c.native}); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.recipe, c.native, got, c.want)
		}
	}
}
