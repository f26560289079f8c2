package python

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/strict"
)

// layout is packages.toml for one plan: the packages in the order in which
// their patterns are tried.
type layout struct {
	Overrides []override      `toml:"overrides"` // of every package
	Packages  []packageRecipe `toml:"package"`
}

// packageRecipe is one binary package before anything is built.
type packageRecipe struct {
	Name        string            `toml:"name"`
	Section     string            `toml:"section"`
	Synopsis    string            `toml:"synopsis"`
	Description string            `toml:"description"`
	Depends     []string          `toml:"depends"`
	Recommends  []string          `toml:"recommends"`
	Suggests    []string          `toml:"suggests"`
	Fields      map[string]string `toml:"fields"`
	DocOf       string            `toml:"doc-of"` // the package whose copyright and changelog are this one's too

	Files    []string `toml:"files"`    // patterns below the prefix
	Absolute []string `toml:"absolute"` // patterns from the root
	// TestExtensions adds the extension modules that only the tests use.
	TestExtensions bool `toml:"test-extensions"`

	Shlibs    bool       `toml:"shlibs"` // dpkg-shlibdeps adds to Depends
	Overrides []override `toml:"overrides"`

	patterns []*regexp.Regexp
}

// override silences one lintian tag, for a reason.
type override struct {
	Tag    string `toml:"tag"`
	Reason string `toml:"reason"`
}

// newLayout reads packages.toml for a plan.
func newLayout(p *Plan) (*layout, error) {
	text := p.expand(string(packagesTOML))
	var l layout
	if _, err := strict.Decode("packages.toml", []byte(text), &l); err != nil {
		return nil, fmt.Errorf("layout of the packages: %w", err)
	}
	for i := range l.Packages {
		r := &l.Packages[i]
		for _, f := range r.Absolute {
			r.patterns = append(r.patterns, compile(f))
		}
		for _, f := range r.Files {
			r.patterns = append(r.patterns, compile(path.Join(p.Prefix(), f)))
		}
		if r.TestExtensions {
			for _, name := range p.Recipe.TestExtensions {
				r.patterns = append(r.patterns, compile(path.Join(p.Prefix(), p.libDir(), "lib-dynload", name+".*")))
			}
		}
	}
	return &l, nil
}

// expand fills in what packages.toml leaves open.
func (p *Plan) expand(text string) string {
	return strings.NewReplacer(
		"{lib}", p.libDir(),
		"{series}", p.Series,
		"{label}", p.label(),
		"{abi}", p.abi(),
		"{variant}", p.variant.about,
		"{python}", p.Version,
		"{version}", p.PackageVersion(),
	).Replace(text)
}

// compile turns a pattern into a regular expression: * and ? stay within a
// directory, ** crosses them.
func compile(pattern string) *regexp.Regexp {
	var re strings.Builder
	re.WriteString("^")
	for i := 0; i < len(pattern); i++ {
		switch {
		case strings.HasPrefix(pattern[i:], "**/"):
			re.WriteString("(?:.*/)?")
			i += 2
		case strings.HasPrefix(pattern[i:], "**"):
			re.WriteString(".*")
			i++
		case pattern[i] == '*':
			re.WriteString("[^/]*")
		case pattern[i] == '?':
			re.WriteString("[^/]")
		default:
			re.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	re.WriteString("$")
	return regexp.MustCompile(re.String())
}

// split assigns every path (absolute, of files and links) to one package.
func (l *layout) split(paths []string) map[string][]string {
	out := map[string][]string{}
	for _, p := range paths {
		i := slices.IndexFunc(l.Packages, func(r packageRecipe) bool { return r.owns(p) })
		if i >= 0 {
			out[l.Packages[i].Name] = append(out[l.Packages[i].Name], p)
		}
	}
	return out
}

func (r *packageRecipe) owns(p string) bool {
	return slices.ContainsFunc(r.patterns, func(re *regexp.Regexp) bool { return re.MatchString(p) })
}
