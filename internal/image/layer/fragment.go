package layer

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Options say what becomes of the entries of a tar. The zero value keeps all.
type Options struct {
	Latest time.Time // later times become this; zero: times stay
	// Drop leaves entries out; nil keeps all. The name is that in the layer,
	// "usr/share/doc/perl", the header the one that was read. What is below a
	// dropped directory is dropped, too, listed before it or after; if it has
	// the content of a hard link that is kept, that link gets it.
	Drop    func(name string, h *tar.Header) bool
	Prefix  string // put before every name, and before targets of hard links: "venv"
	Owner   *int   // uid and gid of everything; nil keeps them
	MaxSize int64  // bytes of the tar, and of its files; 0: 64 GiB
	Dir     string // for the temporary file of a large tar; "": os.TempDir
}

// Fragment reads a tar to its end, whose entries may be in any order, and
// writes it to w in the normal form, as one gzip member without the end of
// archive. After an error what w has is of no use.
func Fragment(w io.Writer, r io.Reader, o Options) error {
	f := &fragment{o: o, byName: map[string]*item{}, dropped: map[string]bool{}, spool: spool{dir: o.Dir}}
	defer f.spool.close()
	err := f.run(w, r)
	if err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	return nil
}

// item is an entry of the tar.
type item struct {
	Entry         // Whiteout and Opaque are not used: those are files here
	time    int64 // seconds
	off     int64 // of the content in the spool
	holder  *item // of a hard link: who has the content
	dropped bool
}

type fragment struct {
	o       Options
	items   []*item
	byName  map[string]*item
	dropped map[string]bool // directories
	spool   spool
}

func (f *fragment) run(w io.Writer, r io.Reader) error {
	if p := f.o.Prefix; p != "" && (!filepath.IsLocal(p) || path.Clean(p) != p || strings.Contains(p, "\x00")) {
		return fmt.Errorf("prefix %q: want a clean relative path", p)
	}
	if f.o.MaxSize == 0 {
		f.o.MaxSize = maxSize
	}
	s := newSource(r, f.o.MaxSize)
	for {
		h, marked, err := s.next()
		if err == io.EOF && !marked {
			err = fmt.Errorf("read tar: it has no end: %w", io.ErrUnexpectedEOF)
		}
		if err == io.EOF {
			break
		}
		if err == nil {
			err = f.add(s, h)
		}
		if err != nil {
			return err
		}
	}
	if err := f.spool.flush(); err != nil {
		return err
	}
	if err := f.settle(); err != nil {
		return err
	}
	return f.write(w)
}

// add takes one entry from the source.
func (f *fragment) add(s *source, h *tar.Header) error {
	e, err := s.header(h)
	if err != nil {
		return err
	}
	i := &item{Entry: e, off: f.spool.size, time: f.seconds(h.ModTime)}
	if e.Whiteout || e.Opaque {
		i.Entry = Entry{Name: path.Clean(h.Name), Type: tar.TypeReg}
		i.time = 0
	} else if f.o.Owner != nil {
		i.UID, i.GID = *f.o.Owner, *f.o.Owner
	}
	if f.o.Prefix != "" {
		i.Name = path.Join(f.o.Prefix, i.Name)
		if i.Type == tar.TypeLink {
			i.Link = path.Join(f.o.Prefix, i.Link)
		}
	}
	if i.Name == "." {
		return nil
	}
	if f.o.Drop != nil && f.o.Drop(i.Name, h) {
		i.dropped = true
		f.dropped[i.Name] = i.Type == tar.TypeDir
	}
	if err := f.place(i); err != nil {
		return fmt.Errorf("entry %.200q: %w", i.Name, err)
	}
	if i.Type != tar.TypeReg {
		return nil
	}
	if _, err := io.Copy(&f.spool, s.tar); err != nil {
		return fmt.Errorf("entry %.200q: %w", i.Name, err)
	}
	return nil
}

