package elfcheck

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
)

// DropRunPaths takes each DT_RPATH and DT_RUNPATH all of whose directories drop
// agrees to out of an ELF file, in place. The rest of the dynamic section moves up,
// as patchelf --remove-rpath has it; a run path of which a part is wanted stays whole.
func DropRunPaths(data []byte, drop func(dir string) bool) error {
	e := newReader(bytes.NewReader(data), int64(len(data)))
	for _, step := range []func() error{e.header, e.programs, e.dynamicSection, e.names} {
		if err := step(); err != nil {
			return fmt.Errorf("read ELF: %w", err)
		}
	}
	i := slices.IndexFunc(e.progs, func(p elf.Prog64) bool { return elf.ProgType(p.Type) == elf.PT_DYNAMIC })
	if i < 0 {
		return nil
	}
	section := data[e.progs[i].Off:][:e.progs[i].Filesz] // dynamicSection has read it
	size := 8
	if e.wide {
		size = 16
	}
	kept := 0
	for at := 0; at+size <= len(section); at += size {
		entry := section[at : at+size]
		tag := elf.DynTag(e.word(entry))
		if tag == elf.DT_RPATH || tag == elf.DT_RUNPATH {
			dirs, err := e.split(e.word(entry[size/2:]))
			if err != nil {
				return fmt.Errorf("read ELF: %w", err)
			}
			if !slices.ContainsFunc(dirs, func(dir string) bool { return !drop(dir) }) {
				continue
			}
		}
		copy(section[kept:], entry)
		kept += size
		if tag == elf.DT_NULL {
			clear(section[kept : at+size])
			break
		}
	}
	return nil
}
