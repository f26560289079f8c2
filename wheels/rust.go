package wheels

import (
	"archive/tar"
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/cargo"
	"github.com/pybake/pybake/wheels/sdist"
)

// rust is what a source with Rust is built with; the zero value is one without.
type rust struct {
	locks    []*cargo.Lock
	digest   string          // of the crates: BuildPin.Crates
	files    []cargo.File    // manifests and locks, for the oldest compiler
	archives []cargo.Archive // nil: not fetched yet
}

// cargoHome is where a build has its crates.
const cargoHome = build.Dir + "/cargo"

// rustBackends are build requirements by which a source tells that it has Rust in it.
var rustBackends = []string{"maturin", "setuptools-rust"}

// rustOf finds out what a source needs of Rust. A source may have a Cargo.toml and not
// say that it is built: then it has nothing to do with Rust if its lock cannot be used.
func (s *source) rustOf(src *sdist.Source) (r rust, err error) {
	named := slices.ContainsFunc(s.requires(src), func(text string) bool {
		q, err := pep.ParseRequirement(text)
		return err == nil && slices.Contains(rustBackends, pep.NormalizeName(q.Name))
	})
	if !named && !src.HasCargo {
		return r, nil
	}
	for _, f := range src.Cargo {
		r.files = append(r.files, cargo.File{Name: path.Join(src.File, f.Name), Data: f.Data})
	}
	locks := cargoLocks(src)
	if s.cargoLock != nil {
		locks = []cargo.File{{Name: "recipes/wheels/" + s.recipe.CargoLock, Data: s.cargoLock}}
		r.files = append(slices.DeleteFunc(r.files, func(f cargo.File) bool { return path.Base(f.Name) == cargo.LockFile }), locks[0])
	}
	for _, f := range locks {
		l, err := cargo.ParseLock(f.Name, f.Data)
		if err != nil && named {
			return r, err
		} else if err != nil {
			return rust{}, nil
		}
		r.locks = append(r.locks, l)
	}
	switch {
	case len(locks) > 0:
		r.digest = cargo.Digest(cargo.Union(r.locks))
		return r, nil
	case named:
		return r, &NoCargoLockError{Name: s.pkg.Name}
	}
	return rust{}, nil
}

// cargoLocks are the topmost locks of a source, which are those of its workspaces;
// deeper ones are of crates that it brings along.
func cargoLocks(src *sdist.Source) (locks []cargo.File) {
	top := -1
	for _, f := range src.Cargo {
		dir, depth := path.Dir(f.Name), strings.Count(f.Name, "/")
		if path.Base(f.Name) != cargo.LockFile || !around(dir, src.Subdirectory) || top >= 0 && depth > top {
			continue
		}
		if depth < top {
			locks = nil
		}
		top = depth
		locks = append(locks, cargo.File{Name: path.Join(src.File, f.Name), Data: f.Data})
	}
	return locks
}

// around is whether a directory of a tree is within a project, or the other way round.
func around(dir, project string) bool {
	within := func(a, b string) bool { return b == "" || b == "." || a == b || strings.HasPrefix(a, b+"/") }
	return within(dir, project) || within(project, dir)
}

// NoCargoLockError says that a source that is built with Rust names no crates.
type NoCargoLockError struct {
	Name string // of the package
}

func (e *NoCargoLockError) Error() string {
	return fmt.Sprintf("it is built with Rust and brings no Cargo.lock, so nothing says which crates: "+
		"put one (cargo generate-lockfile makes it) beside recipes/wheels/%[1]s.toml, and into that: cargo-lock = \"%[1]s.Cargo.lock\"", e.Name)
}

// rustHost is the platform of a target as Rust calls it.
func (p *Plan) rustHost() string { return p.distroTarget().Machine() + "-unknown-linux-gnu" }

// toolPackages are the packages of the distro that a source is built with beside those
// of every wheel, by its pin.
func (p *Plan) toolPackages(recipe recipes.Wheel, pin project.BuildPin) []string {
	if pin.Crates == "" || pin.Rust != "" {
		return recipe.Build
	}
	return slices.Concat(recipe.Build, p.req.Distro.Rust.Packages)
}

// CompilerError says that no compiler is new enough for a source.
type CompilerError struct {
	Need   cargo.Need
	Distro string // "trixie"
	Has    string // the compiler of the distro: "1.85.1"; or empty
	Newest string // of those that the project names; or empty
	Host   string // "x86_64-unknown-linux-gnu"
}

func (e *CompilerError) Error() string {
	wanted := recipes.Toolchain{Version: cmp.Or(e.Need.Version, "1.85"), Host: e.Host}
	for strings.Count(wanted.Version, ".") < 2 {
		wanted.Version += ".0"
	}
	var s strings.Builder
	s.WriteString("it needs Rust")
	if e.Need.Version != "" {
		fmt.Fprintf(&s, " %s (%s)", e.Need.Version, e.Need.Why)
	}
	fmt.Fprintf(&s, ": %s has %s", e.Distro, cmp.Or(e.Has, "none"))
	if e.Newest != "" {
		fmt.Fprintf(&s, ", recipes/rust.toml %s", e.Newest)
	}
	fmt.Fprintf(&s, "; name a newer one in recipes/rust.toml beside pybake.toml\n"+
		"    [[toolchain]]\n    version = %q\n    host = %q\n    sha256 = \"…\"  # of %s\n"+
		"  and in pybake.toml the directory or address that has this file, as Rust publishes it: sources = [\"/srv/mirror\"]",
		wanted.Version, wanted.Host, wanted.File())
	return s.String()
}

