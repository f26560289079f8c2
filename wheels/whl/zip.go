package whl

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// limits hold for an archive before anything of it is read.
type limits struct {
	members int   // in the central directory
	total   int64 // bytes of all members, unpacked
	free    int64 // bytes unpacked that any archive may have, whatever its ratio
	ratio   int64 // of bytes unpacked to bytes of the file, beyond free
	file    int64 // bytes of one file in .dist-info that is read as a whole
}

func defaults() limits {
	return limits{members: 200_000, total: 8 << 30, free: 256 << 20, ratio: 100, file: 64 << 20}
}

// member is an entry of the archive.
type member struct {
	name    string // "foo/__init__.py"; of a directory without the slash
	dir     bool
	flags   uint16
	method  uint16 // stored or deflated
	crc     uint32
	packed  int64  // bytes in the archive
	size    int64  // bytes unpacked
	mode    uint32 // of Unix, with the type; 0 if the archive has none
	at      int64  // where its local header is
	data    int64  // where its bytes are
	unknown bool   // its numbers cannot be relied on
	refused bool   // a problem was noted, so its bytes are not read
}

const maxDirectory = 128 << 20

const (
	stored   = 0
	deflated = 8

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagUTF8       = 1 << 11
	flagsAllowed   = 1<<1 | 1<<2 | flagDescriptor | flagUTF8

	signLocal      = "PK\x03\x04"
	signDescriptor = "PK\x07\x08"
	signCentral    = "PK\x01\x02"
	signEnd        = "PK\x05\x06"
	signEnd64      = "PK\x06\x06"
	signLocator64  = "PK\x06\x07"
)

// archive is a zip file.
type archive struct {
	r        io.ReaderAt
	size     int64
	limits   limits
	members  []*member // in the order of their bytes
	problems *problems

	inflater io.ReadCloser // reused
	packed   *bufio.Reader
	buf      []byte
}

// openArchive reads and checks all headers. An error means that there is no
// reading on; what else is wrong is among the problems.
func openArchive(r io.ReaderAt, size int64, limits limits, p *problems) (*archive, error) {
	a := &archive{r: r, size: size, limits: limits, problems: p}
	dir, err := a.directory()
	if err != nil {
		return nil, err
	}
	if err := a.central(dir); err != nil {
		return nil, err
	}
	if err := a.totals(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(a.members, func(x, y *member) int {
		switch {
		case x.at < y.at:
			return -1
		case x.at > y.at:
			return 1
		}
		return 0
	})
	if err := a.locals(dir.at); err != nil {
		return nil, err
	}
	a.names()
	return a, nil
}

// directory is where the central directory is.
type directory struct {
	at, size int64
	count    uint64
}

func (a *archive) read(at int64, n int) ([]byte, error) {
	if at < 0 || at > a.size || int64(n) > a.size-at {
		return nil, errors.New("the archive is cut off")
	}
	data := make([]byte, n)
	if k, err := a.r.ReadAt(data, at); k < n {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, at, err)
	}
	return data, nil
}

var le = binary.LittleEndian

// directory reads the end of the archive, which must be the end of the file.
func (a *archive) directory() (directory, error) {
	var d directory
	end := a.size - 22
	data, err := a.read(end, 22)
	if err != nil {
		return d, errors.New("not a zip archive: too short")
	}
	if string(data[:4]) != signEnd || le.Uint16(data[20:]) != 0 {
		return d, a.noEnd()
	}
	if le.Uint16(data[4:]) != 0 || le.Uint16(data[6:]) != 0 || le.Uint16(data[8:]) != le.Uint16(data[10:]) {
		return d, errors.New("the archive has several parts")
	}
	d = directory{at: int64(le.Uint32(data[16:])), size: int64(le.Uint32(data[12:])), count: uint64(le.Uint16(data[10:]))}
	if end >= 20 {
		locator, err := a.read(end-20, 20)
		if err != nil {
			return d, err
		}
		if string(locator[:4]) == signLocator64 {
			if end, err = a.directory64(end-20, locator, &d); err != nil {
				return d, err
			}
		}
	}
	switch {
	case d.count > uint64(a.limits.members):
		return d, fmt.Errorf("%d members, more than %d", d.count, a.limits.members)
	case d.size > maxDirectory:
		return d, fmt.Errorf("a central directory of %d bytes, more than %d", d.size, maxDirectory)
	case d.at < 0 || d.size < 0 || d.at > end || d.size != end-d.at:
		return d, fmt.Errorf("the central directory is at %d with %d bytes by its end record, which is at %d", d.at, d.size, end)
	}
	return d, nil
}

