package main

import (
	"context"
	"fmt"
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
	p.web, p.installers = "pybake-bench-pip:app", "pybake-bench-installers:1"
	var err error
	if p.slim, err = b.makeSlim(ctx, releases()[0], p.base); err != nil {
		return err
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

// makeInstallers makes the image in which pip and uv install: our Python, for them too.
func (b *bench) makeInstallers(ctx context.Context) error {
	debs := filepath.Join(b.dir, "debs")
	if err := b.linkDebs(version, distro, debs, "pybake-python3.13", "pybake-python3.13-venv"); err != nil {
		return err
	}
	return b.build(ctx, "installers.dockerfile", debs, b.peers.base, b.peers.installers)
}
