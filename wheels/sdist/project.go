package sdist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/strict"
)

// Project is what a source tree says of itself before anything of it has run.
type Project struct {
	Name string // normalised; "" if only a program tells
	VCS  VCS    // where its version comes from, if that is the repository
}

// VCS is a tool that asks the repository for the version.
type VCS struct {
	Tool     string // "setuptools-scm"; "" if there is none
	Variable string // of the environment, which says the version instead; "" if the tool reads none
}

// Tools that ask the repository, with what they read instead; by their documentation.
var (
	setuptoolsSCM = VCS{"setuptools-scm", "SETUPTOOLS_SCM_PRETEND_VERSION"} // hatch-vcs and flit-scm stand on it
	pdmSCM        = VCS{"pdm-backend", "PDM_BUILD_SCM_VERSION"}
	poetryDynamic = VCS{"poetry-dynamic-versioning", "POETRY_DYNAMIC_VERSIONING_BYPASS"}
	uvDynamic     = VCS{"uv-dynamic-versioning", "UV_DYNAMIC_VERSIONING_BYPASS"}
	versioneer    = VCS{"versioneer", ""}
	versioningit  = VCS{"versioningit", ""}
)

// ReadProject reads pyproject.toml and setup.cfg of a directory of the project, which
// has the former or a setup.py. Problems are a *BadError or strict.Errors.
func ReadProject(fsys fs.FS, dir string) (Project, error) {
	if !fs.ValidPath(dir) {
		return Project{}, fmt.Errorf("directory %.200q: want one within the project", dir)
	}
	info, err := fs.Stat(fsys, dir)
	if err != nil {
		return Project{}, err
	}
	if !info.IsDir() {
		return Project{}, &BadError{dir, "", "is not a directory"}
	}
	texts := map[string][]byte{}
	for _, name := range []string{"pyproject.toml", "setup.cfg", "setup.py"} {
		text, err := readSmall(fsys, path.Join(dir, name))
		if errors.As(err, new(*BadError)) && name != "pyproject.toml" { // a link: it is there, and that is enough
			text, err = []byte{}, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Project{}, err
		}
		if err == nil {
			texts[name] = text
		}
	}
	if texts["pyproject.toml"] == nil && texts["setup.py"] == nil {
		return Project{}, &BadError{dir, "", "nothing that builds: neither pyproject.toml nor setup.py"}
	}
	s, err := system(path.Join(dir, "pyproject.toml"), texts["pyproject.toml"])
	if err != nil {
		return Project{}, err
	}
	var root map[string]any
	if err := toml.Unmarshal(texts["pyproject.toml"], &root); err != nil {
		return Project{}, fmt.Errorf("%s: %w", path.Join(dir, "pyproject.toml"), err)
	}
	p := Project{VCS: vcs(s, root, texts["setup.cfg"], texts["setup.py"])}
	for _, name := range []string{text(root, "project", "name"), text(root, "tool", "poetry", "name"), config(texts["setup.cfg"], "metadata", "name")} {
		if pep.ValidName(name) && p.Name == "" {
			p.Name = pep.NormalizeName(name)
		}
	}
	return p, nil
}

// readSmall reads a regular file of at most strict.MaxSize bytes; never nil.
func readSmall(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Lstat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &BadError{path.Dir(name), path.Base(name), "is no regular file"}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strict.MaxSize+1))
	if err == nil && len(data) > strict.MaxSize {
		err = &BadError{path.Dir(name), path.Base(name), fmt.Sprintf("has more than %d bytes, which is as much as is read", strict.MaxSize)}
	}
	return append([]byte{}, data...), err
}

// vcs finds the tool that gives a project its version from the repository.
func vcs(s System, root map[string]any, setupCfg, setupPy []byte) VCS {
	requires := func(names ...string) bool {
		return slices.ContainsFunc(s.Requires, func(text string) bool {
			r, err := pep.ParseRequirement(text)
			return err == nil && slices.Contains(names, pep.NormalizeName(r.Name))
		})
	}
	// A version beside the plugin is a place for it: "0.0.0".
	if flag(root, "tool", "poetry-dynamic-versioning", "enable") && requires("poetry-dynamic-versioning") {
		return poetryDynamic
	}
	if has(root, "project") && !slices.Contains(texts(root, "project", "dynamic"), "version") {
		return VCS{}
	}
	backend, _, _ := strings.Cut(s.Backend, ":")
	switch source := text(root, "tool", "hatch", "version", "source"); {
	case backend == "hatchling.build" && source == "vcs", backend == "flit_scm":
		return setuptoolsSCM
	case backend == "hatchling.build" && source == "uv-dynamic-versioning":
		return uvDynamic
	case backend == "pdm.backend" && text(root, "tool", "pdm", "version", "source") == "scm":
		return pdmSCM
	case backend == "scikit_build_core.build" && strings.HasSuffix(text(root, "tool", "scikit-build", "metadata", "version", "provider"), ".setuptools_scm"):
		return setuptoolsSCM
	case has(root, "tool", "versioningit"):
		return versioningit
	case has(root, "tool", "versioneer"), bytes.Contains(setupCfg, []byte("[versioneer]")):
		return versioneer
	case !strings.HasPrefix(backend, "setuptools.") || has(root, "tool", "setuptools", "dynamic", "version"):
		return VCS{}
	case has(root, "tool", "setuptools_scm"), bytes.Contains(setupPy, []byte("use_scm_version")), bytes.Contains(setupCfg, []byte("use_scm_version")),
		has(root, "project") && requires("setuptools-scm"): // with the extra "simple" it needs no table
		return setuptoolsSCM
	}
	return VCS{}
}

// at is a value of a document; nil if it is not there.
func at(v any, keys []string) any {
	for _, key := range keys {
		table, _ := v.(map[string]any)
		v = table[key]
	}
	return v
}

func has(root map[string]any, keys ...string) bool { return at(root, keys) != nil }

func text(root map[string]any, keys ...string) string {
	s, _ := at(root, keys).(string)
	return s
}

func texts(root map[string]any, keys ...string) (out []string) {
	list, _ := at(root, keys).([]any)
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func flag(root map[string]any, keys ...string) bool {
	b, _ := at(root, keys).(bool)
	return b
}

// config is a value of one line of an INI file as configparser reads it.
func config(ini []byte, section, key string) string {
	in := false
	for line := range strings.Lines(string(ini)) {
		if strings.HasPrefix(line, "[") {
			name, _, _ := strings.Cut(line[1:], "]")
			in = name == section
			continue
		}
		i := strings.IndexAny(line, "=:")
		if in && i > 0 && strings.EqualFold(strings.TrimRight(line[:i], " \t"), key) {
			return strings.TrimSpace(line[i+1:])
		}
	}
	return ""
}
