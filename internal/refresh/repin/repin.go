// Package repin finds out what the pins of a distro in pybake.lock would be if
// they were made today: the base image, and the sets of packages that stand on
// it. All is asked first, and nothing is changed meanwhile; what was found is
// then applied in one step.
//
// The base image is asked for where it came from (distro.Maker.Rebase). Then apt
// is asked for each set, on the base image of today, in one container that reads
// the distro's lists once. What is asked follows from who asks:
//
//	runtime "python 3.13 all"     relations: Depends of the Python's packages
//	builder "wheels 3.13 …"       likewise, and names, which relations do for
//	runtime "wheels LOCK 3.13"    names, beside what "python 3.13" has, which is not part of the answer
//	runtime "image web"           names, and NAME=VERSION of what is below
//	any other                     names
//
// What is below an image are the sets "python …", "wheels …" and "image …" of
// which it asks for every package at its version. They are resolved before it;
// then it asks for what they have now, and its new pin says so in its request.
// Thus a set that would have been pinned anew by a build is what it would be.
//
// A set that apt cannot resolve keeps its pin, and the others move. Anything
// else that goes wrong, an archive that does not answer say, is an error, and
// then nothing has moved.
package repin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
)

// Kinds of pins, as Look's only is asked about them.
const (
	Base    = "base"    // of nobody: who is ""
	Builder = "builder" // of "python 3.13", "wheels 3.13 libpq-dev"
	Runtime = "runtime" // of "python 3.13", "lintian", "wheels requirements.lock 3.13", "image web"
)

// Mover looks for moved pins.
type Mover struct {
	Distros *distro.Maker
	Report  distro.Reporter

	from source // of tests; nil: Distros
}

// source gives base images and answers requests; *distro.Maker does.
type source interface {
	// base is the pin of the base image: old, which may be nil, or if again is
	// set what its place gives today. The engine then has the image.
	base(ctx context.Context, t distro.Target, old *project.BasePin, again bool) (project.BasePin, error)
	resolver(ctx context.Context, t distro.Target, base project.BasePin) (resolver, error)
}

type resolver interface {
	Resolve(ctx context.Context, q distro.Request) ([]project.Package, error)
	Fetch(ctx context.Context, packages []project.Package) error
	Close(ctx context.Context) error
}

type maker struct{ *distro.Maker }

func (m maker) base(ctx context.Context, t distro.Target, old *project.BasePin, again bool) (project.BasePin, error) {
	if old != nil && again {
		return m.Rebase(ctx, t, *old)
	}
	return m.Base(ctx, t, old)
}

func (m maker) resolver(ctx context.Context, t distro.Target, base project.BasePin) (resolver, error) {
	return m.Resolver(ctx, t, base)
}

// Look asks what the pins of a target would be today, and changes nothing: it
// reads pins, and puts packages that are new into the cache. only says which pins
// may move; nil: all. A base image and sets that it leaves out stay as they are,
// sets also if the base image below them moves.
func (m *Mover) Look(ctx context.Context, pins *project.Lock, t distro.Target, only func(kind, who string) bool) (*Moved, error) {
	if only == nil {
		only = func(string, string) bool { return true }
	}
	l := &look{pins: pins, t: t, moved: &Moved{distro: t.Distro.Codename, arch: t.Arch}, from: m.from, now: map[string]project.SetPin{}}
	if l.from == nil {
		l.from = maker{m.Distros}
	}
	l.choose(only)
	if pin, ok := pins.Base(t.Distro.Codename, t.Arch); ok {
		l.moved.seen = &pin
	}
	again := l.moved.seen != nil && only(Base, "")
	if len(l.sets) == 0 && !again {
		return l.moved, nil
	}
	base, err := l.from.base(ctx, t, l.moved.seen, again)
	if err != nil {
		return nil, err
	}
	l.setBase(base)
	if len(l.sets) > 0 {
		done := m.Report.Step(fmt.Sprintf("%d sets of packages of %s", len(l.sets), t.Distro.Codename))
		err := l.resolveAll(ctx, base)
		done(err)
		if err != nil {
			return nil, err
		}
	}
	l.moved.Moves = merge(l.moves)
	return l.moved, nil
}

