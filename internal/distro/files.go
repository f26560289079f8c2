package distro

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/project"
)

// Holder is a package of the archive that has a file which compilers, pkg-config,
// CMake or a shell would find.
type Holder struct {
	Package   string // "libpq-dev"
	Component string // "main", "universe"
	Path      string // "usr/include/postgresql/libpq-fe.h"
}

// maxHolders are as many as a person would look at.
const maxHolders = 3

// FindFiles asks the distro's archive for the packages that have files to build
// with, by the ends of their paths: "/libpq-fe.h", "/sasl/sasl.h", "/cairo.pc",
// "/libcairo.so", "/bin/pg_config". Of each at most three, the likeliest first:
//
//   - of main before other components
//   - for anything but programs, -dev packages before others
//   - right where compilers look, then packages named like the file, then the
//     shortest way there, the shortest name
//
// Files of cross compilers and of other architectures do not count, nor do those
// in places where no compiler of the distro looks. A file that no package has is
// not in the answer. With an error the answer is what was found before it.
func (m *Maker) FindFiles(ctx context.Context, t Target, base project.BasePin, ends []string) (map[string][]Holder, error) {
	if len(ends) == 0 {
		return map[string][]Holder{}, nil
	}
	var all []entry
	err := m.inArchive(ctx, t, base, ends, func(c *engine.Container) error {
		for _, arch := range []string{t.Arch, "all"} {
			entries, err := m.searchContents(ctx, c, arch, ends)
			if err != nil {
				return err
			}
			all = append(all, entries...)
		}
		return nil
	})
	return holdersIn(all, triples[t.Arch], ends), err
}

// holdersIn ranks what was found; triple is that of the target.
func holdersIn(entries []entry, triple string, ends []string) map[string][]Holder {
	all := map[string][]Holder{}
	for _, end := range ends {
		var found []Holder
		for _, e := range entries {
			if strings.HasSuffix("/"+e.path, end) && usable(e, triple) {
				found = append(found, Holder{e.pkg, e.component, e.path})
			}
		}
		slices.SortFunc(found, func(a, b Holder) int {
			return cmp.Or(slices.Compare(a.rank(end, triple), b.rank(end, triple)), strings.Compare(a.Package, b.Package))
		})
		for _, h := range found {
			if len(all[end]) < maxHolders && !slices.ContainsFunc(all[end], func(b Holder) bool { return b.Package == h.Package }) {
				all[end] = append(all[end], h)
			}
		}
	}
	return all
}

// rank is lower for what is likelier meant by the end of a path.
func (h Holder) rank(end, triple string) []int {
	number := func(unlikely bool) int {
		if unlikely {
			return 1
		}
		return 0
	}
	dir := strings.TrimSuffix("/"+h.Path, end) + "/"
	dir = strings.Replace(dir, "/"+triple+"/", "/", 1)
	depth := strings.Count(dir, "/")
	stem, _, _ := strings.Cut(strings.ToLower(path.Base(end)), ".")
	program := strings.HasPrefix(end, "/bin/")
	return []int{
		number(h.Component != "main"),
		number(!program && !strings.HasSuffix(h.Package, "-dev")),
		number(dir != "/usr/include/" && dir != "/usr/lib/"),
		number(!strings.Contains(h.Package, stem)),
		depth, len(h.Package), len(h.Path),
	}
}

var (
	// foreign are packages for other targets than the distro's own programs.
	foreign = pattern.New(`-cross$|-cross-|mingw|emscripten|wasi|^avr-|^dietlibc|^libklibc|^android-|^python3?-|^pypy|-dbg$|-dbgsym$|-udeb$|^lib(32|n32|o32|x32|64|hf|sf)`)
	// places are where compilers, linkers, pkg-config, CMake and shells look.
	places = pattern.New(`^usr/s?bin/[^/]+$|^usr/include/|^usr/lib/.*(\.so|\.a|\.pc|/include/.*|/cmake/.*)$|^usr/share/(pkgconfig|cmake|[^/]+/cmake)/`)
	// elsewhere are places of other languages and compilers among them.
	elsewhere = pattern.New(`^usr/lib/(gcc-cross|debug|python3[^/]*|pypy[^/]*|ruby|node_modules|R)/`)
	// multiarch is the directory of one architecture.
	multiarch = pattern.New(`^usr/(?:lib/|include/)?([a-z0-9_]+-(?:linux|kfreebsd|gnu|w64)[a-z0-9-]*)/`)
)

// usable is whether a build for the target finds the file.
func usable(e entry, triple string) bool {
	if foreign.MatchString(e.pkg) || !places.MatchString(e.path) || elsewhere.MatchString(e.path) {
		return false
	}
	m := multiarch.FindStringSubmatch(e.path)
	return m == nil || m[1] == triple
}
