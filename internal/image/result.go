package image

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/image/oci"
)

// Files of the artifacts.
const (
	blobFile   = "layer.tar.gz"
	layerFile  = "layer.json"
	factsFile  = "facts.json"
	imageFile  = "image.json"
	reportFile = "layers.json"
)

// Image is a finished image: image.json.
type Image struct {
	Name    string     `json:"name"`    // "web"
	Target  string     `json:"target"`  // "trixie-amd64"
	Arch    string     `json:"arch"`    // "amd64"
	Series  string     `json:"series"`  // "3.13"; or empty
	Created time.Time  `json:"created"` // a time of its inputs
	Config  oci.Config `json:"config"`
	Layers  []Layer    `json:"layers"`
	ID      string     `json:"id"`     // of the configuration: what the engine calls it
	Digest  string     `json:"digest"` // of the manifest: what a registry calls it
}

// Layer is one layer: layer.json, and an element of an image's.
type Layer struct {
	Name  string        `json:"name"`  // "python"
	Image string        `json:"image"` // the definition that it belongs to
	Key   artifacts.Key `json:"key"`
	By    string        `json:"by"`
	layer.Blob
}

// Reported says of a layer of an image where it came from when that was made:
// an element of layers.json.
type Reported struct {
	Layer
	Origin string `json:"origin"`        // "built" or "reused"
	Why    string `json:"why,omitempty"` // it was built: the inputs that changed
}

// OCI is the image as its parts: what is loaded, written and pushed.
func (i *Image) OCI() oci.Image {
	out := oci.Image{Arch: goArch(i.Arch), Created: i.Created, Config: i.Config}
	for _, l := range i.Layers {
		out.Layers = append(out.Layers, oci.Layer{Blob: l.Blob, Name: l.Name, CreatedBy: "pybake " + l.Name})
	}
	return out
}

// Is is whether an image of an engine is this one. Docker's own store knows it by
// its configuration, containerd's by its manifest.
func (i *Image) Is(id string) bool { return id == i.ID || id == i.Digest }

// goArch is Go's name of an architecture of Debian.
func goArch(arch string) string {
	switch arch {
	case "i386":
		return "386"
	case "armhf":
		return "arm"
	case "ppc64el":
		return "ppc64le"
	}
	return arch
}

// diffIDs are those of the layers, from the bottom.
func diffIDs(layers []Layer) []string {
	var ids []string
	for _, l := range layers {
		ids = append(ids, l.DiffID)
	}
	return ids
}

// Read reads an image of the store, and finds its layers there.
func Read(store *artifacts.Store, a *artifacts.Artifact) (*Image, error) {
	i := &Image{}
	if err := readJSON(filepath.Join(a.Dir, imageFile), i); err != nil {
		return nil, err
	}
	for n := range i.Layers {
		l, err := store.Find(KindLayer, i.Layers[n].Key)
		if err != nil {
			return nil, fmt.Errorf("%s: layer %s: %w", a.Name, i.Layers[n].Name, err)
		}
		i.Layers[n].Path = filepath.Join(l.Dir, blobFile)
	}
	return i, nil
}

// ReadReport reads where the layers of an image came from when it was made.
func ReadReport(a *artifacts.Artifact) ([]Reported, error) {
	var rows []Reported
	err := readJSON(filepath.Join(a.Dir, reportFile), &rows)
	return rows, err
}

func readJSON(name string, into any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func writeJSON(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}
