package distro

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
)

// Where a base image came from.
const (
	FromEngine     = "engine"     // an image that the engine had
	FromRegistry   = "registry"   // pulled, and pinned by digest
	FromMmdebstrap = "mmdebstrap" // made here; the digest is the SHA-256 of the tar
)

// epoch is the SOURCE_DATE_EPOCH of base images: with it the same packages
// give the same tar on another day.
const epoch = "1577836800"

// BaseRef is the name of a base image in the engine.
func BaseRef(t Target, digest string) string {
	return "pybake/base:" + t.String() + "-" + strings.TrimPrefix(digest, "sha256:")[:12]
}

// Base makes sure that the engine has the base image of a distro and returns
// its pin. With a pin, it is that image or an error; without, it is what the
// recipe's places give, tried in this order: the engine, a registry,
// mmdebstrap.
func (m *Maker) Base(ctx context.Context, t Target, pin *project.BasePin) (project.BasePin, error) {
	if pin != nil {
		err := m.pinnedBase(ctx, t, *pin)
		if errors.As(err, new(*MovedError)) {
			return project.BasePin{}, err // it says what it is about
		}
		if err != nil {
			return project.BasePin{}, fmt.Errorf("base image of %s: %w", t, err)
		}
		return *pin, nil
	}
	done := m.Report.Step("base image")
	base, err := m.newBase(ctx, t)
	done(err)
	if err != nil {
		return project.BasePin{}, fmt.Errorf("base image of %s: %w", t, err)
	}
	return base, nil
}

func (m *Maker) pinnedBase(ctx context.Context, t Target, pin project.BasePin) error {
	ref := BaseRef(t, pin.Digest)
	if _, found, err := m.Engine.Image(ctx, ref); found || err != nil {
		return err
	}
	switch pin.Origin {
	case FromMmdebstrap:
		file := fetch.File{Name: "base-" + t.String() + ".tar", SHA256: strings.TrimPrefix(pin.Digest, "sha256:")}
		got, err := m.Fetcher.Get(ctx, []fetch.File{file}, nil)
		if err == nil {
			return m.importTar(ctx, ref, got.Path)
		}
		if m.Offline {
			return fmt.Errorf("%s is neither in the engine nor in the cache: %w", pin.Digest, ErrOffline)
		}
		made, path, err := m.bootstrap(ctx, t)
		if err != nil {
			return err
		}
		if made != pin.Digest {
			return &MovedError{Target: t, What: "base image", Pinned: pin.Digest, Found: made}
		}
		return m.importTar(ctx, ref, path)
	case FromRegistry:
		if m.Offline {
			return fmt.Errorf("%s is not in the engine: %w", pin.Digest, ErrOffline)
		}
		name, _, _ := strings.Cut(pin.Ref, "@")
		img, err := m.Engine.Pull(ctx, repository(name)+"@"+pin.Digest)
		if err != nil {
			return &MovedError{Target: t, What: "base image " + pin.Ref, Pinned: pin.Digest, Explains: err}
		}
		return m.Engine.Tag(ctx, img.ID, ref)
	case FromEngine:
		img, found, err := m.Engine.Image(ctx, pin.Ref)
		if err != nil {
			return err
		}
		if !found || img.ID != pin.Digest {
			return &MovedError{Target: t, What: "image " + pin.Ref + " of the engine", Pinned: pin.Digest, Found: img.ID}
		}
		return m.Engine.Tag(ctx, img.ID, ref)
	}
	return fmt.Errorf("pin: unknown origin %q", pin.Origin)
}

// newBase tries the places in order and keeps what each said.
func (m *Maker) newBase(ctx context.Context, t Target) (project.BasePin, error) {
	image := t.Distro.Base.Image
	named := m.Image[t.Distro.Codename]
	if named != "" {
		image = named
	}
	pin := project.BasePin{Distro: t.Distro.Codename, Arch: t.Arch}
	var said []error

	img, found, err := m.Engine.Image(ctx, image)
	switch {
	case err != nil:
		return pin, err
	case found:
		pin.Origin, pin.Ref, pin.Digest = FromEngine, image, img.ID
		return m.describe(ctx, t, pin, img.ID)
	}
	said = append(said, fmt.Errorf("engine: no image %s", image))

	if m.Offline {
		return pin, fmt.Errorf("%w: %w", errors.Join(said...), ErrOffline)
	}
	if img, err := m.Engine.Pull(ctx, image); err == nil {
		pin.Origin, pin.Ref, pin.Digest = FromRegistry, image, img.Digest
		return m.describe(ctx, t, pin, img.ID)
	} else {
		said = append(said, fmt.Errorf("registry: %w", err))
	}
	if ctx.Err() != nil {
		return pin, ctx.Err()
	}
	if named != "" {
		// The project asked for this image and for no other.
		return pin, errors.Join(said...)
	}

	digest, path, err := m.bootstrap(ctx, t)
	if err != nil {
		return pin, errors.Join(append(said, err)...)
	}
	pin.Origin, pin.Digest = FromMmdebstrap, digest
	ref := BaseRef(t, digest)
	if err := m.importTar(ctx, ref, path); err != nil {
		return pin, err
	}
	return m.describe(ctx, t, pin, ref)
}

// describe completes a pin with what the image holds.
func (m *Maker) describe(ctx context.Context, t Target, pin project.BasePin, image string) (project.BasePin, error) {
	if err := m.Engine.Tag(ctx, image, BaseRef(t, pin.Digest)); err != nil {
		return pin, err
	}
	c, err := m.Offliner(ctx, t, image, "describe")
	if err != nil {
		return pin, err
	}
	defer c.Remove(ctx)
	var out strings.Builder
	err = c.Exec(ctx, engine.Command{
		Argv:   []string{"dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\n"},
		User:   "0:0",
		Stdout: &out,
	})
	if err != nil {
		return pin, fmt.Errorf("list the packages of %s: %w", image, err)
	}
	pin.Packages = nil
	lines := bufio.NewScanner(strings.NewReader(out.String()))
	for lines.Scan() {
		var p project.Package
		if _, err := fmt.Sscan(lines.Text(), &p.Name, &p.Version, &p.Arch); err != nil {
			return pin, fmt.Errorf("list the packages of %s: %q: %w", image, lines.Text(), err)
		}
		pin.Packages = append(pin.Packages, p)
	}
	m.Report.Note("base image of %s: %s, %s, %d packages", t, pin.Origin, pin.Digest, len(pin.Packages))
	return pin, c.Remove(ctx)
}

// importTar makes an image of a root file system.
func (m *Maker) importTar(ctx context.Context, ref, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = m.Engine.Import(ctx, f, ref, engine.ImageConfig{
		Labels: map[string]string{Label: "base"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Cmd: []string{"/bin/sh"},
	})
	return err
}

// repository is a reference without its tag.
func repository(ref string) string {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}
