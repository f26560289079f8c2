package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image/layer"
)

// user is who runs in an image.
type user struct {
	name string // "app"
	uid  int
	home string
}

func (u user) id() string { return strconv.Itoa(u.uid) + ":" + strconv.Itoa(u.uid) }

// own is whether it needs a line in passwd that the base does not have.
func (u user) own() bool { return u.name != DefaultUser && u.uid != 0 }

// parseUser reads "app", "root" or "NAME:UID"; empty is app.
func parseUser(text string) (user, error) {
	switch text {
	case "", DefaultUser:
		return user{DefaultUser, defaultUID, defaultHome}, nil
	case "root":
		return user{"root", 0, "/root"}, nil
	}
	name, digits, ok := strings.Cut(text, ":")
	uid, err := strconv.Atoi(digits)
	if !ok || err != nil || uid < 1 || uid > 59999 || name == "" {
		return user{}, fmt.Errorf(`user %q: want "app", "root" or NAME:UID`, text)
	}
	return user{name, uid, "/home/" + name}, nil
}

// addFiles plans the layer of the files of a link, of its own user and of its
// working directory, if it has any of them.
func (p *Plan) addFiles(l *Link) error {
	u, err := parseUser(l.User)
	if err != nil {
		return err
	}
	ownUser := u.own() && !p.users[l.User]
	if len(l.Files) == 0 && !ownUser && l.Workdir == "" {
		return nil
	}
	in := []artifacts.Input{p.lower()}
	planned := &Planned{Name: "files", Image: l.Name, link: l, By: plural(len(l.Files), "file"), digests: map[string]string{}}
	for _, target := range slices.Sorted(maps.Keys(l.Files)) {
		digest, err := hashFiles(p.req.Root, l.Files[target])
		if err != nil {
			return fmt.Errorf("image %s: files: %w", l.Name, err)
		}
		planned.digests[target] = digest
		in = append(in, artifacts.Input{Name: "file." + target, Value: digest, Note: l.Files[target]})
	}
	if ownUser {
		p.users[l.User] = true
		planned.user = u
		in = append(in, artifacts.Input{Name: "user", Value: l.User})
		planned.By += ", user " + l.User
	}
	if l.Workdir != "" {
		of, err := parseUser(cmp.Or(l.User, p.top.User))
		if err != nil {
			return err
		}
		planned.workdir = owned{l.Workdir, of.uid}
		in = append(in, artifacts.Input{Name: "workdir", Value: l.Workdir + " " + of.id()})
		planned.By += ", " + l.Workdir
	}
	return p.add(planned, in)
}

// owned is a directory with its owner.
type owned struct {
	path string
	uid  int
}

// hashFiles is the hash of a file or directory of a project as it would be in an
// image.
func hashFiles(root, name string) (string, error) {
	h := sha256.New()
	tw := tar.NewWriter(h)
	err := readFiles(root, name, func(h *tar.Header, content io.Reader) error { return putEntry(tw, h, content) })
	if err == nil {
		err = tw.Close()
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), err
}

func putEntry(tw *tar.Writer, h *tar.Header, content io.Reader) error {
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(tw, content)
	return err
}

// readFiles visits a file or directory of a project and what is in it, named
// relative to it: owned by root, mode 0644 or, where its owner may execute it, 0755.
// A link that is named itself is followed; links below it stay links. Both are
// refused where they lead out: of the project, of the directory.
func readFiles(root, name string, visit func(*tar.Header, io.Reader) error) error {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	top, err := filepath.EvalSymlinks(filepath.Join(root, name))
	if err != nil {
		return err
	}
	if !within(root, top) {
		return fmt.Errorf("%s: leads out of the project, to %s", filepath.Join(root, name), top)
	}
	return filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, file)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: filepath.ToSlash(rel), Mode: 0o644, ModTime: Epoch}
		if info.Mode()&0o100 != 0 {
			h.Mode = 0o755
		}
		switch {
		case d.IsDir():
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, h.Name+"/"
		case info.Mode()&fs.ModeSymlink != 0:
			h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
			if h.Linkname, err = os.Readlink(file); err != nil {
				return err
			}
			if filepath.IsAbs(h.Linkname) || !within(top, filepath.Join(filepath.Dir(file), h.Linkname)) {
				return fmt.Errorf("%s: a link that leads out of %s, to %s", file, name, h.Linkname)
			}
		case info.Mode().IsRegular():
			return readFile(file, h, visit)
		default:
			return fmt.Errorf("%s: neither a file nor a directory nor a link", file)
		}
		return visit(h, strings.NewReader(""))
	})
}

// within is whether a path is a directory or below it.
func within(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rel)
}

