package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/project"
)

// Kinds of the artifacts that carry work from one build to the next.
const (
	// KindProfile holds profile.tar: what PGO learned (.gcda files).
	KindProfile = "python-profile"
	// KindPrepared holds what depends on nothing but source, toolchain and
	// recipe: configured.tar and, where the series freezes modules, frozen.tar.
	KindPrepared = "python-prepared"
)

const profileFile = "profile.tar"

// profileInputs are the conditions of a training. The patch release is not
// among them: what was learned on 3.13.5 serves 3.13.6.
func (p *Plan) profileInputs() []artifacts.Input {
	c := p.profileConditions()
	return []artifacts.Input{
		{Name: "series", Value: c.Series}, {Name: "distro", Value: c.Distro}, {Name: "arch", Value: c.Arch},
		{Name: "variant", Value: c.Variant}, {Name: "compiler", Value: c.Compiler}, {Name: "workload", Value: c.Workload},
	}
}

// preparedInputs are the inputs of the plan that configure and the bootstrap
// interpreter see.
func (p *Plan) preparedInputs() []artifacts.Input {
	in := []artifacts.Input{
		{Name: "mode", Value: p.mode()}, {Name: "script.job", Value: hashOf(jobScript)}, {Name: "source", Value: p.Sources[0].SHA256},
		{Name: "recipe.configure", Value: hashJSON(p.configure(), p.Recipe.CFlags, p.Recipe.Builtin)},
	}
	for _, pkg := range p.builder.Packages {
		in = append(in, artifacts.Input{Name: "builder.package." + pkg.Name + ":" + pkg.Arch, Value: pkg.Version + " " + pkg.Digest})
	}
	return in
}

// findFiles returns the directory of an artifact of the given inputs, or "".
func (b *Builder) findFiles(ctx context.Context, kind string, inputs []artifacts.Input) (string, error) {
	key, err := artifacts.NewKey(kind, inputs)
	if err != nil {
		return "", err
	}
	a, err := b.Store.Find(kind, key)
	var damaged *artifacts.DamagedError
	if errors.Is(err, artifacts.ErrNotFound) || errors.As(err, &damaged) {
		return "", nil // it is made again
	}
	if err != nil {
		return "", err
	}
	// Small, and about to go into a build: all of it is looked at.
	if err := b.Store.Verify(ctx, a); errors.As(err, &damaged) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return a.Dir, nil
}

// keep publishes files that a job left as an artifact and returns it.
func (b *Builder) keep(ctx context.Context, j *job, m artifacts.Manifest, files ...string) (*artifacts.Artifact, error) {
	draft, err := b.Store.Begin(m.Kind)
	if err != nil {
		return nil, err
	}
	defer draft.Discard()
	for _, f := range files {
		if err := j.get(ctx, f, filepath.Join(draft.Dir(), f)); err != nil {
			return nil, err
		}
	}
	return draft.Publish(ctx, m)
}

// Train returns the pin of a profile for the plan's series and compiler: of the one in
// the store, else of the one that the recipes bring, else of one that is learned now.
// With Retrain it is always learned, and replaces that of the store.
func (b *Builder) Train(ctx context.Context, p *Plan) (pin project.ProfilePin, err error) {
	pin = p.profileConditions()
	var dir string
	if !b.Retrain {
		if dir, err = b.findFiles(ctx, KindProfile, p.profileInputs()); dir == "" && err == nil {
			dir, err = b.takeShipped(ctx, p)
		}
	}
	if dir == "" && err == nil {
		dir, err = b.train(ctx, p)
	}
	if err != nil {
		return pin, err
	}
	pin.Digest, err = profileDigest(ctx, dir)
	return pin, err
}

// profileDigest is the digest of the profile in a directory of the store.
func profileDigest(ctx context.Context, dir string) (string, error) {
	_, sum, err := artifacts.HashFile(ctx, filepath.Join(dir, profileFile))
	return "sha256:" + sum, err
}

