package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
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

// upload gives a caller's reader to send, as the body of a request, and returns
// its failure and that of send. The reader is the caller's again when upload
// returns; but a Read that blocks, after ctx was cancelled or when the engine
// wants no more, is left behind: the client would wait for it.
func upload(ctx context.Context, from io.Reader, send func(io.Reader) error) (readErr, err error) {
	in := &source{r: from}
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := io.Copy(w, in)
		w.CloseWithError(err)
	}()
	defer context.AfterFunc(ctx, func() { r.Close() })()
	err = send(r)
	r.Close()
	select {
	case <-done:
	case <-time.After(leaveGrace):
	}
	if ctx.Err() != nil {
		return nil, err
	}
	return in.failed(), err
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

// tarEnd is the length of the mark at the end of a tar: two blocks of zeros.
const tarEnd = 2 * 512

// files is a tar on its way out of the engine. Who reads a tar stops at the mark
// of its end, so that is held back until the end of the stream is believed.
type files struct {
	body   io.ReadCloser
	buf    *bufio.Reader         // of body
	finish func(err error) error // makes the error to end with from the stream's own
	end    error
}

func newFiles(body io.ReadCloser, finish func(err error) error) *files {
	return &files{body: body, buf: bufio.NewReaderSize(body, 64<<10), finish: finish}
}

func (f *files) Read(p []byte) (int, error) {
	if f.end == nil {
		last, err := f.buf.Peek(tarEnd + 1)
		if err == nil {
			return f.buf.Read(p[:min(len(p), f.buf.Buffered()-tarEnd)])
		}
		if err == io.EOF && !bytes.Equal(last, make([]byte, tarEnd)) {
			err = io.ErrUnexpectedEOF
		}
		f.end = f.finish(err)
	}
	if f.end != io.EOF {
		return 0, f.end
	}
	return f.buf.Read(p)
}

func (f *files) Close() error { return f.body.Close() }