func readFile(file string, h *tar.Header, visit func(*tar.Header, io.Reader) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := visit(h, io.LimitReader(f, h.Size)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// writeFile writes a file of this machine to a tar.
func writeFile(tw *tar.Writer, file string, h *tar.Header) error {
	return readFile(file, h, func(h *tar.Header, content io.Reader) error { return putEntry(tw, h, content) })
}

// filesLayer writes the layer of files: a fragment. tree is what the layers below
// show.
func (b *Builder) filesLayer(w io.Writer, p *Plan, planned *Planned, tree *layer.Tree, below []layer.Blob) error {
	r, out := io.Pipe()
	go func() {
		tw := tar.NewWriter(out)
		err := writeOwnFiles(&placer{tw: tw, tree: tree, made: map[string]bool{}}, p.req.Root, planned, below)
		if err == nil {
			err = tw.Close()
		}
		out.CloseWithError(err)
	}()
	defer r.Close()
	return layer.Fragment(w, r, layer.Options{Latest: Epoch})
}

func writeOwnFiles(to *placer, root string, planned *Planned, below []layer.Blob) error {
	for _, target := range slices.Sorted(maps.Keys(planned.link.Files)) {
		name := planned.link.Files[target]
		hash := sha256.New()
		again := tar.NewWriter(hash)
		err := readFiles(root, name, func(h *tar.Header, content io.Reader) error {
			if err := again.WriteHeader(h); err != nil {
				return err
			}
			placed := *h
			placed.Name = path.Join(strings.TrimPrefix(target, "/"), h.Name)
			return to.put(&placed, io.TeeReader(content, again))
		})
		if err == nil {
			err = again.Close()
		}
		if err != nil {
			return err
		}
		if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); got != planned.digests[target] {
			return fmt.Errorf("%s: it changed meanwhile", name)
		}
	}
	if planned.user.name != "" {
		if err := writeUser(to, planned.user, below); err != nil {
			return err
		}
	}
	if planned.workdir.path == "" {
		return nil
	}
	return to.directory(strings.TrimPrefix(planned.workdir.path, "/"), &tar.Header{
		Typeflag: tar.TypeDir, Mode: 0o755, Uid: planned.workdir.uid, Gid: planned.workdir.uid, ModTime: Epoch,
	})
}

// placer writes files where they belong above other layers: directories that are
// there already keep mode and owner, and links to directories are followed.
type placer struct {
	tw   *tar.Writer
	tree *layer.Tree
	made map[string]bool // directories that were written
}

// put writes an entry, after the directories above it.
func (p *placer) put(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		return p.directory(h.Name, h)
	}
	dir, err := p.above(path.Dir(h.Name))
	if err != nil {
		return err
	}
	h.Name = path.Join(dir, path.Base(h.Name))
	if e, ok := p.tree.Entry(h.Name); ok && e.Type == tar.TypeDir {
		return fmt.Errorf("/%s: below it is a directory", h.Name)
	}
	return putEntry(p.tw, h, content)
}

// above writes the directories of a path, as they are or new, and returns where it
// leads.
func (p *placer) above(dir string) (string, error) {
	if dir == "." || dir == "/" {
		return "", nil
	}
	parent, err := p.above(path.Dir(dir))
	if err != nil {
		return "", err
	}
	name := path.Join(parent, path.Base(dir))
	e, ok := p.tree.Lookup(name)
	if !ok {
		return name, p.make(name, &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755, ModTime: Epoch})
	}
	if e.Type != tar.TypeDir {
		return "", fmt.Errorf("/%s: below it is a file", name)
	}
	if e.Name != name { // by a link
		if _, err := p.above(path.Dir(e.Name)); err != nil {
			return "", err
		}
	}
	return e.Name, p.make(e.Name, &tar.Header{Typeflag: tar.TypeDir, Mode: e.Mode, Uid: e.UID, Gid: e.GID, ModTime: Epoch})
}

// directory writes a directory as h says, unless it is there.
func (p *placer) directory(name string, h *tar.Header) error {
	name = strings.TrimSuffix(name, "/")
	if _, ok := p.tree.Lookup(name); ok {
		_, err := p.above(name)
		return err
	}
	dir, err := p.above(path.Dir(name))
	if err != nil {
		return err
	}
	return p.make(path.Join(dir, path.Base(name)), h)
}

func (p *placer) make(name string, h *tar.Header) error {
	if name == "" || p.made[name] {
		return nil
	}
	p.made[name] = true
	h.Name = name + "/"
	return p.tw.WriteHeader(h)
}

// writeUser writes passwd and group with one more line, and the home directory.
func writeUser(to *placer, u user, below []layer.Blob) error {
	for _, f := range []struct {
		name, line string
		mode       int64
	}{
		{"etc/passwd", fmt.Sprintf("%s:x:%d:%d::%s:/usr/sbin/nologin\n", u.name, u.uid, u.uid, u.home), 0o644},
		{"etc/group", fmt.Sprintf("%s:x:%d:\n", u.name, u.uid), 0o644},
	} {
		text, err := layer.ReadFile(below, f.name)
		if err != nil {
			return fmt.Errorf("user %s: %w", u.name, err)
		}
		for line := range bytes.Lines(text) {
			fields := strings.Split(string(line), ":")
			if len(fields) > 2 && (fields[0] == u.name || fields[2] == strconv.Itoa(u.uid)) {
				return fmt.Errorf("user %s:%d: /%s of what the image stands on has %q", u.name, u.uid, f.name, strings.TrimSpace(string(line)))
			}
		}
		text = append(text, f.line...)
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(text)), Typeflag: tar.TypeReg, ModTime: Epoch}
		if err := to.put(h, bytes.NewReader(text)); err != nil {
			return err
		}
	}
	return to.directory(strings.TrimPrefix(u.home, "/"), &tar.Header{Mode: 0o700, Uid: u.uid, Gid: u.uid, Typeflag: tar.TypeDir, ModTime: Epoch})
}
