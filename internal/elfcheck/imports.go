package elfcheck

import (
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// The limits of relocations.
const maxRelocations = 64 << 20 // bytes of a table

// Imports returns the names of the symbols, sorted, that the ELF file of that
// name takes from other files when it is loaded: "memcpy" of a function that it
// calls. They are those that its relocations name, without versions.
func Imports(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return readImports(f, info.Size())
}

func readImports(r io.ReaderAt, size int64) ([]string, error) {
	e := newReader(r, size)
	for _, step := range []func() error{e.header, e.programs, e.dynamicSection, e.names} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("read ELF: %w", err)
		}
	}
	names, err := e.imports()
	if err != nil {
		return nil, fmt.Errorf("read ELF: imports: %w", err)
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// imports are the undefined symbols that relocations name.
func (e *reader) imports() (map[string]bool, error) {
	names := map[string]bool{}
	table := e.dynamic[elf.DT_SYMTAB]
	if len(table) == 0 {
		return names, nil
	}
	symbols, err := e.offset(table[0])
	if err != nil {
		return nil, err
	}
	wanted, err := e.relocated()
	if err != nil {
		return nil, err
	}
	// Elf64_Sym: name, info, other, section, value, size; Elf32_Sym has value and size before info.
	size, section := uint64(16), 14
	if e.wide {
		size, section = 24, 6
	}
	for i := range wanted {
		symbol, err := e.bytes("symbol", symbols+i*size, size, 24)
		if err != nil {
			return nil, err
		}
		if elf.SectionIndex(e.order.Uint16(symbol[section:])) != elf.SHN_UNDEF {
			continue
		}
		name, err := e.text(uint64(e.order.Uint32(symbol)))
		if err != nil {
			return nil, err
		}
		names[name] = true
	}
	return names, nil
}

// relocated are the numbers of the symbols that relocations name. The symbol 0
// is none.
func (e *reader) relocated() (map[uint64]bool, error) {
	wanted := map[uint64]bool{}
	word, shift := uint64(4), 8
	if e.wide {
		word, shift = 8, 32
	}
	jumps := 2 * word
	if kind := e.dynamic[elf.DT_PLTREL]; len(kind) > 0 && elf.DynTag(kind[0]) == elf.DT_RELA {
		jumps = 3 * word
	}
	for _, t := range []struct {
		table, size elf.DynTag
		entry       uint64 // bytes: address, info and, in DT_RELA, what is added
	}{
		{elf.DT_REL, elf.DT_RELSZ, 2 * word}, {elf.DT_RELA, elf.DT_RELASZ, 3 * word}, {elf.DT_JMPREL, elf.DT_PLTRELSZ, jumps},
	} {
		table, size := e.dynamic[t.table], e.dynamic[t.size]
		if len(table) == 0 || len(size) == 0 {
			continue
		}
		off, err := e.offset(table[0])
		if err != nil {
			return nil, fmt.Errorf("%v: %w", t.table, err)
		}
		data, err := e.bytes(t.table.String(), off, size[0], maxRelocations)
		if err != nil {
			return nil, err
		}
		for ; uint64(len(data)) >= t.entry; data = data[t.entry:] {
			if i := e.word(data[word:]) >> shift; i != 0 {
				wanted[i] = true
			}
		}
	}
	return wanted, nil
}
