package recipes

import (
	"fmt"
	"slices"
	"time"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Series is a series of CPython: all releases of one minor version.
type Series struct {
	Series   string `toml:"series" json:"series"` // "3.13"; the name of the file
	Released string `toml:"released" json:"-"`    // the day of X.Y.0: "2024-10-07"
	Bugfix   string `toml:"bugfix" json:"-"`      // the day from which there are security fixes only: "2026-10-01"
	EOL      string `toml:"eol" json:"-"`         // the last day of security fixes: "2029-10-31"
	// Exercised are the distros and architectures on which packages of the series
	// were built and passed all checks: "trixie-amd64".
	Exercised []string `toml:"exercised" json:"-"`

	Configure []string `toml:"configure" json:"configure"` // arguments of configure, beside prefix and variant
	CFlags    []string `toml:"cflags" json:"cflags"`       // beside those of the distro
	Profile   []string `toml:"profile" json:"profile"`     // arguments of the instrumented interpreter: the tests that PGO trains on
	Builder   []string `toml:"builder" json:"builder"`     // packages of the builder beside the distro's

	// The names of the extension modules of a complete build on Linux, sorted;
	// one that is missing or cannot be imported fails the build. TestExtensions
	// are those that only the test suite needs.
	Extensions     []string `toml:"extensions" json:"extensions"`
	TestExtensions []string `toml:"test-extensions" json:"testExtensions"`

	// Builtin are those of Extensions that are linked into the interpreter, sorted.
	// What needs a library of its own stays apart, and what few import.
	Builtin []string `toml:"builtin" json:"builtin"`

	// Modules are the other top-level modules and packages of a complete
	// installation on Linux, tests among them, sorted: those in Python, and those
	// that are part of the interpreter. With the extensions they are all there is,
	// but for _sysconfigdata, whose name ends in the architecture's. Another one, or
	// one that is missing, fails the build.
	Modules []string `toml:"modules" json:"modules"`

	// Libraries are the sonames of what the extensions of the series may need,
	// beside the distro's: "libnsl.so.2".
	Libraries []string `toml:"libraries" json:"libraries,omitempty"`

	// ImportSkip are the modules of the standard library, with all that is
	// below them, that cannot or should not be imported by a check, and why:
	// {"antigravity": "opens a browser"}.
	ImportSkip map[string]string `toml:"import-skip" json:"importSkip,omitempty"`

	// Perennial is the first release whose ensurepip brings a pip that takes
	// manylinux_X_Y tags (PEP 600, pip 20.3): "3.9.5". Empty: all do.
	Perennial string `toml:"perennial-manylinux" json:"-"`

	Minutes Minutes `toml:"minutes" json:"-"`

	Suite Suite `toml:"suite" json:"-"`

	// Unsupported are the distros on which the series is known not to build or
	// not to work, by codename, and why. An empty reason lets a project try.
	Unsupported map[string]string `toml:"unsupported" json:"-"`
}

// Minutes are typical build times on 2 cores, for the progress display until
// there is a build to go by.
type Minutes struct {
	Full  int `toml:"full"`  // PGO and LTO, training included
	Train int `toml:"train"` // of Full, the training
	Fast  int `toml:"fast"`  // neither PGO nor LTO
}

var (
	seriesPattern = pattern.New(`^3\.(0|[1-9][0-9]?)$`)
	optionPattern = pattern.New(`^--?[A-Za-z0-9][A-Za-z0-9+,.:/=_-]*$`)
	modulePattern = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)
)

// Status is what upstream gives the series on a day, by its schedule:
// "prerelease", "bugfix", "security" or, after EOL, "eol".
func (s Series) Status(day time.Time) string {
	switch on := day.UTC().Format(time.DateOnly); {
	case on < s.Released:
		return "prerelease"
	case on < s.Bugfix:
		return "bugfix"
	case on <= s.EOL:
		return "security"
	}
	return "eol"
}

// problems are what is wrong with the values, beyond their types.
func (s Series) problems(name string, doc *strict.Doc) strict.Errors {
	p := problems{doc: doc}
	p.match("series", s.Series, seriesPattern, `such as "3.13"`)
	if s.Series != name {
		p.add("series", "%q: want %q, as the file is named", s.Series, name)
	}
	p.date("released", s.Released)
	p.date("bugfix", s.Bugfix)
	p.date("eol", s.EOL)
	p.each("configure", s.Configure, optionPattern, `an option such as "--enable-ipv6"`)
	p.each("cflags", s.CFlags, optionPattern, `an option such as "-g"`)
	p.each("builder", s.Builder, packagePattern, "a package name")
	if len(s.Profile) == 0 {
		p.add("profile", "missing or empty")
	}
	p.list("extensions", s.Extensions, modulePattern, "the name of a module")
	p.each("test-extensions", s.TestExtensions, modulePattern, "the name of a module")
	p.each("builtin", s.Builtin, modulePattern, "the name of a module")
	p.sorted("extensions", s.Extensions)
	p.sorted("test-extensions", s.TestExtensions)
	p.sorted("builtin", s.Builtin)
	p.each("modules", s.Modules, modulePattern, "the name of a module")
	p.sorted("modules", s.Modules)
	p.each("libraries", s.Libraries, sonamePattern, `a soname such as "libz.so.1"`)
	for key, names := range map[string][]string{"test-extensions": s.TestExtensions, "modules": s.Modules} {
		for i, name := range names {
			if slices.Contains(s.Extensions, name) {
				p.add(element(key, i), "%q: among extensions too", name)
			}
		}
	}
	p.modules("import-skip", s.ImportSkip)
	p.suite(s.Suite)
	if s.Minutes.Full <= 0 || s.Minutes.Train <= 0 || s.Minutes.Fast <= 0 {
		p.add("minutes", "want full, train and fast, each at least 1")
	}
	return p.errs
}

func (p *problems) sorted(key string, values []string) {
	for i := 1; i < len(values); i++ {
		if values[i] < values[i-1] {
			p.add(element(key, i), "%q: not in order", values[i])
		}
	}
}

func element(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }
