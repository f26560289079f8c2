package sdist

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pybake/pybake/internal/fetch"
)

const (
	zipEncrypted  = 1 << 0
	zipDescriptor = 1 << 3
	zipFlags      = 1<<1 | 1<<2 | zipDescriptor | 1<<11 // that are understood
)

// openZip gives a zip file as a tar stream, if all readers read the same in it.
func openZip(path string, rules fetch.Rules) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	z, err := checkZip(file, rules)
	if err != nil {
		file.Close()
		return nil, err
	}
	pr, pw := io.Pipe()
	go func() {
		defer file.Close()
		w := tar.NewWriter(pw)
		for _, f := range z.File {
			if err := unzip(w, f); err != nil {
				pw.CloseWithError(&BadError{Member: f.Name, Problem: err.Error()})
				return
			}
		}
		pw.CloseWithError(w.Close())
	}()
	return pr, nil
}

// unzip writes a member as one of a tar stream.
func unzip(w *tar.Writer, f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	mode := f.Mode()
	hdr := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: int64(mode.Perm()), ModTime: f.Modified}
	switch mode.Type() {
	case 0:
		hdr.Size = int64(f.UncompressedSize64)
	case fs.ModeDir:
		hdr.Typeflag = tar.TypeDir
	case fs.ModeSymlink:
		target, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		hdr.Typeflag, hdr.Linkname = tar.TypeSymlink, string(target)
	case fs.ModeNamedPipe:
		hdr.Typeflag = tar.TypeFifo
	default:
		hdr.Typeflag = tar.TypeBlock
	}
	if err := w.WriteHeader(hdr); err != nil || hdr.Typeflag != tar.TypeReg {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

// zipEnd is what the end record says of the central directory.
type zipEnd struct {
	at, size int64
	count    int
}

// checkZip reads the headers of a zip file and refuses one that is ambiguous.
func checkZip(file *os.File, rules fetch.Rules) (*zip.Reader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	end, err := readEnd(file, info.Size())
	if err != nil {
		return nil, err
	}
	if end.count > rules.MaxFiles {
		return nil, fmt.Errorf("archive has more than the limit of %d members", rules.MaxFiles)
	}
	z, err := zip.NewReader(file, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("central directory: %w", err)
	}
	size, total := int64(0), int64(0)
	for _, f := range z.File {
		size += 46 + int64(len(f.Name)+len(f.Extra)+len(f.Comment))
		if err := checkMember(f); err != nil {
			return nil, &BadError{Member: f.Name, Problem: err.Error()}
		}
		if f.UncompressedSize64 > uint64(rules.MaxBytes-total) {
			return nil, &BadError{Member: f.Name, Problem: fmt.Sprintf("archive is larger than the limit of %d bytes", rules.MaxBytes)}
		}
		total += int64(f.UncompressedSize64)
	}
	if len(z.File) != end.count || size != end.size {
		return nil, errors.New("the central directory is not what its end record says")
	}
	return z, checkLocals(file, z.File, end.at)
}

// readEnd reads the record at the end of the file, which a comment may follow.
func readEnd(r io.ReaderAt, size int64) (zipEnd, error) {
	const length, comment = 22, 1<<16 - 1
	n := min(size, length+comment)
	tail := make([]byte, n)
	if _, err := r.ReadAt(tail, size-n); err != nil && err != io.EOF {
		return zipEnd{}, err
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < length {
		return zipEnd{}, errors.New("not a zip archive: no end record")
	}
	le, rec := binary.LittleEndian, tail[i:]
	if int(le.Uint16(rec[20:])) != len(rec)-length {
		return zipEnd{}, errors.New("bytes after the end of the archive")
	}
	if i >= 20 && string(tail[i-20:i-16]) == "PK\x06\x07" {
		return zipEnd{}, errors.New("ZIP64, which no source needs")
	}
	if le.Uint32(rec[4:]) != 0 || le.Uint16(rec[8:]) != le.Uint16(rec[10:]) {
		return zipEnd{}, errors.New("the archive has several parts")
	}
	end := zipEnd{int64(le.Uint32(rec[16:])), int64(le.Uint32(rec[12:])), int(le.Uint16(rec[10:]))}
	if end.at+end.size != size-n+int64(i) {
		return zipEnd{}, errors.New("the central directory is not where its end record says")
	}
	return end, nil
}

// checkMember refuses what the central directory says of a member.
func checkMember(f *zip.File) error {
	switch {
	case f.Flags&zipEncrypted != 0:
		return errors.New("is encrypted")
	case f.Flags&^zipFlags != 0:
		return fmt.Errorf("has flags %#x that are not understood", f.Flags&^zipFlags)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return fmt.Errorf("is compressed by method %d: neither stored nor deflated", f.Method)
	case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64:
		return errors.New("is stored with two sizes")
	case strings.Contains(f.Name, `\`):
		return errors.New("name contains a backslash")
	case strings.Contains(f.Name, "\x00"):
		return errors.New("name contains NUL")
	case !utf8.ValidString(f.Name):
		return errors.New("name is not UTF-8")
	case f.CompressedSize64 == 1<<32-1 || f.UncompressedSize64 == 1<<32-1:
		return errors.New("has sizes of ZIP64, which no source needs")
	}
	slash := strings.HasSuffix(f.Name, "/")
	// What a symbolic link and a directory hold is small.
	switch mode := f.Mode(); {
	case mode.Type() == fs.ModeSymlink && f.UncompressedSize64 > 4096:
		return errors.New("symbolic link longer than 4096 bytes")
	case mode.IsDir() != slash || slash && mode.Type() != fs.ModeDir:
		return errors.New("is a directory by its name or by its mode, not by both")
	case slash && f.UncompressedSize64 > 0:
		return errors.New("is a directory with contents")
	}
	return checkExtra(f.Extra)
}

// checkExtra refuses extra fields that some readers prefer to the header.
func checkExtra(extra []byte) error {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		switch {
		case n > len(extra)-4:
			return errors.New("an extra field is cut off")
		case id == 0x0001:
			return errors.New("has sizes of ZIP64, which no source needs")
		case id == 0x7075:
			return errors.New("a second name in an extra field")
		}
		extra = extra[4+n:]
	}
	return nil
}

// checkLocals walks over the members as they lie in the file, up to its central
// directory, and compares what stands before each with what that says.
func checkLocals(r io.ReaderAt, files []*zip.File, end int64) error {
	type placed struct {
		f    *zip.File
		data int64
	}
	order := make([]placed, len(files))
	for i, f := range files {
		at, err := f.DataOffset()
		if err != nil {
			return &BadError{Member: f.Name, Problem: "no local header where the central directory says: " + err.Error()}
		}
		order[i] = placed{f, at}
	}
	slices.SortStableFunc(order, func(a, b placed) int { return cmp.Compare(a.data, b.data) })
	at := int64(0)
	for _, p := range order {
		next, err := checkLocal(r, p.f, at, p.data)
		if err != nil {
			return &BadError{Member: p.f.Name, Problem: err.Error()}
		}
		at = next
	}
	if at != end {
		return errors.New("bytes between the members and the central directory")
	}
	return nil
}

// checkLocal checks the header at an offset and returns where the member ends.
func checkLocal(r io.ReaderAt, f *zip.File, at, data int64) (int64, error) {
	if data < at+30 {
		return 0, errors.New("overlaps another member")
	}
	if data > at+30+2*(1<<16) {
		return 0, errors.New("bytes before the member that belong to none")
	}
	head := make([]byte, data-at)
	if _, err := r.ReadAt(head, at); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	name := 30 + int(le.Uint16(head[26:]))
	if string(head[:4]) != "PK\x03\x04" || name+int(le.Uint16(head[28:])) != len(head) {
		return 0, errors.New("bytes before the member that belong to none")
	}
	differ := func(what string) error {
		return errors.New("its local header has another " + what + " than the central directory")
	}
	later := f.Flags&zipDescriptor != 0
	same := func(at int, want uint32) bool { v := le.Uint32(head[at:]); return v == want || later && v == 0 }
	packed, size := uint32(f.CompressedSize64), uint32(f.UncompressedSize64)
	switch {
	case string(head[30:name]) != f.Name:
		return 0, differ("name")
	case le.Uint16(head[6:]) != f.Flags:
		return 0, differ("set of flags")
	case le.Uint16(head[8:]) != f.Method:
		return 0, differ("method")
	case !same(14, f.CRC32):
		return 0, differ("checksum")
	case !same(18, packed) || !same(22, size):
		return 0, differ("size")
	}
	if err := checkExtra(head[name:]); err != nil {
		return 0, err
	}
	end := data + int64(f.CompressedSize64)
	if !later {
		return end, nil
	}
	want := le.AppendUint32(le.AppendUint32(le.AppendUint32([]byte("PK\x07\x08"), f.CRC32), packed), size)
	found := make([]byte, len(want))
	n, err := r.ReadAt(found, end)
	switch {
	case err != nil && err != io.EOF:
		return 0, err
	case bytes.Equal(found[:n], want):
		return end + 16, nil
	case n >= 12 && bytes.Equal(found[:12], want[4:]):
		return end + 12, nil
	}
	return 0, errors.New("its data descriptor is not what the central directory says")
}
