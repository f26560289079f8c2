package distro

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
)

const archives = "/var/cache/apt/archives"

// Resolve finds what has to be installed on the base for a request, downloads
// it with the distro's apt, which checks the distro's signatures, and puts it
// into the cache. A request is the names of packages; local are .deb files
// whose dependencies are wanted, but which are not part of the answer.
// Sorted by name.
func (m *Maker) Resolve(ctx context.Context, t Target, base project.BasePin, request, local []string) ([]project.Package, error) {
	if m.Offline {
		return nil, fmt.Errorf("packages of %s (%s) are not pinned yet: %w", t, strings.Join(request, " "), ErrOffline)
	}
	c, err := m.networked(ctx, t, BaseRef(t, base.Digest))
	if err != nil {
		return nil, fmt.Errorf("resolve packages of %s: %w", t, err)
	}
	defer c.Remove(ctx)
	args := slices.Clone(request)
	if len(local) > 0 {
		files, err := PutFiles(ctx, c, "/srv", local)
		if err != nil {
			return nil, fmt.Errorf("resolve packages of %s: %w", t, err)
		}
		args = append(args, files...)
	}
	err = m.sh(ctx, c, `apt-get update `+aptOptions+` && apt-get install -y --download-only `+aptOptions+` "$@"`, args...)
	if err != nil {
		return nil, fmt.Errorf("resolve packages of %s: %w", t, err)
	}
	packages, err := m.collect(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("fetch packages of %s: %w", t, err)
	}
	return packages, nil
}

// collect reads the packages that apt downloaded out of the container and into
// the cache.
func (m *Maker) collect(ctx context.Context, c *engine.Container) ([]project.Package, error) {
	stream, err := c.Get(ctx, archives)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var packages []project.Package
	for members := tar.NewReader(stream); ; {
		h, err := members.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg || path.Ext(h.Name) != ".deb" {
			continue
		}
		p, err := parseDebName(path.Base(h.Name))
		if err != nil {
			return nil, err
		}
		file, err := m.Fetcher.Add(ctx, path.Base(h.Name), members)
		if err != nil {
			return nil, err
		}
		p.Digest = "sha256:" + file.SHA256
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b project.Package) int { return strings.Compare(a.Name, b.Name) })
	return packages, nil
}

// parseDebName reads a file name of apt's archive: name_version_arch.deb, with
// the colon of an epoch as %3a.
func parseDebName(name string) (p project.Package, err error) {
	fields := strings.Split(strings.TrimSuffix(name, ".deb"), "_")
	if len(fields) != 3 {
		return p, fmt.Errorf("package file %q: want name_version_arch.deb", name)
	}
	p.Name, p.Arch = fields[0], fields[2]
	p.Version, err = url.PathUnescape(fields[1])
	return p, err
}

// Files returns the cached files of pinned packages, in their order, and
// downloads what is missing. What comes must be what was pinned.
func (m *Maker) Files(ctx context.Context, t Target, base project.BasePin, packages []project.Package) ([]string, error) {
	files := make([]string, len(packages))
	var missing []project.Package
	for i, p := range packages {
		file, err := m.cached(ctx, p)
		if err != nil {
			missing = append(missing, p)
		}
		files[i] = file
	}
	if len(missing) == 0 {
		return files, nil
	}
	if err := m.refetch(ctx, t, base, missing); err != nil {
		return nil, err
	}
	for i, p := range packages {
		file, err := m.cached(ctx, p)
		if err != nil {
			return nil, err
		}
		files[i] = file
	}
	return files, nil
}

func (m *Maker) cached(ctx context.Context, p project.Package) (string, error) {
	got, err := m.Fetcher.Get(ctx, []fetch.File{{Name: debName(p), SHA256: strings.TrimPrefix(p.Digest, "sha256:")}}, nil)
	return got.Path, err
}

func debName(p project.Package) string {
	return p.Name + "_" + strings.ReplaceAll(p.Version, ":", "%3a") + "_" + p.Arch + ".deb"
}

