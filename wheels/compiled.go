package wheels

import (
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// compiled is why what is built of a package must have a compiled extension: the recipe
// says so, or the lock's own wheels do. "" if it need not have one. Many packages leave
// out what they could not compile without a word.
func (p *Plan) compiled(pkg *Package) string {
	says := p.recipe(pkg.Name, pkg.Version).Extension
	switch {
	case says == nil && pkg.native != "":
		return pkg.native + " has one (if it need not, its recipe says extension = false)"
	case says != nil && *says:
		return "the recipe says that it has one"
	}
	return ""
}

// native is a wheel among the files of a release that tells of a compiled extension:
// one for Linux that is bound to this Python's ABI, or where no wheel is for any
// platform, to that of another. "" if there is none.
func (p *Plan) native(files []string) string {
	var own, other string
	pure := false
	for _, file := range files {
		w, err := pep.ParseWheelName(file)
		if err != nil {
			continue
		}
		abis, platforms := w.Tag[1], w.Tag[2]
		pure = pure || slices.Contains(platforms, "any")
		switch {
		case slices.Contains(abis, "none") || !slices.ContainsFunc(platforms, func(t string) bool { return strings.Contains(t, "linux") }):
		case slices.Contains(abis, p.abi()) || slices.Contains(abis, "abi3"):
			own = file
		default:
			other = file
		}
	}
	if own == "" && !pure {
		return other
	}
	return own
}
