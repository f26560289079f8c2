// Package nfpm turns a staged tree into a reproducible Debian binary package.
//
// A .deb (deb(5)) is an ar archive of three members:
//
//	debian-binary       "2.0\n"
//	control.tar.gz      ./control, ./md5sums and the maintainer scripts
//	data.tar.{zst,xz,gz}  the files, sorted by path
//
// The bytes are a function of the [Package] and of the contents of the files
// that it names, and of nothing else: not the clock, umask, time zone, user,
// number of cores, order of Files, or the modes and times on disk. A new Go
// toolchain or compression library may change them.
//
// In both tars names start with "./", every entry has the time Package.Time
// and belongs to root:root, and every directory from ./ down to a file is an
// entry of its own, mode 0755 unless Files says otherwise.
//
// Compression names an algorithm, or an algorithm and a level:
//
//	"zstd"  level 19; "zstd:1" to "zstd:22" (four steps: 1-2, 3-5, 6-9, 10-22)
//	        for dpkg ≥ 1.21.18, which is bookworm; bullseye's cannot read it
//	"xz"    no levels; about the size of zstd:19, in three times the time
//	"gzip"  level 6; "gzip:1" to "gzip:9" (level 9 takes eight times as long
//	        for files of Python source and saves less than one percent)
//
// What github.com/goreleaser/nfpm writes the archive with sets these limits:
// the control member is always gzip; hard links become copies; the Description
// cannot hold verbatim (indented) lines; and Installed-Size is the sum of the
// sizes of the regular files in KiB, rounded down, where dpkg-gencontrol rounds
// each file up and counts 1 KiB for every other entry (policy 5.6.20 asks for
// an estimate). Conffiles are not supported, so nothing may lie in /etc
// (policy 10.7).
//
// Since /opt is listed too and no package of Debian's owns it, dpkg removes an
// empty /opt together with the last package in it, and recreates it as needed.
//
// Policy is the Debian Policy Manual.
package nfpm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// Package describes one binary package. Name, Version, Arch, Maintainer,
// Section, Priority, Synopsis, Time and Compression are required.
type Package struct {
	Name       string // "pybake-python3.13", policy 5.6.1
	Version    string // "3.13.5-1+deb12", with epoch and revision, policy 5.6.12
	Arch       string // "amd64", "all"; Debian's name, policy 5.6.8
	Maintainer string // "Jo Doe <jo@example.org>", policy 5.6.2
	Section    string // "python", policy 5.6.5
	Priority   string // "optional", policy 5.6.6
	Homepage   string // "https://www.python.org/"

	// Synopsis is the first line of the Description, fewer than 80 characters.
	Synopsis string
	// Description is the rest of it: lines of plain text, paragraphs set apart
	// by blank lines, no markup (policy 5.6.13); the folding is added.
	Description string

	// Relationships, one per element, in the form that dpkg-shlibdeps prints:
	// "libc6 (>= 2.36)", "mawk | awk", "python3:any" (policy 7.1). Provides
	// takes no alternatives and no relation but "=".
	Depends, Recommends, Suggests, Provides, Conflicts, Breaks, Replaces []string

	// Fields are further control fields: {"Multi-Arch": "same"}.
	Fields map[string]string

	Scripts     Scripts
	Files       []File
	Time        time.Time // SOURCE_DATE_EPOCH: the time of every entry, whole seconds
	Compression string    // "zstd"
}

// Scripts are the texts of the maintainer scripts, each with its "#!" line
// (policy 6.1). An empty one is left out.
type Scripts struct{ PreInst, PostInst, PreRm, PostRm string }

// File is one entry of the data archive: a directory if Dir, a symlink if Link
// is not empty, else a regular file with the bytes of Source or, if that is
// empty, of Content. The directories above Path need no File.
type File struct {
	Path    string      // where it is installed, absolute and clean: "/opt/python/3.13/bin/python3"
	Source  string      // a regular file on disk
	Content []byte      // the bytes themselves
	Link    string      // target, clean: "python3.13"
	Dir     bool        // a directory
	Mode    fs.FileMode // permissions, at most 0755; 0 means 0644, for directories 0755
}

// FileName returns the name the package has in a directory or archive,
// NAME_VERSION_ARCH.deb, with the epoch left out of the version:
// "pybake-python3.13_3.13.5-1+deb12_amd64.deb".
func (p *Package) FileName() string {
	version := p.Version
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	return p.Name + "_" + version + "_" + p.Arch + ".deb"
}

// WriteFile writes the package to path, mode 0644. The file appears there
// whole, by rename, or not at all.
func (p *Package) WriteFile(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write package %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := p.Build(f); err != nil {
		return err
	}
	// CreateTemp made it 0600, whatever the umask.
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write package %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write package %s: %w", path, err)
	}
	return nil
}

