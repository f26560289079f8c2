package image

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image/install"
	"github.com/pybake/pybake/internal/image/oci"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
)

// Link is one definition of a chain, with what it installs.
type Link struct {
	project.Image
	Python *artifacts.Artifact // of kind "python"; nil if it installs none
	House  *House              // nil if it installs none
	App    *App                // nil if it installs none
}

// House is a wheelhouse of a link.
type House struct {
	*artifacts.Artifact
	Wheels  []wheels.Wheel
	Apt     []project.Package // that its apt.txt lists, with hashes
	Project []string          // names that the lock leaves out: of the project itself
}

// App is the wheel of the project.
type App struct {
	wheels.AppWheel
	Root string // directory of the project
}

// Request is an image that is asked for.
type Request struct {
	Target  distro.Target
	Links   []Link // from the bottom: what the image stands on, and itself
	Root    string // directory that Files are relative to
	Recipes *recipes.Set
	Tags    []string  // complete references: "shop:1.4"
	Version string    // of the app: "1.4.2"; or empty
	Commit  string    // that the app is made from; or empty
	Created time.Time // what the image says of when it was made: a time of its inputs
}

// Planned is a layer before it is made.
type Planned struct {
	Name   string            `json:"name"`  // "python"
	Image  string            `json:"image"` // the link that it belongs to: "dependencies"
	Key    artifacts.Key     `json:"key"`
	Inputs []artifacts.Input `json:"inputs"`
	By     string            `json:"by"` // one line of what it is: "pybake-python3.13 3.13.5-1+deb13"

	debs  []string          // files of the store: packages of the Python
	apt   []project.Package // in the cache
	trees []tree
	link  *Link

	digests map[string]string // of files, by target
	user    user              // that the layer adds
	workdir owned             // that the layer makes, unless it is there
}

// Plan is everything that decides what an image is. It prints as JSON.
type Plan struct {
	Name   string            `json:"name"` // "image web trixie amd64"
	Key    artifacts.Key     `json:"key"`
	Series string            `json:"series,omitempty"` // "3.13"
	Layers []*Planned        `json:"layers"`
	Config oci.Config        `json:"config"`
	Tags   []string          `json:"tags"`
	Inputs []artifacts.Input `json:"inputs"`

	req   Request
	base  project.BasePin
	user  user
	users map[string]bool // that layers add
	top   project.Image   // the link that was asked for, with what it takes over from those below
	keep  []string        // of the links that layers are planned of so far
}

// UnpinnedError says what has to be resolved before there can be a plan: the base
// image, what a Python depends on, or a set of packages.
type UnpinnedError struct {
	What string

	python *artifacts.Artifact
	set    project.SetPin
}

func (e *UnpinnedError) Error() string { return e.What + ": not pinned yet" }

// NewPlan makes the plan of an image. What does not fit together is an error; a
// missing pin is an *UnpinnedError.
func NewPlan(req Request, pins *project.Lock) (*Plan, error) {
	p := &Plan{req: req, Tags: req.Tags, users: map[string]bool{}}
	last := req.Links[len(req.Links)-1]
	p.Name = strings.Join([]string{Kind, last.Name, req.Target.Distro.Codename, req.Target.Arch}, " ")
	var ok bool
	if p.base, ok = pins.Base(req.Target.Distro.Codename, req.Target.Arch); !ok {
		return nil, &UnpinnedError{What: "base image of " + req.Target.String()}
	}
	p.top = settle(req.Links)
	var err error
	if p.user, err = parseUser(p.top.User); err != nil {
		return nil, err
	}
	if err := p.addLayers(pins); err != nil {
		return nil, err
	}
	p.configure()
	return p, p.computeKey()
}

