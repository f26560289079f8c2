package wheels

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/lock"
	"github.com/pybake/pybake/wheels/resolve"
	"github.com/pybake/pybake/wheels/sdist"
)

// label is an address without credentials.
func label(url string) string { return index.Label(url) }

// buildPin is a pin with what it is looked up by. A tree is pinned by its path: an edit
// of some file does not change what builds it, nor does its version.
func (p *Plan) buildPin(s *source) project.BuildPin {
	pin := project.BuildPin{Name: s.pkg.Name, Version: s.pkg.Version, Source: s.digest, Python: p.series(), Distro: p.Distro, Arch: p.Arch}
	if s.tree() {
		pin.Version, pin.Source = "", project.DirectorySource(path.Clean(filepath.ToSlash(s.pkg.selected.Source.Path)))
	}
	return pin
}

// identify finds out what is known of a source before it is fetched: the hash that the
// lock has, or the pinned archive of a commit, or the tree as it is now, which it returns.
func (b *Builder) identify(ctx context.Context, p *Plan, s *source, pins *project.Lock) (tree *sdist.Source, err error) {
	pkg := s.pkg
	switch from := pkg.selected.Source; from.Kind {
	case lock.Git:
		pin, ok := pins.Archive(label(from.URL), from.Commit)
		if !ok {
			return nil, fmt.Errorf("%s: archive of commit %s: %w", pkg.Name, from.Commit, artifacts.ErrNotFound)
		}
		s.digest = pin.Digest
		return nil, nil
	case lock.Directory:
		tree, err := b.openTree(ctx, p, pkg)
		if err == nil {
			s.digest = tree.Hash()
		}
		return tree, err
	}
	for _, h := range pkg.Hashes {
		if strings.HasPrefix(h, "sha256:") {
			s.digest = h
			return nil, nil
		}
	}
	// A lock that knows it by another hash: the cache tells the SHA-256.
	file, err := fetch.Hashed(path.Base(pkg.File), pkg.Hashes, pkg.Size)
	if err != nil {
		return nil, err
	}
	got, err := b.Fetcher.Get(ctx, []fetch.File{file}, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", pkg.File, artifacts.ErrNotFound)
	}
	_, digits, err := artifacts.HashFile(ctx, got.Path)
	s.digest = "sha256:" + digits
	return nil, err
}

// openTree reads a directory of the project.
func (b *Builder) openTree(ctx context.Context, p *Plan, pkg *Package) (*sdist.Source, error) {
	dir := filepath.ToSlash(pkg.selected.Source.Path)
	files, err := sdist.WorkTree(ctx, b.Git, filepath.Join(p.req.Root, dir))
	if err != nil {
		return nil, err
	}
	return sdist.OpenDir(os.DirFS(p.req.Root), dir, files)
}

// open reads the source.
func (t *task) open(ctx context.Context, got fetch.Got) (err error) {
	from := t.pkg.selected.Source
	switch from.Kind {
	case lock.Directory:
		if t.src, err = t.b.openTree(ctx, t.p, t.pkg); err == nil {
			t.digest = t.src.Hash()
		}
		return err
	case lock.Git:
		return t.openGit(ctx)
	}
	digits := got.File.SHA256
	if digits == "" {
		if _, digits, err = artifacts.HashFile(ctx, got.Path); err != nil {
			return err
		}
	}
	t.digest = "sha256:" + digits
	if from.Kind == lock.URL {
		t.src, err = sdist.FromArchive(got.Path, got.File.Name, from.Subdirectory)
	} else {
		t.src, err = sdist.Open(got.Path, got.File.Name)
	}
	return err
}

// patch applies what the recipe has for it; a directory is as whoever has it wants it.
func (t *task) patch() error {
	patches, err := t.recipe.Patched(t.pkg.Name)
	if err != nil || t.tree() {
		return err
	}
	t.src, err = t.src.Patched(patches)
	return err
}

