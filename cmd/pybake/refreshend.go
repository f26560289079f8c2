package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/sync/errgroup"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/image/oci"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/internal/refresh/report"
)

// loadKeys reads what signs, or says loudly that nothing does.
func (r *refreshRun) loadKeys() (err error) {
	r.keys, err = r.a.signingKeys(r.project, r.store.Dir(), r.dir.Dir)
	return err
}

// signingKeys reads the keys that [publish] names; nil: it names none, which is said
// loudly.
func (a *app) signingKeys(p *project.Project, storeDir, publishedDir string) (*sign.Keys, error) {
	name, err := p.SigningKey(storeDir, a.lookupEnv)
	if err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	if name == "" {
		a.display.Note("NOT SIGNED: [publish] of pybake.toml names no key; apt will refuse the repository unless it is told to trust it. pybake keygen makes one")
		return nil, nil
	}
	if err := sign.CheckPlace(name, storeDir, publishedDir); err != nil {
		return nil, &advised{fmt.Errorf("[publish] key: %w", err), statusUsage, ""}
	}
	keys, err := sign.Load(name, []byte(a.sys.getenv("PYBAKE_KEY_PASSPHRASE")))
	if err != nil {
		return nil, &advised{fmt.Errorf("[publish] key: %w", err), statusUsage, ""}
	}
	return keys, nil
}

