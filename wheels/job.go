package wheels

import (
	"archive/tar"
	"context"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/cargo"
	"github.com/pybake/pybake/wheels/sdist"
)

// start starts the container of the build with an environment.
func (t *task) start(ctx context.Context, jobs int, packages []project.BuildPackage) error {
	files, err := t.files(ctx, packages)
	if err != nil {
		return err
	}
	builder := t.tools.builder(t.b, t.p, t.memoryLimit(), t.limit())
	t.installed = packages
	if t.p.again && len(packages) > 0 && slices.Equal(packages, t.pin.Packages) {
		ref, labels := t.prepared(packages)
		if builder, err = t.tools.prepare(ctx, builder, ref, labels, files); err != nil {
			return err
		}
		files = nil
	}
	t.job, err = builder.Start(ctx, build.Job{
		Name: t.pkg.Name, Unnamed: t.pkg.unnamed, Version: t.pkg.Version, Source: t.content(), Wheels: files,
		Subdirectory: t.src.Subdirectory, Backend: t.src.Build.Backend, BackendPath: t.src.Build.Path,
		ConfigSettings: t.configSettings(), Env: t.env(), Path: t.rustPath, Epoch: t.epoch(), Jobs: jobs, Symbols: t.p.req.Symbols, Log: t.log,
	})
	if err == nil && t.b.queue.waits() {
		builder.Warm(ctx, t.tools.users(t.b.queue.cores)) // for the next
	}
	return err
}

// envImage is what images with environments are.
const envImage = "wheels-env"

// prepared names the image of an environment.
func (t *task) prepared(packages []project.BuildPackage) (ref string, labels map[string]string) {
	what := hashJSON(build.Format, t.tools.image, packages)
	ref = "pybake/" + envImage + ":" + t.p.distroTarget().String() + "-" + strings.TrimPrefix(what, "sha256:")[:12]
	return ref, map[string]string{distro.Label: envImage, "org.pybake.base": t.tools.base}
}

// configSettings are those of the recipe and of the options that the lock was
// allowed: --config-settings=KEY=VALUE; --build-option=X and --global-option=X are
// passed as settings of these names, as pip does.
func (t *task) configSettings() map[string][]string {
	all := map[string][]string{}
	for key, values := range t.recipe.ConfigSettings {
		all[key] = slices.Clone(values)
	}
	for _, option := range t.pkg.selected.Options {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "--config-setting", "--config-settings":
			key, value, _ := strings.Cut(value, "=")
			all[key] = append(all[key], value)
		case "--build-option", "--global-option":
			all[name] = append(all[name], value)
		}
	}
	return all
}

// archival is what setuptools-scm takes for the mark of a tree without a repository: it
// then counts all that is there as tracked. Without, data files of packages that only
// the repository tells of would be missing from the wheel. Its version 10 wants a commit
// in it, too, and would make a version of that if nobody had given one.
const (
	archival = ".git_archival.txt"
	commit   = "node: 0000000000000000000000000000000000000000\n"
)

// marked is a tree with the mark.
type marked struct {
	*sdist.Source
	text string
}

func (m marked) WriteTar(dst *tar.Writer, top string, uid, gid int) error {
	if err := m.Source.WriteTar(dst, top, uid, gid); err != nil {
		return err
	}
	err := dst.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: path.Join(top, archival), Mode: 0o644, Size: int64(len(m.text)), Uid: uid, Gid: gid, ModTime: m.Newest,
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(dst, m.text)
	return err
}

// content is what goes into the container.
func (t *task) content() build.Source {
	if t.rust.digest != "" {
		return crated{t.plain(), t}
	}
	return t.plain()
}

func (t *task) plain() build.Source {
	if !t.tree() || !strings.HasPrefix(t.src.Build.Backend, "setuptools.") {
		return t.src
	}
	if _, err := fs.Lstat(os.DirFS(t.p.req.Root), path.Join(t.pkg.selected.Source.Path, archival)); err == nil {
		return t.src
	}
	if t.stamp.version == "" {
		return marked{t.src, ""}
	}
	return marked{t.src, commit}
}

// env is what the build's environment has of the package's own: what the recipe says,
// over the version that the repository would tell.
func (t *task) env() map[string]string {
	env := map[string]string{}
	if t.stamp.version != "" {
		env[t.stamp.variable] = t.stamp.version
	}
	if t.rust.digest != "" {
		maps.Copy(env, cargo.Env(cargoHome))
	}
	maps.Copy(env, t.recipe.Env)
	return env
}
