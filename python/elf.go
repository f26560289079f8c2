package python

import (
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pybake/pybake/nfpm"
)

// elfFiles are the ELF files of a package, without detached symbols.
func (s *stage) elfFiles(name string) ([]nfpm.File, error) {
	var out []nfpm.File
	for _, f := range s.files[name] {
		if f.Source == "" || strings.HasPrefix(f.Path, "/usr/lib/debug/") {
			continue
		}
		is, err := isELF(f.Source)
		if err != nil {
			return nil, err
		}
		if is {
			out = append(out, f)
		}
	}
	return out, nil
}

func isELF(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return string(magic[:]) == elf.ELFMAG, err
}

// hardened returns what an ELF file lacks of what the distro's flags ask for:
// position independence, full RELRO, immediate binding, no executable stack,
// no text relocations; and, for pybake itself, a build id and no run path.
func hardened(name string) (missing []string, err error) {
	f, err := elf.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Type == elf.ET_REL {
		return nil, nil // an object file, not linked yet
	}
	want := func(ok bool, what string) {
		if !ok {
			missing = append(missing, what)
		}
	}
	want(f.Type == elf.ET_DYN, "not position independent")
	var relro, stack, buildID bool
	for _, p := range f.Progs {
		switch p.Type {
		case elf.PT_GNU_RELRO:
			relro = true
		case elf.PT_GNU_STACK:
			stack = p.Flags&elf.PF_X == 0
		}
	}
	buildID = f.Section(".note.gnu.build-id") != nil
	want(relro, "no RELRO")
	want(stack, "executable stack")
	want(buildID, "no build id")

	flags, err := f.DynValue(elf.DT_FLAGS)
	if err != nil {
		return nil, err
	}
	flags1, err := f.DynValue(elf.DT_FLAGS_1)
	if err != nil {
		return nil, err
	}
	now := has(flags, uint64(elf.DF_BIND_NOW)) || has(flags1, uint64(elf.DF_1_NOW))
	want(now, "no BIND_NOW")
	textrel, err := f.DynValue(elf.DT_TEXTREL)
	if err != nil {
		return nil, err
	}
	want(len(textrel) == 0 && !has(flags, uint64(elf.DF_TEXTREL)), "text relocations")
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := f.DynString(tag)
		if err != nil {
			return nil, err
		}
		want(len(paths) == 0, fmt.Sprintf("run path %s", strings.Join(paths, ":")))
	}
	return missing, nil
}

// buildID returns the build id of an ELF file in hexadecimal.
func buildID(name string) (string, error) {
	f, err := elf.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	section := f.Section(".note.gnu.build-id")
	if section == nil {
		return "", errors.New("no build id")
	}
	note, err := section.Data()
	if err != nil {
		return "", err
	}
	// Sizes of name and description, the type, the name "GNU\0", the id.
	if len(note) < 16+8 {
		return "", errors.New("build id: too short")
	}
	return hex.EncodeToString(note[16:]), nil
}

func has(values []uint64, flag uint64) bool {
	for _, v := range values {
		if v&flag != 0 {
			return true
		}
	}
	return false
}
