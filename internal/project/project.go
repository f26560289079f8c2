// Package project reads the two files of a project: pybake.toml, which people
// write, and pybake.lock, which pybake writes beside it.
//
// pybake.toml says what to bake. Every key may be missing:
//
//	python  = "3.13.5"    the Python of a verb that is given none
//	distro  = "trixie"    likewise the distro
//	store   = "baked"     the store, relative to this file
//	sources = ["/srv/mirror", "https://mirror.example.org/python/"]
//	                      where CPython sources are looked for, in order, before
//	                      anywhere else: directories and http or https addresses
//
//	[distros.trixie]      how this project gets a distro
//	mirror = "https://mirror.example.org/debian"    its apt mirror
//	image  = "corp/base:1"                          its base image
//
//	[wheels]              how wheelhouses are made
//	locks         = ["requirements.lock"]    the locks of a verb that is given none
//	allow         = ["--index-url"]          options of pip that these may hold
//	no-binary     = ["lxml"]                 build these; or ":all:"
//	only-binary   = ["numpy"]                never build these; or ":all:"
//	groups        = ["docs"]                 of the lock, beside the default ones
//	no-groups     = ["dev"]
//	extras        = ["postgres"]
//	constraints   = ["setuptools<81"]        on build requirements
//	exclude-newer = "2025-06-01"             for build requirements; also a time by
//	                                         RFC 3339, or an age such as "7d" or "2w"
//
//	[[index]]             a package index; the first one has priority
//	name = "corp"
//	url  = "https://${CORP_USER}:${CORP_TOKEN}@pypi.example.org/simple/"
//
// The address of an index is https, or http on this machine itself: what an
// index says is believed when build requirements are pinned. It holds no
// credentials but as ${VAR}.
//
// An unknown key, a wrong type or an impossible value is refused; all problems
// are reported at once, as [strict.Errors]. Whether a Python or a distro is
// known is for the recipes to say: see [Project.At].
//
// pybake.lock holds a pin for whatever floats; see [Lock].
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/strict"
)

const (
	File       = "pybake.toml"
	LockFile   = "pybake.lock"
	RecipesDir = "recipes" // the project's own recipes, beside pybake.toml
)

// Project is what pybake.toml says. The zero value is a project without a file.
type Project struct {
	Root    string            `toml:"-"`       // the directory of pybake.toml, absolute; or empty
	Python  string            `toml:"python"`  // "3.13.5"; or empty
	Distro  string            `toml:"distro"`  // "trixie"; or empty
	Store   string            `toml:"store"`   // "baked" in the file; absolute after Load; or empty
	Sources []string          `toml:"sources"` // as in the file, directories absolute after Load
	Distros map[string]Distro `toml:"distros"` // by codename
	Wheels  Wheels            `toml:"wheels"`
	Indexes []Index           `toml:"index"` // by priority

	doc *strict.Doc
}

// Distro is how a project gets a distro, where it differs from the recipe.
type Distro struct {
	Mirror string `toml:"mirror"` // apt mirror for base and builder images; or empty
	Image  string `toml:"image"`  // reference of the base image; or empty
}

// Find is the nearest directory that has a pybake.toml, from dir upwards.
func Find(dir string) (root string, ok bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for {
		if info, err := os.Stat(filepath.Join(dir, File)); err == nil && !info.IsDir() {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// Load reads the pybake.toml of a directory. Its errors name the file as
// Join(root, File) does.
func Load(root string) (*Project, error) {
	file := filepath.Join(root, File)
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	p := &Project{}
	if p.doc, err = decode(file, data, p, p.problems); err != nil {
		return nil, err
	}
	if p.Root, err = filepath.Abs(root); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if p.Store != "" {
		p.Store = p.abs(p.Store)
	}
	for i, source := range p.Sources {
		if !isURL(source) {
			p.Sources[i] = p.abs(source)
		}
	}
	return p, nil
}

// At is err as a problem of the value of a key of pybake.toml ("python"), if
// the file gives that key; else err itself.
func (p *Project) At(key string, err error) error {
	if err == nil || p.doc == nil || !p.doc.Has(key) {
		return err
	}
	return strict.Errors{p.doc.Errorf(key, "%w", err)}
}

// Recipes is the project's recipes directory for recipes.Load, nil without a
// project.
func (p *Project) Recipes() fs.FS {
	if p.Root == "" {
		return nil
	}
	return os.DirFS(filepath.Join(p.Root, RecipesDir))
}

// LockPath is where the project's pins are: beside pybake.toml, else in the store.
func (p *Project) LockPath(store string) string {
	if p.Root == "" {
		return filepath.Join(store, LockFile)
	}
	return filepath.Join(p.Root, LockFile)
}

func (p *Project) abs(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(p.Root, path)
}

var (
	codenamePattern = regexp.MustCompile(`^[a-z]+$`)
	imagePattern    = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._:/@-]*$`)
)

// problems are what is wrong with the values, beyond their types.
func (p *Project) problems(doc *strict.Doc) strict.Errors {
	r := &reporter{doc: doc}
	report := r.report
	for key, value := range map[string]string{"python": p.Python, "distro": p.Distro, "store": p.Store} {
		if value == "" && doc.Has(key) {
			report(key, "empty")
		}
	}
	for i, source := range p.Sources {
		if err := checkSource(source); err != nil {
			report(fmt.Sprintf("sources[%d]", i), "%w", err)
		}
	}
	for _, codename := range slices.Sorted(maps.Keys(p.Distros)) {
		distro, key := p.Distros[codename], "distros."+codename
		if !codenamePattern.MatchString(codename) {
			report(fmt.Sprintf("distros.%q", codename), `want a codename such as "trixie"`)
			continue
		}
		if distro.Mirror != "" {
			if err := checkURL(distro.Mirror); err != nil {
				report(key+".mirror", "%w", err)
			}
		}
		if distro.Image != "" && !imagePattern.MatchString(distro.Image) {
			report(key+".image", `%q: want an image reference such as "corp/base:1"`, distro.Image)
		}
	}
	r.wheels(p.Wheels)
	r.indexes(p.Indexes)
	return r.errs
}

func isURL(source string) bool { return strings.Contains(source, "://") }

func checkSource(source string) error {
	if source == "" {
		return errors.New("empty")
	}
	if isURL(source) {
		return checkURL(source)
	}
	return nil
}

// checkURL refuses what is no address on the web, and credentials: they would
// end in manifests and logs.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // its text would repeat the address, credentials and all
			err = ue.Err
		}
		return fmt.Errorf("not an address: %w", err)
	}
	switch {
	case u.User != nil:
		return fmt.Errorf("%s: an address with credentials; keep them in netrc", u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q: want an http or https address", address)
	}
	return nil
}

// decode decodes a file and adds what problems finds in its values.
func decode(file string, data []byte, into any, problems func(*strict.Doc) strict.Errors) (*strict.Doc, error) {
	var errs strict.Errors
	doc, err := strict.Decode(file, data, into)
	if err != nil && !errors.As(err, &errs) {
		return nil, err
	}
	if doc.Decoded() {
		errs = append(errs, problems(doc)...)
	}
	strict.Sort(errs)
	return doc, errs.Err()
}

// readFile reads no more of a file than strict reads.
func readFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > strict.MaxSize {
		return nil, strict.Errors{{File: file, Msg: fmt.Sprintf("%d bytes: more than %d, which is as much as is read", info.Size(), strict.MaxSize)}}
	}
	return os.ReadFile(file)
}
