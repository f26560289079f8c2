// Package elftest makes small ELF files for tests: headers, a dynamic section
// and notes, no code. The loader's view is complete; there are no sections but
// that of DebugStr.
package elftest

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"maps"
	"slices"
)

// Spec says what is in a file. The zero Spec is an x86_64 library of 64 bits
// that lacks all hardening.
type Spec struct {
	Type    elf.Type    // 0: ET_DYN
	Machine elf.Machine // 0: EM_X86_64
	Narrow  bool        // 32 bits
	Big     bool        // big endian
	Interp  string
	Soname  string
	Needed  []string
	RPath   string
	RunPath string
	Needs   map[string][]string // symbol versions by library: {"libc.so.6": {"GLIBC_2.28"}}
	Exports []string            // "PyInit_foo"
	Imports []string            // "memcpy", each with a relocation

	Hard      bool // all that hardening asks for, and a build id
	ExecStack bool // beside Hard
	Lazy      bool // beside Hard: no BIND_NOW
	NoRELRO   bool // beside Hard
	NoBuildID bool // beside Hard
	TextRel   bool

	BuildID  string // 8 bytes, of a Hard file; "": 0123456789abcdef in hexadecimal
	DebugStr string // of the section .debug_str, which is compressed
}

// file is laid out as one segment at address 0.
type file struct {
	Spec
	order   binary.AppendByteOrder
	word    int
	strings []byte
	dynamic []uint64
	progs   []elf.Prog64
	body    bytes.Buffer // after the headers
	base    uint64       // where it begins

	sections uint64 // where the table of sections is; 0: none
}

// Build returns the file.
func Build(s Spec) []byte {
	f := &file{Spec: s, order: binary.LittleEndian, word: 8, strings: []byte{0}}
	if s.Big {
		f.order = binary.BigEndian
	}
	head, prog := uint64(64), uint64(56)
	if s.Narrow {
		f.word, head, prog = 4, 52, 32
	}
	const most = 6
	f.base = head + most*prog
	f.notes()
	f.interp()
	f.names()
	f.versions()
	f.imports()
	f.add(elf.DT_STRTAB, f.put(f.strings))
	f.add(elf.DT_STRSZ, uint64(len(f.strings)))
	f.flags()
	f.add(elf.DT_NULL, 0)
	var dynamic []byte
	for _, v := range f.dynamic {
		dynamic = f.number(dynamic, v, f.word)
	}
	f.segment(elf.PT_DYNAMIC, elf.PF_R, dynamic)
	end := f.base + uint64(f.body.Len())
	f.progs = append(f.progs, elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: end, Memsz: end, Flags: uint32(elf.PF_R)})
	f.debug()
	return append(f.headers(prog), f.body.Bytes()...)
}

func (f *file) number(to []byte, v uint64, width int) []byte {
	switch width {
	case 2:
		return f.order.AppendUint16(to, uint16(v))
	case 4:
		return f.order.AppendUint32(to, uint32(v))
	}
	return f.order.AppendUint64(to, v)
}

// put adds data to the body and returns its address.
func (f *file) put(data []byte) uint64 {
	for f.body.Len()%8 != 0 {
		f.body.WriteByte(0)
	}
	at := f.base + uint64(f.body.Len())
	f.body.Write(data)
	return at
}

func (f *file) segment(t elf.ProgType, flags elf.ProgFlag, data []byte) {
	at := f.put(data)
	f.progs = append(f.progs, elf.Prog64{
		Type: uint32(t), Flags: uint32(flags), Off: at, Vaddr: at, Filesz: uint64(len(data)), Memsz: uint64(len(data)),
	})
}

func (f *file) text(s string) uint64 {
	at := len(f.strings)
	f.strings = append(append(f.strings, s...), 0)
	return uint64(at)
}

func (f *file) add(tag elf.DynTag, v uint64) { f.dynamic = append(f.dynamic, uint64(tag), v) }

