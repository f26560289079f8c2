package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Entry is one entry of a layer.
type Entry struct {
	Name string // "usr/bin/perl"; no slash at either end
	// Type is tar.TypeReg, TypeDir, TypeSymlink or TypeLink, or in layers that
	// this package did not write TypeChar, TypeBlock or TypeFifo.
	Type     byte
	Mode     int64 // the bits of chmod(2): 0o4755
	UID, GID int
	Size     int64  // of the content
	Link     string // of a symbolic link as it stands; of a hard link the other name, as in Name

	Capability string // security.capability, as the kernel has it; mostly ""

	Whiteout bool // Name is hidden in the layers below; nothing else is set
	Opaque   bool // what the layers below have in the directory Name ("." is the root) is hidden; nothing else is set
}

// Walk calls visit for every entry of a tar, plain or in gzip members, in the
// order of the tar, but not for the root. content is that of a regular file,
// else empty; it need not be read, and is not valid after visit returned. An
// error of visit ends the walk and is returned as it is. The tar may be a
// fragment; it is held to the limits of the package comment.
func Walk(r io.Reader, visit func(e Entry, content io.Reader) error) error {
	plain, err := decompress(r)
	if err != nil {
		return err
	}
	s := newSource(plain, maxSize)
	for {
		h, _, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := s.header(h)
		if err != nil {
			return err
		}
		if e.Name == "." && !e.Opaque {
			continue
		}
		if err := visit(e, s.tar); err != nil {
			return err
		}
	}
}

// decompress looks whether r is compressed.
func decompress(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 1<<18)
	magic, err := in.Peek(2)
	switch {
	case len(magic) == 0 && err == io.EOF:
		return nil, fmt.Errorf("read layer: it is empty: %w", io.ErrUnexpectedEOF)
	case len(magic) < 2 && err != nil && err != io.EOF:
		return nil, fmt.Errorf("read layer: %w", err)
	case string(magic) != "\x1f\x8b":
		return in, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	return z, nil
}

// Walk walks through the file of the layer.
func (b Blob) Walk(visit func(e Entry, content io.Reader) error) error {
	f, err := os.Open(b.Path)
	if err != nil {
		return fmt.Errorf("read layer: %w", err)
	}
	defer f.Close()
	var stopped error
	err = Walk(f, func(e Entry, content io.Reader) error {
		stopped = visit(e, content)
		return stopped
	})
	if err != nil && stopped == nil {
		return fmt.Errorf("layer %s: %w", b.Path, err)
	}
	return err
}

const (
	maxRead  = 64 << 20
	maxLinks = 40 // as the kernel has it
)

// ReadFile reads a file of up to 64 MiB from the topmost of the layers (the
// last one) that has it, following hard links but no symbolic ones:
// Tree.Lookup tells where those lead. If no layer has it, or a layer above
// hides it, the error is fs.ErrNotExist.
func ReadFile(blobs []Blob, path string) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("read %s of the layers: %w", path, err) }
	name, err := cleanName(strings.TrimLeft(path, "/"))
	if err != nil {
		return fail(err)
	}
	links := 0
	for i := len(blobs) - 1; i >= 0; i-- {
		data, found, hidden, err := readFrom(blobs[i], name)
		switch {
		case err != nil:
			return fail(err)
		case found.Type == tar.TypeLink:
			if links++; links > maxLinks {
				return fail(errors.New("too many hard links"))
			}
			name = found.Link
			i++ // the other name is looked for here first
		case found.Name != "" && found.Type != tar.TypeReg:
			return fail(fmt.Errorf("is of type %q, no regular file", found.Type))
		case found.Name != "":
			return data, nil
		case hidden:
			return fail(fs.ErrNotExist)
		}
	}
	return fail(fs.ErrNotExist)
}

// readFrom reads a file of one layer; hidden says whether the layer hides what
// layers below have.
func readFrom(b Blob, name string) (data []byte, found Entry, hidden bool, err error) {
	err = b.Walk(func(e Entry, content io.Reader) error {
		above := e.Name == "." || strings.HasPrefix(name, e.Name+"/")
		switch {
		case e.Opaque:
			hidden = hidden || above
		case e.Whiteout:
			hidden = hidden || above || e.Name == name
		case above:
			hidden = hidden || e.Type != tar.TypeDir
		case e.Name == name:
			found, data = e, nil
			if e.Size > maxRead {
				return fmt.Errorf("layer %s: %s is larger than %d bytes", b.Path, name, maxRead)
			}
			var buf bytes.Buffer
			if _, err := buf.ReadFrom(content); err != nil {
				return fmt.Errorf("layer %s: %s: %w", b.Path, name, err)
			}
			data = buf.Bytes()
		}
		return nil
	})
	return data, found, hidden, err
}
