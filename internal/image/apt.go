package image

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/image/install"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels"
)

// ConflictError says that a package of the distro is wanted at a version and is
// below at another: they were pinned at different times.
type ConflictError struct {
	Image, Package, Wanted, Below string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("image %s wants %s %s, and below it is %s", e.Image, e.Package, e.Wanted, e.Below)
}

// pythonOwner is in whose name the packages are pinned that a Python needs.
func pythonOwner(series string) string { return "python " + series }

// newPackages are those that are not installed yet. It notes them as installed.
func newPackages(image string, packages []project.Package, installed map[string]string) ([]project.Package, error) {
	var out []project.Package
	for _, pkg := range packages {
		id := pkg.Name + ":" + pkg.Arch
		switch installed[id] {
		case pkg.Version:
		case "":
			installed[id] = pkg.Version
			out = append(out, pkg)
		default:
			return nil, &ConflictError{image, pkg.Name, pkg.Version, installed[id]}
		}
	}
	return out, nil
}

func aptInputs(packages []project.Package) []artifacts.Input {
	var in []artifacts.Input
	for _, pkg := range packages {
		in = append(in, artifacts.Input{Name: "apt." + pkg.Name + ":" + pkg.Arch, Value: pkg.Version + " " + pkg.Digest})
	}
	return in
}

// aptRequest is what a link asks apt for, and in whose name it is pinned. What is
// installed below it, and what its house lists, is asked for at the version that is
// there or was proved.
func aptRequest(l *Link, withInit bool, installed map[string]string) (owner string, request []string) {
	request = slices.Clone(l.Apt)
	if withInit {
		request = append(request, "tini")
	}
	if len(request) == 0 {
		return "", nil
	}
	if l.House != nil {
		for _, pkg := range l.House.Apt {
			request = append(request, pkg.Name+"="+pkg.Version)
		}
	}
	for id, version := range installed {
		name, _, _ := strings.Cut(id, ":")
		request = append(request, name+"="+version)
	}
	slices.Sort(request)
	return "image " + l.Name, slices.Compact(request)
}

// addApt plans the layer of the distro's packages of a link, if it has any. A house with
// wheels that embed Python has that of its libpython installed with them: what it
// depends on, the Python does too.
func (p *Plan) addApt(l *Link, pins *project.Lock, installed map[string]string, withInit bool) error {
	var packages []project.Package
	if l.House != nil {
		packages = l.House.Apt
	}
	if owner, request := aptRequest(l, withInit, installed); owner != "" {
		set, ok := pinnedFor(pins, p.req.Target, owner, request)
		if !ok {
			return &UnpinnedError{What: "packages of " + p.req.Target.Distro.Codename + " for " + owner, set: project.SetPin{
				Distro: p.req.Target.Distro.Codename, Arch: p.req.Target.Arch, For: owner, Request: request,
			}}
		}
		packages = set.Packages
	}
	packages, err := newPackages(l.Name, packages, installed)
	if err != nil {
		return err
	}
	planned := &Planned{Name: "apt", Image: l.Name, apt: packages, link: l, By: names(packages)}
	in := append(aptInputs(packages), p.lower(), artifacts.Input{Name: "install", Value: install.Format})
	if p.embeds(l) {
		deb, err := debOf(p.python(), "pybake-libpython"+p.Series)
		if err != nil {
			return err
		}
		planned.debs = []string{filepath.Join(p.python().Dir, deb.Path)}
		planned.By = strings.TrimPrefix(planned.By+", "+deb.Package.Name+" "+deb.Package.Version, ", ")
		in = append(in, debInput(deb))
	}
	if len(planned.apt)+len(planned.debs) == 0 {
		return nil
	}
	return p.add(planned, in)
}

// embeds is whether a wheel of a link embeds Python, and none of the links below.
func (p *Plan) embeds(l *Link) bool {
	if l.House == nil || p.Series == "" || slices.ContainsFunc(p.Layers, func(l *Planned) bool { return l.Name == "apt" && len(l.debs) > 0 }) {
		return false
	}
	return slices.ContainsFunc(l.House.Wheels, func(w wheels.Wheel) bool { return w.Embeds(p.Series) })
}

func names(packages []project.Package) string {
	const most = 6
	var out []string
	for _, pkg := range packages[:min(most, len(packages))] {
		out = append(out, pkg.Name+" "+pkg.Version)
	}
	if more := len(packages) - most; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}

// pinnedFor is the pinned set of a request: the owner's, or one of somebody else who
// asks for the same, as variants of an image do.
func pinnedFor(pins *project.Lock, t distro.Target, owner string, request []string) (project.SetPin, bool) {
	if set, ok := pins.Runtime(t.Distro.Codename, t.Arch, owner); ok && slices.Equal(set.Request, request) {
		return set, true
	}
	i := slices.IndexFunc(pins.Runtimes, func(set project.SetPin) bool {
		return set.Distro == t.Distro.Codename && set.Arch == t.Arch && strings.HasPrefix(set.For, "image ") && slices.Equal(set.Request, request)
	})
	if i < 0 {
		return project.SetPin{}, false
	}
	return pins.Runtimes[i], true
}
