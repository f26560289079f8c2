package wheels

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/cargo"
	"github.com/pybake/pybake/wheels/sdist"
	"github.com/pybake/pybake/wheels/whl"
)

// built brings the wheel of a source: from the store, or built.
func (b *Builder) built(ctx context.Context, p *Plan, pkg *Package, got fetch.Got) (*Wheel, *Failure) {
	t := &task{b: b, p: p, source: p.sourceOf(pkg), step: "source"}
	err := t.open(ctx, got)
	if err == nil {
		err = t.patch()
	}
	if err != nil {
		return nil, failure(pkg, t.step, "", err)
	}
	return t.built(ctx)
}

// task is one package being built.
type task struct {
	source
	b    *Builder
	p    *Plan
	step string // for failures

	src      *sdist.Source
	rust     rust
	tools    *toolchain
	rustPath string // of the compiler's programs; "" is where others are

	job  *build.Run
	log  *os.File
	ends []func()

	installed []project.BuildPackage // what the environment of the job has
}

func (t *task) logName() string {
	if t.log == nil {
		return ""
	}
	return t.log.Name()
}

func (t *task) close(ctx context.Context) {
	if t.job != nil {
		t.job.Close(ctx)
	}
	for _, c := range slices.Backward(t.ends) {
		c()
	}
}

// built brings the wheel of a source that has been read.
func (t *task) built(ctx context.Context) (*Wheel, *Failure) {
	defer t.close(ctx)
	w, err := t.run(ctx)
	if err != nil {
		f := failure(t.pkg, t.step, t.logName(), err)
		t.explain(f)
		return nil, f
	}
	return w, nil
}

func (t *task) run(ctx context.Context) (w *Wheel, err error) {
	t.step = "crates"
	if t.rust, err = t.rustOf(t.src); err != nil {
		return nil, err
	}
	pinned, err := t.pinned()
	if err != nil {
		return nil, err
	}
	t.step = "toolchain"
	if pinned, err = t.compiled(pinned, func() error { return t.toolchain(ctx) }); err != nil {
		return nil, err
	}
	if pinned && !t.b.Verify {
		if w, err := t.found(ctx); w != nil || err != nil {
			return w, err
		}
	}
	t.step = "crates"
	if pinned, err = t.compiled(pinned, func() error { return t.crates(ctx) }); err != nil {
		return nil, err
	}
	tools := t.tools
	tools.join()
	t.ends = append(t.ends, func() { t.b.leave(ctx, tools) })
	t.step = "build"
	jobs, release, err := t.b.queue.acquire(ctx, t.expected(), t.memory())
	if err != nil {
		return nil, err
	}
	defer release()
	if t.log, err = t.b.openLog(t.p, t.pkg.Name); err != nil {
		return nil, err
	}
	t.ends = append(t.ends, func() { t.log.Close() })
	started := time.Now()
	if !pinned {
		t.step = "build requirements"
		if err := t.resolve(ctx, jobs); err != nil {
			return nil, err
		}
		// Somebody else may have built it with the same requirements.
		if !t.b.Verify {
			if w, err := t.found(ctx); w != nil || err != nil {
				return w, err
			}
		}
	}
	t.step = "build"
	return t.make(ctx, jobs, started)
}

// expected is how long the build is likely to take: as it took before, else more for
// what compiles more.
func (t *task) expected() time.Duration {
	if past, ok := t.b.past[t.pkg.Name]; ok {
		return past
	}
	return time.Second + time.Duration(t.src.Compiled+len(t.rust.archives)/2)*time.Second
}

// memory is how much the build may need, in bytes.
func (t *task) memory() int64 {
	switch {
	case t.recipe.Memory > 0:
		return int64(t.recipe.Memory) << 20
	case t.rust.digest != "":
		return 2 << 30
	}
	return 1 << 30
}

// memoryLimit is how much the build gets, in bytes.
func (t *task) memoryLimit() int64 {
	return max(t.memory(), t.b.queue.memory/int64(t.b.queue.cores))
}

// limitFactor is how many times as long as usual a build may take.
const limitFactor = 3

// limit is how long one hook may take.
func (t *task) limit() time.Duration {
	if t.b.Limit > 0 {
		return t.b.Limit
	}
	return max(time.Hour, limitFactor*time.Duration(t.recipe.Minutes)*time.Minute)
}

