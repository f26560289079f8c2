package whl

import (
	"fmt"
	"io"
	"os"

	"github.com/pybake/pybake/internal/pep"
)

// Wheel is a wheel whose structure is right.
type Wheel struct {
	Path      string // as given to Read
	File      string // "foo-1.0-py3-none-any.whl"
	Name      pep.WheelName
	Tags      []pep.Tag // of the file name, which WHEEL confirms
	Purelib   bool      // Root-Is-Purelib
	Generator string    // "setuptools (80.9.0)"
	Metadata  Metadata

	Modules  []string // that can be imported, by their tops: "foo", "google.protobuf"; sorted
	PTH      []string // files that Python runs at its start: "foo-nspkg.pth"
	Scripts  []Script
	ELF      []ELF
	Bundled  []string // shared libraries that are no modules: "foo.libs/libz-0a1b2c.so.1"
	SBOMs    []string // PEP 770: "foo-1.0.dist-info/sboms/auditwheel.cdx.json"
	Licenses []string // "foo-1.0.dist-info/licenses/LICENSE"
	Files    []Entry  // in the order of their names, without directories
	Notes    []string // what is unusual and allowed
}

// Script is a command that the wheel installs.
type Script struct {
	Name   string   // "foo"
	Module string   // "foo.cli"; "" of a file in .data/scripts
	Attr   string   // "main", "App.run"
	Extras []string // of the wheel, without which it does not work
	GUI    bool
}

// ELF is an ELF file of the wheel.
type ELF struct {
	Path       string
	Machine    string   // "x86_64"; see elfcheck.File
	Linked     bool     // a program or a shared library
	Foreign    bool     // for what never runs Linux
	Module     bool     // of Python
	Soname     string   // "libz.so.1"
	Needed     []string // "libc.so.6"
	RPath      []string
	RunPath    []string
	GLIBC      [2]int   // {2, 28}: the least that has its symbols
	Missing    []string // of hardening: "no RELRO"
	Unreadable string   // why it cannot be read
}

// Entry is a file of the wheel.
type Entry struct {
	Path   string
	Size   int64
	SHA256 string // in hexadecimal
	Exec   bool   // whether anyone may execute it
}

// Read reads the wheel at path and checks its structure. filename is its name as
// a wheel, as files in a cache are named by their hashes. What is wrong with the
// wheel is a *BadError.
func Read(path, filename string) (*Wheel, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read wheel: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read wheel: %w", err)
	}
	w, _, err := read(f, info.Size(), filename, defaults())
	if err != nil {
		return nil, err
	}
	w.Path = path
	return w, nil
}

// read is Read of size bytes. The archive is there beside the wheel.
func read(r io.ReaderAt, size int64, filename string, limits limits) (*Wheel, *archive, error) {
	p := new(problems)
	w := &Wheel{File: filename}
	var err error
	if w.Name, err = pep.ParseWheelName(filename); err != nil {
		return nil, nil, &BadError{File: filename, Problems: []string{err.Error()}}
	}
	w.Tags = w.Name.Tags()
	a, err := openArchive(r, size, limits, p)
	if err != nil {
		p.add("%v", err)
		return nil, nil, p.err(filename)
	}
	l := &layout{w: w, a: a, p: p}
	l.find()
	if l.info != "" {
		l.wheelFile()
		l.metadata()
		l.entryPoints()
	}
	l.places()
	if err := l.contents(); err != nil {
		return nil, nil, fmt.Errorf("read wheel %s: %w", filename, err)
	}
	if err := p.err(filename); err != nil {
		return nil, nil, err
	}
	l.facts()
	return w, a, nil
}
