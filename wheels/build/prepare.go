package build

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/engine"
)

// prepared is what an image of Prepare has.
type prepared struct {
	from   *Builder // that prepared it
	env    string   // directory of its environment
	wheels []Wheel
}

// Prepare makes sure of an image ref in which wheels are in the environment already,
// with their bytecode: what is built again and again starts there. It returns a
// builder like this one of that image. The caller's ref says what is in it.
func (b *Builder) Prepare(ctx context.Context, ref string, labels map[string]string, wheels []Wheel) (*Builder, error) {
	made := &Builder{Engine: b.Engine, Image: ref, Prefix: b.Prefix, Series: b.Series, Memory: b.Memory, PIDs: b.PIDs, Limit: b.Limit}
	if err := (&Run{installed: map[string]string{}}).install(wheels); err != nil {
		return nil, err
	}
	wheels = inOrder(wheels)
	name, _, err := b.environments().name(wheels)
	if err != nil {
		return nil, err
	}
	made.prepared = &prepared{from: b, env: path.Join(envsDir, name), wheels: wheels}
	if _, found, err := b.Engine.Image(ctx, ref); found || err != nil {
		return made, err
	}
	c, err := b.Engine.Start(ctx, engine.Spec{Image: b.Image, Purpose: "wheels-env", Memory: b.Memory, PIDs: b.PIDs, NoNames: true, Limit: time.Hour})
	if err != nil {
		return nil, err
	}
	if err = b.commit(ctx, c, made.prepared, ref, labels); err != nil {
		err = fmt.Errorf("image %s: %w", ref, err)
	}
	if removed := c.Remove(ctx); !engine.IsGone(removed) {
		err = errors.Join(err, removed)
	}
	return made, err
}

// commit makes the image in a container.
func (b *Builder) commit(ctx context.Context, c *engine.Container, p *prepared, ref string, labels map[string]string) error {
	if err := b.putEnvironment(ctx, c, p); err != nil {
		return err
	}
	var said strings.Builder
	err := c.Exec(ctx, engine.Command{
		Argv: []string{b.interpreter(), "-I", "-S", "-m", "compileall", "-q", "-j0", "--invalidation-mode", "unchecked-hash", p.env + "/lib"},
		User: "0:0", Env: []string{"PYTHONHASHSEED=0"}, Stdout: &said, Stderr: &said,
	})
	// A file that is no Python of this series stays without, as it does to pip.
	if exit, ok := errors.AsType[*engine.ExitError](err); err != nil && (!ok || exit.Code != 1) {
		return fmt.Errorf("compile the environment: %w: %s", err, strings.TrimSpace(said.String()))
	}
	_, err = c.Commit(ctx, ref, engine.ImageConfig{Labels: labels})
	return err
}

// putEnvironment puts an environment into a container.
func (b *Builder) putEnvironment(ctx context.Context, c *engine.Container, p *prepared) error {
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		w := tar.NewWriter(pw)
		t := b.environments().tree(w, p.env)
		t.top = p.env[1:]
		err := cmp.Or(t.interpreter(), t.wheels(p.wheels, true, true))
		if err == nil {
			err = w.Close()
		}
		pw.CloseWithError(err)
		done <- err
	}()
	err := c.Put(ctx, "/", pr)
	// The writer may be waiting for a reader that has given up.
	gaveUp := errors.New("the container takes no more")
	pr.CloseWithError(gaveUp)
	if wrote := <-done; wrote != nil && !errors.Is(wrote, gaveUp) && ctx.Err() == nil {
		return wrote
	}
	return err
}
