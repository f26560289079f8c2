package wheels

import (
	"context"
	"errors"
	"testing"
	"time"
)

// granted takes what acquire returns in the background.
type granted struct {
	name    string
	jobs    int
	release func()
}

func ask(t *testing.T, q *queue, into chan granted, name string, expected time.Duration, memory int64) {
	t.Helper()
	q.mu.Lock()
	before := len(q.waiting) + q.running
	q.mu.Unlock()
	go func() {
		jobs, release, err := q.acquire(context.Background(), expected, memory)
		if err != nil {
			t.Error(err)
		}
		into <- granted{name, jobs, release}
	}()
	for { // until it stands in the queue
		q.mu.Lock()
		now := len(q.waiting) + q.running
		q.mu.Unlock()
		if now > before {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestQueueLongestFirst(t *testing.T) {
	q := &queue{cores: 1, memory: 100}
	into := make(chan granted, 10)
	ask(t, q, into, "first", 0, 10)
	running := <-into
	ask(t, q, into, "short", time.Second, 10)
	ask(t, q, into, "long", time.Hour, 10)
	ask(t, q, into, "middle", time.Minute, 10)
	var order []string
	for range 3 {
		running.release()
		running.release() // a second time does nothing
		running = <-into
		order = append(order, running.name)
	}
	if order[0] != "long" || order[1] != "middle" || order[2] != "short" {
		t.Errorf("order %v, want the longest first", order)
	}
}

func TestQueueMemory(t *testing.T) {
	q := &queue{cores: 4, memory: 100}
	into := make(chan granted, 10)
	ask(t, q, into, "big", time.Hour, 80)
	big := <-into
	ask(t, q, into, "bigger", time.Hour, 90)
	ask(t, q, into, "small", time.Second, 20)
	small := <-into
	if small.name != "small" {
		t.Fatalf("%s was let in beside big, want small", small.name)
	}
	big.release()
	small.release()
	if next := <-into; next.name != "bigger" {
		t.Errorf("then %s, want bigger", next.name)
	}
	// More than there is: alone it may run.
	q = &queue{cores: 4, memory: 100}
	if _, _, err := q.acquire(t.Context(), 0, 1000); err != nil {
		t.Error(err)
	}
}

func TestQueueSharesCores(t *testing.T) {
	q := &queue{cores: 4, memory: 100}
	jobs, release, err := q.acquire(t.Context(), 0, 1)
	if err != nil || jobs != 4 {
		t.Fatalf("alone: %d jobs, %v; want 4", jobs, err)
	}
	jobs, _, _ = q.acquire(t.Context(), 0, 1)
	if jobs != 2 {
		t.Errorf("the second: %d jobs, want 2", jobs)
	}
	release()
}

func TestQueueCancelled(t *testing.T) {
	q := &queue{cores: 1, memory: 100}
	_, release, _ := q.acquire(t.Context(), 0, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stopped")
	cancel(why)
	if _, _, err := q.acquire(ctx, 0, 1); !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
	release()
	if len(q.waiting) != 0 || q.running != 0 || q.used != 0 {
		t.Errorf("left: %+v", q)
	}
}
