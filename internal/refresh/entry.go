package refresh

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/whl"
)

// Publisher turns artifacts into entries of the published directory.
type Publisher struct {
	Store *artifacts.Store
	Into  *publish.Directory
	Again bool // also what was published before is brought to the pool: Into may mend it
	// Tags are those that an image is wanted under in a registry. Refs pushes it there
	// and is each tag with "@" and the digest. Where Tags is nil, images are not pushed,
	// and stay where they are published.
	Tags func(c Cell, a *artifacts.Artifact) []string
	Refs func(c Cell, a *artifacts.Artifact) ([]string, error)
}

// Entry is what is published of the artifact of a cell. Its files are in the pool
// afterwards. former is what was published of the cell before; if it was the same
// artifact, nothing is read, and an image is pushed only if it is wanted under other
// tags.
func (p *Publisher) Entry(ctx context.Context, c Cell, a *artifacts.Artifact, former *publish.Entry) (publish.Entry, error) {
	if former != nil && former.Key == a.Key && !p.Again && p.has(former) {
		e := *former
		e.Stale, e.Name = nil, a.Name
		if c.Kind == KindImage {
			var err error
			if e.Refs, err = p.refs(c, a, former.Refs); err != nil {
				return e, fmt.Errorf("publish %s: %w", a.Name, err)
			}
		}
		return e, nil
	}
	e := publish.Entry{
		Cell: c.Name, Name: a.Name, Kind: c.Kind, Key: a.Key, Distro: c.Distro, Arch: c.Arch, Finished: a.Finished,
	}
	if c.Version != "" {
		e.Series = SeriesOf(c.Version)
	}
	var err error
	switch c.Kind {
	case KindPython:
		err = p.addDebs(ctx, &e, a)
	case KindWheels:
		err = p.addHouse(ctx, &e, a, c)
	case KindImage:
		if e.Size, err = imageSize(p.Store, a); err == nil {
			e.Refs, err = p.refs(c, a, nil)
		}
	}
	if err != nil {
		return e, fmt.Errorf("publish %s: %w", a.Name, err)
	}
	return e, nil
}

// imageSize is what the layers of an image take, packed.
func imageSize(store *artifacts.Store, a *artifacts.Artifact) (size int64, err error) {
	img, err := image.Read(store, a)
	if err != nil {
		return 0, err
	}
	for _, l := range img.Layers {
		size += l.Size
	}
	return size, nil
}

// refs are the references of an image. It is pushed unless those that it has are of the
// tags that it is wanted under.
func (p *Publisher) refs(c Cell, a *artifacts.Artifact, has []string) ([]string, error) {
	if p.Tags == nil {
		return has, nil
	}
	tags := p.Tags(c, a)
	if slices.EqualFunc(tags, has, func(tag, ref string) bool { return strings.HasPrefix(ref, tag+"@") }) {
		return has, nil
	}
	if len(tags) == 0 {
		return nil, nil
	}
	return p.Refs(c, a)
}

// has is whether the pool has all files of an entry.
func (p *Publisher) has(e *publish.Entry) bool {
	for _, d := range e.Debs {
		if !p.Into.Has(d.Blob) {
			return false
		}
	}
	for _, w := range e.Wheels {
		if !p.Into.Has(w.Blob) {
			return false
		}
	}
	for _, f := range e.Files {
		if !p.Into.Has(f) {
			return false
		}
	}
	return true
}

func (p *Publisher) addDebs(ctx context.Context, e *publish.Entry, a *artifacts.Artifact) error {
	for _, f := range a.Files {
		if f.Package == nil {
			continue
		}
		name := filepath.Join(a.Dir, filepath.FromSlash(f.Path))
		b := publish.Blob{Name: filepath.Base(f.Path), SHA256: f.SHA256, Size: f.Size}
		if err := p.Into.Put(ctx, b, name); err != nil {
			return err
		}
		control, err := readControl(name)
		if err != nil {
			return err
		}
		e.Debs = append(e.Debs, publish.Deb{Blob: b, Control: control})
	}
	return nil
}

func readControl(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return nfpm.Control(f)
}

// addHouse publishes the wheels of a house, and the house as an archive.
func (p *Publisher) addHouse(ctx context.Context, e *publish.Entry, a *artifacts.Artifact, c Cell) error {
	house, err := wheels.ReadHouse(a.Dir)
	if err != nil {
		return err
	}
	for _, w := range house.Wheels {
		name := filepath.Join(a.Dir, w.File)
		b := publish.Blob{Name: w.File, SHA256: w.SHA256, Size: w.Size}
		if err := p.Into.Put(ctx, b, name); err != nil {
			return err
		}
		text, err := whl.MetadataText(name)
		if err != nil {
			return err
		}
		meta, err := whl.ParseMetadata(text)
		if err != nil {
			return fmt.Errorf("%s: %w", w.File, err)
		}
		if err := p.Into.PutMetadata(ctx, b, text); err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		e.Wheels = append(e.Wheels, publish.Wheel{
			Blob: b, Project: w.Name, Version: w.Version, RequiresPython: meta.RequiresPython, MetadataSHA256: hex.EncodeToString(sum[:]),
		})
	}
	return p.addArchive(ctx, e, a, c)
}

// addArchive publishes the house as one file: what a machine without the index takes.
func (p *Publisher) addArchive(ctx context.Context, e *publish.Entry, a *artifacts.Artifact, c Cell) error {
	draft, err := p.Store.Begin("archive")
	if err != nil {
		return err
	}
	defer draft.Discard()
	lock := strings.NewReplacer("/", "-", " ", "-").Replace(c.Lock)
	b := publish.Blob{Name: fmt.Sprintf("wheelhouse-%s-%s-%s-%s.tar", lock, c.Version, c.Distro, c.Arch)}
	name := filepath.Join(draft.Dir(), b.Name)
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	hash := sha256.New()
	count := &counter{}
	err = publish.HouseTar(a.Dir, io.MultiWriter(f, hash, count))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	b.SHA256, b.Size = hex.EncodeToString(hash.Sum(nil)), count.n
	if err := p.Into.Put(ctx, b, name); err != nil {
		return err
	}
	e.Files = append(e.Files, b)
	return nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
