package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"
)

// Volume is a directory that the engine keeps, for many containers to read. Its
// methods may be called from several goroutines.
type Volume struct {
	Name string // "pybake-debs-4f1c02aa"; its container has the same

	engine *Engine
}

// Mount says where a container sees a volume.
type Mount struct {
	Volume   *Volume
	Target   string // "/srv"; one that the image does not have is made in the container
	Writable bool   // for root; else nobody can write there
}

const (
	volumeDir  = "/volume"       // where a volume's own container has it
	inUseGrace = 5 * time.Second // containers on their way out may hold a volume so long
)

// NewVolume makes an empty volume that belongs to root and to the session.
// Files reach it through a container of image that is never started; any image
// will do; with none, Put does not work. If it fails, or ctx is cancelled meanwhile, nothing is left.
func (e *Engine) NewVolume(ctx context.Context, image, purpose string) (*Volume, error) {
	v := &Volume{Name: containerName(purpose), engine: e}
	op := "make volume " + v.Name
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	if err := v.make(ctx, image); err != nil {
		err = e.explain(ctx, op, err)
		if removeErr := v.Remove(ctx); removeErr != nil && !IsGone(err) {
			err = errors.Join(err, removeErr)
		}
		return nil, err
	}
	return v, nil
}

// make asks for the volume and its container; like Container.start, it
// outlives ctx a little.
func (v *Volume) make(ctx context.Context, image string) error {
	late, cancel := lag(ctx, startGrace)
	defer cancel()
	if _, err := v.engine.api.VolumeCreate(late, volume.CreateOptions{Name: v.Name, Labels: v.labels()}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if image == "" {
		return nil
	}
	config := &container.Config{Image: image, Entrypoint: []string{"sleep", "0"}, Labels: v.labels()}
	host := &container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{v.mount(volumeDir, false)}}
	if _, err := v.engine.api.ContainerCreate(late, config, host, nil, nil, v.Name); err != nil {
		return err
	}
	return ctx.Err()
}

// mount is the volume at a place, without what the image has there. The label
// is for an engine that has lost the volume: it makes an empty one.
func (v *Volume) mount(target string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: v.Name, Target: target, ReadOnly: readOnly,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true, Labels: v.labels()},
	}
}

func (v *Volume) labels() map[string]string {
	return map[string]string{sessionLabel: v.engine.session.id}
}

// there returns nil if the engine still has the volume.
func (v *Volume) there(ctx context.Context) error {
	_, err := v.engine.api.VolumeInspect(ctx, v.Name)
	if cerrdefs.IsNotFound(err) {
		return &goneError{"mount volume " + v.Name, errors.New("volume was removed")}
	}
	return err
}

// Put unpacks a tar into a directory of the volume, "/" for all of it, as
// Container.Put does. Containers that have the volume mounted see the files.
func (v *Volume) Put(ctx context.Context, dir string, tar io.Reader) error {
	op := "put files into " + dir + " of volume " + v.Name
	to := path.Join(volumeDir, path.Join("/", dir))
	readErr, err := upload(ctx, tar, func(r io.Reader) error {
		return v.engine.api.CopyToContainer(ctx, v.Name, to, r, container.CopyToContainerOptions{})
	})
	if readErr != nil {
		return fmt.Errorf("%s: read the files: %w", op, readErr)
	}
	if err == nil {
		return nil
	}
	if v.removed(ctx) {
		return &goneError{op, errors.New("volume was removed")}
	}
	if cerrdefs.IsNotFound(err) {
		err = &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	return v.engine.explain(ctx, op, err)
}

// removed reports whether the volume's container is no more.
func (v *Volume) removed(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := v.engine.api.ContainerInspect(ctx, v.Name)
	return cerrdefs.IsNotFound(err)
}

// Remove removes the volume, whether or not ctx is cancelled. Containers that
// mount it must have been removed before. One that is already gone is no error.
func (v *Volume) Remove(ctx context.Context) error {
	if err := v.engine.removeContainer(ctx, v.Name); err != nil {
		return err
	}
	return v.engine.removeVolume(ctx, v.Name)
}

// removeVolume removes a volume that no container has any more, or will not
// have in a moment: the engine removes by itself those that end.
func (e *Engine) removeVolume(ctx context.Context, name string) error {
	late, cancel := cleanup(ctx)
	defer cancel()
	for deadline := time.Now().Add(inUseGrace); ; {
		err := e.api.VolumeRemove(late, name, true)
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		op := "remove volume " + name
		if isConnection(err) {
			return &goneError{op, err}
		}
		if !cerrdefs.IsConflict(err) || time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", op, err)
		}
		select {
		case <-late.Done():
			return fmt.Errorf("%s: %w", op, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
