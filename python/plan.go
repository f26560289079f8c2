package python

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// Kind is the kind of the artifacts that hold the packages of one CPython.
const Kind = "python"

// Request is what a user asks for.
type Request struct {
	Version string // "3.13.5", exact
	Distro  string // "trixie"
	Arch    string // Debian's name: "amd64"
	Release int    // the 1 of 3.13.5-1+deb13
	Fast    bool   // neither PGO nor LTO; the version says ~fast and sorts below the real one
	Variant string // "debug" or "freethreaded"; empty for the ordinary one
	SHA256  string // of the .tar.xz or .tgz of a version that no table knows; or empty
}

// Plan is everything that decides what comes out: a value, computed from the
// request, the recipes and the pins, with no look at network, engine or clock.
// It prints as JSON.
type Plan struct {
	Request Request           `json:"request"`
	Key     artifacts.Key     `json:"key"`
	Name    string            `json:"name"`    // "python 3.13.5 trixie amd64"
	Version string            `json:"version"` // "3.13.5"
	Series  string            `json:"series"`  // "3.13"
	Sources []fetch.File      `json:"sources"` // any of them will do
	Recipe  recipes.Series    `json:"recipe"`
	Distro  recipes.Distro    `json:"distro"`
	Inputs  []artifacts.Input `json:"inputs"`

	release recipes.Release
	base    project.BasePin
	builder project.SetPin
	profile project.ProfilePin
	variant variant
	shipped recipes.Profile // of the recipes, for the series on the distro; empty if they have none
}

// UnpinnedError says what has to be resolved before there can be a plan.
type UnpinnedError struct {
	Plan Plan     // as far as it goes; without a key
	What []string // of "base", "builder", "profile", in that order
}

func (e *UnpinnedError) Error() string {
	return fmt.Sprintf("%s: not pinned yet: %s", e.Plan.Name, strings.Join(e.What, ", "))
}

// NewPlan makes the plan of a request. Errors about what was asked for are
// those of recipes; a pin that is missing is an *UnpinnedError.
func NewPlan(req Request, set *recipes.Set, lock *project.Lock) (*Plan, error) {
	p := &Plan{Request: req, Version: req.Version}
	var err error
	if p.release, err = findRelease(req, set); err != nil {
		return nil, err
	}
	p.Series = p.release.Series
	if p.variant, err = findVariant(req, p.Series); err != nil {
		return nil, err
	}
	if p.Distro, err = set.Distro(req.Distro); err != nil {
		return nil, err
	}
	if p.Recipe, err = set.Series(p.Series); err != nil {
		return nil, err
	}
	if err := set.Supported(p.Series, req.Distro); err != nil {
		return nil, err
	}
	p.Name = strings.Join([]string{Kind, p.Version, req.Distro, req.Arch}, " ")
	if req.Release != 1 {
		p.Name += " release " + strconv.Itoa(req.Release)
	}
	if req.Variant != "" {
		p.Name += " " + req.Variant
	}
	if req.Fast {
		p.Name += " fast"
	}
	if p.release.XZ != "" {
		p.Sources = append(p.Sources, fetch.File{Name: "Python-" + p.Version + ".tar.xz", SHA256: p.release.XZ})
	}
	if p.release.TGZ != "" {
		p.Sources = append(p.Sources, fetch.File{Name: "Python-" + p.Version + ".tgz", SHA256: p.release.TGZ})
	}
	p.shipped, _ = set.Profile(p.Series, req.Distro, req.Arch)
	if missing := p.pins(lock); missing != nil {
		return nil, &UnpinnedError{Plan: *p, What: missing}
	}
	if err := p.computeKey(); err != nil {
		return nil, err
	}
	return p, nil
}

// findRelease looks the version up, or takes the hash that the user gives.
func findRelease(req Request, set *recipes.Set) (recipes.Release, error) {
	known, err := set.Release(req.Version)
	if req.SHA256 == "" {
		return known, err
	}
	if err == nil {
		if known.XZ != req.SHA256 && known.TGZ != req.SHA256 {
			return known, fmt.Errorf("python %s: sha256 %s is neither that of the .tar.xz, %s, nor of the .tgz, %s",
				req.Version, req.SHA256, known.XZ, known.TGZ)
		}
		return known, nil
	}
	// Which of the two it is shows when a place answers.
	return recipes.NewRelease(req.Version, req.SHA256, req.SHA256)
}

// pins takes what is pinned, and says what is not.
func (p *Plan) pins(lock *project.Lock) (missing []string) {
	t := p.Target()
	var ok bool
	if p.base, ok = lock.Base(t.Distro.Codename, t.Arch); !ok {
		missing = append(missing, "base")
	}
	p.builder, ok = lock.Builder(t.Distro.Codename, t.Arch, p.owner())
	if !ok || !slices.Equal(p.builder.Request, p.builderRequest()) {
		p.builder = project.SetPin{}
		return append(missing, "builder")
	}
	if p.plain() {
		return missing
	}
	if p.profile, ok = lock.Profile(p.profileConditions()); !ok {
		missing = append(missing, "profile")
	}
	return missing
}

