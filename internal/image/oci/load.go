package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Loader is an engine that takes Docker archives, as internal/engine does.
type Loader interface {
	Load(ctx context.Context, archive io.Reader) error
}

// Load gives an image to an engine, under these references. have are layers, by
// DiffID and from the bottom, that the engine holds on top of each other: the
// contents of those that this image begins with are not sent.
//
// Docker's own store looks for a chain of layers before it opens their files
// (20.10 to 28). Podman, and Docker with containerd's store, open them all. So if
// the engine refuses an archive with layers left out, for whatever reason, it is
// sent another with all of them. The first has no index.json: what reads that may
// give the image its names before it misses a layer.
//
// Layers are sent as they are, compressed: Docker 20.10 takes a layer of 124 MB in
// 4.9 s either way (mean of five, in turns, on a busy machine with two cores), and
// a distant engine is sent 50 MB of it.
//
// What Docker's own store then holds has the ID that IDs tells; containerd's
// calls it by the digest.
func (i Image) Load(ctx context.Context, e Loader, refs []string, have []string) error {
	b, err := i.build()
	if err != nil {
		return err
	}
	names, err := tags(refs)
	if err != nil {
		return err
	}
	send := func(skip int) error {
		r, w := io.Pipe()
		done := make(chan error, 1)
		go func() {
			err := b.archive(ctx, w, names, form{index: skip == 0, manifest: true, skip: skip})
			w.CloseWithError(err)
			done <- err
		}()
		err := e.Load(ctx, r)
		r.Close()
		sent := <-done
		var damaged *damagedError
		if errors.As(sent, &damaged) || err == nil && !errors.Is(sent, io.ErrClosedPipe) {
			return sent
		}
		return err
	}
	skip := 0
	for skip < min(len(have), len(b.layers)) && have[skip] == b.layers[skip].layer.DiffID {
		skip++
	}
	err = send(skip)
	var damaged *damagedError
	if err != nil && skip > 0 && ctx.Err() == nil && !errors.As(err, &damaged) {
		err = send(0)
	}
	if err != nil {
		return fmt.Errorf("load image: %w", err)
	}
	return nil
}