// finish publishes what there is, and tells the night.
func (r *refreshRun) finish(ctx context.Context, outcomes []refresh.Outcome) error {
	set, err := r.newSet(ctx, outcomes)
	if err != nil {
		return err
	}
	var failed []error
	gen, err := r.publish(ctx, set)
	if err != nil {
		failed = append(failed, fmt.Errorf("publish: %w", err))
		set = publish.Set{}
		if r.former != nil {
			set = *r.former
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	night := r.nightOf(outcomes, set, gen)
	failed = append(r.failures(outcomes), failed...)
	if err != nil {
		night.Trouble = append(night.Trouble, failed[len(failed)-1].Error())
	}
	if err := r.report(ctx, night); err != nil {
		failed = append(failed, fmt.Errorf("report: %w", err))
	}
	if len(failed) > 0 {
		failed = append(failed, r.alarm(ctx, night)...)
	}
	if r.a.flags.json {
		err = r.a.printJSON(night)
	} else {
		_, err = io.WriteString(r.a.sys.stdout, report.Text(night))
	}
	return r.failed(append(failed, err)...)
}

// failed joins the errors of a night, with the first hint that one of them has: it
// failed, whatever was the cause of a part.
func (r *refreshRun) failed(errs ...error) error {
	all := errors.Join(errs...)
	if all == nil {
		return nil
	}
	hint := ""
	for _, err := range errs {
		if err != nil && hint == "" {
			_, hint = explain(err, r.a.args)
		}
	}
	return &advised{all, statusFailed, hint}
}

// publish publishes a set, if it or what signs it is other than what is published.
func (r *refreshRun) publish(ctx context.Context, set publish.Set) (*publish.Generation, error) {
	for _, e := range r.gone(set) {
		r.warn(fmt.Sprintf("%s is not published any more: nothing in the matrix is for it", e.Name))
	}
	if !r.outdated(set) {
		return r.current, nil
	}
	if now, err := r.dir.Current(); err == nil && r.current != nil && now.Number != r.current.Number {
		return now, fmt.Errorf("generation %d was published while this run was under way (pybake rollback?): it stays until the next refresh", now.Number)
	}
	end := r.a.display.Step("publish")
	gen, err := r.dir.Publish(ctx, publicationOf(r.project.Publication, set, r.keys))
	end(err)
	if err != nil {
		return r.current, err
	}
	for _, warning := range gen.Warnings {
		r.warn(warning)
	}
	return gen, nil
}

// warn says something now, and in the report.
func (r *refreshRun) warn(text string) {
	r.a.display.Note("%s", text)
	r.notes = append(r.notes, text)
}

// gone is what was published, and is not in a set for its cell or any other.
func (r *refreshRun) gone(set publish.Set) (all []publish.Entry) {
	if r.former == nil {
		return nil
	}
	kept := map[artifacts.Key]bool{}
	cells := map[string]bool{}
	for _, e := range set.Entries {
		kept[e.Key], cells[e.Cell] = true, true
	}
	for _, e := range r.former.Entries {
		if !kept[e.Key] && !cells[e.Cell] {
			all = append(all, e)
		}
	}
	return all
}

// publicationOf is the publication of a set as [publish] has it.
func publicationOf(p project.Publication, set publish.Set, keys *sign.Keys) publish.Release {
	return publish.Release{Set: set, Keys: keys, Valid: time.Duration(p.Valid), URL: p.URL, Origin: p.Origin, Keep: p.Keep}
}

// newSet is what is to be published. An artifact that cannot be published counts as one
// that failed: it keeps no other from it.
func (r *refreshRun) newSet(ctx context.Context, outcomes []refresh.Outcome) (publish.Set, error) {
	p := &refresh.Publisher{Store: r.store, Into: r.dir, Again: r.flags.publish}
	if r.project.Publication.Push {
		p.Tags = func(c refresh.Cell, _ *artifacts.Artifact) []string { return r.tagsOf(c) }
		p.Refs = func(c refresh.Cell, a *artifacts.Artifact) ([]string, error) { return r.push(ctx, c, a) }
	}
	r.dir.Mend = r.flags.publish
	made := map[string]*publish.Entry{}
	var mu sync.Mutex
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range outcomes {
		o := &outcomes[i]
		if o.Artifact == nil {
			continue
		}
		group.Go(func() error {
			e, err := p.Entry(inner, o.Cell, o.Artifact, refresh.Former(r.former, o.Name))
			if inner.Err() != nil {
				return context.Cause(inner)
			}
			if errors.As(err, new(*publish.MismatchError)) || errors.Is(err, os.ErrNotExist) {
				err = &advised{fmt.Errorf("the store is damaged: %w", err), statusFailed, "pybake verify --store --repair && pybake refresh"}
			}
			if err != nil {
				o.State, o.Artifact, o.Err = refresh.Failed, nil, err
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			made[o.Name] = &e
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return publish.Set{}, err
	}
	if err := r.refuseOtherBytes(outcomes, made); err != nil {
		return publish.Set{}, err
	}
	return refresh.Merge(outcomes, made, r.former, r.a.sys.now()), nil
}

// refuseOtherBytes takes out Pythons whose packages were published before with other
// bytes under the same names: what was built a second time from the same inputs, after
// the store had lost it, may differ. They get the next release number, and are built
// with it the next time.
func (r *refreshRun) refuseOtherBytes(outcomes []refresh.Outcome, made map[string]*publish.Entry) error {
	var published map[string]string // SHA-256 by name
	for i := range outcomes {
		o := &outcomes[i]
		e := made[o.Name]
		if o.State != refresh.Rebuilt || o.Kind != refresh.KindPython || e == nil {
			continue
		}
		if published == nil {
			published = map[string]string{}
			all, _ := r.dir.Generations() // what cannot be read can be rolled back to by nobody
			for _, g := range all {
				for _, former := range g.Set.Entries {
					for _, d := range former.Debs {
						published[d.Name] = d.SHA256
					}
				}
			}
		}
		i := slices.IndexFunc(e.Debs, func(d publish.Deb) bool { return published[d.Name] != "" && published[d.Name] != d.SHA256 })
		if i < 0 {
			continue
		}
		o.State, o.Artifact = refresh.Failed, nil
		o.Err = fmt.Errorf("%s is published with other bytes: the next refresh builds the next release", e.Debs[i].Name)
		delete(made, o.Name)
		like := project.ReleasePin{Python: o.Version, Distro: o.Distro, Arch: o.Arch, Variant: o.Variant}
		err := r.pins.Update(func(l *project.Lock) error {
			if pin, ok := l.Release(like); ok {
				pin.Release++
				l.SetRelease(pin)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// push pushes an image of the store under its tags, and returns these with its digest.
func (r *refreshRun) push(ctx context.Context, c refresh.Cell, a *artifacts.Artifact) (refs []string, err error) {
	img, err := image.Read(r.store, a)
	if err != nil {
		return nil, err
	}
	tags := r.tagsOf(c)
	end := r.a.display.Step("push " + strings.Join(tags, " "))
	err = img.OCI().Push(ctx, tags, oci.Options{Keychain: authn.DefaultKeychain, Transport: r.a.httpClient().Transport})
	end(err)
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		refs = append(refs, tag+"@"+img.Digest)
	}
	return refs, nil
}

// outdated is whether something else is published than a set, or with other words, or
// its signatures are a third as old as they may get. Who publishes by hand always does.
func (r *refreshRun) outdated(set publish.Set) bool {
	c, p := r.current, r.project.Publication
	if c == nil || r.flags.publish || !sameJSON(c.Set, set) {
		return true
	}
	public := r.keys.Public()
	return c.Signed != public.Fingerprint || c.Note != public.Note || c.URL != p.URL || c.Origin != p.Origin ||
		r.a.sys.now().Sub(c.Date) > time.Duration(p.Valid)/3
}

func sameJSON(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// nightOf is the record of the run.
func (r *refreshRun) nightOf(outcomes []refresh.Outcome, set publish.Set, gen *publish.Generation) report.Night {
	n := report.Night{
		Project: filepath.Base(r.a.path(r.project.Root)), Started: r.began.UTC().Truncate(time.Second), Finished: r.a.sys.now().UTC().Truncate(time.Second),
		URL: r.project.Publication.URL, Signed: r.keys != nil, Moves: r.moves, Notes: r.notes,
	}
	if gen != nil {
		n.Generation = gen.Number
	}
	for _, err := range r.trouble {
		n.Trouble = append(n.Trouble, err.Error())
	}
	for _, o := range outcomes {
		one := refresh.Told(o, refresh.Former(&set, o.Name))
		r.mu.Lock()
		one.Tail = r.tails[o.Name]
		r.mu.Unlock()
		n.Artifacts = append(n.Artifacts, one)
	}
	return n
}

// failures are the errors of the run, by cell.
func (r *refreshRun) failures(outcomes []refresh.Outcome) (errs []error) {
	for _, o := range outcomes {
		if o.State == refresh.Failed || o.State == refresh.Skipped && !r.flags.publish {
			errs = append(errs, fmt.Errorf("%s %s: %w", o.Name, o.State, o.Err))
		}
	}
	return append(errs, r.trouble...)
}

// nightsDir is where the records of nights are.
func (r *refreshRun) nightsDir() string {
	return refresh.NightsDir(r.store.Dir(), r.a.path(r.project.Root))
}

// report keeps the night and publishes the report of it and those before.
func (r *refreshRun) report(ctx context.Context, n report.Night) error {
	logs := r.logFiles(&n)
	if err := refresh.SaveNight(r.nightsDir(), n); err != nil {
		return err
	}
	nights, err := refresh.LoadNights(r.nightsDir(), report.History)
	if err != nil {
		return err
	}
	files, err := report.Files(nights)
	if err != nil {
		return err
	}
	var all []publish.File
	for _, f := range files {
		all = append(all, publish.File{Path: f.Path, Data: f.Data})
	}
	return r.dir.Report(ctx, append(all, logs...))
}

// mostLog is how much of the log of a failure is published: its end.
const mostLog = 1 << 20

// logFiles are the logs of what was tried this night, and links to them.
func (r *refreshRun) logFiles(n *report.Night) (files []publish.File) {
	for i := range n.Artifacts {
		one := &n.Artifacts[i]
		var text []byte
		var names []string
		filepath.WalkDir(filepath.Join(r.store.Dir(), "logs", r.night(), slug(one.Name)), func(name string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() {
				names = append(names, name)
			}
			return nil // what cannot be read is not linked to
		})
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			text = append(text, fmt.Sprintf("==> %s <==\n", filepath.Base(name))...)
			text = append(text, data[max(0, len(data)-mostLog):]...)
			text = append(text, '\n')
		}
		if len(text) == 0 {
			continue
		}
		one.Log = path.Join("logs", slug(one.Name)+".txt")
		files = append(files, publish.File{Path: one.Log, Data: text[max(0, len(text)-2*mostLog):]})
	}
	return files
}

// lookupEnv is a variable of the environment.
func (a *app) lookupEnv(name string) (string, bool) {
	value := a.sys.getenv(name)
	return value, value != ""
}
