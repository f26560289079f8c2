package whl

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/pybake/pybake/internal/elfcheck"
)

const (
	level    = 6       // of deflate
	maxPlain = 1 << 32 // what needs no ZIP64
)

// Rewrite writes the wheel file to dst in its one canonical form, which the
// package comment describes. The wheel must be one that Read accepts, else it is
// a *BadError: nothing that it lies about is covered up.
func Rewrite(dst io.Writer, file, filename string, epoch time.Time) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("rewrite wheel: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("rewrite wheel: %w", err)
	}
	w, a, err := read(f, info.Size(), filename, defaults())
	if err != nil {
		return err
	}
	if err := rewrite(dst, w, a, epoch); err != nil {
		return fmt.Errorf("rewrite %s: %w", filename, err)
	}
	return nil
}

func rewrite(dst io.Writer, w *Wheel, a *archive, epoch time.Time) error {
	info := infoDir(w)
	out, err := newCanonical(dst, epoch)
	if err != nil {
		return err
	}
	defer out.spool.reset()
	members := slices.DeleteFunc(slices.Clone(a.members), func(m *member) bool {
		_, name, _ := strings.Cut(m.name, "/")
		inInfo := strings.HasPrefix(m.name, info+"/")
		return m.dir || inInfo && (name == "RECORD" || name == "RECORD.jws" || name == "RECORD.p7s")
	})
	slices.SortFunc(members, func(x, y *member) int {
		return cmp.Or(
			cmp.Compare(b2i(strings.HasPrefix(x.name, info+"/")), b2i(strings.HasPrefix(y.name, info+"/"))),
			strings.Compare(x.name, y.name),
		)
	})
	var record bytes.Buffer
	rows := csv.NewWriter(&record)
	for _, m := range members {
		exec := m.mode&0o111 != 0 || strings.HasPrefix(m.name, strings.TrimSuffix(info, ".dist-info")+".data/scripts/")
		fill := func(to io.Writer) error { return a.copy(to, m) }
		if i := slices.IndexFunc(w.ELF, func(e ELF) bool { return e.Path == m.name }); i >= 0 && w.ELF[i].searchesDistro() {
			fill = func(to io.Writer) error { return a.copyWithoutRunPath(to, m) }
		}
		sum, err := out.add(m.name, exec, fill)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(m.name), err)
		}
		err = rows.Write([]string{m.name, "sha256=" + base64.RawURLEncoding.EncodeToString(sum), strconv.FormatInt(m.size, 10)})
		if err != nil {
			return err
		}
	}
	if err := rows.Write([]string{info + "/RECORD", "", ""}); err != nil {
		return err
	}
	if rows.Flush(); rows.Error() != nil {
		return rows.Error()
	}
	if _, err := out.add(info+"/RECORD", false, func(to io.Writer) error { _, err := to.Write(record.Bytes()); return err }); err != nil {
		return err
	}
	return out.zip.Close()
}

// searchesDistro is whether a run path leads to nothing but libraries of the distro.
func (e ELF) searchesDistro() bool {
	return e.Linked && !e.Foreign && (allOfDistro(e.RPath) || allOfDistro(e.RunPath))
}

func allOfDistro(dirs []string) bool {
	return len(dirs) > 0 && !slices.ContainsFunc(dirs, func(dir string) bool { return !ofDistro(dir) })
}

// ofDistro is whether a directory is one that libraries of the distro are installed in.
func ofDistro(dir string) bool {
	dir = path.Clean(dir) + "/"
	return slices.ContainsFunc([]string{"/usr/lib/", "/lib/", "/usr/lib64/", "/lib64/"}, func(top string) bool { return strings.HasPrefix(dir, top) })
}

// copyWithoutRunPath is copy of an ELF file that searches the distro.
func (a *archive) copyWithoutRunPath(to io.Writer, m *member) error {
	var data bytes.Buffer
	if err := a.copy(&data, m); err != nil {
		return err
	}
	if err := elfcheck.DropRunPaths(data.Bytes(), ofDistro); err != nil {
		return err
	}
	_, err := to.Write(data.Bytes())
	return err
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// infoDir is the .dist-info directory of a wheel that was read.
func infoDir(w *Wheel) string {
	for _, f := range w.Files {
		if top, name, ok := strings.Cut(f.Path, "/"); ok && name == "WHEEL" && strings.HasSuffix(top, ".dist-info") {
			return top
		}
	}
	return ""
}

// canonical writes an archive.
type canonical struct {
	zip      *zip.Writer
	date, at uint16 // of MS-DOS
	deflate  *flate.Writer
	spool    spool
	total    int64
}

func newCanonical(dst io.Writer, epoch time.Time) (*canonical, error) {
	c := &canonical{zip: zip.NewWriter(dst)}
	c.date, c.at = dosTime(epoch)
	var err error
	c.deflate, err = flate.NewWriter(io.Discard, level)
	return c, err
}

// dosTime is a time in UTC as a zip archive has it: from 1980 to 2107, with
// even seconds.
func dosTime(t time.Time) (date, clock uint16) {
	t = t.UTC()
	if t.Year() < 1980 {
		t = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	} else if t.Year() > 2107 {
		t = time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	}
	date = uint16(t.Year()-1980)<<9 | uint16(t.Month())<<5 | uint16(t.Day())
	clock = uint16(t.Hour())<<11 | uint16(t.Minute())<<5 | uint16(t.Second()/2)
	return date, clock
}

// add adds a file, whose content fill writes, and returns its SHA-256.
func (c *canonical) add(name string, exec bool, fill func(io.Writer) error) ([]byte, error) {
	c.spool.reset()
	c.deflate.Reset(&c.spool)
	sum, crc := sha256.New(), crc32.NewIEEE()
	n := new(counter)
	if err := fill(io.MultiWriter(n, sum, crc, c.deflate)); err != nil {
		return nil, err
	}
	if err := c.deflate.Close(); err != nil {
		return nil, err
	}
	mode := uint32(typeRegular | 0o644)
	if exec {
		mode = typeRegular | 0o755
	}
	header := &zip.FileHeader{
		Name: name, Method: zip.Deflate, CreatorVersion: 3<<8 | 20, ReaderVersion: 20, ExternalAttrs: mode << 16,
		ModifiedDate: c.date, ModifiedTime: c.at, CRC32: crc.Sum32(),
		CompressedSize64: uint64(c.spool.size), UncompressedSize64: uint64(*n),
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r > '~' }) {
		header.Flags |= flagUTF8
	}
	if *n == 0 {
		header.Method, header.CompressedSize64 = zip.Store, 0
	}
	c.total += int64(header.CompressedSize64)
	if *n >= maxPlain-1 || c.total >= maxPlain/2 {
		return nil, errors.New("is too large to be rewritten: the limits are 4 GiB for a file, 2 GiB for the wheel")
	}
	w, err := c.zip.CreateRaw(header)
	if err == nil && header.Method == zip.Deflate {
		_, err = io.Copy(w, c.spool.reader())
	}
	return sum.Sum(nil), err
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
