package build

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pep"
)

// Bounds of what all wheels of an environment hold.
const (
	maxTree  = 16 << 30
	maxFiles = 500_000
)

// tree writes files of an environment as a tar stream. Its paths are relative to the
// environment.
type tree struct {
	w        *tar.Writer
	top      string // directory of the stream that the environment is in; "" is the top
	env      string // the environment as programs see it: "/build-env/0f31bd6a2c9e4d57"
	prefix   string // of the interpreter
	series   string
	time     time.Time
	maxBytes int64
	maxFiles int

	made map[string]bool // directories
}

// interpreter writes a virtual environment with nothing in it.
func (t *tree) interpreter() error {
	config := fmt.Sprintf("home = %s/bin\ninclude-system-site-packages = false\nversion = %s\n", t.prefix, t.series)
	if err := t.file("pyvenv.cfg", false, []byte(config)); err != nil {
		return err
	}
	interpreter := "python" + t.series
	if err := t.link("bin/"+interpreter, path.Join(t.prefix, "bin", interpreter)); err != nil {
		return err
	}
	for _, name := range []string{"python", "python3"} {
		if err := t.link("bin/"+name, interpreter); err != nil {
			return err
		}
	}
	return t.parents(t.site() + "/x")
}

// site is the directory that modules are imported from.
func (t *tree) site() string { return "lib/python" + t.series + "/site-packages" }

// wheels writes parts of wheels, as wheel does.
func (t *tree) wheels(wheels []Wheel, files, programs bool) error {
	for _, w := range wheels {
		if err := t.wheel(w, files, programs); err != nil {
			return fmt.Errorf("build requirement %s: %w", w.Name, err)
		}
	}
	return nil
}

// wheel writes the files of a wheel where pip would install them, or its programs,
// which name the environment, or both.
func (t *tree) wheel(w Wheel, files, programs bool) error {
	name, err := pep.ParseWheelName(w.Name)
	if err != nil {
		return err
	}
	z, err := zip.OpenReader(w.Path)
	if err != nil {
		return err
	}
	defer z.Close()
	info, err := distInfo(&z.Reader, name.Name)
	if err != nil {
		return err
	}
	p := placer{site: t.site(), data: strings.TrimSuffix(info, ".dist-info") + ".data", include: path.Join("include/site", "python"+t.series, name.Name)}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		to, script, err := p.place(f.Name)
		if err == nil {
			err = t.member(f, to, script, files, programs)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if programs && f.Name == info+"/entry_points.txt" {
			if err := t.scripts(f); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

// distInfo is the name of the wheel's .dist-info directory.
func distInfo(z *zip.Reader, project string) (string, error) {
	for _, f := range z.File {
		dir, file, _ := strings.Cut(f.Name, "/")
		stem, ok := strings.CutSuffix(dir, ".dist-info")
		dist, _, _ := strings.Cut(stem, "-")
		if ok && file == "METADATA" && pep.NormalizeName(dist) == project {
			return dir, nil
		}
	}
	return "", errors.New("no .dist-info/METADATA of that project")
}

// placer says where the members of a wheel go.
type placer struct {
	site    string
	data    string // "foo-1.0.data"
	include string
}

func (p placer) place(name string) (to string, script bool, err error) {
	if !fs.ValidPath(name) || len(name) > 1024 || strings.ContainsAny(name, "\\\x00") {
		return "", false, errors.New("not a path within the wheel")
	}
	top, rest, _ := strings.Cut(name, "/")
	if top != p.data {
		return path.Join(p.site, name), false, nil
	}
	kind, rest, _ := strings.Cut(rest, "/")
	if rest == "" {
		return "", false, errors.New("not below a scheme")
	}
	switch kind {
	case "purelib", "platlib":
		return path.Join(p.site, rest), false, nil
	case "scripts":
		return path.Join("bin", rest), true, nil
	case "data":
		return rest, false, nil
	case "headers":
		return path.Join(p.include, rest), false, nil
	}
	return "", false, fmt.Errorf("unknown scheme %q", kind)
}

// member writes one file of a wheel. What a wheel calls a link is a file, as it is
// to pip.
func (t *tree) member(f *zip.File, to string, script, files, programs bool) error {
	if !script && !files {
		return nil
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if !script {
		return t.stream(to, f.Mode().Perm()&0o111 != 0, int64(f.UncompressedSize64), r)
	}
	const python = "#!python" // and #!pythonw
	start := make([]byte, len(python))
	n, err := io.ReadFull(r, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	rest := io.MultiReader(bytes.NewReader(start[:n]), r)
	if string(start[:n]) != python {
		if !files {
			return nil
		}
		return t.stream(to, true, int64(f.UncompressedSize64), rest)
	}
	if !programs {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(rest, maxText+1))
	if err != nil {
		return err
	}
	if len(data) > maxText {
		return fmt.Errorf("a script of more than %d bytes", maxText)
	}
	_, after, _ := bytes.Cut(data, []byte("\n"))
	return t.file(to, true, append([]byte(t.shebang()), after...))
}

func (t *tree) file(name string, exec bool, data []byte) error {
	return t.stream(name, exec, int64(len(data)), bytes.NewReader(data))
}

// stream writes a regular file of root.
func (t *tree) stream(name string, exec bool, size int64, r io.Reader) error {
	if t.maxFiles--; t.maxFiles < 0 {
		return errors.New("too many files in the environment")
	}
	if t.maxBytes -= size; size < 0 || t.maxBytes < 0 {
		return errors.New("the environment is too large")
	}
	if err := t.parents(name); err != nil {
		return err
	}
	mode := int64(0o644)
	if exec {
		mode = 0o755
	}
	if err := t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(t.top, name), Mode: mode, Size: size, ModTime: t.time}); err != nil {
		return err
	}
	n, err := io.Copy(t.w, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (t *tree) link(name, target string) error {
	if err := t.parents(name); err != nil {
		return err
	}
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: path.Join(t.top, name), Linkname: target, Mode: 0o777, ModTime: t.time})
}

// parents writes the directories of the environment that a file is in.
func (t *tree) parents(name string) error {
	dir := path.Dir(name)
	if dir == "." || t.made[dir] {
		return nil
	}
	if err := t.parents(dir); err != nil {
		return err
	}
	t.made[dir] = true
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path.Join(t.top, dir) + "/", Mode: 0o755, ModTime: t.time})
}
