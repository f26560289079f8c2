package wheels

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/wheels/build"
)

// toolchain is an image to build wheels in: the base, the distro's compilers, what a
// recipe asks for, and the Python with its headers.
type toolchain struct {
	once  sync.Once
	pin   project.SetPin
	base  string // digest
	image string
	err   error

	mu       sync.Mutex
	builders map[limits]*build.Builder
	prepared []*build.Builder
	wanted   int // by tasks that are not done
}

// join notes a task that will build here.
func (t *toolchain) join() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wanted++
}

// leave notes that one is done. Containers that nobody will want again are removed: a
// lock may need dozens of toolchains.
func (b *Builder) leave(ctx context.Context, t *toolchain) {
	t.mu.Lock()
	t.wanted--
	last := t.wanted == 0
	t.mu.Unlock()
	if !last {
		return
	}
	for _, builder := range t.take() {
		b.resting.Go(func() { _ = builder.Close(ctx) })
	}
}

// users is how many tasks build here, or will, but at most n.
func (t *toolchain) users(n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return min(n, t.wanted)
}

// builder makes the containers of builds that may need so much memory and time.
func (t *toolchain) builder(b *Builder, p *Plan, memory int64, limit time.Duration) *build.Builder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.builders == nil {
		t.builders = map[limits]*build.Builder{}
	}
	key := limits{memory: memory, time: limit}
	if t.builders[key] == nil {
		t.builders[key] = &build.Builder{
			Engine: b.Engine, Image: t.image, Prefix: p.prefix(), Series: p.series(),
			Memory: memory, PIDs: 1000, Limit: limit, Envs: b.environments(t.image, p),
		}
	}
	return t.builders[key]
}

// environments are those of all builds. Any image has the interpreter.
func (b *Builder) environments(image string, p *Plan) *build.Environments {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.envs == nil {
		b.envs = &build.Environments{Engine: b.Engine, Image: image, Prefix: p.prefix(), Series: p.series()}
	}
	return b.envs
}

// take takes the builders that there are.
func (t *toolchain) take() (all []*build.Builder) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all = slices.Concat(slices.Collect(maps.Values(t.builders)), t.prepared)
	t.builders, t.prepared = nil, nil
	return all
}

// prepare is builder.Prepare; what it returns is closed with the others.
func (t *toolchain) prepare(ctx context.Context, builder *build.Builder, ref string, labels map[string]string, wheels []build.Wheel) (*build.Builder, error) {
	made, err := builder.Prepare(ctx, ref, labels, wheels)
	if err == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.prepared = append(t.prepared, made)
	}
	return made, err
}

// toolOwner is in whose name the packages of a toolchain are pinned: "wheels 3.13",
// with those that a recipe adds.
func (p *Plan) toolOwner(extra []string) string {
	extra = slices.Compact(slices.Sorted(slices.Values(extra)))
	return strings.Join(append([]string{Kind, p.series()}, extra...), " ")
}

// toolchain makes sure of the image with some packages beside the distro's own.
func (b *Builder) toolchain(ctx context.Context, p *Plan, extra []string) (*toolchain, error) {
	owner := p.toolOwner(extra)
	t := b.shared(owner)
	t.once.Do(func() { t.err = b.makeToolchain(ctx, p, t, owner, extra) })
	return t, t.err
}

// shared is the one toolchain of a name.
func (b *Builder) shared(name string) *toolchain {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.images == nil {
		b.images = map[string]*toolchain{}
	}
	if b.images[name] == nil {
		b.images[name] = &toolchain{}
	}
	return b.images[name]
}

func (b *Builder) makeToolchain(ctx context.Context, p *Plan, t *toolchain, owner string, extra []string) error {
	debs, err := b.debs(p, builderDebs)
	if err != nil {
		return err
	}
	names := slices.Concat(p.req.Distro.WheelPackages(), extra)
	pins, err := b.Pins.Read()
	if err != nil {
		return err
	}
	var own []project.Package
	for _, deb := range debs {
		f := b.file(deb)
		own = append(own, project.Package{Name: f.Package.Name, Version: f.Package.Version, Arch: f.Package.Architecture, Digest: "sha256:" + f.SHA256})
	}
	if found, err := b.madeToolchain(ctx, p, t, pins, owner, names, own); found || err != nil {
		return err
	}
	if err := b.base(ctx, p); err != nil {
		return err
	}
	if t.pin, err = b.pinnedSet(ctx, p, builderPins, owner, names, debs); err != nil {
		return err
	}
	if pins, err = b.Pins.Read(); err != nil {
		return err
	}
	base, _ := pins.Base(p.Distro, p.Arch)
	t.base = base.Digest
	for _, deb := range debs {
		if err := b.cacheDeb(ctx, deb); err != nil {
			return err
		}
	}
	var below distro.Below
	if len(extra) > 0 {
		under, err := b.toolchain(ctx, p, p.below(extra))
		if err != nil {
			return err
		}
		below = distro.Below{Ref: under.image, Packages: slices.Concat(under.pin.Packages, own)}
	}
	// Before any build, for builds wait for it. So whoever asks for a toolchain must
	// not have a place in the queue himself.
	_, release, err := b.queue.acquire(ctx, time.Hour, 0)
	if err != nil {
		return err
	}
	defer release()
	t.image, err = b.Distros.BuilderOn(ctx, p.distroTarget(), base, below, slices.Concat(t.pin.Packages, own), toolchainImage)
	return err
}

