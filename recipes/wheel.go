package recipes

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

// Wheel is what a package needs, when it is built from source or proved, that
// it does not say itself. Most packages need no recipe. wheels/psycopg2.toml:
//
//	build = ["libpq-dev"]
//	extension = true
//
//	patches = [            unified diffs beside the recipe, in wheels/psycopg2
//	  { file = "no-ssl2.patch", why = "https://bugs.example.org/1: OpenSSL 3 has no SSLv2" },
//	]
//
//	[distros.bullseye]     instead of the above, on that distro
//	build = ["libpq-dev", "libssl-dev"]
//
//	[[when]]               beside the above, for these versions
//	versions = "<2.8"
//	constraints = ["setuptools<58"]
type Wheel struct {
	Build          []string            `toml:"build" json:"build,omitempty"`                    // packages of the distro to build with: headers, programs
	Env            map[string]string   `toml:"env" json:"env,omitempty"`                        // of the build: {"PYUWSGI_EMBED": "0"}
	ConfigSettings map[string][]string `toml:"config-settings" json:"configSettings,omitempty"` // of PEP 517: {"--build-option": ["--verbose"]}
	Constraints    []string            `toml:"constraints" json:"constraints,omitempty"`        // on build requirements: "setuptools<81"
	Requires       []string            `toml:"requires" json:"requires,omitempty"`              // build requirements that the source forgets: "wheel"
	Patches        []Patch             `toml:"patches" json:"patches,omitempty"`                // applied to the source before anything else, in this order

	// Extension says whether what is built has a compiled extension; without one it is
	// then an error. Unless it is given, the lock's own wheels say so.
	Extension *bool `toml:"extension" json:"extension,omitempty"`

	// CargoLock is a file beside the recipe, in place of the Cargo.lock of the source:
	// "foo-1.2.Cargo.lock". It is put beside the topmost Cargo.toml.
	CargoLock string `toml:"cargo-lock" json:"cargoLock,omitempty"`
	// Rust is the oldest compiler that builds it, in place of what its manifests and
	// crates say: "1.88".
	Rust string `toml:"rust" json:"-"`

	Runtime    []string          `toml:"runtime" json:"runtime,omitempty"`        // packages of the distro that no ELF file shows: libraries that are dlopened
	Imports    []string          `toml:"imports" json:"imports,omitempty"`        // modules that must import, beside the top-level ones
	ImportSkip map[string]string `toml:"import-skip" json:"importSkip,omitempty"` // modules that cannot or should not be imported by a check, and why

	// LibrarySkip are shared libraries that need not be there, and why:
	// {"libcuda.so.*" = "comes with the driver"}.
	LibrarySkip map[string]string `toml:"library-skip" json:"librarySkip,omitempty"`

	// PathSkip are files of what is built that may name directories of the builder, and
	// why: {"numpy/__config__.py" = "tells what numpy was built with"}. Patterns of
	// path.Match, or directories with a slash at the end.
	PathSkip map[string]string `toml:"path-skip" json:"pathSkip,omitempty"`

	// Keep is what images leave in of the package that they would slim away, as
	// keep in pybake.toml: "tests", "headers", "sources", "docs", "metadata", "typing".
	Keep []string `toml:"keep" json:"-"`

	Memory  int    `toml:"memory" json:"-"`  // MiB that one build may take, with what it writes, if it is more than usual
	Minutes int    `toml:"minutes" json:"-"` // a typical build on 2 cores; it may take three times that, and always an hour
	Note    string `toml:"note" json:"-"`    // what a person should know when it fails: "needs Rust"

	Distros map[string]WheelDistro `toml:"distros" json:"-"` // by codename
	When    []WheelWhen            `toml:"when" json:"-"`
}

// WheelDistro is what differs on a distro: an array that is given, also an empty
// one, is taken instead of the recipe's.
type WheelDistro struct {
	Build   []string `toml:"build"`
	Runtime []string `toml:"runtime"`
}

// WheelWhen is what some versions of a package need in addition.
type WheelWhen struct {
	Versions       string              `toml:"versions"` // by PEP 440: ">=1.16,<2"
	Build          []string            `toml:"build"`
	Env            map[string]string   `toml:"env"`
	ConfigSettings map[string][]string `toml:"config-settings"` // values after those of the recipe
	Constraints    []string            `toml:"constraints"`
	Requires       []string            `toml:"requires"`
	Patches        []Patch             `toml:"patches"`
	CargoLock      string              `toml:"cargo-lock"` // instead of the recipe's
}

