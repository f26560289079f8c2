package oci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// WriteLayout writes a layout to dir, which may be missing or empty, or a layout
// already: then the image is added to it, and takes these references from other
// images there. Anything else is an error, and is left as it is.
//
// A new layout appears at once, by rename, in place of an empty directory. In an
// old one blobs appear before the
// index that lists them does; nothing is removed.
func (i Image) WriteLayout(ctx context.Context, dir string, refs ...string) error {
	b, err := i.build()
	if err != nil {
		return err
	}
	names, err := tags(refs)
	if err != nil {
		return err
	}
	if err := b.writeLayout(ctx, dir, b.descriptors(names)); err != nil {
		return fmt.Errorf("write OCI layout %s: %w", dir, err)
	}
	return nil
}

func (b *built) writeLayout(ctx context.Context, dir string, listed []v1.Descriptor) error {
	index, err := readLayout(dir)
	if err != nil {
		return err
	}
	if index != nil {
		index.Manifests = slices.DeleteFunc(index.Manifests, func(d v1.Descriptor) bool { return replaced(d, listed) })
		index.Manifests = append(index.Manifests, listed...)
		return b.fill(ctx, dir, *index)
	}
	dir = filepath.Clean(dir)
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".pybake-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(temp, layoutFile), []byte(layoutText), 0o644); err != nil {
		return err
	}
	if err := b.fill(ctx, temp, newIndex(listed)); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(temp, dir)
}

// replaced reports whether one of the new descriptors has the name of an old one,
// or says the same.
func replaced(old v1.Descriptor, listed []v1.Descriptor) bool {
	return slices.ContainsFunc(listed, func(d v1.Descriptor) bool {
		name := old.Annotations[refName]
		return name == d.Annotations[refName] && (name != "" || old.Digest == d.Digest)
	})
}

// readLayout reads the index of a layout. It is nil if the directory is missing
// or empty.
func readLayout(dir string) (*v1.IndexManifest, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := readJSON(filepath.Join(dir, layoutFile), &layout); errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the directory is not empty and no OCI layout")
	} else if err != nil {
		return nil, err
	}
	if layout.Version != "1.0.0" {
		return nil, fmt.Errorf("%s: version %q of layouts is unknown", layoutFile, layout.Version)
	}
	index := &v1.IndexManifest{}
	if err := readJSON(filepath.Join(dir, indexFile), index); err != nil {
		return nil, err
	}
	if index.SchemaVersion != 2 {
		return nil, fmt.Errorf("%s: version %d of the schema is unknown", indexFile, index.SchemaVersion)
	}
	return index, nil
}

func readJSON(name string, into any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

// fill writes the blobs of an image, and then the index.
func (b *built) fill(ctx context.Context, dir string, index v1.IndexManifest) error {
	for _, p := range b.parts(0) {
		name := filepath.Join(dir, filepath.FromSlash(blobName(p.digest)))
		if holds(ctx, name, p) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := writeFile(name, func(w io.Writer) error { return copyPart(ctx, w, p) }); err != nil {
			return err
		}
	}
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, indexFile), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(text))
		return err
	})
}

// holds reports whether a file is a blob. What cannot be read is not.
func holds(ctx context.Context, name string, p part) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, &interruptible{ctx, f})
	return err == nil && fmt.Sprintf("%x", sum.Sum(nil)) == p.digest.Hex
}

// writeFile makes a file, or makes it anew, by rename.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".pybake-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
