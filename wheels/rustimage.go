package wheels

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/cargo"
)

// rustDir is where an image has a Rust that is not the distro's.
const rustDir = "/opt/rust"

// rustImage is what images with one are.
const rustImage = "wheels-rust"

// rustToolchain makes sure of the image with a Rust on what any wheel is built in.
func (b *Builder) rustToolchain(ctx context.Context, p *Plan, extra []string, rust recipes.Toolchain) (*toolchain, error) {
	under, err := b.toolchain(ctx, p, extra)
	if err != nil {
		return nil, err
	}
	t := b.shared(p.toolOwner(extra) + " with " + rust.File())
	t.once.Do(func() {
		t.pin, t.base = under.pin, under.base
		if t.image, t.err = b.makeRust(ctx, p, under, rust); t.err != nil {
			t.err = fmt.Errorf("rust %s: %w", rust.Version, t.err)
		}
	})
	return t, t.err
}

func (b *Builder) makeRust(ctx context.Context, p *Plan, under *toolchain, rust recipes.Toolchain) (string, error) {
	what := hashJSON("1", under.image, rust)
	ref := "pybake/" + rustImage + ":" + p.distroTarget().String() + "-" + strings.TrimPrefix(what, "sha256:")[:12]
	if _, found, err := b.Engine.Image(ctx, ref); found || err != nil {
		return ref, err
	}
	file := fetch.File{Name: rust.File(), SHA256: rust.SHA256}
	got, err := b.Fetcher.Get(ctx, []fetch.File{file}, b.Tools)
	if errors.As(err, new(*fetch.FailedError)) {
		err = fmt.Errorf("%w\nname what has it in pybake.toml: sources = [\"/srv/mirror\"]", err)
	}
	if err != nil {
		return "", err
	}
	return ref, b.timed("rust "+rust.Version, func() error { return b.installRust(ctx, p, under, got.Path, ref) })
}

// installRust unpacks the archive in a container and keeps that as an image.
func (b *Builder) installRust(ctx context.Context, p *Plan, under *toolchain, archive, ref string) error {
	c, err := b.Distros.Offliner(ctx, p.distroTarget(), under.image, rustImage)
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	r, w := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		out := tar.NewWriter(w)
		err := cargo.Unpack(out, archive, rustDir)
		if err == nil {
			err = out.Close()
		}
		w.CloseWithError(err)
		wrote <- err
	}()
	err = c.Put(ctx, "/", r)
	r.CloseWithError(io.ErrClosedPipe)
	if failed := <-wrote; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		err = failed
	}
	if err != nil {
		return err
	}
	_, err = c.Commit(ctx, ref, engine.ImageConfig{Labels: map[string]string{distro.Label: rustImage, "org.pybake.base": under.base}})
	if err != nil {
		return err
	}
	return c.Remove(ctx)
}
