package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/pybake/pybake/internal/pattern"
)

// Image is an image that the engine holds.
type Image struct {
	ID      string   // "sha256:4f1c…", of its configuration
	Digest  string   // "sha256:9ab2…", of its manifest in a registry; empty if it never was in one
	Tags    []string // "pybake/builder:trixie"
	Labels  map[string]string
	Size    int64 // bytes
	Created time.Time
	Arch    string   // "amd64"; empty in a listing
	Layers  []string // DiffIDs, "sha256:70ab…", from the bottom; empty in a listing
}

// ImageConfig is what an image made here says of itself.
type ImageConfig struct {
	Labels     map[string]string
	Env        []string // "LANG=C.UTF-8"
	User       string   // "1000:1000"
	Entrypoint []string
	Cmd        []string // empty is /bin/sh in a commit
}

// Image looks up an image by reference, digest or ID. found is false, and err
// nil, if the engine does not hold it.
func (e *Engine) Image(ctx context.Context, ref string) (img Image, found bool, err error) {
	got, err := e.api.ImageInspect(ctx, ref)
	if cerrdefs.IsNotFound(err) {
		return Image{}, false, nil
	}
	if err != nil {
		return Image{}, false, e.explain(ctx, "look up image "+ref, err)
	}
	img = Image{ID: got.ID, Digest: digestOf(got.RepoDigests), Tags: got.RepoTags, Size: got.Size, Arch: got.Architecture, Layers: got.RootFS.Layers}
	img.Created, _ = time.Parse(time.RFC3339Nano, got.Created) // zero if the image does not say
	if got.Config != nil {
		img.Labels = got.Config.Labels
	}
	return img, true, nil
}

// Images lists the images that carry a label, given as "key" or "key=value".
func (e *Engine) Images(ctx context.Context, label string) ([]Image, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		return nil, e.explain(ctx, "list images", err)
	}
	images := make([]Image, len(list))
	for i, s := range list {
		images[i] = Image{ID: s.ID, Digest: digestOf(s.RepoDigests), Tags: s.RepoTags, Labels: s.Labels, Size: s.Size, Created: time.Unix(s.Created, 0)}
	}
	return images, nil
}

// Pull fetches an image from its registry, for the engine's architecture. What
// is pinned is asked for by digest, "debian@sha256:…", which the engine verifies.
func (e *Engine) Pull(ctx context.Context, ref string) (Image, error) {
	op := "pull image " + ref
	body, err := e.api.ImagePull(ctx, ref, image.PullOptions{})
	if err != nil {
		return Image{}, e.explain(ctx, op, err)
	}
	if err := finished(body); err != nil {
		return Image{}, e.explain(ctx, op, err)
	}
	return e.kept(ctx, op, ref)
}

// Import makes an image of one layer from a tar of a root file system,
// uncompressed or gzip, bzip2, xz, and names it ref.
func (e *Engine) Import(ctx context.Context, root io.Reader, ref string, config ImageConfig) (Image, error) {
	op := "import image " + ref
	changes, err := config.changes()
	if err != nil {
		return Image{}, fmt.Errorf("%s: %w", op, err)
	}
	readErr, err := upload(ctx, root, func(r io.Reader) error {
		body, err := e.api.ImageImport(ctx, image.ImportSource{Source: r, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
		if err != nil {
			return err
		}
		return finished(body)
	})
	if readErr != nil {
		return Image{}, fmt.Errorf("%s: read root file system: %w", op, readErr)
	}
	if err != nil {
		return Image{}, e.explain(ctx, op, err)
	}
	return e.kept(ctx, op, ref)
}

// finished reads the engine's progress to its end: the status is 200 before
// the work begins, so a failure is only in the stream.
func finished(progress io.ReadCloser) error {
	defer progress.Close()
	for lines := json.NewDecoder(progress); ; {
		var line struct {
			Error string `json:"error"`
		}
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if line.Error != "" {
			return errors.New(line.Error)
		}
	}
}

// kept looks at an image that has just been made.
func (e *Engine) kept(ctx context.Context, op, ref string) (Image, error) {
	img, found, err := e.Image(ctx, ref)
	if err == nil && !found {
		err = errors.New("the engine did not keep it")
	}
	if err != nil {
		return Image{}, fmt.Errorf("%s: %w", op, err)
	}
	return img, nil
}

// Commit makes an image of the container's files as they are now and names it
// ref. Of the container's own settings it keeps only what its image had; the
// session label is blank. Files in a tmpfs are not in it.
func (c *Container) Commit(ctx context.Context, ref string, config ImageConfig) (Image, error) {
	op := "commit container " + c.Name + " as " + ref
	config.Labels = maps.Clone(config.Labels)
	if config.Labels == nil {
		config.Labels = map[string]string{}
	}
	config.Labels[sessionLabel] = "" // the engine merges in what is missing here: labels,
	if len(config.Cmd) == 0 && len(config.Entrypoint) == 0 {
		config.Cmd = []string{"/bin/sh"} // the command,
	}
	base := &container.Config{Entrypoint: []string{}} // and an entrypoint that is nil
	changes, err := config.changes()
	if err != nil {
		return Image{}, fmt.Errorf("%s: %w", op, err)
	}
	if _, err := c.engine.api.ContainerCommit(ctx, c.ID, container.CommitOptions{Reference: ref, Changes: changes, Config: base}); err != nil {
		return Image{}, c.explain(ctx, op, err)
	}
	return c.engine.kept(ctx, op, ref)
}

// Tag gives an image one more name.
func (e *Engine) Tag(ctx context.Context, image, ref string) error {
	if err := e.api.ImageTag(ctx, image, ref); err != nil {
		return e.explain(ctx, "tag image "+image+" as "+ref, err)
	}
	return nil
}

// RemoveImage removes a name of an image, and with the last name the image. An
// image that is not there is no error; one that a container uses is.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	_, err := e.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return e.explain(ctx, "remove image "+ref, err)
	}
	return nil
}

// digestOf takes the digest from "debian@sha256:…".
func digestOf(repoDigests []string) string {
	for _, d := range repoDigests {
		if _, digest, ok := strings.Cut(d, "@"); ok {
			return digest
		}
	}
	return ""
}

// changes renders the configuration as the Dockerfile lines that the API takes.
func (c ImageConfig) changes() ([]string, error) {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		lines = append(lines, "LABEL "+key+"="+quote(c.Labels[key]))
	}
	for _, env := range c.Env {
		key, value, _ := strings.Cut(env, "=")
		lines = append(lines, "ENV "+key+"="+quote(value))
	}
	if c.User != "" {
		lines = append(lines, "USER "+c.User)
	}
	for _, x := range []struct {
		word string
		argv []string
	}{{"ENTRYPOINT", c.Entrypoint}, {"CMD", c.Cmd}} {
		if len(x.argv) == 0 {
			continue
		}
		argv, err := json.Marshal(x.argv)
		if err != nil {
			return nil, err
		}
		lines = append(lines, x.word+" "+string(argv))
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n\x00") {
			return nil, fmt.Errorf("image setting %q: more than one line", line)
		}
	}
	return lines, nil
}

var plainWord = pattern.New(`^[A-Za-z0-9._:/@+,=-]*$`)

// quote protects a value from a Dockerfile's word splitting and variables.
// Plain words stay as they are, for engines that do not unquote.
func quote(value string) string {
	if plainWord.MatchString(value) {
		return value
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value) + `"`
}
