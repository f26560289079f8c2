package main

import (
	"path/filepath"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels"
	"github.com/pybake/pybake/wheels/cargo"
)

// cargoConfig is how this machine and the project tell cargo where crates are.
func (a *app) cargoConfig(p *project.Project) (c wheels.CargoConfig, err error) {
	home := a.sys.getenv("CARGO_HOME")
	if home == "" && a.sys.getenv("HOME") != "" {
		home = filepath.Join(a.sys.getenv("HOME"), ".cargo")
	}
	if home != "" {
		if c.Machine, err = a.cargoFile(home, "config"); err != nil {
			return c, err
		}
		if c.Credentials, err = a.cargoFile(home, "credentials"); err != nil {
			return c, err
		}
	}
	if dir := filepath.Join(p.Root, ".cargo"); p.Root != "" && dir != home {
		c.Project, err = a.cargoFile(dir, "config")
	}
	return c, err
}

// cargoFile reads a file of cargo by either of its names, nil if there is none.
func (a *app) cargoFile(dir, name string) ([]byte, error) {
	texts, err := readTexts([]string{filepath.Join(dir, name), filepath.Join(dir, name+".toml")})
	if err != nil || len(texts) == 0 {
		return nil, err
	}
	found, err := cargo.Places(texts[0].Path, texts[0].Data, a.sys.getenv)
	if err != nil {
		return nil, &advised{err, statusUsage, ""}
	}
	return found, nil
}
