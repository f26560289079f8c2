package engine

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/docker/docker/api/types/container"
)

// Change is a path at which a container differs from its image.
type Change struct {
	Path    string // "/usr/bin/perl"
	Deleted bool   // it is no longer there; else it is new, or not as it was
}

// initPath is where the engine puts its init: a file that it makes for that
// stays in the container.
const initPath = "/sbin/docker-init"

// Changes lists what differs from the image, sorted by path. A directory is
// listed too when only something in it differs; what was in a deleted directory
// is not. What the engine itself makes is not listed, places for mounts and for
// its init, though the directories are in which it does: /sbin, or /usr/sbin.
func (c *Container) Changes(ctx context.Context) ([]Change, error) {
	op := "list changes of container " + c.Name
	found, err := c.engine.api.ContainerDiff(ctx, c.ID)
	if err != nil {
		return nil, c.explain(ctx, op, err)
	}
	var changes []Change
	for _, f := range found {
		if strings.ContainsRune(f.Path, utf8.RuneError) { // JSON cannot say which
			return nil, fmt.Errorf("%s: %q: the name is not UTF-8", op, f.Path)
		}
		if !c.engineMade(f.Path) {
			changes = append(changes, Change{f.Path, f.Kind == container.ChangeDelete})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	return changes, nil
}

// engineMade reports whether a path is a mount, or in one, or the init.
func (c *Container) engineMade(name string) bool {
	if name == initPath || name == "/usr"+initPath { // where /sbin is a link
		return true
	}
	return slices.ContainsFunc(c.mounts, func(target string) bool {
		target = path.Clean(target)
		return name == target || strings.HasPrefix(name, target+"/")
	})
}
