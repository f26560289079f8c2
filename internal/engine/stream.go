package engine

import (
	"errors"
	"io"
	"sync"
)

// source is a caller's reader that remembers its own failure, which otherwise
// looks like a failure of the connection that it was copied to.
type source struct {
	r   io.Reader
	mu  sync.Mutex
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	return n, err
}

// failed returns what reading failed with, if it did.
func (s *source) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// sink is a caller's writer that remembers its own failure.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.w == nil {
		return len(p), nil
	}
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// files is a tar on its way out of a container.
type files struct {
	io.ReadCloser
	finish func(error) error // makes the error to end with from the stream's own
	end    error
}

func (f *files) Read(p []byte) (int, error) {
	if f.end != nil {
		return 0, f.end
	}
	n, err := f.ReadCloser.Read(p)
	if err != nil {
		f.end = f.finish(err)
	}
	return n, f.end
}
