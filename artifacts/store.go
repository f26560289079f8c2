package artifacts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	storeFormat = 1

	storeFile    = "store.json"
	artifactsDir = "artifacts"
	tmpDir       = "tmp"
	locksDir     = "locks"

	manifestFile = "manifest.json"
	sumsFile     = "SHA256SUMS"
	logsDir      = "logs"
)

// ErrNotFound says that the store does not hold what was asked for.
var ErrNotFound = errors.New("not in the store")

// DamagedError is an artifact that is not what its manifest says. Building it
// again repairs it: [Draft.Publish] replaces damaged artifacts.
type DamagedError struct {
	Kind string
	Key  Key
	File string // relative to the artifact: "manifest.json"
	Err  error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("artifact %s/%s is damaged: %s: %v", e.Kind, e.Key.Short(), e.File, e.Err)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Store is a directory of artifacts. Its methods may be called from several
// goroutines and processes at once.
type Store struct {
	// Command is what others read while they wait for a lock that this process
	// holds: "pybake python 3.13.5".
	Command string

	dir string
}

// Artifact is one entry of a store.
type Artifact struct {
	Manifest
	Dir string // "baked/artifacts/python/5f1c…", below the directory given to Open
}

// Size returns the bytes in the artifact's files, without manifest and logs.
func (a *Artifact) Size() int64 {
	var size int64
	for _, f := range a.Files {
		size += f.Size
	}
	return size
}

// Open opens the store in a directory, which need not exist: nothing is
// created before the first write. A store of a newer format is refused.
func Open(dir string) (*Store, error) {
	s := &Store{dir: filepath.Clean(dir)}
	if info, err := os.Stat(s.dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("open store %s: %w", s.dir, syscall.ENOTDIR)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open store: %w", err)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, storeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	var head struct{ Format int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("open store %s: %s: %w", s.dir, storeFile, err)
	}
	if head.Format > storeFormat {
		return nil, fmt.Errorf("open store %s: %w", s.dir, newerFormatError(head.Format))
	}
	if head.Format != storeFormat {
		return nil, fmt.Errorf("open store %s: format %d is not known", s.dir, head.Format)
	}
	return s, nil
}

// Dir returns the directory that was given to Open.
func (s *Store) Dir() string { return s.dir }

// Find returns the artifact with a key, [ErrNotFound], or a [*DamagedError].
// It is quick: it checks the manifest's hash and the sizes of the files, but
// reads none of them; for that there is [Store.Verify].
func (s *Store) Find(kind string, key Key) (*Artifact, error) {
	if err := checkKind(kind); err != nil {
		return nil, fmt.Errorf("find artifact: %w", err)
	}
	if !key.valid() {
		return nil, fmt.Errorf("find artifact of kind %s: %q is not a key", kind, key)
	}
	dir := s.artifactDir(kind, key)
	data, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s artifact %s: %w", kind, key.Short(), ErrNotFound)
		}
	}
	damaged := func(file string, err error) (*Artifact, error) {
		return nil, &DamagedError{Kind: kind, Key: key, File: file, Err: err}
	}
	if err != nil {
		return s.unreadable(kind, key, manifestFile, err)
	}
	m, err := decode(data)
	if newer := newerFormatError(0); errors.As(err, &newer) {
		return nil, fmt.Errorf("%s artifact %s: %s: %w", kind, key.Short(), manifestFile, err)
	}
	if err != nil {
		return damaged(manifestFile, err)
	}
	if m.Kind != kind || m.Key != key {
		return damaged(manifestFile, fmt.Errorf("it belongs to %s/%s", m.Kind, m.Key.Short()))
	}
	list, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return s.unreadable(kind, key, sumsFile, err)
	}
	if !bytes.Equal(list, sums(data, m.Files)) {
		return damaged(sumsFile, errors.New("it does not agree with the manifest"))
	}
	for _, f := range m.Files {
		info, err := os.Lstat(filepath.Join(dir, f.Path))
		if err != nil {
			return s.unreadable(kind, key, f.Path, err)
		}
		if !info.Mode().IsRegular() {
			return damaged(f.Path, errors.New("not a regular file"))
		}
		if info.Size() != f.Size {
			return damaged(f.Path, fmt.Errorf("%d bytes, but the manifest says %d", info.Size(), f.Size))
		}
	}
	return &Artifact{Manifest: *m, Dir: dir}, nil
}

// unreadable returns a DamagedError for a file that is missing. Anything else,
// such as a lack of permission, building again would not mend.
func (s *Store) unreadable(kind string, key Key, file string, err error) (*Artifact, error) {
	for _, missing := range []error{fs.ErrNotExist, syscall.ENOTDIR, syscall.EISDIR} {
		if errors.Is(err, missing) {
			return nil, &DamagedError{Kind: kind, Key: key, File: file, Err: errors.Unwrap(err)}
		}
	}
	return nil, fmt.Errorf("%s artifact %s: %w", kind, key.Short(), err)
}

