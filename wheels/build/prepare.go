package build

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pybake/pybake/internal/engine"
)

// Prepare makes sure of an image ref in which wheels are in the environment already,
// with their bytecode: what is built again and again starts there. It returns a
// builder like this one of that image. The caller's ref says what is in it.
func (b *Builder) Prepare(ctx context.Context, ref string, labels map[string]string, wheels []Wheel) (*Builder, error) {
	made := &Builder{Engine: b.Engine, Image: ref, Prefix: b.Prefix, Series: b.Series, Memory: b.Memory, PIDs: b.PIDs, Limit: b.Limit}
	r := &Run{b: b, installed: map[string]string{}}
	if err := r.install(wheels); err != nil {
		return nil, err
	}
	made.prepared = r.installed
	if _, found, err := b.Engine.Image(ctx, ref); found || err != nil {
		return made, err
	}
	c, _, err := b.container(ctx)
	if err != nil {
		return nil, err
	}
	r.container = c
	if err = r.commit(ctx, ref, labels, wheels); err != nil {
		err = fmt.Errorf("image %s: %w", ref, err)
	}
	if removed := c.Remove(ctx); !engine.IsGone(removed) {
		err = errors.Join(err, removed)
	}
	return made, err
}

func (r *Run) commit(ctx context.Context, ref string, labels map[string]string, wheels []Wheel) error {
	err := r.put(ctx, func(t *tree) error {
		if err := t.dir(Dir, 0); err != nil {
			return err
		}
		return t.environment(wheels)
	})
	if err != nil {
		return err
	}
	var said strings.Builder
	err = r.container.Exec(ctx, engine.Command{
		Argv: []string{r.b.interpreter(), "-I", "-S", "-m", "compileall", "-q", "-j0", "--invalidation-mode", "unchecked-hash", envDir + "/lib"},
		User: "0:0", Env: []string{"PYTHONHASHSEED=0"}, Stdout: &said, Stderr: &said,
	})
	// A file that is no Python of this series stays without, as it does to pip.
	if exit, ok := errors.AsType[*engine.ExitError](err); err != nil && (!ok || exit.Code != 1) {
		return fmt.Errorf("compile the environment: %w: %s", err, strings.TrimSpace(said.String()))
	}
	_, err = r.container.Commit(ctx, ref, engine.ImageConfig{Labels: labels})
	return err
}
