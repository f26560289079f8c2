package wheels

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/lock"
)

// Kind is that of a wheelhouse in the store, KindWheel that of a wheel.
const (
	Kind      = "wheels"
	KindWheel = "wheel"
)

// Request is what a user asks for.
type Request struct {
	Lock    *lock.Lock
	Name    string         // of the lock in that of the house: "requirements.lock"
	Root    string         // directory of this machine that paths in the lock are below
	Python  string         // "3.13.5"
	Distro  recipes.Distro // of the target
	Arch    string         // Debian's name: "amd64"
	Select  lock.Target    // extras, groups, binaries; the rest is filled in from the above
	Recipes *recipes.Set

	ExcludeNewer time.Time // for build requirements; zero: the lock's own age
	Strict       bool      // ExcludeNewer is the user's: an index that gives no times is an error
	Constraints  []string  // on build requirements: "setuptools<81"
	Symbols      bool      // what is built has debug information, which is kept beside it
}

// Package is a package of the lock as the target gets it.
type Package struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`          // "" for a source tree without one
	Origin  string   `json:"origin"`           // "wheel": taken as it is; "sdist": built
	File    string   `json:"file,omitempty"`   // "attrs-23.2.0-py3-none-any.whl"
	Hashes  []string `json:"hashes,omitempty"` // "sha256:…", of the file
	Size    int64    `json:"size,omitempty"`   // bytes, where known
	Source  string   `json:"source"`           // "registry", "url", "git", "archive" or "directory"
	Why     string   `json:"why"`              // the file was chosen
	Yanked  string   `json:"yanked,omitempty"` // the index's reason
	Extras  []string `json:"extras,omitempty"`

	selected   lock.Selected
	candidates []lock.Candidate // the best first
	unnamed    bool             // Name stands in for one that only the build tells
	native     string           // a wheel of the release that has a compiled extension
}

// Left is a package of the lock that is not installed.
type Left struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Why     string `json:"why"`
}

// Plan is what a target needs of a lock. It prints as JSON.
type Plan struct {
	Name     string     `json:"name"` // of the house: "wheels requirements.lock 3.13.5 trixie amd64"
	Lock     string     `json:"lock"`
	Format   string     `json:"format"`
	Python   string     `json:"python"`
	Distro   string     `json:"distro"`
	Arch     string     `json:"arch"`
	Packages []*Package `json:"packages"`
	Left     []Left     `json:"left,omitempty"`
	Notes    []string   `json:"notes,omitempty"`

	req    Request
	target pep.Target
	ranks  map[pep.Tag]int
	env    pep.Env
	stamp  stamp // of an app
	again  bool  // it is going to be built again soon, with other contents
}

// NewPlan selects from a lock what the target needs. Packages that the lock knows
// by hash only have neither origin nor file yet. Problems of the lock are
// strict.Errors.
func NewPlan(req Request) (*Plan, error) {
	p := &Plan{
		Name: strings.Join([]string{Kind, houseName(req), req.Python, req.Distro.Codename, req.Arch}, " "),
		Lock: req.Lock.File, Format: req.Lock.Format, Python: req.Python, Distro: req.Distro.Codename, Arch: req.Arch,
	}
	if err := p.aim(req); err != nil {
		return nil, err
	}
	if p.req.Select.LegacyTags {
		p.Notes = append(p.Notes, fmt.Sprintf("the pip of Python %s takes no wheels tagged manylinux_X_Y alone (from %s on it does): they are built", req.Python, p.perennial()))
	}
	selection, err := req.Lock.Select(p.req.Select)
	if err != nil {
		return nil, err
	}
	if len(selection.Packages) == 0 {
		return nil, fmt.Errorf("%s: no package of it is for Python %s on %s with what was asked for", req.Lock.File, req.Python, req.Distro.Codename)
	}
	for _, s := range selection.Packages {
		pkg := &Package{
			Name: s.Name, Version: s.Version, Extras: s.Extras, Source: string(s.Source.Kind),
			selected: s, candidates: s.Candidates, native: p.native(s.Wheels),
		}
		pkg.choose(s.Candidates[0])
		p.Packages = append(p.Packages, pkg)
	}
	for _, l := range selection.Left {
		p.Left = append(p.Left, Left{l.Name, l.Version, l.Why})
	}
	p.Notes = slices.Concat(p.Notes, req.Lock.Notes, selection.Notes)
	return p, nil
}

// aim works out what the target is, for the plan and for its lock.
func (p *Plan) aim(req Request) (err error) {
	t := req.Select
	t.Python, t.Arch = req.Python, distro.Target{Distro: req.Distro, Arch: req.Arch}.Machine()
	if t.Glibc, err = twoNumbers(req.Distro.Glibc); err != nil {
		return fmt.Errorf("distro %s: glibc: %w", req.Distro.Codename, err)
	}
	if p.env, err = pep.EnvFor(t.Python, t.Arch); err != nil {
		return err
	}
	series, err := twoNumbers(p.env.PythonVersion)
	if err != nil {
		return err
	}
	p.target = pep.Target{Python: series, Arch: t.Arch, Glibc: t.Glibc}
	p.ranks = p.target.Ranks()
	p.req = req
	first := p.perennial()
	t.LegacyTags = first != "" && recipes.Compare(req.Python, first) < 0
	p.req.Select = t
	return nil
}

// perennial is the first release of the series whose pip knows manylinux_X_Y; "" for
// all of them.
func (p *Plan) perennial() string {
	known, err := p.req.Recipes.Series(p.series())
	if err != nil {
		return ""
	}
	return known.Perennial
}

// houseName is the lock's name, with what was asked of it beside the default:
// "locks~uv.lock~~postgres+docs-dev", of what may stand in a name of the store.
func houseName(req Request) string {
	name := strings.ReplaceAll(req.Name, "/", "~")
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+~-", r) {
			return r
		}
		return '_'
	}, name)
	if plain = strings.TrimLeft(plain, ".+~-"); plain != name { // two names shall stay two
		plain = "lock-" + plain + "-" + strings.TrimPrefix(hashJSON(req.Name), "sha256:")[:8]
	}
	name = plain
	s := req.Select
	for _, x := range normalised(s.Extras) {
		name += "~~" + x
	}
	for _, g := range normalised(s.Groups) {
		name += "+" + g
	}
	if s.NoDefaultGroups {
		name += "-default"
	}
	for _, g := range normalised(s.NoGroups) {
		name += "-" + g
	}
	return name
}

func normalised(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, pep.NormalizeName(n))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// choose settles which file the package comes from.
func (p *Package) choose(c lock.Candidate) {
	p.Origin, p.File, p.Hashes, p.Size, p.Why = c.Origin, c.Name, c.Hashes, c.Size, c.Why
	if p.File == "" && c.Path != "" {
		p.File = c.Path
	}
}

// series is "3.13".
func (p *Plan) series() string { return p.env.PythonVersion }

// abi is "cp313".
func (p *Plan) abi() string { return "cp" + strings.ReplaceAll(p.series(), ".", "") }

func twoNumbers(s string) (n [2]int, err error) {
	major, minor, ok := strings.Cut(s, ".")
	if !ok {
		return n, fmt.Errorf("%q: want two numbers with a dot between them", s)
	}
	if n[0], err = strconv.Atoi(major); err != nil {
		return n, err
	}
	n[1], err = strconv.Atoi(minor)
	return n, err
}
