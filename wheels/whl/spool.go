package whl

import (
	"bytes"
	"io"
	"os"
)

const inMemory = 32 << 20

// spool keeps a member for reading it in any order, or twice: in memory, and
// from 32 MiB on in a file that has no name, so that nothing is left of it
// however this ends.
type spool struct {
	mem  []byte
	file *os.File
	size int64
}

func (s *spool) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.file == nil && s.size <= inMemory {
		s.mem = append(s.mem, p...)
		return len(p), nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "pybake-")
		if err != nil {
			return 0, err
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil {
			return 0, err
		}
		if _, err := f.Write(s.mem); err != nil {
			return 0, err
		}
		s.mem = s.mem[:0]
	}
	return s.file.Write(p)
}

func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	return bytes.NewReader(s.mem).ReadAt(p, off)
}

// reader reads all from the beginning.
func (s *spool) reader() io.Reader { return io.NewSectionReader(s, 0, s.size) }

// reset empties the spool and keeps its memory.
func (s *spool) reset() {
	if s.file != nil {
		s.file.Close()
	}
	*s = spool{mem: s.mem[:0]}
}
