package oci

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// describe encodes v and describes the bytes, which are in Data.
func describe(media types.MediaType, v any) (v1.Descriptor, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(text))
	return v1.Descriptor{MediaType: media, Size: size, Digest: digest, Data: text}, err
}

func bytesPart(d v1.Descriptor) part {
	return part{d.Digest, d.Size, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(d.Data)), nil }}
}

// blob is a layer in a file. It is a partial.CompressedLayer.
type blob struct {
	layer          Layer
	digest, diffID v1.Hash
}

func newBlob(l Layer) (*blob, error) {
	digest, err := sha256Hash(l.Digest)
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	diffID, err := sha256Hash(l.DiffID)
	if err != nil {
		return nil, fmt.Errorf("DiffID: %w", err)
	}
	if l.Size <= 0 {
		return nil, fmt.Errorf("size of %d bytes", l.Size)
	}
	return &blob{l, digest, diffID}, nil
}

func sha256Hash(s string) (v1.Hash, error) {
	h, err := v1.NewHash(s)
	if err == nil && h.Algorithm != "sha256" {
		err = fmt.Errorf("%q: not a sha256", s)
	}
	return h, err
}

func (b *blob) Digest() (v1.Hash, error)            { return b.digest, nil }
func (b *blob) DiffID() (v1.Hash, error)            { return b.diffID, nil }
func (b *blob) Size() (int64, error)                { return b.layer.Size, nil }
func (b *blob) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed reads the file. What it reads is the layer if it ends in io.EOF.
func (b *blob) Compressed() (io.ReadCloser, error) {
	f, err := os.Open(b.layer.Path)
	if err != nil {
		return nil, b.damaged(err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != b.layer.Size {
		err = fmt.Errorf("%s: has %d bytes, not %d", b.layer.Path, info.Size(), b.layer.Size)
	}
	if err != nil {
		f.Close()
		return nil, b.damaged(err)
	}
	return &verified{ReadCloser: f, blob: b, sum: sha256.New()}, nil
}

func (b *blob) damaged(err error) error {
	return &damagedError{fmt.Errorf("layer %s: %w", b.layer.Name, err)}
}

// damagedError is a layer that cannot be handed over, to whomever.
type damagedError struct{ error }

func (e *damagedError) Unwrap() error { return e.error }

// verified ends with an error instead of io.EOF if it was not the layer.
type verified struct {
	io.ReadCloser
	blob *blob
	sum  hash.Hash
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.sum.Write(p[:n])
	if err == io.EOF {
		if got := fmt.Sprintf("sha256:%x", v.sum.Sum(nil)); got != v.blob.layer.Digest {
			err = fmt.Errorf("%s: its digest is %s, not %s", v.blob.layer.Path, got, v.blob.layer.Digest)
		}
	}
	if err != nil && err != io.EOF {
		err = v.blob.damaged(err)
	}
	return n, err
}