// directory64 reads the records of ZIP64 before the end, which must say the same.
func (a *archive) directory64(end int64, locator []byte, d *directory) (int64, error) {
	at := int64(le.Uint64(locator[8:]))
	if le.Uint32(locator[4:]) != 0 || le.Uint32(locator[16:]) > 1 {
		return 0, errors.New("the archive has several parts")
	}
	data, err := a.read(at, 56)
	if err != nil || string(data[:4]) != signEnd64 || at+56 != end || le.Uint64(data[4:]) != 44 {
		return 0, errors.New("the ZIP64 end record is not where its locator says")
	}
	if le.Uint32(data[16:]) != 0 || le.Uint32(data[20:]) != 0 || le.Uint64(data[24:]) != le.Uint64(data[32:]) {
		return 0, errors.New("the archive has several parts")
	}
	wide := directory{at: int64(le.Uint64(data[48:])), size: int64(le.Uint64(data[40:])), count: le.Uint64(data[32:])}
	if d.at != 0xffffffff && d.at != wide.at || d.size != 0xffffffff && d.size != wide.size || d.count != 0xffff && d.count != wide.count {
		return 0, errors.New("the two end records of the archive disagree")
	}
	*d = wide
	return at, nil
}

// noEnd says why there is no end record at the end.
func (a *archive) noEnd() error {
	n := min(a.size, 22+1<<16)
	tail, err := a.read(a.size-n, int(n))
	if err != nil {
		return err
	}
	i := bytes.LastIndex(tail, []byte(signEnd))
	switch {
	case i < 0:
		return errors.New("not a zip archive: no end record")
	case i+22 <= len(tail) && i+22+int(le.Uint16(tail[i+20:])) == len(tail):
		return errors.New("the archive has a comment")
	}
	return errors.New("bytes after the end of the archive")
}

// central reads the central directory.
func (a *archive) central(d directory) error {
	r := bufio.NewReaderSize(io.NewSectionReader(a.r, d.at, d.size), 1<<16)
	left := d.size
	var head [46]byte
	for range d.count {
		if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:4]) != signCentral {
			return fmt.Errorf("the central directory ends after %d of %d members", len(a.members), d.count)
		}
		name, extra, comment := int(le.Uint16(head[28:])), int(le.Uint16(head[30:])), int(le.Uint16(head[32:]))
		rest := make([]byte, name+extra+comment)
		if _, err := io.ReadFull(r, rest); err != nil {
			return fmt.Errorf("the central directory ends after %d of %d members", len(a.members), d.count)
		}
		left -= int64(len(head) + len(rest))
		m := &member{
			name: string(rest[:name]), flags: le.Uint16(head[8:]), method: le.Uint16(head[10:]), crc: le.Uint32(head[16:]),
			packed: int64(le.Uint32(head[20:])), size: int64(le.Uint32(head[24:])), at: int64(le.Uint32(head[42:])),
			mode: le.Uint32(head[38:]) >> 16,
		}
		a.members = append(a.members, m)
		wide := []*int64{&m.size, &m.packed, &m.at}
		if err := extras(rest[name:name+extra], m.name, wide, true); err != nil {
			a.refuse(m, "%v", err)
			m.size, m.packed, m.unknown = 0, 0, true
		}
		if disk := le.Uint16(head[34:]); disk != 0 {
			a.refuse(m, "is in another part of the archive")
		}
		a.kind(m, head[38]&0x10 != 0)
	}
	if left != 0 {
		return fmt.Errorf("the central directory has %d bytes after its %d members", left, d.count)
	}
	return nil
}

func (a *archive) refuse(m *member, format string, args ...any) {
	m.refused = true
	a.problems.add("%s: %s", quote(m.name), fmt.Sprintf(format, args...))
}

// extras reads extra fields: the sizes of ZIP64 for those of wide that have no
// room in the header, and the name that some readers prefer.
func extras(data []byte, name string, wide []*int64, exact bool) error {
	var missing []*int64
	for _, v := range wide {
		if *v == 0xffffffff {
			missing = append(missing, v)
		}
	}
	found := false
	for len(data) >= 4 {
		id, n := le.Uint16(data), int(le.Uint16(data[2:]))
		if n > len(data)-4 {
			return errors.New("an extra field is cut off")
		}
		field := data[4 : 4+n]
		data = data[4+n:]
		switch {
		case id == 0x0001 && found:
			return errors.New("two ZIP64 fields")
		case id == 0x0001:
			found = true
			if n < 8*len(missing) || exact && n != 8*len(missing) {
				return fmt.Errorf("a ZIP64 field of %d bytes for %d numbers", n, len(missing))
			}
			for i, v := range missing {
				if *v = int64(le.Uint64(field[8*i:])); *v < 0 {
					return errors.New("a number of ZIP64 beyond all sizes")
				}
			}
		case id == 0x7075 && (n < 5 || string(field[5:]) != name):
			return errors.New("a second name in an extra field")
		}
	}
	if len(data) > 0 {
		return errors.New("an extra field is cut off")
	}
	if len(missing) > 0 && !found {
		return errors.New("sizes of ZIP64 without their field")
	}
	return nil
}
