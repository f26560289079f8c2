package whl

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

const bufSize = 256 << 10

// copy unpacks a member into to, and is an error if it is not what its headers
// say. An error of to itself comes back as it is.
func (a *archive) copy(to io.Writer, m *member) error {
	if a.buf == nil {
		a.buf = make([]byte, bufSize)
		a.packed = bufio.NewReaderSize(nil, bufSize)
	}
	a.packed.Reset(io.NewSectionReader(a.r, m.data, m.packed))
	var from io.Reader = a.packed
	if m.method == deflated {
		if a.inflater == nil {
			a.inflater = flate.NewReader(a.packed)
		} else if err := a.inflater.(flate.Resetter).Reset(a.packed, nil); err != nil {
			return err
		}
		from = a.inflater
	}
	var crc uint32
	var size int64
	for {
		n, err := from.Read(a.buf)
		if size += int64(n); size > m.size {
			return fmt.Errorf("is larger than the %d bytes that its header says", m.size)
		}
		crc = crc32.Update(crc, crc32.IEEETable, a.buf[:n])
		if _, err := to.Write(a.buf[:n]); err != nil {
			return &writeError{err}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot be unpacked: %w", err)
		}
	}
	switch _, err := a.packed.ReadByte(); {
	case size != m.size:
		return fmt.Errorf("has %d bytes, %d by its header", size, m.size)
	case err == nil:
		return errors.New("has bytes after the end of its packed content")
	case crc != m.crc:
		return errors.New("its CRC is wrong")
	}
	return nil
}

// writeError is an error of where a member was unpacked to, not of the wheel.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// whole unpacks a member into memory.
func (a *archive) whole(m *member) ([]byte, error) {
	if m.size > a.limits.file {
		return nil, fmt.Errorf("has %d bytes, more than %d", m.size, a.limits.file)
	}
	var b bytes.Buffer
	err := a.copy(&b, m)
	return b.Bytes(), err
}
