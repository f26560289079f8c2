package distro

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// User is the ordinary user of builder images, whom jobs run as.
const User = "1000:1000"

// BuilderRef is the name of the image that Builder makes.
func BuilderRef(t Target, base project.BasePin, packages []project.Package, purpose string) string {
	hash := sha256.New()
	fmt.Fprintln(hash, "pybake image 1", base.Digest)
	for _, p := range packages {
		fmt.Fprintln(hash, p)
	}
	return "pybake/" + purpose + ":" + t.String() + "-" + hex.EncodeToString(hash.Sum(nil))[:12]
}

// Builder makes sure that the engine has the image of a base with packages
// installed on it, and returns its name. purpose is part of the name:
// "builder", "lint".
func (m *Maker) Builder(ctx context.Context, t Target, base project.BasePin, packages []project.Package, purpose string) (string, error) {
	return m.BuilderOn(ctx, t, base, Below{}, packages, purpose)
}

// Below is an image that Builder made, to begin with instead of the base.
type Below struct {
	Ref      string
	Packages []project.Package
}

// BuilderOn is Builder for packages of which another image has most. Whether it begins
// there does not change the image's name, nor which packages are in it; if the image
// below has others, it does not.
func (m *Maker) BuilderOn(ctx context.Context, t Target, base project.BasePin, below Below, packages []project.Package, purpose string) (string, error) {
	if slices.ContainsFunc(below.Packages, func(p project.Package) bool { return !slices.Contains(packages, p) }) {
		below = Below{}
	}
	ref := BuilderRef(t, base, packages, purpose)
	if _, found, err := m.Engine.Image(ctx, ref); found || err != nil {
		return ref, err
	}
	done := m.Report.Step(purpose + " image")
	err := m.buildImage(ctx, t, base, below, packages, purpose, ref)
	done(err)
	if err != nil {
		return "", fmt.Errorf("%s image of %s: %w", purpose, t, err)
	}
	return ref, nil
}

func (m *Maker) buildImage(ctx context.Context, t Target, base project.BasePin, below Below, packages []project.Package, purpose, ref string) error {
	more := slices.DeleteFunc(slices.Clone(packages), func(p project.Package) bool { return slices.Contains(below.Packages, p) })
	files, err := m.Files(ctx, t, base, more)
	if err != nil {
		return err
	}
	c, err := m.Offliner(ctx, t, cmp.Or(below.Ref, BaseRef(t, base.Digest)), purpose)
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := m.Install(ctx, c, files); err != nil {
		return err
	}
	if below.Ref == "" {
		err = m.sh(ctx, c, addUser)
	}
	if err != nil {
		return err
	}
	_, err = c.Commit(ctx, ref, engine.ImageConfig{
		Labels: map[string]string{Label: purpose, "org.pybake.base": base.Digest},
	})
	if err != nil {
		return err
	}
	return c.Remove(ctx)
}

// addUser makes User and the directory that is his.
const addUser = `
		echo 'pybake:x:1000:1000::/home/pybake:/bin/sh' >> /etc/passwd
		echo 'pybake:x:1000:' >> /etc/group
		mkdir -p /home/pybake /build
		chown 1000:1000 /home/pybake /build`

// Install installs package files, and nothing else, in a container of root
// with no network. apt decides the order and refuses what does not fit.
func (m *Maker) Install(ctx context.Context, c *engine.Container, files []string) error {
	if len(files) == 0 {
		return nil
	}
	paths, err := PutFiles(ctx, c, "/srv/pybake", files)
	if err != nil {
		return err
	}
	err = m.sh(ctx, c, `apt-get install -y `+aptOptions+` "$@"; rm -rf /srv/pybake`, paths...)
	if err != nil {
		return fmt.Errorf("install %d packages: %w", len(files), err)
	}
	return nil
}
