package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
)

// session is this process's claim on its containers: a locked file.
type session struct {
	dir  string
	id   string // 16 hexadecimal digits
	file *os.File
}

const sessionExt = ".session"

// openSession makes the session's file. It is locked before it gets the name
// under which a Sweep would find it.
func openSession(dir, host string) (*session, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	s := &session{dir: dir, id: randomHex(8), file: file}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		_, err = file.WriteString(host + "\n")
	}
	if err == nil {
		err = os.Rename(file.Name(), s.path(s.id))
	}
	if err != nil {
		os.Remove(file.Name())
		file.Close()
		return nil, fmt.Errorf("open session in %s: %w", dir, err)
	}
	return s, nil
}

func (s *session) path(id string) string { return filepath.Join(s.dir, id+sessionExt) }

// endSession removes what carries the session's label, then its file.
func (e *Engine) endSession(ctx context.Context) error {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	defer e.session.file.Close() // unlocks
	left, err := e.labelled(ctx, sessionLabel+"="+e.session.id, false)
	if err != nil {
		return fmt.Errorf("end session: %w", err) // the file stays, for a later Sweep
	}
	for _, l := range left {
		if err := e.RemoveLeftover(ctx, l); err != nil {
			return fmt.Errorf("end session: %w", err)
		}
	}
	if err := os.Remove(e.session.path(e.session.id)); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// Owner says whose a leftover is.
type Owner string

const (
	OwnerAlive   Owner = "alive"   // a running process of this session directory; this one too
	OwnerDead    Owner = "dead"    // a process of this session directory that is no more
	OwnerForeign Owner = "foreign" // a session that this session directory does not know
)

// Leftover is a container or volume of some session.
type Leftover struct {
	Kind    string // "container" or "volume"
	ID      string // of a volume, its name
	Name    string
	Session string
	Owner   Owner
	Size    int64     // bytes that it takes beyond its image; -1 if the engine does not say
	Created time.Time // zero if the engine does not say
}

// Leftovers lists the containers and volumes of all sessions on this engine.
// Sizes make it slow.
func (e *Engine) Leftovers(ctx context.Context) ([]Leftover, error) {
	left, err := e.labelled(ctx, sessionLabel, true)
	if err != nil {
		return nil, fmt.Errorf("list leftovers: %w", err)
	}
	for i := range left {
		left[i].Owner = e.owner(left[i].Session)
	}
	return left, nil
}

// Sweep removes what sessions of dead processes left on this engine, and their
// files, and says what it removed.
func (e *Engine) Sweep(ctx context.Context) ([]Leftover, error) {
	entries, err := os.ReadDir(e.session.dir)
	if err != nil {
		return nil, fmt.Errorf("sweep sessions: %w", err)
	}
	var removed []Leftover
	var errs []error
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), sessionExt)
		if !ok {
			continue
		}
		left, err := e.sweep(ctx, id)
		removed = append(removed, left...)
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep session %s: %w", id, err))
		}
	}
	return removed, errors.Join(errs...)
}

// sweep removes one session if its owner is dead and it was on this engine.
func (e *Engine) sweep(ctx context.Context, id string) (removed []Leftover, err error) {
	file, err := lockDead(e.session.path(id))
	if err != nil || file == nil {
		return nil, err
	}
	defer file.Close()
	host, err := os.ReadFile(file.Name())
	if err != nil || strings.TrimSpace(string(host)) != e.host {
		return nil, err
	}
	left, err := e.labelled(ctx, sessionLabel+"="+id, false)
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		if err := e.RemoveLeftover(ctx, l); err != nil {
			return removed, err
		}
		l.Owner = OwnerDead
		removed = append(removed, l)
	}
	return removed, os.Remove(file.Name())
}

// lockDead opens and locks the file of a dead session; nil if its owner lives,
// or the file is already gone.
func lockDead(path string) (*os.File, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

// owner says whose a session is.
func (e *Engine) owner(id string) Owner {
	if _, err := os.Stat(e.session.path(filepath.Base(id))); err != nil {
		return OwnerForeign
	}
	file, err := lockDead(e.session.path(filepath.Base(id)))
	if err != nil || file == nil {
		return OwnerAlive
	}
	file.Close()
	return OwnerDead
}

// Running counts the sessions of a session directory whose processes live,
// those of this process among them. A directory that is not there has none.
func Running(sessionDir string) (n int, err error) {
	entries, err := os.ReadDir(sessionDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	for _, entry := range entries {
		path := filepath.Join(sessionDir, entry.Name())
		if filepath.Ext(path) != sessionExt {
			continue
		}
		file, err := lockDead(path)
		if err != nil {
			return 0, fmt.Errorf("count sessions: %w", err)
		}
		if file != nil {
			file.Close()
		} else if _, err := os.Stat(path); err == nil {
			n++
		}
	}
	return n, nil
}

// RemoveLeftover removes a container or volume; one that is already gone is no
// error.
func (e *Engine) RemoveLeftover(ctx context.Context, l Leftover) error {
	if l.Kind == "container" {
		return e.removeContainer(ctx, l.ID)
	}
	return e.removeVolume(ctx, l.ID)
}

// labelled lists containers, then volumes, by a label filter. A blank session
// comes from a committed image and is nobody's.
func (e *Engine) labelled(ctx context.Context, label string, size bool) ([]Leftover, error) {
	filter := filters.NewArgs(filters.Arg("label", label))
	containers, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Size: size, Filters: filter})
	if err != nil {
		return nil, e.explain(ctx, "list containers", err)
	}
	volumes, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: filter})
	if err != nil {
		return nil, e.explain(ctx, "list volumes", err)
	}
	var left []Leftover
	for _, c := range containers {
		l := Leftover{Kind: "container", ID: c.ID, Name: c.ID, Session: c.Labels[sessionLabel], Size: c.SizeRw, Created: time.Unix(c.Created, 0)}
		if len(c.Names) > 0 {
			l.Name = strings.TrimPrefix(c.Names[0], "/")
		}
		if !size {
			l.Size = -1
		}
		if l.Session != "" {
			left = append(left, l)
		}
	}
	for _, v := range volumes.Volumes {
		l := Leftover{Kind: "volume", ID: v.Name, Name: v.Name, Session: v.Labels[sessionLabel], Size: -1}
		l.Created, _ = time.Parse(time.RFC3339, v.CreatedAt)
		if v.UsageData != nil {
			l.Size = v.UsageData.Size
		}
		if l.Session != "" {
			left = append(left, l)
		}
	}
	return left, nil
}
