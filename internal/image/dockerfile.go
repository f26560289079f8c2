package image

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image/install"
)

// KindKit is the kind of the artifacts that Dockerfiles mount: what the layers of
// one image are installed from.
//
//	Dockerfile        with the kit itself as its context
//	apt.sh            installs packages, install.py wheels
//	base.tar.gz       the layer of the base
//	NN-python/*.deb   of the Python and the distro; NN counts the layers
//	NN-apt/*.deb
//	NN-wheels/*.whl   with a requirements.txt that has their hashes
//	NN-app/*.whl
//	NN-files.tar.gz   the layer of files
const KindKit = "kit"

// Kit returns what a Dockerfile of an image mounts: from the store, or gathered
// there from what made the image. Files that the store has are linked, not copied.
func (b *Builder) Kit(ctx context.Context, p *Plan, img *Image) (*artifacts.Artifact, error) {
	inputs := []artifacts.Input{{Name: "image", Value: string(p.Key)}, {Name: "format", Value: Format}}
	key, err := artifacts.NewKey(KindKit, inputs)
	if err != nil {
		return nil, err
	}
	name := strings.Replace(p.Name, Kind, KindKit, 1)
	if a, err := b.Store.Find(KindKit, key); err == nil {
		return a, b.Store.Point(ctx, a, name)
	}
	draft, err := b.Store.Begin(KindKit)
	if err != nil {
		return nil, err
	}
	defer draft.Discard()
	started := time.Now()
	for i, l := range p.Layers {
		if err := b.kitLayer(ctx, p, draft.Dir(), i, l, img.Layers[i]); err != nil {
			return nil, fmt.Errorf("layer %s of %s: %w", l.Name, l.Image, err)
		}
	}
	for _, script := range []string{"apt.sh", "install.py"} {
		if err := os.WriteFile(filepath.Join(draft.Dir(), script), install.Script(script), 0o644); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(draft.Dir(), "Dockerfile"), []byte(p.Dockerfile(".")), 0o644); err != nil {
		return nil, err
	}
	return draft.Publish(ctx, artifacts.Manifest{
		Kind: KindKit, Name: name, Inputs: inputs, Started: started, Finished: time.Now(),
		Labels: map[string]string{"image": img.Name, "distro": p.req.Target.Distro.Codename, "arch": img.Arch},
	})
}

// kitLayer gathers what one layer is installed from.
func (b *Builder) kitLayer(ctx context.Context, p *Plan, dir string, i int, l *Planned, made Layer) error {
	to := filepath.Join(dir, kitName(i, l))
	switch l.Name {
	case "base", "files":
		return link(made.Path, to)
	case "python", "apt":
		files, err := b.Distros.Files(ctx, p.req.Target, p.base, l.apt)
		if err != nil {
			return err
		}
		for n, f := range append(files, l.debs...) {
			if err := link(f, filepath.Join(to, fmt.Sprintf("%03d.deb", n))); err != nil {
				return err
			}
		}
		return nil
	}
	var lines bytes.Buffer
	for _, t := range l.trees {
		if err := link(t.wheel.Path, filepath.Join(to, t.wheel.Name)); err != nil {
			return err
		}
		name, version, _ := strings.Cut(t.wheel.Name, "-")
		version, _, _ = strings.Cut(version, "-")
		fmt.Fprintf(&lines, "%s==%s \\\n    --hash=sha256:%s\n", name, version, t.wheel.SHA256)
	}
	return os.WriteFile(filepath.Join(to, wheelsFile), lines.Bytes(), 0o644)
}

const wheelsFile = "requirements.txt"

// kitName is the file or directory of a layer in a kit.
func kitName(i int, l *Planned) string {
	switch l.Name {
	case "base":
		return "base.tar.gz"
	case "files":
		return fmt.Sprintf("%02d-files.tar.gz", i)
	}
	return fmt.Sprintf("%02d-%s", i, l.Name)
}

// link makes a file be in a second place too.
func link(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from) // another file system
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// Dockerfile is the image as a Dockerfile for BuildKit. kit is the path of the kit
// in the context of the build.
func (p *Plan) Dockerfile(kit string) string {
	var b strings.Builder
	mount := "RUN --mount=type=bind,source=" + kit + ",target=" + volume + " "
	fmt.Fprintf(&b, "# Made by pybake: %s, key %s.\n# DOCKER_BUILDKIT=1 docker build -f THIS_FILE CONTEXT\nFROM scratch\n", p.Name, p.Key)
	for i, l := range p.Layers {
		at := path.Join(volume, kitName(i, l))
		fmt.Fprintf(&b, "\n# %s of %s: %s\n", l.Name, l.Image, l.By)
		switch l.Name {
		case "base":
			fmt.Fprintf(&b, "ADD %s /\n", path.Join(kit, kitName(i, l)))
		case "python":
			python := "/opt/python/" + p.Series + "/bin/python" + p.Series
			fmt.Fprintf(&b, "%sSOURCE_DATE_EPOCH=%d sh %s/apt.sh %s \\\n && %s -I %s/install.py venv --python %s --venv %s\n", mount, Epoch.Unix(), volume, at, python, volume, python, Venv)
		case "apt":
			fmt.Fprintf(&b, "%sSOURCE_DATE_EPOCH=%d sh %s/apt.sh %s\n", mount, Epoch.Unix(), volume, at)
		case "wheels", "app":
			fmt.Fprintf(&b, "%s%s/bin/python -I %s/install.py wheels --house %s --lock %s/%s --venv %s%s\n", mount, Venv, volume, at, at, wheelsFile, Venv, keepFlag(l))
		case "files":
			fmt.Fprintf(&b, "ADD %s /\n", path.Join(kit, kitName(i, l)))
		}
	}
	b.WriteString("\n")
	p.writeConfig(&b)
	return b.String()
}

// keepFlag is what the wheels of a layer are not slimmed by.
func keepFlag(l *Planned) (flags string) {
	for _, t := range l.trees {
		if name, _, _ := strings.Cut(t.wheel.Name, "-"); t.keep() != "" {
			flags += " --keep " + name + "=" + t.keep()
		}
	}
	return flags
}

func (p *Plan) writeConfig(b *strings.Builder) {
	list := func(words []string) string {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(words); err != nil {
			panic(err) // strings
		}
		return strings.TrimSpace(text.String())
	}
	for _, line := range p.Config.Env {
		name, value, _ := strings.Cut(line, "=")
		fmt.Fprintf(b, "ENV %s=%s\n", name, quoted(value))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Config.Labels)) {
		fmt.Fprintf(b, "LABEL %s=%s\n", quoted(name), quoted(p.Config.Labels[name]))
	}
	for _, port := range p.Config.Ports {
		fmt.Fprintf(b, "EXPOSE %s\n", port)
	}
	fmt.Fprintf(b, "WORKDIR %s\nUSER %s\n", p.Config.Workdir, p.Config.User)
	if len(p.Config.Entrypoint) > 0 {
		fmt.Fprintf(b, "ENTRYPOINT %s\n", list(p.Config.Entrypoint))
	}
	if len(p.Config.Cmd) > 0 {
		fmt.Fprintf(b, "CMD %s\n", list(p.Config.Cmd))
	}
}

// quoted is a value as a Dockerfile has it.
func quoted(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", " ").Replace(value) + `"`
}
