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

// bench is one run of bench image.
type bench struct {
	session
	house string // with the wheels of the lock
	peers peers
}

// More directories of the run: a copy of the store with the house, and the source that peers build.
func (b *bench) housed() string     { return filepath.Join(b.dir, "housed") }
func (b *bench) app() string        { return filepath.Join(b.project(), "app") }
func (b *bench) peerSource() string { return filepath.Join(b.dir, "source") }

// runImage is bench image.
func runImage(ctx context.Context, args []string) error {
	b := &bench{session: newSession()}
	flags := b.flagSet("image", 3)
	b.dockerFlags(flags)
	flags.StringVar(&b.uv, "uv", "uv", "the uv `program`, which has to run in containers of the distro")
	flags.StringVar(&b.source, "tarball", "", "the `file` of CPython's source (default: that of pybake's downloads)")
	if err := b.parse(flags, args); err != nil {
		return err
	}
	defer b.close()
	if err := b.setUp(ctx); err != nil {
		return err
	}
	rows, err := b.image(ctx)
	if err != nil {
		return err
	}
	return b.print(rows)
}

// setUp makes the directory of the run: the project, a copy of the store and the
// caches.
func (b *bench) setUp(ctx context.Context) (err error) {
	if err := b.hasPython(version, distro); err != nil {
		return err
	}
	if b.uv, err = exec.LookPath(b.uv); err != nil {
		return fmt.Errorf("uv: %w", err)
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	if err := b.copyStore(ctx, b.store, b.ownStore()); err != nil {
		return err
	}
	if err := makeCache(b.cache()); err != nil {
		return err
	}
	return b.makeProject(ctx)
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
	pins, err := os.ReadFile(b.pinFile())
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
