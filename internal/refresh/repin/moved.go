package repin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/project"
)

// Moved is what Look found.
type Moved struct {
	Moves  []Move    // by package
	Failed []Failure // sets that keep their pins

	distro, arch string
	seen         *project.BasePin // the pin that was looked at
	base         *project.BasePin // if it moved
	sets         []change
}

type change struct {
	kind     string
	old, now project.SetPin
}

// Failure says why a set keeps its pin.
type Failure struct {
	Distro, Arch string
	Kind, For    string // "runtime", "image web"
	Err          error  // what apt said
}

// String is "image web (runtime) of trixie keeps its pins: …".
func (f Failure) String() string {
	return fmt.Sprintf("%s (%s) of %s keeps its pins: %v", f.For, f.Kind, f.Distro, f.Err)
}

// Apply sets the pins that moved, and no others. A set that is no longer as Look
// saw it stays as it is, and so does everything if the base image is not: then
// somebody else has pinned something meanwhile.
func (m *Moved) Apply(l *project.Lock) {
	base, ok := l.Base(m.distro, m.arch)
	if ok != (m.seen != nil) || ok && base.Digest != m.seen.Digest {
		return
	}
	if m.base != nil {
		pin := *m.base
		pin.Packages = slices.Clone(pin.Packages)
		l.SetBase(pin)
	}
	for _, c := range m.sets {
		get, set := l.Runtime, l.SetRuntime
		if c.kind == Builder {
			get, set = l.Builder, l.SetBuilder
		}
		if pin, ok := get(m.distro, m.arch, c.old.For); ok && same(pin, c.old) {
			pin.Request, pin.Packages = slices.Clone(c.now.Request), slices.Clone(c.now.Packages)
			set(pin)
		}
	}
}

// same is whether two pins of a set say the same.
func same(a, b project.SetPin) bool {
	return slices.Equal(sorted(a.Request), sorted(b.Request)) && slices.Equal(sorted(texts(a.Packages)), sorted(texts(b.Packages)))
}

func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

func texts(packages []project.Package) []string {
	out := make([]string, len(packages))
	for i, p := range packages {
		out[i] = p.String()
	}
	return out
}

// Move is a package that is another than before. A base image whose packages are
// the same, but not its digest, moves as "image", with the beginnings of digests
// for versions; one that only comes from another place, with the places.
type Move struct {
	Distro string // "trixie"
	Arch   string // "amd64"
	For    string // in whose names: "base image, python 3.13 builder, image web"
	Name   string // "openssl"
	Old    string // "3.0.17-1"; empty: it was not there
	New    string // "3.0.18-1"; empty: it is no longer there
}

// String is "openssl 3.0.17-1 → 3.0.18-1 in bookworm (base image)", or
// "openssl 3.0.18-1 added in …", or "… removed in …".
func (m Move) String() string {
	return fmt.Sprintf("%s %s in %s (%s)", m.Name, m.versions(), m.Distro, m.For)
}

func (m Move) versions() string {
	switch {
	case m.Old == "":
		return m.New + " added"
	case m.New == "":
		return m.Old + " removed"
	}
	return m.Old + " → " + m.New
}

// Summary tells moves by package, of one or several targets:
//
//	libssl3: 3.0.17-1 → 3.0.18-1 in bookworm
//	tzdata: 2025a-1 → 2025b-1 in bookworm; 2025a-2 → 2025b-2 in trixie
func Summary(moves []Move) []string {
	where := map[string][]string{}
	for _, m := range moves {
		if said := m.versions() + " in " + m.Distro; !slices.Contains(where[m.Name], said) {
			where[m.Name] = append(where[m.Name], said)
		}
	}
	var lines []string
	for name, said := range where {
		slices.Sort(said)
		lines = append(lines, name+": "+strings.Join(said, "; "))
	}
	slices.Sort(lines)
	return lines
}

// diff are the moves from old to new packages, each like like.
func diff(like Move, old, now []project.Package) []Move {
	type pair struct{ old, now *project.Package }
	pairs := map[string]pair{}
	name := func(p project.Package) string {
		if p.Arch == like.Arch || p.Arch == "all" {
			return p.Name
		}
		return p.Name + ":" + p.Arch
	}
	for i, p := range old {
		pairs[name(p)] = pair{old: &old[i]}
	}
	for i, p := range now {
		pairs[name(p)] = pair{pairs[name(p)].old, &now[i]}
	}
	var moves []Move
	for name, p := range pairs {
		m := like
		m.Name = name
		switch {
		case p.old == nil:
			m.New = p.now.Version
		case p.now == nil:
			m.Old = p.old.Version
		case *p.old == *p.now:
			continue
		case p.old.Version == p.now.Version: // another file
			m.Old, m.New = file(*p.old), file(*p.now)
		default:
			m.Old, m.New = p.old.Version, p.now.Version
		}
		moves = append(moves, m)
	}
	return moves
}

// file is the version of a package with what else tells it from others:
// "1.2-1 amd64 5f1c02aa9be1".
func file(p project.Package) string {
	return strings.TrimSpace(p.Version + " " + p.Arch + " " + short(p.Digest))
}

// short is the beginning of a digest.
func short(digest string) string {
	digits := strings.TrimPrefix(digest, "sha256:")
	return digits[:min(12, len(digits))]
}

// merge sorts moves, and tells those that are the same in several names once.
// The base image comes first.
func merge(moves []Move) []Move {
	order := func(a, b Move) int {
		rank := func(m Move) int {
			if m.For == "base image" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.For, b.For))
	}
	slices.SortFunc(moves, order)
	var out []Move
	for _, m := range moves {
		if n := len(out); n > 0 && out[n-1].Name == m.Name && out[n-1].Old == m.Old && out[n-1].New == m.New {
			out[n-1].For += ", " + m.For
			continue
		}
		out = append(out, m)
	}
	return out
}
