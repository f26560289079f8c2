package install

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pattern"
)

// Wheel is a wheel to install.
type Wheel struct {
	Path   string   // where it lies: "/home/me/baked/wheels/uv.lock-…/numpy-2.3.0-….whl"
	Name   string   // its file name: "numpy-2.3.0-cp313-cp313-manylinux_2_28_x86_64.whl"
	SHA256 string   // of the file, "9ab2…"
	Keep   []string // what is not left out of it: "tests", see install.py
}

// workDir is where everything lies in a container.
const workDir = "/srv/install"

// Trees installs wheels in a container that has the interpreter of a series and
// hands over the files of each, as soon as it has them and in no promised order:
// a tar whose names begin with "venv/", with owners 0:0. It holds what the wheel
// installs and the directories that this is in. each is called by one goroutine
// at a time, and need not read to the end. A container serves one call, as the
// wheels stay in it.
//
// What is wrong with wheels is told together, in lines "FILE: what". If each
// returns an error, that is the error, and no more wheels are handed over.
func Trees(ctx context.Context, c *engine.Container, series string, wheels []Wheel, jobs int, each func(w Wheel, files io.Reader) error) error {
	if len(wheels) == 0 {
		return nil
	}
	if err := trees(ctx, c, series, wheels, jobs, each); err != nil {
		return fmt.Errorf("install wheels: %w", err)
	}
	return nil
}

func trees(ctx context.Context, c *engine.Container, series string, wheels []Wheel, jobs int, each func(w Wheel, files io.Reader) error) error {
	files, argv, err := arguments(series, wheels, jobs)
	if err != nil {
		return err
	}
	if err := putFiles(ctx, c, files, wheels); err != nil {
		return fmt.Errorf("copy wheels into the container: %w", err)
	}
	said := newDone(wheels)
	var problems tail
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		err := c.Exec(ctx, engine.Command{Argv: argv, Env: []string{"LC_ALL=C.UTF-8"}, Dir: "/", Stdout: said, Stderr: &problems})
		close(said.names)
		ended <- err
	}()
	left := map[string]Wheel{}
	for _, w := range wheels {
		left[w.Name] = w
	}
	for name := range said.names {
		err := tree(ctx, c, left[name], each)
		delete(left, name)
		if err != nil {
			// Ending the command means removing the container.
			cancel(err)
			<-ended
			return err
		}
	}
	if err := <-ended; err != nil {
		if exit := new(engine.ExitError); errors.As(err, &exit) && len(problems) > 0 && !exit.OOM && !engine.IsGone(err) {
			return errors.New(strings.TrimSpace(string(problems)))
		}
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("install.py did not tell of %d of %d wheels", len(left), len(wheels))
	}
	return nil
}

var (
	nameRE   = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.+!-]*\.whl$`)
	hashRE   = pattern.New(`^[0-9a-f]{64}$`)
	seriesRE = pattern.New(`^[0-9]+\.[0-9]+$`)
)

// arguments are the files beside the wheels, by name, and the command.
func arguments(series string, wheels []Wheel, jobs int) (map[string][]byte, []string, error) {
	if !seriesRE.MatchString(series) {
		return nil, nil, fmt.Errorf("%q is no series of Python", series)
	}
	argv := []string{
		python(series), "-I", "-B", workDir + "/install.py", "wheels", "--each", "--root", workDir + "/trees", "--venv", VenvDir,
		"--house", workDir + "/house", "--lock", workDir + "/requirements.txt", "--jobs", fmt.Sprint(max(1, jobs)),
	}
	var lock bytes.Buffer
	seen := map[string]bool{}
	for _, w := range wheels {
		project, rest, _ := strings.Cut(w.Name, "-")
		version, _, _ := strings.Cut(rest, "-")
		switch {
		case !nameRE.MatchString(w.Name) || version == "":
			return nil, nil, fmt.Errorf("%q is not the name of a wheel", w.Name)
		case !hashRE.MatchString(w.SHA256):
			return nil, nil, fmt.Errorf("%s: %q is no SHA-256", w.Name, w.SHA256)
		case seen[w.Name]:
			return nil, nil, fmt.Errorf("%s: is there twice", w.Name)
		}
		seen[w.Name] = true
		fmt.Fprintf(&lock, "%s==%s --hash=sha256:%s\n", project, version, w.SHA256)
		if len(w.Keep) > 0 {
			argv = append(argv, "--keep", project+"="+strings.Join(w.Keep, ","))
		}
	}
	return map[string][]byte{"install.py": installPy, "requirements.txt": lock.Bytes()}, argv, nil
}

// putFiles copies the wheels, and what else is needed, to workDir.
func putFiles(ctx context.Context, c *engine.Container, files map[string][]byte, wheels []Wheel) error {
	r, w := io.Pipe()
	go func() {
		tw := tar.NewWriter(w)
		err := writeFiles(tw, files, wheels)
		if err == nil {
			err = tw.Close()
		}
		w.CloseWithError(err)
	}()
	err := c.Put(ctx, path.Dir(workDir), r)
	// The writer may be waiting for a reader that has given up.
	r.CloseWithError(errors.New("the container takes no more"))
	return err
}

func writeFiles(tw *tar.Writer, files map[string][]byte, wheels []Wheel) error {
	top := path.Base(workDir)
	for _, dir := range []string{top, top + "/house", top + "/trees"} {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, Uid: 1000, Gid: 1000}); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := tw.WriteHeader(&tar.Header{Name: top + "/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := tw.Write(text); err != nil {
			return err
		}
	}
	for _, wheel := range wheels {
		if err := writeWheel(tw, top+"/house/"+wheel.Name, wheel.Path); err != nil {
			return err
		}
	}
	return nil
}

func writeWheel(tw *tar.Writer, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

// tree hands over the files of a wheel.
func tree(ctx context.Context, c *engine.Container, w Wheel, each func(w Wheel, files io.Reader) error) error {
	stream, err := c.Get(ctx, workDir+"/trees/"+w.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", w.Name, err)
	}
	defer stream.Close()
	r, pw := io.Pipe()
	moved := make(chan error, 1)
	go func() {
		err := strip(pw, stream)
		pw.CloseWithError(err)
		moved <- err
	}()
	err = each(w, r)
	// The writer must not wait for a reader that has enough.
	r.CloseWithError(errEnough)
	if cut := <-moved; err == nil && cut != nil && !errors.Is(cut, errEnough) {
		err = cut
	}
	if err != nil {
		return fmt.Errorf("%s: %w", w.Name, err)
	}
	return nil
}

var errEnough = errors.New("enough was read")

// strip writes a tar without the directory that all of it is in, and with
// owners 0:0.
func strip(w io.Writer, r io.Reader) error {
	in, out := tar.NewReader(r), tar.NewWriter(w)
	for {
		h, err := in.Next()
		if err == io.EOF {
			return out.Close()
		}
		if err != nil {
			return err
		}
		_, name, ok := strings.Cut(h.Name, "/")
		if !ok || name == "" {
			continue
		}
		if !slices.Contains([]byte{tar.TypeReg, tar.TypeDir}, h.Typeflag) {
			return fmt.Errorf("%s: neither a file nor a directory", h.Name)
		}
		err = out.WriteHeader(&tar.Header{Typeflag: h.Typeflag, Name: name, Mode: h.Mode & 0o777, Size: h.Size, ModTime: h.ModTime})
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
}
