package recipes

import (
	"maps"
	"slices"
	"strconv"

	"github.com/pybake/pybake/internal/pattern"
)

// Suite is how CPython's own test suite (python -m test, "regrtest") is run
// against the packages of a series, and what is known not to pass there. None of
// it changes a package. A series without resources has no suite that could gate it.
type Suite struct {
	Resources []string `toml:"resources"` // of regrtest's -u: "cpu", "decimal"
	Packages  []string `toml:"packages"`  // of the distro, which tests use beside what the packages depend on: "netbase"
	Files     []string `toml:"files"`     // of tests, which are run; all if it is not given
	SuiteKnown
	Distros map[string]SuiteKnown `toml:"distros"` // what is known on a distro beside, by codename
}

// SuiteKnown is what does not pass, each with its reason. A file of tests has the
// name that regrtest gives it, "test_zlib" or "test.test_asyncio.test_events"; a
// test that of unittest, "test.test_zlib.ChecksumTestCase.test_crc32start".
type SuiteKnown struct {
	Skip map[string]string `toml:"skip" json:"skip,omitempty"` // files that skip all of their tests: {"test_winreg": "needs Windows"}
	Fail map[string]string `toml:"fail" json:"fail,omitempty"` // files or tests that fail
}

// On is what is known on a distro: that of all distros, and its own.
func (s Suite) On(codename string) SuiteKnown {
	own := s.Distros[codename]
	return SuiteKnown{Skip: over(s.Skip, own.Skip), Fail: over(s.Fail, own.Fail)}
}

func over(below, above map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, below)
	maps.Copy(all, above)
	return all
}

var resourcePattern = pattern.New(`^[a-z]+$`)

// suite reports what is wrong with [suite].
func (p *problems) suite(s Suite) {
	p.each("suite.resources", s.Resources, resourcePattern, `a resource of python -m test, such as "cpu"`)
	p.each("suite.packages", s.Packages, packagePattern, "a package name")
	p.each("suite.files", s.Files, modulePattern, "the name of a module")
	p.sorted("suite.resources", s.Resources)
	p.modules("suite.skip", s.Skip)
	p.modules("suite.fail", s.Fail)
	for _, codename := range slices.Sorted(maps.Keys(s.Distros)) {
		key := "suite.distros." + strconv.Quote(codename)
		p.modules(key+".skip", s.Distros[codename].Skip)
		p.modules(key+".fail", s.Distros[codename].Fail)
	}
}
