// Package bundle writes and reads the one file in which images and artifacts
// travel to a machine that reaches nothing.
//
// A bundle is a tar (POSIX.1-2001 ustar, pax where needed) of regular files:
//
//	pybake-bundle.json    first: a Head, which lists every other file with size and SHA-256
//	NAME                  the files, in the order of the list
//
// Two names that hold the same bytes are one file: the list says of the second
// which one it is the same as, and the tar does not have it. Names are relative
// and clean, with slashes; modes are 0644, owners 0:0, times 1980-01-01. So the
// same files give the same bundle. What the names mean is for the caller; a bundle
// that has manifest.json and its blobs is an archive for docker load too.
//
// Open reads all of a bundle before it returns: a file that is cut off, has a
// flipped bit, more files than it lists or fewer, is refused whole.
package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// HeadFile is the name of the first file.
const HeadFile = "pybake-bundle.json"

// Format is the format that is written, and the only one that is read.
const Format = 1

const (
	maxHead  = 64 << 20 // bytes
	maxFiles = 1 << 20
)

// Head is what a bundle says of itself.
type Head struct {
	Format int               `json:"format"`
	Arch   string            `json:"arch"`             // Debian's name: "amd64"
	Images map[string]string `json:"images,omitempty"` // keys of image artifacts, by name: "web"
	Tags   map[string]string `json:"tags,omitempty"`   // names of images, by reference: "shop:1" to "web"
	Files  []File            `json:"files"`
}

// File is one file of a bundle.
type File struct {
	Name   string `json:"name"`             // "blobs/sha256/9ab2…"
	Size   int64  `json:"size"`             // bytes
	SHA256 string `json:"sha256"`           // 64 lower-case hex digits
	SameAs string `json:"sameAs,omitempty"` // an earlier file of the list, which the tar has
}

// Source is a file that goes into a bundle.
type Source struct {
	Name string
	Path string // of this machine; or empty
	Data []byte // without a path
}

// DamagedError reports a bundle that is not what it says.
type DamagedError struct {
	Path string // of the bundle
	File string // in it; or empty
	Err  error
}

