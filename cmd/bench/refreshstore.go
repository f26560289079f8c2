package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/artifacts/sign"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh"
	"github.com/pybake/pybake/nfpm"
	"github.com/pybake/pybake/python"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/lock"
)

const arch = "amd64"

// synth is a project and a store that has all of its matrix, put there by the packages
// that would build it, but without building: keys, manifests, pins and packages are as
// pybake makes them, and their contents are small.
type synth struct {
	dir     string   // of the project
	pythons []string // series: "3.13"
	distros []string
	index   string // address of the only index

	set   *recipes.Set
	store *artifacts.Store
	pins  *project.Lock
	locks map[string][]*pureWheel // by file
	made  map[string]*artifacts.Artifact
}

func (s *synth) storeDir() string { return filepath.Join(s.dir, "baked") }

// newSynth makes the project, with the Pythons in its store.
func newSynth(ctx context.Context, dir, index string, pythons, distros []string, locks map[string][]*pureWheel) (*synth, error) {
	s := &synth{dir: dir, index: index, pythons: pythons, distros: distros, locks: locks, made: map[string]*artifacts.Artifact{}}
	var err error
	if s.set, err = recipes.Load(nil); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return nil, err
	}
	if s.store, err = artifacts.Open(s.storeDir()); err != nil {
		return nil, err
	}
	if err := s.writeProject(); err != nil {
		return nil, err
	}
	s.pins = &project.Lock{Format: project.LockFormat}
	for _, series := range pythons {
		r, ok := s.set.Newest(series)
		if !ok {
			return nil, fmt.Errorf("python %s: no release is known", series)
		}
		s.pins.SetPython(project.PythonPin{Want: series, Version: r.Version, XZ: r.XZ, TGZ: r.TGZ, From: "recipes"})
		for _, codename := range distros {
			if err := s.addPython(ctx, r.Version, codename); err != nil {
				return nil, err
			}
		}
	}
	if err := s.pins.Write(filepath.Join(dir, project.LockFile)); err != nil {
		return nil, err
	}
	for _, name := range s.lockNames() {
		if err := s.addHouses(ctx, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *synth) lockNames() (names []string) {
	for name := range s.locks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s *synth) writeProject() error {
	keys, err := sign.Generate("bench", time.Now())
	if err != nil {
		return err
	}
	if err := keys.Write(filepath.Join(s.dir, "keys", "signing.key"), time.Now()); err != nil {
		return err
	}
	quoted := func(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }
	text := fmt.Sprintf("[matrix]\npythons = [%s]\ndistros = [%s]\nvariants = [\"fast\"]\nlocks = [%s]\n\n[refresh]\nchecks = \"quick\"\n\n"+
		"[publish]\nkey = %q\nurl = \"https://baked.example.org/\"\n\n[[index]]\nname = \"bench\"\nurl = %q\n",
		quoted(s.pythons), quoted(s.distros), quoted(s.lockNames()), filepath.Join(s.dir, "keys", "signing.key"), s.index)
	errs := []error{os.WriteFile(filepath.Join(s.dir, project.File), []byte(text), 0o644)}
	for name, list := range s.locks {
		errs = append(errs, os.WriteFile(filepath.Join(s.dir, name), requirements(list), 0o644))
	}
	return errors.Join(errs...)
}

// How many packages a base image and a toolchain have: those of trixie.
const (
	basePackages  = 80
	toolsPackages = 110
)

// fakePackages are pins of packages that nobody has.
func fakePackages(prefix string, n int, hashed bool) (all []project.Package) {
	for i := range n {
		p := project.Package{Name: fmt.Sprintf("%s%03d", prefix, i), Version: "1.2.3-4+deb13u1", Arch: arch}
		if hashed {
			p.Digest = "sha256:" + hexOf(p.Name)
		}
		all = append(all, p)
	}
	return all
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// addPython pins what a Python is made from, and puts its packages into the store.
func (s *synth) addPython(ctx context.Context, version, codename string) error {
	d, err := s.set.Distro(codename)
	if err != nil {
		return err
	}
	series, err := s.set.Series(refresh.SeriesOf(version))
	if err != nil {
		return err
	}
	s.pins.SetBase(project.BasePin{Distro: codename, Arch: arch, Origin: "mmdebstrap", Digest: "sha256:" + hexOf(codename), Packages: fakePackages("base", basePackages, false)})
	request := slices.Concat(d.Builder.Packages, series.Builder)
	slices.Sort(request)
	s.pins.SetBuilder(project.SetPin{
		Distro: codename, Arch: arch, For: python.Kind + " " + series.Series, Request: slices.Compact(request), Packages: fakePackages("tool", toolsPackages, true),
	})
	req := python.Request{Version: version, Distro: codename, Arch: arch, Release: 1, Fast: true}
	pin, err := refresh.Release(req, s.set, s.pins, refresh.Numbers{Highest: func() int { return 0 }})
	if err != nil {
		return err
	}
	s.pins.SetRelease(pin)
	plan, err := python.NewPlan(req, s.set, s.pins)
	if err != nil {
		return err
	}
	draft, err := s.store.Begin(python.Kind)
	if err != nil {
		return err
	}
	defer draft.Discard()
	var files []artifacts.File
	for _, name := range []string{"", "-dbgsym", "-dev", "-test", "-tk", "-venv", "lib"} {
		name = "pybake-python" + series.Series + name
		if strings.HasSuffix(name, "lib") {
			name = "pybake-libpython" + series.Series
		}
		deb := &nfpm.Package{
			Name: name, Version: plan.PackageVersion(), Arch: arch, Maintainer: python.Maintainer, Section: "python", Priority: "optional",
			Homepage: "https://www.example.org/", Synopsis: "one of the packages of a Python", Description: "It has one small file.",
			Files: []nfpm.File{{Path: "/opt/python/" + name, Content: []byte(name + " " + codename + "\n")}}, Time: time.Unix(1750000000, 0), Compression: "gzip",
		}
		if err := deb.WriteFile(filepath.Join(draft.Dir(), deb.FileName())); err != nil {
			return err
		}
		files = append(files, artifacts.File{Path: deb.FileName(), Package: &artifacts.Package{Name: name, Version: deb.Version, Architecture: arch, InstalledSize: 1}})
	}
	made, err := draft.Publish(ctx, artifacts.Manifest{
		Kind: python.Kind, Name: plan.Name, Inputs: plan.Inputs, Files: files, Checks: checks(30),
		Labels: map[string]string{"version": version, "series": series.Series, "distro": codename, "arch": arch, "mode": refresh.Fast, "release": "1"},
	})
	s.made[version+" "+codename] = made
	return err
}

func checks(n int) (all []artifacts.Check) {
	for i := range n {
		all = append(all, artifacts.Check{Name: fmt.Sprintf("check %d", i), OK: true, Seconds: 1, Detail: "212 modules"})
	}
	return all
}

// addHouses puts the houses of a lock into the store.
func (s *synth) addHouses(ctx context.Context, name string) error {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	l, err := lock.Read(root.FS(), name, lock.Options{})
	if err != nil {
		return err
	}
	for _, py := range s.made {
		if err := s.addHouse(ctx, name, l, py); err != nil {
			return err
		}
	}
	return nil
}

func (s *synth) addHouse(ctx context.Context, name string, l *lock.Lock, py *artifacts.Artifact) error {
	d, err := s.set.Distro(py.Labels["distro"])
	if err != nil {
		return err
	}
	req := wheels.Request{Lock: l, Name: name, Root: s.dir, Python: py.Labels["version"], Distro: d, Arch: arch, Recipes: s.set}
	plan, err := wheels.NewPlan(req)
	if err != nil {
		return err
	}
	byName := map[string]*pureWheel{}
	for _, w := range s.locks[name] {
		byName[w.name] = w
	}
	draft, err := s.store.Begin(wheels.Kind)
	if err != nil {
		return err
	}
	defer draft.Discard()
	var details []wheels.Wheel
	for _, p := range plan.Packages {
		w := byName[p.Name]
		p.Origin, p.File, p.Hashes, p.Size = "wheel", w.file(), []string{"sha256:" + w.sha256}, int64(len(w.data))
		details = append(details, wheels.Wheel{Name: p.Name, Version: p.Version, Origin: p.Origin, File: p.File, SHA256: w.sha256, Size: p.Size})
		if err := os.WriteFile(filepath.Join(draft.Dir(), w.file()), w.data, 0o644); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(details, "", "  ")
	if err != nil {
		return err
	}
	for file, text := range map[string][]byte{
		wheels.DetailsFile: text, wheels.RequirementsFile: requirements(s.locks[name]), wheels.PylockFile: []byte("lock-version = \"1.0\"\n"), wheels.AptFile: nil,
	} {
		if err := os.WriteFile(filepath.Join(draft.Dir(), file), text, 0o644); err != nil {
			return err
		}
	}
	b := &wheels.Builder{Store: s.store, Python: py}
	inputs, err := b.Inputs(ctx, plan, s.pins)
	if err != nil {
		return err
	}
	_, err = draft.Publish(ctx, artifacts.Manifest{
		Kind: wheels.Kind, Name: plan.Name, Inputs: inputs, Checks: checks(10),
		Labels: map[string]string{
			"lock": name, "version": plan.Python, "series": refresh.SeriesOf(plan.Python), "distro": plan.Distro, "arch": arch, "python": string(py.Key),
		},
	})
	return err
}
