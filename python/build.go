package python

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

// Builder runs plans. One Builder serves one plan.
type Builder struct {
	Store   *artifacts.Store
	Engine  *engine.Engine
	Distros *distro.Maker
	Fetcher *fetch.Fetcher
	HTTP    *http.Client
	Places  []fetch.Place // of sources, see Places
	Report  distro.Reporter
	Jobs    int    // processes at once; 0: the engine's cores
	LogDir  string // logs of jobs, also of failed ones: "baked/logs"

	// Lock has the pins that there are; Pin adds one, to Lock and to the file.
	Lock *project.Lock
	Pin  func(change func(*project.Lock)) error

	source fetch.Got
	epoch  time.Time

	mu    sync.Mutex
	steps []artifacts.Step
}

// Ensure returns the artifact of a request: from the store if it is there, and
// else built, after whatever is not pinned yet was resolved. Others who want
// the same wait.
func (b *Builder) Ensure(ctx context.Context, req Request, set *recipes.Set) (_ *artifacts.Artifact, built bool, err error) {
	lock := strings.Join([]string{Kind, req.Distro, req.Arch}, "-")
	release, err := b.Store.Lock(ctx, lock, func(holder string) { b.Report.Note("waiting for %s", holder) })
	if err != nil {
		return nil, false, err
	}
	defer release()
	for range 4 { // resolve, a profile that was lost, build
		plan, err := NewPlan(req, set, b.Lock)
		if unpinned, ok := errors.AsType[*UnpinnedError](err); ok {
			if err := b.Resolve(ctx, unpinned); err != nil {
				return nil, false, err
			}
			continue
		}
		if err != nil {
			return nil, false, err
		}
		a, err := b.Store.Find(Kind, plan.Key)
		if err == nil {
			return a, false, b.Store.Point(ctx, a, plan.Name)
		}
		if damaged, ok := errors.AsType[*artifacts.DamagedError](err); ok {
			b.Report.Note("%v: building it again", damaged)
		} else if !errors.Is(err, artifacts.ErrNotFound) {
			return nil, false, err
		}
		a, err = b.Build(ctx, plan)
		if !errors.Is(err, ErrProfileLost) {
			return a, err == nil, err
		}
		b.Report.Note("%v: training another", err)
		profile, err := b.Train(ctx, plan)
		if err != nil {
			return nil, false, err
		}
		if err := b.Pin(func(l *project.Lock) { l.SetProfile(profile) }); err != nil {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("python %s: its pins do not come to rest", req.Version)
}

// Resolve finds and pins what e misses, each thing as soon as it is known.
func (b *Builder) Resolve(ctx context.Context, e *UnpinnedError) error {
	p := e.Plan
	t := p.Target()
	var pinned *project.BasePin
	if p.base.Digest != "" {
		pinned = &p.base
	}
	base, err := b.Distros.Base(ctx, t, pinned)
	if err != nil {
		return err
	}
	if pinned == nil {
		p.base = base
		if err := b.Pin(func(l *project.Lock) { l.SetBase(base) }); err != nil {
			return err
		}
	}
	if p.builder.Packages == nil {
		err := b.timed("toolchain", func() (err error) {
			p.builder, err = b.pinnedSet(ctx, &p, (*project.Lock).Builder, (*project.Lock).SetBuilder, p.owner(), p.builderRequest(), nil)
			return err
		})
		if err != nil {
			return err
		}
	}
	if p.Request.Fast {
		return nil
	}
	profile, err := b.Train(ctx, &p)
	if err != nil {
		return err
	}
	return b.Pin(func(l *project.Lock) { l.SetProfile(profile) })
}

// pinnedSet returns the pinned packages of a request, and resolves and pins
// them first if there are none.
func (b *Builder) pinnedSet(ctx context.Context, p *Plan,
	get func(l *project.Lock, distro, arch, who string) (project.SetPin, bool), set func(*project.Lock, project.SetPin),
	who string, request, local []string,
) (project.SetPin, error) {
	t := p.Target()
	pin, ok := get(b.Lock, t.Distro.Codename, t.Arch, who)
	if ok && slices.Equal(pin.Request, request) {
		return pin, nil
	}
	pin = project.SetPin{Distro: t.Distro.Codename, Arch: t.Arch, For: who, Request: request}
	names := request
	if local != nil {
		names = nil
	}
	var err error
	if pin.Packages, err = b.Distros.Resolve(ctx, t, p.base, names, local); err != nil {
		return pin, err
	}
	return pin, b.Pin(func(l *project.Lock) { set(l, pin) })
}

// Build makes what the plan says, proves it and publishes it in the store.
func (b *Builder) Build(ctx context.Context, p *Plan) (*artifacts.Artifact, error) {
	started := time.Now()
	t := p.Target()
	if err := b.checkProfile(p); err != nil {
		return nil, err
	}
	if _, err := b.Distros.Base(ctx, t, &p.base); err != nil {
		return nil, err
	}
	if err := b.fetchSource(ctx, p); err != nil {
		return nil, err
	}
	image, err := b.Distros.Builder(ctx, t, p.base, p.builder.Packages, "builder")
	if err != nil {
		return nil, err
	}
	draft, err := b.Store.Begin(Kind)
	if err != nil {
		return nil, err
	}
	defer draft.Discard()
	scratch, err := os.MkdirTemp(b.Fetcher.Cache, "stage-")
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	defer os.RemoveAll(scratch)
	log, err := b.openLog(p, "build")
	if err != nil {
		return nil, err
	}
	defer log.Close()

	s, err := b.stage(ctx, p, image, scratch, log)
	if err != nil {
		return nil, err
	}
	var packages []artifacts.File
	err = b.timed("package", func() error {
		packages, err = s.write(draft.Dir(), p.Request.Release, p.Distro.Package.Compression)
		return err
	})
	if err != nil {
		return nil, err
	}
	checks, err := b.prove(ctx, s, image, draft.Dir(), packages, log)
	if err != nil {
		return nil, err
	}
	if err := copyLog(log, filepath.Join(draft.Dir(), "logs", "build.log")); err != nil {
		return nil, err
	}
	return draft.Publish(ctx, artifacts.Manifest{
		Kind: Kind, Name: p.Name, Inputs: p.Inputs, Files: packages, Checks: checks, Steps: b.steps,
		Started: started, Finished: time.Now(),
		Labels: map[string]string{
			"version": p.Version, "series": p.Series, "distro": p.Distro.Codename, "arch": p.Request.Arch, "mode": p.mode(),
			"release": strconv.Itoa(p.Request.Release), "sha256": p.Request.SHA256,
			"source": b.source.File.Name, "source-place": b.source.Place,
			"base": p.base.Origin, "epoch": b.epoch.Format(time.RFC3339),
		},
	})
}

// stage runs the build job and brings its tree here.
func (b *Builder) stage(ctx context.Context, p *Plan, image, dir string, log io.Writer) (_ *stage, err error) {
	j, err := b.startJob(ctx, p, image, "build", log)
	if err != nil {
		return nil, err
	}
	defer j.Remove(ctx)
	b.epoch, err = j.epoch(ctx)
	if err != nil {
		return nil, err
	}
	prepared, err := b.usePrepared(ctx, p, j)
	if err != nil {
		return nil, err
	}
	steps := []string{"configure", "freeze", "compile", "shared", "install", "bytecode", "strip"}
	if p.Request.Fast {
		steps = []string{"configure", "compile", "shared", "install", "bytecode", "strip"}
	} else {
		profile, err := b.findFiles(KindProfile, p.profileInputs())
		if err != nil {
			return nil, err
		}
		if err := j.putTar(ctx, filepath.Join(profile, profileFile)); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
	}
	for _, step := range steps {
		if prepared && step == "freeze" {
			continue
		}
		if err := j.step(ctx, step); err != nil {
			return nil, err
		}
	}
	if !prepared && !p.Request.Fast {
		if err := b.keepPrepared(ctx, p, j); err != nil {
			return nil, err
		}
	}
	if j.stale.n > 0 {
		b.Report.Note("%s: %d functions changed since the training of the profile", p.Name, j.stale.n)
	}
	s := &stage{plan: p, dir: dir, epoch: b.epoch}
	err = b.timed("collect", func() error { return s.collect(ctx, j) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return s, j.Remove(ctx)
}

// ErrProfileLost is the cause when a pinned profile is not in the store.
var ErrProfileLost = errors.New("the pinned profile is not in the store")

// checkProfile holds the stored profile against the pin.
func (b *Builder) checkProfile(p *Plan) error {
	if p.Request.Fast {
		return nil
	}
	dir, err := b.findFiles(KindProfile, p.profileInputs())
	if err != nil {
		return err
	}
	if dir == "" {
		return fmt.Errorf("%s: %w", p.Name, ErrProfileLost)
	}
	found, err := hashFile(filepath.Join(dir, profileFile))
	if err != nil {
		return err
	}
	if found != p.profile.Digest {
		return fmt.Errorf("%s: profile: pinned %s, found %s: %w", p.Name, p.profile.Digest, found, ErrProfileLost)
	}
	return nil
}

func (b *Builder) noteStep(s artifacts.Step) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.steps = append(b.steps, s)
}

// openLog makes the file that a job's output goes to. It stays when the job
// fails.
func (b *Builder) openLog(p *Plan, job string) (*os.File, error) {
	if err := os.MkdirAll(b.LogDir, 0o755); err != nil {
		return nil, fmt.Errorf("log of %s: %w", p.Name, err)
	}
	name := strings.ReplaceAll(p.Name, " ", "-") + "-" + job + ".log"
	f, err := os.Create(filepath.Join(b.LogDir, name))
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", p.Name, err)
	}
	return f, nil
}

func copyLog(log *os.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// digest is a SHA-256 that prints as "sha256:…".
type digest struct{ hash.Hash }

func newHash() digest { return digest{sha256.New()} }

func (d digest) String() string { return "sha256:" + hex.EncodeToString(d.Sum(nil)) }
