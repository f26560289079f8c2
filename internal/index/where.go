package index

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
)

// Where is what decides where pip, uv and netrc have their files. Fields are
// values of the environment, empty where it has none.
type Where struct {
	Home          string // HOME
	ConfigHome    string // XDG_CONFIG_HOME
	ConfigDirs    string // XDG_CONFIG_DIRS
	VirtualEnv    string // VIRTUAL_ENV
	PipConfigFile string // PIP_CONFIG_FILE, if there is such a file
	UVConfigFile  string // UV_CONFIG_FILE
	Netrc         string // NETRC
	Project       string // directory of the project
}

// PipFiles are where pip looks for its configuration, the one that rules last.
// With PIP_CONFIG_FILE those of the user are not read, and none at all if that
// is /dev/null.
func (w Where) PipFiles() []string {
	if w.PipConfigFile == "/dev/null" {
		return nil
	}
	var files []string
	for _, dir := range w.dirs() {
		files = append(files, filepath.Join(dir, "pip", "pip.conf"))
	}
	files = append(files, "/etc/pip.conf")
	if w.PipConfigFile == "" {
		if w.Home != "" {
			files = append(files, filepath.Join(w.Home, ".pip", "pip.conf"))
		}
		if home := w.configHome(); home != "" {
			files = append(files, filepath.Join(home, "pip", "pip.conf"))
		}
	}
	if w.VirtualEnv != "" {
		files = append(files, filepath.Join(w.VirtualEnv, "pip.conf"))
	}
	if w.PipConfigFile != "" {
		files = append(files, w.PipConfigFile)
	}
	return files
}

// UVFiles are where uv looks for its configuration, the one that rules last.
// UV_CONFIG_FILE is in the place of all.
func (w Where) UVFiles() []string {
	if w.UVConfigFile != "" {
		return []string{w.UVConfigFile}
	}
	files := []string{"/etc/uv/uv.toml"}
	dirs := w.dirs()
	for i := range dirs {
		files = append(files, filepath.Join(dirs[len(dirs)-1-i], "uv", "uv.toml"))
	}
	if home := w.configHome(); home != "" {
		files = append(files, filepath.Join(home, "uv", "uv.toml"))
	}
	if w.Project != "" {
		files = append(files, filepath.Join(w.Project, "pyproject.toml"), filepath.Join(w.Project, "uv.toml"))
	}
	return files
}

// NetrcFiles are where netrc is looked for; the first that there is rules.
func (w Where) NetrcFiles() []string {
	switch {
	case w.Netrc != "":
		return []string{w.Netrc}
	case w.Home != "":
		return []string{filepath.Join(w.Home, ".netrc"), filepath.Join(w.Home, "_netrc")}
	}
	return nil
}

func (w Where) configHome() string {
	switch {
	case w.ConfigHome != "":
		return w.ConfigHome
	case w.Home != "":
		return filepath.Join(w.Home, ".config")
	}
	return ""
}

func (w Where) dirs() []string {
	var dirs []string
	for _, dir := range strings.Split(w.ConfigDirs, ":") {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		return []string{"/etc/xdg"}
	}
	return dirs
}

// DefaultFromPip is the URL of the index that a wheel of pip has built in:
// pybake itself knows none. It stands in pip/_internal/models/index.py, as
// PyPI = PackageIndex("https://pypi.example.org/", ...), to which pip adds
// "simple".
func DefaultFromPip(wheel io.ReaderAt, size int64) (string, error) {
	address, err := defaultFromPip(wheel, size)
	if err != nil {
		return "", fmt.Errorf("default index of pip: %w", err)
	}
	return address, nil
}

func defaultFromPip(wheel io.ReaderAt, size int64) (string, error) {
	const source = "pip/_internal/models/index.py"
	archive, err := zip.NewReader(wheel, size)
	if err != nil {
		return "", err
	}
	file, err := archive.Open(source)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^PyPI\s*=\s*PackageIndex\(\s*(?:url\s*=\s*)?["']([^"'\\\s]+)["']`).FindSubmatch(text)
	if found == nil {
		return "", errors.New(source + ": no PyPI = PackageIndex(...)")
	}
	u, err := parseURL(string(found[1]))
	if err != nil {
		return "", fmt.Errorf("%s: %w", source, err)
	}
	return u.JoinPath("simple", "/").String(), nil
}
