package fetch

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Tar opens a tar archive for reading, decompressed. What it is compressed
// with (xz, gzip, zstd, bzip2, nothing) is told by its first bytes, not by
// its name: verified files in the cache have none.
func Tar(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, stop, err := decompress(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("decompress %s: %w", path, err)
	}
	return &decompressed{r, stop, file}, nil
}

type decompressed struct {
	io.Reader
	stop func()
	file *os.File
}

func (d *decompressed) Close() error {
	d.stop()
	return d.file.Close()
}

func decompress(src io.Reader) (r io.Reader, stop func(), err error) {
	buffered := bufio.NewReaderSize(src, 1<<20)
	magic, err := buffered.Peek(6)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	stop = func() {}
	switch {
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		r, err = xz.NewReader(buffered)
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		r, err = gzip.NewReader(buffered)
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20)); err == nil {
			r, stop = z, z.Close
		}
	case bytes.HasPrefix(magic, []byte("BZh")):
		r = bzip2.NewReader(buffered)
	default:
		r = buffered
	}
	return r, stop, err
}

// Copy re-streams the archive src as a clean one, by the rules, for a
// container to unpack. Modes become 0755 (directories, and files that anyone
// may execute) or 0644; owner and times are those of the rules; extended
// attributes are dropped; every directory precedes what is in it. The writer
// is not closed, so more may follow. Errors name the member.
func Copy(dst *tar.Writer, src io.Reader, rules Rules) error {
	return each(src, rules, newTarSink(dst, rules))
}

// Pack streams a directory, in the order of names, by the rules: below
// Rules.Top, and otherwise like [Copy]. os.Root.FS and os.DirFS show symbolic
// links as such; other file systems must have none.
func Pack(dst *tar.Writer, fsys fs.FS, rules Rules) error {
	t, err := newTree(rules, false)
	if err != nil {
		return err
	}
	sink := newTarSink(dst, rules)
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		hdr := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime()}
		switch info.Mode().Type() {
		case 0:
			hdr.Typeflag, hdr.Size = tar.TypeReg, info.Size()
		case fs.ModeDir:
			hdr.Typeflag = tar.TypeDir
		case fs.ModeSymlink:
			hdr.Typeflag = tar.TypeSymlink
			if hdr.Linkname, err = fs.ReadLink(fsys, name); err != nil {
				return err
			}
		default:
			return fmt.Errorf("pack %s: neither regular file, directory nor link", name)
		}
		if hdr.Typeflag != tar.TypeReg {
			return t.add(hdr, nil, sink)
		}
		file, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		return t.add(hdr, file, sink)
	})
}

// MemFile is a small file for PackFiles.
type MemFile struct {
	Name string // "bin/build.sh"
	Data []byte
	Exec bool // 0755 rather than 0644
}

// PackFiles streams files from memory, in the order of names, by the rules:
// below Rules.Top, and otherwise like [Copy].
func PackFiles(dst *tar.Writer, files []MemFile, rules Rules) error {
	t, err := newTree(rules, false)
	if err != nil {
		return err
	}
	sink := newTarSink(dst, rules)
	files = slices.SortedFunc(slices.Values(files), func(a, b MemFile) int { return cmp.Compare(a.Name, b.Name) })
	for _, f := range files {
		hdr := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Size: int64(len(f.Data)), Mode: 0o644}
		if f.Exec {
			hdr.Mode = 0o755
		}
		if err := t.add(hdr, bytes.NewReader(f.Data), sink); err != nil {
			return err
		}
	}
	return nil
}

// tarSink writes what tree lets through.
type tarSink struct {
	w     *tar.Writer
	rules Rules
	exec  map[string]bool // files that are executable, by name
}

func newTarSink(w *tar.Writer, rules Rules) tarSink {
	return tarSink{w, rules, map[string]bool{}}
}

func (s tarSink) put(typ byte, name, link string, from *tar.Header) error {
	hdr := &tar.Header{
		Typeflag: typ, Name: name, Linkname: link, Mode: 0o644,
		Uid: s.rules.UID, Gid: s.rules.GID, ModTime: s.rules.MTime,
	}
	switch {
	case typ == tar.TypeDir:
		hdr.Name, hdr.Mode = name+"/", 0o755
	case typ == tar.TypeSymlink:
		hdr.Mode = 0o777
	case s.exec[name]:
		hdr.Mode = 0o755
	}
	if typ == tar.TypeReg {
		hdr.Size = from.Size
	}
	if hdr.ModTime.IsZero() {
		hdr.ModTime = from.ModTime
	}
	return s.w.WriteHeader(hdr)
}

func (s tarSink) dir(name string, from *tar.Header, fresh bool) error {
	if !fresh {
		return nil
	}
	return s.put(tar.TypeDir, name, "", from)
}

func (s tarSink) file(name string, from *tar.Header, r io.Reader) error {
	if from.Mode&0o111 != 0 {
		s.exec[name] = true
	}
	if err := s.put(tar.TypeReg, name, "", from); err != nil {
		return err
	}
	_, err := io.CopyN(s.w, r, from.Size)
	if err == io.EOF {
		return io.ErrUnexpectedEOF // a file that shrank while it was packed
	}
	return err
}

func (s tarSink) symlink(name string, from *tar.Header) error {
	return s.put(tar.TypeSymlink, name, from.Linkname, from)
}

func (s tarSink) hardlink(name, target string, from *tar.Header) error {
	// The mode is that of the one file: some unpackers set it again.
	if s.exec[target] {
		s.exec[name] = true
	}
	return s.put(tar.TypeLink, name, target, from)
}

// end writes nothing: the caller closes the writer.
func (s tarSink) end() error { return nil }
