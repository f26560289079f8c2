package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/project"
)

// initFiles writes files into a new project and runs init there.
func initFiles(t *testing.T, files map[string]string, env ...string) (dir string, result initResult) {
	t.Helper()
	sys := testSystem(t)
	sys.getenv = func(name string) string {
		for i := 0; i+1 < len(env); i += 2 {
			if env[i] == name {
				return env[i+1]
			}
		}
		return ""
	}
	dir = filepath.Join(sys.dir, "shop")
	for name, text := range files {
		writeText(t, filepath.Join(dir, name), text)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if status := run([]string{"init", "shop", "--json"}, sys); status != 0 {
		t.Fatalf("status %d: %s", status, sys.stderr)
	}
	if err := json.Unmarshal(sys.stdout.(*bytes.Buffer).Bytes(), &result); err != nil {
		t.Fatal(err)
	}
	return dir, result
}

func writeText(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	hashed     = "flask==3.1.0 --hash=sha256:d667207822eb83f1c4b50949b1623c8fc8d51f2341d65f72e1a1815397551a14\n"
	buildsWith = "[build-system]\nrequires = [\"hatchling\"]\n"
)

// TestInitDockerfile: what FROM lines say, and nothing else of them.
func TestInitDockerfile(t *testing.T) {
	for from, want := range map[string][]string{
		"FROM python:3.11-slim-bookworm":                                              {"python 3.11", "distro bookworm"},
		"from --platform=linux/amd64 docker.io/library/python:3.11.9-trixie as x":     {"python 3.11.9", "distro trixie"},
		"FROM registry.example.org:5000/mirror/python:3.12-slim@sha256:0f":            {"python 3.12"},
		"FROM ghcr.example.org/astral-sh/uv:python3.12-bookworm-slim":                 {"python 3.12", "distro bookworm"},
		"ARG V=3.11\nARG D=\"bookworm\"\nFROM python:${V}-slim-$D":                    {"python 3.11", "distro bookworm"},
		"FROM python:${V:-3.11}-bookworm":                                             {"python 3.11", "distro bookworm"},
		"FROM python:${V}-bookworm":                                                   {"distro bookworm"},
		"FROM debian:12":                                                              {"distro bookworm"},
		"FROM ubuntu:22.04":                                                           {"distro jammy"},
		"FROM python:3.11-bookworm AS python\nFROM python\nFROM python:3.11-bookworm": {"python 3.11", "distro bookworm"},
		"FROM python:3.13.99-trixie":                                                  {"python 3.13", "distro trixie"},
		"FROM python:3.11-alpine3.20\nFROM scratch\nFROM node:18-bookworm":            {"python 3.11"},
		"# FROM python:3.11-bookworm\nRUN echo FROM python:3.11":                      nil,
	} {
		_, result := initFiles(t, map[string]string{"Dockerfile": from + "\n"})
		var got []string
		for _, one := range result.Taken {
			if strings.HasPrefix(one.From, "Dockerfile:") {
				got = append(got, one.Key+" "+one.Value)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", from, diff)
		}
	}
}

// TestInitLoads: what is written loads, and so does every line that is a comment.
func TestInitLoads(t *testing.T) {
	wide := strings.Repeat("# x\n", 10)
	for name, files := range map[string]map[string]string{
		"nothing": {},
		"all": {
			"Dockerfile": "FROM python:3.11-slim-bookworm\n", ".python-version": "# mine\n3.12\n\n3.11.9\npypy3.9\n", "requirements.txt": hashed,
			"requirements/dev.txt": hashed, "requirements/lint.txt": "black\n", "api/requirements.lock": "--index-url https://pypi.example.org/simple\n" + hashed,
			"pyproject.toml": buildsWith + "[project]\nname = \"My.Shop\"\nrequires-python = \">=3.11\"\n[project.scripts]\nmy-shop = \"a:b\"\nother = \"a:c\"\n",
		},
		"no lock":      {"pyproject.toml": buildsWith + "[project]\nname = \"shop\"\ndependencies = [\"flask\"]\n"},
		"no need":      {"pyproject.toml": buildsWith + "[project]\nname = \"shop\"\n"},
		"no Python":    {"pyproject.toml": "[project]\nname = \"shop\"\nrequires-python = \">=4\"\n", "requirements.txt": hashed},
		"broken":       {"pyproject.toml": "[project\n", "uv.lock": "version = 1\n[[package]]\n", "Dockerfile": "FROM\nFROM \nFROM :\nFROM python:\n" + wide},
		"odd names":    {"requirements-\".txt": hashed, "requirements-\n.txt": hashed, "requirements-ü.txt": hashed, "Dockerfile.\n": "FROM python:3.11-bookworm\n", "pyproject.toml": "[project]\nname = \"ÜÜ\"\n"},
		"index here":   {"uv.toml": "index-url = \"https://pypi.example.org/hunter2/simple\"\n", "requirements.txt": hashed},
		"only for dev": {"requirements-dev.txt": hashed},
	} {
		dir, result := initFiles(t, files)
		if strings.Contains(result.Text, "hunter2") || strings.Contains(result.Text, "pypi.example.org/simple\"") && name == "all" {
			t.Errorf("%s: an address was copied:\n%s", name, result.Text)
		}
		p, err := project.Load(dir)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, result.Text)
		}
		if len(p.Matrix.Distros) != 1 || name != "no Python" && len(p.Matrix.Pythons) == 0 {
			t.Errorf("%s: matrix %+v", name, p.Matrix)
		}
		all := regexp.MustCompile(`(?m)^( *)# ([a-z-]+ +=|\[)`).ReplaceAllString(result.Text, "$1$2")
		writeText(t, filepath.Join(dir, project.File), all)
		if p, err = project.Load(dir); err != nil {
			t.Errorf("%s: without the comments: %v\n%s", name, err, all)
			continue
		}
		if len(p.Images) != 1 || p.Refresh.Jobs != 0 || p.Publication.Key == "" || p.Refresh.Webhook == "" || (name == "index here") != (len(p.Indexes) == 1) {
			t.Errorf("%s: without the comments: %+v", name, p)
		}
	}
}

