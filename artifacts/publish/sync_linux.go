package publish

import (
	"os"

	"golang.org/x/sys/unix"
)

// sync brings everything that was written to disk, at once: a publication is
// thousands of small files.
func (d *Directory) sync() error {
	f, err := os.Open(d.Dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &os.PathError{Op: "syncfs", Path: d.Dir, Err: err}
	}
	return nil
}
