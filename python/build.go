package python

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
)

// Build makes what the plan says, proves it and publishes it in the store.
func (b *Builder) Build(ctx context.Context, p *Plan) (*artifacts.Artifact, error) {
	started := time.Now()
	t := p.Target()
	if err := b.ready(ctx, p); err != nil {
		return nil, err
	}
	if err := b.resolveProof(ctx, p); err != nil {
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
	log, err := b.openLog(p, "build")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s, packages, err := b.packages(ctx, p, image, draft, log)
	if err != nil {
		return nil, err
	}
	checks, err := b.prove(ctx, s, image, draft, packages, log)
	if err != nil {
		return nil, fmt.Errorf("%w\nlog: %s", err, log.Name())
	}
	if err := draft.AddLog("build.log", log); err != nil {
		return nil, err
	}
	return draft.Publish(ctx, artifacts.Manifest{
		Kind: Kind, Name: p.Name, Inputs: p.Inputs, Files: packages, Checks: checks, Steps: b.steps,
		Started: started, Finished: time.Now(),
		Labels: map[string]string{
			"version": p.Version, "series": p.Series, "distro": p.Distro.Codename, "arch": p.Request.Arch, "mode": p.mode(), "variant": p.Request.Variant,
			"release": strconv.Itoa(p.Request.Release), "sha256": p.Request.SHA256,
			"source": b.source.File.Name, "source-place": b.source.Place,
			"base": p.base.Origin, "epoch": b.epoch.Format(time.RFC3339),
		},
	})
}

// ready sees to what a build starts from.
func (b *Builder) ready(ctx context.Context, p *Plan) error {
	if err := b.checkProfile(ctx, p); err != nil {
		return err
	}
	if _, err := b.Distros.Base(ctx, p.Target(), &p.base); err != nil {
		return err
	}
	return b.fetchSource(ctx, p)
}

// packages builds the packages in the directory of a draft.
func (b *Builder) packages(ctx context.Context, p *Plan, image string, draft *artifacts.Draft, log io.Writer) (s *stage, files []artifacts.File, err error) {
	scratch, err := draft.Scratch("stage")
	if err != nil {
		return nil, nil, fmt.Errorf("stage: %w", err)
	}
	if s, err = b.stage(ctx, p, image, scratch, log); err != nil {
		return nil, nil, err
	}
	err = b.timed("package", func() error {
		files, err = s.write(ctx, draft.Dir(), p.Request.Release, p.Distro.Package.Compression)
		return err
	})
	return s, files, err
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
	prepared := false
	if b.at == nil {
		if prepared, err = b.usePrepared(ctx, p, j); err != nil {
			return nil, err
		}
	}
	steps := []string{"configure", "freeze", "compile", "install", "bytecode", "strip"}
	if p.plain() {
		steps = []string{"configure", "compile", "install", "bytecode", "strip"}
	} else {
		profile, err := b.findFiles(ctx, KindProfile, p.profileInputs())
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
		if j.stale.n > maxStale && !b.trained {
			return nil, fmt.Errorf("%s: %d functions are not what they were in the profile, more than %d: %w", p.Name, j.stale.n, maxStale, ErrProfileStale)
		}
	}
	if !prepared && !p.plain() && b.at == nil {
		if err := b.keepPrepared(ctx, p, j); err != nil {
			return nil, err
		}
	}
	if j.stale.n > 0 {
		b.Report.Note("%s: the profile was learned on another source: it has no counts for %d functions that changed", p.Name, j.stale.n)
	}
	s := &stage{plan: p, dir: dir, epoch: b.epoch}
	err = b.timed("collect", func() error { return s.collect(ctx, j) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return s, j.Remove(ctx)
}

// maxStale is how many functions may have changed since the profile was learned.
// An interpreter has some twelve thousand.
const maxStale = 400

// Causes that another profile is the answer to.
var (
	ErrProfileLost  = errors.New("the pinned profile is not in the store")
	ErrProfileStale = errors.New("the pinned profile no longer fits the source")
)

// checkProfile holds the stored profile against the pin.
func (b *Builder) checkProfile(ctx context.Context, p *Plan) error {
	if p.plain() {
		return nil
	}
	dir, err := b.findFiles(ctx, KindProfile, p.profileInputs())
	if err != nil {
		return err
	}
	if dir == "" {
		return fmt.Errorf("%s: %w", p.Name, ErrProfileLost)
	}
	found, err := profileDigest(ctx, dir)
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

// digest is a SHA-256 that prints as "sha256:…".
type digest struct{ hash.Hash }

func newHash() digest { return digest{sha256.New()} }

func (d digest) String() string { return "sha256:" + hex.EncodeToString(d.Sum(nil)) }
