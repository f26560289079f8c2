package elfcheck

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The limits of a file.
const (
	maxProgs   = 4096
	maxDynamic = 1 << 20
	maxStrings = 64 << 20
	maxString  = 4096
	maxNames   = 16 << 10 // bytes of soname, libraries needed and run paths together
	maxNotes   = 1 << 20
	maxInits   = 1000
)

// reader reads one file.
type reader struct {
	r     io.ReaderAt
	size  int64
	wide  bool // 64 bits
	order binary.ByteOrder
	head  elf.Header64
	progs []elf.Prog64
	file  *File

	dynamic map[elf.DynTag][]uint64
	strings []byte // those of the dynamic section
	named   int    // bytes of names so far
}

func newReader(r io.ReaderAt, size int64) *reader {
	return &reader{r: r, size: size, file: new(File), dynamic: map[elf.DynTag][]uint64{}}
}

// Read reads an ELF file of size bytes.
func Read(r io.ReaderAt, size int64) (*File, error) {
	e := newReader(r, size)
	for _, step := range []func() error{e.header, e.programs, e.dynamicSection, e.names, e.notes, e.versions} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("read ELF: %w", err)
		}
		if e.file.Type == elf.ET_REL {
			return e.file, nil
		}
	}
	e.inits()
	e.hardening()
	return e.file, nil
}