// openGit makes the archive of a commit, once, and reads it.
func (t *task) openGit(ctx context.Context) error {
	from := t.pkg.selected.Source
	url := label(from.URL)
	pins, err := t.b.Pins.Read()
	if err != nil {
		return err
	}
	name := t.pkg.Name + "-" + from.Commit[:12] + ".tar"
	pin, ok := pins.Archive(url, from.Commit)
	if ok {
		file := fetch.File{Name: name, SHA256: strings.TrimPrefix(pin.Digest, "sha256:")}
		if got, err := t.b.Fetcher.Get(ctx, []fetch.File{file}, nil); err == nil {
			return t.openArchive(got.Path, name, pin.Digest)
		}
	} else if t.b.Frozen {
		return fmt.Errorf("the archive of commit %s is not pinned, and --frozen adds no pins", from.Commit)
	}
	if t.b.Fetcher.Offline {
		return fmt.Errorf("commit %s of %s: %w", from.Commit, url, fetch.ErrOffline)
	}
	dir, err := os.MkdirTemp("", "pybake-git-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	git := t.b.Git
	git.Dir = dir
	archive := filepath.Join(dir, name)
	if err := sdist.GitArchive(ctx, git, from.URL, from.Commit, archive); err != nil {
		return err
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	file, err := t.b.Fetcher.Add(ctx, name, f)
	if err != nil {
		return err
	}
	digest := "sha256:" + file.SHA256
	if ok && digest != pin.Digest {
		return fmt.Errorf("the archive of commit %s of %s: pinned %s, made now %s", from.Commit, url, pin.Digest, digest)
	}
	if !ok {
		err := t.b.pin(func(l *project.Lock) {
			l.SetArchive(project.ArchivePin{URL: url, Commit: from.Commit, Digest: digest})
		})
		if err != nil {
			return err
		}
	}
	got, err := t.b.Fetcher.Get(ctx, []fetch.File{file}, nil)
	if err != nil {
		return err
	}
	return t.openArchive(got.Path, name, digest)
}

func (t *task) openArchive(path, name, digest string) (err error) {
	t.digest = digest
	t.src, err = sdist.FromArchive(path, name, t.pkg.selected.Source.Subdirectory)
	return err
}

// requires are the build requirements that the source and its recipe state.
func (s *source) requires(src *sdist.Source) []string {
	all := slices.Concat(src.Build.Requires, s.recipe.Requires)
	slices.Sort(all)
	return slices.Compact(all)
}

// pinned takes the pin of the build requirements, and says whether there is one.
func (t *task) pinned() (bool, error) {
	pins, err := t.b.Pins.Read()
	if err != nil {
		return false, err
	}
	pin, ok := pins.Build(t.p.buildPin(&t.source))
	if ok && slices.Equal(pin.Requires, t.requires(t.src)) && pin.Crates == t.rust.digest && t.p.allows(pin, t.recipe.Constraints) {
		t.pin = pin
		return true, nil
	}
	if t.b.Frozen {
		t.step = "build requirements"
		return false, &UnpinnedError{Name: t.pkg.Name, Version: t.pkg.Version, Changed: ok}
	}
	return false, nil
}

// resolve finds what the source is built with and pins it: what it states first,
// then what its backend asks for once that is there.
func (t *task) resolve(ctx context.Context, jobs int) error {
	static := t.requires(t.src)
	first, err := t.solve(ctx, static, nil)
	if err != nil {
		return err
	}
	if err := t.start(ctx, jobs, first); err != nil {
		return err
	}
	t.step = "build"
	dynamic, err := t.job.Requires(ctx)
	if err != nil {
		return err
	}
	t.step = "build requirements"
	slices.Sort(dynamic)
	dynamic = slices.Compact(dynamic)
	crates, rust := t.pin.Crates, t.pin.Rust
	t.pin = t.p.buildPin(&t.source)
	t.pin.Crates, t.pin.Rust = crates, rust
	t.pin.Requires, t.pin.Dynamic, t.pin.Packages, t.pin.Asked = static, dynamic, first, t.circumstances()
	if len(dynamic) > 0 {
		if t.pin.Packages, err = t.solve(ctx, slices.Concat(static, dynamic), first); err != nil {
			return err
		}
		if err := t.extend(ctx, jobs, first); err != nil {
			return err
		}
	}
	if bound := t.excludeNewer(); !bound.IsZero() {
		t.pin.ExcludeNewer = bound.UTC().Format(time.RFC3339)
	}
	return t.b.pin(func(l *project.Lock) { l.SetBuild(t.pin) })
}

// extend brings the environment that holds first to what the pin says.
func (t *task) extend(ctx context.Context, jobs int, first []project.BuildPackage) error {
	t.installed = t.pin.Packages
	var more []project.BuildPackage
	for _, p := range t.pin.Packages {
		if !slices.Contains(first, p) {
			more = append(more, p)
		}
	}
	if len(more) == 0 {
		return nil
	}
	if len(more)+len(first) != len(t.pin.Packages) { // some have another version now
		if err := t.job.Close(ctx); err != nil {
			return err
		}
		return t.start(ctx, jobs, t.pin.Packages)
	}
	files, err := t.files(ctx, more)
	if err != nil {
		return err
	}
	return t.job.Add(ctx, files)
}

// allows is whether what is pinned keeps the constraints of the user and the recipe,
// which may have come after it.
func (p *Plan) allows(pin project.BuildPin, recipe []string) bool {
	for _, text := range slices.Concat(p.req.Constraints, recipe) {
		c, err := pep.ParseRequirement(text)
		if err != nil {
			continue // solve says so
		}
		if c.Marker != nil {
			if holds, err := c.Marker.Eval(p.env, nil, nil); err != nil || !holds {
				continue
			}
		}
		for _, pkg := range pin.Packages {
			if pkg.Name == pep.NormalizeName(c.Name) && !c.Specifiers.ContainsText(pkg.Version, pep.PreAllow) {
				return false
			}
		}
	}
	return true
}

func (t *task) excludeNewer() time.Time {
	if !t.p.req.ExcludeNewer.IsZero() {
		return t.p.req.ExcludeNewer
	}
	return t.p.req.Lock.Newest()
}

// solve resolves requirements to wheels.
func (t *task) solve(ctx context.Context, requires []string, prefer []project.BuildPackage) ([]project.BuildPackage, error) {
	r := resolve.Resolver{
		Index: t.b.Index, Env: t.p.env, Target: t.p.target, ExcludeNewer: t.excludeNewer(), Strict: t.p.req.Strict,
		Prefer: map[string]string{}, For: t.pkg.Name + " " + t.pkg.Version + "'s build-system",
	}
	for _, p := range prefer {
		r.Prefer[p.Name] = p.Version
	}
	for _, text := range slices.Concat(t.p.req.Constraints, t.recipe.Constraints) {
		c, err := pep.ParseRequirement(text)
		if err != nil {
			return nil, fmt.Errorf("constraint: %w", err)
		}
		r.Constraints = append(r.Constraints, c)
	}
	found, err := r.Resolve(ctx, requires)
	if err != nil {
		return nil, err
	}
	for _, note := range found.Notes {
		t.b.note(note)
	}
	var out []project.BuildPackage
	for _, p := range found.Pins {
		out = append(out, project.BuildPackage{Name: p.Name, Version: p.Version, File: p.File, Digest: "sha256:" + p.SHA256})
	}
	return out, nil
}

// files fetches pinned wheels of a build environment.
func (t *task) files(ctx context.Context, packages []project.BuildPackage) ([]build.Wheel, error) {
	out := make([]build.Wheel, len(packages))
	errs := make([]error, len(packages))
	each(len(packages), asking, func(i int) {
		p := packages[i]
		at := fetch.Place{Label: "index", Network: true, Strict: true, Open: func(ctx context.Context, name string, from int64) (fetch.Body, error) {
			return openMatch(ctx, t.b.Index, p.Name, name, []string{p.Digest}, from)
		}}
		got, err := t.b.Fetcher.Get(ctx, []fetch.File{toFetch(p)}, []fetch.Place{at})
		out[i], errs[i] = build.Wheel{Path: got.Path, Name: p.File}, err
	})
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("build requirement %s %s: %w", packages[i].Name, packages[i].Version, err)
		}
	}
	return out, nil
}

// note says something once.
func (b *Builder) note(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.noted == nil {
		b.noted = map[string]bool{}
	}
	if !b.noted[text] {
		b.noted[text] = true
		b.Report.Note("%s", text)
	}
}
