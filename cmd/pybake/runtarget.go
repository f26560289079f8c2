package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/strict"
)

// runTarget is what is to be run.
type runTarget struct {
	project *project.Project
	image   project.Image // the zero value for what is none of the file
	name    string        // "web", or a reference of the engine
	run     project.Run
	key     string // of the run configuration in the file: "images.web.run"

	ref     string // "web:latest"; empty until the engine is asked
	version string // of the app; likewise
}

// hint is a way on after the engine has refused.
func (t *runTarget) hint(err error) string {
	switch {
	case errors.Is(err, engine.ErrNoGPU):
		return "install nvidia-container-toolkit on the engine's machine, or run without gpus"
	case errors.Is(err, engine.ErrPortTaken):
		return "ss -ltnp says who has it; --publish IP:HOSTPORT:PORT takes another"
	case errors.Is(err, engine.ErrNoImage):
		return t.buildHint()
	}
	return ""
}

// findRun looks up an image of the file and its run configuration.
func (a *app) findRun(p *project.Project, name, config string) (*runTarget, error) {
	t := &runTarget{project: p, name: name}
	one, ok := p.ImageNamed(name)
	if !ok {
		if config != "" {
			return nil, usagef(a.nearImage(p.AllImages(), name), "%s: no image of pybake.toml: no run configuration %s", name, config)
		}
		t.ref = name
		return t, nil
	}
	t.image, t.key = one, one.Key("run")
	if fixed := slices.IndexFunc(one.Tags, func(tag string) bool { return tagPattern(tag, one, p).fixed != "" }); fixed >= 0 {
		t.ref = tagPattern(one.Tags[fixed], one, p).fixed
	}
	if config == "" {
		if one.Run != nil {
			t.run = *one.Run
		}
		return t, nil
	}
	run, ok := one.Runs[config]
	if !ok {
		known := slices.Sorted(maps.Keys(one.Runs))
		hint := ""
		if near := strict.Near(config, known); len(near) > 0 {
			hint = corrected(a.args, config, near[0], "")
		}
		if len(known) == 0 {
			return nil, usagef("", "image %s has no run configurations beside [images.%s.run]: %s: arguments of the command come after --", name, name, config)
		}
		return nil, usagef(hint, "image %s has no run configuration %s, only %s", name, config, strings.Join(known, ", "))
	}
	t.run, t.key = run, one.Key("runs."+config)
	return t, nil
}

// tagged is a tag of the file: one reference, or those that match.
type tagged struct {
	fixed   string // "web:latest"; empty if only the engine knows
	matches *regexp.Regexp
}

// tagPattern is a tag of the file with its variables replaced. A version, and
// that of Python, is only known of what was made.
func tagPattern(tag string, one project.Image, p *project.Project) tagged {
	const any = "\x00"
	text, err := project.Replace(tag, map[string]string{"name": one.Name, "distro": one.Distro(p), "version": any, "python": any})
	if err != nil { // was refused when the file was read
		return tagged{fixed: tag}
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "docker.io/"), "library/") // as the engine lists it
	if !strings.Contains(text, any) {
		if strings.LastIndexByte(text, ':') <= strings.LastIndexByte(text, '/') {
			text += ":latest"
		}
		return tagged{fixed: text}
	}
	return tagged{matches: regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(text), any, `[A-Za-z0-9_.-]+`) + "$")}
}

// settled says whether all is known without the engine.
func (t *runTarget) settled() bool {
	texts := slices.Concat(t.run.Command, t.run.Volumes, t.run.Ports, t.run.Tmpfs, []string{t.run.Network, t.run.GPUs, t.run.User, t.run.Workdir})
	for _, value := range t.run.Env {
		texts = append(texts, value)
	}
	return t.ref != "" && !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "{version}") })
}

// findImage asks the engine for the image.
func (a *app) findImage(ctx context.Context, e *engine.Engine, t *runTarget) error {
	if t.ref == "" {
		if err := a.newest(ctx, e, t); err != nil {
			return notRun(err, a.args)
		}
	}
	if t.ref != "" {
		img, found, err := e.Image(ctx, t.ref)
		if err != nil {
			return notRun(err, a.args)
		}
		if found {
			t.version = img.Labels["org.opencontainers.image.version"]
			return nil
		}
	}
	if t.image.Name == "" {
		return &advised{fmt.Errorf("%s: neither an image of pybake.toml nor one that the engine holds", t.name), engine.StatusEngine, a.nearImage(t.project.AllImages(), t.name)}
	}
	return &advised{fmt.Errorf("image %s: not built yet: the engine has no %s", t.name, cmp.Or(t.ref, t.image.Tags[0])), engine.StatusEngine, t.buildHint()}
}

func (t *runTarget) buildHint() string {
	if t.image.Name == "" {
		return "docker pull " + t.ref
	}
	return "pybake image " + t.name
}

// newest finds the image that was made last: the one of the store, or, if the store
// knows none of the name, the newest of the engine with a tag of the file. What an
// image says of its time comes from its inputs, so that it does not tell.
func (a *app) newest(ctx context.Context, e *engine.Engine, t *runTarget) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	arch := debianArch(runtime.GOARCH)
	it, err := store.Lookup(strings.Join([]string{image.Kind, t.name, t.image.Distro(t.project), arch}, " "))
	if errors.Is(err, artifacts.ErrNotFound) {
		return t.newestOf(ctx, e)
	}
	if err != nil {
		return err
	}
	made, err := image.Read(store, it)
	if err != nil {
		return nil // making it again mends it
	}
	for _, id := range []string{made.ID, made.Digest} {
		img, found, err := e.Image(ctx, id)
		if err != nil {
			return err
		}
		if found {
			t.ref = cmp.Or(t.tagOf(img), img.ID)
			return nil
		}
	}
	return nil
}

// tagOf is the reference of an image that is a tag of the file; or empty.
func (t *runTarget) tagOf(img engine.Image) string {
	for _, tag := range t.image.Tags {
		pattern := tagPattern(tag, t.image, t.project)
		for _, ref := range img.Tags {
			if pattern.matches != nil && pattern.matches.MatchString(ref) {
				return ref
			}
		}
	}
	return ""
}

// newestOf finds the newest image of the engine with a tag of the file.
func (t *runTarget) newestOf(ctx context.Context, e *engine.Engine) error {
	images, err := e.Images(ctx, image.LabelName+"="+t.name)
	if err != nil {
		return err
	}
	slices.SortStableFunc(images, func(x, y engine.Image) int { return y.Created.Compare(x.Created) })
	for _, img := range images {
		if t.ref = t.tagOf(img); t.ref != "" {
			return nil
		}
	}
	return nil
}
