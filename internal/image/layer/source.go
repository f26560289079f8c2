package layer

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// source reads a tar entry by entry.
type source struct {
	tar     *tar.Reader
	in      *counter
	last    string // name of the entry that was read last
	entries int
	content int64 // bytes, with the holes of sparse files
}

func newSource(r io.Reader, limit int64) *source {
	in := &counter{r: bufio.NewReaderSize(r, 1<<18), limit: limit}
	return &source{tar: tar.NewReader(in), in: in}
}

// next is the next entry, or io.EOF; marked says then whether the end of the
// archive was there. Nothing but zeros may follow it.
func (s *source) next() (h *tar.Header, marked bool, err error) {
	// The rest of the content is read here, so that in.n is where it ends.
	if _, err := io.Copy(io.Discard, s.tar); err != nil {
		return nil, false, s.wrap(err)
	}
	end := (s.in.n + block - 1) / block * block
	for {
		h, err = s.tar.Next()
		if err != nil || h.Typeflag != tar.TypeXGlobalHeader {
			break
		}
	}
	switch {
	case err == io.EOF:
		marked = s.in.n >= end+block && s.in.zeros >= block
		if !marked && s.in.n != end {
			return nil, false, s.wrap(io.ErrUnexpectedEOF)
		}
		if err := s.rest(); err != nil {
			return nil, false, s.wrap(err)
		}
		return nil, marked, io.EOF
	case err != nil:
		return nil, false, s.wrap(err)
	}
	if s.entries++; s.entries > maxEntries {
		return nil, false, fmt.Errorf("more than %d entries", maxEntries)
	}
	if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeGNUSparse {
		if h.Size > s.in.limit-s.content {
			return nil, false, fmt.Errorf("entry %.200q: files are larger than the limit of %d bytes", h.Name, s.in.limit)
		}
		s.content += h.Size
	}
	s.last = h.Name
	return h, false, nil
}

func (s *source) wrap(err error) error {
	if s.last == "" {
		return fmt.Errorf("read tar: %w", err)
	}
	return fmt.Errorf("read tar after entry %.200q: %w", s.last, err)
}

// rest reads what follows the end of the archive, up to the end of r.
func (s *source) rest() error {
	before := s.in.n
	s.in.zeros = 0
	_, err := io.Copy(io.Discard, s.in)
	if err == nil && s.in.zeros != s.in.n-before {
		err = errors.New("something follows the end of the archive")
	}
	return err
}

// header is the entry of a header. It checks what every reader of tars wants of an entry: a clean name, a
// known type, a link that leads somewhere.
func (s *source) header(h *tar.Header) (Entry, error) {
	name, err := cleanName(h.Name)
	if err != nil {
		return Entry{}, fmt.Errorf("entry %.200q: %w", h.Name, err)
	}
	e := Entry{
		Name: name, Type: h.Typeflag, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid,
		Capability: h.PAXRecords[capability],
	}
	if err := e.complete(h); err != nil {
		return Entry{}, fmt.Errorf("entry %.200q: %w", h.Name, err)
	}
	return e, nil
}

// complete sets and checks what depends on the type and on the name.
func (e *Entry) complete(h *tar.Header) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		e.Type, e.Size = tar.TypeReg, h.Size
	case tar.TypeDir, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	case tar.TypeSymlink:
		switch {
		case h.Linkname == "":
			return errors.New("symbolic link to nowhere")
		case len(h.Linkname) > maxName:
			return fmt.Errorf("symbolic link longer than %d bytes", maxName)
		case strings.Contains(h.Linkname, "\x00"):
			return errors.New("symbolic link contains NUL")
		}
		e.Link, e.Mode = h.Linkname, 0o777
	case tar.TypeLink:
		target, err := cleanName(h.Linkname)
		if err != nil {
			return fmt.Errorf("hard link to %.200q: %w", h.Linkname, err)
		}
		if _, isWhiteout, isOpaque, err := hides(target); isWhiteout || isOpaque || err != nil {
			return fmt.Errorf("hard link to %.200q, a whiteout", target)
		}
		e.Link = target
	default:
		return fmt.Errorf("is of unknown type %q", h.Typeflag)
	}
	switch {
	case e.Name == "." && e.Type != tar.TypeDir:
		return errors.New("the root is not a directory")
	case e.UID < 0 || e.UID > maxID || e.GID < 0 || e.GID > maxID:
		return fmt.Errorf("owner %d:%d: out of range", e.UID, e.GID)
	case len(e.Capability) > maxCapability:
		return fmt.Errorf("security.capability of %d bytes", len(e.Capability))
	}
	target, isWhiteout, isOpaque, err := hides(e.Name)
	if err != nil {
		return err
	}
	if isWhiteout || isOpaque {
		if e.Type != tar.TypeReg || e.Size != 0 {
			return errors.New("whiteout is not an empty file")
		}
		*e = Entry{Name: target, Whiteout: isWhiteout, Opaque: isOpaque}
	}
	return nil
}

// counter counts the bytes that were read, and the zeros at their end.
type counter struct {
	r        io.Reader
	n, zeros int64
	limit    int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	i := n
	for i > 0 && p[i-1] == 0 {
		i--
	}
	if i > 0 {
		c.zeros = 0
	}
	c.zeros += int64(n - i)
	if c.n > c.limit {
		return n, fmt.Errorf("larger than the limit of %d bytes", c.limit)
	}
	return n, err
}
