package image

import (
	"archive/tar"
	"bytes"
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

// addFiles plans the layer of the files of a link and of its own user, if it has any.
func (p *Plan) addFiles(l *Link) error {
	u, err := parseUser(l.User)
	if err != nil {
		return err
	}
	if len(l.Files) == 0 && !u.own() {
		return nil
	}
	var in []artifacts.Input
	for _, target := range slices.Sorted(maps.Keys(l.Files)) {
		digest, err := hashFiles(filepath.Join(p.req.Root, l.Files[target]))
		if err != nil {
			return fmt.Errorf("image %s: files: %w", l.Name, err)
		}
		in = append(in, artifacts.Input{Name: "file." + target, Value: digest, Note: l.Files[target]})
	}
	by := plural(len(l.Files), "file")
	if u.own() {
		in = append(in, artifacts.Input{Name: "user", Value: l.User}, p.lower())
		by += ", user " + l.User
	}
	return p.add(&Planned{Name: "files", Image: l.Name, link: l, By: by}, in)
}

// hashFiles is the hash of a file or directory as it would be in an image.
func hashFiles(root string) (string, error) {
	h := sha256.New()
	tw := tar.NewWriter(h)
	if err := writeFiles(tw, root, "files"); err != nil {
		return "", err
	}
	if err := tw.Close(); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// writeFiles writes a file or directory to a tar below a name: owned by root, mode
// 0644 or, where its owner may execute it, 0755. Links stay links.
func writeFiles(tw *tar.Writer, root, below string) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: path.Join(below, filepath.ToSlash(rel)), Mode: 0o644, ModTime: Epoch}
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
		case info.Mode().IsRegular():
			return writeFile(tw, file, h)
		default:
			return fmt.Errorf("%s: neither a file nor a directory nor a link", file)
		}
		return tw.WriteHeader(h)
	})
}

func writeFile(tw *tar.Writer, file string, h *tar.Header) error {
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
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.Copy(tw, f); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// filesLayer writes the layer of files: a fragment.
func (b *Builder) filesLayer(w io.Writer, p *Plan, l *Link, below []layer.Blob) error {
	r, out := io.Pipe()
	go func() {
		tw := tar.NewWriter(out)
		err := b.writeOwnFiles(tw, p, l, below)
		if err == nil {
			err = tw.Close()
		}
		out.CloseWithError(err)
	}()
	defer r.Close()
	return layer.Fragment(w, r, layer.Options{Latest: Epoch})
}

func (b *Builder) writeOwnFiles(tw *tar.Writer, p *Plan, l *Link, below []layer.Blob) error {
	for _, target := range slices.Sorted(maps.Keys(l.Files)) {
		err := writeFiles(tw, filepath.Join(p.req.Root, l.Files[target]), strings.TrimPrefix(target, "/"))
		if err != nil {
			return err
		}
	}
	u, err := parseUser(l.User)
	if err != nil || !u.own() {
		return err
	}
	return writeUser(tw, u, below)
}

// writeUser writes passwd and group with one more line, and the home directory.
func writeUser(tw *tar.Writer, u user, below []layer.Blob) error {
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
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(text)), Typeflag: tar.TypeReg, ModTime: Epoch}); err != nil {
			return err
		}
		if _, err := tw.Write(text); err != nil {
			return err
		}
	}
	return tw.WriteHeader(&tar.Header{Name: strings.TrimPrefix(u.home, "/") + "/", Mode: 0o700, Uid: u.uid, Gid: u.uid, Typeflag: tar.TypeDir, ModTime: Epoch})
}
