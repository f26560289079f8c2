package oci

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Files of a layout, and the one that makes a Docker archive of it.
const (
	layoutFile   = "oci-layout"
	layoutText   = `{"imageLayoutVersion":"1.0.0"}`
	indexFile    = "index.json"
	manifestFile = "manifest.json"
)

// Annotations of descriptors in an index.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// WriteLayoutTar writes an OCI archive. The same image and references give the
// same bytes.
func (i Image) WriteLayoutTar(ctx context.Context, w io.Writer, refs []string) error {
	return i.writeArchive(ctx, "write OCI archive", w, refs, form{index: true})
}

// WriteDockerArchive writes a Docker archive. The same image and references give
// the same bytes.
func (i Image) WriteDockerArchive(ctx context.Context, w io.Writer, refs []string) error {
	return i.writeArchive(ctx, "write Docker archive", w, refs, form{index: true, manifest: true})
}

func (i Image) writeArchive(ctx context.Context, op string, w io.Writer, refs []string, f form) error {
	b, err := i.build()
	if err != nil {
		return err
	}
	names, err := tags(refs)
	if err != nil {
		return err
	}
	if err := b.archive(ctx, w, names, f); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// form says what an archive is.
type form struct {
	index, manifest bool // it is an OCI archive, a Docker archive, or both
	skip            int  // so many of the lowest layers are left out
}

// archive writes a tar.
func (b *built) archive(ctx context.Context, w io.Writer, names []reference.NamedTagged, f form) error {
	tw := tar.NewWriter(w)
	text := func(name string, text []byte, err error) error {
		if err != nil {
			return err
		}
		if err := header(tw, name, int64(len(text))); err != nil {
			return err
		}
		_, err = tw.Write(text)
		return err
	}
	if f.index {
		if err := text(layoutFile, []byte(layoutText), nil); err != nil {
			return err
		}
		index, err := json.Marshal(newIndex(b.descriptors(names)))
		if err := text(indexFile, index, err); err != nil {
			return err
		}
	}
	if f.manifest {
		list, err := b.dockerManifest(names)
		if err := text(manifestFile, list, err); err != nil {
			return err
		}
	}
	for _, p := range b.parts(f.skip) {
		if err := header(tw, blobName(p.digest), p.size); err != nil {
			return err
		}
		if err := copyPart(ctx, tw, p); err != nil {
			return err
		}
	}
	return tw.Close()
}

func newIndex(listed []v1.Descriptor) v1.IndexManifest {
	return v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: listed}
}

// descriptors are what an index says of an image: one for each name.
func (b *built) descriptors(names []reference.NamedTagged) []v1.Descriptor {
	plain := v1.Descriptor{
		MediaType: b.manifest.MediaType, Size: b.manifest.Size, Digest: b.manifest.Digest,
	}
	if len(names) == 0 {
		return []v1.Descriptor{plain}
	}
	var all []v1.Descriptor
	for _, name := range names {
		d := plain
		d.Annotations = map[string]string{refName: reference.FamiliarString(name), containerdName: name.String()}
		all = append(all, d)
	}
	return all
}

// dockerManifest is manifest.json.
func (b *built) dockerManifest(names []reference.NamedTagged) ([]byte, error) {
	type item struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	it := item{Config: blobName(b.config.Digest)}
	for _, name := range names {
		it.RepoTags = append(it.RepoTags, reference.FamiliarString(name))
	}
	for _, l := range b.layers {
		it.Layers = append(it.Layers, blobName(l.digest))
	}
	return json.Marshal([]item{it})
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func header(w *tar.Writer, name string, size int64) error {
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)})
}

func copyPart(ctx context.Context, w io.Writer, p part) error {
	r, err := p.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, &interruptible{ctx, r})
	return err
}

// interruptible is a reader that ends with the cause of its context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(p)
}