// addLayers plans the layers of all links, from the bottom.
func (p *Plan) addLayers(pins *project.Lock) error {
	base := &Planned{Name: "base", Image: p.req.Target.Distro.Codename, By: p.base.Origin + " " + cmp.Or(p.base.Ref, p.req.Target.String())}
	err := p.add(base, []artifacts.Input{{Name: "base", Value: p.base.Digest, Note: p.base.Origin}, {Name: "install", Value: install.Format}})
	if err != nil {
		return err
	}
	installed := map[string]string{} // packages of the distro above the base, by name and architecture
	below := map[string]wheels.Wheel{}
	init := false
	for i := range p.req.Links {
		l := &p.req.Links[i]
		p.keep = settle(p.req.Links[:i+1]).Keep
		if l.Python != nil {
			if err := p.addPython(l, pins, installed); err != nil {
				return err
			}
		}
		needsInit := l.Init && !init
		init = init || l.Init
		if err := p.addApt(l, pins, installed, needsInit); err != nil {
			return err
		}
		if l.House != nil {
			if err := p.addWheels(l, below); err != nil {
				return err
			}
		}
		if l.App != nil {
			if err := p.addApp(l); err != nil {
				return err
			}
		}
		if err := p.addFiles(l); err != nil {
			return err
		}
	}
	return nil
}

// add completes a layer that stands on the ones before it.
func (p *Plan) add(l *Planned, inputs []artifacts.Input) error {
	inputs = append(inputs, artifacts.Input{Name: "format", Value: Format}, artifacts.Input{Name: "layer", Value: l.Name})
	l.Inputs = slices.SortedFunc(slices.Values(inputs), func(a, b artifacts.Input) int { return strings.Compare(a.Name, b.Name) })
	var err error
	if l.Key, err = artifacts.NewKey(KindLayer, l.Inputs); err != nil {
		return fmt.Errorf("layer %s of %s: %w", l.Name, l.Image, err)
	}
	p.Layers = append(p.Layers, l)
	return nil
}

// lower is the input that stands for what a container installs on.
func (p *Plan) lower() artifacts.Input {
	return artifacts.Input{Name: "lower", Value: string(p.chain(len(p.Layers)))}
}

// chain is that of the first n layers.
func (p *Plan) chain(n int) string {
	var keys []artifacts.Key
	for _, l := range p.Layers[:n] {
		keys = append(keys, l.Key)
	}
	return chainOf(keys)
}

