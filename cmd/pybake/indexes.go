package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/lock"
	"github.com/pybake/pybake/wheels/sdist"
)

// finder is what finds the files of packages. baked is the Python whose pip knows the
// default index, or nil.
func (a *app) finder(p *project.Project, l *lock.Lock, baked *artifacts.Artifact, f wheelsFlags) (*wheels.Finder, error) {
	downloads, err := a.downloadDir()
	if err != nil {
		return nil, err
	}
	client := &index.Client{HTTP: a.httpClient(), Cache: downloads, Offline: a.flags.offline, Credentials: a.keyring()}
	named, err := a.indexes(p, l, baked, f)
	if err != nil {
		return nil, err
	}
	client.Indexes = named.all
	if client.Netrc, err = a.netrc(); err != nil {
		return nil, err
	}
	return &wheels.Finder{
		Index: client, IndexFirst: named.byProject, Fetcher: &fetch.Fetcher{Cache: downloads, Offline: a.flags.offline},
		Cargo: func() (wheels.CargoConfig, error) { return a.cargoConfig(p) }, Tools: python.Named(p.Sources, client.HTTP),
	}, nil
}

// namedIndexes are indexes by priority.
type namedIndexes struct {
	all       []index.Index
	byProject bool // pybake.toml or the command line names them: they are the only ones
}

// indexes are those of the command line, else those of pybake.toml, else those that
// the lock names and those of the machine.
func (a *app) indexes(p *project.Project, l *lock.Lock, python *artifacts.Artifact, f wheelsFlags) (n namedIndexes, err error) {
	add := func(name, address, from string) error {
		full, err := index.Expand(address, a.sys.getenv)
		if err != nil {
			return usagef("", "%s: index %s: %w", from, cmp.Or(name, index.Label(address)), err)
		}
		if !slices.ContainsFunc(n.all, func(o index.Index) bool { return o.URL == full }) {
			n.all = append(n.all, index.Index{Name: name, URL: full})
		}
		return nil
	}
	switch {
	case f.index != "":
		n.byProject = true
		err = add("", f.index, "--index-url")
	case len(p.Indexes) > 0:
		n.byProject = true
		for _, ix := range p.Indexes {
			if err = add(ix.Name, ix.URL, project.File); err != nil {
				break
			}
		}
	}
	if err != nil {
		return n, err
	}
	if !n.byProject {
		for _, ix := range l.Indexes {
			if ix.Kind == "find-links" {
				continue
			}
			if err := add(ix.Name, ix.URL, l.File); err != nil {
				return n, err
			}
		}
		machine, err := a.machineIndexes(p, python)
		if err != nil {
			return n, err
		}
		for _, ix := range machine {
			if !slices.ContainsFunc(n.all, func(o index.Index) bool { return o.URL == ix.URL }) {
				n.all = append(n.all, ix)
			}
		}
	}
	for _, address := range f.extraIndexes {
		if err := add("", address, "--extra-index-url"); err != nil {
			return n, err
		}
	}
	return n, nil
}

// machineIndexes are those that pip and uv are told to use here; where they are told
// nothing, the one that the pip of a CPython has built in.
func (a *app) machineIndexes(p *project.Project, python *artifacts.Artifact) ([]index.Index, error) {
	env := a.sys.getenv
	where := index.Where{
		Home: env("HOME"), ConfigHome: env("XDG_CONFIG_HOME"), ConfigDirs: env("XDG_CONFIG_DIRS"), VirtualEnv: env("VIRTUAL_ENV"),
		UVConfigFile: env("UV_CONFIG_FILE"), Project: p.Root,
	}
	if file := env("PIP_CONFIG_FILE"); file != "" {
		if _, err := os.Stat(file); err == nil {
			where.PipConfigFile = file
		}
	}
	pipTexts, err := readTexts(where.PipFiles())
	if err != nil {
		return nil, err
	}
	pip, err := index.ReadPip(pipTexts, env)
	if err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	uvTexts, err := readTexts(where.UVFiles())
	if err != nil {
		return nil, err
	}
	uv, err := index.ReadUV(uvTexts, env)
	if err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	for _, note := range slices.Concat(pip.Notes, uv.Notes) {
		a.log.Info(note)
	}
	if pip.NoIndex {
		return nil, nil
	}
	builtIn, err := a.builtInIndex(python)
	if err != nil {
		return nil, err
	}
	return index.Config{Indexes: slices.Concat(uv.Indexes, pip.Indexes)}.WithDefault(builtIn), nil
}

