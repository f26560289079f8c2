package wheels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/build"
)

// toolchain is an image to build wheels in: the base, the distro's compilers, what a
// recipe asks for, and the Python with its headers.
type toolchain struct {
	once  sync.Once
	pin   project.SetPin
	image string
	err   error

	mu       sync.Mutex
	builders map[int64]*build.Builder // by the memory of a build
}

// builder makes the containers of builds that may need so much memory.
func (t *toolchain) builder(b *Builder, p *Plan, memory int64) *build.Builder {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.builders == nil {
		t.builders = map[int64]*build.Builder{}
	}
	if t.builders[memory] == nil {
		t.builders[memory] = &build.Builder{
			Engine: b.Engine, Image: t.image, Prefix: "/opt/python/" + p.series(), Series: p.series(),
			Memory: memory, PIDs: 1000, Limit: b.Limit,
		}
	}
	return t.builders[memory]
}

// close removes spare containers.
func (t *toolchain) close(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, builder := range t.builders {
		builder.Close(ctx)
	}
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
	b.mu.Lock()
	if b.images == nil {
		b.images = map[string]*toolchain{}
	}
	t := b.images[owner]
	if t == nil {
		t = &toolchain{}
		b.images[owner] = t
	}
	b.mu.Unlock()
	t.once.Do(func() { t.err = b.makeToolchain(ctx, p, t, owner, extra) })
	return t, t.err
}

func (b *Builder) makeToolchain(ctx context.Context, p *Plan, t *toolchain, owner string, extra []string) error {
	debs, err := b.debs(p, builderDebs)
	if err != nil {
		return err
	}
	names := slices.Concat(p.req.Distro.WheelPackages(), extra)
	pins, err := project.ReadLock(b.LockPath)
	if err != nil {
		return err
	}
	base, _ := pins.Base(p.Distro, p.Arch)
	t.pin, err = b.pinnedSet(ctx, p, builderPins, owner, names, debs)
	if err != nil {
		return err
	}
	packages := slices.Clone(t.pin.Packages)
	for _, deb := range debs {
		pkg, err := b.cacheDeb(ctx, deb)
		if err != nil {
			return err
		}
		packages = append(packages, pkg)
	}
	t.image, err = b.Distros.Builder(ctx, p.distroTarget(), base, packages, "wheels")
	return err
}

// cacheDeb puts a package of the Python where packages are looked for.
func (b *Builder) cacheDeb(ctx context.Context, deb string) (project.Package, error) {
	name := filepath.Base(deb)
	i := slices.IndexFunc(b.Python.Files, func(f artifacts.File) bool { return filepath.Base(f.Path) == name })
	pkg := b.Python.Files[i].Package
	f, err := os.Open(deb)
	if err != nil {
		return project.Package{}, err
	}
	defer f.Close()
	got, err := b.Fetcher.Add(ctx, name, f)
	if err != nil {
		return project.Package{}, err
	}
	if got.SHA256 != b.Python.Files[i].SHA256 {
		return project.Package{}, fmt.Errorf("%s: sha256 %s, but the manifest says %s", deb, got.SHA256, b.Python.Files[i].SHA256)
	}
	return project.Package{Name: pkg.Name, Version: pkg.Version, Arch: pkg.Architecture, Digest: "sha256:" + got.SHA256}, nil
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
	needs, err := dependencies(local)
	if err != nil {
		return pin, err
	}
	pin.Request = slices.Concat(names, needs)
	slices.Sort(pin.Request)
	pin.Request = slices.Compact(pin.Request)
	pins, err := project.ReadLock(b.LockPath)
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
		pin.Packages, err = b.Distros.Resolve(ctx, p.distroTarget(), base, names, local)
		return err
	})
	if err != nil {
		return pin, err
	}
	return pin, b.pin(func(l *project.Lock) { kind.set(l, pin) })
}
