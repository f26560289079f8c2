package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/pybake/pybake/internal/project"
)

// slimRecipe is the recipe of docker-library for the slim image of the release: that of
// testdata/slim.dockerfile with what its template says for other distros and leaves out of
// older series.
func (r release) slimRecipe(text string) string {
	if r.distro != distro {
		text = strings.ReplaceAll(text, "apt-get dist-clean", "rm -rf /var/lib/apt/lists/*")
	}
	if r.series == "3.9" || r.series == "3.11" { // frame pointers came with the profiler support of 3.12
		before, rest, _ := strings.Cut(text, "\tarch=\"$(dpkg --print-architecture)\"")
		_, after, _ := strings.Cut(rest, "\tesac; \\\n")
		text = before + after
	}
	return text
}

// makeSlim returns the image of the peer: Python, compiled by the recipe, on the base image. One that
// is there is taken. The tarball comes from loopback, so that no layer has it.
func (s *session) makeSlim(ctx context.Context, r release, base string) (tag string, err error) {
	text, err := testdata.ReadFile("testdata/slim.dockerfile")
	if err != nil {
		return "", err
	}
	recipe := r.slimRecipe(string(text))
	layers := s.inspect(ctx, base, "{{.RootFS.Layers}}")
	if layers == "" {
		return "", fmt.Errorf("base image %s: the engine has it no more", base)
	}
	tag = "pybake-bench-slim:" + s.hash(recipe, layers, r.sha256)
	if s.inspect(ctx, tag, "{{.Id}}") != "" {
		return tag, nil
	}
	s.say("compile Python %s by the recipe of docker-library: %s", r.version, tag)
	source, err := s.tarball(r)
	if err != nil {
		return "", err
	}
	address, server, err := serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { http.ServeFile(w, req, source) }))
	if err != nil {
		return "", err
	}
	defer server.Close()
	file := filepath.Join(s.dir, "slim.dockerfile")
	if err := os.WriteFile(file, []byte(recipe), 0o644); err != nil {
		return "", err
	}
	args := []string{s.docker, "build", "--network", "host", "-t", tag, "-f", file}
	for _, arg := range []string{"BASE=" + base, "PYTHON_VERSION=" + r.version, "PYTHON_SHA256=" + r.sha256, "TARBALL=" + address} {
		args = append(args, "--build-arg", arg)
	}
	empty := filepath.Join(s.dir, "empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return "", err
	}
	_, _, err = command{env: []string{"DOCKER_BUILDKIT=0"}, args: append(append(args, proxies()...), empty)}.run(ctx)
	return tag, err
}

// pinnedBase is the base image of a distro that the store's pins name.
func (s *session) pinnedBase(codename string) (string, error) {
	pins, err := project.ReadLock(s.pinFile())
	if err != nil {
		return "", err
	}
	pin, ok := pins.Base(codename, arch)
	if !ok {
		return "", fmt.Errorf("%s: no base image of %s", s.pinFile(), codename)
	}
	return baseImage(codename, pin.Digest), nil
}

// tarball is the source of the release: what --tarball names, else pybake's download.
func (s *session) tarball(r release) (string, error) {
	source := s.source
	if source == "" {
		dir, err := downloads()
		if err != nil {
			return "", err
		}
		source = filepath.Join(dir, "sha256", r.sha256[:2], r.sha256)
	}
	if _, err := os.Stat(source); err != nil {
		return "", fmt.Errorf("tarball of CPython %s, --tarball: %w", r.version, err)
	}
	return source, nil
}