func readTexts(files []string) ([]index.Text, error) {
	var texts []index.Text
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, err
		}
		texts = append(texts, index.Text{Path: file, Data: data})
	}
	return texts, nil
}

// builtInIndex is the index that the pip inside a CPython knows, kept in the cache
// by the key of the artifact; or empty.
func (a *app) builtInIndex(python *artifacts.Artifact) (string, error) {
	if python == nil {
		return "", nil
	}
	kept, err := a.inCache(filepath.Join("builtin-index", string(python.Key)))
	if err != nil {
		return "", err
	}
	if text, err := os.ReadFile(kept); err == nil {
		if _, err := url.Parse(string(text)); err == nil && len(text) > 0 {
			return string(text), nil
		}
	}
	i := slices.IndexFunc(python.Files, func(f artifacts.File) bool {
		return f.Package != nil && strings.HasSuffix(f.Package.Name, "-venv")
	})
	if i < 0 {
		return "", fmt.Errorf("%s has no package -venv", python.Name)
	}
	deb, err := os.Open(filepath.Join(python.Dir, python.Files[i].Path))
	if err != nil {
		return "", err
	}
	defer deb.Close()
	wheel, err := nfpm.ReadFile(deb, func(file string) bool {
		ok, _ := path.Match("/opt/python/*/lib/python*/ensurepip/_bundled/pip-*.whl", file)
		return ok
	})
	if err != nil {
		return "", fmt.Errorf("%s: pip: %w", deb.Name(), err)
	}
	address, err := index.DefaultFromPip(bytes.NewReader(wheel), int64(len(wheel)))
	if err != nil {
		return "", fmt.Errorf("%s: %w", deb.Name(), err)
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return "", err
	}
	return address, os.WriteFile(kept, []byte(address), 0o644)
}

// netrc reads the first netrc that there is.
func (a *app) netrc() (*index.Netrc, error) {
	texts, err := readTexts(index.Where{Home: a.sys.getenv("HOME"), Netrc: a.sys.getenv("NETRC")}.NetrcFiles())
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	n, err := index.ParseNetrc(texts[0].Path, texts[0].Data)
	if err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	return n, nil
}

// keyring asks the keyring program, if there is one, as pip and uv do.
func (a *app) keyring() func(ctx context.Context, u *url.URL) (user, password string, ok bool) {
	program := a.lookPath("keyring")
	if program == "" {
		return nil
	}
	return func(ctx context.Context, u *url.URL) (string, string, bool) {
		user := u.User.Username()
		if user == "" {
			return "", "", false // keyring get wants one
		}
		for _, service := range []string{index.Label(u.String()), u.Host} {
			out, err := exec.CommandContext(ctx, program, "get", service, user).Output()
			if password := strings.TrimRight(string(out), "\r\n"); err == nil && password != "" {
				return user, password, true
			}
		}
		return "", "", false
	}
}

// git is the program that fetches commits, with what it needs of the environment.
func (a *app) git() sdist.Git {
	g := sdist.Git{Program: a.lookPath("git")}
	for _, name := range slices.Concat([]string{"PATH", "HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "GIT_SSL_CAINFO"}, proxyNames[:]) {
		if value := a.sys.getenv(name); value != "" {
			g.Env = append(g.Env, name+"="+value)
		}
	}
	return g
}
