package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed testdata
var testdata embed.FS

// The target of everything.
const (
	version   = "3.13.5"
	sha256sum = "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640" // of Python-3.13.5.tar.xz
	distro    = "trixie"
)

// Our images, as testdata/pybake.toml tags them.
const (
	pythonImage = "pybake-bench-python:1"
	depsImage   = "pybake-bench-deps:1"
	webImage    = "pybake-bench-web:1"
)

// bench is one run of the program.
type bench struct {
	options
	started time.Time
	dir     string // of this run, beside the store
	house   string // with the wheels of the lock
	peers   peers
}

// Directories of the run: the project, copies of the store, the caches, the source that peers build.
func (b *bench) project() string    { return filepath.Join(b.dir, "project") }
func (b *bench) ownStore() string   { return filepath.Join(b.dir, "store") }
func (b *bench) housed() string     { return filepath.Join(b.dir, "housed") }
func (b *bench) cache() string      { return filepath.Join(b.dir, "cache") }
func (b *bench) app() string        { return filepath.Join(b.project(), "app") }
func (b *bench) peerSource() string { return filepath.Join(b.dir, "source") }

// newBench makes the directory of the run: the project, a copy of the store and
// the caches. The bench is to be closed even with an error.
func newBench(ctx context.Context, o options) (*bench, error) {
	b := &bench{options: o, started: time.Now()}
	var err error
	if b.store, err = filepath.Abs(b.store); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(b.store, "python", version+"-"+distro+"-amd64")); err != nil {
		return nil, fmt.Errorf("store %s: %w; pybake python %s --distro %s --store %[1]s makes it", b.store, err, version, distro)
	}
	if b.uv, err = exec.LookPath(b.uv); err != nil {
		return nil, fmt.Errorf("uv: %w", err)
	}
	if b.dir, err = os.MkdirTemp(filepath.Dir(b.store), "pybake-bench-"); err != nil {
		return nil, err
	}
	if err := b.findPybake(ctx); err != nil {
		return b, err
	}
	if err := b.copyStore(ctx, b.store, b.ownStore()); err != nil {
		return b, err
	}
	if err := b.makeCache(); err != nil {
		return b, err
	}
	return b, b.makeProject(ctx)
}

// close removes what this run made, but for the peer's images.
func (b *bench) close() {
	if b.keep {
		b.say("kept: %s", b.dir)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	refs := append([]string{webImage, depsImage, pythonImage}, b.peers.mine()...)
	if err := errors.Join(b.removeImages(ctx, refs...), os.RemoveAll(b.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "bench: clean up:", err)
	}
}

func (b *bench) findPybake(ctx context.Context) (err error) {
	if b.options.pybake == "" {
		b.options.pybake = filepath.Join(b.dir, "pybake")
		_, _, err = command{args: []string{"go", "build", "-buildvcs=false", "-o", b.options.pybake, "github.com/pybake/pybake/cmd/pybake"}}.run(ctx)
		return err
	}
	b.options.pybake, err = filepath.Abs(b.options.pybake)
	return err
}

// copyStore makes a copy of a store in links: artifacts are never written twice.
func (b *bench) copyStore(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	_, _, err := command{args: []string{"cp", "-al", from, to}}.run(ctx)
	return err
}

// downloads is the directory of pybake's downloads.
func downloads() (string, error) {
	dir := os.Getenv("PYBAKE_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, "pybake")
	}
	return filepath.Join(dir, "downloads"), nil
}

// makeCache makes the cache directory: the downloads of the machine, and nothing
// else, no trees above all.
func (b *bench) makeCache() error {
	dir, err := downloads()
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(b.cache(), 0o755)); err != nil {
		return err
	}
	return os.Symlink(dir, filepath.Join(b.cache(), "downloads"))
}

// makeProject makes the project, with the application of the index, and a second
// copy of its source for the peers.
func (b *bench) makeProject(ctx context.Context) error {
	files, err := fs.Sub(testdata, "testdata")
	if err != nil {
		return err
	}
	if err := os.CopyFS(b.project(), files); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.project(), "run"), []byte(b.dir+"\n"), 0o644); err != nil {
		return err
	}
	pins, err := os.ReadFile(filepath.Join(b.store, "pybake.lock"))
	if err == nil {
		err = os.WriteFile(filepath.Join(b.project(), "pybake.lock"), pins, 0o644)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return b.fetchApp(ctx)
}

func (b *bench) fetchApp(ctx context.Context) error {
	b.say("fetch the application")
	to := filepath.Join(b.dir, "sdist")
	if _, _, err := (command{dir: b.project(), args: []string{
		b.python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "jupyter-server", "--require-hashes", "-r", "app.txt", "-d", to,
	}}).run(ctx); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(to, "*.tar.gz"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("pip download: %d sdists, not one", len(found))
	}
	for _, dir := range []string{b.app(), b.peerSource()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if _, _, err := (command{args: []string{"tar", "-xzf", found[0], "-C", dir, "--strip-components=1", "--no-same-owner"}}).run(ctx); err != nil {
			return err
		}
	}
	return nil
}
