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
	args := make([]string, len(missing))
	for i, p := range missing {
		args[i] = p.Name + "=" + p.Version
	}
	err = m.sh(ctx, c, `apt-get update `+aptOptions+` && cd `+archives+` && apt-get download `+aptOptions+` "$@"`, args...)
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return &MovedError{Target: t, What: "package " + missing[0].Name, Pinned: missing[0].Version, Explains: err}
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

// Sources returns the addresses that the base image's apt is configured with,
// in its order: archives that also hold the distro's source packages.
func (m *Maker) Sources(ctx context.Context, t Target, base project.BasePin) ([]string, error) {
	c, err := m.Offliner(ctx, t, BaseRef(t, base.Digest), "sources")
	if err != nil {
		return nil, fmt.Errorf("apt sources of %s: %w", t, err)
	}
	defer c.Remove(ctx)
	var out strings.Builder
	err = c.Exec(ctx, engine.Command{
		Argv: []string{"sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true"},
		User: "0:0", Stdout: &out,
	})
	if err != nil {
		return nil, fmt.Errorf("apt sources of %s: %w", t, err)
	}
	return parseSources(out.String()), c.Remove(ctx)
}

// parseSources finds the archives in sources.list(5), in both of its styles:
//
//	deb [signed-by=/usr/share/keyrings/k.gpg] https://deb.example.org/debian trixie main
//	URIs: https://deb.example.org/debian https://security.example.org/debian-security
func parseSources(text string) (uris []string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "deb" && fields[0] != "deb-src" && fields[0] != "URIs:" {
			continue
		}
		for _, f := range fields[1:] {
			if strings.HasPrefix(f, "http://") || strings.HasPrefix(f, "https://") {
				if f = strings.TrimSuffix(f, "/"); !slices.Contains(uris, f) {
					uris = append(uris, f)
				}
			}
		}
	}
	return uris
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