// TestInitTakes: what comes from where.
func TestInitTakes(t *testing.T) {
	_, result := initFiles(t, map[string]string{
		"Dockerfile": "FROM python:3.11-slim-bookworm\n", ".python-version": "3.12\n", "requirements.txt": hashed, "requirements/dev.txt": hashed,
		"api/requirements.lock": "--index-url https://pypi.example.org/simple\n" + hashed, "a/b/c/requirements.txt": hashed, "node_modules/requirements.txt": hashed,
		"pyproject.toml": buildsWith + "[project]\nname = \"shop\"\nrequires-python = \">=3.12\"\n",
	})
	want := []taken{
		{"app", ".", "pyproject.toml: it has a build system"}, {"python", "3.12", ".python-version"}, {"python", "3.11", "Dockerfile:1"},
		{"distro", "bookworm", "Dockerfile:1"}, {"lock", "requirements.txt", "requirements.txt"}, {"allow", "--index-url", "api/requirements.lock"},
		{"lock", "api/requirements.lock", "requirements.txt"},
	}
	if diff := cmp.Diff(want, result.Taken); diff != "" {
		t.Error(diff)
	}
	notes := []string{"requirements/dev.txt: a lock for developers: in a comment", "pyproject.toml requires Python >=3.12, which 3.11.X is not"}
	for i, note := range result.Notes {
		result.Notes[i] = regexp.MustCompile(`3\.11\.[0-9]+`).ReplaceAllString(note, "3.11.X")
	}
	if diff := cmp.Diff(notes, result.Notes); diff != "" {
		t.Error(diff)
	}
}

// TestInitRefused: what a lock refuses is not what an image is made of.
func TestInitRefused(t *testing.T) {
	dir, result := initFiles(t, map[string]string{
		"Dockerfile": "FROM python:3.9-slim-bookworm\nFROM python:3.12-slim\n", "requirements.txt": hashed,
		"pyproject.toml": "[project]\nname = \"shop\"\nrequires-python = \">=3.10\"\n",
	})
	p, err := project.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p.Python != "3.12" || p.Images["shop"].Python != "3.12" || !slices.Equal(p.Matrix.Pythons, []string{"3.12", "3.9"}) || len(result.Notes) != 1 {
		t.Errorf("python %s, matrix %q, notes %q", p.Python, p.Matrix.Pythons, result.Notes)
	}
}

// TestInitOddFiles: what is no file is not waited for, and links do not lead out.
func TestInitOddFiles(t *testing.T) {
	sys := testSystem(t)
	for _, name := range []string{"requirements.txt", "Dockerfile", ".python-version"} {
		if err := syscall.Mkfifo(filepath.Join(sys.dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "uv.lock")
	writeText(t, outside, "hunter2\n")
	if err := os.Symlink(outside, filepath.Join(sys.dir, "uv.lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop.lock", filepath.Join(sys.dir, "poetry.lock")); err != nil {
		t.Fatal(err)
	}
	if status := run([]string{"init"}, sys); status != 0 {
		t.Fatalf("status %d: %s", status, sys.stderr)
	}
	if said := sys.stderr.(*bytes.Buffer).String(); strings.Contains(said, "hunter2") {
		t.Error(said)
	}
}
