package python

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/fetch"
	"github.com/pybake/pybake/nfpm"
)

// stage is a built tree on this machine and what is known of its packages.
type stage struct {
	plan  *Plan
	dir   string    // holds the tree as it will be installed: dir/opt/python/3.13/…
	epoch time.Time // of every file

	layout  *layout
	files   map[string][]nfpm.File // by package, without directories
	depends map[string][]string    // by package, what its ELF files need
	license []byte
}

// collect brings the tree of a finished job here, divides it into packages and
// asks dpkg-shlibdeps, in the job, what each depends on.
func (s *stage) collect(ctx context.Context, j *job) error {
	if err := s.unpack(ctx, j); err != nil {
		return err
	}
	tree, err := nfpm.Tree(s.dir, "/")
	if err != nil {
		return err
	}
	if s.layout, err = newLayout(s.plan); err != nil {
		return err
	}
	lib := path.Join(s.plan.Prefix(), s.plan.libDir())
	tree = append(tree, nfpm.File{Path: lib + "/EXTERNALLY-MANAGED", Content: []byte(
		strings.NewReplacer("{prefix}", s.plan.Prefix(), "{series}", s.plan.Series, "{label}", s.plan.label()).Replace(string(externallyManaged)),
	)})
	if s.license, err = os.ReadFile(filepath.Join(s.dir, lib, "LICENSE.txt")); err != nil {
		return err
	}
	s.divide(tree)
	s.depends = map[string][]string{}
	for _, r := range s.layout.Packages {
		if r.Shlibs {
			if s.depends[r.Name], err = s.shlibdeps(ctx, j, r.Name); err != nil {
				return fmt.Errorf("dependencies of %s: %w", r.Name, err)
			}
		}
	}
	return nil
}

func (s *stage) unpack(ctx context.Context, j *job) error {
	stream, err := j.Get(ctx, j.at.place(jobStage))
	if err != nil {
		return err
	}
	defer stream.Close()
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return fetch.Unpack(root, stream, fetch.Rules{StripTop: true, MTime: s.epoch})
}

// divide gives every file to one package; directories follow from the files.
func (s *stage) divide(tree []nfpm.File) {
	byPath := map[string]nfpm.File{}
	var paths []string
	for _, f := range tree {
		if !f.Dir {
			byPath[f.Path] = f
			paths = append(paths, f.Path)
		}
	}
	s.files = map[string][]nfpm.File{}
	for name, paths := range s.layout.split(paths) {
		for _, p := range paths {
			s.files[name] = append(s.files[name], byPath[p])
		}
	}
}

// shlibdeps is the Depends of a package's ELF files as the distro's own tool
// finds them (dpkg-shlibdeps(1), Debian policy section 8.6).
func (s *stage) shlibdeps(ctx context.Context, j *job, name string) ([]string, error) {
	elfs, err := s.elfFiles(name)
	if err != nil {
		return nil, err
	}
	args := []string{"sh", "-euc", `
		mkdir -p deb/debian && cd deb
		printf 'Source: pybake\n\nPackage: %s\nArchitecture: any\n' "$1" > debian/control
		shift
		dpkg-shlibdeps -O "$@"`, "sh", name}
	for _, f := range elfs {
		// The stub of the stable ABI needs libpython itself, which is beside it.
		if path.Base(f.Path) != "libpython3.so" {
			args = append(args, j.at.place(jobStage)+f.Path)
		}
	}
	if len(args) == 5 {
		return nil, nil
	}
	out, err := j.output(ctx, args...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if list, found := strings.CutPrefix(strings.TrimSpace(line), "shlibs:Depends="); found {
			return strings.Split(list, ", "), nil
		}
	}
	return nil, fmt.Errorf("dpkg-shlibdeps printed %q", out)
}

// build makes the .deb of one recipe for a release.
func (s *stage) build(r *packageRecipe, release int, compression string) *nfpm.Package {
	version := s.plan.packageVersion(release)
	current := func(list []string) []string {
		out := slices.Clone(list)
		for i := range out {
			out[i] = strings.ReplaceAll(out[i], s.plan.PackageVersion(), version)
		}
		return out
	}
	p := &nfpm.Package{
		Name: r.Name, Version: version, Arch: s.plan.Request.Arch, Maintainer: Maintainer,
		Section: r.Section, Priority: "optional", Homepage: "https://www.python.org/",
		Synopsis: r.Synopsis, Description: r.Description,
		Depends:    append(current(r.Depends), s.depends[r.Name]...),
		Recommends: r.Recommends, Suggests: r.Suggests, Fields: r.Fields,
		Files: slices.Clone(s.files[r.Name]), Time: s.epoch, Compression: compression,
	}
	p.Files = append(p.Files, s.documents(r, version)...)
	if slices.ContainsFunc(p.Files, func(f nfpm.File) bool { return path.Ext(f.Path) == ".py" }) {
		p.Scripts.PreRm = s.prerm(slices.ContainsFunc(p.Files, func(f nfpm.File) bool { return path.Ext(f.Path) == ".pyc" }))
	}
	return p
}

