package layer

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
)

// Join writes a layer of the fragments at these paths to w and tells all of it
// but its Path. It is an error if a fragment is damaged or a whole archive, or
// if two of them have one name for different things: other contents, modes or
// owners; the same file may be in several.
func Join(w io.Writer, fragments ...string) (Blob, error) {
	j := &joiner{
		digest: sha256.New(), diff: sha256.New(),
		seed: maphash.MakeSeed(), seen: map[string]seen{}, names: newNames(),
	}
	j.out = io.MultiWriter(w, j.digest, &j.size)
	q := &queue{paths: fragments}
	defer q.close()
	for n, path := range fragments {
		if err := j.add(n, q.next()); err != nil {
			return Blob{}, fmt.Errorf("join layer: fragment %s: %w", path, err)
		}
	}
	for _, name := range j.order {
		if err := j.names.check(name); err != nil {
			return Blob{}, fmt.Errorf("join layer: fragment %s: entry %.200q: %w", fragments[j.seen[name].fragment], name, err)
		}
	}
	if err := j.end(); err != nil {
		return Blob{}, fmt.Errorf("join layer: %w", err)
	}
	return Blob{
		Digest: digest(j.digest), DiffID: digest(j.diff),
		Size: int64(j.size), Unpacked: int64(j.unpacked),
	}, nil
}

type joiner struct {
	out            io.Writer // of the compressed bytes
	digest, diff   hash.Hash
	size, unpacked count
	seed           maphash.Seed
	seen           map[string]seen
	order          []string // keys of seen
	names          *names
}

// seen is what a name was in a fragment.
type seen struct {
	Entry
	sum      uint64 // of the content
	fragment int
}

// add copies one fragment, and reads what is in it.
func (j *joiner) add(n int, f *opened) error {
	if f.err != nil {
		return f.err
	}
	if _, err := io.Copy(j.out, whole(f.file)); err != nil {
		return err
	}
	s := newSource(io.TeeReader(f.plain, io.MultiWriter(j.diff, &j.unpacked)), maxSize)
	for {
		h, marked, err := s.next()
		if marked {
			return errors.New("holds the end of an archive")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := s.header(h)
		if err != nil {
			return err
		}
		var sum maphash.Hash
		sum.SetSeed(j.seed)
		if _, err := io.Copy(&sum, s.tar); err != nil {
			return s.wrap(err)
		}
		if err := j.enter(path.Clean(h.Name), seen{Entry: e, sum: sum.Sum64(), fragment: n}); err != nil {
			return fmt.Errorf("entry %.200q: %w", h.Name, err)
		}
	}
}

func (j *joiner) enter(name string, now seen) error {
	if t := j.names.types[now.Link]; now.Type == tar.TypeLink && t != tar.TypeReg && t != tar.TypeLink {
		return fmt.Errorf("hard link to %.200q, which no file before it is called", now.Link)
	}
	was, ok := j.seen[name]
	switch {
	case !ok:
		typ := now.Type
		if now.Whiteout || now.Opaque {
			typ = tar.TypeReg
		}
		j.names.add(name, typ)
		j.seen[name] = now
		j.order = append(j.order, name)
	case was.Entry != now.Entry || was.sum != now.sum:
		return fmt.Errorf("fragment %d of the layer has another one of that name", was.fragment+1)
	}
	return nil
}

// end writes the end of the archive.
func (j *joiner) end() error {
	zeros := make([]byte, 2*block)
	j.diff.Write(zeros)
	j.unpacked += 2 * block
	var member bytes.Buffer
	z, err := gzip.NewWriterLevel(&member, level)
	if err != nil {
		return err
	}
	if _, err := z.Write(zeros); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	_, err = j.out.Write(member.Bytes())
	return err
}

func digest(h hash.Hash) string { return fmt.Sprintf("sha256:%x", h.Sum(nil)) }

type count int64

func (c *count) Write(p []byte) (int, error) {
	*c += count(len(p))
	return len(p), nil
}