// refetch downloads exactly these versions.
func (m *Maker) refetch(ctx context.Context, t Target, base project.BasePin, missing []project.Package) error {
	if m.Offline {
		return fmt.Errorf("%d pinned packages of %s are not in the cache, %s the first: %w", len(missing), t, debName(missing[0]), ErrOffline)
	}
	c, err := m.networked(ctx, t, BaseRef(t, base.Digest))
	if err != nil {
		return fmt.Errorf("fetch packages of %s: %w", t, err)
	}
	defer c.Remove(ctx)
	if err := m.sh(ctx, c, `apt-get update `+aptOptions); err != nil {
		return fmt.Errorf("fetch packages of %s: %w", t, err)
	}
	return m.download(ctx, t, c, missing)
}

// download makes apt, which has read its lists, download exactly these
// versions, and puts them into the cache.
func (m *Maker) download(ctx context.Context, t Target, c *engine.Container, missing []project.Package) error {
	args := make([]string, len(missing))
	for i, p := range missing {
		args[i] = p.Name + "=" + p.Version
	}
	err := m.sh(ctx, c, `cd `+archives+` && rm -f ./*.deb && apt-get download `+aptOptions+` "$@"`, args...)
	if exit, ok := errors.AsType[*engine.ExitError](err); ok && !exit.OOM {
		if p, ok := gone(err.Error(), missing); ok {
			return &MovedError{Target: t, What: "package " + p.Name, Pinned: p.Version, Explains: err}
		}
	}
	if err != nil {
		return fmt.Errorf("fetch packages of %s: %w", t, err)
	}
	found, err := m.collect(ctx, c)
	if err != nil {
		return fmt.Errorf("fetch packages of %s: %w", t, err)
	}
	for _, p := range missing {
		if slices.Contains(found, p) {
			continue
		}
		moved := &MovedError{Target: t, What: "package " + p.Name, Pinned: p.String()}
		if i := slices.IndexFunc(found, func(f project.Package) bool { return f.Name == p.Name }); i >= 0 {
			moved.Found = found[i].String()
		}
		return moved
	}
	return nil
}

// notThere is what apt says of a version that no archive has.
var notThere = pattern.New(`Version '\S+' for '([^']+)' was not found|` +
	`Unable to locate package (\S+)|Can't find a source to download version '\S+' of '([^':]+)`)

// gone finds out of what apt complained of which package is no longer to be
// had. With an archive that did not answer, nobody can say.
func gone(said string, missing []project.Package) (project.Package, bool) {
	for _, network := range []string{"Err:", "Failed to fetch", "Temporary failure", "Could not resolve", "Could not connect"} {
		if strings.Contains(said, network) {
			return project.Package{}, false
		}
	}
	for _, m := range notThere.FindAllStringSubmatch(said, -1) {
		name, _, _ := strings.Cut(strings.TrimRight(m[1]+m[2]+m[3], ";"), ":")
		if i := slices.IndexFunc(missing, func(p project.Package) bool { return p.Name == name }); i >= 0 {
			return missing[i], true
		}
	}
	return project.Package{}, false
}

// PutFiles copies package files of this machine into a directory of a
// container, made if need be, and returns their paths there. In the cache they
// are named by hash; apt wants names that end in .deb.
func PutFiles(ctx context.Context, c *engine.Container, dir string, files []string) ([]string, error) {
	r, w := io.Pipe()
	paths := make([]string, len(files))
	for i := range files {
		paths[i] = path.Join(dir, fmt.Sprintf("%03d.deb", i))
	}
	go func() {
		tw := tar.NewWriter(w)
		for i, f := range files {
			if err := putFile(tw, strings.TrimPrefix(paths[i], "/"), f); err != nil {
				w.CloseWithError(err)
				return
			}
		}
		w.CloseWithError(tw.Close())
	}()
	defer r.Close()
	return paths, c.Put(ctx, "/", r)
}

func putFile(tw *tar.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size(), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}
