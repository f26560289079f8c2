package distro

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/engine"
	"github.com/pybake/pybake/internal/project"
)

// triples are the multiarch names of architectures, which the default
// directories of the dynamic loader have in their paths.
var triples = map[string]string{
	"amd64":   "x86_64-linux-gnu",
	"arm64":   "aarch64-linux-gnu",
	"armhf":   "arm-linux-gnueabihf",
	"i386":    "i386-linux-gnu",
	"ppc64el": "powerpc64le-linux-gnu",
	"riscv64": "riscv64-linux-gnu",
	"s390x":   "s390x-linux-gnu",
}

// LibraryDirs are the directories in which the dynamic loader looks by itself,
// in its order (ld.so(8)), with those that a merged /usr makes the same.
func (t Target) LibraryDirs() ([]string, error) {
	triple := triples[t.Arch]
	if triple == "" {
		return nil, fmt.Errorf("library directories of %s: unknown architecture", t)
	}
	dirs := []string{"/lib/" + triple, "/usr/lib/" + triple, "/lib", "/usr/lib"}
	if strings.HasSuffix(t.Arch, "64") {
		dirs = append(dirs, "/lib64", "/usr/lib64")
	}
	return dirs, nil
}

// listLibraries prints the files of the directories $1, and for each of the
// package files that follow a line "= N" and the paths in it.
const listLibraries = `
for d in $1; do
	if [ -d "$d" ]; then find "$d/" -maxdepth 1 ! -type d; fi
done
shift
n=0
for deb; do
	echo "= $n"
	dpkg-deb --fsys-tarfile "$deb" | tar -t -f -
	n=$((n + 1))
done`

// Libraries returns the names of the shared libraries that the dynamic loader
// finds on the base with some package files installed, each with the first of
// these files that has it, or "" for the base: "libc.so.6" → "". The files are of
// the cache, where their names are hashes; an answer is kept there too, as
// "libraries/HASH.json", and given again without an engine.
func (m *Maker) Libraries(ctx context.Context, t Target, base project.BasePin, debs []string) (map[string]string, error) {
	kept := m.librariesFile(t, base, debs)
	if text, err := os.ReadFile(kept); err == nil {
		var names map[string]string
		if json.Unmarshal(text, &names) == nil && len(names) > 0 {
			return names, nil
		}
	}
	names, err := m.libraries(ctx, t, base, debs)
	if err != nil {
		return nil, fmt.Errorf("list the libraries of %s: %w", t, err)
	}
	if err := keepLibraries(kept, names); err != nil {
		return nil, fmt.Errorf("keep the list of libraries of %s: %w", t, err)
	}
	return names, nil
}

// librariesFile is where an answer of Libraries is kept.
func (m *Maker) librariesFile(t Target, base project.BasePin, debs []string) string {
	hash := sha256.New()
	fmt.Fprintln(hash, "pybake libraries 1", t.Arch, base.Digest)
	for _, d := range debs {
		fmt.Fprintln(hash, d)
	}
	return filepath.Join(m.Fetcher.Cache, "libraries", hex.EncodeToString(hash.Sum(nil))+".json")
}

// keepLibraries writes an answer whole or not at all.
func keepLibraries(name string, libraries map[string]string) error {
	text, err := json.Marshal(libraries)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "new-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (m *Maker) libraries(ctx context.Context, t Target, base project.BasePin, debs []string) (map[string]string, error) {
	dirs, err := t.LibraryDirs()
	if err != nil {
		return nil, err
	}
	c, err := m.Offliner(ctx, t, BaseRef(t, base.Digest), "libraries")
	if err != nil {
		return nil, err
	}
	defer c.Remove(ctx)
	paths, err := PutFiles(ctx, c, "/srv/pybake", debs)
	if err != nil {
		return nil, err
	}
	out, err := m.print(ctx, c, listLibraries, append([]string{strings.Join(dirs, " ")}, paths...)...)
	if err != nil {
		return nil, err
	}
	found, err := parseLibraries(out, dirs, debs)
	if err != nil {
		return nil, err
	}
	return found, c.Remove(ctx)
}

