package recipes

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Distro is a release of Debian or Ubuntu.
type Distro struct {
	Codename string `toml:"codename" json:"codename"` // "trixie"; the name of the file
	ID       string `toml:"id" json:"id"`             // of os-release: "debian", "ubuntu"
	Version  string `toml:"version" json:"version"`   // of os-release: "13", "22.04"
	Tag      string `toml:"tag" json:"tag"`           // ends package versions: "deb13", "ubuntu22.04"
	Glibc    string `toml:"glibc" json:"glibc"`       // "2.41"
	Keyring  string `toml:"keyring" json:"-"`         // the package whose keys sign the distro: "debian-archive-keyring"
	EOL      string `toml:"eol" json:"-"`             // the last day of free security updates, LTS included: "2030-06-30"

	Base    Base          `toml:"base" json:"base"`
	Builder Builder       `toml:"builder" json:"builder"`
	Package PackageFormat `toml:"package" json:"package"`

	// Libraries are the sonames of what the programs and libraries of a Python may
	// need, by its package: "python", "libpython", "tk", "test". A series adds its
	// own. Another one fails the build; without any list, so does every one.
	Libraries map[string][]string `toml:"libraries" json:"libraries"` // {"tk": {"libc.so.6", "libtk8.6.so"}}

	// Wheels is an input of the keys of wheels only: see WheelPackages.
	Wheels Builder `toml:"wheels" json:"-"`

	// Rust is beside these where a wheel is built with it.
	Rust Rust `toml:"rust" json:"-"`
}

// Rust is the newest Rust of a distro.
type Rust struct {
	Packages []string `toml:"packages"` // {"cargo-web", "rustc-web"}: the version of the one named rustc is that of the compiler
	Path     string   `toml:"path"`     // where its programs are: "/usr/lib/rust-1.91/bin"; empty is /usr/bin
}

// WheelPackages are the packages of a builder of wheels: what building any
// wheel needs, beside a Python with its headers. A recipe adds its own.
func (d Distro) WheelPackages() []string { return d.Wheels.Packages }

// Base says where the distro's minimal root comes from.
type Base struct {
	Image      string     `toml:"image" json:"image"` // tried in the engine, then in a registry: "debian:trixie-slim"
	Mmdebstrap Mmdebstrap `toml:"mmdebstrap" json:"mmdebstrap"`
}

// Mmdebstrap are the arguments of mmdebstrap, which makes a base image where
// there is none.
type Mmdebstrap struct {
	Variant    string   `toml:"variant" json:"variant"`       // "minbase"
	Components []string `toml:"components" json:"components"` // "main", "universe"
}

// Builder says what a builder image has beside the base.
type Builder struct {
	Packages []string `toml:"packages" json:"packages"` // what building any CPython, or any wheel, needs; a recipe adds its own
}

// PackageFormat is what the distro's dpkg can read.
type PackageFormat struct {
	Compression string `toml:"compression" json:"compression"` // of the members: "zstd", "xz"
}

var (
	codenamePattern = pattern.New(`^[a-z]+$`)
	packagePattern  = pattern.New(`^[a-z0-9][a-z0-9+.-]+$`) // Debian policy 5.6.1
	tagPattern      = pattern.New(`^[a-z][a-z0-9.]*[0-9]$`)
	glibcPattern    = pattern.New(`^[0-9]+\.[0-9]+$`)
	dottedPattern   = pattern.New(`^[0-9]+(\.[0-9]+)*$`)
	sonamePattern   = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._+-]*\.so(\.[0-9]+)*$`)
)

// libraryGroups are the packages of a Python that may have ELF files.
var libraryGroups = []string{"libpython", "python", "test", "tk"}

// problems are what is wrong with the values, beyond their types.
func (d Distro) problems(name string, doc *strict.Doc) strict.Errors {
	p := problems{doc: doc}
	p.match("codename", d.Codename, codenamePattern, `lower-case letters, such as "trixie"`)
	if d.Codename != name {
		p.add("codename", "%q: want %q, as the file is named", d.Codename, name)
	}
	p.oneOf("id", d.ID, "debian", "ubuntu")
	p.match("version", d.Version, dottedPattern, `numbers, such as "13"`)
	p.match("tag", d.Tag, tagPattern, `such as "deb13"`)
	p.match("glibc", d.Glibc, glibcPattern, `two numbers, such as "2.41"`)
	p.match("keyring", d.Keyring, packagePattern, "a package name")
	p.date("eol", d.EOL)
	p.required("base.image", d.Base.Image)
	p.required("base.mmdebstrap.variant", d.Base.Mmdebstrap.Variant)
	p.list("base.mmdebstrap.components", d.Base.Mmdebstrap.Components, codenamePattern, `such as "main"`)
	p.list("builder.packages", d.Builder.Packages, packagePattern, "a package name")
	p.list("wheels.packages", d.Wheels.Packages, packagePattern, "a package name")
	p.each("rust.packages", d.Rust.Packages, packagePattern, "a package name")
	if d.Rust.Path != "" && (!path.IsAbs(d.Rust.Path) || path.Clean(d.Rust.Path) != d.Rust.Path || strings.Contains(d.Rust.Path, ":")) {
		p.add("rust.path", "%q: want a directory such as \"/usr/lib/rust-1.91/bin\"", d.Rust.Path)
	}
	p.oneOf("package.compression", d.Package.Compression, "gzip", "xz", "zstd")
	for _, group := range slices.Sorted(maps.Keys(d.Libraries)) {
		key := "libraries." + group
		if !slices.Contains(libraryGroups, group) {
			p.add(key, "want one of %q", libraryGroups)
		}
		p.each(key, d.Libraries[group], sonamePattern, `a soname such as "libz.so.1"`)
	}
	return p.errs
}

// problems collects what is wrong with the values of a file.
type problems struct {
	doc  *strict.Doc
	errs strict.Errors
}

func (p *problems) add(key, format string, args ...any) {
	p.errs = append(p.errs, p.doc.Errorf(key, format, args...))
}

func (p *problems) required(key, value string) bool {
	if value == "" {
		p.add(key, "missing or empty")
	}
	return value != ""
}

func (p *problems) match(key, value string, pattern *pattern.Regexp, want string) {
	if p.required(key, value) && !pattern.MatchString(value) {
		p.add(key, "%q: want %s", value, want)
	}
}

func (p *problems) oneOf(key, value string, want ...string) {
	if p.required(key, value) && !slices.Contains(want, value) {
		p.add(key, "%q: want one of %q", value, want)
	}
}

func (p *problems) date(key, value string) {
	if _, err := time.Parse(time.DateOnly, value); p.required(key, value) && err != nil {
		p.add(key, "%q: want a date such as \"2030-06-30\"", value)
	}
}

func (p *problems) list(key string, values []string, pattern *pattern.Regexp, want string) {
	if len(values) == 0 {
		p.add(key, "missing or empty")
	}
	p.each(key, values, pattern, want)
}

func (p *problems) each(key string, values []string, pattern *pattern.Regexp, want string) {
	seen := map[string]bool{}
	for i, value := range values {
		switch {
		case !pattern.MatchString(value):
			p.add(element(key, i), "%q: want %s", value, want)
		case seen[value]:
			p.add(element(key, i), "%q: given twice", value)
		}
		seen[value] = true
	}
}
