package check

import (
	"archive/tar"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/image/layer"
	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
)

// compilers are names of programs that make programs, with a triplet before or
// a version behind: "x86_64-linux-gnu-gcc-14".
var compilers = pattern.New(`^(?:[a-z0-9_]+-linux-[a-z0-9]+-)?` +
	`(?:gcc|g\+\+|cc|c\+\+|c89|c99|cpp|gfortran|tcc|clang|clang\+\+|cc1|cc1plus|collect2|lto1|f951|` +
	`ld|ld\.bfd|ld\.gold|ld\.lld|lld|gold|as|make|gmake|cmake|rustc|cargo|go|nvcc)(?:-[0-9.]+)?$`)

// programDir is whether programs are looked for in a directory, or GCC keeps its own there.
func programDir(dir string) bool {
	base := path.Base(dir)
	return base == "bin" || base == "sbin" || slices.Contains(strings.Split(dir, "/"), "gcc")
}

func (s *state) noCompiler() (f found, err error) {
	for e := range s.Tree.All() {
		dir, base := path.Split(e.Name)
		if !compilers.MatchString(base) || !programDir(path.Clean(dir)) || e.Type == tar.TypeDir || s.ours(e) {
			continue
		}
		if target, ok := s.Tree.Lookup(e.Name); !ok || !isFile(target) || target.Mode&0o111 == 0 {
			continue
		}
		if d := s.asked(e.Name); d != nil {
			f.note("%s: %s", d.label(), s.where(e))
		} else {
			f.bad("%s", s.where(e))
		}
	}
	return f, nil
}

var development = []string{".h", ".hh", ".hpp", ".hxx", ".cuh", ".pxd", ".a", ".la", ".lib"}

func (s *state) noHeaders() (f found, err error) {
	if slices.Contains(s.Keep, "headers") {
		f.note(`not looked for, as the image keeps "headers"`)
		return f, nil
	}
	for e := range s.Tree.All() {
		if !isFile(e) && e.Type != tar.TypeSymlink || !slices.Contains(development, path.Ext(e.Name)) || s.ours(e) {
			continue
		}
		if d := s.owners[e.Name]; d != nil && slices.Contains(d.keep, "headers") {
			continue
		}
		pkg, err := s.packageOf(e.Name)
		switch {
		case err != nil:
			return f, err
		case pkg == "":
			f.bad("%s", s.where(e))
		case strings.HasSuffix(pkg, "-dev"):
			f.bad("%s, of package %s", s.where(e), pkg)
		default:
			f.note("package %s: %s", pkg, s.where(e))
		}
	}
	return f, nil
}

// installers are distributions that install others.
var installers = []string{"pip", "setuptools", "wheel", "uv"}

// installerModules are their modules, where the name is not that of the distribution.
var installerModules = map[string]string{"pkg_resources": "setuptools", "_distutils_hack": "setuptools"}

// installerPrograms are their programs.
var installerPrograms = pattern.New(`^(?:pip[0-9.]*|uvx?|easy_install(?:-[0-9.]+)?|wheel|pipx)$`)

func (s *state) noInstaller() (f found, err error) {
	for e := range s.Tree.All() {
		what := s.installer(e)
		if what == "" || s.ours(e) {
			continue
		}
		if d := s.asked(e.Name); d != nil || e.Type == tar.TypeDir && s.inLock(what) {
			f.note("%s is of the lock: %s", what, s.where(e))
		} else {
			f.bad("%s: %s", what, s.where(e))
		}
	}
	return f, nil
}

func (s *state) inLock(name string) bool {
	return slices.ContainsFunc(s.Dists, func(d Dist) bool { return pep.NormalizeName(d.Name) == name })
}

// installer says which installer an entry belongs to; "" for none.
func (s *state) installer(e layer.Entry) string {
	dir, base := path.Split(e.Name)
	parent := path.Base(dir)
	switch {
	case parent == "site-packages" || parent == "dist-packages":
		name, _, _ := strings.Cut(base, "-")
		if of, ok := installerModules[name]; ok {
			name = of
		}
		info := strings.HasSuffix(base, ".dist-info") || strings.HasSuffix(base, ".egg-info")
		if slices.Contains(installers, name) && (info || !strings.ContainsAny(base, "-.")) {
			return name
		}
	case base == "ensurepip" && e.Type == tar.TypeDir && strings.HasPrefix(parent, "python"):
		return "ensurepip"
	case strings.HasSuffix(base, ".whl") && (parent == "_bundled" || strings.HasPrefix(e.Name, "usr/share/python-wheels/")):
		return "a wheel to install"
	case parent == "bin" && installerPrograms.MatchString(base):
		if target, ok := s.Tree.Lookup(e.Name); ok && isFile(target) && target.Mode&0o111 != 0 {
			return base
		}
	}
	return ""
}

