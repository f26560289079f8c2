package resolve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/index"
	"github.com/pybake/pybake/internal/pep"
)

// project is what there is of one name.
type project struct {
	name     string
	releases []*release // all, the newest first
	timeless string     // the first file without an upload time, if there is a bound
	index    string     // label
	address  bool       // from a requirement with an address, not from an index
	unknown  bool       // to every index
}

// release is one version of a project.
type release struct {
	version pep.Version
	wheel   *wheel // the best that fits; nil if there is none
	unfit   unfit
}

// wheel is a file that fits.
type wheel struct {
	file index.File
	name pep.WheelName
	rank int
}

// unfit is why files of a release were passed over.
type unfit struct {
	yanks   []string // the reasons, where the best wheel is yanked
	sdists  int
	python  []string // requires-python that excludes the target
	tags    []string // interpreters, where the platform would fit: "cp39"
	systems []string // else: "macOS"
}

// reader makes projects of what an index says, for a target.
type reader struct {
	ranks     map[pep.Tag]int
	platforms map[string]bool
	target    pep.Target
	python    pep.Version // without its prerelease
	bound     time.Time   // zero for none
}

func newReader(target pep.Target, env pep.Env, bound time.Time) (*reader, error) {
	v, err := pep.ParseVersion(env.PythonFullVersion)
	if err != nil {
		return nil, fmt.Errorf("target's Python: %w", err)
	}
	if v, err = pep.ParseVersion(v.Base()); err != nil {
		return nil, err
	}
	r := &reader{ranks: target.Ranks(), platforms: map[string]bool{"any": true}, target: target, python: v, bound: bound}
	for _, p := range target.Platforms() {
		r.platforms[p] = true
	}
	return r, nil
}

// project sorts files into releases. Files that are neither wheel nor sdist of
// that project do not count.
func (r *reader) project(name string, files []index.File) *project {
	p := &project{name: name}
	byVersion := map[string]*release{}
	of := func(v pep.Version) *release {
		rel := byVersion[v.Canonical()]
		if rel == nil {
			rel = &release{version: v}
			byVersion[v.Canonical()] = rel
			p.releases = append(p.releases, rel)
		}
		return rel
	}
	seen := map[string]bool{}
	for _, f := range files {
		p.index = f.Index
		if seen[f.Name] {
			continue
		}
		seen[f.Name] = true
		late := false
		if !r.bound.IsZero() {
			late = f.Uploaded.After(r.bound)
			if f.Uploaded.IsZero() && p.timeless == "" {
				p.timeless = f.Name
			}
		}
		if w, err := pep.ParseWheelName(f.Name); err == nil {
			if w.Name != name {
				continue
			}
			if rel := of(w.Version); !late {
				r.offer(rel, f, w)
			}
			continue
		}
		if s, err := pep.ParseSdistName(f.Name, name); err == nil {
			if rel := of(s.Version); !late {
				rel.unfit.sdists++
			}
		}
	}
	for _, rel := range p.releases {
		slices.Sort(rel.unfit.python)
		slices.Sort(rel.unfit.tags)
		slices.Sort(rel.unfit.systems)
	}
	slices.SortFunc(p.releases, func(a, b *release) int { return b.version.Compare(a.version) })
	return p
}

// offer takes a wheel if it is better than what the release has. One that is not
// yanked is better than one that is.
func (r *reader) offer(rel *release, f index.File, name pep.WheelName) {
	rank, ok := name.Rank(r.ranks)
	if !ok {
		r.misfit(&rel.unfit, name)
		return
	}
	if !r.pythonOK(f.RequiresPython) {
		rel.unfit.python = addOnce(rel.unfit.python, f.RequiresPython)
		return
	}
	w := &wheel{f, name, rank}
	if rel.wheel == nil || rel.wheel.worse(w) {
		rel.wheel, rel.version, rel.unfit.yanks = w, name.Version, nil
		if f.Yanked {
			rel.unfit.yanks = []string{f.YankedReason}
		}
	}
}

func (w *wheel) worse(o *wheel) bool {
	if w.file.Yanked != o.file.Yanked {
		return w.file.Yanked
	}
	return cmp.Or(cmp.Compare(o.rank, w.rank), w.name.CompareBuild(o.name), strings.Compare(o.file.Name, w.file.Name)) < 0
}

// pythonOK is whether the target satisfies a requires-python. As for pip, one that
// cannot be read excludes nobody.
func (r *reader) pythonOK(requires string) bool {
	spec, err := pep.ParseSpecifiers(requires)
	return err != nil || spec.Contains(r.python, pep.PreAllow)
}

// misfit notes what a wheel would fit.
func (r *reader) misfit(u *unfit, name pep.WheelName) {
	for _, t := range name.Tags() {
		if r.platforms[t.Platform] {
			tag := t.Python
			if t.ABI != "none" && t.ABI != tag {
				tag += "-" + t.ABI
			}
			u.tags = addOnce(u.tags, tag)
			continue
		}
		u.systems = addOnce(u.systems, r.system(t.Platform))
	}
}

// system is a platform for people.
func (r *reader) system(platform string) string {
	if p, ok := pep.ParsePlatform(platform); ok {
		switch {
		case p.Arch != r.target.Arch:
			return "Linux on " + p.Arch
		case p.Family == "musllinux":
			return "musl"
		case p.Family == "manylinux":
			return fmt.Sprintf("glibc %d.%d", p.Libc[0], p.Libc[1])
		}
	}
	for _, known := range [][2]string{
		{"macosx", "macOS"}, {"win", "Windows"}, {"pyodide", "Pyodide"}, {"emscripten", "Emscripten"}, {"ios", "iOS"}, {"android", "Android"},
	} {
		if strings.HasPrefix(platform, known[0]) {
			return known[1]
		}
	}
	return platform
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