// Build writes the package to w. It reports everything wrong with p in one
// error, before the first byte is written. Contents and Scripts pass through a
// temporary directory.
func (p *Package) Build(w io.Writer) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("package %s:\n%w", p.Name, err)
	}
	scratch, err := os.MkdirTemp("", "pybake-nfpm-")
	if err != nil {
		return fmt.Errorf("package %s: %w", p.Name, err)
	}
	defer os.RemoveAll(scratch)

	info, err := p.info(scratch)
	if err != nil {
		return fmt.Errorf("package %s: %w", p.Name, err)
	}
	// The ar writer loses the error of a padding byte; bufio's errors stick.
	buf := bufio.NewWriter(w)
	if err := deb.Default.Package(info, buf); err != nil {
		return fmt.Errorf("package %s: %w", p.Name, err)
	}
	if err := buf.Flush(); err != nil {
		return fmt.Errorf("package %s: %w", p.Name, err)
	}
	return nil
}

// info translates p, which has been checked, for nfpm. Every value that nfpm
// would otherwise take from the disk, the clock or its own defaults is set.
func (p *Package) info(scratch string) (*nfpm.Info, error) {
	info := &nfpm.Info{
		Name:            p.Name,
		Arch:            p.Arch,
		Platform:        "linux",
		Version:         p.Version, // whole: nfpm splits one only in WithDefaults
		Section:         p.Section,
		Priority:        p.Priority,
		Maintainer:      p.Maintainer,
		Description:     strings.TrimSpace(p.Synopsis + "\n" + p.Description),
		Homepage:        p.Homepage,
		MTime:           p.time(),
		DisableGlobbing: true,
	}
	info.Depends = p.Depends
	info.Recommends = p.Recommends
	info.Suggests = p.Suggests
	info.Provides = p.Provides
	info.Conflicts = p.Conflicts
	info.Replaces = p.Replaces
	info.Deb.Breaks = p.Breaks
	info.Deb.Arch = p.Arch // no translation of Go's names
	info.Deb.Fields = p.Fields
	info.Deb.Compression = compression(p.Compression)

	spill := func(content []byte) (string, error) {
		f, err := os.CreateTemp(scratch, "")
		if err != nil {
			return "", err
		}
		_, err = f.Write(content)
		return f.Name(), errors.Join(err, f.Close())
	}
	for _, s := range []struct {
		text string
		dest *string
	}{
		{p.Scripts.PreInst, &info.Scripts.PreInstall},
		{p.Scripts.PostInst, &info.Scripts.PostInstall},
		{p.Scripts.PreRm, &info.Scripts.PreRemove},
		{p.Scripts.PostRm, &info.Scripts.PostRemove},
	} {
		if s.text == "" {
			continue
		}
		var err error
		if *s.dest, err = spill([]byte(s.text)); err != nil {
			return nil, err
		}
	}

	// dpkg expects ./ as the first entry; nfpm adds the other parents itself.
	for _, f := range append([]File{{Path: "/", Dir: true}}, p.Files...) {
		c, err := content(f, p.time(), spill)
		if err != nil {
			return nil, err
		}
		info.Contents = append(info.Contents, c)
	}
	return info, nil
}

// content translates one file; spill puts bytes into a file on disk, which is
// the only place that nfpm reads from.
func content(f File, mtime time.Time, spill func([]byte) (string, error)) (*files.Content, error) {
	c := &files.Content{
		Destination: f.Path,
		Source:      f.Source,
		Type:        files.TypeFile,
		FileInfo:    &files.ContentFileInfo{Owner: "root", Group: "root", Mode: f.mode(), MTime: mtime},
	}
	switch {
	case f.Dir:
		c.Type = files.TypeDir
	case f.Link != "":
		c.Type, c.Source = files.TypeSymlink, f.Link
	case f.Source == "":
		source, err := spill(f.Content)
		if err != nil {
			return nil, err
		}
		c.Source = source
	}
	return c, nil
}

// mode returns the permissions in the archive.
func (f File) mode() fs.FileMode {
	switch {
	case f.Link != "":
		return 0o777
	case f.Mode != 0:
		return f.Mode
	case f.Dir:
		return 0o755
	}
	return 0o644
}

// compression returns the setting for nfpm, which takes a level after a colon.
func compression(name string) string {
	switch name {
	case "zstd":
		return "zstd:19"
	case "gzip":
		return "gzip:6"
	}
	return name
}

// time returns p.Time as the archive can hold it.
func (p *Package) time() time.Time { return time.Unix(p.Time.Unix(), 0).UTC() }