// Wheel is the recipe of a package, in any spelling of its name, on a distro;
// it says nothing if there is none. For a version of the package, ask it [Wheel.At].
func (s *Set) Wheel(name, codename string) (Wheel, bool) {
	w, ok := s.wheel(pep.NormalizeName(name))
	if on, differs := w.Distros[codename]; differs {
		if on.Build != nil {
			w.Build = on.Build
		}
		if on.Runtime != nil {
			w.Runtime = on.Runtime
		}
	}
	w.Distros = nil
	return w, ok
}

// wheel is a recipe as it is written.
func (s *Set) wheel(name string) (Wheel, bool) {
	if w, ok := s.wheels[name]; ok {
		return w, true
	}
	return shipped(name)
}

// Wheels are the names of the packages that have a recipe, sorted.
func (s *Set) Wheels() []string {
	names := slices.Collect(maps.Keys(s.wheels))
	entries, _ := embedded.ReadDir("wheels") // it is there
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), ".toml"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// shipped is an embedded recipe.
func shipped(name string) (w Wheel, ok bool) {
	file := path.Join("wheels", name+".toml")
	if _, err := fs.Stat(embedded, file); err != nil {
		return Wheel{}, false
	}
	_, err := decode(embedded, file, &w)
	if err == nil {
		err = errors.Join(w.loadPatches(nil, name)...)
	}
	if err != nil {
		panic(err) // a test reads all of them
	}
	return w, true
}

// At is w with what it says for a version; "" is one of which nothing is known.
func (w Wheel) At(version string) Wheel {
	for _, when := range w.When {
		specifiers, err := pep.ParseSpecifiers(when.Versions)
		if err != nil || version == "" || !specifiers.ContainsText(version, pep.PreAllow) {
			continue
		}
		w.Build = slices.Concat(w.Build, when.Build)
		w.Constraints = slices.Concat(w.Constraints, when.Constraints)
		w.Requires = slices.Concat(w.Requires, when.Requires)
		w.Patches = slices.Concat(w.Patches, when.Patches)
		w.CargoLock = cmp.Or(when.CargoLock, w.CargoLock)
		env := maps.Clone(w.Env)
		if env == nil {
			env = map[string]string{}
		}
		maps.Copy(env, when.Env)
		w.Env = env
		if len(when.ConfigSettings) > 0 {
			settings := map[string][]string{}
			maps.Copy(settings, w.ConfigSettings)
			for key, values := range when.ConfigSettings {
				settings[key] = slices.Concat(settings[key], values)
			}
			w.ConfigSettings = settings
		}
	}
	w.When = nil
	return w
}

// Building is the part of w that can change what is built, without what only a
// wheelhouse needs.
func (w Wheel) Building() Wheel {
	w.Runtime, w.Imports, w.ImportSkip, w.LibrarySkip, w.PathSkip = nil, nil, nil, nil, nil
	return w
}

