package elfcheck

import (
	"bytes"
	"debug/elf"
)

// Difference is where two files first differ, and the section that this byte is in
// of the first one, ".rodata"; or "", also if that is no ELF file. The build id, which
// follows from all else, counts only if nothing else differs. Files are whole in
// memory, and of our own making: section headers are believed.
func Difference(one, two []byte) (where int64, section string) {
	end := int64(min(len(one), len(two)))
	for where < end && one[where] == two[where] {
		where++
	}
	all := sectionsOf(one)
	at := all.at(where)
	if at.Name == ".note.gnu.build-id" {
		for next := int64(at.Offset + at.FileSize); next < end; next++ {
			if one[next] != two[next] {
				return next, all.at(next).Name
			}
		}
	}
	return where, at.Name
}

// sections are those of an ELF file; of others there are none.
type sections []*elf.Section

func sectionsOf(data []byte) sections {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	return f.Sections
}

// at is the section in which a byte is, else one without a name.
func (all sections) at(where int64) elf.SectionHeader {
	for _, s := range all {
		if s.Type != elf.SHT_NOBITS && where >= int64(s.Offset) && where < int64(s.Offset+s.FileSize) {
			return s.SectionHeader
		}
	}
	return elf.SectionHeader{}
}
