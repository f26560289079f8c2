package nfpm

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Contents is what [Inspect] found in a .deb.
type Contents struct {
	// Fields are the control fields by name. Folded lines are joined by "\n",
	// as they stand in the file: "synopsis\n text\n .\n text".
	Fields map[string]string
	// Control holds the members of the control archive by name, without "./":
	// "control", "md5sums", "postinst" …
	Control map[string][]byte
	// Files is the data archive in its own order.
	Files []Entry
}

// Entry is one entry of the data archive.
type Entry struct {
	Path  string      // "/opt/python/3.13"; "/" for the root
	Mode  fs.FileMode // type and permission bits
	Size  int64       // bytes
	Link  string      // symlink target
	Owner string      // "root:root 0:0"
	Time  time.Time
}

// Inspect reads a .deb from start to end: the control member whole, the data
// member entry by entry, each gzip, xz, zstd or not compressed.
func Inspect(r io.Reader) (*Contents, error) {
	c := &Contents{Fields: map[string]string{}, Control: map[string][]byte{}}
	a := &arReader{r: bufio.NewReader(r)}
	for _, step := range []struct {
		prefix string
		read   func(*tar.Header, io.Reader) error
	}{
		{"debian-binary", nil},
		{"control.tar", c.addControl},
		{"data.tar", c.addFile},
	} {
		name, body, err := a.next()
		if err == nil && !strings.HasPrefix(name, step.prefix) {
			err = fmt.Errorf("member %q: want %s", name, step.prefix)
		}
		if err == nil && step.read != nil {
			err = eachTar(name, body, step.read)
		}
		if err != nil {
			return nil, fmt.Errorf("inspect deb: %w", err)
		}
	}
	var last string
	for line := range strings.Lines(string(c.Control["control"])) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, " ") {
			c.Fields[last] += "\n" + line
			continue
		}
		field, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("inspect deb: control line %q: want field: value", line)
		}
		last = field
		c.Fields[last] = strings.TrimSpace(value)
	}
	if c.Fields["Package"] == "" {
		return nil, errors.New("inspect deb: no Package in the control file")
	}
	return c, nil
}

func (c *Contents) addControl(h *tar.Header, r io.Reader) (err error) {
	if h.Typeflag == tar.TypeReg {
		c.Control[path.Clean(h.Name)], err = io.ReadAll(r)
	}
	return err
}

func (c *Contents) addFile(h *tar.Header, _ io.Reader) error {
	c.Files = append(c.Files, Entry{
		Path:  path.Join("/", h.Name),
		Mode:  h.FileInfo().Mode(),
		Size:  h.Size,
		Link:  h.Linkname,
		Owner: fmt.Sprintf("%s:%s %d:%d", h.Uname, h.Gname, h.Uid, h.Gid),
		Time:  h.ModTime.UTC(),
	})
	return nil
}

// eachTar calls read for every entry of the tar in the ar member.
func eachTar(member string, body io.Reader, read func(*tar.Header, io.Reader) error) error {
	plain, err := decompress(path.Ext(member), body)
	if err != nil {
		return fmt.Errorf("member %s: %w", member, err)
	}
	defer plain.Close()
	t := tar.NewReader(plain)
	for {
		h, err := t.Next()
		if err == io.EOF {
			// What follows the end mark is read too, for its checksum.
			_, err = io.Copy(io.Discard, plain)
			if err == nil {
				return nil
			}
		}
		if err == nil {
			err = read(h, t)
		}
		if err != nil {
			return fmt.Errorf("member %s: %w", member, err)
		}
	}
}

func decompress(ext string, r io.Reader) (io.ReadCloser, error) {
	switch ext {
	case ".gz":
		return gzip.NewReader(r)
	case ".xz":
		x, err := xz.NewReader(r)
		return io.NopCloser(x), err
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case ".tar":
		return io.NopCloser(r), nil
	}
	return nil, fmt.Errorf("compression %q: want .gz, .xz or .zst", ext)
}

// arReader reads an ar archive (deb(5)): "!<arch>\n", then for each member a
// header of 60 bytes, the body, and "\n" if the body is odd.
type arReader struct {
	r    *bufio.Reader
	body *io.LimitedReader // of the current member, nil before the first
	odd  bool
}

func (a *arReader) next() (name string, body io.Reader, err error) {
	if a.body == nil {
		magic := make([]byte, 8)
		if _, err := io.ReadFull(a.r, magic); err != nil || string(magic) != "!<arch>\n" {
			return "", nil, errors.Join(errors.New("not an ar archive"), err)
		}
	} else {
		if _, err := io.Copy(io.Discard, a.body); err != nil {
			return "", nil, err
		}
		if a.odd {
			if _, err := a.r.Discard(1); err != nil {
				return "", nil, err
			}
		}
	}
	header := make([]byte, 60)
	if _, err := io.ReadFull(a.r, header); err != nil {
		return "", nil, fmt.Errorf("ar header: %w", err)
	}
	size, err := strconv.ParseInt(string(bytes.TrimSpace(header[48:58])), 10, 64)
	if err != nil || size < 0 || string(header[58:]) != "`\n" {
		return "", nil, fmt.Errorf("ar header %q: malformed", header)
	}
	a.body, a.odd = &io.LimitedReader{R: a.r, N: size}, size%2 == 1
	return strings.TrimRight(string(header[:16]), " /"), a.body, nil
}