// found is the wheel in the store, nil if it is not there.
func (t *task) found(ctx context.Context) (*Wheel, error) {
	pins, err := t.b.Pins.Read()
	if err != nil {
		return nil, err
	}
	for _, inputs := range [][]artifacts.Input{t.inputs(t.p, pins, t.tools.pin), t.sharedInputs()} {
		key, err := artifacts.NewKey(KindWheel, inputs)
		if err != nil {
			return nil, err
		}
		a, err := t.b.Store.Find(KindWheel, key)
		if err == nil {
			return t.fromStore(ctx, a)
		}
		if damaged, ok := errors.AsType[*artifacts.DamagedError](err); ok {
			t.b.Report.Note("%v: building it again", damaged)
		} else if !errors.Is(err, artifacts.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

// fromStore reads a wheel of the store.
func (t *task) fromStore(ctx context.Context, a *artifacts.Artifact) (*Wheel, error) {
	i := slices.IndexFunc(a.Files, func(f artifacts.File) bool { return strings.HasSuffix(f.Path, ".whl") })
	if i < 0 {
		return nil, fmt.Errorf("%s: no wheel in it", a.Dir)
	}
	t.step = "check"
	w, err := t.b.read(ctx, t.p, t.pkg, filepath.Join(a.Dir, a.Files[i].Path), a.Files[i].Path, true)
	if err != nil {
		return nil, err
	}
	if w.SHA256 != a.Files[i].SHA256 {
		return nil, fmt.Errorf("%s: sha256 %s, but its manifest says %s", a.Dir, w.SHA256, a.Files[i].SHA256)
	}
	w.Origin, w.Key, w.Source, w.Yanked = "sdist", string(a.Key), t.described(), t.pkg.Yanked
	for _, f := range a.Files {
		if strings.HasPrefix(f.Path, build.SymbolsDir+"/") {
			w.symbols = append(w.symbols, f.Path)
		}
	}
	for _, s := range a.Steps {
		w.Seconds += s.Seconds
	}
	return w, nil
}

// described is where the wheel comes from.
func (t *task) described() *Source {
	s := &Source{File: cmp.Or(t.pkg.File, t.pkg.selected.Source.Path), Digest: t.digest}
	if from := t.pkg.selected.Source; from.Commit != "" {
		s.URL, s.Commit = label(from.URL), from.Commit
	}
	return s
}

// make builds the wheel, checks it and puts it into the store.
func (t *task) make(ctx context.Context, jobs int, started time.Time) (*Wheel, error) {
	draft, err := t.b.Store.Begin(KindWheel)
	if err != nil {
		return nil, err
	}
	defer draft.Discard()
	end := t.b.Report.Step(strings.TrimSpace("build " + t.pkg.Name + " " + t.pkg.Version))
	w, err := t.compile(ctx, jobs, draft)
	if err == nil && t.b.Verify {
		t.step = "verify"
		err = t.again(ctx, w, draft)
	}
	end(err)
	if err != nil {
		return nil, err
	}
	if err := draft.AddLog("build.log", t.log); err != nil {
		return nil, err
	}
	if t.rust.digest != "" {
		list := cargo.Listing(cargo.Union(t.rust.locks))
		if err := os.WriteFile(filepath.Join(draft.Dir(), CratesFile), []byte(list), 0o644); err != nil {
			return nil, err
		}
	}
	pins, err := t.b.Pins.Read()
	if err != nil {
		return nil, err
	}
	labels := map[string]string{
		"name": t.pkg.Name, "version": w.Version, "source": t.digest, "series": t.p.series(), "distro": t.p.Distro, "arch": t.p.Arch,
	}
	inputs := t.inputs(t.p, pins, t.tools.pin)
	name := strings.Join([]string{KindWheel, t.pkg.Name, w.Version, t.p.abi(), t.p.Distro, t.p.Arch}, " ")
	if t.shared(w.facts) {
		inputs, labels["shared"] = t.sharedInputs(), "yes"
		name = strings.Join([]string{KindWheel, t.pkg.Name, w.Version, "any"}, " ")
	}
	a, err := draft.Publish(ctx, artifacts.Manifest{
		Kind: KindWheel, Name: name, Inputs: inputs, Labels: labels, Started: started, Finished: time.Now(),
		Steps: []artifacts.Step{{Name: "build", Seconds: time.Since(started).Seconds()}},
		Checks: []artifacts.Check{ // of read, which is behind us
			{Name: "structure", OK: true, Detail: count(len(w.facts.Files), "file")},
			{Name: "tags", OK: true, Detail: w.facts.Name.String()},
			{Name: "hardening", OK: true, Detail: count(len(w.facts.ELF), "ELF file")},
		},
	})
	if err != nil {
		return nil, err
	}
	return t.fromStore(ctx, a)
}

// compile runs the build and leaves the canonical wheel in the draft, with its symbols
// beside it.
func (t *task) compile(ctx context.Context, jobs int, draft *artifacts.Draft) (*Wheel, error) {
	raw, err := draft.Scratch("raw")
	if err != nil {
		return nil, err
	}
	name, err := t.hooks(ctx, jobs, raw)
	if err != nil {
		return nil, err
	}
	if !t.b.Verify { // its container is for the next
		job := t.job
		t.b.closing.Go(func() { _ = job.Close(ctx) })
		t.job = nil
	}
	t.step = "check"
	path := filepath.Join(draft.Dir(), name)
	if err := t.rewrite(path, raw, name); err != nil {
		return nil, err
	}
	w, err := t.b.read(ctx, t.p, t.pkg, path, name, true)
	if err != nil {
		return nil, err
	}
	err = os.Rename(filepath.Join(raw, build.SymbolsDir), filepath.Join(draft.Dir(), build.SymbolsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return w, nil
}

// circumstances is a hash of what a backend's answer may depend on beside the source and
// the pinned packages.
func (t *task) circumstances() string {
	return hashJSON(t.recipe.Building(), t.pkg.selected.Options, t.p.toolOwner(t.p.toolPackages(t.recipe, t.pin)), t.pin.Rust, t.stamp.version)
}

// hooks runs what is left to run of the backend.
func (t *task) hooks(ctx context.Context, jobs int, raw string) (string, error) {
	if t.job != nil { // resolving has asked the backend already
		return t.job.Wheel(ctx, raw)
	}
	if err := t.start(ctx, jobs, t.pin.Packages); err != nil {
		return "", err
	}
	build := t.job.Rebuild
	if t.tree() || t.pin.Asked != t.circumstances() { // it may ask for something else now
		build = t.job.Build
	}
	asked, name, err := build(ctx, t.pin.Dynamic, raw)
	if err != nil || name != "" {
		return name, err
	}
	// An edit of a tree may have the backend ask for more; of anything else it is an error.
	if !t.tree() || t.b.Frozen || t.b.Fetcher.Offline {
		t.step = "build requirements"
		more := slices.DeleteFunc(asked, func(a string) bool { return slices.Contains(t.pin.Dynamic, a) })
		return "", &MoreRequiredError{Name: t.pkg.Name, Version: t.pkg.Version, Asked: more, Pinned: slices.Concat(t.pin.Requires, t.pin.Dynamic)}
	}
	if err := t.job.Close(ctx); err != nil {
		return "", err
	}
	t.job = nil
	if err := t.resolve(ctx, jobs); err != nil {
		return "", err
	}
	t.step = "build"
	return t.job.Wheel(ctx, raw)
}

// rewrite writes the canonical form of a wheel that came from the build.
func (t *task) rewrite(to, raw, name string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	err = whl.Rewrite(out, filepath.Join(raw, name), name, t.epoch())
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// shared is whether the wheel would be the same from any Python: nothing in it is
// compiled, it says that it fits any platform, and its metadata do not depend on
// the Python that made them, for they are those of the sdist.
func (t *task) shared(w *whl.Wheel) bool {
	// A source that has something to compile may have left it out here.
	if len(w.ELF) > 0 || !w.Purelib || t.src.Metadata == nil || t.src.Compiled > 0 || t.src.HasCargo || t.rust.digest != "" {
		return false
	}
	for _, tag := range w.Tags {
		if tag.ABI != "none" || tag.Platform != "any" || strings.HasPrefix(tag.Python, "cp") {
			return false
		}
	}
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	made, given := w.Metadata, t.src.Metadata
	return made.RequiresPython == given.RequiresPython && slices.Equal(sorted(made.RequiresDist), sorted(given.RequiresDist))
}

// epoch is SOURCE_DATE_EPOCH of the build, and the time of every file of the wheel.
func (t *task) epoch() time.Time { return t.src.Newest }
