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
//	                      anywhere else, and toolchains of Rust, nowhere else:
//	                      directories and http or https addresses
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
//	debug-symbols = true                     what is built has debug information, beside the house
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
//	[images.web]          a runtime image
//	from       = "trixie"               a distro, or another image of the file
//	apt        = ["libpq5"]             packages of the distro
//	python     = "3.13.5"               or a series: "3.13"; once in a chain of images
//	wheels     = "requirements.lock"    a lock; extras, groups and no-groups choose from it; of
//	                                    its default groups only "main" and "default" are taken
//	app        = "."                    a directory to install; once in a chain
//	files      = { "/etc/shop/prod.toml" = "conf/prod.toml" }    files or directories
//	entrypoint = ["gunicorn", "shop:app"]
//	cmd        = ["--bind", "0.0.0.0:8080"]
//	user       = "shop:2000"            a name and a number from 1 to 59999; or "app", "root"
//	workdir    = "/srv"
//	env        = { PORT = "8080" }
//	ports      = ["8080", "53/udp"]     strings
//	labels     = { "org.example.team" = "shop" }
//	init       = true                   process 1 is tini, which forwards signals
//	check      = ["shop", "--version"]  has to exit 0 in the finished image
//	keep       = ["tests"]              or headers, sources, docs, metadata, typing:
//	                                    what is taken out else
//	tags       = ["registry.example.org/shop:{version}"]    else web:latest
//	max-size   = { app = "2MB", total = "150MB" }    of the layers base, python, apt,
//	                                    wheels, app, files; unpacked
//
//	[images.web.variants.tests]    an image "web-tests": all of web but its tags, and
//	groups = ["tests"]             more apt, extras, groups, no-groups, files, env, labels,
//	                               keep; another entrypoint, cmd, check; tags
//
//	[images.web.run]               how it is run; [images.web.runs.NAME] are others
//	command   = ["--reload"]                instead of cmd
//	volumes   = ["{root}/data:/data:ro", "cache:/var/cache/shop"]
//	ports     = ["127.0.0.1:8080:8080"]     PORT, HOSTPORT:PORT, IP:HOSTPORT:PORT
//	env       = { TOKEN = "${TOKEN}" }
//	network   = "bridge"                    or "none", "host", a name
//	gpus      = "all"                       or "2", "device=0,1"
//	memory    = "512MB"
//	cpus      = 1.5
//	pids      = 200
//	read-only = true
//	tmpfs     = ["/tmp"]                    or "/tmp:size=64m"
//	user      = "{uid}:{gid}"
//	workdir   = "/srv"
//	tty       = true
//
//	[matrix]              what `pybake refresh` keeps current
//	pythons  = ["3.13", "3.11.9", ">=3.9, <3.15"]    a series is its newest release, a range
//	                                    that of each of its series; else python
//	distros  = ["bookworm", "trixie"]   else distro
//	variants = ["full"]                 or "fast"; "full" if it is not given
//	locks    = ["requirements.lock"]    else those of [wheels]
//	images   = ["web"]                  else all of the file; [] is none
//	exclude  = [{ python = "<3.11", distro = "trixie" }, { lock = "gpu.lock", distro = "bookworm" }]
//	                                    what has all that one of these says is left out; keys
//	                                    python, distro, variant, lock, image
//
//	[refresh]             how it does that; every key may be missing
//	cooldown   = "3d"                   a new release of CPython waits for so long; else not at all
//	deadline   = "6h"                   starts nothing that is not done by then
//	disk       = "5GB"                  stays free
//	memory     = "8GB"                  for what runs at once
//	jobs       = 2                      at once
//	checks     = "quick"                before a Python is published; else full, with CPython's own test suite
//	releases   = ["releases.csv", "https://mirror.example.org/python/"]    where new releases are
//	                                    looked for: tables, directories, addresses; else python.org;
//	                                    [] is nowhere
//	on-failure = ["notify", "{report}"]    a command; {report} is the path of a text
//	webhook    = "https://hooks.example.org/${TOKEN}"
//
//	[publish]             what others install from
//	dir    = "published"                of its own: not in the store, nor the other way round
//	key    = "${HOME}/.config/pybake/signing.key"    a file that signs; neither in dir nor in the store
//	url    = "https://baked.example.org/"    where dir is served
//	valid  = "7d"                       how long a signature is good
//	keep   = 5                          generations
//	push   = false                      images go to the registries of their tags
//	origin = "pybake"                   of the apt repositories
//
// The values of valid, keep, push, origin and dir are those that hold where none is
// given. A length of time is a whole number with one of the units m h d w.
// ${NAME} is known in webhook and key, too. A range of Pythons is in the grammar of
// github.com/Masterminds/semver. The address of a webhook is as that of an index,
// and holds nothing else that looks like a token.
//
// Paths on the right of files, wheels and app are within the directory of the
// file. Names of images, variants and run configurations are lower-case, as
// components of an image reference are (github.com/distribution/reference).
// Tags know {version} {name} {distro} {python}; values of a run configuration
// {user} {uid} {gid} {root} {workdir} {image} {version}, and ${NAME}, a variable
// of the environment. {{ and }} are literal braces. A size has a unit: B kB MB
// GB KiB MiB GiB.
//
// An unknown key, a wrong type or an impossible value is refused; all problems
// are reported at once, as [strict.Errors]. Whether a Python or a distro is
// known is for the recipes to say: see [Project.At].
//
// [Schema] says the same to editors, as far as a JSON schema can.
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
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
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
	Indexes []Index           `toml:"index"`  // by priority
	Images  map[string]Image  `toml:"images"` // by name, as in the file; see AllImages

	Matrix      Matrix      `toml:"matrix"`
	Refresh     Refresh     `toml:"refresh"`
	Publication Publication `toml:"publish"`

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
	dir, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	p := &Project{}
	if p.doc, err = decode(file, data, p, func(doc *strict.Doc) strict.Errors { return p.problems(doc, dir) }); err != nil {
		return nil, err
	}
	p.Root = dir
	if p.Store != "" {
		p.Store = p.abs(p.Store)
	}
	for _, places := range [][]string{p.Sources, p.Refresh.Releases} {
		for i, place := range places {
			if !isURL(place) {
				places[i] = p.abs(place)
			}
		}
	}
	p.fillMatrix()
	p.Publication = p.Publication.In(dir)
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

func (p *Project) abs(path string) string { return below(p.Root, path) }

var (
	codenamePattern = pattern.New(`^[a-z]+$`)
	imagePattern    = pattern.New(`^[a-z0-9][A-Za-z0-9._:/@-]*$`)
)

// problems are what is wrong with the values, beyond their types.
func (p *Project) problems(doc *strict.Doc, root string) strict.Errors {
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
	r.images(p.Images)
	r.matrix(p)
	r.refresh(p.Refresh)
	r.publication(p.Publication, root, p.Store)
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