// choose makes sure of the image of a source and settles its compiler: the one that is
// pinned, the distro's, the newest that the project names; the first that is new enough.
func (t *task) choose(ctx context.Context, need cargo.Need) (err error) {
	if t.rust.digest == "" {
		t.tools, err = t.b.toolchain(ctx, t.p, t.recipe.Build)
		return err
	}
	refused := &CompilerError{Need: need, Distro: t.p.Distro, Host: t.p.rustHost()}
	known := slices.DeleteFunc(t.p.req.Recipes.Toolchains(), func(r recipes.Toolchain) bool { return r.Host != refused.Host })
	slices.SortFunc(known, func(a, b recipes.Toolchain) int { return cargo.Compare(b.Version, a.Version) })
	enough := func(version string) bool { return cargo.Compare(version, need.Version) >= 0 }
	if i := slices.IndexFunc(known, func(r recipes.Toolchain) bool { return t.pin.Rust == "sha256:"+r.SHA256 && enough(r.Version) }); i >= 0 {
		return t.use(ctx, known[i])
	}
	t.pin.Crates, t.pin.Rust, t.rustPath = t.rust.digest, "", t.p.req.Distro.Rust.Path
	if own := t.p.req.Distro.Rust.Packages; len(own) > 0 {
		if t.tools, err = t.b.toolchain(ctx, t.p, t.p.toolPackages(t.recipe, t.pin)); err != nil {
			return err
		}
		if refused.Has = compiler(t.tools.pin, own); enough(refused.Has) {
			return nil
		}
	}
	if len(known) == 0 {
		return refused
	}
	if refused.Newest = known[0].Version; !enough(refused.Newest) {
		return refused
	}
	return t.use(ctx, known[0])
}

// use settles on a compiler that the project names.
func (t *task) use(ctx context.Context, rust recipes.Toolchain) (err error) {
	t.pin.Crates, t.pin.Rust, t.rustPath = t.rust.digest, "sha256:"+rust.SHA256, rustDir+"/bin"
	t.tools, err = t.b.rustToolchain(ctx, t.p, t.recipe.Build, rust)
	return err
}

// compiler is the version of the compiler among some packages.
func compiler(pin project.SetPin, packages []string) string {
	for _, pkg := range pin.Packages {
		if slices.Contains(packages, pkg.Name) && strings.HasPrefix(pkg.Name, "rustc") {
			return cargo.CompilerVersion(pkg.Version)
		}
	}
	return ""
}

// need is the oldest compiler for the source, of its crates as far as they are here.
func (t *task) need() (cargo.Need, error) {
	if t.recipe.Rust != "" {
		return cargo.Need{Version: t.recipe.Rust, Why: "its recipe says so"}, nil
	}
	n := cargo.Minimum(t.rust.files)
	for _, a := range t.rust.archives {
		of, err := cargo.CrateMinimum(a.Crate, a.Path)
		if err != nil {
			return n, err
		}
		n = n.Max(of)
	}
	return n, nil
}

// toolchain settles what compiles the source, as its pin says if that does still.
func (t *task) toolchain(ctx context.Context) error {
	need, err := t.need()
	if err != nil {
		return err
	}
	return t.choose(ctx, need)
}

// crates fetches what is built in. That may show that the compiler is too old; another
// one may be chosen then.
func (t *task) crates(ctx context.Context) (err error) {
	if t.rust.digest == "" || t.rust.archives != nil {
		return nil
	}
	if t.rust.archives, err = t.fetchCrates(ctx); err != nil {
		return err
	}
	return t.toolchain(ctx)
}

// compiled runs what may choose another compiler than the pinned one, and says whether
// the pin still holds.
func (t *task) compiled(pinned bool, choose func() error) (bool, error) {
	before := t.pin.Rust
	err := choose()
	if err == nil && pinned && t.pin.Rust != before {
		pinned = false
		if t.b.Frozen {
			err = &UnpinnedError{Name: t.pkg.Name, Version: t.pkg.Version, Changed: true}
		}
	}
	return pinned, err
}

// crated is a source with the crates beside it.
type crated struct {
	build.Source
	t *task
}

func (c crated) WriteTar(dst *tar.Writer, top string, uid, gid int) error {
	if err := c.Source.WriteTar(dst, top, uid, gid); err != nil {
		return err
	}
	if text := c.t.cargoLock; text != nil {
		err := dst.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: path.Join(top, manifestDir(c.t.src), cargo.LockFile), Mode: 0o644, Size: int64(len(text)),
			Uid: uid, Gid: gid, ModTime: c.t.epoch(),
		})
		if err != nil {
			return err
		}
		if _, err := dst.Write(text); err != nil {
			return err
		}
	}
	return cargo.Vendor(dst, cargoHome, "/"+top, c.t.p.req.Symbols, c.t.rust.archives, uid, gid, c.t.epoch())
}

// manifestDir is the directory of the topmost Cargo.toml of a project.
func manifestDir(src *sdist.Source) string {
	best := ""
	for _, f := range src.Cargo {
		of := path.Dir(f.Name)
		if path.Base(f.Name) == cargo.ManifestFile && around(of, src.Subdirectory) && (best == "" || strings.Count(f.Name, "/") < strings.Count(best, "/")) {
			best = f.Name
		}
	}
	return path.Dir(cmp.Or(best, path.Join(src.Subdirectory, cargo.ManifestFile)))
}
