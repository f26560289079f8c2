package wheels

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
)

// asker is the one container in which apt answers all questions of a run, for a lock
// may need dozens of toolchains.
type asker struct {
	mu   sync.Mutex
	open *distro.Resolver
}

// ask finds packages of the distro, and brings them into the cache.
func (b *Builder) ask(ctx context.Context, p *Plan, base project.BasePin, q distro.Request) ([]project.Package, error) {
	if b.Distros.Offline {
		return nil, fmt.Errorf("packages of %s (%s) are not pinned yet: %w", p.distroTarget(), strings.Join(q.Names, " "), distro.ErrOffline)
	}
	b.apt.mu.Lock()
	defer b.apt.mu.Unlock()
	if b.apt.open == nil {
		r, err := b.Distros.Resolver(ctx, p.distroTarget(), base)
		if err != nil {
			return nil, err
		}
		b.apt.open = r
	}
	packages, err := b.apt.open.Resolve(ctx, q)
	if err != nil {
		return nil, err
	}
	return packages, b.apt.open.Fetch(ctx, packages)
}

// closeAsker removes the container; the next question starts another.
func (b *Builder) closeAsker(ctx context.Context) {
	b.apt.mu.Lock()
	defer b.apt.mu.Unlock()
	if b.apt.open != nil {
		b.apt.open.Close(ctx)
		b.apt.open = nil
	}
}
