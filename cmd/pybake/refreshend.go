package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/image"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/internal/refresh/report"
)

// loadKeys reads what signs, or says loudly that nothing does.
func (r *refreshRun) loadKeys() error {
	name, err := r.project.SigningKey(r.store.Dir(), r.a.lookupEnv)
	if err != nil {
		return &advised{err, statusUsage, ""}
	}
	if name == "" {
		r.a.display.Note("NOT SIGNED: [publish] of pybake.toml names no key; apt will refuse the repository unless it is told to trust it. pybake keygen makes one")
		return nil
	}
	if err := sign.CheckPlace(name, r.store.Dir(), r.dir.Dir); err != nil {
		return &advised{fmt.Errorf("[publish] key: %w", err), statusUsage, ""}
	}
	r.keys, err = sign.Load(name, []byte(r.a.sys.getenv("PYBAKE_KEY_PASSPHRASE")))
	if err != nil {
		return &advised{fmt.Errorf("[publish] key: %w", err), statusUsage, ""}
	}
	return nil
}

// finish publishes what there is, and tells the night.
func (r *refreshRun) finish(ctx context.Context, outcomes []refresh.Outcome) error {
	set, err := r.newSet(ctx, outcomes)
	if err != nil {
		return err
	}
	gen := r.current
	if r.outdated(set) {
		end := r.a.display.Step("publish")
		gen, err = r.dir.Publish(ctx, r.release(set))
		end(err)
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		for _, warning := range gen.Warnings {
			r.a.display.Note("%s", warning)
			r.notes = append(r.notes, warning)
		}
	}
	night := r.nightOf(outcomes, set, gen)
	failed := r.failures(outcomes)
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
	return errors.Join(append(failed, err)...)
}

// release is the publication of a set.
func (r *refreshRun) release(set publish.Set) publish.Release {
	p := r.project.Publication
	return publish.Release{
		Set: set, Keys: r.keys, Now: r.a.sys.now(), Valid: time.Duration(p.Valid), URL: p.URL, Origin: p.Origin, Keep: p.Keep,
	}
}

// newSet is what is to be published. An artifact whose files are not what its manifest
// says counts as one that failed.
func (r *refreshRun) newSet(ctx context.Context, outcomes []refresh.Outcome) (publish.Set, error) {
	p := &refresh.Publisher{Store: r.store, Into: r.dir, Refs: r.refs(ctx)}
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
			if errors.As(err, new(*publish.MismatchError)) || errors.Is(err, os.ErrNotExist) {
				o.State, o.Artifact = refresh.Failed, nil
				o.Err = &advised{fmt.Errorf("the store is damaged: %w", err), statusFailed, "pybake verify --store --repair && pybake refresh"}
				return nil
			}
			if err != nil {
				return err
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

// refs pushes images that this night did not build, if they were not published before,
// and returns their references.
func (r *refreshRun) refs(ctx context.Context) func(refresh.Cell, *artifacts.Artifact) ([]string, error) {
	if !r.project.Publication.Push || r.flags.publish && r.a.flags.offline {
		return nil
	}
	return func(c refresh.Cell, a *artifacts.Artifact) ([]string, error) {
		if r.pushed(c) == nil {
			if _, _, err := r.makeImage(ctx, c); err != nil {
				return nil, err
			}
		}
		img, err := image.Read(r.store, a)
		if err != nil {
			return nil, err
		}
		var refs []string
		for _, tag := range r.pushed(c) {
			refs = append(refs, tag+"@"+img.Digest)
		}
		return refs, nil
	}
}

// outdated is whether something else is published than a set, or its signatures are
// half as old as they may get.
func (r *refreshRun) outdated(set publish.Set) bool {
	if r.current == nil || !sameJSON(r.current.Set, set) {
		return true
	}
	if r.current.Signed != r.keys.Public().Fingerprint {
		return true
	}
	return r.a.sys.now().Sub(r.current.Date) > time.Duration(r.project.Publication.Valid)/2
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
		URL: r.project.Publication.URL, Signed: r.keys != nil, Moves: r.moves, Notes: r.notes, Generation: gen.Number,
	}
	for _, err := range r.trouble {
		n.Notes = append(n.Notes, "Not looked at: "+err.Error())
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
func (r *refreshRun) nightsDir() string { return filepath.Join(r.store.Dir(), "nights") }

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
		names, _ := filepath.Glob(filepath.Join(r.store.Dir(), "logs", r.night(), slug(one.Name), "*"))
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

// alarm calls the command and the webhook that want to know of failures.
func (r *refreshRun) alarm(ctx context.Context, n report.Night) (errs []error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := r.project.Refresh
	if len(c.OnFailure) > 0 {
		name := filepath.Join(r.project.Publication.Dir, "report", "night.txt")
		argv := make([]string, len(c.OnFailure))
		for i, arg := range c.OnFailure {
			var err error
			if argv[i], err = project.Replace(arg, map[string]string{"report": name}); err != nil {
				return []error{r.project.At("refresh.on-failure", err)}
			}
		}
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir, cmd.Stdin = r.project.Root, strings.NewReader(report.Text(n))
		cmd.Stdout, cmd.Stderr = r.a.display.lines(), r.a.display.lines()
		cmd.WaitDelay = time.Second
		if err := cmd.Run(); err != nil {
			errs = append(errs, fmt.Errorf("[refresh] on-failure: %s: %w", argv[0], err))
		}
	}
	if c.Webhook != "" {
		if err := r.callWebhook(ctx, n); err != nil {
			errs = append(errs, fmt.Errorf("[refresh] webhook: %w", err))
		}
	}
	return errs
}

// hookMessage is what a webhook gets: "text" is what most chats show.
type hookMessage struct {
	Text  string       `json:"text"`
	Night report.Night `json:"night"`
}

// callWebhook posts the night. Its errors do not have the address, which may have a token.
func (r *refreshRun) callWebhook(ctx context.Context, n report.Night) error {
	full, err := r.project.WebhookAddress(r.a.lookupEnv)
	if err != nil {
		return err
	}
	body, err := json.Marshal(hookMessage{report.Text(n), n})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, full, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address is none")
	}
	req.Header.Set("Content-Type", "application/json")
	client := r.a.httpClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // nobody checked where to
	resp, err := client.Do(req)
	if err != nil {
		var inner interface{ Unwrap() error }
		if errors.As(err, &inner) {
			err = inner.Unwrap() // without the address
		}
		return fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s answered %s", req.URL.Host, cmp.Or(resp.Status, "nothing"))
	}
	return nil
}

// lookupEnv is a variable of the environment.
func (a *app) lookupEnv(name string) (string, bool) {
	value := a.sys.getenv(name)
	return value, value != ""
}
