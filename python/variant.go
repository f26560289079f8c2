package python

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/recipes"
)

// variant is another way to compile a release. Its packages have names and a
// prefix of their own, stand beside the ordinary ones and pass the same checks.
type variant struct {
	suffix    string   // of the names of packages and of the prefix: "t" of pybake-python3.13t and /opt/python/3.13t
	abi       string   // sys.abiflags, as in the names of libpython and of extension modules: "t"
	lib       string   // what the directory of the standard library has of it: "t" of lib/python3.13t
	configure []string // arguments of configure
	since     string   // the first series that has it, "3.13"; or empty
	plain     bool     // neither PGO nor LTO
	about     string
}

var variants = map[string]variant{
	"":             {},
	"debug":        {suffix: "-dbg", abi: "d", configure: []string{"--with-pydebug"}, plain: true, about: ", with assertions (--with-pydebug)"},
	"freethreaded": {suffix: "t", abi: "t", lib: "t", configure: []string{"--disable-gil"}, since: "3.13", about: ", without the GIL (PEP 703)"},
}

// Variants are the names that Request.Variant takes, beside none.
func Variants() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(variants)), func(name string) bool { return name == "" })
}

// Plain is whether the request is for a build with neither PGO nor LTO.
func (r Request) Plain() bool { return r.Fast || variants[r.Variant].plain }

// VariantError refuses a variant.
type VariantError struct{ text string }

func (e *VariantError) Error() string { return e.text }

// findVariant is the variant that a request asks for.
func findVariant(req Request, series string) (variant, error) {
	v, ok := variants[req.Variant]
	switch {
	case !ok:
		return v, &VariantError{fmt.Sprintf("variant %q: want %s", req.Variant, strings.Join(Variants(), " or "))}
	case v.since != "" && recipes.Compare(series+".0", v.since+".0") < 0:
		return v, &VariantError{fmt.Sprintf("python %s: variant %s: there is none before %s", req.Version, req.Variant, v.since)}
	case v.plain && req.Fast:
		return v, &VariantError{fmt.Sprintf("python %s: variant %s: it has neither PGO nor LTO that could be left out", req.Version, req.Variant)}
	}
	return v, nil
}
