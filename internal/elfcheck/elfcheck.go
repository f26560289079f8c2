package elfcheck

import (
	"debug/elf"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
)

// File is an ELF file.
type File struct {
	Type    elf.Type // elf.ET_DYN
	Machine string   // as uname -m names it, "x86_64"; for what is no machine of Linux "EM_CUDA" or "machine 999"
	Interp  string   // "/lib64/ld-linux-x86-64.so.2" of a program; "" of a library
	Soname  string   // "libz.so.1"
	Needed  []string // "libc.so.6"
	RPath   []string // the directories of DT_RPATH: "$ORIGIN/../foo.libs"
	RunPath []string // likewise of DT_RUNPATH
	GLIBC   [2]int   // the least glibc that has all symbols it asks for: {2, 28}; {0, 0} for any
	Inits   []string // names of Python modules that it defines or calls: "_foo" of PyInit__foo
	BuildID string   // in hexadecimal

	// Missing is what the file lacks of what the distro's flags ask for, and of
	// a build id, in words: "no RELRO". Run paths are not among it.
	Missing []string
}

// Linked is whether the file is a program or a shared library, not an object
// file that has yet to be linked.
func (f *File) Linked() bool { return f.Type == elf.ET_DYN || f.Type == elf.ET_EXEC }

// Magic is whether a file that begins with head is an ELF file.
func Magic(head []byte) bool { return len(head) >= 4 && string(head[:4]) == elf.ELFMAG }

// Is is whether the file of that name is an ELF file.
func Is(name string) (bool, error) {
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
	return Magic(magic[:]), err
}

// Open reads the ELF file of that name.
func Open(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Read(f, info.Size())
}

// StrayRunPaths are the run paths that lead away from the file itself: all but
// $ORIGIN and what is below it.
func (f *File) StrayRunPaths() []string {
	return slices.DeleteFunc(slices.Concat(f.RPath, f.RunPath), Relative)
}

// Relative is whether a directory of a run path is that of the file, or named by it.
func Relative(dir string) bool { return dir == "$ORIGIN" || strings.HasPrefix(dir, "$ORIGIN/") }

// BuildID returns the build id of an ELF file in hexadecimal.
func BuildID(name string) (string, error) {
	f, err := Open(name)
	if err == nil && f.BuildID == "" {
		err = errors.New("no build id")
	}
	if err != nil {
		return "", err
	}
	return f.BuildID, nil
}
