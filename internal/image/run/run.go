// Package run turns a run configuration of pybake.toml into what the engine is
// told, and into the docker command that does the same.
//
// # Values
//
// Every string of a configuration may hold {user} {uid} {gid} {root} {workdir}
// {image} {version}, and ${NAME} of the environment; [project.ReplaceEnv] says
// how. What comes out is read by the parsers of package project once more: a
// variable may stand for anything. All problems are reported at once, each as a
// [Problem] with the key that it is about.
//
// # Source
//
// [Source] lets a container run the project's modules from its directory, for an
// edit to need no build. The directory is mounted read-only at /source, and
// PYTHONPATH puts /source/src before the environment's own, or /source where
// there is no directory src. What else the installed project has, its metadata
// and its console scripts, stays that of the image. No bytecode is written.
package run

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
)

// Vars are the values of the variables.
type Vars struct {
	User, UID, GID string // who runs pybake: "me", "1000", "1000"
	Root           string // the directory of pybake.toml
	Workdir        string // the directory that pybake runs in
	Image          string // the reference: "shop:1.4.2"
	Version        string // of the app in the image: "1.4.2"; empty if the image does not tell
}

// Problem is what is wrong with a value of a run configuration.
type Problem struct {
	Key string // within its table: "volumes[0]", "env.TOKEN"
	Err error
}

func (p *Problem) Error() string { return p.Key + ": " + p.Err.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Err }

// expansion is one Expand.
type expansion struct {
	vars     map[string]string
	getenv   func(string) (string, bool)
	problems []error
}

// Expand is a run configuration as the engine is told it. Its errors are joined,
// each a *Problem. The command has no terminal but where the configuration says
// so, and no standard input.
func Expand(r project.Run, v Vars, getenv func(string) (string, bool)) (engine.RunSpec, error) {
	x := &expansion{getenv: getenv, vars: map[string]string{
		"user": v.User, "uid": v.UID, "gid": v.GID, "root": v.Root, "workdir": v.Workdir, "image": v.Image, "version": v.Version,
	}}
	s := engine.RunSpec{
		Image: v.Image, Memory: int64(r.Memory), CPUs: r.CPUs, PIDs: r.PIDs, ReadOnly: r.ReadOnly, TTY: r.TTY,
		User: x.text("user", r.User), Workdir: x.text("workdir", r.Workdir), Network: x.text("network", r.Network),
	}
	if s.Workdir != "" && !filepath.IsAbs(s.Workdir) {
		x.report("workdir", fmt.Errorf("%q: want an absolute path", s.Workdir))
	}
	for i, arg := range r.Entrypoint {
		s.Entrypoint = append(s.Entrypoint, x.text(fmt.Sprintf("entrypoint[%d]", i), arg))
	}
	for i, arg := range r.Command {
		s.Cmd = append(s.Cmd, x.text(fmt.Sprintf("command[%d]", i), arg))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		s.Env = append(s.Env, name+"="+x.text(keyOf("env", name), r.Env[name]))
	}
	for i, text := range r.Volumes {
		each(x, fmt.Sprintf("volumes[%d]", i), text, Volume, &s.Binds)
	}
	for i, text := range r.Ports {
		each(x, fmt.Sprintf("ports[%d]", i), text, Port, &s.Ports)
	}
	for i, text := range r.Tmpfs {
		key := fmt.Sprintf("tmpfs[%d]", i)
		target, options, err := project.ParseTmpfs(x.text(key, text))
		x.report(key, err)
		if s.Tmpfs == nil {
			s.Tmpfs = map[string]string{}
		}
		s.Tmpfs[target] = options
	}
	if r.GPUs != "" {
		var gpus []engine.GPUs
		each(x, "gpus", r.GPUs, GPUs, &gpus)
		s.GPUs = &gpus[0]
	}
	return s, errors.Join(x.problems...)
}

// report adds a problem, unless its key has one.
func (x *expansion) report(key string, err error) {
	if err == nil || len(x.problems) > 0 && x.problems[len(x.problems)-1].(*Problem).Key == key {
		return
	}
	x.problems = append(x.problems, &Problem{key, err})
}

// text is a value with everything replaced.
func (x *expansion) text(key, value string) string {
	text, err := project.ReplaceEnv(value, x.vars, x.getenv)
	if err == nil && x.vars["version"] == "" {
		without := maps.Clone(x.vars)
		delete(without, "version")
		if _, missing := project.Replace(value, without); missing != nil {
			err = errors.New("{version}: the image does not tell its version")
		}
	}
	x.report(key, err)
	return text
}

// each replaces and parses one element of a list.
func each[T any](x *expansion, key, text string, parse func(string) (T, error), list *[]T) {
	value, err := parse(x.text(key, text))
	x.report(key, err)
	*list = append(*list, value)
}

// Volume reads "SOURCE:TARGET" or "SOURCE:TARGET:ro".
func Volume(text string) (engine.Bind, error) {
	v, err := project.ParseVolume(text)
	return engine.Bind(v), named(text, err)
}

// Port reads "IP:HOSTPORT:PORT/PROTO"; only PORT must be there.
func Port(text string) (engine.PortBinding, error) {
	p, err := project.ParsePublish(text)
	return engine.PortBinding(p), named(text, err)
}

// GPUs reads "all", a number, or "device=0,1".
func GPUs(text string) (engine.GPUs, error) {
	g, err := project.ParseGPUs(text)
	return engine.GPUs(g), named(text, err)
}

func named(text string, err error) error {
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

// sourceDir is where Source mounts the project.
const sourceDir = "/source"

// Source has s run the modules of the project in dir, an absolute path.
// imagePath is the PYTHONPATH of the image itself; s.Env has precedence over it.
func Source(s engine.RunSpec, dir, imagePath string) engine.RunSpec {
	first := sourceDir
	if info, err := os.Stat(filepath.Join(dir, "src")); err == nil && info.IsDir() {
		first = sourceDir + "/src"
	}
	var env []string
	for _, line := range s.Env {
		if value, ok := strings.CutPrefix(line, "PYTHONPATH="); ok {
			imagePath = value
			continue
		}
		env = append(env, line)
	}
	if imagePath != "" {
		first += ":" + imagePath
	}
	s.Env = append(env, "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+first)
	s.Binds = append(slices.Clone(s.Binds), engine.Bind{Source: dir, Target: sourceDir, ReadOnly: true})
	return s
}

var barePattern = pattern.New(`^[A-Za-z0-9_-]+$`)

// keyOf is a key as TOML writes it.
func keyOf(table, part string) string {
	if !barePattern.MatchString(part) {
		part = strconv.Quote(part)
	}
	return table + "." + part
}