func (f *fragment) seconds(t time.Time) int64 {
	s := t.Unix()
	if !f.o.Latest.IsZero() {
		s = min(s, f.o.Latest.Unix())
	}
	return max(0, min(s, maxTime))
}

// place enters an item under its name, which is new or that of an equal
// directory.
func (f *fragment) place(i *item) error {
	if len(i.Name) > maxName || len(i.Link) > maxName {
		return fmt.Errorf("name is longer than %d bytes", maxName)
	}
	old := f.byName[i.Name]
	switch {
	case old == nil:
		f.items = append(f.items, i)
		f.byName[i.Name] = i
	case i.Type != tar.TypeDir || i.Entry != old.Entry || i.time != old.time:
		return errors.New("occurs twice")
	}
	return nil
}

// settle drops what is below dropped directories, checks what is left, finds
// the content of hard links, and sorts.
func (f *fragment) settle() error {
	slices.SortFunc(f.items, func(a, b *item) int { return cmp.Compare(a.Name, b.Name) })
	known := newNames()
	for _, i := range f.items {
		i.dropped = i.dropped || f.below(i.Name)
		if !i.dropped {
			known.add(i.Name, i.Type)
		}
	}
	for _, i := range f.items {
		if i.dropped {
			continue
		}
		err := known.check(i.Name)
		if err == nil {
			err = f.follow(i)
		}
		if err != nil {
			return fmt.Errorf("entry %.200q: %w", i.Name, err)
		}
	}
	f.items = slices.DeleteFunc(f.items, func(i *item) bool { return i.dropped })
	return nil
}

// below says whether a name is in a dropped directory.
func (f *fragment) below(name string) bool {
	for dir := path.Dir(name); dir != "." && len(f.dropped) > 0; dir = path.Dir(dir) {
		if f.dropped[dir] {
			return true
		}
	}
	return false
}

// follow finds the holder of a hard link, which may be linked to by another
// link, and refuses what no layer has.
func (f *fragment) follow(i *item) error {
	switch i.Type {
	case tar.TypeChar, tar.TypeBlock:
		return errors.New("is a device")
	case tar.TypeFifo:
		return errors.New("is a fifo")
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
		return nil
	}
	holder := i
	for range maxLinks {
		next, ok := f.byName[holder.Link]
		if !ok {
			return fmt.Errorf("hard link to %.200q, which the tar does not hold", holder.Link)
		}
		holder = next
		switch holder.Type {
		case tar.TypeLink:
			continue
		case tar.TypeReg, tar.TypeSymlink:
			i.holder = holder
			return nil
		}
		return fmt.Errorf("hard link to %.200q, which is no file", holder.Name)
	}
	return errors.New("hard link to a hard link, too often")
}

// write writes the items. The first kept name of a file is its first in order,
// so it has been written when another one links to it.
func (f *fragment) write(w io.Writer) error {
	z, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	first := map[*item]string{} // kept name of a holder's content
	for _, i := range f.items {
		from := i
		if i.holder != nil {
			from = i.holder
		}
		h := i.header(from)
		if name, ok := first[from]; !ok {
			first[from] = i.Name
		} else if from.Type == tar.TypeReg {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, name, 0
		}
		err := t.WriteHeader(h)
		if err == nil && h.Typeflag == tar.TypeReg {
			err = f.spool.copy(t, from.off, from.Size)
		}
		if err != nil {
			return fmt.Errorf("entry %.200q: %w", i.Name, err)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return z.Close()
}

// header is the header of an item in the normal form, with what from has.
func (i *item) header(from *item) *tar.Header {
	h := &tar.Header{
		Typeflag: from.Type, Name: i.Name, Mode: from.Mode, Uid: from.UID, Gid: from.GID,
		ModTime: time.Unix(from.time, 0), Size: from.Size,
	}
	if from.Type == tar.TypeDir {
		h.Name += "/"
	}
	if from.Type == tar.TypeSymlink {
		h.Linkname = from.Link
	}
	if from.Capability != "" {
		h.PAXRecords = map[string]string{capability: from.Capability}
	}
	return h
}
