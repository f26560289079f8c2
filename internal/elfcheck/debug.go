package elfcheck

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
)

// Producers returns what compiled the C code of a file, sorted, as its debug
// information (DWARF, DW_AT_producer) has it: "GNU C11 14.2.0 -O3
// -fstack-protector-strong", the flags that change code among it. A file
// without debug information has none. Sections are read, so the file has to be
// one that can be trusted.
func Producers(name string) ([]string, error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read ELF: %w", err)
	}
	defer f.Close()
	section := f.Section(".debug_str")
	if section == nil {
		return nil, nil
	}
	text, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("read ELF: %s: %w", section.Name, err)
	}
	var producers []string
	for s := range bytes.SplitSeq(text, []byte{0}) {
		// With LTO, "GNU GIMPLE" names the linker's plugin, without the flags that each function keeps for itself.
		if bytes.HasPrefix(s, []byte("GNU C")) {
			producers = append(producers, string(s))
		}
	}
	slices.Sort(producers)
	return slices.Compact(producers), nil
}

// Uncompressed returns the contents of the sections that are compressed in the
// file, as debug information is, by name. The file has to be one that can be
// trusted.
func Uncompressed(name string) (map[string][]byte, error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read ELF: %w", err)
	}
	defer f.Close()
	sections := map[string][]byte{}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_COMPRESSED == 0 {
			continue
		}
		if sections[s.Name], err = s.Data(); err != nil {
			return nil, fmt.Errorf("read ELF: %s: %w", s.Name, err)
		}
	}
	return sections, nil
}
