package distro

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/pybake/pybake/internal/project"
)

// Rebase asks the place of a pinned base image what it gives today, and returns
// that pin: the same if nothing moved. The engine then has its image. Another
// image that the project names since, or a place that no longer has it, is as
// if nothing had been pinned.
func (m *Maker) Rebase(ctx context.Context, t Target, pin project.BasePin) (project.BasePin, error) {
	done := m.Report.Step("base image")
	base, err := m.rebase(ctx, t, pin)
	done(err)
	if err != nil {
		return project.BasePin{}, fmt.Errorf("base image of %s: %w", t, err)
	}
	return base, nil
}

func (m *Maker) rebase(ctx context.Context, t Target, pin project.BasePin) (project.BasePin, error) {
	named := m.Image[t.Distro.Codename]
	image := cmp.Or(named, t.Distro.Base.Image)
	switch {
	case pin.Origin == FromMmdebstrap && named == "":
		return m.bootstrapAgain(ctx, t, pin)
	case pin.Origin == FromRegistry && pin.Ref == image:
		// The engine may hold what was pulled for the pin: the registry is asked.
		if m.Offline {
			return pin, fmt.Errorf("registry: %s: %w", image, ErrOffline)
		}
		img, err := m.Engine.Pull(ctx, image)
		if err != nil {
			return pin, fmt.Errorf("registry: %w", err)
		}
		return m.moveTo(ctx, t, pin, img.Digest, img.ID)
	case pin.Origin == FromEngine && pin.Ref == image:
		img, found, err := m.Engine.Image(ctx, image)
		if err != nil {
			return pin, err
		}
		if found {
			return m.moveTo(ctx, t, pin, img.ID, img.ID)
		}
	}
	return m.newBase(ctx, t)
}

func (m *Maker) bootstrapAgain(ctx context.Context, t Target, pin project.BasePin) (project.BasePin, error) {
	if m.Offline {
		return pin, fmt.Errorf("mmdebstrap: %w", ErrOffline)
	}
	digest, path, err := m.bootstrap(ctx, t)
	if err != nil {
		return pin, err
	}
	ref := BaseRef(t, digest)
	if _, found, err := m.Engine.Image(ctx, ref); err != nil {
		return pin, err
	} else if !found {
		if err := m.importTar(ctx, ref, path); err != nil {
			return pin, err
		}
	}
	return m.moveTo(ctx, t, pin, digest, ref)
}

// moveTo is a pin whose place has this image today.
func (m *Maker) moveTo(ctx context.Context, t Target, pin project.BasePin, digest, image string) (project.BasePin, error) {
	if digest == "" {
		return pin, errors.New("the image has no digest")
	}
	if digest == pin.Digest {
		return pin, m.Engine.Tag(ctx, image, BaseRef(t, digest))
	}
	pin.Digest = digest
	return m.describe(ctx, t, pin, image)
}
