package distro

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// contentsConf makes apt's update fetch the index of what is in the packages of
// one architecture, and nothing else. It is what apt-file(1) installs, but for the
// architecture: apt would fetch that of "all" with the own one, which is three times
// as much, and if either cannot be had drop both. The second target is for archives
// that have one index for all components.
func contentsConf(arch string) string {
	return strings.ReplaceAll(`
Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";
Acquire::IndexTargets::deb::Translations::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb {
	MetaKey "$(COMPONENT)/Contents-ARCH";
	ShortDescription "Contents-ARCH";
	Description "$(RELEASE)/$(COMPONENT) ARCH Contents (deb)";
	KeepCompressed "true";
	DefaultEnabled "true";
	Identifier "Contents-deb";
};
Acquire::IndexTargets::deb::Contents-deb-legacy {
	MetaKey "Contents-ARCH";
	ShortDescription "Contents-ARCH";
	Description "$(RELEASE) ARCH Contents (deb)";
	KeepCompressed "true";
	DefaultEnabled "true";
	Fallback-Of "Contents-deb";
	Identifier "Contents-deb";
};
`, "ARCH", arch)
}

// searchContents prints the lines of apt's indexes with paths that end in a
// name of $2, one a line; $1 is contentsConf. An index that could not be had
// is an error only if there is no other: suites of updates often lack theirs.
// That there is none at all, for the architecture $4, is an error if $3 is not empty.
//
// While a mirror is updated, its large files may not be those that are signed already,
// for hours. Then they are read as they are, after a line "= ADDRESS": what they say is
// no more than a hint, for a package is taken from its own signed index, and proved.
const searchContents = `
printf %s "$1" > /etc/apt/apt.conf.d/90pybake-contents
printf '%s\n' "$2" > /tmp/names
failed=
apt-get update ` + aptOptions + ` >&2 || failed=$?
files=$(apt-get indextargets --format '$(FILENAME)' 'Identifier: Contents-deb' | sort -u)
found=
for f in $files; do
	if [ -e "$f" ]; then
		found=1
		/usr/lib/apt/apt-helper cat-file "$f" | grep -F -f /tmp/names || [ $? -eq 1 ]
	fi
done
if [ -z "$found" ] && [ -n "$failed$3" ]; then
	rm /etc/apt/apt.conf.d/90pybake-contents
	apt-get update ` + aptOptions + ` >&2
	for packages in $(apt-get indextargets --format '$(URI)' 'Created-By: Packages' | sort -u); do
		uri=${packages%/binary-*}/Contents-$4.gz
		if /usr/lib/apt/apt-helper download-file "$uri" /tmp/contents.gz >&2; then
			found=1
			echo "= $uri"
			gzip -dc /tmp/contents.gz | grep -F -f /tmp/names || [ $? -eq 1 ]
		fi
	done
fi
if [ -z "$found" ] && [ -n "$failed$3" ]; then
	echo 'E: no index of the contents of packages (Contents) could be had' >&2
	exit "${failed:-100}"
fi`

// Owner is a package of the archive that has a file.
type Owner struct {
	Package   string // "libgl1"
	Component string // "main", "universe"
}

// FindOwners asks the distro's archive for the packages that have shared
// libraries in the directories in which the loader looks, by their names:
// "libGL.so.1" → libgl1 in main. Owners are sorted; a library that no package
// has is not in the answer. apt fetches the archive's index of contents and
// checks that it is the one that was signed; see searchContents for when it is not.
func (m *Maker) FindOwners(ctx context.Context, t Target, base project.BasePin, libraries []string) (map[string][]Owner, error) {
	dirs, err := t.LibraryDirs()
	if err != nil {
		return nil, err
	}
	if len(libraries) == 0 {
		return map[string][]Owner{}, nil
	}
	ends := make([]string, len(libraries))
	for i, l := range libraries {
		ends[i] = "/" + l
	}
	var entries []entry
	err = m.inArchive(ctx, t, base, ends, func(c *engine.Container) (err error) {
		entries, err = m.searchContents(ctx, c, t.Arch, ends)
		return err
	})
	return ownersIn(entries, dirs, libraries), err
}

// ownersIn picks the owners of libraries in dirs.
func ownersIn(entries []entry, dirs, libraries []string) map[string][]Owner {
	owners := map[string][]Owner{}
	for _, e := range entries {
		name, ok := inDirs(e.path, dirs)
		if o := (Owner{e.pkg, e.component}); ok && slices.Contains(libraries, name) && !slices.Contains(owners[name], o) {
			owners[name] = append(owners[name], o)
		}
	}
	for _, found := range owners {
		slices.SortFunc(found, func(a, b Owner) int { return strings.Compare(a.Package, b.Package) })
	}
	return owners
}

// inArchive runs a search for files whose paths end as ends say, in a container with
// the archive at hand.
func (m *Maker) inArchive(ctx context.Context, t Target, base project.BasePin, ends []string, search func(*engine.Container) error) error {
	if m.Offline {
		return fmt.Errorf("packages of %s that have %s: %w", t, strings.TrimPrefix(strings.Join(ends, " "), "/"), ErrOffline)
	}
	c, err := m.networked(ctx, t, BaseRef(t, base.Digest))
	if err == nil {
		err = errors.Join(search(c), c.Remove(ctx))
	}
	if err != nil {
		return fmt.Errorf("find packages of %s: %w", t, err)
	}
	return nil
}

// searchContents searches the index of an architecture. That of "all" need not exist:
// some archives have such packages in the other ones.
func (m *Maker) searchContents(ctx context.Context, c *engine.Container, arch string, ends []string) ([]entry, error) {
	names := ""
	for _, end := range ends { // paths are filled up with spaces, the longest end in a tab
		names += end + " \n" + end + "\t\n"
	}
	must := arch
	if arch == "all" {
		must = ""
	}
	out, err := m.print(ctx, c, searchContents, contentsConf(arch), strings.TrimSuffix(names, "\n"), must, arch)
	var lines strings.Builder
	for line := range strings.Lines(out) {
		if address, ok := strings.CutPrefix(line, "= "); ok {
			m.Report.Note("%s is not the index that is signed, as it happens while a mirror is updated: read as a hint", strings.TrimSpace(address))
			continue
		}
		lines.WriteString(line)
	}
	return parseContents(lines.String()), err
}

// entry is a file of a package.
type entry struct {
	path           string // "usr/lib/x86_64-linux-gnu/libGL.so.1"
	pkg, component string
}

// parseContents reads lines of a Contents index (Debian's repository format,
// "Contents indices"): a path, white space, packages with their sections and,
// but for main, components:
//
//	usr/lib/x86_64-linux-gnu/libGL.so.1    libs/libgl1,universe/libs/other
func parseContents(out string) (entries []entry) {
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, " \t\r\n")
		i := strings.LastIndexAny(line, " \t")
		if i < 0 {
			continue
		}
		file := strings.TrimRight(line[:i], " \t")
		for where := range strings.SplitSeq(line[i+1:], ",") {
			parts := strings.Split(where, "/")
			e := entry{file, parts[len(parts)-1], "main"}
			if len(parts) > 2 {
				e.component = parts[0]
			}
			entries = append(entries, e)
		}
	}
	return entries
}