// prerm removes the bytecode that running the files left beside them. An
// upgrade keeps what the package itself brought.
func (s *stage) prerm(ownBytecode bool) string {
	tag := "cpython-" + strings.ReplaceAll(s.plan.Series, ".", "")
	kinds := []string{tag + ".opt-1.pyc", tag + ".opt-2.pyc"}
	plain := kinds
	all := append(slices.Clone(kinds), tag+".pyc")
	if !ownBytecode {
		plain = all
	}
	names := func(kinds []string) string {
		var out []string
		for _, k := range kinds {
			out = append(out, `\1/__pycache__/\2.`+k)
		}
		return strings.Join(out, `\n`)
	}
	return `#!/bin/sh
set -e
# Bytecode that running these modules left beside them belongs to no package.
clean() {
	dpkg -L "$DPKG_MAINTSCRIPT_PACKAGE" | sed -n "s#^\(.*\)/\([^/]*\)\.py\$#$1#p" | xargs -r -d '\n' rm -f
	dpkg -L "$DPKG_MAINTSCRIPT_PACKAGE" | sed -n 's#/[^/]*\.py$#/__pycache__#p' | sort -u |
		xargs -r -d '\n' rmdir --ignore-fail-on-non-empty 2>/dev/null || true
}
case "$1" in
remove) clean '` + names(all) + `' ;;
upgrade) clean '` + names(plain) + `' ;;
esac
`
}

// documents are what Debian policy wants in every package: copyright (12.5)
// and changelog (12.7), and the reasons for what lintian would complain about.
func (s *stage) documents(r *packageRecipe, version string) []nfpm.File {
	doc := "/usr/share/doc/" + r.Name
	copyright := "CPython " + s.plan.Version + " as released by the Python Software Foundation, https://www.python.org/\n" +
		"Packaged by pybake from the unmodified source.\n\n" + string(s.license)
	changelog := fmt.Sprintf("%s (%s) %s; urgency=medium\n\n  * CPython %s, compiled from the release of that day.\n\n -- %s  %s\n",
		r.Name, version, s.plan.Distro.Codename, s.plan.Version, Maintainer, s.epoch.Format(time.RFC1123Z))
	files := []nfpm.File{
		{Path: doc + "/copyright", Content: []byte(copyright)},
		{Path: doc + "/changelog.Debian.gz", Content: gzipped(changelog)},
	}
	if r.DocOf != "" {
		files = []nfpm.File{{Path: doc, Link: r.DocOf}}
	}
	if overrides := s.overrides(r); overrides != "" {
		files = append(files, nfpm.File{Path: "/usr/share/lintian/overrides/" + r.Name, Content: []byte(overrides)})
	}
	return files
}

// overrides is the file of a package: each tag below its reason.
func (s *stage) overrides(r *packageRecipe) string {
	var b strings.Builder
	for _, o := range slices.Concat(s.layout.Overrides, r.Overrides) {
		fmt.Fprintf(&b, "# %s\n%s: %s\n", o.Reason, r.Name, o.Tag)
	}
	return b.String()
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write([]byte(text)) // to memory
	w.Close()
	return b.Bytes()
}

// write makes the packages in a directory, several at once, and lists them in
// the order of the layout.
func (s *stage) write(ctx context.Context, dir string, release int, compression string, only ...string) ([]artifacts.File, error) {
	var out []artifacts.File
	var wg sync.WaitGroup
	errs := make([]error, len(s.layout.Packages))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range s.layout.Packages {
		r := &s.layout.Packages[i]
		if len(only) > 0 && !slices.Contains(only, r.Name) {
			continue
		}
		p := s.build(r, release, compression)
		out = append(out, artifacts.File{Path: p.FileName(), Package: &artifacts.Package{
			Name: p.Name, Version: p.Version, Architecture: p.Arch, InstalledSize: installedSize(p.Files),
		}})
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] != nil {
				return
			}
			errs[i] = p.WriteFile(filepath.Join(dir, p.FileName()))
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("package: %w", err)
		}
	}
	return out, nil
}

// installedSize is the control field of that name, in KiB: what nfpm writes.
func installedSize(files []nfpm.File) int64 {
	var size int64
	for _, f := range files {
		size += int64(len(f.Content))
		if f.Source != "" {
			if info, err := os.Stat(f.Source); err == nil {
				size += info.Size()
			}
		}
	}
	return size / 1024
}
