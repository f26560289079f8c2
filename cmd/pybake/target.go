package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/lock"
)

// wheelsPlan reads a lock and selects from it what the target needs.
func (a *app) wheelsPlan(p *project.Project, name string, f wheelsFlags) (req wheels.Request, _ *wheels.Plan, err error) {
	set, err := a.recipes()
	if err != nil {
		return req, nil, err
	}
	root, rel := a.lockPlace(p, name)
	l, err := a.readLock(p, name, f.allow)
	if err != nil {
		return req, nil, err
	}
	req, err = a.wheelsRequest(p, set, l, f)
	if err != nil {
		return req, nil, err
	}
	req.Name, req.Root, req.Recipes = rel, root, set
	plan, err := wheels.NewPlan(req)
	if err != nil {
		return req, nil, &advised{err, statusUsage, ""}
	}
	return req, plan, nil
}

// lockPlace is the directory that paths in a lock are below, and its path there: that
// of the project, or its own if it is elsewhere.
func (a *app) lockPlace(p *project.Project, name string) (root, rel string) {
	file := a.path(name)
	root, rel = filepath.Dir(file), filepath.Base(file)
	if p.Root != "" {
		if inside, err := filepath.Rel(a.path(p.Root), file); err == nil && filepath.IsLocal(inside) {
			root, rel = a.path(p.Root), filepath.ToSlash(inside)
		}
	}
	return root, rel
}

// lockCache has the locks that were read: a matrix has the same one many times.
type lockCache struct {
	mu    sync.Mutex
	locks map[string]*lock.Lock
}

// readLock reads a lock, once. allow are options of pip beside those that the project
// allows.
func (a *app) readLock(p *project.Project, name string, allow []string) (*lock.Lock, error) {
	allow = slices.Concat(p.Wheels.Allow, allow)
	id := strings.Join(append([]string{a.path(name)}, allow...), "\x00")
	a.locks.mu.Lock()
	defer a.locks.mu.Unlock()
	if known := a.locks.locks[id]; known != nil {
		return known, nil
	}
	root, rel := a.lockPlace(p, name)
	tree, err := os.OpenRoot(root)
	if err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	defer tree.Close()
	l, err := lock.Read(tree.FS(), rel, lock.Options{Allow: allow})
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &advised{err, statusUsage, ""}
		}
		return nil, err
	}
	if a.locks.locks == nil {
		a.locks.locks = map[string]*lock.Lock{}
	}
	a.locks.locks[id] = l
	return l, nil
}

// wheelsRequest completes what the user asked for from the project, the lock, the
// store and this machine, and says what it took from where.
func (a *app) wheelsRequest(p *project.Project, set *recipes.Set, l *lock.Lock, f wheelsFlags) (wheels.Request, error) {
	req := wheels.Request{Lock: l, Arch: debianArch(runtime.GOARCH), Symbols: p.Wheels.DebugSymbols || f.symbols, Select: lock.Target{
		Extras: slices.Concat(p.Wheels.Extras, f.extras), Groups: slices.Concat(p.Wheels.Groups, f.groups),
		NoGroups: slices.Concat(p.Wheels.NoGroups, f.noGroups), NoDefaultGroups: f.noDefaultGroups || f.runtime && development(l),
		NoBinary: slices.Concat(p.Wheels.NoBinary, f.noBinary), OnlyBinary: slices.Concat(p.Wheels.OnlyBinary, f.onlyBinary),
	}}
	codename, err := a.targetDistro(p, f.distro)
	if err != nil {
		return req, err
	}
	if req.Distro, err = set.Distro(codename); err != nil {
		if f.distro == "" {
			err = p.At("distro", err)
		}
		return req, err
	}
	if req.Python, err = a.targetPython(p, set, l, codename, f.python); err != nil {
		return req, err
	}
	if req.ExcludeNewer, err = cmp.Or(project.Age(f.excludeNewer), p.Wheels.ExcludeNewer).Time(a.sys.now()); err != nil {
		return req, usagef("", "--exclude-newer: %w", err)
	}
	req.Strict = !req.ExcludeNewer.IsZero()
	req.Constraints, err = a.buildConstraints(p, f.constraints)
	return req, err
}

