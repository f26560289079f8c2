package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker/client"
)

// Root reads the container's whole file system as a tar, docker's export:
// names without a leading slash, "usr/bin/perl". Of mounts it holds the empty
// directory only, and of what the engine mounts into every container empty
// files: .dockerenv, dev/console, etc/hosts, etc/hostname, etc/resolv.conf,
// sbin/docker-init. It ends as Get's reader does.
func (c *Container) Root(ctx context.Context) (io.ReadCloser, error) {
	op := "read the file system of container " + c.Name
	body, err := c.engine.api.ContainerExport(ctx, c.ID)
	if err != nil {
		return nil, c.explain(ctx, op, err)
	}
	return c.files(ctx, op, body), nil
}

// Load takes in images from an archive, docker save's or an equal one, which
// may be compressed with gzip, bzip2 or xz. When it fails, images of the archive
// may be there nonetheless.
func (e *Engine) Load(ctx context.Context, archive io.Reader) error {
	const op = "load images"
	readErr, err := upload(ctx, archive, func(r io.Reader) error {
		got, err := e.api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
		if err != nil {
			return err
		}
		return finished(got.Body)
	})
	if readErr != nil {
		return fmt.Errorf("%s: read the archive: %w", op, readErr)
	}
	if err != nil {
		return e.explain(ctx, op, err)
	}
	return nil
}

// Save reads images as an archive, docker save's. refs are references, kept as
// names in the archive, or IDs.
func (e *Engine) Save(ctx context.Context, refs []string) (io.ReadCloser, error) {
	op := "save images " + short(refs)
	if len(refs) == 0 {
		return nil, errors.New("save images: none named")
	}
	body, err := e.api.ImageSave(ctx, refs)
	if err != nil {
		return nil, e.explain(ctx, op, err)
	}
	return newFiles(body, func(err error) error {
		if err == io.EOF {
			return err
		}
		return e.explain(ctx, op, err)
	}), nil
}
