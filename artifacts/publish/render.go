package publish

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts/apt"
	"github.com/pybake/pybake/artifacts/simple"
)

// render makes the heads, and finds what of the pool and of former generations goes
// with them.
func (p *publication) render() error {
	for _, render := range []func() error{p.renderApt, p.renderSimple, p.renderHouses, p.renderKeys} {
		if err := render(); err != nil {
			return err
		}
	}
	return p.carryByHash()
}

func (p *publication) add(path string, data []byte) {
	p.files = append(p.files, File{path, data})
}

// renderApt renders the repository of each distro.
func (p *publication) renderApt() error {
	for _, distro := range p.Set.distros() {
		repo := &apt.Repository{
			Origin: p.Origin, Label: p.Origin, Codename: distro, Description: "Python for " + distro, Date: p.Now,
		}
		if p.Valid > 0 {
			repo.ValidUntil = p.Now.Add(p.Valid)
		}
		for _, e := range p.Set.Entries {
			if e.Distro != distro || len(e.Debs) == 0 {
				continue
			}
			if !slices.Contains(repo.Architectures, e.Arch) {
				repo.Architectures = append(repo.Architectures, e.Arch)
			}
			for _, d := range e.Debs {
				repo.Packages = append(repo.Packages, apt.Package{Control: d.Control, Filename: d.Path(), Size: d.Size, SHA256: d.SHA256})
			}
		}
		slices.Sort(repo.Architectures)
		files, err := repo.Files(p.signRelease)
		if err != nil {
			return err
		}
		for _, f := range files {
			p.add(f.Path, f.Data)
		}
	}
	return nil
}

func (p *publication) signRelease(release []byte) (inline, detached []byte, err error) {
	if inline, err = p.Keys.ClearSign(release, p.Now); err != nil {
		return nil, nil, err
	}
	detached, err = p.Keys.Detach(release, p.Now)
	return inline, detached, err
}

// renderKeys renders what a client is given: the public keys, and a .sources file for
// each distro.
func (p *publication) renderKeys() error {
	public := p.Keys.Public()
	if len(public.OpenPGP) > 0 {
		p.add("pybake.asc", public.OpenPGP)
	}
	if public.Note != "" {
		p.add("pybake.pub", []byte(public.Note+"\n"))
	}
	if p.URL == "" {
		return nil
	}
	for _, distro := range p.Set.distros() {
		p.add("pybake-"+distro+".sources", []byte(apt.SourcesFile(p.URL, distro, public.OpenPGP)))
	}
	return nil
}

// build is one of the wheels of a target that have the same name.
type build struct {
	Wheel
	entry      *Entry
	generation int // 0: of this set
}

// renderSimple renders the index of each target: the wheels of the set, and as yanked
// those that only a kept generation has.
func (p *publication) renderSimple() error {
	type place struct {
		target
		name, sum string
	}
	found := map[place]build{}
	add := func(s *Set, generation int) {
		for i := range s.Entries {
			e := &s.Entries[i]
			for _, w := range e.Wheels {
				at := place{target{e.Distro, e.Series}, w.Name, w.SHA256}
				if old, known := found[at]; known && (generation > 0 || !better(e, old.entry)) {
					continue
				}
				if generation == 0 || p.offers(w, generation) {
					found[at] = build{w, e, generation}
				}
			}
		}
	}
	add(&p.Set, 0)
	for _, g := range p.kept {
		add(&g.Set, g.Number)
	}
	builds := map[target]map[string][]build{}
	for at, b := range found {
		if builds[at.target] == nil {
			builds[at.target] = map[string][]build{}
		}
		builds[at.target][at.name] = append(builds[at.target][at.name], b)
	}
	for t, names := range builds {
		index := &simple.Index{Title: t.distro + ", Python " + t.series, Depth: strings.Count(t.dir(), "/")}
		for _, all := range names {
			index.Files = append(index.Files, p.simpleFiles(all)...)
		}
		pages, err := index.Pages()
		if err != nil {
			return fmt.Errorf("%s: %w", t.dir(), err)
		}
		for _, page := range pages {
			p.add(t.dir()+page.Path, page.Data)
		}
	}
	return nil
}

// simpleFiles are the builds of one wheel. All but the best one of this set are yanked:
// who names their hash gets them, nobody else does.
func (p *publication) simpleFiles(all []build) (files []simple.File) {
	slices.SortFunc(all, func(a, b build) int {
		switch {
		case (a.generation == 0) != (b.generation == 0): // this set first
			return cmp.Compare(a.generation, b.generation)
		case a.generation != b.generation: // then the newest
			return cmp.Compare(b.generation, a.generation)
		case better(a.entry, b.entry):
			return -1
		case better(b.entry, a.entry):
			return 1
		}
		return cmp.Compare(a.SHA256, b.SHA256)
	})
	for i, b := range all {
		f := simple.File{
			Project: b.Project, Version: b.Version, Name: b.Name, SHA256: b.SHA256, Size: b.Size, RequiresPython: b.RequiresPython,
			MetadataSHA256: b.MetadataSHA256, Path: b.Path(), Uploaded: p.uploaded[b.SHA256],
		}
		switch {
		case b.generation > 0:
			f.Yanked = fmt.Sprintf("last in generation %d", b.generation)
		case i > 0:
			f.Yanked = "there is a newer build of it"
		}
		files = append(files, f)
	}
	return files
}

// better is whether of two entries of a set with the same wheel in two builds, the one
// of a counts.
func better(a, b *Entry) bool {
	if stale := a.Stale != nil; stale != (b.Stale != nil) {
		return !stale
	}
	return a.Finished.After(b.Finished)
}

// offers is whether the pool has a wheel of a former generation. It is then one of
// those that this generation needs.
func (p *publication) offers(w Wheel, generation int) bool {
	files := []func() (listed, error){func() (listed, error) { return p.lookBlob(w.Blob) }}
	if w.MetadataSHA256 != "" {
		files = append(files, func() (listed, error) { return p.lookMetadata(w) })
	}
	var found []listed
	for _, look := range files {
		f, err := look()
		if err != nil {
			p.warn("%v", &DamagedError{generation, f.Path, err})
			return false
		}
		found = append(found, f)
	}
	p.pool = append(p.pool, found...)
	return true
}

// carryByHash finds the by-hash files of kept generations, which clients that have
// read an InRelease of theirs still ask for.
func (p *publication) carryByHash() error {
	from := slices.Clone(p.kept)
	if p.former != nil && !slices.Contains(from, p.former) {
		from = append(from, p.former) // of the same content, but an Origin or an apt before this
	}
	for _, g := range from {
		l, err := p.Directory.list(g.Number)
		if !p.warnDamaged(err) {
			continue
		}
		for _, f := range l.Files {
			if strings.Contains(f.Path, "/"+byHashDir) && !f.inPool() && l.owns(f) {
				p.carried = append(p.carried, carry{f, filepath.Join(g.Dir, local(f.Path))})
			}
		}
	}
	return nil
}
