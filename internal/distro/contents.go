package distro

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// contentsConf makes apt's update fetch the index of what is in the packages of
// the own architecture, and nothing else. It is what apt-file(1) installs: the
// second target is for archives that have one index for all components.
const contentsConf = `
Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";
Acquire::IndexTargets::deb::Translations::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb {
	MetaKey "$(COMPONENT)/Contents-$(NATIVE_ARCHITECTURE)";
	ShortDescription "Contents-$(NATIVE_ARCHITECTURE)";
	Description "$(RELEASE)/$(COMPONENT) $(NATIVE_ARCHITECTURE) Contents (deb)";
	KeepCompressed "true";
	DefaultEnabled "true";
	Identifier "Contents-deb";
};
Acquire::IndexTargets::deb::Contents-deb-legacy {
	MetaKey "Contents-$(NATIVE_ARCHITECTURE)";
	ShortDescription "Contents-$(NATIVE_ARCHITECTURE)";
	Description "$(RELEASE) $(NATIVE_ARCHITECTURE) Contents (deb)";
	KeepCompressed "true";
	DefaultEnabled "true";
	Fallback-Of "Contents-deb";
	Identifier "Contents-deb";
};
`

// searchContents prints the lines of apt's indexes with paths that end in a
// name of $2, one a line; $1 is contentsConf. An index that could not be had
// is an error only if there is no other: suites of updates often lack theirs.
const searchContents = `
printf %s "$1" > /etc/apt/apt.conf.d/90pybake-contents
printf '%s\n' "$2" > /tmp/names
apt-get update ` + aptOptions + ` >&2 || failed=$?
files=$(apt-get indextargets --format '$(FILENAME)' 'Identifier: Contents-deb' | sort -u)
found=
for f in $files; do
	if [ -e "$f" ]; then
		found=1
		/usr/lib/apt/apt-helper cat-file "$f" | grep -F -f /tmp/names || [ $? -eq 1 ]
	fi
done
if [ -z "$found" ]; then
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
// checks that it is the one that was signed.
func (m *Maker) FindOwners(ctx context.Context, t Target, base project.BasePin, libraries []string) (map[string][]Owner, error) {
	dirs, err := t.LibraryDirs()
	if err != nil {
		return nil, err
	}
	if len(libraries) == 0 {
		return map[string][]Owner{}, nil
	}
	if m.Offline {
		return nil, fmt.Errorf("packages of %s that have %s: %w", t, strings.Join(libraries, " "), ErrOffline)
	}
	c, err := m.networked(ctx, t, BaseRef(t, base.Digest))
	if err != nil {
		return nil, fmt.Errorf("find packages of %s: %w", t, err)
	}
	defer c.Remove(ctx)
	owners, err := m.searchContents(ctx, c, dirs, libraries)
	if err != nil {
		return nil, fmt.Errorf("find packages of %s: %w", t, err)
	}
	return owners, c.Remove(ctx)
}

func (m *Maker) searchContents(ctx context.Context, c *engine.Container, dirs, libraries []string) (map[string][]Owner, error) {
	names := make([]string, len(libraries))
	for i, l := range libraries {
		names[i] = "/" + l + " " // paths are filled up with spaces
	}
	out, err := m.print(ctx, c, searchContents, contentsConf, strings.Join(names, "\n"))
	if err != nil {
		return nil, err
	}
	return parseContents(out, dirs, libraries), nil
}

// parseContents reads lines of a Contents index (Debian's repository format,
// "Contents indices"): a path, white space, packages with their sections and,
// but for main, components:
//
//	usr/lib/x86_64-linux-gnu/libGL.so.1    libs/libgl1,universe/libs/other
func parseContents(out string, dirs, libraries []string) map[string][]Owner {
	owners := map[string][]Owner{}
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, " \t\r\n")
		i := strings.LastIndexAny(line, " \t")
		if i < 0 {
			continue
		}
		name, ok := inDirs(strings.TrimRight(line[:i], " \t"), dirs)
		if !ok || !slices.Contains(libraries, name) {
			continue
		}
		for where := range strings.SplitSeq(line[i+1:], ",") {
			parts := strings.Split(where, "/")
			o := Owner{Package: parts[len(parts)-1], Component: "main"}
			if len(parts) > 2 {
				o.Component = parts[0]
			}
			if !slices.Contains(owners[name], o) {
				owners[name] = append(owners[name], o)
			}
		}
		slices.SortFunc(owners[name], func(a, b Owner) int { return strings.Compare(a.Package, b.Package) })
	}
	return owners
}
