package image

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/project"
)

// Builder makes images.
type Builder struct {
	Store   *artifacts.Store
	Engine  *engine.Engine
	Distros *distro.Maker
	Report  distro.Reporter
	Trees   layer.Cache
	LogDir  string        // logs, also of what failed: "baked/logs"
	Pins    *project.Pins // of pybake.lock
	Jobs    int           // processes at once; 0: the engine's cores
	Frozen  bool          // pins may not be added

	jobs     int
	beforeID string // of the image that had the name before
	steps    []artifacts.Step
	report   []Reported
}

// CheckError reports an image that did not pass its checks.
type CheckError struct {
	Name   string
	Failed []artifacts.Check
}

func (e *CheckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s failed", e.Name, plural(len(e.Failed), "check"))
	for _, c := range e.Failed {
		fmt.Fprintf(&b, "\n%s:\n    %s", c.Name, strings.ReplaceAll(strings.TrimSpace(c.Detail), "\n", "\n    "))
	}
	return b.String()
}

// SizeError reports a layer, or a whole image, that is larger than it may be.
type SizeError struct {
	Image, Layer string // "total" is the image
	Size, Most   int64  // bytes, unpacked
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("image %s: %s has %d bytes, and max-size allows %d", e.Image, e.Layer, e.Size, e.Most)
}

// Find returns the image of a plan if the store has it: with neither network nor
// engine.
func Find(ctx context.Context, store *artifacts.Store, p *Plan) (*artifacts.Artifact, error) {
	a, err := store.Find(Kind, p.Key)
	if err != nil {
		return nil, err
	}
	var img Image
	if err := readJSON(filepath.Join(a.Dir, imageFile), &img); err != nil {
		return nil, err
	}
	if err := budget(p.top, img.Layers); err != nil {
		return nil, err
	}
	return a, store.Point(ctx, a, p.Name)
}

// Ensure returns the image of a plan: from the store, or made. Afterwards the
// engine has it, under its tags.
func (b *Builder) Ensure(ctx context.Context, p *Plan) (_ *artifacts.Artifact, built bool, err error) {
	release, err := b.Store.Lock(ctx, Kind+"-"+p.req.Target.String(), func(holder string) { b.Report.Note("waiting for %s", holder) })
	if err != nil {
		return nil, false, err
	}
	defer release()
	a, err := Find(ctx, b.Store, p)
	if err == nil {
		img, err := Read(b.Store, a)
		if err == nil {
			if err = b.bring(ctx, img, p.Tags, b.others(p)); err == nil {
				return a, false, nil
			}
			err = b.damaged(ctx, img, err)
		}
		if !rebuildable(err) {
			return nil, false, err
		}
	} else if !rebuildable(err) {
		return nil, false, err
	}
	a, err = b.make(ctx, p)
	return a, err == nil, err
}

// damaged removes the layers of an image that are not what they were, after they
// could not be loaded, and returns the reason: err itself if all are well.
func (b *Builder) damaged(ctx context.Context, img *Image, err error) error {
	for _, l := range img.Layers {
		a, found := b.Store.Find(KindLayer, l.Key)
		if found != nil {
			continue
		}
		if bad := b.Store.Verify(ctx, a); errors.As(bad, new(*artifacts.DamagedError)) {
			b.Report.Note("%v: making it again", bad)
			if gone := b.Store.Remove(ctx, KindLayer, l.Key); gone != nil {
				return gone
			}
			err = bad
		}
	}
	return err
}

// rebuildable is whether an error of the store means no more than that something
// has to be made.
func rebuildable(err error) bool {
	return errors.Is(err, artifacts.ErrNotFound) || errors.As(err, new(*artifacts.DamagedError))
}

// Bring makes sure that the engine has an image of the store, under some tags.
func (b *Builder) Bring(ctx context.Context, a *artifacts.Artifact, tags []string) error {
	img, err := Read(b.Store, a)
	if err != nil {
		return err
	}
	return b.bring(ctx, img, tags, nil)
}

func (b *Builder) bring(ctx context.Context, img *Image, tags, others []string) error {
	for _, id := range []string{img.ID, img.Digest} {
		known, found, err := b.Engine.Image(ctx, id)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		for _, tag := range tags {
			if err := b.Engine.Tag(ctx, known.ID, tag); err != nil {
				return err
			}
		}
		return nil
	}
	return b.load(ctx, img, tags, others)
}

