package layer

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"

	"github.com/klauspost/compress/gzip"
)

// Decompressing is slower than all else that Join does, so it is done ahead,
// for as many fragments at a time as there are processors, each into up to
// aheadChunks buffers.
const (
	aheadChunks = 64
	aheadChunk  = 256 << 10
)

// queue opens fragments in their order.
type queue struct {
	paths []string
	open  []*opened // from the one that next returned last
}

// opened is a fragment that is being decompressed. Its compressed bytes are
// read from the same file.
type opened struct {
	file  *os.File
	plain *ahead
	err   error // nothing else is set
}

// next closes the fragment before, and is the next one.
func (q *queue) next() *opened {
	if len(q.open) > 0 {
		q.open[0].close()
		q.open = q.open[1:]
	}
	for len(q.open) < max(2, runtime.GOMAXPROCS(0)) && len(q.paths) > 0 {
		q.open = append(q.open, open(q.paths[0]))
		q.paths = q.paths[1:]
	}
	return q.open[0]
}

func (q *queue) close() {
	for _, f := range q.open {
		f.close()
	}
}

func open(path string) *opened {
	file, err := os.Open(path)
	if err != nil {
		return &opened{err: err}
	}
	return &opened{file: file, plain: readAhead(func() (io.Reader, error) {
		z, err := gzip.NewReader(bufio.NewReaderSize(whole(file), aheadChunk))
		if err == io.EOF {
			err = fmt.Errorf("is empty: %w", io.ErrUnexpectedEOF)
		}
		return z, err
	})}
}

// whole reads a file from its beginning, whoever else reads it.
func whole(f *os.File) io.Reader { return io.NewSectionReader(f, 0, math.MaxInt64) }

func (f *opened) close() {
	if f.err == nil {
		f.plain.close()
		f.file.Close()
	}
}

// ahead reads in a goroutine of its own.
type ahead struct {
	chunks chan []byte
	stop   chan struct{}
	err    error // why there are no more chunks, once chunks is closed
	chunk  []byte
}

func readAhead(open func() (io.Reader, error)) *ahead {
	a := &ahead{chunks: make(chan []byte, aheadChunks), stop: make(chan struct{})}
	go func() {
		defer close(a.chunks)
		r, err := open()
		for err == nil {
			buf, n := make([]byte, aheadChunk), 0
			for n < len(buf) && err == nil {
				var m int
				m, err = r.Read(buf[n:])
				n += m
			}
			select {
			case a.chunks <- buf[:n]:
			case <-a.stop:
				return
			}
		}
		a.err = err
	}()
	return a
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.chunk) == 0 {
		var ok bool
		if a.chunk, ok = <-a.chunks; !ok {
			return 0, a.err
		}
	}
	n := copy(p, a.chunk)
	a.chunk = a.chunk[n:]
	return n, nil
}

// close ends the goroutine and waits for it. It is called once.
func (a *ahead) close() {
	close(a.stop)
	for range a.chunks {
	}
}
