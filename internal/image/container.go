package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image/install"
	"github.com/pybake/pybake/internal/image/layer"
)

// volume is where packages are mounted: a directory that every distro has.
const volume = "/mnt"

// engineOwn is what an engine puts into every container, and what is different in
// every run.
func engineOwn(name string, h *tar.Header) bool {
	switch name {
	case ".dockerenv", "sbin/docker-init", "usr/sbin/docker-init", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", ".containerenv", "run/.containerenv":
		return true
	}
	top, rest, _ := strings.Cut(name, "/")
	if top == "run" && h != nil && h.Typeflag == tar.TypeDir {
		return false // packages have theirs there: /run/lock
	}
	return rest != "" && slices.Contains([]string{"dev", "proc", "sys", "tmp", "run"}, top)
}

// baseLayer writes the base image of the distro, slim, with the ordinary user.
func (b *Builder) baseLayer(ctx context.Context, p *Plan, w io.Writer) error {
	if _, err := b.Distros.Base(ctx, p.req.Target, &p.base); err != nil {
		return err
	}
	c, err := b.Distros.Offliner(ctx, p.req.Target, baseRef(p), "base")
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	err = b.root(ctx, c, bytes.NewReader(install.Script("apt.sh")), "sh", "-s", "--", "--slim")
	if err != nil {
		return err
	}
	// A base image may have somebody with this number: Ubuntu's does.
	id := strconv.Itoa(defaultUID)
	err = b.root(ctx, c, strings.NewReader(strings.NewReplacer("UID", id, "NAME", DefaultUser, "HOME", defaultHome).Replace(`
		set -eu
		for f in passwd group; do sed -i '/^[^:]*:[^:]*:UID:/d' /etc/$f; done
		echo 'NAME:x:UID:UID::HOME:/usr/sbin/nologin' >> /etc/passwd
		echo 'NAME:x:UID:' >> /etc/group
		mkdir -p HOME
		chown UID:UID HOME
		chmod 0700 HOME`)), "sh", "-s")
	if err != nil {
		return err
	}
	root, err := c.Root(ctx)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := layer.Fragment(w, root, layer.Options{Latest: Epoch, Drop: engineOwn}); err != nil {
		return err
	}
	return c.Remove(ctx)
}

// aptLayer writes what installing packages on the layers below changes.
func (b *Builder) aptLayer(ctx context.Context, p *Plan, i int, below []Layer, w io.Writer) error {
	planned := p.Layers[i]
	files, err := b.Distros.Files(ctx, p.req.Target, p.base, planned.apt)
	if err != nil {
		return err
	}
	ref, err := b.lowerImage(ctx, p, below)
	if err != nil {
		return err
	}
	vol, err := b.Engine.NewVolume(ctx, ref, planned.Name+"-"+p.req.Target.String())
	if err != nil {
		return err
	}
	defer vol.Remove(ctx)
	if err := fill(ctx, vol, append(files, planned.debs...)); err != nil {
		return err
	}
	c, err := b.Distros.Start(ctx, engine.Spec{
		Image: ref, Purpose: planned.Name + "-" + p.req.Target.String(), Mounts: []engine.Mount{{Volume: vol, Target: volume}}, NoNames: true,
		Env: []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(Epoch.Unix(), 10)},
	})
	if err != nil {
		return err
	}
	defer c.Remove(ctx)
	if err := b.root(ctx, c, nil, "sh", volume+"/apt.sh", volume+"/debs"); err != nil {
		return err
	}
	if err := b.changed(ctx, c, w); err != nil {
		return err
	}
	if err := c.Remove(ctx); err != nil {
		return err
	}
	return vol.Remove(ctx)
}

// root runs a command as root in a container, with its output in the log.
func (b *Builder) root(ctx context.Context, c *engine.Container, stdin io.Reader, argv ...string) error {
	var said bytes.Buffer
	out := io.MultiWriter(b.Report.Output(), &said)
	err := c.Exec(ctx, engine.Command{Argv: argv, User: "0:0", Stdin: stdin, Stdout: out, Stderr: out})
	if errors.As(err, new(*engine.ExitError)) {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s: %w", strings.Join(lines[max(0, len(lines)-5):], "; "), err)
	}
	return err
}

// fill puts packages and the script that installs them on a volume.
func fill(ctx context.Context, vol *engine.Volume, files []string) error {
	r, w := io.Pipe()
	go func() {
		tw := tar.NewWriter(w)
		err := putScript(tw)
		for i, f := range files {
			if err == nil {
				err = writeFile(tw, f, &tar.Header{Name: fmt.Sprintf("debs/%03d.deb", i), Mode: 0o644})
			}
		}
		if err == nil {
			err = tw.Close()
		}
		w.CloseWithError(err)
	}()
	defer r.Close()
	return vol.Put(ctx, "/", r)
}

func putScript(tw *tar.Writer) error {
	script := install.Script("apt.sh")
	if err := tw.WriteHeader(&tar.Header{Name: "apt.sh", Mode: 0o644, Size: int64(len(script)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := tw.Write(script)
	return err
}

// changed writes what changed in a container since it started: two fragments, the
// files and then what was deleted.
func (b *Builder) changed(ctx context.Context, c *engine.Container, w io.Writer) error {
	changes, err := c.Changes(ctx)
	if err != nil {
		return err
	}
	var list, deleted bytes.Buffer
	gone := tar.NewWriter(&deleted)
	for _, ch := range changes {
		name := strings.TrimPrefix(ch.Path, "/")
		if engineOwn(name, nil) && !strings.HasPrefix(name, "run/") {
			continue
		}
		if !ch.Deleted {
			list.WriteString("./" + name + "\x00")
			continue
		}
		h := &tar.Header{Name: path.Join(path.Dir(name), ".wh."+path.Base(name)), Mode: 0o644, Typeflag: tar.TypeReg, ModTime: Epoch}
		if err := gone.WriteHeader(h); err != nil {
			return err
		}
	}
	if err := gone.Close(); err != nil {
		return err
	}
	r, out := io.Pipe()
	said := &bytes.Buffer{}
	go func() {
		out.CloseWithError(c.Exec(ctx, engine.Command{
			Argv: []string{"tar", "--create", "--directory=/", "--no-recursion", "--numeric-owner", "--format=pax",
				"--xattrs", "--xattrs-include=security.capability", "--null", "--files-from=-"},
			User: "0:0", Stdin: &list, Stdout: out, Stderr: said,
		}))
	}()
	defer r.Close()
	if err := layer.Fragment(w, r, layer.Options{Latest: Epoch, Drop: engineOwn}); err != nil {
		return fmt.Errorf("read what changed: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return layer.Fragment(w, &deleted, layer.Options{Latest: Epoch})
}
