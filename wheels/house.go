package wheels

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/whl"
)

// Files of a house beside the wheels.
const (
	RequirementsFile = "requirements.txt"
	PylockFile       = "pylock.toml"
	AptFile          = "apt.txt"
	DetailsFile      = "wheels.json"
)

// Wheel is what wheels.json says of a wheel of a house.
type Wheel struct {
	Name    string   `json:"name"`    // "markupsafe"
	Version string   `json:"version"` // "3.0.2"
	Origin  string   `json:"origin"`  // "wheel": taken as it is; "sdist": built
	File    string   `json:"file"`    // "markupsafe-3.0.2-cp313-cp313-linux_x86_64.whl"
	SHA256  string   `json:"sha256"`  // of the file
	Size    int64    `json:"size"`    // bytes
	Source  *Source  `json:"source,omitempty"`
	Bundled []string `json:"bundled,omitempty"` // shared libraries that it carries
	SBOMs   []string `json:"sboms,omitempty"`   // PEP 770 files of its .dist-info
	Yanked  string   `json:"yanked,omitempty"`  // by the index, and why
	Notes   []string `json:"notes,omitempty"`
	Apt     []string `json:"apt,omitempty"` // packages of the distro that it needs itself; "pybake-libpython3.13" if it embeds Python

	// How long building it took, in this run or an earlier one.
	Seconds float64 `json:"seconds,omitempty"`
	Key     string  `json:"key,omitempty"` // of the artifact that was built

	path    string
	symbols []string // files beside it: "debug/.build-id/ab/cdef….debug"
	facts   *whl.Wheel
}

// Embeds is whether the wheel embeds the Python of a series ("3.13"): it needs the
// package of its libpython.
func (w *Wheel) Embeds(series string) bool { return slices.Contains(w.Apt, "pybake-libpython"+series) }

// Source is what a wheel was built from.
type Source struct {
	File   string `json:"file,omitempty" toml:"file,omitempty"` // "markupsafe-3.0.2.tar.gz"
	Digest string `json:"digest" toml:"digest"`                 // "sha256:…" of an archive, "h1:…" of a tree
	URL    string `json:"url,omitempty" toml:"url,omitempty"`   // of a repository, without credentials
	Commit string `json:"commit,omitempty" toml:"commit,omitempty"`
}

// requirements is the house's requirements.txt.
func (p *Plan) requirements(wheels []*Wheel) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by pybake from %s, for CPython %s on %s %s.\n", p.Lock, p.Python, p.Distro, p.Arch)
	fmt.Fprintf(&b, "# pip install --no-index --find-links . --require-hashes -r %s\n", RequirementsFile)
	for _, w := range wheels {
		if w.Source != nil {
			fmt.Fprintf(&b, "# built from %s %s\n", sourceName(w), w.Source.Digest)
		}
		fmt.Fprintf(&b, "%s==%s \\\n    --hash=sha256:%s\n", w.Name, w.Version, w.SHA256)
	}
	return b.Bytes()
}

func sourceName(w *Wheel) string {
	if w.Source.Commit != "" {
		return w.Source.URL + " at " + w.Source.Commit
	}
	return w.Source.File
}

// pylock is the house's pylock.toml (PEP 751).
func (p *Plan) pylock(wheels []*Wheel) ([]byte, error) {
	type file struct {
		Name   string            `toml:"name"`
		Path   string            `toml:"path"`
		Size   int64             `toml:"size"`
		Hashes map[string]string `toml:"hashes,inline"`
	}
	type pybake struct {
		Source *Source `toml:"source,omitempty"`
		Origin string  `toml:"origin"`
	}
	type tool struct {
		Pybake pybake `toml:"pybake"`
	}
	type pkg struct {
		Name    string `toml:"name"`
		Version string `toml:"version"`
		Wheels  []file `toml:"wheels"`
		Tool    tool   `toml:"tool"`
	}
	lock := struct {
		Version  string   `toml:"lock-version"`
		Environs []string `toml:"environments"`
		Requires string   `toml:"requires-python"`
		By       string   `toml:"created-by"`
		Packages []pkg    `toml:"packages"`
	}{Version: "1.0", Requires: "==" + p.series() + ".*", By: "pybake", Environs: []string{
		fmt.Sprintf("sys_platform == 'linux' and platform_machine == '%s' and implementation_name == 'cpython'", p.target.Arch),
	}}
	for _, w := range wheels {
		one := pkg{Name: w.Name, Version: w.Version, Wheels: []file{{w.File, w.File, w.Size, map[string]string{"sha256": w.SHA256}}}}
		one.Tool.Pybake = pybake{w.Source, w.Origin}
		lock.Packages = append(lock.Packages, one)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by pybake from %s, for CPython %s on %s %s.\n", p.Lock, p.Python, p.Distro, p.Arch)
	err := toml.NewEncoder(&b).Encode(lock)
	return b.Bytes(), err
}

// aptList is the house's apt.txt.
func aptList(packages []project.Package) []byte {
	var b strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&b, "%s=%s\n", p.Name, p.Version)
	}
	return []byte(b.String())
}

// writeHouse puts the wheels and what describes them into a directory.
func (p *Plan) writeHouse(dir string, wheels []*Wheel, apt []project.Package) error {
	for _, w := range wheels {
		if err := copyFile(filepath.Join(dir, w.File), w.path); err != nil {
			return err
		}
		if err := w.copySymbols(dir); err != nil {
			return err
		}
	}
	pylock, err := p.pylock(wheels)
	if err != nil {
		return fmt.Errorf("%s: %w", PylockFile, err)
	}
	details, err := json.MarshalIndent(wheels, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", DetailsFile, err)
	}
	for name, text := range map[string][]byte{
		RequirementsFile: p.requirements(wheels), PylockFile: pylock, AptFile: aptList(apt), DetailsFile: append(details, '\n'),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copySymbols copies what is beside the wheel. Two wheels may have the same file.
func (w *Wheel) copySymbols(dir string) error {
	for _, name := range w.symbols {
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copyFile(to, filepath.Join(filepath.Dir(w.path), filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return nil
}

// House is what a house holds.
type House struct {
	Dir    string
	Wheels []Wheel
	Apt    []string // packages of the distro: "libpq5=17.5-0+deb13u1"
}

// ReadHouse reads what a house says of itself; of the wheels it looks at nothing.
func ReadHouse(dir string) (House, error) {
	wheels, err := ReadDetails(dir)
	if err != nil {
		return House{}, fmt.Errorf("read house: %w", err)
	}
	apt, err := os.ReadFile(filepath.Join(dir, AptFile))
	if err != nil {
		return House{}, fmt.Errorf("read house: %w", err)
	}
	return House{Dir: dir, Wheels: wheels, Apt: strings.Fields(string(apt))}, nil
}

// ReadDetails reads the wheels.json of a house.
func ReadDetails(dir string) ([]Wheel, error) {
	text, err := os.ReadFile(filepath.Join(dir, DetailsFile))
	if err != nil {
		return nil, err
	}
	var wheels []Wheel
	if err := json.Unmarshal(text, &wheels); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, DetailsFile), err)
	}
	return wheels, nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}
