package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxFile is the size of the largest key file.
const maxFile = 1 << 20

// ModeError is a key file that others may read or change.
type ModeError struct {
	Path string
	Mode fs.FileMode // its permissions
	UID  int         // its owner
}

func (e *ModeError) Error() string {
	if e.Mode&0o077 == 0 {
		return fmt.Sprintf("%s belongs to user %d", e.Path, e.UID)
	}
	return fmt.Sprintf("%s has mode %04o: others have access to it", e.Path, e.Mode)
}

// readPrivate reads a private key file. Links are followed; what is checked is the
// file that was opened, which belongs to this user or root.
func readPrivate(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe does not block
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	uid := 0
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		uid = int(owner.Uid)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 || uid != 0 && uid != os.Geteuid() {
		return nil, &ModeError{path, mode, uid}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return text, nil
}

// Write writes the private keys to path (mode 0600), without a passphrase, and the
// public keys to path with ".pub" at its end (mode 0644). Missing directories are
// made (mode 0700). Neither file is ever overwritten: the error is fs.ErrExist.
func (k *Keys) Write(path string, now time.Time) error {
	private, err := k.privateText(now)
	if err != nil {
		return fmt.Errorf("write signing key %s: %w", path, err)
	}
	for _, name := range []string{path, path + ".pub"} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("write signing key: %w", &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist})
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	if err := create(path+".pub", k.Public().Text(), 0o644); err != nil {
		return fmt.Errorf("write signing key: %w", err)
	}
	if err := create(path, private, 0o600); err != nil {
		return errors.Join(fmt.Errorf("write signing key: %w", err), os.Remove(path+".pub"))
	}
	return nil
}

// create makes a file that has all of the data from the moment it has its name.
func create(path string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename, never over another file
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (k *Keys) privateText(now time.Time) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "A signing key of pybake, written on %s. Keep it secret.\n\n", date(now))
	if len(k.openpgp) > 0 {
		text, err := armored(privateBlock, func(b *bytes.Buffer) error {
			for _, key := range k.openpgp {
				if err := key.entity.SerializePrivateWithoutSigning(b, signConfig(now)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	for _, n := range k.notes {
		fmt.Fprintln(&b, n.private)
	}
	return b.Bytes(), nil
}

// PlaceError is a key in a directory that others get to see.
type PlaceError struct{ Path, Dir string }

func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s lies in %s, which others get to see", e.Path, e.Dir)
}

// CheckPlace returns a [*PlaceError] if the file lies in one of the directories,
// by its name or after following links; what does not exist yet is judged by its
// directory. Empty names of directories are left out.
func CheckPlace(path string, dirs ...string) error {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		for _, name := range []func(string) (string, error){filepath.Abs, resolve} {
			file, err := name(path)
			if err != nil {
				return fmt.Errorf("check the place of %s: %w", path, err)
			}
			for _, of := range []func(string) (string, error){filepath.Abs, resolve} {
				root, err := of(dir)
				if err != nil {
					return fmt.Errorf("check the place of %s: %w", path, err)
				}
				if rel, err := filepath.Rel(root, file); err == nil && filepath.IsLocal(rel) {
					return &PlaceError{path, dir}
				}
			}
		}
	}
	return nil
}

// resolve follows the links of the part of a path that exists.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for rest := ""; ; {
		found, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(found, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || strings.Trim(path, "/") == "" {
			return "", err
		}
		path, rest = filepath.Dir(path), filepath.Join(filepath.Base(path), rest)
	}
}
