package fetch

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// Unpack writes the archive src below root, by the rules. Permissions are kept
// (without setuid, setgid and sticky; a directory's owner may always use it),
// owners and extended attributes are not; times are kept or Rules.MTime,
// except those of symbolic links. Nothing that exists is overwritten, but a
// directory may exist already. After an error the caller removes what is
// there. Errors name the member; a full disk is syscall.ENOSPC.
func Unpack(root *os.Root, src io.Reader, rules Rules) error {
	return each(src, rules, &diskSink{root: root, rules: rules, dirs: map[string]*tar.Header{}})
}

// diskSink gives directories their modes and times last, because a directory
// may be read-only, and because writing into one changes its time.
type diskSink struct {
	root  *os.Root
	rules Rules
	order []string
	dirs  map[string]*tar.Header
}

func (s *diskSink) dir(name string, from *tar.Header, fresh bool) error {
	s.dirs[name] = from
	if !fresh {
		return nil
	}
	s.order = append(s.order, name)
	err := s.root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if info, statErr := s.root.Lstat(name); statErr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func (s *diskSink) file(name string, from *tar.Header, r io.Reader) error {
	file, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(file, r, from.Size)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = file.Chmod(fs.FileMode(from.Mode) & fs.ModePerm)
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return s.touch(name, from)
}

func (s *diskSink) symlink(name string, from *tar.Header) error {
	return s.root.Symlink(from.Linkname, name)
}

func (s *diskSink) hardlink(name, target string, _ *tar.Header) error {
	return s.root.Link(target, name)
}

func (s *diskSink) end() error {
	for i := len(s.order) - 1; i >= 0; i-- {
		name := s.order[i]
		from := s.dirs[name]
		if err := s.root.Chmod(name, fs.FileMode(from.Mode)&fs.ModePerm|0o700); err != nil {
			return err
		}
		if err := s.touch(name, from); err != nil {
			return err
		}
	}
	return nil
}

func (s *diskSink) touch(name string, from *tar.Header) error {
	mtime := from.ModTime
	if !s.rules.MTime.IsZero() {
		mtime = s.rules.MTime
	}
	return s.root.Chtimes(name, time.Time{}, mtime)
}