var (
	variablePattern = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	keepPattern     = pattern.New(`^(tests|headers|sources|docs|metadata|typing)$`)
	settingPattern  = pattern.New(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

	// taken are the variables that a build sets itself, so that it is the same
	// everywhere.
	taken = []string{"HOME", "LANG", "LC_ALL", "PATH", "PYTHONHASHSEED", "PYTHONPATH", "SOURCE_DATE_EPOCH", "TMPDIR", "TZ"}
)

// problems are what is wrong with the values, beyond their types.
func (w Wheel) problems(name string, doc *strict.Doc) strict.Errors {
	p := problems{doc: doc}
	if !pep.ValidName(name) || pep.NormalizeName(name) != name {
		p.add("", "%q: want the file named after the package, normalised: %q", name+".toml", pep.NormalizeName(name)+".toml")
	}
	p.each("build", w.Build, packagePattern, "a package name")
	p.each("runtime", w.Runtime, packagePattern, "a package name")
	for _, codename := range slices.Sorted(maps.Keys(w.Distros)) {
		p.each("distros."+codename+".build", w.Distros[codename].Build, packagePattern, "a package name")
		p.each("distros."+codename+".runtime", w.Distros[codename].Runtime, packagePattern, "a package name")
	}
	p.environment("env", w.Env)
	p.settings("config-settings", w.ConfigSettings)
	p.requirements("constraints", w.Constraints)
	p.requirements("requires", w.Requires)
	p.patches("patches", w.Patches)
	p.each("imports", w.Imports, modulePattern, "the name of a module")
	p.modules("import-skip", w.ImportSkip)
	p.each("keep", w.Keep, keepPattern, "tests, headers, sources, docs, metadata or typing")
	for library, why := range w.LibrarySkip {
		if _, err := path.Match(library, ""); err != nil || library == "" || strings.Contains(library, "/") {
			p.add("library-skip", "%q: want the name of a library, or a pattern: libcuda.so.*", library)
		}
		if why == "" {
			p.add("library-skip", "%s: want the reason", library)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(w.PathSkip)) {
		key := "path-skip." + strconv.Quote(file)
		if _, err := path.Match(file, ""); err != nil || !fs.ValidPath(strings.TrimSuffix(file, "/")) {
			p.add(key, "want the name of a file of the wheel, or a pattern")
		}
		p.required(key, w.PathSkip[file])
	}
	p.cargoLock("cargo-lock", w.CargoLock)
	if w.Rust != "" {
		p.match("rust", w.Rust, dottedPattern, `a version such as "1.88"`)
	}
	for i, when := range w.When {
		p.when(element("when", i), when)
	}
	if w.Memory < 0 || w.Memory > 1<<20 {
		p.add("memory", "%d: want MiB, at most %d", w.Memory, 1<<20)
	}
	if w.Minutes < 0 || w.Minutes > 24*60 {
		p.add("minutes", "%d: want at most %d", w.Minutes, 24*60)
	}
	return p.errs
}

func (p *problems) when(key string, w WheelWhen) {
	if _, err := pep.ParseSpecifiers(w.Versions); err != nil {
		p.add(key+".versions", "%w", err)
	} else {
		p.required(key+".versions", w.Versions)
	}
	p.each(key+".build", w.Build, packagePattern, "a package name")
	p.environment(key+".env", w.Env)
	p.settings(key+".config-settings", w.ConfigSettings)
	p.requirements(key+".constraints", w.Constraints)
	p.requirements(key+".requires", w.Requires)
	p.cargoLock(key+".cargo-lock", w.CargoLock)
	p.patches(key+".patches", w.Patches)
}

func (p *problems) settings(key string, settings map[string][]string) {
	for _, setting := range slices.Sorted(maps.Keys(settings)) {
		if !settingPattern.MatchString(setting) {
			p.add(key+"."+strconv.Quote(setting), `want a key such as "--build-option"`)
		}
	}
}

func (p *problems) environment(key string, env map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		key := key + "." + strconv.Quote(name)
		switch {
		case !variablePattern.MatchString(name):
			p.add(key, "want the name of a variable")
		case slices.Contains(taken, name):
			p.add(key, "is the same for every build")
		case strings.Contains(env[name], "\x00"):
			p.add(key, "NUL in the value")
		}
	}
}

func (p *problems) requirements(key string, values []string) {
	for i, value := range values {
		r, err := pep.ParseRequirement(value)
		switch {
		case err != nil:
			p.add(element(key, i), "%w", err)
		case r.URL != "":
			p.add(element(key, i), "%s: an address; want a version", r.Name)
		case slices.Contains(values[:i], value):
			p.add(element(key, i), "%q: given twice", value)
		}
	}
}

func (p *problems) modules(key string, reasons map[string]string) {
	for _, module := range slices.Sorted(maps.Keys(reasons)) {
		key := key + "." + strconv.Quote(module)
		if !modulePattern.MatchString(module) {
			p.add(key, "want the name of a module")
		}
		p.required(key, reasons[module])
	}
}

// checkWheels finds references of wheel recipes to distros that do not exist.
func (s *Set) checkWheels(errs *strict.Errors) {
	for _, name := range slices.Sorted(maps.Keys(s.wheels)) {
		for _, codename := range slices.Sorted(maps.Keys(s.wheels[name].Distros)) {
			if _, ok := s.distros[codename]; !ok {
				*errs = append(*errs, &strict.Error{
					File: path.Join("recipes/wheels", name+".toml"), Key: fmt.Sprintf("distros.%s", codename),
					Msg: "no such distro", Near: first(strict.Near(codename, s.codenames())),
				})
			}
		}
	}
}
