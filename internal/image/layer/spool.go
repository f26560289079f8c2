package layer

import (
	"bufio"
	"io"
	"os"
)

// maxMemory is what a spool keeps in memory before it takes a file.
var maxMemory int64 = 64 << 20

// spool keeps bytes until they are read in another order. Its file has no name,
// so that nothing remains of it, however the process ends.
type spool struct {
	dir  string
	mem  []byte
	file *os.File // once it has become too large for mem
	w    *bufio.Writer
	size int64
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.size+int64(len(p)) > maxMemory {
		if err := s.open(); err != nil {
			return 0, err
		}
	}
	s.size += int64(len(p))
	if s.file == nil {
		s.mem = append(s.mem, p...)
		return len(p), nil
	}
	return s.w.Write(p)
}

func (s *spool) open() error {
	file, err := os.CreateTemp(s.dir, "layer-*")
	if err != nil {
		return err
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return err
	}
	s.file, s.w = file, bufio.NewWriterSize(file, 1<<20)
	_, err = s.w.Write(s.mem)
	s.mem = nil
	return err
}

// flush is called between the last write and the first copy.
func (s *spool) flush() error {
	if s.file == nil {
		return nil
	}
	return s.w.Flush()
}

// copy writes size bytes from off to w.
func (s *spool) copy(w io.Writer, off, size int64) error {
	if s.file == nil {
		_, err := w.Write(s.mem[off : off+size])
		return err
	}
	_, err := io.Copy(w, io.NewSectionReader(s.file, off, size))
	return err
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
