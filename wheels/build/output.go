package build

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// maxWheel is the size of the largest wheel that is brought out.
const maxWheel = 4 << 30

// misnamed says what is wrong with the name that a backend gave to its wheel.
func (j Job) misnamed(filename string) string {
	name, err := pep.ParseWheelName(filename)
	if err != nil || filename != path.Base(filename) {
		return fmt.Sprintf("the backend calls its wheel %.200q, which is no name of a wheel", filename)
	}
	if !j.Unnamed && name.Name != pep.NormalizeName(j.Name) {
		return fmt.Sprintf("the wheel %s is not one of %s", filename, j.Name)
	}
	if j.Version == "" {
		return ""
	}
	want, err := pep.ParseVersion(j.Version)
	if err != nil {
		return err.Error()
	}
	if name.Version.Compare(want) != 0 {
		return fmt.Sprintf("the wheel %s is not of version %s", filename, j.Version)
	}
	return ""
}

// fetch brings the one wheel of the output here.
func (r *Run) fetch(ctx context.Context, name, dir string) (err error) {
	fail := func(err error) error { return fmt.Errorf("%s: fetch %s: %w", r.job, name, err) }
	part, err := os.CreateTemp(dir, ".part-*")
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err != nil {
			os.Remove(part.Name())
		}
	}()
	defer part.Close()
	var found []string
	err = r.output(ctx, wheelHook, outDir, func(stream io.Reader) (err error) {
		found, err = takeWheel(part, stream, name)
		return err
	})
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] != name {
		return r.fail(wheelHook, BadOutput, "the backend made "+listing(found)+", not "+name+" alone")
	}
	if err := part.Chmod(0o644); err != nil {
		return fail(err)
	}
	if err := part.Close(); err != nil {
		return fail(err)
	}
	if err := os.Rename(part.Name(), filepath.Join(dir, name)); err != nil {
		return fail(err)
	}
	return nil
}

// output has take read the tar of a directory of the container, of which a step made
// what is in it.
func (r *Run) output(ctx context.Context, step, dir string, take func(io.Reader) error) error {
	cut := false
	_, err := r.ask(ctx, step, func() (a answer, err error) {
		if err := r.worker.send('G', map[string]string{"dir": dir}); err != nil {
			return a, err
		}
		stream, to := io.Pipe()
		taken := make(chan error, 1)
		go func() {
			err := take(stream)
			if n, _ := io.CopyN(io.Discard, stream, maxRest); n == maxRest {
				stream.CloseWithError(errEnough)
			}
			taken <- err
		}()
		a, err = r.worker.answer('d', to)
		to.CloseWithError(cmp.Or(err, io.EOF))
		took := <-taken
		if cut = errors.Is(err, errEnough); cut {
			err = nil
		}
		return a, cmp.Or(err, took)
	})
	if cut { // it goes on sending
		err = errors.Join(err, r.worker.remove(ctx))
		r.worker = nil
	}
	return err
}

// maxRest is how much may follow what a tar is judged by.
const maxRest = 64 << 20

var errEnough = errors.New("no more of it is wanted")

// takeWheel copies the regular file called name out of the tar of a directory, and
// lists all that is in it; what is no regular file with its type.
func takeWheel(dst io.Writer, stream io.Reader, name string) (found []string, err error) {
	members := tar.NewReader(stream)
	for len(found) < 20 {
		h, err := members.Next()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		_, member, _ := strings.Cut(strings.TrimSuffix(h.Name, "/"), "/")
		if member == "" { // the directory itself
			continue
		}
		switch {
		case h.Typeflag != tar.TypeReg:
			member += " (" + typeName(h.Typeflag) + ")"
		case h.Size > maxWheel:
			return append(found, member+" ("+size(h.Size)+")"), nil
		case member == name:
			if _, err := io.Copy(dst, members); err != nil {
				return nil, err
			}
		}
		found = append(found, member)
	}
	return append(found, "more"), nil
}

func typeName(flag byte) string {
	switch flag {
	case tar.TypeDir:
		return "a directory"
	case tar.TypeSymlink:
		return "a symbolic link"
	case tar.TypeLink:
		return "a hard link"
	}
	return "no regular file"
}

func listing(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
