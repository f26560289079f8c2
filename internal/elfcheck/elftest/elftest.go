// Package elftest makes small ELF files for tests: headers, a dynamic section
// and notes, no code. The loader's view is complete; there are no sections.
package elftest

import (
	"bytes"
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

	Hard      bool // all that hardening asks for, and a build id
	ExecStack bool // beside Hard
	Lazy      bool // beside Hard: no BIND_NOW
	TextRel   bool
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
	if !f.Hard {
		return
	}
	var note []byte
	for _, v := range []uint64{4, 8, 3} {
		note = f.number(note, v, 4)
	}
	f.segment(elf.PT_NOTE, elf.PF_R, append(note, "GNU\x00\x01\x23\x45\x67\x89\xab\xcd\xef"...))
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

func (f *file) flags() {
	var flags elf.DynFlag
	stack := elf.PF_R | elf.PF_W
	if f.Hard {
		if !f.Lazy {
			flags |= elf.DF_BIND_NOW
		}
		f.segment(elf.PT_GNU_RELRO, elf.PF_R, nil)
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
	for _, v := range []uint64{0, head, 0} { // entry, program headers, section headers
		out = f.number(out, v, f.word)
	}
	out = f.number(out, 0, 4)
	for _, v := range []uint64{head, prog, uint64(len(f.progs)), 0, 0, 0} {
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
