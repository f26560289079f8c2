package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Report publishes a report beside the generations, at report/: the files replace all
// that were there, in one step. Their paths have no "report/". It is in no list and has
// no signature. It is not synced: a power cut may leave an empty one, until the next.
func (d *Directory) Report(ctx context.Context, files []File) error {
	if err := d.report(ctx, files); err != nil {
		return fmt.Errorf("publish report into %s: %w", d.Dir, err)
	}
	return nil
}

func (d *Directory) report(ctx context.Context, files []File) error {
	for _, f := range files {
		if err := checkPath(f.Path); err != nil {
			return err
		}
	}
	release, err := d.lock(ctx, unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer release()
	if err := errors.Join(d.sweep(), mkdir(d.path(reportsDir))); err != nil {
		return err
	}
	if info, err := os.Lstat(d.path(reportLink)); err == nil && info.Mode().Type() != fs.ModeSymlink {
		return fmt.Errorf("%s: something else than a link is there", d.path(reportLink))
	}
	numbers, err := d.numbered(reportsDir)
	if err != nil {
		return err
	}
	number := 1
	if len(numbers) > 0 {
		number = numbers[0] + 1
	}
	draft := d.work("report")
	defer os.RemoveAll(draft)
	p := &publication{Directory: d}
	if err := p.makeDirs(draft, files); err != nil {
		return err
	}
	for _, f := range files {
		if err := d.do("write "+f.Path, func() error { return writeFile(filepath.Join(draft, local(f.Path)), f.Data) }); err != nil {
			return err
		}
	}
	place := path.Join(reportsDir, generationName(number))
	if err := d.do("rename report", func() error { return os.Rename(draft, d.path(place)) }); err != nil {
		return err
	}
	return d.switchLink(reportLink, place)
}

// trash takes something out of the directory at once, and deletes it then.
func (d *Directory) trash(name string) error {
	bin := d.work("trash")
	if err := d.do("remove "+name, func() error { return os.Rename(d.path(name), bin) }); err != nil {
		return err
	}
	return d.do("delete "+name, func() error { return os.RemoveAll(bin) })
}
