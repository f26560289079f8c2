package wheels

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/lock"
)

// asking is how many questions indexes are asked at once.
const asking = 16

// Finder finds the files of packages: where the lock says, and at indexes by hash.
type Finder struct {
	Index      *index.Client // of the indexes that the project, the lock or the machine names, by priority
	Fetcher    *fetch.Fetcher
	IndexFirst bool // the project names its indexes: they go before addresses in the lock

	Cargo func() (CargoConfig, error) // where crates are; asked when some are not in the cache
	Tools []fetch.Place               // where toolchains are that recipes name

	mu    sync.Mutex
	named map[string]*index.Client // with the index of a package before the others, by its address
}

// client is the one for a package whose lock may name the index.
func (f *Finder) client(s lock.Source) *index.Client {
	// An address with ${VAR} is among the known ones, filled in.
	if s.Kind != lock.Registry || s.URL == "" || f.IndexFirst || strings.Contains(s.URL, "${") {
		return f.Index
	}
	for _, known := range f.Index.Indexes {
		if known.URL == s.URL {
			return f.Index
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.named[s.URL]; c != nil {
		return c
	}
	if f.named == nil {
		f.named = map[string]*index.Client{}
	}
	c := &index.Client{
		HTTP: f.Index.HTTP, Cache: f.Index.Cache, Offline: f.Index.Offline, Credentials: f.Index.Credentials, Netrc: f.Index.Netrc,
		Indexes: slices.Concat([]index.Index{{Name: index.Label(s.URL), URL: s.URL}}, f.Index.Indexes),
	}
	f.named[s.URL] = c
	return c
}

// Settle chooses a file for each package that the lock knows by hashes alone.
func (f *Finder) Settle(ctx context.Context, p *Plan) error {
	var todo []*Package
	for _, pkg := range p.Packages {
		if pkg.Origin == "" {
			todo = append(todo, pkg)
		}
	}
	errs := make([]error, len(todo))
	each(len(todo), asking, func(i int) { errs[i] = f.settle(ctx, p, todo[i]) })
	return errors.Join(errs...)
}

// FindLike returns the house of a plan, if it is the one that a former house of the
// same lock makes likely: of a package that the lock knows by hashes alone, the file
// that this one has. No index is asked. Else ErrNotFound.
func (b *Builder) FindLike(ctx context.Context, p *Plan, former *artifacts.Artifact) (*artifacts.Artifact, error) {
	like, err := p.like(former)
	if err != nil {
		return nil, err
	}
	return b.find(ctx, like, former)
}

// InputsLike are Inputs of the plan, settled as FindLike does it.
func (b *Builder) InputsLike(ctx context.Context, p *Plan, former *artifacts.Artifact, pins *project.Lock) ([]artifacts.Input, error) {
	like, err := p.like(former)
	if err != nil {
		return nil, err
	}
	return b.Inputs(ctx, like, pins)
}

// like is the plan, settled by what a former house has; else ErrNotFound.
func (p *Plan) like(former *artifacts.Artifact) (*Plan, error) {
	known, err := ReadDetails(former.Dir)
	if err != nil {
		return nil, err
	}
	like := *p
	like.Packages = nil
	for _, pkg := range p.Packages {
		one := *pkg
		if one.Origin == "" && !like.chooseLike(&one, known) {
			return nil, fmt.Errorf("%s %s in %s: %w", pkg.Name, pkg.Version, former.Name, artifacts.ErrNotFound)
		}
		like.Packages = append(like.Packages, &one)
	}
	return &like, nil
}

// chooseLike settles a package by the file that a former house has of it, and says
// whether there is one. Where the file is to be had is not known then.
func (p *Plan) chooseLike(pkg *Package, known []Wheel) bool {
	for _, w := range known {
		if w.Name != pkg.Name {
			continue
		}
		file, hash := w.File, "sha256:"+w.SHA256
		if w.Source != nil {
			file, hash = w.Source.File, w.Source.Digest
		}
		if isOf(file, pkg.Name, pkg.Version) && slices.Contains(pkg.Hashes, hash) {
			pkg.Origin, pkg.File, pkg.Hashes, pkg.Size = w.Origin, file, []string{hash}, w.Size
			return true
		}
	}
	return false
}

func (f *Finder) settle(ctx context.Context, p *Plan, pkg *Package) error {
	found, err := f.client(pkg.selected.Source).Match(ctx, pkg.Name, pkg.Hashes)
	if err != nil {
		return fmt.Errorf("%s %s: %w", pkg.Name, pkg.Version, err)
	}
	var files []lock.File
	var refused, names []string
	for _, file := range found {
		if !isOf(file.Name, pkg.Name, pkg.Version) {
			continue
		}
		names = append(names, file.Name)
		if excludes(file.RequiresPython, p.Python) {
			refused = append(refused, file.RequiresPython)
			continue
		}
		files = append(files, lock.File{
			Name: file.Name, URL: file.URL, Hashes: among(file.Hashes, pkg.Hashes), Size: file.Size, Time: file.Uploaded,
		})
		if file.Yanked {
			pkg.Yanked = cmp.Or(file.YankedReason, "no reason given")
		}
	}
	switch {
	case len(files) == 0 && len(refused) > 0:
		return fmt.Errorf("%s: %s %s requires Python %s, which excludes %s", pkg.selected.Pos, pkg.Name, pkg.Version, refused[0], p.Python)
	case len(files) == 0:
		return fmt.Errorf("%s: %s %s: no index has a file of it with one of the %d hashes of the lock, for Python %s",
			pkg.selected.Pos, pkg.Name, pkg.Version, len(pkg.Hashes), p.Python)
	}
	candidates, err := p.req.Lock.Candidates(p.req.Select, pkg.selected, files)
	if err != nil {
		return err
	}
	pkg.candidates, pkg.native = candidates, p.native(names)
	pkg.choose(candidates[0])
	return nil
}

// among are the hashes of a file that the lock has too.
func among(of map[string]string, hashes []string) []string {
	var out []string
	for algorithm, digits := range of {
		if h := algorithm + ":" + digits; slices.Contains(hashes, h) {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return out
}

// isOf is whether a file is of that version of the project.
func isOf(file, name, version string) bool {
	want, err := pep.ParseVersion(version)
	if err != nil {
		return true // a version that the file cannot tell
	}
	if w, err := pep.ParseWheelName(file); err == nil {
		return w.Name == name && w.Version.Compare(want) == 0
	}
	s, err := pep.ParseSdistName(file, name)
	return err == nil && s.Version.Compare(want) == 0
}

// excludes is whether a requires-python says no.
func excludes(requires, python string) bool {
	specs, err := pep.ParseSpecifiers(requires)
	return err == nil && !specs.ContainsText(python, pep.PreAllow)
}

// fetch brings the first candidate that is to be had into the cache. Bytes with
// another hash are an error at once.
func (f *Finder) fetch(ctx context.Context, p *Plan, pkg *Package) (fetch.Got, error) {
	var errs []error
	for _, c := range pkg.candidates {
		file, err := fetch.Hashed(path.Base(cmp.Or(c.Name, c.Path)), c.Hashes, c.Size)
		if err != nil {
			return fetch.Got{}, fmt.Errorf("%s %s: %w", pkg.Name, pkg.Version, err)
		}
		got, err := f.Fetcher.Get(ctx, []fetch.File{file}, f.places(p, pkg, c))
		if err == nil {
			pkg.choose(c)
			return got, nil
		}
		errs = append(errs, err)
		if !gone(err) { // a server in trouble is no reason to take another file
			break
		}
	}
	return fetch.Got{}, errors.Join(errs...)
}

// gone is whether every place answered that it has no such file.
func gone(err error) bool {
	failed, ok := errors.AsType[*fetch.FailedError](err)
	if !ok {
		return false
	}
	for _, answer := range failed.Trail {
		if !errors.Is(answer.Err, fetch.ErrNotHere) {
			return false
		}
	}
	return true
}

// places are where a candidate may be.
func (f *Finder) places(p *Plan, pkg *Package, c lock.Candidate) []fetch.Place {
	if c.Path != "" {
		dir := filepath.Join(p.req.Root, filepath.FromSlash(path.Dir(c.Path)))
		here := fetch.Dir(dir, dir)
		here.Strict = true
		return []fetch.Place{here}
	}
	client := f.client(pkg.selected.Source)
	var places []fetch.Place
	if c.URL != "" {
		place := client.Place(index.Label(c.URL))
		place.Names, place.Strict = func(fetch.File) []string { return []string{c.URL} }, true
		places = append(places, place)
	}
	at := fetch.Place{Label: "index", Network: true, Strict: true, Open: func(ctx context.Context, name string, from int64) (fetch.Body, error) {
		return openMatch(ctx, client, pkg.Name, name, c.Hashes, from)
	}}
	if f.IndexFirst {
		return append([]fetch.Place{at}, places...)
	}
	return append(places, at)
}

// openMatch opens the file that an index has under one of the hashes.
func openMatch(ctx context.Context, client *index.Client, project, name string, hashes []string, from int64) (fetch.Body, error) {
	files, err := client.Match(ctx, project, hashes)
	if errors.As(err, new(*index.NoMatchError)) || errors.As(err, new(*index.UnknownProjectError)) {
		return fetch.Body{}, fmt.Errorf("%w: %w", fetch.ErrNotHere, err)
	}
	if err != nil {
		return fetch.Body{}, err
	}
	for _, file := range files {
		if file.Name == name || len(files) == 1 {
			return client.Place(file.Index).Open(ctx, file.URL, from)
		}
	}
	return fetch.Body{}, fmt.Errorf("no file with that hash: %w", fetch.ErrNotHere)
}

// each calls do for 0 to n-1, at most width at once, and returns when all are done.
func each(n, width int, do func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, width)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	wg.Wait()
}
