// Package oci makes an image of layers and hands it over: to an engine, to a
// directory, as an archive, to a registry. It reads the layers as files and
// never unpacks them, and knows no engine but by Loader.
//
// # The image
//
// Configuration and manifest are those of the OCI image specification 1.1
// (config.md, manifest.md):
//
//	configuration  application/vnd.oci.image.config.v1+json
//	manifest       application/vnd.oci.image.manifest.v1+json
//	layers         application/vnd.oci.image.layer.v1.tar+gzip
//
// Both are JSON without spaces, with keys in a fixed order. The system is
// linux. history has one entry for each layer. So equal values of Image have
// equal bytes and identities, wherever they are computed. An image has two:
//
//	ID      SHA-256 of the configuration: what Docker's own store calls it
//	digest  SHA-256 of the manifest: what registries call it, and engines
//	        that keep images in containerd
//
// Whoever hands over the bytes of a layer compares them with its Size and
// Digest; a damaged file is an error that names the layer and the file.
//
// # References
//
// Names of images follow Docker's grammar (github.com/distribution/reference):
// "shop" is docker.io/library/shop:latest. A name with a digest is refused.
//
// # Archives and layouts
//
// A layout is a directory (image-layout.md): oci-layout, index.json and
// blobs/sha256/HEX. Each reference is a descriptor of index.json, with the
// annotations
//
//	org.opencontainers.image.ref.name   the reference, short: "shop:1.4"
//	io.containerd.image.name            the reference, in full: "docker.io/library/shop:1.4"
//
// An image without references is one descriptor without them. An OCI archive is
// a tar of a layout. A Docker archive is the same with a manifest.json (Docker
// image specification 1.2), whose paths are those of the blobs, as "docker save"
// writes since Docker 25: older engines read manifest.json, newer ones may read
// index.json. Entries are files of mode 0644, owner 0:0 and time 0; those that
// describe come first, then the blobs, from the bottom layer up, each once.
//
// # Registries
//
// Push speaks to a registry as Docker does: HTTPS with verified certificates,
// but for localhost, 127.0.0.0/8 and ::1, and if it is told that a registry is
// insecure, where certificates are not verified and HTTP will do. Nothing goes
// over HTTP anywhere else, whatever a registry redirects to.
package oci

import (
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/pattern"
)

// Layer is one layer of an image.
type Layer struct {
	layer.Blob
	Name      string // in errors: "python"
	CreatedBy string // in the history
}

// Image is an image that is put together of its layers.
type Image struct {
	Arch    string // as Go names it: "amd64"
	Created time.Time
	Config  Config
	Layers  []Layer // from the bottom
}

// Config is what an image says of how it is run.
type Config struct {
	User       string            `json:"user,omitempty"`    // "1000:1000"
	Workdir    string            `json:"workdir,omitempty"` // "/srv"
	Env        []string          `json:"env,omitempty"`     // "LANG=C.UTF-8"
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Cmd        []string          `json:"cmd,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Ports      []string          `json:"ports,omitempty"`      // "8080/tcp", "53/udp"
	StopSignal string            `json:"stopSignal,omitempty"` // "SIGTERM"
}

// Build makes the image. Its layers are read when somebody asks for them.
func (i Image) Build() (v1.Image, error) {
	b, err := i.build()
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(b)
}

// IDs are the digests of configuration and manifest: "sha256:9f86d0…". The
// files of the layers are not read.
func (i Image) IDs() (id, digest string, err error) {
	b, err := i.build()
	if err != nil {
		return "", "", err
	}
	return b.config.Digest.String(), b.manifest.Digest.String(), nil
}

// built is an image whose descriptions are bytes. It is what
// partial.CompressedToImage asks for.
type built struct {
	config, manifest v1.Descriptor // with Data
	layers           []*blob
}

func (i Image) build() (*built, error) {
	b := &built{}
	config, err := i.configFile()
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	var layers []v1.Descriptor
	for n, l := range i.Layers {
		file, err := newBlob(l)
		if err != nil {
			return nil, fmt.Errorf("image: layer %d (%s): %w", n+1, l.Name, err)
		}
		b.layers = append(b.layers, file)
		layers = append(layers, v1.Descriptor{MediaType: types.OCILayer, Size: l.Size, Digest: file.digest})
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, file.diffID)
		config.History = append(config.History, v1.History{Created: config.Created, CreatedBy: l.CreatedBy})
	}
	if b.config, err = describe(types.OCIConfigJSON, config); err != nil {
		return nil, fmt.Errorf("image: configuration: %w", err)
	}
	listed := b.config
	listed.Data = nil
	b.manifest, err = describe(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: listed, Layers: layers,
	})
	if err != nil {
		return nil, fmt.Errorf("image: manifest: %w", err)
	}
	return b, nil
}

var port = pattern.New(`^[1-9][0-9]{0,4}/(tcp|udp|sctp)$`)

// configFile is the configuration without its layers.
func (i Image) configFile() (*v1.ConfigFile, error) {
	switch {
	case i.Arch == "":
		return nil, errors.New("no architecture")
	case len(i.Layers) == 0:
		return nil, errors.New("no layers")
	}
	c := &v1.ConfigFile{
		Architecture: i.Arch, OS: "linux", Created: v1.Time{Time: i.Created.UTC().Truncate(time.Second)},
		RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			User: i.Config.User, WorkingDir: i.Config.Workdir, Env: i.Config.Env, Entrypoint: i.Config.Entrypoint, Cmd: i.Config.Cmd,
			Labels: i.Config.Labels, StopSignal: i.Config.StopSignal,
		},
	}
	for _, p := range i.Config.Ports {
		if !port.MatchString(p) {
			return nil, fmt.Errorf("port %q: not like 8080/tcp", p)
		}
		if c.Config.ExposedPorts == nil {
			c.Config.ExposedPorts = map[string]struct{}{}
		}
		c.Config.ExposedPorts[p] = struct{}{}
	}
	return c, nil
}

func (b *built) RawConfigFile() ([]byte, error)      { return b.config.Data, nil }
func (b *built) RawManifest() ([]byte, error)        { return b.manifest.Data, nil }
func (b *built) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (b *built) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, l := range b.layers {
		if l.digest == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("image: no layer %s", h)
}

// parts are all blobs of an image, each once: configuration, manifest, and from
// skip on the layers, the lowest first.
func (b *built) parts(skip int) []part {
	parts := []part{bytesPart(b.config), bytesPart(b.manifest)}
	seen := map[v1.Hash]bool{}
	for n, l := range b.layers {
		if n >= skip && !seen[l.digest] {
			parts = append(parts, part{l.digest, l.layer.Size, l.Compressed})
		}
		seen[l.digest] = true
	}
	return parts
}

// part is one blob.
type part struct {
	digest v1.Hash
	size   int64
	open   func() (io.ReadCloser, error)
}
