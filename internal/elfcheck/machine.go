package elfcheck

import (
	"debug/elf"
	"fmt"
	"strings"
)

// machine is the name that uname -m has for it.
func machine(m elf.Machine, wide, little bool) string {
	switch m {
	case elf.EM_X86_64:
		if !wide {
			return "x32"
		}
		return "x86_64"
	case elf.EM_386:
		return "i686"
	case elf.EM_AARCH64:
		if !little {
			return "aarch64_be"
		}
		return "aarch64"
	case elf.EM_ARM:
		return "armv7l"
	case elf.EM_PPC64:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	case elf.EM_S390:
		if !wide {
			return "s390"
		}
		return "s390x"
	case elf.EM_RISCV:
		if !wide {
			return "riscv32"
		}
		return "riscv64"
	case elf.EM_LOONGARCH:
		return "loongarch64"
	}
	if name := m.String(); !strings.Contains(name, "+") { // not counted from the next number with a name
		return name
	}
	return fmt.Sprintf("machine %d", m)
}

// Foreign is whether the file is for what never runs Linux, such as code for a
// graphics processor or for the kernel's BPF, which programs load as data.
func (f *File) Foreign() bool {
	switch f.Machine {
	case elf.EM_BPF.String(), elf.EM_CUDA.String(), elf.EM_AMDGPU.String():
		return true
	}
	return strings.HasPrefix(f.Machine, "machine ")
}
