package publish

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// houseTime is the time of all files in an archive: the oldest that a zip file,
// which a wheel is, can have.
var houseTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// HouseTar writes a directory as a tar archive: the same bytes for the same files,
// whenever and by whomever they were made. All of it is in the directory "house/",
// sorted, of mode 0644 and 0755, of user and group 0, of 1980-01-01. Logs, which are in
// logs/, are left out. Anything but files and directories is an error.
func HouseTar(dir string, w io.Writer) error {
	var paths []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == "logs" && entry.IsDir():
			return fs.SkipDir
		case !entry.IsDir() && !entry.Type().IsRegular():
			return fmt.Errorf("%s: neither a file nor a directory", path)
		case !entry.IsDir():
			paths = append(paths, path)
		case path == ".":
		default:
			paths = append(paths, path+"/")
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("archive %s: %w", dir, err)
	}
	slices.Sort(paths)
	out := tar.NewWriter(w)
	for _, path := range append([]string{""}, paths...) {
		if err := addToTar(out, dir, path); err != nil {
			return fmt.Errorf("archive %s: %w", filepath.Join(dir, local(path)), err)
		}
	}
	return out.Close()
}

// addToTar adds a file, or a directory, whose path ends in a slash or is empty.
func addToTar(out *tar.Writer, dir, path string) error {
	head := &tar.Header{Name: "house/" + path, Mode: 0o755, ModTime: houseTime, Typeflag: tar.TypeDir}
	if path == "" || strings.HasSuffix(path, "/") {
		return out.WriteHeader(head)
	}
	f, err := os.Open(filepath.Join(dir, local(path)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head.Mode, head.Typeflag, head.Size = 0o644, tar.TypeReg, info.Size()
	if err := out.WriteHeader(head); err != nil {
		return err
	}
	if n, err := io.Copy(out, f); err != nil {
		return err
	} else if n != head.Size {
		return errors.New("the file changed meanwhile")
	}
	return nil
}