func (e *DamagedError) Error() string {
	if e.File == "" {
		return fmt.Sprintf("%s: damaged: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s: damaged: %s: %v", e.Path, e.File, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Write writes a bundle. It reads every file twice.
func Write(ctx context.Context, w io.Writer, head Head, sources []Source) error {
	head.Format, head.Files = Format, nil
	first := map[string]string{} // name by hash
	for _, s := range sources {
		f, err := describe(ctx, s)
		if err != nil {
			return fmt.Errorf("bundle %s: %w", s.Name, err)
		}
		if same, ok := first[f.SHA256]; ok {
			f.SameAs = same
		} else {
			first[f.SHA256] = s.Name
		}
		head.Files = append(head.Files, f)
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	if err := put(ctx, tw, Source{Name: HeadFile, Data: text}, File{Name: HeadFile, Size: int64(len(text)), SHA256: sum(text)}); err != nil {
		return err
	}
	for i, s := range sources {
		if head.Files[i].SameAs != "" {
			continue
		}
		if err := put(ctx, tw, s, head.Files[i]); err != nil {
			return fmt.Errorf("bundle %s: %w", s.Name, err)
		}
	}
	return tw.Close()
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

func (s Source) open() (io.ReadCloser, error) {
	if s.Path == "" {
		return io.NopCloser(bytes.NewReader(s.Data)), nil
	}
	return os.Open(s.Path)
}

func describe(ctx context.Context, s Source) (f File, err error) {
	if !fs.ValidPath(s.Name) || s.Name == "." {
		return f, fmt.Errorf("%q: want a relative path", s.Name)
	}
	r, err := s.open()
	if err != nil {
		return f, err
	}
	defer r.Close()
	h := sha256.New()
	f.Name = s.Name
	f.Size, err = io.Copy(h, &reader{ctx, r})
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	return f, err
}

func put(ctx context.Context, tw *tar.Writer, s Source, f File) error {
	r, err := s.open()
	if err != nil {
		return err
	}
	defer r.Close()
	err = tw.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: f.Name, Size: f.Size, Mode: 0o644, ModTime: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(tw, h), &reader{ctx, r}); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return errors.New("it changed while it was read")
	}
	return nil
}

// reader ends when its context does.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// Bundle is a bundle that was found whole.
type Bundle struct {
	Head

	f  *os.File
	at map[string]section
}

type section struct{ offset, size int64 }

// Open opens a bundle and verifies all of it. What is wrong with it is a
// *DamagedError.
func Open(ctx context.Context, path string) (*Bundle, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := &Bundle{f: f, at: map[string]section{}}
	if err := b.verify(ctx); err != nil {
		f.Close()
		if ctx.Err() != nil || errors.As(err, new(*fs.PathError)) {
			return nil, err
		}
		damaged := &DamagedError{Path: path, Err: err}
		if in, ok := errors.AsType[*fileError](err); ok {
			damaged.File, damaged.Err = in.name, in.err
		}
		return nil, damaged
	}
	return b, nil
}

type fileError struct {
	name string
	err  error
}

func (e *fileError) Error() string { return e.name + ": " + e.err.Error() }

// position counts what is read, so that contents are found again.
type position struct {
	r io.Reader
	n int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}

func (b *Bundle) verify(ctx context.Context) error {
	at := &position{r: &reader{ctx, b.f}}
	tr := tar.NewReader(at)
	if err := b.readHead(tr); err != nil {
		return err
	}
	for _, f := range b.Files {
		if f.SameAs != "" {
			b.at[f.Name] = b.at[f.SameAs]
			continue
		}
		h, err := tr.Next()
		if err != nil {
			return &fileError{f.Name, cutOff(err)}
		}
		if h.Name != f.Name || h.Typeflag != tar.TypeReg || h.Size != f.Size {
			return &fileError{f.Name, fmt.Errorf("found %s of %d bytes in its place", h.Name, h.Size)}
		}
		b.at[f.Name] = section{at.n, f.Size}
		hash := sha256.New()
		if _, err := io.Copy(hash, tr); err != nil {
			return &fileError{f.Name, cutOff(err)}
		}
		if found := hex.EncodeToString(hash.Sum(nil)); found != f.SHA256 {
			return &fileError{f.Name, fmt.Errorf("sha256 %s, and the list says %s", found, f.SHA256)}
		}
	}
	switch h, err := tr.Next(); {
	case err == nil:
		return &fileError{h.Name, errors.New("the list does not have it")}
	case err != io.EOF:
		return cutOff(err)
	}
	// A tar ends with two blocks of zeros; without them it was cut off.
	if _, err := io.Copy(io.Discard, at); err != nil {
		return err
	}
	if info, err := b.f.Stat(); err != nil || at.n != info.Size() || at.n%512 != 0 || at.n < b.end()+1024 {
		return errors.Join(err, cutOff(io.ErrUnexpectedEOF))
	}
	return nil
}

// end is where the last file ends, in whole blocks.
func (b *Bundle) end() (last int64) {
	for _, s := range b.at {
		last = max(last, (s.offset+s.size+511)/512*512)
	}
	return last
}

func cutOff(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the file ends too early")
	}
	return err
}

func (b *Bundle) readHead(tr *tar.Reader) error {
	h, err := tr.Next()
	if err != nil || h.Name != HeadFile || h.Typeflag != tar.TypeReg {
		return fmt.Errorf("it does not begin with %s: not a bundle of pybake save", HeadFile)
	}
	if h.Size > maxHead {
		return &fileError{HeadFile, fmt.Errorf("%d bytes: more than %d", h.Size, maxHead)}
	}
	text, err := io.ReadAll(tr)
	if err != nil {
		return &fileError{HeadFile, cutOff(err)}
	}
	if err := json.Unmarshal(text, &b.Head); err != nil {
		return &fileError{HeadFile, err}
	}
	if b.Format != Format {
		return &fileError{HeadFile, fmt.Errorf("format %d: this pybake reads format %d only", b.Format, Format)}
	}
	if len(b.Files) > maxFiles {
		return &fileError{HeadFile, fmt.Errorf("%d files: more than %d", len(b.Files), maxFiles)}
	}
	seen := map[string]File{}
	for _, f := range b.Files {
		same, ok := seen[f.SameAs]
		switch {
		case !fs.ValidPath(f.Name) || f.Name == ".":
			return &fileError{HeadFile, fmt.Errorf("%q: not a relative path", f.Name)}
		case seen[f.Name].Name != "":
			return &fileError{HeadFile, fmt.Errorf("%s: listed twice", f.Name)}
		case f.SameAs != "" && (!ok || same.SHA256 != f.SHA256 || same.Size != f.Size):
			return &fileError{HeadFile, fmt.Errorf("%s: not the same as %s", f.Name, f.SameAs)}
		}
		seen[f.Name] = f
	}
	return nil
}

// Open opens a file of the bundle; fs.ErrNotExist if it has none of the name.
func (b *Bundle) Open(name string) (*io.SectionReader, error) {
	s, ok := b.at[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NewSectionReader(b.f, s.offset, s.size), nil
}

// Find is what the bundle says of a file.
func (b *Bundle) Find(name string) (File, bool) {
	i := slices.IndexFunc(b.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return File{}, false
	}
	return b.Files[i], true
}

// Close closes the file.
func (b *Bundle) Close() error { return b.f.Close() }
