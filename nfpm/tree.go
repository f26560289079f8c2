package nfpm

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Tree lists what lies below dir, to be installed below prefix ("/opt/python",
// or "/" for a tree made with DESTDIR), in lexical order: directories, empty
// ones too, regular files by Source, and symlinks. Modes are 0755 for
// directories and for files that anyone may execute, else 0644; set-id bits and
// owners are dropped. Anything else (device, socket, pipe) is an error, and so
// is a name that dpkg cannot list. Unless it is "/", prefix is an entry too.
func Tree(dir, prefix string) ([]File, error) {
	var list []File
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		f := File{Path: path.Join(prefix, rel)}
		if rel == "." && !d.IsDir() {
			return fmt.Errorf("%s: not a directory", name)
		}
		if f.Path == "/" {
			return nil
		}
		if err := checkPath(f.Path); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		switch d.Type() {
		case fs.ModeDir:
			f.Dir, f.Mode = true, 0o755
		case fs.ModeSymlink:
			if f.Link, err = os.Readlink(name); err != nil {
				return err
			}
		case 0:
			info, err := d.Info()
			if err != nil {
				return err
			}
			f.Source, f.Mode = name, 0o644
			if info.Mode()&0o111 != 0 {
				f.Mode = 0o755
			}
		default:
			return fmt.Errorf("%s: mode %v: want a regular file, symlink or directory", name, d.Type())
		}
		list = append(list, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tree %s: %w", dir, err)
	}
	return list, nil
}
