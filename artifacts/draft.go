package artifacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const draftPrefix = "draft-"

// Draft is an artifact in the making: a directory that is renamed into the
// store once it is finished. It is not for use by several goroutines at once.
type Draft struct {
	store   *Store
	kind    string
	session string   // DIR/tmp/draft-python-1234
	lock    *os.File // flock on session; nil once the draft is published or discarded
}

// Begin starts a draft. As long as this process lives, no Sweep takes it away.
// Call Discard in the end, also after Publish.
func (s *Store) Begin(kind string) (*Draft, error) {
	if err := checkKind(kind); err != nil {
		return nil, fmt.Errorf("begin artifact: %w", err)
	}
	if err := s.mkdir(tmpDir); err != nil {
		return nil, fmt.Errorf("begin %s artifact: %w", kind, err)
	}
	for {
		session, err := os.MkdirTemp(filepath.Join(s.dir, tmpDir), draftPrefix+kind+"-")
		if err != nil {
			return nil, fmt.Errorf("begin %s artifact: %w", kind, err)
		}
		lock, err := lockFile(session, os.O_RDONLY)
		if errors.Is(err, errHeld) || errors.Is(err, fs.ErrNotExist) {
			continue // a Sweep was between the two calls and takes it for dead
		}
		d := &Draft{store: s, kind: kind, session: session, lock: lock}
		if err == nil {
			err = d.prepare()
		}
		if err != nil {
			os.RemoveAll(session)
			lock.Close()
			return nil, fmt.Errorf("begin %s artifact: %w", kind, err)
		}
		return d, nil
	}
}

