package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// peers are images that ours are compared with.
type peers struct {
	base       string // what the recipe and we stand on
	slim       string // Python by the recipe of docker-library
	deps       string // and the lock, by pip
	web        string // and the application, by pip
	installers string // base and the packages of our Python, with venv
	edited     []string
}

// mine are those that are of no use to a later run.
func (p *peers) mine() []string {
	var refs []string
	for _, ref := range append([]string{p.web, p.installers}, p.edited...) {
		if ref != "" {
			refs = append(refs, ref)
		}
	}
	return refs
}

// makePeers makes the images of the peers. Those that take long have names by
// what they are made of, and are found there by the next run.
func (b *bench) makePeers(ctx context.Context) error {
	digest := b.inspect(ctx, pythonImage, `{{index .Config.Labels "org.opencontainers.image.base.digest"}}`)
	if len(digest) < len("sha256:")+12 {
		return fmt.Errorf("image %s: it does not say what its base is", pythonImage)
	}
	p := &b.peers
	p.base = baseImage(distro, digest)
	layers := b.inspect(ctx, p.base, "{{.RootFS.Layers}}")
	if layers == "" {
		return fmt.Errorf("base image %s: the engine has it no more", p.base)
	}
	p.slim = "pybake-bench-slim:" + b.hash("slim.dockerfile", layers, sha256sum)
	p.web, p.installers = "pybake-bench-pip:app", "pybake-bench-installers:1"
	if b.inspect(ctx, p.slim, "{{.Id}}") == "" {
		if err := b.makeSlim(ctx); err != nil {
			return err
		}
	}
	p.deps = "pybake-bench-pip:" + b.hash("deps.dockerfile", b.inspect(ctx, p.slim, "{{.Id}}"), "requirements.lock")
	if b.inspect(ctx, p.deps, "{{.Id}}") == "" {
		b.say("pip install of the lock")
		if err := b.build(ctx, "deps.dockerfile", b.project(), p.slim, p.deps); err != nil {
			return err
		}
	}
	b.say("pip install of the application")
	if err := b.build(ctx, "web.dockerfile", b.peerSource(), p.deps, p.web); err != nil {
		return err
	}
	return b.makeInstallers(ctx)
}

// makeSlim compiles the Python by the recipe. The tarball comes from loopback,
// so that no layer has it.
func (b *bench) makeSlim(ctx context.Context) error {
	b.say("compile Python by the recipe of docker-library")
	source := b.source
	if source == "" {
		dir, err := downloads()
		if err != nil {
			return err
		}
		source = filepath.Join(dir, "sha256", sha256sum[:2], sha256sum)
	}
	if _, err := os.Stat(source); err != nil {
		return fmt.Errorf("tarball of CPython %s, --tarball: %w", version, err)
	}
	address, server, err := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, source) }))
	if err != nil {
		return err
	}
	defer server.Close()
	recipe := filepath.Join(b.project(), "slim.dockerfile")
	args := []string{b.docker, "build", "--network", "host", "-t", b.peers.slim, "-f", recipe}
	for _, arg := range []string{"BASE=" + b.peers.base, "PYTHON_VERSION=" + version, "PYTHON_SHA256=" + sha256sum, "TARBALL=" + address} {
		args = append(args, "--build-arg", arg)
	}
	empty := filepath.Join(b.dir, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return err
	}
	_, _, err = command{env: []string{"DOCKER_BUILDKIT=0"}, args: append(append(args, proxies()...), empty)}.run(ctx)
	return err
}

// makeInstallers makes the image in which pip and uv install: our Python, for them too.
func (b *bench) makeInstallers(ctx context.Context) error {
	debs := filepath.Join(b.dir, "debs")
	if err := b.linkDebs(version, distro, debs, "pybake-python3.13", "pybake-python3.13-venv"); err != nil {
		return err
	}
	return b.build(ctx, "installers.dockerfile", debs, b.peers.base, b.peers.installers)
}
