package recipes

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/strict"
)

// Toolchain is a Rust that is newer than that of a distro: one of the archives that
// Rust publishes for installing without network, known by its hash. A project names
// those that it needs, in rust.toml:
//
//	[[toolchain]]
//	version = "1.88.0"
//	host = "x86_64-unknown-linux-gnu"
//	sha256 = "5f1c…"
//
// Its archive, rust-1.88.0-x86_64-unknown-linux-gnu.tar.xz, comes from the places that
// pybake.toml names as sources.
type Toolchain struct {
	Version string `toml:"version"` // "1.88.0"
	Host    string `toml:"host"`    // "x86_64-unknown-linux-gnu"
	SHA256  string `toml:"sha256"`  // of the archive
}

// File is the name of the archive.
func (t Toolchain) File() string { return "rust-" + t.Version + "-" + t.Host + ".tar.xz" }

const rustFile = "rust.toml"

var (
	hostPattern      = pattern.New(`^[a-z0-9_]+(-[a-z0-9_]+){2,3}$`)
	toolchainPattern = pattern.New(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	lockPattern      = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9._+-]*$`)
)

// Toolchains are those of the project, in its order.
func (s *Set) Toolchains() []Toolchain { return slices.Clone(s.toolchains) }

// loadToolchains reads rust.toml of the project.
func (s *Set) loadToolchains(project fs.FS, errs *strict.Errors) {
	if project == nil {
		return
	}
	var file struct {
		Toolchains []Toolchain `toml:"toolchain"`
	}
	doc, err := decode(project, rustFile, &file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		add(errs, rustFile, err)
	}
	if doc == nil || !doc.Decoded() {
		return
	}
	p := problems{doc: doc}
	for i, t := range file.Toolchains {
		key := element("toolchain", i)
		p.match(key+".version", t.Version, toolchainPattern, `a version such as "1.88.0"`)
		p.match(key+".host", t.Host, hostPattern, `a platform such as "x86_64-unknown-linux-gnu"`)
		p.match(key+".sha256", t.SHA256, hashPattern, "64 lower-case hex digits")
		if slices.ContainsFunc(file.Toolchains[:i], func(o Toolchain) bool { return o.File() == t.File() }) {
			p.add(key, "%s for %s: given twice", t.Version, t.Host)
		}
	}
	*errs = append(*errs, p.errs...)
	s.toolchains = file.Toolchains
}

// CargoLock is the text of a lock that a recipe names ("foo-1.2.Cargo.lock"): the
// project's, else an embedded one; nil if there is none.
func (s *Set) CargoLock(name string) []byte {
	text, _ := s.cargoLock(name)
	return text
}

func (s *Set) cargoLock(name string) (text []byte, err error) {
	for _, source := range []fs.FS{s.project, embedded} {
		if source == nil || name == "" {
			continue
		}
		if text, err = fs.ReadFile(source, path.Join("wheels", name)); err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return text, err
}

// checkCargoLocks finds the locks that the project's recipes name and that are not there.
func (s *Set) checkCargoLocks(errs *strict.Errors) {
	for _, recipe := range slices.Sorted(maps.Keys(s.wheels)) {
		w := s.wheels[recipe]
		names := []string{w.CargoLock}
		for _, when := range w.When {
			names = append(names, when.CargoLock)
		}
		for _, name := range names {
			if name == "" || !lockPattern.MatchString(name) {
				continue
			}
			if _, err := s.cargoLock(name); err != nil {
				add(errs, path.Join("wheels", recipe+".toml"), fmt.Errorf("cargo-lock: %w", err))
			}
		}
	}
}

func (p *problems) cargoLock(key, name string) {
	if name != "" && (!lockPattern.MatchString(name) || !strings.HasSuffix(name, ".lock")) {
		p.add(key, "%q: want the name of a file beside the recipe, such as \"foo.Cargo.lock\"", name)
	}
}
