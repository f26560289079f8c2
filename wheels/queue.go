package wheels

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue shares processors and memory among builds. Whoever is ready asks; of those
// who wait the one that is expected to take longest goes first, and one that needs
// more memory than is free lets smaller ones pass.
type queue struct {
	cores  int
	memory int64 // bytes

	mu      sync.Mutex
	running int
	used    int64
	waiting []*ticket
}

type ticket struct {
	expected time.Duration
	memory   int64
	ready    chan int // receives how many jobs the build may run
}

// acquire waits for a processor and memory and returns how many processes the
// build should run at once, and what gives both back.
func (q *queue) acquire(ctx context.Context, expected time.Duration, memory int64) (jobs int, release func(), err error) {
	t := &ticket{expected: expected, memory: min(memory, q.memory), ready: make(chan int, 1)}
	q.mu.Lock()
	q.waiting = append(q.waiting, t)
	slices.SortStableFunc(q.waiting, func(a, b *ticket) int { return int(b.expected - a.expected) })
	q.admit()
	q.mu.Unlock()
	select {
	case jobs = <-t.ready:
	case <-ctx.Done():
		q.mu.Lock()
		defer q.mu.Unlock()
		select {
		case <-t.ready: // admitted meanwhile
			q.leave(t)
		default:
			q.waiting = slices.DeleteFunc(q.waiting, func(w *ticket) bool { return w == t })
		}
		return 0, nil, context.Cause(ctx)
	}
	return jobs, sync.OnceFunc(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.leave(t)
	}), nil
}

// waits is whether somebody waits.
func (q *queue) waits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

func (q *queue) leave(t *ticket) {
	q.running--
	q.used -= t.memory
	q.admit()
}

// admit lets in whoever fits. A single build always fits.
func (q *queue) admit() {
	for i := 0; i < len(q.waiting) && q.running < q.cores; {
		t := q.waiting[i]
		if q.running > 0 && q.used+t.memory > q.memory {
			i++
			continue
		}
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.running++
		q.used += t.memory
		// The cores are shared among those that run and those that are about to.
		t.ready <- max(1, q.cores/min(q.cores, q.running+len(q.waiting)))
	}
}
