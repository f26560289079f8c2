package repin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
)

var trixie = distro.Target{Distro: recipes.Distro{Codename: "trixie"}, Arch: "amd64"}

// archive is a distro: versions of packages, and what they depend on.
type archive struct {
	versions map[string]string   // "libpq5": "17.4-1"
	depends  map[string][]string // "libpq5": "libldap2"
	inBase   []string            // installed in the base image
	digest   string              // of the base image
	ref      string              // likewise

	asked   []string // of resolvers: the base image and requests
	fetched []project.Package
	fails   map[string]error // by "base", "open", "fetch", "close" or what is asked
}

func (a *archive) pkg(name string) project.Package {
	digest := fmt.Sprintf("sha256:%x", name+"_"+a.versions[name])
	return project.Package{Name: name, Version: a.versions[name], Arch: "amd64", Digest: (digest + strings.Repeat("0", 64))[:71]}
}

func (a *archive) base(_ context.Context, t distro.Target, old *project.BasePin, again bool) (project.BasePin, error) {
	if old != nil && !again {
		return *old, a.fails["base"]
	}
	pin := project.BasePin{Distro: t.Distro.Codename, Arch: t.Arch, Origin: "engine", Ref: a.ref, Digest: a.digest}
	for _, name := range a.inBase {
		p := a.pkg(name)
		p.Digest = ""
		pin.Packages = append(pin.Packages, p)
	}
	return pin, a.fails["base"]
}

func (a *archive) resolver(_ context.Context, _ distro.Target, base project.BasePin) (resolver, error) {
	a.asked = append(a.asked, base.Digest)
	return a, a.fails["open"]
}

func (a *archive) Close(context.Context) error { return a.fails["close"] }

