package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pybake/pybake/artifacts/sign"
)

const (
	// defaultKeep is how many contents are kept unless the caller says otherwise.
	defaultKeep = 5
	// maxAhead is how far in the future apt lets a date be (Acquire::Max-FutureTime).
	maxAhead = 10 * time.Second
)

// Release is what is to be published, and how.
type Release struct {
	Set    Set
	Keys   *sign.Keys    // nil: nothing is signed, and generation.json says so loudly
	Now    time.Time     // zero: the clock's, and no date that is still to come
	Valid  time.Duration // from Now until apt takes the repository for outdated; 0: for ever
	URL    string        // of the directory, "https://baked.example.org/"; empty: there are no .sources files
	Origin string        // of the apt repository; default "pybake"
	Keep   int           // contents of which clients still find everything, this one among them; default 5
	Of     int           // the generation of which this is the set, or 0
	// Extra gives further files of the generation, whose number it is told. Their
	// paths are none that Publish makes. It must not write into the directory.
	Extra func(number int) ([]File, error)
}

// MissingError is a file of a set that the pool lacks, or has damaged. Put brings it.
type MissingError struct {
	Entry string // name of the entry
	Path  string // of the pool
	Err   error
}

func (e *MissingError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Entry, e.Path, e.Err) }

func (e *MissingError) Unwrap() error { return e.Err }

// publication is a Publish under way. The lock is held.
type publication struct {
	*Directory
	Release
	number   int
	current  int           // what the switch is at, or 0
	former   *Generation   // that is current; nil if there is none, or it is damaged
	before   *list         // of former; empty without
	kept     []*Generation // former generations of which clients still find everything
	content  string
	uploaded map[string]time.Time // by SHA-256 of a wheel, of this set and those kept

	files    []File   // the heads, but for generation.json and set.json
	carried  []carry  // by-hash files of kept generations
	pool     []listed // what of the pool the heads refer to
	list     list
	warnings []string
}

// Publish makes a generation and switches to it. The files of the set are in the
// pool before. After an error, a kill or a power cut, what was published before is
// published still, or all of the new one is. The error joins a [*MissingError] for each
// file that the pool lacks, and a [*ConflictError] for each package that was published
// with other bytes. Another writer is waited for until ctx ends.
func (d *Directory) Publish(ctx context.Context, r Release) (*Generation, error) {
	var wait bool
	if wait = r.Now.IsZero(); wait {
		r.Now = time.Now()
	}
	r.Origin, r.Keep = cmp.Or(r.Origin, "pybake"), cmp.Or(max(r.Keep, 0), defaultKeep)
	g, err := d.publish(ctx, r, wait)
	if err != nil {
		return nil, fmt.Errorf("publish into %s: %w", d.Dir, err)
	}
	return g, nil
}

