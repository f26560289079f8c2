package whl

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// The types of a file in a Unix mode.
const (
	typeMask    = 0o170000
	typeDir     = 0o040000
	typeRegular = 0o100000
	typeLink    = 0o120000
)

const maxDepth = 100 // of directories

// kind checks what a member is by its flags, attributes and name.
func (a *archive) kind(m *member, dosDir bool) {
	if m.flags&flagEncrypted != 0 {
		a.refuse(m, "is encrypted")
	} else if odd := m.flags &^ flagsAllowed; odd != 0 {
		a.refuse(m, "unknown flags %#x", odd)
	}
	if m.method != stored && m.method != deflated {
		a.refuse(m, "compression method %d, neither stored nor deflated", m.method)
	}
	if m.method == stored && m.packed != m.size {
		a.refuse(m, "stored, but %d bytes for %d", m.packed, m.size)
	}
	if err := checkName(m.name, m.flags&flagUTF8 != 0); err != nil {
		a.refuse(m, "%v", err)
	}
	m.name, m.dir = strings.CutSuffix(m.name, "/")
	switch t := m.mode & typeMask; {
	case t == typeLink:
		a.refuse(m, "is a symbolic link")
	case t == typeDir && !m.dir, t == typeRegular && m.dir, dosDir && !m.dir:
		a.refuse(m, "is a directory by its name or its attributes, not by both")
	case t != 0 && t != typeDir && t != typeRegular:
		a.refuse(m, "is a device or another special file")
	}
	if m.dir && m.size != 0 {
		a.refuse(m, "is a directory with %d bytes", m.size)
	}
}

// checkName refuses names that are not plain relative paths, the same for every
// reader. A slash at the end is that of a directory.
func checkName(name string, isUTF8 bool) error {
	switch {
	case name == "":
		return errors.New("name is empty")
	case len(name) > 4096:
		return errors.New("name is longer than 4096 bytes")
	case !utf8.ValidString(name):
		return errors.New("name is not UTF-8")
	case name[0] == '/':
		return errors.New("name is absolute")
	}
	for _, c := range name {
		switch {
		case c == 0:
			return errors.New("name contains NUL")
		case c < ' ' || c == 0x7f:
			return errors.New("name contains a control character")
		case c == '\\':
			return errors.New("name contains a backslash")
		case c >= utf8.RuneSelf && !isUTF8:
			return errors.New("name is neither ASCII nor marked as UTF-8")
		}
	}
	if strings.Count(name, "/") > maxDepth {
		return fmt.Errorf("name has more than %d directories", maxDepth)
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		switch {
		case part == "..":
			return errors.New(`name contains ".."`)
		case part == "" || part == ".":
			return errors.New("name is not in its plain form")
		case len(part) > 255:
			return errors.New("name has a part longer than 255 bytes")
		}
	}
	return nil
}

// totals refuses bombs by what the headers declare; that they are true is seen
// when the members are read.
func (a *archive) totals() error {
	var total int64
	for _, m := range a.members {
		if m.size > a.limits.total-total {
			return fmt.Errorf("%s: with it the archive has more than %d bytes", quote(m.name), a.limits.total)
		}
		total += m.size
	}
	if total > a.limits.free && total/a.limits.ratio > a.size {
		return fmt.Errorf("%d bytes are packed into %d, more than %d to one", total, a.size, a.limits.ratio)
	}
	return nil
}

// locals compares the local headers with the central directory: the members
// fill the file up to there without a gap and say the same.
func (a *archive) locals(end int64) error {
	for i, m := range a.members {
		next := end
		if i+1 < len(a.members) {
			next = a.members[i+1].at
		}
		if i == 0 && m.at > 0 {
			a.refuse(m, "%d bytes before the first member", m.at)
		}
		if m.unknown {
			continue
		}
		if err := a.local(m, next); err != nil {
			a.refuse(m, "%v", err)
		}
	}
	if len(a.members) == 0 && end > 0 {
		return errors.New("bytes before an empty central directory")
	}
	return nil
}

// local compares one local header. next is where the next one begins.
func (a *archive) local(m *member, next int64) error {
	head, err := a.read(m.at, 30)
	if err != nil || string(head[:4]) != signLocal {
		return errors.New("no local header where the central directory says")
	}
	name, extra := int(le.Uint16(head[26:])), int(le.Uint16(head[28:]))
	rest, err := a.read(m.at+30, name+extra)
	if err != nil {
		return err
	}
	local := member{
		name: string(rest[:name]), flags: le.Uint16(head[6:]), method: le.Uint16(head[8:]), crc: le.Uint32(head[14:]),
		packed: int64(le.Uint32(head[18:])), size: int64(le.Uint32(head[22:])),
	}
	if err := extras(rest[name:], local.name, []*int64{&local.size, &local.packed}, false); err != nil {
		return fmt.Errorf("local header: %w", err)
	}
	whole := m.name
	if m.dir {
		whole += "/"
	}
	differs := func(what string, central, local any) error {
		return fmt.Errorf("%s %v in the central directory, %v in the local header", what, central, local)
	}
	empty := m.flags&flagDescriptor != 0 && local.crc == 0 && local.packed == 0 && local.size == 0
	switch {
	case local.name != whole:
		return differs("name", quote(whole), quote(local.name))
	case local.flags != m.flags:
		return differs("flags", m.flags, local.flags)
	case local.method != m.method:
		return differs("method", m.method, local.method)
	case !empty && local.size != m.size:
		return differs("size", m.size, local.size)
	case !empty && local.packed != m.packed:
		return differs("packed size", m.packed, local.packed)
	case !empty && local.crc != m.crc:
		return differs("CRC", m.crc, local.crc)
	}
	m.data = m.at + 30 + int64(name+extra)
	if m.packed > next-m.data {
		return errors.New("overlaps with what follows it")
	}
	return a.descriptor(m, m.data+m.packed, next)
}

// descriptor checks what is between the bytes of a member and the next: a data
// descriptor if the flags announce one, else nothing.
func (a *archive) descriptor(m *member, at, next int64) error {
	gap := next - at
	if m.flags&flagDescriptor == 0 {
		if gap != 0 {
			return fmt.Errorf("%d bytes after it belong to no member", gap)
		}
		return nil
	}
	if gap != 12 && gap != 16 && gap != 20 && gap != 24 {
		return fmt.Errorf("a data descriptor of %d bytes", gap)
	}
	data, err := a.read(at, int(gap))
	if err != nil {
		return err
	}
	if gap == 16 || gap == 24 {
		if string(data[:4]) != signDescriptor {
			return errors.New("a data descriptor without its signature")
		}
		data = data[4:]
	}
	crc, packed, size := le.Uint32(data), int64(le.Uint32(data[4:])), int64(0)
	if len(data) == 12 {
		size = int64(le.Uint32(data[8:]))
	} else {
		packed, size = int64(le.Uint64(data[4:])), int64(le.Uint64(data[12:]))
	}
	if crc != m.crc || packed != m.packed || size != m.size {
		return errors.New("its data descriptor disagrees with the central directory")
	}
	return nil
}

// names refuses members that would be written twice, or below a file.
func (a *archive) names() {
	seen := make(map[string]*member, len(a.members))
	for _, m := range a.members {
		if seen[m.name] != nil {
			a.refuse(m, "occurs twice")
			continue
		}
		seen[m.name] = m
	}
	for _, m := range a.members {
		for dir := path.Dir(m.name); dir != "." && dir != "/"; dir = path.Dir(dir) {
			if above := seen[dir]; above != nil && !above.dir {
				a.refuse(m, "is below %s, a file", quote(dir))
				break
			}
		}
	}
}
