package build

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
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

// tree writes files of the container as a tar stream. Its paths are absolute.
type tree struct {
	w        *tar.Writer
	prefix   string // of the interpreter
	series   string
	time     time.Time
	maxBytes int64
	maxFiles int

	made map[string]bool // directories
}

// fill puts everything that the job needs into its container.
func (r *Run) fill(ctx context.Context) error {
	request, err := r.request()
	if err != nil {
		return err
	}
	return r.put(ctx, func(t *tree) error {
		if err := t.layout(request); err != nil {
			return err
		}
		if r.b.prepared == nil {
			if err := t.environment(r.job.Wheels); err != nil {
				return err
			}
		}
		if err := r.job.Source.WriteTar(t.w, srcDir[1:], user, user); err != nil {
			return err
		}
		// The source may have brought its directories along as the user's own.
		return t.dir(Dir, 0)
	})
}

// put streams a tar into the container while write makes it.
func (r *Run) put(ctx context.Context, write func(*tree) error) error {
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		w := tar.NewWriter(pw)
		err := write(&tree{
			w: w, prefix: r.b.Prefix, series: r.b.Series, time: r.job.epoch(),
			maxBytes: maxTree, maxFiles: maxFiles, made: map[string]bool{},
		})
		if err == nil {
			err = w.Close()
		}
		pw.CloseWithError(err)
		done <- err
	}()
	err := r.container.Put(ctx, "/", pr)
	// The writer may be waiting for a reader that has given up.
	gaveUp := errors.New("the container takes no more")
	pr.CloseWithError(gaveUp)
	if wrote := <-done; wrote != nil && !errors.Is(wrote, gaveUp) && ctx.Err() == nil {
		return wrote
	}
	return err
}

// Names of a container without network: build.py is the server.
const (
	hosts      = "127.0.0.1 localhost\n::1 localhost\n"
	nameserver = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
)

// layout writes the names, the directories and the driver.
func (t *tree) layout(request []byte) error {
	t.made["/etc"] = true // by the image
	if err := t.dir(Dir, 0); err != nil {
		return err
	}
	for _, name := range []string{srcDir, outDir, homeDir, stateDir} {
		if err := t.dir(name, user); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"/etc/hosts", []byte(hosts)},
		{"/etc/resolv.conf", []byte(nameserver)},
		{Dir + "/build.py", driver},
		{Dir + "/job.json", request},
	} {
		if err := t.file(f.name, false, f.data); err != nil {
			return err
		}
	}
	return nil
}

// environment writes a virtual environment with wheels in it.
func (t *tree) environment(wheels []Wheel) error {
	config := fmt.Sprintf("home = %s/bin\ninclude-system-site-packages = false\nversion = %s\n", t.prefix, t.series)
	if err := t.file(envDir+"/pyvenv.cfg", false, []byte(config)); err != nil {
		return err
	}
	bin := envDir + "/bin"
	interpreter := "python" + t.series
	if err := t.link(bin+"/"+interpreter, path.Join(t.prefix, "bin", interpreter)); err != nil {
		return err
	}
	for _, name := range []string{"python", "python3"} {
		if err := t.link(bin+"/"+name, interpreter); err != nil {
			return err
		}
	}
	if err := t.parents(t.site() + "/x"); err != nil {
		return err
	}
	return t.wheels(wheels)
}

// site is the directory that modules are imported from.
func (t *tree) site() string { return envDir + "/lib/python" + t.series + "/site-packages" }

func (t *tree) wheels(wheels []Wheel) error {
	for _, w := range wheels {
		if err := t.wheel(w); err != nil {
			return fmt.Errorf("build requirement %s: %w", w.Name, err)
		}
	}
	return nil
}

// wheel writes the files of a wheel where pip would install them.
func (t *tree) wheel(w Wheel) error {
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
	p := placer{site: t.site(), data: strings.TrimSuffix(info, ".dist-info") + ".data", include: path.Join(envDir, "include/site", "python"+t.series, name.Name)}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		to, script, err := p.place(f.Name)
		if err == nil {
			err = t.member(f, to, script)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if f.Name == info+"/entry_points.txt" {
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
		return path.Join(envDir, "bin", rest), true, nil
	case "data":
		return path.Join(envDir, rest), false, nil
	case "headers":
		return path.Join(p.include, rest), false, nil
	}
	return "", false, fmt.Errorf("unknown scheme %q", kind)
}

// member writes one file of a wheel. What a wheel calls a link is a file, as it is
// to pip.
func (t *tree) member(f *zip.File, to string, script bool) error {
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
		return t.stream(to, true, int64(f.UncompressedSize64), rest)
	}
	data, err := io.ReadAll(io.LimitReader(rest, maxText+1))
	if err != nil {
		return err
	}
	if len(data) > maxText {
		return fmt.Errorf("a script of more than %d bytes", maxText)
	}
	_, after, _ := bytes.Cut(data, []byte("\n"))
	return t.file(to, true, append([]byte(shebang), after...))
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
	if err := t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Mode: mode, Size: size, ModTime: t.time}); err != nil {
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
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: name[1:], Linkname: target, Mode: 0o777, ModTime: t.time})
}

// parents writes the directories of the environment that a file is in.
func (t *tree) parents(name string) error {
	dir := path.Dir(name)
	if dir == Dir || t.made[dir] {
		return nil
	}
	if err := t.parents(dir); err != nil {
		return err
	}
	t.made[dir] = true
	return t.dir(dir, 0)
}

func (t *tree) dir(name string, owner int) error {
	return t.w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: name[1:] + "/", Mode: 0o755, Uid: owner, Gid: owner, ModTime: t.time,
	})
}
