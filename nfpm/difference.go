package nfpm

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
)

// Difference is the first thing in which two .deb files differ.
type Difference struct {
	Member string // of the .deb: "data.tar", "control.tar"
	Path   string // in it: "/opt/python/3.13/bin/python3.13"; "" if all entries are the same and their archive is not
	What   string // "only in the first", "only in the second", "its header" or "its content"
	// Where is the first byte that differs, of content; Section the ELF section that
	// it is in, ".rodata", or empty. Old and New are up to 16 bytes from there; of a
	// header they are its text.
	Where    int64
	Section  string
	Old, New []byte
	More     int // entries beside this one that differ, in all members
}

// String is "data.tar: /opt/x differs from byte 5 on, in .rodata: 61 and 62 (and 3 more files)".
func (d *Difference) String() string {
	var b strings.Builder
	b.WriteString(d.Member)
	switch {
	case d.Path == "":
		b.WriteString(" differs, and no entry of it")
	case d.What == "its content":
		fmt.Fprintf(&b, ": %s differs from byte %d on", d.Path, d.Where)
		if d.Section != "" {
			fmt.Fprintf(&b, ", in %s", d.Section)
		}
		fmt.Fprintf(&b, ": %x and %x", d.Old, d.New)
	case d.What == "its header":
		fmt.Fprintf(&b, ": %s is %s and %s", d.Path, d.Old, d.New)
	default:
		fmt.Fprintf(&b, ": %s is %s", d.Path, d.What)
	}
	if d.More > 0 {
		fmt.Fprintf(&b, " (and %d more files)", d.More)
	}
	return b.String()
}

// Differ compares two .deb files, and returns nil if they are the same, bit by bit.
// The control archive, whose sums follow from the rest, is looked at last; and of an
// ELF file the build id, which does, too.
func Differ(one, two []byte) (*Difference, error) {
	if bytes.Equal(one, two) {
		return nil, nil
	}
	before, err := entries(one)
	if err != nil {
		return nil, err
	}
	after, err := entries(two)
	if err != nil {
		return nil, err
	}
	var first *Difference
	more := -1
	found := func(d *Difference) {
		more++
		if first == nil {
			first = d
		}
	}
	of := map[string]*archived{}
	for _, e := range after {
		of[e.member+e.path] = e
	}
	for _, e := range before {
		other := of[e.member+e.path]
		delete(of, e.member+e.path)
		if d := e.differ(other); d != nil {
			found(d)
		}
	}
	for _, e := range after {
		if of[e.member+e.path] != nil {
			found(&Difference{Member: e.member, Path: e.path, What: "only in the second"})
		}
	}
	if first == nil {
		first, more = &Difference{Member: "the archive itself"}, 0
	}
	first.More = more
	return first, nil
}

// archived is one entry of a control or data archive.
type archived struct {
	member, path, header string
	data                 []byte
}

// entries are those of all archives of a .deb.
func entries(deb []byte) (all []*archived, err error) {
	a := &arReader{r: bufio.NewReader(bytes.NewReader(deb))}
	for _, prefix := range []string{"debian-binary", "control.tar", "data.tar"} {
		name, body, err := a.next()
		if err == nil && !strings.HasPrefix(name, prefix) {
			err = fmt.Errorf("member %q: want %s", name, prefix)
		}
		if err == nil && prefix != "debian-binary" {
			err = eachTar(name, body, func(h *tar.Header, r io.Reader) error {
				data, err := io.ReadAll(r)
				all = append(all, &archived{prefix, path.Join("/", h.Name), headerText(h), data})
				return err
			})
		}
		if err != nil {
			return nil, fmt.Errorf("compare debs: %w", err)
		}
	}
	slices.SortStableFunc(all, func(a, b *archived) int { return strings.Compare(b.member, a.member) })
	return all, nil
}

func headerText(h *tar.Header) string {
	return strings.TrimSpace(fmt.Sprintf("%v %s:%s %d:%d %s %s", h.FileInfo().Mode(), h.Uname, h.Gname, h.Uid, h.Gid, h.ModTime.UTC().Format("2006-01-02T15:04:05Z"), h.Linkname))
}

// differ compares with the entry of the same path; nil means that there is none.
func (e *archived) differ(other *archived) *Difference {
	d := &Difference{Member: e.member, Path: e.path}
	switch {
	case other == nil:
		d.What = "only in the first"
	case e.header != other.header:
		d.What, d.Old, d.New = "its header", []byte(e.header), []byte(other.header)
	case !bytes.Equal(e.data, other.data):
		d.What = "its content"
		d.Where, d.Section = elfcheck.Difference(e.data, other.data)
		d.Old, d.New = from(e.data, d.Where), from(other.data, d.Where)
	default:
		return nil
	}
	return d
}

func from(data []byte, where int64) []byte { return data[where:min(int64(len(data)), where+16)] }