// bytes reads n bytes at off, at most limit.
func (e *reader) bytes(what string, off, n uint64, limit int) ([]byte, error) {
	if n > uint64(limit) {
		return nil, fmt.Errorf("%s of %d bytes, more than %d", what, n, limit)
	}
	if n == 0 {
		return nil, nil // where nothing is does not matter: detached symbols have sections that are elsewhere
	}
	if off > uint64(e.size) || n > uint64(e.size)-off {
		return nil, fmt.Errorf("%s at %#x, %d bytes: beyond the end", what, off, n)
	}
	data := make([]byte, n)
	if _, err := e.r.ReadAt(data, int64(off)); err != nil && !(errors.Is(err, io.EOF) && off+n == uint64(e.size)) {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return data, nil
}

func (e *reader) header() error {
	ident, err := e.bytes("header", 0, elf.EI_NIDENT, elf.EI_NIDENT)
	if err != nil {
		return err
	}
	if !Magic(ident) {
		return errors.New("not an ELF file")
	}
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		e.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		e.order = binary.BigEndian
	default:
		return fmt.Errorf("unknown byte order %d", ident[elf.EI_DATA])
	}
	switch elf.Class(ident[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		e.wide = true
		err = e.decode("header", 0, &e.head)
	case elf.ELFCLASS32:
		var h elf.Header32
		err = e.decode("header", 0, &h)
		e.head = elf.Header64{
			Ident: h.Ident, Type: h.Type, Machine: h.Machine, Phoff: uint64(h.Phoff), Phentsize: h.Phentsize, Phnum: h.Phnum,
		}
	default:
		return fmt.Errorf("unknown class %d", ident[elf.EI_CLASS])
	}
	e.file.Type = elf.Type(e.head.Type)
	e.file.Machine = machine(elf.Machine(e.head.Machine), e.wide, e.order == binary.LittleEndian)
	return err
}

func (e *reader) decode(what string, off uint64, into any) error {
	n := binary.Size(into)
	data, err := e.bytes(what, off, uint64(n), maxProgs*64)
	if err != nil {
		return err
	}
	return binary.Read(bytes.NewReader(data), e.order, into)
}

func (e *reader) programs() error {
	n := int(e.head.Phnum)
	switch {
	case n > maxProgs:
		return fmt.Errorf("%d program headers, more than %d", n, maxProgs)
	case n == 0:
		return nil
	}
	if e.wide {
		if e.head.Phentsize != 56 {
			return fmt.Errorf("program headers of %d bytes", e.head.Phentsize)
		}
		e.progs = make([]elf.Prog64, n)
		return e.decode("program headers", e.head.Phoff, e.progs)
	}
	if e.head.Phentsize != 32 {
		return fmt.Errorf("program headers of %d bytes", e.head.Phentsize)
	}
	narrow := make([]elf.Prog32, n)
	err := e.decode("program headers", e.head.Phoff, narrow)
	for _, p := range narrow {
		e.progs = append(e.progs, elf.Prog64{
			Type: p.Type, Flags: p.Flags, Off: uint64(p.Off), Vaddr: uint64(p.Vaddr), Filesz: uint64(p.Filesz), Memsz: uint64(p.Memsz),
		})
	}
	return err
}

// dynamicSection reads the entries of PT_DYNAMIC up to its end.
func (e *reader) dynamicSection() error {
	i := slices.IndexFunc(e.progs, func(p elf.Prog64) bool { return elf.ProgType(p.Type) == elf.PT_DYNAMIC })
	if i < 0 {
		return nil
	}
	data, err := e.bytes("dynamic section", e.progs[i].Off, e.progs[i].Filesz, maxDynamic)
	if err != nil {
		return err
	}
	word := 4
	if e.wide {
		word = 8
	}
	for ; len(data) >= 2*word; data = data[2*word:] {
		tag := elf.DynTag(e.word(data))
		if tag == elf.DT_NULL {
			break
		}
		e.dynamic[tag] = append(e.dynamic[tag], e.word(data[word:]))
	}
	return nil
}

func (e *reader) word(data []byte) uint64 {
	if e.wide {
		return e.order.Uint64(data)
	}
	return uint64(e.order.Uint32(data))
}

// offset is where the address of a table is in the file.
func (e *reader) offset(address uint64) (uint64, error) {
	for _, p := range e.progs {
		if elf.ProgType(p.Type) == elf.PT_LOAD && address >= p.Vaddr && address-p.Vaddr < p.Filesz {
			return p.Off + (address - p.Vaddr), nil
		}
	}
	return 0, fmt.Errorf("address %#x is not in the file", address)
}

// names reads the strings and what consists of them.
func (e *reader) names() error {
	if i := slices.IndexFunc(e.progs, func(p elf.Prog64) bool { return elf.ProgType(p.Type) == elf.PT_INTERP }); i >= 0 {
		data, err := e.bytes("interpreter", e.progs[i].Off, e.progs[i].Filesz, maxString)
		if err != nil {
			return err
		}
		e.file.Interp = string(bytes.TrimRight(data, "\x00"))
	}
	table, size := e.dynamic[elf.DT_STRTAB], e.dynamic[elf.DT_STRSZ]
	if len(table) == 0 || len(size) == 0 {
		return nil
	}
	off, err := e.offset(table[0])
	if err != nil {
		return fmt.Errorf("dynamic strings: %w", err)
	}
	if e.strings, err = e.bytes("dynamic strings", off, size[0], maxStrings); err != nil {
		return err
	}
	soname, err := e.list(elf.DT_SONAME)
	if err != nil {
		return err
	}
	if len(soname) > 0 {
		e.file.Soname = soname[0]
	}
	if e.file.Needed, err = e.list(elf.DT_NEEDED); err != nil {
		return err
	}
	if e.file.RPath, err = e.paths(elf.DT_RPATH); err != nil {
		return err
	}
	e.file.RunPath, err = e.paths(elf.DT_RUNPATH)
	return err
}

// paths are the directories of a tag.
func (e *reader) paths(tag elf.DynTag) (dirs []string, err error) {
	texts, err := e.list(tag)
	for _, t := range texts {
		dirs = append(dirs, strings.Split(t, ":")...)
	}
	return dirs, err
}

// split are the directories of the run path that is a string.
func (e *reader) split(at uint64) ([]string, error) {
	text, err := e.text(at)
	return strings.Split(text, ":"), err
}

// list are the strings of a tag.
func (e *reader) list(tag elf.DynTag) ([]string, error) {
	var out []string
	for _, at := range e.dynamic[tag] {
		s, err := e.text(at)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", tag, err)
		}
		if e.named += len(s) + 1; e.named > maxNames {
			return nil, fmt.Errorf("%v: more than %d bytes of names", tag, maxNames)
		}
		out = append(out, s)
	}
	return out, nil
}

