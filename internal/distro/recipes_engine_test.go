//go:build engine

package distro

import (
	"slices"
	"strings"
	"testing"

	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
)

// printNames reads the lists of another release of the distro, from the archive
// $1 with the keys $2, and prints the names of its packages. $3 is the codename.
const printNames = `echo "deb $2 $1 $3 main" > /etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
apt-get update ` + aptOptions + ` >&2
apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' | while read -r f; do
	/usr/lib/apt/apt-helper cat-file "$f"
done | sed -n 's/^Package: //p'`

// TestRecipeNames holds the recipes of wheels to the indexes of all releases of
// Debian: what they build with and run with has that name there.
func TestRecipeNames(t *testing.T) {
	m, _ := maker(t)
	set, err := recipes.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range set.Distros() {
		if d.ID != shared.target.Distro.ID {
			continue // another archive, which need not be near
		}
		c, err := m.networked(t.Context(), shared.target, BaseRef(shared.target, shared.base.Digest))
		if err != nil {
			t.Fatal(err)
		}
		remove(t, c)
		entries, err := m.sources(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(entries, func(s source) bool { return slices.Contains(s.suites, "trixie") })
		if i < 0 {
			t.Fatalf("no archive of trixie among %d sources", len(entries))
		}
		keys := ""
		if entries[i].signedBy != "" {
			keys = "[signed-by=" + entries[i].signedBy + "]"
		}
		out, err := m.print(t.Context(), c, printNames, entries[i].uris[0], keys, d.Codename)
		if err != nil {
			t.Fatal(err)
		}
		known := strings.Fields(out)
		if len(known) < 10_000 {
			t.Fatalf("%s: %d packages only", d.Codename, len(known))
		}
		slices.Sort(known)
		check := func(recipe string, names []string) {
			for _, name := range names {
				if _, ok := slices.BinarySearch(known, name); !ok {
					t.Errorf("%s: %s has no package %s; nearest: %q", recipe, d.Codename, name, strict.Near(name, known))
				}
			}
		}
		check("the distro's own", d.WheelPackages())
		check("Rust", d.Rust.Packages)
		for _, name := range set.Wheels() {
			w, _ := set.Wheel(name, d.Codename)
			check(name, w.Build)
			check(name, w.Runtime)
			for _, when := range w.When {
				check(name, when.Build)
			}
		}
	}
}