// make makes the layers that are missing, puts the image together, checks it,
// publishes it and tags it.
func (b *Builder) make(ctx context.Context, p *Plan) (*artifacts.Artifact, error) {
	started := time.Now()
	info, err := b.Engine.Info(ctx)
	if err != nil {
		return nil, err
	}
	if b.jobs = b.Jobs; b.jobs == 0 {
		b.jobs = max(1, info.CPUs)
	}
	b.steps, b.report = nil, nil
	log, err := b.openLog(p)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	img := &Image{
		Name: p.top.Name, Target: p.req.Target.String(), Arch: p.req.Target.Arch, Series: p.Series,
		Created: p.req.Created.UTC(), Config: p.Config,
	}
	before := b.before(p)
	for i, planned := range p.Layers {
		made, reused, err := b.layer(ctx, p, i, img.Layers)
		if err != nil {
			return nil, fmt.Errorf("layer %s of %s: %w", planned.Name, planned.Image, err)
		}
		img.Layers = append(img.Layers, made)
		b.reported(planned, made, reused, before)
		if err := budget(p.top, img.Layers); err != nil {
			return nil, err
		}
	}
	if img.ID, img.Digest, err = img.OCI().IDs(); err != nil {
		return nil, err
	}
	temporary := CheckingRepository + ":" + p.Key.Short() + "-" + strings.ToLower(rand.Text())
	if err := b.timed("load", func() error { return b.load(ctx, img, []string{temporary}, b.others(p)) }); err != nil {
		return nil, err
	}
	defer b.Engine.RemoveImage(context.WithoutCancel(ctx), temporary)
	checks, err := b.check(ctx, p, img, log)
	if err != nil {
		return nil, err
	}
	a, err := b.publish(ctx, p, img, checks, log, started)
	if err != nil {
		return nil, err
	}
	if err := b.bring(ctx, img, p.Tags, b.others(p)); err != nil {
		return nil, err
	}
	b.dropFormer(ctx, img)
	return a, nil
}

// CheckingRepository is where the engine has images that are being checked.
const CheckingRepository = "pybake/checking"

// dropFormer removes from the engine the image that had the name before, if the new
// one took its last tag and nothing runs it.
func (b *Builder) dropFormer(ctx context.Context, img *Image) {
	if b.beforeID == "" || img.Is(b.beforeID) {
		return
	}
	if former, found, err := b.Engine.Image(ctx, b.beforeID); err == nil && found && len(former.Tags) == 0 {
		b.Engine.RemoveImage(ctx, b.beforeID) // if something uses it, clean removes it later
	}
}

// budget refuses what is larger than its definition allows: layers of a name
// together, and all.
func budget(top project.Image, layers []Layer) error {
	sizes := map[string]int64{}
	for _, l := range layers {
		sizes[l.Name] += l.Unpacked
		sizes["total"] += l.Unpacked
	}
	for _, name := range slices.Sorted(maps.Keys(top.MaxSize)) {
		if most := int64(top.MaxSize[name]); sizes[name] > most {
			return &SizeError{Image: top.Name, Layer: name, Size: sizes[name], Most: most}
		}
	}
	return nil
}

// publish puts the image into the store.
func (b *Builder) publish(ctx context.Context, p *Plan, img *Image, checks []artifacts.Check, log *os.File, started time.Time) (*artifacts.Artifact, error) {
	draft, err := b.Store.Begin(Kind)
	if err != nil {
		return nil, err
	}
	defer draft.Discard()
	if err := writeJSON(filepath.Join(draft.Dir(), imageFile), img); err != nil {
		return nil, err
	}
	if err := writeJSON(filepath.Join(draft.Dir(), reportFile), b.report); err != nil {
		return nil, err
	}
	if err := draft.AddLog("image.log", log); err != nil {
		return nil, err
	}
	labels := map[string]string{"image": img.Name, "distro": p.req.Target.Distro.Codename, "arch": img.Arch, "proved": p.proof()}
	if p.Series != "" {
		labels["version"], labels["series"] = p.pythonVersion(), p.Series
	}
	return draft.Publish(ctx, artifacts.Manifest{
		Kind: Kind, Name: p.Name, Inputs: p.Inputs, Labels: labels, Checks: checks, Steps: b.steps, Started: started, Finished: time.Now(),
	})
}

// before are the layers of the image that has the name of the plan now, by image
// and name.
func (b *Builder) before(p *Plan) map[string]*artifacts.Artifact {
	layers := map[string]*artifacts.Artifact{}
	a, err := b.Store.Lookup(p.Name)
	if err != nil {
		return layers // the first of its name
	}
	var img Image
	if readJSON(filepath.Join(a.Dir, imageFile), &img) != nil {
		return layers
	}
	b.beforeID = img.ID
	for _, l := range img.Layers {
		if a, err := b.Store.Find(KindLayer, l.Key); err == nil {
			layers[l.Image+" "+l.Name] = a
		}
	}
	return layers
}

// reported notes where a layer came from, and why it was made.
func (b *Builder) reported(planned *Planned, made Layer, reused bool, before map[string]*artifacts.Artifact) {
	row := Reported{Layer: made, Origin: "built"}
	old, known := before[planned.Image+" "+planned.Name]
	switch {
	case reused:
		row.Origin = "reused"
	case !known:
		row.Why = "new"
	case old.Key == planned.Key:
		row.Why = "it was lost"
	default:
		var why []string
		for _, c := range artifacts.Compare(old.Inputs, planned.Inputs) {
			if c.Name == "lower" {
				why = append(why, "a layer below is another")
				continue
			}
			why = append(why, c.String())
		}
		row.Why = strings.Join(why, "; ")
	}
	b.report = append(b.report, row)
}

// timed runs a step and notes how long it took.
func (b *Builder) timed(name string, run func() error) error {
	start, end := time.Now(), b.Report.Step(name)
	err := run()
	end(err)
	b.steps = append(b.steps, artifacts.Step{Name: name, Seconds: time.Since(start).Seconds()})
	return err
}

// openLog makes the file for what the checks print. It stays when the image fails.
func (b *Builder) openLog(p *Plan) (*os.File, error) {
	dir := filepath.Join(b.LogDir, strings.ReplaceAll(p.Name, " ", "-"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return os.Create(filepath.Join(dir, "image.log"))
}
