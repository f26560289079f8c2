package fetch

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
)

// Hashed is a file that is known by hashes as lock files write them,
// "sha512:0a1b…"; all of them hold.
func Hashed(name string, hashes []string, size int64) (File, error) {
	file := File{Name: name, Size: size}
	fields := map[string]*string{"sha256": &file.SHA256, "sha384": &file.SHA384, "sha512": &file.SHA512}
	for _, text := range hashes {
		algorithm, digits, _ := strings.Cut(text, ":")
		field := fields[algorithm]
		switch {
		case field == nil:
			return File{}, fmt.Errorf("%s: hash %.80q is neither sha256, sha384 nor sha512", name, text)
		case *field != "" && *field != digits:
			return File{}, fmt.Errorf("%s: two different %s hashes: %.80s and %.80s", name, algorithm, *field, digits)
		}
		*field = digits
	}
	return file, file.check()
}

// hashes is the file without what else is known of it.
func (f File) hashes() File { return File{SHA256: f.SHA256, SHA384: f.SHA384, SHA512: f.SHA512} }

// want is one hash that a file has.
type want struct {
	algorithm string // "sha256"
	digits    string
	new       func() hash.Hash
}

// wants are the hashes of a file. The first names it in the cache.
func (f File) wants() []want {
	all := []want{
		{"sha256", f.SHA256, sha256.New},
		{"sha512", f.SHA512, sha512.New},
		{"sha384", f.SHA384, sha512.New384},
	}
	return slices.DeleteFunc(all, func(w want) bool { return w.digits == "" })
}

func (f File) checkHashes() error {
	wants := f.wants()
	if len(wants) == 0 {
		return fmt.Errorf("%s: no hash given", f.Name)
	}
	for _, w := range wants {
		sum, err := hex.DecodeString(w.digits)
		if size := w.new().Size(); err != nil || len(sum) != size || strings.ToLower(w.digits) != w.digits {
			return fmt.Errorf("%s: %s %q is not %d lower case hex digits", f.Name, w.algorithm, w.digits, 2*size)
		}
	}
	return nil
}

// sums hashes what is written to it by every algorithm of a file.
type sums struct {
	wants  []want
	hashes []hash.Hash
	io.Writer
}

func newSums(file File) *sums {
	s := &sums{wants: file.wants()}
	writers := make([]io.Writer, len(s.wants))
	for i, w := range s.wants {
		s.hashes = append(s.hashes, w.new())
		writers[i] = s.hashes[i]
	}
	s.Writer = io.MultiWriter(writers...)
	return s
}

func (s *sums) reset() {
	for _, h := range s.hashes {
		h.Reset()
	}
}

// wrong is the first hash that the bytes do not have, and what they have
// instead; "" if all are right.
func (s *sums) wrong() (_ want, found string) {
	for i, h := range s.hashes {
		if found := hex.EncodeToString(h.Sum(nil)); found != s.wants[i].digits {
			return s.wants[i], found
		}
	}
	return want{}, ""
}

// expected is the hash of a file that is as long as the one found.
func (f File) expected(found string) want {
	wants := f.wants()
	for _, w := range wants {
		if len(w.digits) == len(found) {
			return w
		}
	}
	return append(wants, want{algorithm: "sha256"})[0]
}