// parseLibraries picks the shared libraries in dirs out of what listLibraries
// prints.
func parseLibraries(out string, dirs, debs []string) (map[string]string, error) {
	found := map[string]string{}
	deb := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if number, ok := strings.CutPrefix(line, "= "); ok {
			i, err := strconv.Atoi(number)
			if err != nil || i < 0 || i >= len(debs) {
				return nil, fmt.Errorf("unexpected line %q", line)
			}
			deb = debs[i]
			continue
		}
		name, ok := inDirs(line, dirs)
		if _, known := found[name]; ok && !known && strings.Contains(name, ".so") {
			found[name] = deb
		}
	}
	return found, nil
}

// inDirs is the name of a file, if that lies directly in one of dirs. Its path
// is absolute, "./usr/lib/…" as in a package, or "usr/lib/…" as in an index.
func inDirs(path string, dirs []string) (name string, ok bool) {
	path = "/" + strings.TrimPrefix(strings.TrimPrefix(path, "."), "/")
	i := strings.LastIndexByte(path, '/')
	name = path[i+1:]
	return name, name != "" && slices.Contains(dirs, path[:i])
}

// ownersOf prints "NAME<tab>what dpkg knows of it" for the libraries that
// follow the directories $1, by their real paths as dpkg-shlibdeps does it,
// else by the paths of the links. Where /usr is merged, dpkg may know a file
// by either of two paths.
const ownersOf = `
dirs=$1
shift
for name; do
	for d in $dirs; do
		if [ ! -e "$d/$name" ]; then continue; fi
		for p in "$(readlink -f "$d/$name")" "$d/$name"; do
			case $p in
			/usr/lib*) other=${p#/usr} ;;
			*) other=/usr$p ;;
			esac
			if said=$(dpkg-query -S "$p" 2>/dev/null || dpkg-query -S "$other" 2>/dev/null); then
				printf '%s\n' "$said" | while IFS= read -r line; do printf '%s\t%s\n' "$name" "$line"; done
				break 2
			fi
		done
	done
done`

// Owners returns the packages of an image of the distro that own its shared
// libraries, by the names of these: "libpq.so.5" → "libpq5". A library that the
// image does not have in the loader's directories, or that no package owns, is
// not in the answer.
func (m *Maker) Owners(ctx context.Context, t Target, image string, libraries []string) (map[string]string, error) {
	dirs, err := t.LibraryDirs()
	if err != nil {
		return nil, err
	}
	if len(libraries) == 0 {
		return map[string]string{}, nil
	}
	owners, err := m.owners(ctx, t, image, dirs, libraries)
	if err != nil {
		return nil, fmt.Errorf("owners of libraries in %s: %w", image, err)
	}
	return owners, nil
}

func (m *Maker) owners(ctx context.Context, t Target, image string, dirs, libraries []string) (map[string]string, error) {
	c, err := m.Offliner(ctx, t, image, "owners")
	if err != nil {
		return nil, err
	}
	defer c.Remove(ctx)
	out, err := m.print(ctx, c, ownersOf, append([]string{strings.Join(dirs, " ")}, libraries...)...)
	if err != nil {
		return nil, err
	}
	return parseOwners(out), c.Remove(ctx)
}

// parseOwners reads lines like
//
//	libpq.so.5	libpq5:amd64: /usr/lib/x86_64-linux-gnu/libpq.so.5.17
//
// Of several packages that have a file the first counts. Lines about diversions
// name no owner.
func parseOwners(out string) map[string]string {
	owners := map[string]string{}
	for line := range strings.Lines(out) {
		name, said, _ := strings.Cut(line, "\t")
		packages, _, ok := strings.Cut(said, ": ")
		if !ok || owners[name] != "" || strings.HasPrefix(said, "diversion by ") || strings.HasPrefix(said, "local diversion ") {
			continue
		}
		first, _, _ := strings.Cut(packages, ", ")
		owners[name], _, _ = strings.Cut(first, ":")
	}
	return owners
}

// print runs a script as root and returns what it prints; its complaints go
// into the log.
func (m *Maker) print(ctx context.Context, c *engine.Container, script string, args ...string) (string, error) {
	var out, said strings.Builder
	err := c.Exec(ctx, engine.Command{
		Argv: append([]string{"sh", "-euc", script, "sh"}, args...), User: "0:0",
		Stdout: &out, Stderr: io.MultiWriter(m.Report.Output(), &said),
	})
	if errors.As(err, new(*engine.ExitError)) {
		err = fmt.Errorf("%s: %w", lastErrors(said.String()), err)
	}
	return out.String(), err
}
