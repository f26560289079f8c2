package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
)

// The names of files that docker build and podman build read.
func isDockerfile(name string) bool {
	return slices.ContainsFunc([]string{"Dockerfile", "Dockerfile.*", "*.Dockerfile", "*.dockerfile", "Containerfile", "Containerfile.*"}, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

var (
	fromPattern   = pattern.New(`(?i)^\s*FROM\s+(?:--[a-z]+=\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?`)
	argPattern    = pattern.New(`(?i)^\s*ARG\s+([A-Za-z_][A-Za-z0-9_]*)=["']?([^"'\s]*)`)
	argUse        = pattern.New(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))`)
	taggedVersion = pattern.New(`^(?:python)?(3\.[0-9]{1,2}(?:\.[0-9]{1,2}(?:(?:a|b|rc)[0-9]{1,2})?)?)$`)
)

// readDockerfile takes the Pythons and distros of the images that stages stand on.
func (f *found) readDockerfile(file string) {
	text, ok := f.read(file)
	if !ok {
		return
	}
	args, stages := map[string]string{}, map[string]bool{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if m := argPattern.FindStringSubmatch(line); m != nil {
			args[m[1]] = m[2]
		}
		m := fromPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		image := argUse.ReplaceAllStringFunc(m[1], func(use string) string {
			parts := argUse.FindStringSubmatch(use)
			if value, ok := args[parts[1]+parts[3]]; ok && value != "" {
				return value
			}
			return parts[2]
		})
		if !stages[strings.ToLower(image)] {
			f.standsOn(image, fmt.Sprintf("%s:%d", file, number))
		}
		if m[2] != "" {
			stages[strings.ToLower(m[2])] = true
		}
	}
}

// standsOn takes the Python and the distro that an image's name tells:
// "python:3.11-slim-bookworm", "debian:12", "ubuntu:22.04",
// "registry.example.org/astral-sh/uv:python3.12-trixie".
func (f *found) standsOn(image, from string) {
	image, _, _ = strings.Cut(image, "@")
	name, tag, _ := strings.Cut(path.Base(image), ":")
	name = strings.ToLower(name)
	ofDistro := name == "debian" || name == "ubuntu" || name == "buildpack-deps"
	if !ofDistro && !strings.Contains(name, "python") && name != "uv" {
		return
	}
	for part := range strings.SplitSeq(tag, "-") {
		if m := taggedVersion.FindStringSubmatch(part); m != nil && !ofDistro {
			f.python(m[1], from)
		}
		if strings.HasPrefix(part, "alpine") {
			f.note("%s: %s: pybake bakes for Debian and Ubuntu only", from, image)
		}
		for _, d := range f.set.Distros() {
			if part == d.Codename || ofDistro && name == d.ID && part == d.Version {
				f.distro(d.Codename, from)
			}
		}
	}
}