// owner is in whose name the toolchain is pinned, which variants share.
func (p *Plan) owner() string { return Kind + " " + p.Series }

// runtimeOwner is in whose name that is pinned which is installed beside the packages.
func (p *Plan) runtimeOwner() string { return Kind + " " + p.label() }

func (p *Plan) builderRequest() []string {
	request := slices.Concat(p.Distro.Builder.Packages, p.Recipe.Builder)
	slices.Sort(request)
	return slices.Compact(request)
}

var compilerPackage = pattern.New(`^gcc-[0-9]+$`)

// profileConditions are what a profile was learned under; it fits every patch
// release of the series.
func (p *Plan) profileConditions() project.ProfilePin {
	pin := project.ProfilePin{
		Series: p.Series, Distro: p.Distro.Codename, Arch: p.Request.Arch,
		Variant:  "pgo " + hashJSON(p.configure(), p.Recipe.CFlags, p.Recipe.Builtin)[len("sha256:"):][:12],
		Workload: strings.Join(p.Recipe.Profile, " ") + "; workload.py " + hashOf(workloadScript)[len("sha256:"):][:12],
	}
	for _, pkg := range p.builder.Packages {
		if compilerPackage.MatchString(pkg.Name) {
			pin.Compiler = pkg.Name + " " + pkg.Version
		}
	}
	return pin
}

// Target is the distro on the architecture.
func (p *Plan) Target() distro.Target {
	return distro.Target{Distro: p.Distro, Arch: p.Request.Arch}
}

// Prefix is where it is installed: "/opt/python/3.13".
func (p *Plan) Prefix() string { return "/opt/python/" + p.label() }

// label is the series as the names of packages have it: "3.13", "3.13-dbg".
func (p *Plan) label() string { return p.Series + p.variant.suffix }

// abi is the series with its ABI flags, LDVERSION of CPython's Makefile: "3.13d".
func (p *Plan) abi() string { return p.Series + p.variant.abi }

func (p *Plan) libDir() string { return "lib/python" + p.Series + p.variant.lib }

func (p *Plan) configure() []string { return slices.Concat(p.Recipe.Configure, p.variant.configure) }

// plain is whether there is neither PGO nor LTO.
func (p *Plan) plain() bool { return p.Request.Plain() }

// mode is "full", "fast", or the variant, "freethreaded fast".
func (p *Plan) mode() string {
	switch {
	case p.Request.Variant != "" && p.Request.Fast:
		return p.Request.Variant + " fast"
	case p.Request.Variant != "":
		return p.Request.Variant
	case p.Request.Fast:
		return "fast"
	}
	return "full"
}

// PackageVersion is the Debian version of all packages: "3.13.5-1+deb13".
func (p *Plan) PackageVersion() string { return p.packageVersion(p.Request.Release) }

func (p *Plan) packageVersion(release int) string {
	v := p.release.DebianVersion() + "-" + strconv.Itoa(release)
	if p.Request.Fast {
		v += "~fast"
	}
	return v + "+" + p.Distro.Tag
}

// computeKey lists everything that can change a bit of the packages.
func (p *Plan) computeKey() (err error) {
	in := func(name, value string) {
		p.Inputs = append(p.Inputs, artifacts.Input{Name: name, Value: value})
	}
	in("version", p.Version)
	in("distro", p.Distro.Codename)
	in("arch", p.Request.Arch)
	in("package.version", p.PackageVersion())
	in("package.compression", p.Distro.Package.Compression)
	in("package.maintainer", Maintainer)
	in("mode", p.mode())
	in("prefix", p.Prefix())
	for _, f := range p.Sources {
		in("source."+path.Ext(f.Name)[1:], "sha256:"+f.SHA256)
	}
	in("base", p.base.Digest)
	for _, pkg := range p.base.Packages {
		in("base.package."+pkg.Name+":"+pkg.Arch, pkg.Version)
	}
	for _, pkg := range p.builder.Packages {
		in("builder.package."+pkg.Name+":"+pkg.Arch, pkg.Version+" "+pkg.Digest)
	}
	in("recipe.configure", strings.Join(p.configure(), " "))
	in("recipe.cflags", strings.Join(p.Recipe.CFlags, " "))
	in("recipe.builtin", strings.Join(p.Recipe.Builtin, " "))
	in("recipe.checks", hashJSON(p.Recipe.Extensions, p.Recipe.TestExtensions, p.Recipe.ImportSkip, p.Recipe.Modules, p.Recipe.Libraries))
	in("distro.checks", hashJSON(p.Distro.Libraries, p.Distro.Glibc))
	if !p.plain() {
		in("profile", p.profile.Digest)
	}
	in("script.job", hashOf(jobScript))
	in("script.packages", hashOf(packagesTOML, externallyManaged))
	in("script.proof", hashOf(checkScript, probeSource, embedSource, framesScript))
	in("format", format)
	p.Key, err = artifacts.NewKey(Kind, p.Inputs)
	return err
}

func hashOf(parts ...[]byte) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintln(hash, len(part))
		hash.Write(part)
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

func hashJSON(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // lists and maps of strings
	}
	return hashOf(text)
}