// Verify reads all of an artifact and compares it with its manifest. The error
// joins a [*DamagedError] for each file that is missing, changed or not in the
// manifest.
func (s *Store) Verify(ctx context.Context, a *Artifact) error {
	found, err := s.Find(a.Kind, a.Key)
	if err != nil {
		return err
	}
	damaged := func(file string, err error) error {
		return &DamagedError{Kind: a.Kind, Key: a.Key, File: file, Err: err}
	}
	changed := parallel(len(found.Files), func(i int) error {
		f := found.Files[i]
		_, sum, err := HashFile(ctx, filepath.Join(found.Dir, f.Path))
		if errors.Is(err, fs.ErrNotExist) {
			return damaged(f.Path, fs.ErrNotExist)
		}
		if err != nil {
			return fmt.Errorf("verify %s artifact %s: %w", a.Kind, a.Key.Short(), err)
		}
		if sum != f.SHA256 {
			return damaged(f.Path, fmt.Errorf("sha256 is %s, but the manifest says %s", sum, f.SHA256))
		}
		return nil
	})
	t, err := readTree(found.Dir)
	if err != nil {
		return errors.Join(changed, fmt.Errorf("verify %s artifact %s: %w", a.Kind, a.Key.Short(), err))
	}
	known := map[string]bool{manifestFile: true, sumsFile: true}
	for _, f := range found.Files {
		known[f.Path] = true
	}
	for _, path := range found.Logs {
		known[path] = true
	}
	errs := []error{changed}
	for _, path := range slices.Concat(t.files, t.logs) {
		if !known[path] {
			errs = append(errs, damaged(path, errors.New("not in the manifest")))
		}
	}
	return errors.Join(errs...)
}

// Point makes the stable name of name ("python 3.13.5 trixie amd64") a link to
// the artifact. [Draft.Publish] does it for what it publishes; call Point when
// [Store.Find] answered instead. It costs one readlink if the link is right.
func (s *Store) Point(ctx context.Context, a *Artifact, name string) error {
	link, err := stableName(a.Kind, name)
	if err != nil {
		return fmt.Errorf("point at artifact: %w", err)
	}
	if target, err := os.Readlink(filepath.Join(s.dir, link)); err == nil && target == linkTarget(a.Kind, a.Key) {
		return nil
	}
	d, err := s.Begin(a.Kind)
	if err != nil {
		return err
	}
	defer d.Discard()
	release, err := s.lock(ctx, storeLock, nil)
	if err != nil {
		return err
	}
	defer release()
	if _, err := s.Find(a.Kind, a.Key); err != nil {
		return err
	}
	if err := d.prepareLink(link, a.Key); err != nil {
		return err
	}
	return d.point(link)
}

// Path returns the stable name of an artifact as a path below the directory
// given to Open: "baked/python/3.13.5-trixie-amd64". It leads there while no
// other artifact has taken the name.
func (s *Store) Path(a *Artifact) string {
	link, err := stableName(a.Kind, a.Name)
	if err != nil {
		return a.Dir // a manifest without a proper name is never published
	}
	return filepath.Join(s.dir, link)
}

// Remove takes an artifact, damaged or not, out of the store, with the stable
// names that point at it. It is gone at once; what it held is deleted after.
func (s *Store) Remove(ctx context.Context, kind string, key Key) error {
	if _, err := s.Find(kind, key); errors.Is(err, ErrNotFound) || checkKind(kind) != nil || !key.valid() {
		return fmt.Errorf("remove: %w", err)
	}
	d, err := s.Begin(kind)
	if err != nil {
		return err
	}
	defer d.Discard()
	if err := s.removeLocked(ctx, d, kind, key); err != nil {
		return fmt.Errorf("remove %s artifact %s: %w", kind, key.Short(), err)
	}
	return d.Discard()
}

func (s *Store) removeLocked(ctx context.Context, d *Draft, kind string, key Key) error {
	release, err := s.lock(ctx, storeLock, nil)
	if err != nil {
		return err
	}
	defer release()
	// The names go first, so that none of them ever points at nothing.
	names, err := os.ReadDir(filepath.Join(s.dir, kind))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		path := filepath.Join(s.dir, kind, name.Name())
		if target, err := os.Readlink(path); err != nil || target != linkTarget(kind, key) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	if err := os.Rename(s.artifactDir(kind, key), filepath.Join(d.session, "removed")); err != nil {
		return err
	}
	return syncPath(filepath.Join(s.dir, artifactsDir, kind))
}

func (s *Store) artifactDir(kind string, key Key) string {
	return filepath.Join(s.dir, artifactsDir, kind, string(key))
}

// linkTarget is what the stable names of an artifact point to, relative to the
// directory DIR/<kind> in which they are.
func linkTarget(kind string, key Key) string {
	return strings.Join([]string{"..", artifactsDir, kind, string(key)}, "/")
}

// mkdir creates a directory of the store, with the store itself, so that
// others can read them whatever the umask.
func (s *Store) mkdir(elem ...string) error {
	if err := os.MkdirAll(filepath.Dir(s.dir), 0o755); err != nil {
		return err
	}
	path := s.dir
	for _, e := range append([]string{"."}, elem...) {
		path = filepath.Join(path, e)
		err := os.Mkdir(path, 0o755)
		if err == nil {
			err = os.Chmod(path, 0o755)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