// takeShipped puts the profile of the recipes into the store, if it was learned under
// the conditions of the plan, and returns its directory; else "".
func (b *Builder) takeShipped(ctx context.Context, p *Plan) (dir string, err error) {
	c := p.profileConditions()
	shipped := p.shipped
	if shipped.Variant != c.Variant || shipped.Compiler != c.Compiler || shipped.Workload != c.Workload {
		return "", nil
	}
	text, err := shipped.Tar()
	if err != nil {
		return "", err
	}
	hash := newHash()
	hash.Write(text)
	if found := hash.String(); found != shipped.Digest {
		return "", fmt.Errorf("the profile of the recipes for %s on %s: %s, but its recipe says %s", c.Series, c.Distro, found, shipped.Digest)
	}
	draft, err := b.Store.Begin(KindProfile)
	if err != nil {
		return "", err
	}
	defer draft.Discard()
	if err := os.WriteFile(filepath.Join(draft.Dir(), profileFile), text, 0o644); err != nil {
		return "", err
	}
	b.Report.Note("%s: the profile is the one that was trained on %s with %s", p.Name, shipped.TrainedOn, c.Compiler)
	a, err := draft.Publish(ctx, p.profileManifest(shipped.TrainedOn))
	if err != nil {
		return "", err
	}
	return a.Dir, nil
}

// profileManifest is that of a profile that was learned on a release.
func (p *Plan) profileManifest(trainedOn string) artifacts.Manifest {
	c := p.profileConditions()
	return artifacts.Manifest{
		Kind: KindProfile, Name: fmt.Sprintf("%s %s %s %s", KindProfile, c.Series, c.Distro, c.Arch), Inputs: p.profileInputs(),
		Labels: map[string]string{"series": c.Series, "distro": c.Distro, "arch": c.Arch, "trained-on": trainedOn},
	}
}

// forgetProfile removes the profile from the store.
func (b *Builder) forgetProfile(ctx context.Context, p *Plan) error {
	key, err := artifacts.NewKey(KindProfile, p.profileInputs())
	if err != nil {
		return err
	}
	if err := b.Store.Remove(ctx, KindProfile, key); !errors.Is(err, artifacts.ErrNotFound) {
		return err
	}
	return nil
}

func (b *Builder) train(ctx context.Context, p *Plan) (dir string, err error) {
	image, err := b.Distros.Builder(ctx, p.Target(), p.base, p.builder.Packages, "builder")
	if err != nil {
		return "", err
	}
	if err := b.fetchSource(ctx, p); err != nil {
		return "", err
	}
	log, err := b.openLog(p, "train")
	if err != nil {
		return "", err
	}
	defer log.Close()
	why := "no profile yet"
	if b.Retrain {
		why = "in place of the one there is"
	}
	b.Report.Note("%s: training a profile for %s with %s: %s", p.Name, p.Series, p.profileConditions().Compiler, why)
	j, err := b.startJob(ctx, p, image, "train", log)
	if err != nil {
		return "", err
	}
	defer j.Remove(ctx)
	for _, step := range []string{"configure", "train", "profile"} {
		if err := j.step(ctx, step); err != nil {
			return "", err
		}
	}
	if err := b.keepPrepared(ctx, p, j); err != nil {
		return "", err
	}
	if b.Retrain { // the one of the same conditions makes way
		if err := b.forgetProfile(ctx, p); err != nil {
			return "", err
		}
		b.Retrain = false
	}
	b.trained = true
	a, err := b.keep(ctx, j, p.profileManifest(p.Version), profileFile)
	if err != nil {
		return "", err
	}
	return a.Dir, j.Remove(ctx)
}

// keepPrepared stores what the job prepared, for the next one of the same
// source.
func (b *Builder) keepPrepared(ctx context.Context, p *Plan, j *job) error {
	_, err := b.keep(ctx, j, artifacts.Manifest{
		Kind: KindPrepared, Name: KindPrepared + p.Name[len(Kind):], Inputs: p.preparedInputs(),
		Labels: map[string]string{"series": p.Series, "version": p.Version, "distro": p.Distro.Codename, "arch": p.Request.Arch},
	}, "configured.tar", "frozen.tar")
	return err
}

// usePrepared hands a job what an earlier one stored.
func (b *Builder) usePrepared(ctx context.Context, p *Plan, j *job) (found bool, err error) {
	dir, err := b.findFiles(ctx, KindPrepared, p.preparedInputs())
	if err != nil || dir == "" {
		return false, err
	}
	for _, f := range []string{"configured.tar", "frozen.tar"} {
		if err := j.putTar(ctx, filepath.Join(dir, f)); err != nil {
			return false, err
		}
	}
	return true, nil
}