func (a *archive) Fetch(_ context.Context, packages []project.Package) error {
	a.fetched = append(a.fetched, packages...)
	for _, p := range packages {
		if err := a.fails["fetch "+p.Name]; err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) Resolve(_ context.Context, q distro.Request) ([]project.Package, error) {
	said := strings.Join(q.Names, ", ")
	if q.Relations != nil {
		said += "Depends: " + strings.Join(q.Relations, ", ")
	}
	a.asked = append(a.asked, said)
	if err := a.fails[said]; err != nil {
		return nil, err
	}
	found := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if !found[name] && !slices.Contains(a.inBase, name) {
			found[name] = true
			for _, d := range a.depends[name] {
				add(d)
			}
		}
	}
	for _, asked := range slices.Concat(q.Names, q.Relations) {
		name, version, _ := strings.Cut(asked, "=")
		if strings.Contains(asked, "(") {
			name, version, _ = strings.Cut(asked, " (")
			version = ""
		}
		if have := a.versions[name]; have == "" || version != "" && version != have {
			return nil, &distro.UnresolvableError{Target: trixie, Request: q, Explains: errors.New("no " + asked)}
		}
		add(name)
	}
	var out []project.Package
	for name := range found {
		out = append(out, a.pkg(name))
	}
	slices.SortFunc(out, func(a, b project.Package) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// sample is an archive in which everything has version 1, with a base image of
// libc6 alone.
func sample() *archive {
	a := &archive{
		versions: map[string]string{}, inBase: []string{"libc6"}, digest: "sha256:" + strings.Repeat("a", 64), fails: map[string]error{},
		depends: map[string][]string{"libpq5": {"libldap2"}, "gcc": {"cpp"}, "lintian": {"perl"}, "libssl3": {"libc6"}},
	}
	for _, name := range []string{"libc6", "libssl3", "libpq5", "libldap2", "gcc", "cpp", "lintian", "perl", "libmagic1", "tini"} {
		a.versions[name] = "1"
	}
	return a
}

// locked is a lock with all kinds of sets on a sample, as builds would pin them.
func locked(t *testing.T, a *archive) *project.Lock {
	t.Helper()
	l := &project.Lock{Format: project.LockFormat}
	base, _ := a.base(t.Context(), trixie, nil, true)
	l.SetBase(base)
	pin := func(who string, without []project.Package, request ...string) project.SetPin {
		packages, err := a.Resolve(t.Context(), distro.Request{Names: request})
		if err != nil {
			t.Fatal(err)
		}
		packages = slices.DeleteFunc(packages, func(p project.Package) bool { return slices.Contains(without, p) })
		return project.SetPin{Distro: "trixie", Arch: "amd64", For: who, Request: request, Packages: packages}
	}
	l.SetBuilder(pin("python 3.13", nil, "gcc", "libssl3"))
	python := pin("python 3.13", nil, "libc6 (>= 0)", "libssl3 (>= 0)")
	l.SetRuntime(python)
	l.SetRuntime(pin("lintian", nil, "lintian"))
	l.SetRuntime(pin("wheels app.lock 3.13", python.Packages, "libpq5"))
	l.SetRuntime(pin("image low", nil, "libmagic1", "libssl3=1"))
	l.SetRuntime(pin("image app", nil, "libldap2=1", "libmagic1=1", "libpq5=1", "libssl3=1", "tini"))
	l.SetRuntime(project.SetPin{Distro: "bookworm", Arch: "amd64", For: "lintian", Request: []string{"lintian"}})
	a.asked = nil
	return l
}

type quiet struct{ io.Writer }

func (quiet) Step(string) func(error) { return func(error) {} }
func (quiet) Note(string, ...any)     {}
func (quiet) Output() io.Writer       { return io.Discard }

func lookAt(t *testing.T, a *archive, l *project.Lock, only func(kind, who string) bool) (*Moved, error) {
	t.Helper()
	before := text(t, l)
	m := &Mover{Report: quiet{}, from: a}
	moved, err := m.Look(t.Context(), l, trixie, only)
	if diff := cmp.Diff(before, text(t, l)); diff != "" {
		t.Errorf("Look changed the lock: %s", diff)
	}
	return moved, err
}

func text(t *testing.T, l *project.Lock) string {
	t.Helper()
	data, err := l.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func say[S fmt.Stringer](of []S) (out []string) {
	for _, s := range of {
		out = append(out, s.String())
	}
	return out
}

// TestLook changes a distro, and wants the moves, what fails, and the same pins
// as a lock that is made after the change.
func TestLook(t *testing.T) {
	allBut := func(kinds ...string) func(kind, who string) bool {
		return func(kind, who string) bool { return !slices.Contains(kinds, strings.TrimSpace(kind+" "+who)) }
	}
	for _, test := range []struct {
		name   string
		change func(a *archive)
		only   func(kind, who string) bool
		moves  []string
		failed []string
		differ bool // from a lock made anew
	}{
		{name: "nothing", change: func(*archive) {}},
		{
			name:   "what all stand on",
			change: func(a *archive) { a.versions["libssl3"] = "2" },
			moves:  []string{"libssl3 1 → 2 in trixie (image app, image low, python 3.13, python 3.13 builder)"},
		}, {
			name:   "what a house stands on",
			change: func(a *archive) { a.versions["libldap2"] = "2" },
			moves:  []string{"libldap2 1 → 2 in trixie (image app, wheels app.lock 3.13)"},
		}, {
			name:   "of one image, for the image above it",
			change: func(a *archive) { a.versions["libmagic1"] = "2" },
			moves:  []string{"libmagic1 1 → 2 in trixie (image app, image low)"},
		}, {
			name: "added and removed",
			change: func(a *archive) {
				a.versions["libssl-data"] = "7"
				a.depends["libssl3"] = []string{"libc6", "libssl-data"}
				delete(a.depends, "libpq5")
			},
			moves: []string{
				"libldap2 1 removed in trixie (image app, wheels app.lock 3.13)",
				"libssl-data 7 added in trixie (image app, image low, python 3.13, python 3.13 builder)",
			},
		}, {
			name:   "base image",
			change: func(a *archive) { a.versions["libc6"], a.digest = "2", "sha256:"+strings.Repeat("b", 64) },
			moves:  []string{"libc6 1 → 2 in trixie (base image)"},
		}, {
			name: "base image that has more",
			change: func(a *archive) {
				a.inBase, a.digest = []string{"libc6", "perl"}, "sha256:"+strings.Repeat("b", 64)
			},
			moves: []string{"perl 1 added in trixie (base image)", "perl 1 removed in trixie (lintian)"},
		}, {
			name:   "base image with the same packages",
			change: func(a *archive) { a.digest = "sha256:" + strings.Repeat("b", 64) },
			moves:  []string{"image aaaaaaaaaaaa → bbbbbbbbbbbb in trixie (base image)"},
		}, {
			name:   "base image of another name",
			change: func(a *archive) { a.ref = "corp/base:2" },
			moves:  []string{"image engine → engine corp/base:2 in trixie (base image)"},
		}, {
			name:   "base image that may not move",
			change: func(a *archive) { a.versions["perl"], a.digest = "2", "sha256:"+strings.Repeat("b", 64) },
			only:   allBut("base"),
			moves:  []string{"perl 1 → 2 in trixie (lintian)"},
			differ: true,
		}, {
			name:   "sets that may not move",
			change: func(a *archive) { a.versions["perl"], a.versions["libssl3"] = "2", "2" },
			only:   allBut("builder python 3.13", "runtime lintian"),
			moves:  []string{"libssl3 1 → 2 in trixie (image app, image low, python 3.13)"},
			differ: true,
		}, {
			name:   "one that is gone",
			change: func(a *archive) { delete(a.versions, "lintian"); a.versions["libpq5"] = "2" },
			moves:  []string{"libpq5 1 → 2 in trixie (image app, wheels app.lock 3.13)"},
			failed: []string{"lintian (runtime) of trixie keeps its pins: no lintian"},
			differ: true,
		}, {
			name:   "what stands on one that is gone",
			change: func(a *archive) { delete(a.versions, "libmagic1"); a.versions["libpq5"] = "2" },
			moves:  []string{"libpq5 1 → 2 in trixie (wheels app.lock 3.13)"},
			failed: []string{
				"image low (runtime) of trixie keeps its pins: no libmagic1",
				"image app (runtime) of trixie keeps its pins: no libmagic1=1",
			},
			differ: true,
		}, {
			name: "a file that is not there",
			change: func(a *archive) {
				a.versions["libmagic1"], a.versions["libpq5"] = "2", "2"
				a.fails["fetch libmagic1"] = &distro.UnresolvableError{Explains: errors.New("404")}
			},
			moves: []string{"libpq5 1 → 2 in trixie (wheels app.lock 3.13)"},
			failed: []string{
				"image low (runtime) of trixie keeps its pins: 404",
				"image app (runtime) of trixie keeps its pins: no libmagic1=1",
			},
			differ: true,
		}, {
			name:   "a house on a Python that may not move",
			change: func(a *archive) { a.versions["libssl3"], a.versions["libldap2"] = "2", "2" },
			only:   func(kind, who string) bool { return kind == Runtime && who == "wheels app.lock 3.13" },
			failed: []string{"wheels app.lock 3.13 (runtime) of trixie keeps its pins: no libssl3=1"},
			differ: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := sample()
			l := locked(t, a)
			test.change(a)
			moved, err := lookAt(t, a, l, test.only)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.moves, say(moved.Moves)); diff != "" {
				t.Errorf("moves: %s", diff)
			}
			if diff := cmp.Diff(test.failed, say(moved.Failed)); diff != "" {
				t.Errorf("failed: %s", diff)
			}
			moved.Apply(l)
			again, err := lookAt(t, a, l, test.only)
			if err != nil || again.Moves != nil {
				t.Errorf("afterwards: %v, moves %s", err, again.Moves)
			}
			if test.differ {
				return
			}
			if diff := cmp.Diff(text(t, relocked(t, a)), text(t, l)); diff != "" {
				t.Errorf("not what is pinned anew: %s", diff)
			}
		})
	}
}

// relocked is locked after changes: images ask for what is below them now.
func relocked(t *testing.T, a *archive) *project.Lock {
	t.Helper()
	l := locked(t, &archive{versions: sample().versions, depends: sample().depends, inBase: a.inBase, digest: a.digest, ref: a.ref})
	base, _ := a.base(t.Context(), trixie, nil, true)
	l.SetBase(base)
	pin := func(pin project.SetPin, request ...string) project.SetPin {
		slices.Sort(request)
		pin.Request = slices.Compact(request)
		var err error
		if pin.Packages, err = a.Resolve(t.Context(), distro.Request{Names: pin.Request}); err != nil {
			t.Fatal(err)
		}
		return pin
	}
	runtime := func(who string, request ...string) project.SetPin {
		old, _ := l.Runtime("trixie", "amd64", who)
		return pin(old, request...)
	}
	l.SetBuilder(pin(l.Builders[0], "gcc", "libssl3"))
	python := runtime("python 3.13", "libc6 (>= 0)", "libssl3 (>= 0)")
	house := runtime("wheels app.lock 3.13", "libpq5")
	below := runtime("image low", append(atVersions(python.Packages), "libmagic1")...)
	above := runtime("image app", append(slices.Concat(atVersions(below.Packages), atVersions(house.Packages)), "tini")...)
	for _, p := range []project.SetPin{python, house, below, above, runtime("lintian", "lintian")} {
		l.SetRuntime(p)
	}
	return l
}

// TestLookAsks wants one container, and requests of sets after those that they
// stand on.
func TestLookAsks(t *testing.T) {
	a := sample()
	l := locked(t, a)
	a.versions["libssl3"], a.versions["libmagic1"] = "2", "3"
	if _, err := lookAt(t, a, l, nil); err != nil {
		t.Fatal(err)
	}
	want := []string{
		a.digest, "gcc, libssl3", "lintian", "Depends: libc6 (>= 0), libssl3 (>= 0)", "libpq5, libssl3=2",
		"libmagic1, libssl3=2", "libldap2=1, libmagic1=3, libpq5=1, libssl3=2, tini",
	}
	if diff := cmp.Diff(want, a.asked); diff != "" {
		t.Error(diff)
	}
	slices.SortFunc(a.fetched, func(a, b project.Package) int { return strings.Compare(a.Name, b.Name) })
	if diff := cmp.Diff([]project.Package{a.pkg("libmagic1"), a.pkg("libssl3")}, slices.Compact(a.fetched)); diff != "" {
		t.Errorf("fetched: %s", diff)
	}

	// A house stands on what its Python has, whatever became of the builder.
	a.asked = nil
	_, err := lookAt(t, a, l, func(kind, who string) bool { return kind == Builder || who == "wheels app.lock 3.13" })
	if diff := cmp.Diff([]string{a.digest, "gcc, libssl3", "libpq5, libssl3=1"}, a.asked); err != nil || diff != "" {
		t.Error(err, diff)
	}

	// What asks for nothing is not asked for.
	a.asked = nil
	moved, err := lookAt(t, a, l, func(string, string) bool { return false })
	if err != nil || moved.Moves != nil || a.asked != nil {
		t.Errorf("%v, %s, asked %q", err, moved.Moves, a.asked)
	}
	moved, err = lookAt(t, a, &project.Lock{Format: project.LockFormat}, nil)
	if err != nil || moved.Moves != nil || a.asked != nil {
		t.Errorf("without pins: %v, %s, asked %q", err, moved.Moves, a.asked)
	}
}

// TestLookErrors wants no moves at all when something else goes wrong than that
// apt has no answer.
func TestLookErrors(t *testing.T) {
	for _, at := range []string{"base", "open", "lintian", "fetch libssl3", "close"} {
		a := sample()
		l := locked(t, a)
		a.versions["libssl3"], a.fails[at] = "2", errors.New("the mirror is away")
		moved, err := lookAt(t, a, l, nil)
		if moved != nil || !errors.Is(err, a.fails[at]) {
			t.Errorf("%s: %+v, %v", at, moved, err)
		}
	}
}
