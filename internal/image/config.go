package image

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image/check"
	"github.com/pybake/pybake/internal/image/oci"
	"github.com/pybake/pybake/internal/project"
)

// settle is the last link with what it takes over from those that it stands on.
func settle(links []Link) project.Image {
	top := project.Image{Env: map[string]string{}, Labels: map[string]string{}}
	for _, l := range links {
		below := top
		top = l.Image
		top.Env, top.Labels = merged(below.Env, l.Env), merged(below.Labels, l.Labels)
		top.User, top.Workdir = cmp.Or(l.User, below.User), cmp.Or(l.Workdir, below.Workdir)
		top.Ports = slices.Compact(slices.Sorted(slices.Values(slices.Concat(below.Ports, l.Ports))))
		top.Init = l.Init || below.Init
		top.Keep = slices.Compact(slices.Sorted(slices.Values(slices.Concat(below.Keep, l.Keep))))
		if l.Entrypoint == nil { // a new entrypoint comes without the old arguments
			top.Entrypoint = below.Entrypoint
			if l.Cmd == nil {
				top.Cmd = below.Cmd
			}
			if l.Check == nil {
				top.Check = below.Check
			}
		}
	}
	return top
}

func merged(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// configure makes the configuration of the image.
func (p *Plan) configure() {
	path := "/usr/local/bin:/usr/bin:/bin"
	if p.Series != "" {
		path = Venv + "/bin:" + path
	}
	env := merged(map[string]string{"PATH": path, "LANG": "C.UTF-8"}, p.top.Env)
	p.Config = oci.Config{User: p.user.id(), Workdir: cmp.Or(p.top.Workdir, p.user.home), Entrypoint: p.top.Entrypoint, Cmd: p.top.Cmd}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		p.Config.Env = append(p.Config.Env, name+"="+env[name])
	}
	if p.top.Init {
		p.Config.Entrypoint = slices.Concat([]string{"/usr/bin/tini", "--"}, p.top.Entrypoint)
	}
	for _, port := range p.top.Ports {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		p.Config.Ports = append(p.Config.Ports, port)
	}
	p.Config.Labels = map[string]string{"org.opencontainers.image.base.digest": p.base.Digest, "org.opencontainers.image.title": p.top.Name}
	for name, value := range map[string]string{
		"org.opencontainers.image.base.name": p.base.Ref,
		"org.opencontainers.image.version":   p.req.Version,
		"org.opencontainers.image.revision":  p.req.Commit,
	} {
		if value != "" {
			p.Config.Labels[name] = value
		}
	}
	if !p.req.Created.IsZero() {
		p.Config.Labels["org.opencontainers.image.created"] = p.req.Created.UTC().Format(time.RFC3339)
	}
	maps.Copy(p.Config.Labels, p.top.Labels)
	p.Config.Labels[LabelName] = p.top.Name
}

// computeKey lists the inputs of the image and hashes them.
func (p *Plan) computeKey() error {
	p.Inputs = []artifacts.Input{
		{Name: "arch", Value: p.req.Target.Arch},
		{Name: "check", Value: check.Format + " " + hashJSON([]any{p.top.Check, p.excuses()})},
		{Name: "config", Value: hashJSON(p.Config)},
		{Name: "created", Value: strconv.FormatInt(p.req.Created.Unix(), 10)},
		{Name: "format", Value: Format},
		{Name: "keep", Value: strings.Join(p.top.Keep, " ")},
	}
	for i, l := range p.Layers {
		p.Inputs = append(p.Inputs, artifacts.Input{Name: fmt.Sprintf("layer.%02d.%s", i, l.Name), Value: string(l.Key), Note: l.By})
	}
	var err error
	p.Key, err = artifacts.NewKey(Kind, p.Inputs)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	p.Config.Labels[LabelKey] = string(p.Key) // after it was computed: it cannot contain itself
	return nil
}

func hashJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, lists and maps of them
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// excuses are what the recipes of all wheels excuse from the checks.
func (p *Plan) excuses() map[string][2]map[string]string {
	all := map[string][2]map[string]string{}
	add := func(name, version string) {
		if r := p.recipe(name, version); len(r.ImportSkip)+len(r.LibrarySkip) > 0 {
			all[name] = [2]map[string]string{r.ImportSkip, r.LibrarySkip}
		}
	}
	for _, l := range p.req.Links {
		if l.House != nil {
			for _, w := range l.House.Wheels {
				add(w.Name, w.Version)
			}
		}
		if l.App != nil {
			add(l.App.Name, l.App.Version)
		}
	}
	return all
}
