package build

import (
	"context"
	"fmt"
	"time"

	"github.com/pybake/pybake/internal/engine"
)

// spareLife is how long a container may have waited before its build begins.
const spareLife = 10 * time.Minute

// spareContainer is a container that waits for its build since some time.
type spareContainer struct {
	*engine.Container // nil: it could not start
	since             time.Time
}

// Warm begins to start a container that the next Start takes, unless one waits
// already. A start that fails is found out by that Start, which tries by itself.
func (b *Builder) Warm(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spare != nil || b.closed {
		return
	}
	spare := make(chan spareContainer, 1)
	b.spare = spare
	go func() {
		c, err := b.fresh(ctx)
		if err != nil {
			c = nil
		}
		spare <- spareContainer{c, time.Now()}
	}()
}

// Close removes the spare container. It may be called again.
func (b *Builder) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	spare := b.spare
	b.spare = nil
	b.mu.Unlock()
	if spare == nil {
		return nil
	}
	return (<-spare).remove(ctx)
}

func (s spareContainer) remove(ctx context.Context) error {
	if s.Container == nil {
		return nil
	}
	return s.Remove(ctx)
}

// container is the spare container, or a new one.
func (b *Builder) container(ctx context.Context) (c *engine.Container, spare bool, err error) {
	b.mu.Lock()
	waiting := b.spare
	b.spare = nil
	b.mu.Unlock()
	if waiting != nil {
		select {
		case s := <-waiting:
			if s.Container != nil && time.Since(s.since) < spareLife {
				return s.Container, true, nil
			}
			if err := s.remove(ctx); err != nil {
				return nil, false, err
			}
		case <-ctx.Done():
			go func() { _ = (<-waiting).remove(ctx) }()
			return nil, false, fmt.Errorf("start container from %s: %w", b.Image, context.Cause(ctx))
		}
	}
	c, err = b.fresh(ctx)
	return c, false, err
}

// fresh starts a container that knows nothing of its job yet.
func (b *Builder) fresh(ctx context.Context) (*engine.Container, error) {
	return b.Engine.Start(ctx, engine.Spec{
		Image: b.Image, Purpose: "wheel", Memory: b.Memory, PIDs: b.PIDs,
		NoNames: true, // layout brings them
		// Hooks have limits of their own. This one ends what this process has no
		// say in any more: the wait, two hooks, and the downloads between them.
		Limit: spareLife + 2*b.limit() + time.Hour,
	})
}