// prepare makes the draft's directory and, on the first write, the store's
// format file.
func (d *Draft) prepare() error {
	if err := os.Mkdir(d.Dir(), 0o755); err != nil {
		return err
	}
	path := filepath.Join(d.store.dir, storeFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	draft := filepath.Join(d.session, storeFile)
	if err := writeFile(draft, fmt.Appendf(nil, "{\"format\": %d}\n", storeFormat)); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// Dir returns the empty directory to put the files in, with logs in its
// subdirectory logs.
func (d *Draft) Dir() string { return filepath.Join(d.session, "artifact") }

// AddLog puts a copy of what was written to a file so far into the logs, under this
// name: "build.log".
func (d *Draft) AddLog(name string, from *os.File) error {
	to := filepath.Join(d.Dir(), "logs", name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(from.Name())
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// Scratch makes a directory for what is needed on the way and is no part of the
// artifact. It goes with the draft.
func (d *Draft) Scratch(name string) (string, error) {
	dir := filepath.Join(d.session, "scratch-"+name)
	return dir, os.Mkdir(dir, 0o755)
}

// Publish completes the manifest, writes it beside the files, renames the
// draft into the store, and points the stable name at it. If the store already
// has an artifact with this key, that one is returned and the draft dropped;
// if it is damaged, the draft takes its place. After an error the draft can
// only be discarded, and the store is as it was.
//
// Every file of the draft gets mode 0644, every directory 0755; links and
// special files are refused. m.Files may name files that are Debian packages,
// by Path and Package; sizes and hashes come from the files.
func (d *Draft) Publish(ctx context.Context, m Manifest) (*Artifact, error) {
	if d.lock == nil {
		return nil, fmt.Errorf("publish %s: the draft is already published or discarded", m.Name)
	}
	a, err := d.publish(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", m.Name, err)
	}
	d.Discard() // what it cannot delete, a Sweep will
	return a, nil
}

func (d *Draft) publish(ctx context.Context, m Manifest) (*Artifact, error) {
	link, err := stableName(d.kind, m.Name)
	if err != nil {
		return nil, err
	}
	if err := d.complete(ctx, &m); err != nil {
		return nil, err
	}
	if err := d.store.mkdir(artifactsDir, d.kind); err != nil {
		return nil, err
	}
	release, err := d.store.lock(ctx, storeLock, nil)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := d.prepareLink(link, m.Key); err != nil {
		return nil, err
	}
	var damaged *DamagedError
	place := d.store.artifactDir(d.kind, m.Key)
	switch _, err := d.store.Find(d.kind, m.Key); {
	case err == nil:
		return d.published(link, m.Key)
	case errors.As(err, &damaged):
		if err := os.Rename(place, filepath.Join(d.session, "damaged")); err != nil {
			return nil, err
		}
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	if err := os.Rename(d.Dir(), place); err != nil {
		return nil, err
	}
	if err := syncPath(filepath.Dir(place)); err != nil {
		return nil, err
	}
	return d.published(link, m.Key)
}

// published points the stable name at what the store holds and returns it.
func (d *Draft) published(link string, key Key) (*Artifact, error) {
	if err := d.point(link); err != nil {
		return nil, err
	}
	return d.store.Find(d.kind, key)
}

// complete brings the draft's files to disk and writes the manifest with
// everything that follows from them.
func (d *Draft) complete(ctx context.Context, m *Manifest) error {
	key, err := NewKey(d.kind, m.Inputs)
	if err != nil {
		return err
	}
	if m.Key != "" && m.Key != key {
		return fmt.Errorf("the key is given as %s, but the inputs give %s", m.Key, key)
	}
	if m.Finished.IsZero() {
		m.Finished = time.Now()
	}
	m.Format, m.Kind, m.Key, m.Inputs = ManifestFormat, d.kind, key, sortedInputs(m.Inputs)
	m.Started = m.Started.UTC().Truncate(time.Millisecond)
	m.Finished = m.Finished.UTC().Truncate(time.Millisecond)

	t, err := readTree(d.Dir())
	if err != nil {
		return err
	}
	for _, name := range []string{manifestFile, sumsFile} {
		if slices.Contains(t.files, name) {
			return fmt.Errorf("%s: the name is reserved", name)
		}
	}
	files, err := t.settle(ctx, d.Dir())
	if err != nil {
		return err
	}
	for _, given := range m.Files {
		i := slices.Index(t.files, given.Path)
		if i < 0 {
			return fmt.Errorf("%s: named in the manifest, but not in the draft", given.Path)
		}
		files[i].Package = given.Package
	}
	m.Files, m.Logs = files, t.logs

	data, err := m.encode()
	if err != nil {
		return err
	}
	return errors.Join(
		writeFile(filepath.Join(d.Dir(), manifestFile), data),
		writeFile(filepath.Join(d.Dir(), sumsFile), sums(data, m.Files)),
		syncPath(d.Dir()),
	)
}

// prepareLink makes the link that point renames into place, so that a full disk
// shows before anything of the store has changed. The store's lock is held.
func (d *Draft) prepareLink(link string, key Key) error {
	path := filepath.Join(d.store.dir, link)
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSymlink {
		return fmt.Errorf("stable name %s: something else is there", path)
	}
	if err := d.store.mkdir(d.kind); err != nil {
		return err
	}
	return os.Symlink(linkTarget(d.kind, key), filepath.Join(d.session, "link"))
}

// point renames the prepared link to a stable name.
func (d *Draft) point(link string) error {
	path := filepath.Join(d.store.dir, link)
	if err := os.Rename(filepath.Join(d.session, "link"), path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// Discard deletes the draft. After Publish, or a second time, it does nothing.
func (d *Draft) Discard() error {
	if d.lock == nil {
		return nil
	}
	err := os.RemoveAll(d.session)
	d.lock.Close()
	d.lock = nil
	if err != nil {
		return fmt.Errorf("discard draft: %w", err)
	}
	return nil
}

// Sweep deletes the drafts of processes that are gone and returns their
// directories. Those of living processes stay.
func (s *Store) Sweep() (removed []string, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, tmpDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("sweep store: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), draftPrefix) {
			continue
		}
		path := filepath.Join(s.dir, tmpDir, e.Name())
		lock, err := lockFile(path, os.O_RDONLY)
		if errors.Is(err, errHeld) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.RemoveAll(path)
			lock.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep store: %w", err))
			continue
		}
		removed = append(removed, path)
	}
	return removed, errors.Join(errs...)
}
