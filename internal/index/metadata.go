package index

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pep"
)

// maxMetadata is the longest METADATA, in bytes.
const maxMetadata = 16 << 20

// MetadataOf is the METADATA of a wheel: the file beside it if the index offers
// one (PEP 658), else what is in the wheel, which is downloaded for that into
// the cache, where a fetch.Fetcher finds it. Either is held against the hash
// that the index gives, and kept by the hash of the wheel.
func (c *Client) MetadataOf(ctx context.Context, f File) ([]byte, error) {
	text, err := c.metadata(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", f.Name, err)
	}
	return text, nil
}

func (c *Client) metadata(ctx context.Context, f File) ([]byte, error) {
	name, err := pep.ParseWheelName(f.Name)
	if err != nil {
		return nil, err
	}
	key := f.metadataKey()
	if key != "" {
		if text := c.recall("metadata", key); text != nil {
			return text, nil
		}
	}
	text, verified, err := c.metadataBeside(ctx, f)
	if errors.Is(err, fetch.ErrNotHere) {
		text, err = c.metadataWithin(ctx, f, name)
		verified = true
	}
	if err != nil {
		return nil, err
	}
	if key != "" && verified {
		err = c.keep("metadata", key, text)
	}
	return text, err
}

// metadataKey is "" for a wheel without a hash.
func (f File) metadataKey() string {
	for _, algorithm := range []string{"sha256", "sha512", "sha384"} {
		if digits := f.Hashes[algorithm]; digits != "" && f.MetadataSHA256 != "" {
			// Else one index could answer for another.
			return digits + "-" + f.MetadataSHA256
		} else if digits != "" {
			return digits
		}
	}
	return ""
}

// metadataBeside is the file of PEP 658, fetch.ErrNotHere if there is none.
func (c *Client) metadataBeside(ctx context.Context, f File) (text []byte, verified bool, err error) {
	if !f.Metadata || c.Offline {
		return nil, false, fetch.ErrNotHere
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		return nil, false, errors.New(malformed)
	}
	u.Path += ".metadata"
	if u.RawPath != "" {
		u.RawPath += ".metadata"
	}
	resp, err := c.get(ctx, u, nil, maxMetadata, nil)
	if err != nil {
		return nil, false, fmt.Errorf("index %s: %w", f.Index, err)
	}
	if f.MetadataSHA256 == "" {
		return resp.body, false, nil
	}
	if found := digestOf(resp.body); found != f.MetadataSHA256 {
		want := fetch.File{Name: f.Name + ".metadata", SHA256: f.MetadataSHA256}
		return nil, false, &fetch.MismatchError{Place: "index " + f.Index, Where: Label(u.String()), File: want, Found: found}
	}
	return resp.body, true, nil
}

// metadataWithin reads it out of the wheel.
func (c *Client) metadataWithin(ctx context.Context, f File, name pep.WheelName) ([]byte, error) {
	if c.Cache == "" {
		return nil, errors.New("no cache directory to download the wheel into")
	}
	want := fetch.File{Name: f.Name, Size: f.Size, SHA256: f.Hashes["sha256"], SHA384: f.Hashes["sha384"], SHA512: f.Hashes["sha512"]}
	place := c.Place("index " + f.Index)
	place.Names = func(fetch.File) []string { return []string{f.URL} }
	fetcher := &fetch.Fetcher{Cache: c.Cache, Offline: c.Offline, Attempts: c.Attempts, Backoff: c.Backoff, Stall: c.Stall}
	got, err := fetcher.Get(ctx, []fetch.File{want}, []fetch.Place{place})
	if err != nil {
		return nil, err
	}
	wheel, err := zip.OpenReader(got.Path)
	if err != nil {
		return nil, err
	}
	defer wheel.Close()
	var found *zip.File
	for _, member := range wheel.File {
		dir, base := path.Split(member.Name)
		dist, isInfo := strings.CutSuffix(dir, ".dist-info/")
		dist, _, _ = strings.Cut(dist, "-")
		if !isInfo || base != "METADATA" || pep.NormalizeName(dist) != name.Name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s and %s: METADATA twice", found.Name, member.Name)
		}
		found = member
	}
	if found == nil {
		return nil, errors.New("the wheel has none")
	}
	r, err := found.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err == nil && len(text) > maxMetadata {
		err = fmt.Errorf("longer than the limit of %d bytes", maxMetadata)
	}
	return text, err
}