func (e *reader) text(at uint64) (string, error) {
	if at >= uint64(len(e.strings)) {
		return "", fmt.Errorf("string %#x is beyond the strings", at)
	}
	s := e.strings[at:min(uint64(len(e.strings)), at+maxString)]
	end := bytes.IndexByte(s, 0)
	if end < 0 {
		return "", fmt.Errorf("string %#x has no end", at)
	}
	return string(s[:end]), nil
}

// notes looks for the build id.
func (e *reader) notes() error {
	left := maxNotes
	for _, p := range e.progs {
		if elf.ProgType(p.Type) != elf.PT_NOTE || e.file.BuildID != "" {
			continue
		}
		data, err := e.bytes("notes", p.Off, p.Filesz, left)
		if err != nil {
			return err
		}
		left -= len(data)
		for len(data) >= 12 {
			name, desc := uint64(e.order.Uint32(data)), uint64(e.order.Uint32(data[4:]))
			start := 12 + (name+3)&^3
			if start+desc > uint64(len(data)) {
				break
			}
			if e.order.Uint32(data[8:]) == 3 && string(data[12:12+name]) == "GNU\x00" && desc >= 8 {
				e.file.BuildID = hex.EncodeToString(data[start : start+desc])
				break
			}
			data = data[min(uint64(len(data)), (start+desc+3)&^3):]
		}
	}
	return nil
}

// inits finds what only modules of Python export, by the names of functions.
func (e *reader) inits() {
	for _, prefix := range []string{"\x00PyInit_", "\x00PyModExport_"} {
		rest := e.strings
		for len(e.file.Inits) < maxInits {
			i := bytes.Index(rest, []byte(prefix))
			if i < 0 {
				break
			}
			rest = rest[i+len(prefix):]
			end := bytes.IndexByte(rest, 0)
			if end < 0 || end > maxString {
				continue
			}
			e.file.Inits = append(e.file.Inits, string(rest[:end]))
			rest = rest[end:]
		}
	}
}

func has(values []uint64, flag uint64) bool {
	return slices.ContainsFunc(values, func(v uint64) bool { return v&flag != 0 })
}

func (e *reader) hardening() {
	want := func(ok bool, what string) {
		if !ok {
			e.file.Missing = append(e.file.Missing, what)
		}
	}
	want(e.file.Type == elf.ET_DYN, "not position independent")
	var relro, stack bool
	for _, p := range e.progs {
		switch elf.ProgType(p.Type) {
		case elf.PT_GNU_RELRO:
			relro = true
		case elf.PT_GNU_STACK:
			stack = elf.ProgFlag(p.Flags)&elf.PF_X == 0
		}
	}
	want(relro, "no RELRO")
	want(stack, ExecStack)
	want(e.file.BuildID != "", NoBuildID)
	flags := e.dynamic[elf.DT_FLAGS]
	_, bindNow := e.dynamic[elf.DT_BIND_NOW]
	want(bindNow || has(flags, uint64(elf.DF_BIND_NOW)) || has(e.dynamic[elf.DT_FLAGS_1], uint64(elf.DF_1_NOW)), "no BIND_NOW")
	_, textrel := e.dynamic[elf.DT_TEXTREL]
	want(!textrel && !has(flags, uint64(elf.DF_TEXTREL)), "text relocations")
}

// Words of File.Missing that are asked for by name.
const (
	ExecStack = "executable stack"
	NoBuildID = "no build id"
)

// older is whether version a is before b.
func older(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }
