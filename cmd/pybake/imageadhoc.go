package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/pybake/pybake/internal/project"
)

// adHocImage is the image that flags describe. It is named after its first tag.
func (a *app) adHocImage(p *project.Project, f imageFlags) (one project.Image, err error) {
	if len(f.tags) == 0 {
		return one, usagef(typed(a.args, "--tag", "shop:1"), "an image that no file describes needs a --tag")
	}
	for _, tag := range f.tags {
		if err := project.CheckTag(tag); err != nil {
			return one, usagef("", "--tag %s: %w", tag, err)
		}
	}
	codename, err := a.targetDistro(p, f.distro)
	if err != nil {
		return one, err
	}
	name := f.tags[0][strings.LastIndexByte(f.tags[0], '/')+1:]
	name, _, _ = strings.Cut(name, ":")
	if _, ok := p.ImageNamed(name); ok {
		return one, usagef("pybake image "+name, "--tag %s: an image that no file describes is named after its tag, and pybake.toml has an image %s", f.tags[0], name)
	}
	one = project.Image{
		Name: name, From: codename, Apt: f.apt, Python: f.python, Wheels: f.wheels, Extras: f.extras, Groups: f.groups, NoGroups: f.noGroups,
		App: f.app, Entrypoint: f.entrypoint, Cmd: f.cmd, User: f.user, Workdir: f.workdir, Ports: f.ports, Init: f.init, Check: f.check,
		Tags: f.tags, Env: map[string]string{},
	}
	for _, line := range f.env {
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" {
			return one, usagef("", "--env %s: want NAME=VALUE", line)
		}
		one.Env[name] = value
	}
	if one.Wheels, err = a.adHocPath(p, "--wheels", f.wheels); err != nil {
		return one, err
	}
	if one.App, err = a.adHocPath(p, "--app", f.app); err != nil {
		return one, err
	}
	return one, checkAdHoc(one)
}

// adHocPath is a path of the command line: one below the directory of pybake.toml
// from there, another absolute.
func (a *app) adHocPath(p *project.Project, flag, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	full := a.path(name)
	if _, err := os.Stat(full); err != nil {
		return "", usagef("", "%s %s: %w", flag, name, err)
	}
	root := cmp.Or(p.Root, a.sys.dir)
	if rel, err := filepath.Rel(a.path(root), full); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel), nil
	}
	return full, nil
}

// checkAdHoc refuses an image of flags that the file would refuse.
func checkAdHoc(one project.Image) error {
	if filepath.IsAbs(one.Wheels) { // which the command line may have
		one.Wheels = filepath.Base(one.Wheels)
	}
	if filepath.IsAbs(one.App) {
		one.App = "."
	}
	if err := project.CheckImage(one); err != nil {
		return &advised{err, statusUsage, ""}
	}
	return nil
}