// look is one Look.
type look struct {
	pins  *project.Lock
	t     distro.Target
	from  source
	sets  []set                     // to be resolved, in this order
	now   map[string]project.SetPin // what runtime sets are now, by owner
	moves []Move
	moved *Moved
}

// set is one of the sets of packages that are looked at.
type set struct {
	kind string
	pin  project.SetPin
}

// choose lists the sets that may move, each after those that it depends on: a
// house comes after its Python, an image after the images below it. Those ask for
// less at a version, since it asks for all that they ask for and bring.
func (l *look) choose(only func(kind, who string) bool) {
	for kind, pins := range map[string][]project.SetPin{Builder: l.pins.Builders, Runtime: l.pins.Runtimes} {
		for _, pin := range pins {
			if pin.Distro != l.t.Distro.Codename || pin.Arch != l.t.Arch {
				continue
			}
			if kind == Runtime {
				l.now[pin.For] = pin
			}
			if only(kind, pin.For) {
				l.sets = append(l.sets, set{kind, pin})
			}
		}
	}
	turn := func(s set) int {
		_, house := s.pythonBelow()
		switch {
		case s.isImage():
			return 2
		case house:
			return 1
		}
		return 0
	}
	slices.SortFunc(l.sets, func(a, b set) int {
		return cmp.Or(cmp.Compare(turn(a), turn(b)), cmp.Compare(a.versioned(), b.versioned()),
			cmp.Compare(a.kind, b.kind), cmp.Compare(a.pin.For, b.pin.For))
	})
}

func (l *look) setBase(base project.BasePin) {
	old := l.moved.seen
	if old != nil && old.Origin == base.Origin && old.Ref == base.Ref && old.Digest == base.Digest {
		return
	}
	l.moved.base = &base
	move := Move{Distro: base.Distro, Arch: base.Arch, For: "base image"}
	if old == nil {
		old = &project.BasePin{}
	}
	changes := diff(move, old.Packages, base.Packages)
	if len(changes) == 0 {
		move.Name, move.Old, move.New = "image", short(old.Digest), short(base.Digest)
		if old.Digest == base.Digest {
			move.Old, move.New = strings.TrimSpace(old.Origin+" "+old.Ref), strings.TrimSpace(base.Origin+" "+base.Ref)
		}
		changes = []Move{move}
	}
	l.moves = append(l.moves, changes...)
}

