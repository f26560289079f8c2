package python

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/pybake/pybake/internal/elfcheck"
	"github.com/pybake/pybake/nfpm"
)

// debugDir is where detached symbols are, by build id.
const debugDir = "/usr/lib/debug/.build-id"

// elfFiles are the ELF files of a package, without detached symbols.
func (s *stage) elfFiles(name string) ([]nfpm.File, error) {
	var out []nfpm.File
	for _, f := range s.files[name] {
		if f.Source == "" || strings.HasPrefix(f.Path, "/usr/lib/debug/") {
			continue
		}
		is, err := elfcheck.Is(f.Source)
		if err != nil {
			return nil, err
		}
		if is {
			out = append(out, f)
		}
	}
	return out, nil
}

// elfFile is a program or a shared library of a package.
type elfFile struct {
	nfpm.File
	pkg   string // "pybake-python3.13-tk"
	elf   *elfcheck.File
	debug string // the file here that has its detached symbols; or empty
}

// core is whether the file is the interpreter or libpython: what has the code
// of all of Python.
func (f elfFile) core() bool {
	return f.elf.Interp != "" || strings.HasPrefix(f.elf.Soname, "libpython3.") && f.elf.Soname != "libpython3.so"
}

// readELF reads the programs and shared libraries of all packages, and says
// what cannot be read or is for another machine.
func (s *stage) readELF(ctx context.Context) (elfs []elfFile, bad []string, err error) {
	symbols := s.symbolFiles()
	for _, r := range s.layout.Packages {
		files, err := s.elfFiles(r.Name)
		if err != nil {
			return nil, nil, err
		}
		for _, f := range files {
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			elf, err := elfcheck.Open(f.Source)
			switch machine := s.plan.Target().Machine(); {
			case err != nil:
				bad = append(bad, fmt.Sprintf("%s: %v", f.Path, err))
			case elf.Machine != machine:
				bad = append(bad, fmt.Sprintf("%s: for %s, not %s", f.Path, elf.Machine, machine))
			case elf.Linked():
				elfs = append(elfs, elfFile{File: f, pkg: r.Name, elf: elf, debug: symbols[symbolFile(elf.BuildID)]})
			}
		}
	}
	return elfs, bad, nil
}

// symbolFiles are the files of detached symbols, the installed path to the file
// here.
func (s *stage) symbolFiles() map[string]string {
	files := map[string]string{}
	for _, f := range s.files["pybake-python"+s.plan.label()+"-dbgsym"] {
		if strings.HasPrefix(f.Path, debugDir+"/") {
			files[f.Path] = f.Source
		}
	}
	return files
}

// symbolFile is where gdb looks for the symbols of a build id; empty for none.
func symbolFile(id string) string {
	if len(id) < 3 {
		return ""
	}
	return path.Join(debugDir, id[:2], id[2:]+".debug")
}
