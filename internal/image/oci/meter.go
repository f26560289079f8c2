package oci

import (
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// meter sums up what was sent of several layers.
type meter struct {
	mu          sync.Mutex
	report      func(done, total int64) // nil: nobody listens, or not any more
	done, total int64
}

// newMeter expects every layer so many times.
func newMeter(report func(done, total int64), layers []v1.Layer, times int) *meter {
	m := &meter{report: report}
	for _, l := range layers {
		size, _ := l.Size() // is known
		m.total += size * int64(times)
	}
	return m
}

func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.report = nil
}

// counted is a layer on its way to one repository. The registry's client may
// read it again from the start, or not at all, and its transport may still read
// from what the client gave up.
type counted struct {
	v1.Layer
	meter  *meter
	n      int64
	latest *countedReader
}

func (c *counted) Compressed() (io.ReadCloser, error) {
	rc, err := c.Layer.Compressed()
	if err != nil {
		return nil, err
	}
	r := &countedReader{rc, c, 0}
	c.meter.mu.Lock()
	c.latest = r
	c.meter.mu.Unlock()
	c.set(r, 0)
	return r, nil
}

// all counts the whole layer.
func (c *counted) all() error {
	size, err := c.Size()
	c.meter.mu.Lock()
	c.latest = nil
	c.meter.mu.Unlock()
	c.set(nil, size)
	return err
}

// set says how far a reader is, which does not matter if there is a later one.
func (c *counted) set(r *countedReader, n int64) {
	m := c.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.latest != r {
		return
	}
	m.done += n - c.n
	c.n = n
	if m.report != nil {
		m.report(m.done, m.total)
	}
}

type countedReader struct {
	io.ReadCloser
	layer *counted
	n     int64
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.n += int64(n)
	if n > 0 {
		r.layer.set(r, r.n)
	}
	return n, err
}
