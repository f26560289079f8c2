package build

import (
	"archive/tar"
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxMessage is the length of the longest message that is taken.
const maxMessage = 2 << 20

// line is a connection to a program that takes and gives messages: a letter, the
// length of the rest in four bytes, the rest. serve.py says which there are.
type line struct {
	in  io.Writer
	out *bufio.Reader
}

func newLine(in io.Writer, out io.Reader) *line {
	return &line{in: in, out: bufio.NewReaderSize(out, 64<<10)}
}

// send sends a message with data, or with JSON of anything else.
func (l *line) send(kind byte, what any) error {
	data, ok := what.([]byte)
	if !ok && what != nil {
		var err error
		if data, err = json.Marshal(what); err != nil {
			return err
		}
	}
	message := append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(data))), data...)
	if _, err := l.in.Write(message); err != nil {
		return &lineError{err}
	}
	return nil
}

func (l *line) receive() (kind byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(l.out, head[:]); err != nil {
		return 0, nil, &lineError{err}
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxMessage {
		// A container that is on its way out says why, in words.
		words, _ := io.ReadAll(io.LimitReader(l.out, 1000))
		return 0, nil, &lineError{fmt.Errorf("no message: %q", append(head[:], words...))}
	}
	data = make([]byte, size)
	if _, err = io.ReadFull(l.out, data); err != nil {
		return 0, nil, &lineError{err}
	}
	return head[0], data, nil
}

// answer takes messages with data, which go to w, until the answer comes.
func (l *line) answer(data byte, w io.Writer) (a answer, err error) {
	for {
		kind, text, err := l.receive()
		if err != nil {
			return a, err
		}
		switch kind {
		case data:
			if _, err := w.Write(text); err != nil {
				return a, &writeError{err}
			}
		case 'a':
			return a, json.Unmarshal(text, &a)
		default:
			return a, &lineError{fmt.Errorf("a message of kind %q", kind)}
		}
	}
}

// writeError is an error of who takes data.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// files sends what write writes as a tar, in messages D and E. An error is that of
// write, or a *lineError.
func (l *line) files(write func(*tar.Writer) error) error {
	data := bufio.NewWriterSize(dataWriter{l}, 64<<10)
	w := tar.NewWriter(data)
	err := write(w)
	if err == nil {
		err = errors.Join(w.Close(), data.Flush())
	}
	if err != nil {
		return err
	}
	return l.send('E', nil)
}

// lineError is an error of the connection.
type lineError struct{ err error }

func (e *lineError) Error() string { return e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

type dataWriter struct{ l *line }

func (w dataWriter) Write(p []byte) (int, error) {
	if err := w.l.send('D', p); err != nil {
		return 0, err
	}
	return len(p), nil
}