// resolveAll resolves the sets on a base image, and fetches what is new.
func (l *look) resolveAll(ctx context.Context, base project.BasePin) (err error) {
	r, err := l.from.resolver(ctx, l.t, base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	for _, s := range l.sets {
		pin, err := l.resolve(ctx, r, s)
		if unresolvable, ok := errors.AsType[*distro.UnresolvableError](err); ok {
			l.moved.Failed = append(l.moved.Failed, Failure{Distro: s.pin.Distro, Arch: s.pin.Arch, Kind: s.kind, For: s.pin.For, Err: unresolvable.Explains})
			continue
		}
		if err != nil {
			return err
		}
		if s.kind == Runtime {
			l.now[pin.For] = pin
		}
		l.moved.sets = append(l.moved.sets, change{s.kind, s.pin, pin})
		l.moves = append(l.moves, diff(Move{Distro: pin.Distro, Arch: pin.Arch, For: s.owner()}, s.pin.Packages, pin.Packages)...)
	}
	return nil
}

// resolve is what the pin of a set is today. Packages that were not in it are in
// the cache then.
func (l *look) resolve(ctx context.Context, r resolver, s set) (project.SetPin, error) {
	pin := s.pin
	pin.Request = l.requestToday(s)
	q := distro.Request{Names: pin.Request}
	if s.ofPackages() {
		q = distro.Request{Relations: pin.Request}
	}
	var there []project.Package
	if python, ok := s.pythonBelow(); ok {
		there = l.now[python].Packages
		q.Names = slices.Concat(q.Names, atVersions(there))
	}
	packages, err := r.Resolve(ctx, q)
	if err != nil {
		return pin, err
	}
	pin.Packages = slices.DeleteFunc(packages, func(p project.Package) bool {
		return slices.ContainsFunc(there, func(o project.Package) bool { return o.Name == p.Name && o.Version == p.Version && o.Arch == p.Arch })
	})
	fresh := slices.DeleteFunc(slices.Clone(pin.Packages), func(p project.Package) bool { return slices.Contains(s.pin.Packages, p) })
	return pin, r.Fetch(ctx, fresh)
}

// requestToday is the request of a set, with what is below an image at the
// versions of today.
func (l *look) requestToday(s set) []string {
	if !s.isImage() {
		return s.pin.Request
	}
	asked := func(name, version string) bool { return slices.Contains(s.pin.Request, name+"="+version) }
	request, versions := slices.Clone(s.pin.Request), map[string]string{}
	for _, below := range l.below(s) {
		was := atVersions(below.Packages)
		request = slices.DeleteFunc(request, func(r string) bool { return slices.Contains(was, r) })
		for _, p := range l.now[below.For].Packages {
			if other := versions[p.Name]; other == "" || asked(p.Name, other) { // of two the one that moved
				versions[p.Name] = p.Version
			}
		}
	}
	for i, r := range request {
		for _, m := range l.moves {
			if m.New != "" && r == m.Name+"="+m.Old {
				request[i] = m.Name + "=" + m.New
			}
		}
	}
	for name, version := range versions {
		request = append(request, name+"="+version)
	}
	slices.Sort(request)
	return slices.Compact(request)
}

// below are the sets, as they are pinned, whose packages an image asks for.
func (l *look) below(s set) []project.SetPin {
	var found []project.SetPin
	for _, pin := range l.pins.Runtimes {
		other := set{Runtime, pin}
		if pin.Distro != s.pin.Distro || pin.Arch != s.pin.Arch || pin.For == s.pin.For || len(pin.Packages) == 0 {
			continue
		}
		if _, house := other.pythonBelow(); !house && !other.isImage() && !other.isPython() {
			continue
		}
		missing := func(at string) bool { return !slices.Contains(s.pin.Request, at) }
		if !slices.ContainsFunc(atVersions(pin.Packages), missing) {
			found = append(found, pin)
		}
	}
	return found
}

// owner is in whose name a set is reported: "python 3.13 builder".
func (s set) owner() string {
	if s.kind == Builder {
		return s.pin.For + " builder"
	}
	return s.pin.For
}

func (s set) isImage() bool { return s.kind == Runtime && strings.HasPrefix(s.pin.For, "image ") }

// isPython is whether the set is what the packages of a Python need to run.
func (s set) isPython() bool {
	fields := strings.Fields(s.pin.For)
	return s.kind == Runtime && len(fields) == 2 && fields[0] == "python"
}

// ofPackages is whether the request has what .deb files depend on.
func (s set) ofPackages() bool {
	if s.kind == Builder {
		return strings.HasPrefix(s.pin.For, "wheels ")
	}
	return strings.HasPrefix(s.pin.For, "python ")
}

// pythonBelow is the owner of what the Python of a house needs, if the set is
// that of a house: "wheels requirements.lock 3.13".
func (s set) pythonBelow() (owner string, ok bool) {
	fields := strings.Fields(s.pin.For)
	if s.kind != Runtime || len(fields) != 3 || fields[0] != "wheels" {
		return "", false
	}
	return "python " + fields[2], true
}

// versioned counts what the request of an image asks for at a version.
func (s set) versioned() (n int) {
	for _, asked := range s.pin.Request {
		if s.isImage() && strings.Contains(asked, "=") {
			n++
		}
	}
	return n
}

// atVersions asks for packages at their versions: "libpq5=17.5-1".
func atVersions(packages []project.Package) []string {
	out := make([]string, len(packages))
	for i, p := range packages {
		out[i] = p.Name + "=" + p.Version
	}
	return out
}
