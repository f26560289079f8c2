package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/pybake/pybake/artifacts"
)

// madePython is what python --json prints.
type madePython struct {
	Key      artifacts.Key     `json:"key"`
	Name     string            `json:"name"`
	Origin   string            `json:"origin"` // "built" or "found"
	Dir      string            `json:"dir"`
	Packages []madePackage     `json:"packages"`
	Checks   []artifacts.Check `json:"checks"`
	Steps    []artifacts.Step  `json:"steps"`
}

type madePackage struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Path         string `json:"path"`
	Size         int64  `json:"size"` // bytes
	SHA256       string `json:"sha256"`
}

// printPython prints packages, and among their checks that of the test suite, if it
// was asked for.
func (a *app) printPython(store *artifacts.Store, made, suite *artifacts.Artifact, origin string) error {
	dir := a.path(store.Path(made))
	out := madePython{Key: made.Key, Name: made.Name, Origin: origin, Dir: dir, Checks: made.Checks, Steps: made.Steps}
	if suite != nil {
		out.Checks = slices.Concat(made.Checks, suite.Checks)
	}
	for _, f := range made.Files {
		if f.Package == nil {
			continue
		}
		out.Packages = append(out.Packages, madePackage{
			Name: f.Package.Name, Version: f.Package.Version, Architecture: f.Package.Architecture,
			Path: filepath.Join(dir, f.Path), Size: f.Size, SHA256: f.SHA256,
		})
	}
	if a.flags.json {
		return a.printJSON(out)
	}
	for _, p := range out.Packages {
		if _, err := fmt.Fprintln(a.sys.stdout, p.Path); err != nil {
			return err
		}
	}
	return nil
}