func (f *file) notes() {
	if !f.Hard || f.NoBuildID {
		return
	}
	var note []byte
	for _, v := range []uint64{4, 8, 3} {
		note = f.number(note, v, 4)
	}
	id := f.BuildID
	if id == "" {
		id = "\x01\x23\x45\x67\x89\xab\xcd\xef"
	}
	f.segment(elf.PT_NOTE, elf.PF_R, append(note, "GNU\x00"+id...))
}

func (f *file) interp() {
	if f.Interp != "" {
		f.segment(elf.PT_INTERP, elf.PF_R, []byte(f.Interp+"\x00"))
	}
}

func (f *file) names() {
	for _, n := range f.Needed {
		f.add(elf.DT_NEEDED, f.text(n))
	}
	f.name(elf.DT_SONAME, f.Soname)
	f.name(elf.DT_RPATH, f.RPath)
	f.name(elf.DT_RUNPATH, f.RunPath)
	for _, e := range f.Exports {
		f.text(e)
	}
}

func (f *file) name(tag elf.DynTag, s string) {
	if s != "" {
		f.add(tag, f.text(s))
	}
}

func (f *file) versions() {
	if len(f.Needs) == 0 {
		return
	}
	var table []byte
	i := 0
	for _, lib := range slices.Sorted(maps.Keys(f.Needs)) {
		names := f.Needs[lib]
		i++
		next := uint64(16 + 16*len(names))
		if i == len(f.Needs) {
			next = 0
		}
		table = f.number(f.number(table, 1, 2), uint64(len(names)), 2)
		for _, v := range []uint64{f.text(lib), 16, next} {
			table = f.number(table, v, 4)
		}
		for j, name := range names {
			next := uint64(16)
			if j == len(names)-1 {
				next = 0
			}
			table = f.number(f.number(f.number(table, 0, 4), 0, 2), 0, 2)
			table = f.number(f.number(table, f.text(name), 4), next, 4)
		}
	}
	f.add(elf.DT_VERNEED, f.put(table))
	f.add(elf.DT_VERNEEDNUM, uint64(len(f.Needs)))
}

// imports has a relocation for a symbol that the file has itself, too.
func (f *file) imports() {
	if len(f.Imports) == 0 {
		return
	}
	var symbols, relocations []byte
	symbol := func(name string, section uint64) {
		at := f.number(nil, f.text(name), 4)
		info := f.number([]byte{0, 0}, section, 2) // info, other, section
		value := f.number(f.number(nil, 0, f.word), 0, f.word)
		if f.Narrow {
			symbols = append(append(append(symbols, at...), value...), info...)
			return
		}
		symbols = append(append(append(symbols, at...), info...), value...)
	}
	symbol("", 0)
	symbol("its own", 1)
	for _, name := range f.Imports {
		symbol(name, uint64(elf.SHN_UNDEF))
	}
	shift := 32
	if f.Narrow {
		shift = 8
	}
	for i := range len(f.Imports) + 2 {
		for _, v := range []uint64{0, uint64(i)<<shift | 7, 0} { // where, which symbol and how, plus what
			relocations = f.number(relocations, v, f.word)
		}
	}
	half := uint64(len(relocations) / f.word / 3 / 2 * 3 * f.word)
	at := f.put(relocations)
	f.add(elf.DT_SYMTAB, f.put(symbols))
	f.add(elf.DT_RELA, at)
	f.add(elf.DT_RELASZ, half)
	f.add(elf.DT_JMPREL, at+half)
	f.add(elf.DT_PLTRELSZ, uint64(len(relocations))-half)
	f.add(elf.DT_PLTREL, uint64(elf.DT_RELA))
}