// publish is Publish. wait is whether it does not switch before the date has come: of
// two publications within a second the other is dated in the next one, and sqv takes no
// signature of the future.
func (d *Directory) publish(ctx context.Context, r Release, wait bool) (*Generation, error) {
	if err := r.Set.check(); err != nil {
		return nil, err
	}
	release, err := d.lock(ctx, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer release()
	p := &publication{Directory: d, Release: r}
	for _, step := range []func() error{d.sweep, p.look, p.checkPool, p.render, p.extra} {
		if err := step(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	draft := d.work("draft")
	defer os.RemoveAll(draft) // once it is renamed, there is none
	if err := p.write(ctx, draft); err != nil {
		return nil, err
	}
	if ahead := time.Until(p.Now); wait && ahead > 0 && ahead < maxAhead {
		select {
		case <-time.After(ahead):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := p.install(draft); err != nil {
		return nil, err
	}
	return &Generation{
		Number: p.number, Date: p.Now, Content: p.content, Of: p.Of, Set: p.Set, Dir: d.generationDir(p.number), Current: true,
		Signed: p.Keys.Public().Fingerprint, Note: p.Keys.Public().Note, URL: p.URL, Origin: p.Origin, Warnings: p.warnings, uploaded: p.ownUploaded(),
	}, nil
}

// look finds out what there is, and the number and date of the generation.
func (p *publication) look() error {
	numbers, err := p.numbers()
	if err != nil {
		return err
	}
	if p.current, err = p.currentNumber(); err != nil {
		return err
	}
	p.number = max(slices.Max(append(numbers, 0)), p.current) + 1
	if p.content, err = p.Set.content(); err != nil {
		return err
	}
	all, damaged, err := p.loadAll(p.loadRecord) // sets are large, and most are not needed
	if err != nil {
		return err
	}
	for _, e := range damaged {
		p.warnDamaged(e)
	}
	if p.Of > 0 && !slices.ContainsFunc(all, func(g *Generation) bool { return g.Number == p.Of && g.Content == p.content }) {
		return fmt.Errorf("the set is not that of generation %d", p.Of)
	}
	whole := func(g *Generation) bool { return p.warnDamaged(p.loadSet(g)) }
	p.kept = kept(all, p.current, p.Keep, whole, p.content)
	p.before = &list{}
	if i := slices.IndexFunc(all, func(g *Generation) bool { return g.Current }); i >= 0 {
		p.former = all[i]
		if before, err := p.Directory.list(p.current); p.warnDamaged(err) {
			p.before = before
		}
		if p.former.uploaded == nil {
			whole(p.former)
		}
		p.compareKeys()
	}
	p.setDate()
	p.setUploaded(all)
	return p.Set.checkDebs(p.kept)
}

func (p *publication) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

// warnDamaged warns of an error in reading a former generation, and is whether there was
// none.
func (p *publication) warnDamaged(err error) bool {
	if err != nil {
		p.warn("%v; what only it had is no longer offered", err)
	}
	return err == nil
}

// setDate makes the date later than the former one: apt passes over what is not.
func (p *publication) setDate() {
	p.Now = p.Now.UTC().Truncate(time.Second)
	if p.former == nil || p.Now.After(p.former.Date) {
		return
	}
	if ahead := p.former.Date.Sub(p.Now); ahead >= maxAhead {
		p.warn("generation %d is dated %s, which is %s ahead of now: a clock is wrong; apt clients that took it wait until then", p.former.Number,
			p.former.Date.Format(time.RFC3339), ahead)
		return
	}
	p.Now = p.former.Date.Add(time.Second)
}

func (p *publication) compareKeys() {
	if was, is := p.former.Signed, p.Keys.Public().Fingerprint; was != "" && was != is {
		p.warn("generation %d was signed by %s, this one %s: apt refuses it where that key is named", p.former.Number, was, byWhom(is))
	}
	if was, is := p.former.Note, p.Keys.Public().Note; was != "" && was != is {
		p.warn("the list of generation %d was signed by %.60s…, this one %s", p.former.Number, was, byWhom(is))
	}
}

func byWhom(key string) string {
	if key == "" {
		return "by no key"
	}
	return "by " + key
}

// setUploaded finds since when each wheel has been published.
func (p *publication) setUploaded(all []*Generation) {
	p.uploaded = map[string]time.Time{}
	for _, g := range all {
		for sum, since := range g.uploaded {
			if known, ok := p.uploaded[sum]; !ok || since.Before(known) {
				p.uploaded[sum] = since
			}
		}
	}
	for _, e := range p.Set.Entries {
		for _, w := range e.Wheels {
			if _, ok := p.uploaded[w.SHA256]; !ok {
				p.uploaded[w.SHA256] = p.Now
			}
		}
	}
}

// ownUploaded is what of uploaded is of this set.
func (p *publication) ownUploaded() map[string]time.Time {
	own := map[string]time.Time{}
	for _, e := range p.Set.Entries {
		for _, w := range e.Wheels {
			own[w.SHA256] = p.uploaded[w.SHA256]
		}
	}
	return own
}

// checkPool holds the set against the pool.
func (p *publication) checkPool() error {
	var errs []error
	for _, e := range p.Set.Entries {
		need := func(f listed, err error) {
			if err != nil {
				errs = append(errs, &MissingError{Entry: e.Name, Path: f.Path, Err: err})
			}
			p.pool = append(p.pool, f)
		}
		for _, b := range e.blobs() {
			need(p.lookBlob(b))
		}
		for _, w := range e.Wheels {
			if w.MetadataSHA256 != "" {
				need(p.lookMetadata(w))
			}
		}
	}
	return errors.Join(errs...)
}

// lookBlob looks whether the pool has a blob, without reading it: it was read when it
// came.
func (p *publication) lookBlob(b Blob) (listed, error) {
	f := listed{b.Path(), b.Size, b.SHA256}
	info, err := os.Lstat(p.path(f.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, errors.New("missing")
	case err != nil:
		return f, err
	case !info.Mode().IsRegular():
		return f, errors.New("not a regular file")
	case info.Size() != b.Size:
		return f, fmt.Errorf("%d bytes, want %d", info.Size(), b.Size)
	}
	return f, nil
}

// lookMetadata is lookBlob of a wheel's metadata. What the former list did not have is
// read.
func (p *publication) lookMetadata(w Wheel) (listed, error) {
	path := poolPath(w.SHA256, metadataName(w.Name))
	if f, ok := p.before.find(path); ok && f.SHA256 == w.MetadataSHA256 && p.hasFile(path, f.Size) {
		return f, nil
	}
	data, err := os.ReadFile(p.path(path))
	f := listed{path, int64(len(data)), w.MetadataSHA256}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, errors.New("missing")
	case err == nil && hashBytes(data) != w.MetadataSHA256:
		return f, fmt.Errorf("sha256 is %s, want %s", hashBytes(data), w.MetadataSHA256)
	}
	return f, err
}

// extra adds the files of the caller.
func (p *publication) extra() error {
	if p.Extra == nil {
		return nil
	}
	files, err := p.Extra(p.number)
	if err != nil {
		return err
	}
	for _, f := range files {
		top, _, below := strings.Cut(f.Path, "/")
		if err := checkPath(f.Path); err != nil {
			return err
		}
		if !below || slices.Contains([]string{"dists", "simple", "houses", poolDir, generationsDir, reportsDir, currentLink}, top) {
			return fmt.Errorf("%s: the path is not for further files", f.Path)
		}
	}
	p.files = append(p.files, files...)
	return nil
}

// record is generation.json.
func (p *publication) record() ([]byte, error) {
	public := p.Keys.Public()
	r := record{Number: p.number, Date: p.Now, Content: p.content, Of: p.Of, URL: p.URL, Origin: p.Origin, Keys: keys{OpenPGP: public.Fingerprint, Note: public.Note}}
	switch {
	case public.Fingerprint == "" && public.Note == "":
		r.Keys.Unsigned = "NOTHING IS SIGNED: nobody can tell who published this; apt refuses it unless it is told to trust it"
	case public.Fingerprint == "":
		r.Keys.Unsigned = "THE APT REPOSITORY IS NOT SIGNED: apt refuses it unless it is told to trust it"
	}
	data, err := json.MarshalIndent(r, "", "  ")
	return append(data, '\n'), err
}

// install puts a draft in place and switches to it. Whatever could fail for lack of
// space comes before the sync, and the sync before the renames.
func (p *publication) install(draft string) error {
	if err := p.links(); err != nil {
		return err
	}
	next := p.work("current")
	target := filepath.Join(generationsDir, generationName(p.number))
	defer os.Remove(next)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"draft current", func() error { return os.Symlink(target, next) }},
		{"sync all", p.sync},
		{"rename generation", func() error { return os.Rename(draft, p.generationDir(p.number)) }},
		{"sync generations", func() error { return syncDir(p.path(generationsDir)) }},
		{"switch", func() error { return os.Rename(next, p.path(currentLink)) }},
		{"sync root", func() error { return syncDir(p.Dir) }},
	} {
		if err := p.do(step.what, step.do); err != nil {
			return err
		}
	}
	return nil
}

// links makes what of the generation is at the root: links through the switch, made
// once. Until the switch, those of what is new lead nowhere.
func (p *publication) links() error {
	var tops []string
	for _, f := range p.list.Files {
		top, _, _ := strings.Cut(f.Path, "/")
		if top != poolDir && top != setFile && top != recordFile {
			tops = append(tops, top)
		}
	}
	slices.Sort(tops)
	for _, top := range slices.Compact(tops) {
		want := currentLink + "/" + top
		there, err := os.Readlink(p.path(top))
		switch {
		case err == nil && (there == want || top == reportLink):
			continue
		case err == nil:
			return fmt.Errorf("%s leads to %s, not to %s", p.path(top), there, want)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s: something else than a link to %s is there", p.path(top), want)
		}
		if err := p.do("link "+top, func() error { return os.Symlink(want, p.path(top)) }); err != nil {
			return err
		}
	}
	return nil
}