// chainOf is the hash of the keys of layers that lie on each other.
func chainOf(keys []artifacts.Key) string {
	h := sha256.New()
	for _, key := range keys {
		fmt.Fprintln(h, key)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// addPython plans the layer of the Python of a link.
func (p *Plan) addPython(l *Link, pins *project.Lock, installed map[string]string) error {
	p.Series = l.Python.Labels["series"]
	if d := l.Python.Labels["distro"]; d != p.req.Target.Distro.Codename {
		return fmt.Errorf("image %s is for %s, and %s is for %s", l.Name, p.req.Target.Distro.Codename, l.Python.Name, d)
	}
	set, ok := pins.Runtime(p.req.Target.Distro.Codename, p.req.Target.Arch, pythonOwner(p.Series))
	if !ok {
		return &UnpinnedError{What: "packages of " + p.req.Target.Distro.Codename + " for " + l.Python.Name, python: l.Python}
	}
	name := "pybake-python" + p.Series
	deb, err := debOf(l.Python, name)
	if err != nil {
		return err
	}
	apt, err := newPackages(l.Name, set.Packages, installed)
	if err != nil {
		return err
	}
	planned := &Planned{
		Name: "python", Image: l.Name, By: name + " " + deb.Package.Version, link: l,
		debs: []string{filepath.Join(l.Python.Dir, deb.Path)}, apt: apt,
	}
	in := []artifacts.Input{
		p.lower(),
		debInput(deb),
		{Name: "install", Value: install.Format},
	}
	return p.add(planned, append(in, aptInputs(planned.apt)...))
}

// debOf is a package of a Python.
func debOf(python *artifacts.Artifact, name string) (artifacts.File, error) {
	i := slices.IndexFunc(python.Files, func(f artifacts.File) bool { return f.Package != nil && f.Package.Name == name })
	if i < 0 {
		return artifacts.File{}, fmt.Errorf("%s has no package %s", python.Name, name)
	}
	return python.Files[i], nil
}

func debInput(deb artifacts.File) artifacts.Input {
	return artifacts.Input{Name: "package." + deb.Package.Name, Value: deb.Package.Version + " sha256:" + deb.SHA256}
}

// addWheels plans the layer of a house: the wheels that are not installed below.
func (p *Plan) addWheels(l *Link, below map[string]wheels.Wheel) error {
	if p.Series == "" {
		return fmt.Errorf("image %s installs wheels, and neither it nor what it stands on has a Python", l.Name)
	}
	if err := p.fits(l); err != nil {
		return err
	}
	in := []artifacts.Input{{Name: "python", Value: p.pythonVersion()}, {Name: "install", Value: install.Format}}
	planned := &Planned{Name: "wheels", Image: l.Name, link: l}
	has := map[string]bool{}
	for _, w := range l.House.Wheels {
		has[w.Name] = true
		if had, ok := below[w.Name]; ok {
			if had.SHA256 != w.SHA256 {
				return fmt.Errorf("image %s wants %s %s of %s, and below it is another, %s %s", l.Name, w.Name, w.Version, l.Wheels, had.Name, had.Version)
			}
			continue
		}
		t := p.tree(w.Name, filepath.Join(l.House.Dir, w.File), w.File, w.SHA256, w.Version)
		planned.trees = append(planned.trees, t)
		in = append(in, artifacts.Input{Name: "wheel." + w.Name, Value: w.Version + " sha256:" + w.SHA256 + " " + t.keep(), Note: w.File})
	}
	for _, name := range slices.Sorted(maps.Keys(below)) {
		if !has[name] {
			return fmt.Errorf("image %s: %s does not have %s, which an image below installs", l.Name, l.Wheels, name)
		}
	}
	for _, w := range l.House.Wheels {
		below[w.Name] = w
	}
	if len(planned.trees) == 0 {
		return nil
	}
	planned.By = fmt.Sprintf("%d wheels of %s", len(planned.trees), l.Wheels)
	return p.add(planned, in)
}

// fits is whether a house is for the Python and distro of the image.
func (p *Plan) fits(l *Link) error {
	is := func(a *artifacts.Artifact) string {
		return a.Labels["version"] + " on " + a.Labels["distro"] + " " + a.Labels["arch"]
	}
	python := p.python()
	if is(python) != is(l.House.Artifact) {
		return fmt.Errorf("image %s has Python %s, and the wheelhouse %s is for Python %s", l.Name, is(python), l.House.Name, is(l.House.Artifact))
	}
	return nil
}

// python is the Python of the image; nil if it has none.
func (p *Plan) python() *artifacts.Artifact {
	for _, l := range p.req.Links {
		if l.Python != nil {
			return l.Python
		}
	}
	return nil
}

func (p *Plan) pythonVersion() string { return p.python().Labels["version"] }

// addApp plans the layer of the project.
func (p *Plan) addApp(l *Link) error {
	if p.Series == "" {
		return fmt.Errorf("image %s installs %s, and neither it nor what it stands on has a Python", l.Name, l.App.Name)
	}
	t := p.tree(l.App.Name, l.App.Path, l.App.File, l.App.SHA256, l.App.Version)
	planned := &Planned{Name: "app", Image: l.Name, link: l, trees: []tree{t}, By: l.App.Name + " " + l.App.Version}
	return p.add(planned, []artifacts.Input{
		{Name: "python", Value: p.pythonVersion()}, {Name: "install", Value: install.Format},
		{Name: "app." + l.App.Name, Value: l.App.Version + " sha256:" + l.App.SHA256 + " " + t.keep(), Note: l.App.File},
	})
}

// recipe is what pybake knows about a version of a package.
func (p *Plan) recipe(name, version string) recipes.Wheel {
	w, _ := p.req.Recipes.Wheel(pep.NormalizeName(name), p.req.Target.Distro.Codename)
	return w.At(version)
}