// debug adds the section of DebugStr and the table of sections.
func (f *file) debug() {
	if f.DebugStr == "" {
		return
	}
	var packed bytes.Buffer
	head := f.number(nil, uint64(elf.COMPRESS_ZLIB), 4)
	if !f.Narrow {
		head = f.number(head, 0, 4)
	}
	packed.Write(f.number(f.number(head, uint64(len(f.DebugStr)), f.word), 1, f.word))
	w := zlib.NewWriter(&packed)
	w.Write([]byte(f.DebugStr)) // to memory
	w.Close()
	text, names := f.put(packed.Bytes()), "\x00.debug_str\x00.shstrtab\x00"
	namesAt := f.put([]byte(names))
	var table []byte
	section := func(name, kind, flags, at, size uint64) {
		table = f.number(f.number(table, name, 4), kind, 4)
		for _, v := range []uint64{flags, 0, at, size} {
			table = f.number(table, v, f.word)
		}
		table = f.number(f.number(table, 0, 4), 0, 4)
		table = f.number(f.number(table, 1, f.word), 0, f.word)
	}
	section(0, uint64(elf.SHT_NULL), 0, 0, 0)
	section(1, uint64(elf.SHT_PROGBITS), uint64(elf.SHF_COMPRESSED), text, uint64(packed.Len()))
	section(12, uint64(elf.SHT_STRTAB), 0, namesAt, uint64(len(names)))
	f.sections = f.put(table)
}

func (f *file) flags() {
	var flags elf.DynFlag
	stack := elf.PF_R | elf.PF_W
	if f.Hard {
		if !f.Lazy {
			flags |= elf.DF_BIND_NOW
		}
		if !f.NoRELRO {
			f.segment(elf.PT_GNU_RELRO, elf.PF_R, nil)
		}
	}
	if f.ExecStack {
		stack |= elf.PF_X
	}
	if f.Hard || f.ExecStack {
		f.segment(elf.PT_GNU_STACK, stack, nil)
	}
	if f.TextRel {
		flags |= elf.DF_TEXTREL
	}
	f.add(elf.DT_FLAGS, uint64(flags))
}

func (f *file) headers(prog uint64) []byte {
	class, data := elf.ELFCLASS64, elf.ELFDATA2LSB
	if f.Narrow {
		class = elf.ELFCLASS32
	}
	if f.Big {
		data = elf.ELFDATA2MSB
	}
	if f.Type == 0 {
		f.Type = elf.ET_DYN
	}
	if f.Machine == 0 {
		f.Machine = elf.EM_X86_64
	}
	out := append([]byte(elf.ELFMAG), byte(class), byte(data), 1)
	out = append(out, make([]byte, 16-len(out))...)
	out = f.number(f.number(out, uint64(f.Type), 2), uint64(f.Machine), 2)
	out = f.number(out, 1, 4)
	head := uint64(64)
	if f.Narrow {
		head = 52
	}
	for _, v := range []uint64{0, head, f.sections} { // entry, program headers, section headers
		out = f.number(out, v, f.word)
	}
	out = f.number(out, 0, 4)
	for _, v := range []uint64{head, prog, uint64(len(f.progs))} {
		out = f.number(out, v, 2)
	}
	section := []uint64{0, 0, 0} // size, number, that of the names
	if f.sections != 0 {
		section = []uint64{40, 3, 2}
		if !f.Narrow {
			section[0] = 64
		}
	}
	for _, v := range section {
		out = f.number(out, v, 2)
	}
	for _, p := range f.progs {
		out = f.number(out, uint64(p.Type), 4)
		if !f.Narrow {
			out = f.number(out, uint64(p.Flags), 4)
		}
		for _, v := range []uint64{p.Off, p.Vaddr, 0, p.Filesz, p.Memsz} {
			out = f.number(out, v, f.word)
		}
		if f.Narrow {
			out = f.number(out, uint64(p.Flags), 4)
		}
		out = f.number(out, 0, f.word)
	}
	return append(out, make([]byte, f.base-uint64(len(out)))...)
}