// development is whether a lock has groups by default that what is installed to run
// needs not: those of developers.
func development(l *lock.Lock) bool {
	return slices.ContainsFunc(l.DefaultGroups, func(g string) bool { return g != "main" && g != "default" })
}

// targetDistro is the distro that was asked for, or that of the project or this machine.
func (a *app) targetDistro(p *project.Project, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	from, name := project.File, p.Distro
	if name == "" {
		from, name = "this machine", osRelease()["VERSION_CODENAME"]
	}
	if name == "" {
		return "", usagef("--distro trixie", "which distro? Neither --distro nor pybake.toml says, and this machine has no codename")
	}
	a.display.Note("distro %s, from %s", name, from)
	return name, nil
}

// targetPython is the Python that was asked for, or that of the project, or the
// newest in the store that the lock admits. A series is the newest of it in the store.
func (a *app) targetPython(p *project.Project, set *recipes.Set, l *lock.Lock, codename, named string) (string, error) {
	from := "--python"
	if named == "" {
		if from, named = project.File, p.Python; named == "" {
			from, named = ".python-version", a.pythonVersionFile(p)
		}
	}
	if named != "" {
		if _, err := set.Series(named); err != nil { // an exact version
			if _, err := pep.ParseVersion(named); err != nil {
				return "", usagef("", "%s: Python %w", from, err)
			}
			if from != "--python" {
				a.display.Note("python %s, from %s", named, from)
			}
			return named, nil
		}
	}
	store, err := a.store()
	if err != nil {
		return "", err
	}
	all, _ := store.List()
	var newest string
	var refused []string
	for _, it := range all {
		version := it.Labels["version"]
		if it.Kind != python.Kind || it.Labels["distro"] != codename || it.Labels["arch"] != debianArch(runtime.GOARCH) || it.Labels["variant"] != "" {
			continue
		}
		switch {
		case named != "" && it.Labels["series"] != named:
		case !l.Admits(version):
			refused = append(refused, version)
		case newest == "" || recipes.Compare(version, newest) > 0:
			newest = version
		}
	}
	switch {
	case newest != "":
		a.display.Note("python %s, the newest in the store for %s that %s admits", newest, codename, l.File)
		return newest, nil
	case named != "":
		if release, ok := set.Newest(named); ok {
			a.display.Note("python %s, the newest known of %s", release.Version, named)
			return release.Version, nil
		}
	case len(refused) > 0:
		return "", usagef("", "%s requires Python %s; in the store for %s: %s", l.File, l.RequiresPython, codename, strings.Join(refused, ", "))
	}
	hint := typed(a.args, "--python", "3.13.5")
	if len(a.args) > 0 && a.args[0] != "wheels" && a.args[0] != "image" { // others take no such flag
		hint = `python = "3.13.5" in pybake.toml`
	}
	return "", usagef(hint, "which Python? Neither --python nor pybake.toml nor .python-version says, and the store has none for %s", codename)
}

// buildConstraints reads the constraints on build requirements: of the project, of
// files that are named here, and of PIP_BUILD_CONSTRAINT.
func (a *app) buildConstraints(p *project.Project, files []string) ([]string, error) {
	all := slices.Clone(p.Wheels.Constraints)
	files = append(strings.Fields(a.sys.getenv("PIP_BUILD_CONSTRAINT")), files...)
	var errs []error
	for _, name := range files {
		text, err := os.ReadFile(a.path(name))
		if err != nil {
			return nil, &advised{err, statusUsage, ""}
		}
		list, err := project.Constraints(name, string(text))
		all, errs = append(all, list...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// storedPython is a Python of the store: the one that was built last with all
// optimisations, or, if there is none, the last of those built fast.
func storedPython(store *artifacts.Store, version, codename, arch string) (*artifacts.Artifact, error) {
	match := map[string]string{"version": version, "distro": codename, "arch": arch, "mode": "full"}
	found, err := store.Latest(python.Kind, match)
	if errors.Is(err, artifacts.ErrNotFound) {
		match["mode"] = "fast"
		return store.Latest(python.Kind, match)
	}
	return found, err
}