// below is what is common of packages with those of other toolchains: those of Rust, which
// are large, else what every build needs.
func (p *Plan) below(extra []string) []string {
	rust := p.req.Distro.Rust.Packages
	missing := func(name string) bool { return !slices.Contains(extra, name) }
	if len(extra) <= len(rust) || slices.ContainsFunc(rust, missing) {
		return nil
	}
	return rust
}

const toolchainImage = "wheels"

// madeToolchain is whether the engine has the image of what is pinned. Its name has the
// hashes of the Python's packages, so that what these depend on, which takes a second to
// read, was among what was asked for when it was made.
func (b *Builder) madeToolchain(ctx context.Context, p *Plan, t *toolchain, pins *project.Lock, owner string, names []string, own []project.Package) (bool, error) {
	pin, ok := pins.Builder(p.Distro, p.Arch, owner)
	if !ok {
		return false, nil
	}
	for _, name := range names {
		if !slices.Contains(pin.Request, name) {
			return false, nil
		}
	}
	base, _ := pins.Base(p.Distro, p.Arch)
	ref := distro.BuilderRef(p.distroTarget(), base, slices.Concat(pin.Packages, own), toolchainImage)
	_, found, err := b.Engine.Image(ctx, ref)
	if found {
		t.pin, t.base, t.image = pin, base.Digest, ref
	}
	return found, err
}

// file is a package of the Python as its manifest has it.
func (b *Builder) file(deb string) artifacts.File {
	i := slices.IndexFunc(b.Python.Files, func(f artifacts.File) bool { return f.Path == filepath.Base(deb) })
	return b.Python.Files[i]
}

// Packages of the Python: what a house is proved with, what beside that if a wheel
// embeds Python, and what it is built with.
var (
	runtimeDebs  = []string{"pybake-python%s", "pybake-python%s-venv"}
	embedderDebs = []string{"pybake-libpython%s"}
	builderDebs  = []string{"pybake-python%s", "pybake-python%s-venv", "pybake-libpython%s", "pybake-python%s-dev"}
)

// debs are the paths of some packages of the Python.
func (b *Builder) debs(p *Plan, names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		name = fmt.Sprintf(name, p.series())
		i := slices.IndexFunc(b.Python.Files, func(f artifacts.File) bool { return f.Package != nil && f.Package.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s has no package %s", b.Python.Name, name)
		}
		out = append(out, filepath.Join(b.Python.Dir, b.Python.Files[i].Path))
	}
	return out, nil
}

// cacheDeb puts a package of the Python where packages are looked for.
func (b *Builder) cacheDeb(ctx context.Context, deb string) error {
	f, err := os.Open(deb)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := b.Fetcher.Add(ctx, filepath.Base(deb), f)
	if err != nil {
		return err
	}
	if want := b.file(deb).SHA256; got.SHA256 != want {
		return fmt.Errorf("%s: sha256 %s, but the manifest says %s", deb, got.SHA256, want)
	}
	return nil
}

// pinKind is one of the lists of package sets of pybake.lock.
type pinKind struct {
	get func(l *project.Lock, distro, arch, who string) (project.SetPin, bool)
	set func(*project.Lock, project.SetPin)
}

var (
	builderPins = pinKind{(*project.Lock).Builder, (*project.Lock).SetBuilder}
	runtimePins = pinKind{(*project.Lock).Runtime, (*project.Lock).SetRuntime}
)

// pinnedSet returns the pinned packages that names and the dependencies of local
// packages come to, and resolves and pins them first if there are none.
func (b *Builder) pinnedSet(ctx context.Context, p *Plan, kind pinKind, owner string, names, local []string) (project.SetPin, error) {
	pin := project.SetPin{Distro: p.Distro, Arch: p.Arch, For: owner}
	needs, err := nfpm.Depends(local, "pybake-")
	if err != nil {
		return pin, err
	}
	pin.Request = slices.Concat(names, needs)
	slices.Sort(pin.Request)
	pin.Request = slices.Compact(pin.Request)
	pins, err := b.Pins.Read()
	if err != nil {
		return pin, err
	}
	if known, ok := kind.get(pins, p.Distro, p.Arch, owner); ok && slices.Equal(known.Request, pin.Request) {
		return known, nil
	}
	if b.Frozen {
		return pin, fmt.Errorf("packages of %s for %s are not pinned, and --frozen adds no pins", p.Distro, owner)
	}
	base, _ := pins.Base(p.Distro, p.Arch)
	err = b.timed("packages of "+p.Distro+" for "+owner, func() error {
		pin.Packages, err = b.ask(ctx, p, base, distro.Request{Names: names, Relations: needs})
		return err
	})
	if err != nil {
		return pin, err
	}
	return pin, b.pin(func(l *project.Lock) { kind.set(l, pin) })
}