// aptStates are what apt, dpkg and the packages leave behind that nobody needs
// at run time. The names are those of files.
var aptStates = []struct {
	name *pattern.Regexp
	what string
}{
	{pattern.New(`^var/lib/apt/lists/`), "list of apt"},
	{pattern.New(`^var/cache/apt/`), "cache of apt"},
	{pattern.New(`^var/log/`), "log"},
	{pattern.New(`^(?:etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-|var/(?:lib/dpkg|cache/debconf)/[^/]+-old)$`), "backup"},
	{pattern.New(`^etc/.*\.(?:dpkg|ucf)-(?:old|dist|new|tmp)$`), "backup"},
	{pattern.New(`^var/cache/(?:ldconfig/|fontconfig/.*\.cache-|man/)`), "cache"},
	{pattern.New(`^usr/share/doc/[^/]+/.*`), "documentation"},
	{pattern.New(`^usr/share/(?:man|info|lintian)/`), "documentation"},
	{pattern.New(`^usr/share/locale/.*/LC_MESSAGES/`), "translation"},
}

func (s *state) noAptState() (f found, err error) {
	for e := range s.Tree.All() {
		if !isFile(e) || s.ours(e) {
			continue
		}
		for _, state := range aptStates {
			if state.name.MatchString(e.Name) && !needed(e, state.what) {
				f.bad("%s: %s", state.what, s.where(e))
				break
			}
		}
	}
	return f, nil
}

// needed is whether a file that is in a place of leftovers is none.
func needed(e layer.Entry, what string) bool {
	base := path.Base(e.Name)
	switch what {
	case "list of apt", "cache of apt":
		return base == "lock"
	case "log":
		return e.Size == 0 // programs only write to those that there are: lastlog, wtmp
	case "documentation":
		return strings.HasPrefix(base, "copyright")
	}
	return false
}

func (s *state) noSetUID() (f found, err error) {
	var inBase map[string]layer.Entry
	count := 0
	for e := range s.Tree.All() {
		if !isFile(e) || e.Mode&0o6000 == 0 && e.Capability == "" {
			continue
		}
		count++
		if s.Tree.Layer(e) < s.Base {
			continue
		}
		if inBase == nil {
			inBase = s.baseEntries()
		}
		// An update of a package of the base brings its programs again.
		if b, ok := inBase[e.Name]; !ok || e.Mode&0o6000&^b.Mode != 0 || e.Capability != b.Capability || e.UID != b.UID || e.GID != b.GID {
			f.bad("%s: mode %04o, owner %d:%d%s", s.where(e), e.Mode, e.UID, e.GID, map[bool]string{true: ", with capabilities"}[e.Capability != ""])
		}
	}
	f.note("%s of the base", plural(count-len(f.problems), "file"))
	return f, nil
}

// baseEntries are what the base alone shows.
func (s *state) baseEntries() map[string]layer.Entry {
	all := map[string]layer.Entry{}
	for e := range Stack(s.Facts[:s.Base]).All() {
		all[e.Name] = e
	}
	return all
}

// noKey finds what maintainer scripts make: a key that every container of the image
// shares is no secret. Wheels may carry keys for their tests.
func (s *state) noKey() (f found, err error) {
	for n, facts := range s.Facts {
		for _, name := range facts.Keys {
			if layer := s.Names[n]; (layer == "base" || layer == "python" || layer == "apt") && s.layerOf(name) == n {
				f.bad("/%s (layer %s)", name, layer)
			}
		}
	}
	return f, nil
}

func (s *state) noWritable() (f found, err error) {
	for e := range s.Tree.All() {
		switch {
		case e.Type == tar.TypeSymlink:
		case !isFile(e) && e.Type != tar.TypeDir:
			f.bad("%s: a device or fifo", s.where(e))
		case e.Mode&0o002 == 0 || e.Type == tar.TypeDir && e.Mode&0o1000 != 0:
		default:
			f.bad("%s: mode %04o", s.where(e), e.Mode)
		}
	}
	return f, nil
}
