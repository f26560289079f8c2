package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/strict"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/lock"
)

const (
	lookDepth = 2      // directories below the project that are looked into
	lookMost  = 10_000 // files and directories that are looked at
	lookSize  = 1 << 20
)

// taken is what init takes over, and from where.
type taken struct {
	Key   string `json:"key"`   // "python", "distro", "lock", "app", "entrypoint"
	Value string `json:"value"` // "3.11"
	From  string `json:"from"`  // "Dockerfile:3"
}

// found is what init knows of a project.
type found struct {
	set   *recipes.Set
	arch  string
	tree  fs.FS // of the project
	taken []taken
	notes []string

	name    string // of the project, as an image can have it: "shop"
	pythons []string
	distros []string
	locks   []*lock.Lock
	others  []string // locks for developers
	allow   []string // options that requirements files hold
	py      pyproject
	app     bool // pyproject.toml has a build system
	indexes bool // pip or uv is told of some here
}

// pyproject is what init reads of pyproject.toml.
type pyproject struct {
	BuildSystem map[string]any `toml:"build-system"`
	Project     struct {
		Name           string            `toml:"name"`
		RequiresPython string            `toml:"requires-python"`
		Dependencies   []string          `toml:"dependencies"`
		Scripts        map[string]string `toml:"scripts"`
	} `toml:"project"`
}

// lookAround finds out about the project in a directory. It changes nothing.
func (a *app) lookAround(dir string) (*found, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f := &found{tree: root.FS(), arch: debianArch(runtime.GOARCH)}
	own := &project.Project{Root: dir}
	if f.set, err = recipes.Load(own.Recipes()); err != nil {
		return nil, err
	}
	files, err := f.files()
	if err != nil {
		return nil, err
	}
	f.readPyproject()
	f.readPythonVersion()
	for _, file := range files {
		if isDockerfile(path.Base(file)) {
			f.readDockerfile(file)
		}
	}
	for _, file := range files {
		if isLock(file) {
			f.readLock(file)
		}
	}
	f.chooseDistro(osRelease()["VERSION_CODENAME"])
	f.choosePython()
	f.doubt()
	f.name = imageName(cmp.Or(f.py.Project.Name, filepath.Base(dir)))
	named, err := a.machineIndexes(own, nil)
	if err != nil {
		f.note("indexes of this machine: %v", err)
	}
	f.indexes = len(named) > 0
	if above, ok := project.Find(filepath.Dir(dir)); ok {
		f.note("%s is for this directory, too; the new file takes its place here", filepath.Join(above, project.File))
	}
	return f, nil
}

func (f *found) take(key, value, from string) { f.taken = append(f.taken, taken{key, value, from}) }

func (f *found) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// files are the files of the project, sorted by depth and name, without those of
// hidden directories, environments and what pybake writes.
func (f *found) files() (files []string, err error) {
	seen := 0
	err = fs.WalkDir(f.tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil && name != "." && errors.Is(err, fs.ErrPermission) {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		if seen++; seen > lookMost {
			f.note("more than %d files: not all are looked at", lookMost)
			return fs.SkipAll
		}
		if !entry.IsDir() {
			files = append(files, name)
			return nil
		}
		base := path.Base(name)
		skip := base != "." && (base[0] == '.' || slices.Contains([]string{"node_modules", "venv", "env", "baked", "published", "tests", "test"}, base))
		if skip || strings.Count(name, "/") >= lookDepth {
			return fs.SkipDir
		}
		return nil
	})
	slices.SortStableFunc(files, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), strings.Compare(a, b))
	})
	return files, err
}

// read is the text of a small file.
func (f *found) read(name string) (string, bool) {
	info, err := fs.Stat(f.tree, name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > lookSize {
		return "", false
	}
	text, err := fs.ReadFile(f.tree, name)
	return string(text), err == nil
}

func (f *found) readPyproject() {
	text, ok := f.read("pyproject.toml")
	if !ok {
		return
	}
	if err := toml.Unmarshal([]byte(text), &f.py); err != nil {
		f.note("pyproject.toml: not read: %v", err)
		f.py = pyproject{}
		return
	}
	if f.app = f.py.BuildSystem != nil; f.app {
		f.take("app", ".", "pyproject.toml: it has a build system")
	}
}

// readPythonVersion takes the lines of .python-version, as pyenv and uv write it.
func (f *found) readPythonVersion() {
	text, _ := f.read(".python-version")
	for line := range strings.Lines(text) {
		if word := strings.TrimSpace(line); word != "" && !strings.HasPrefix(word, "#") {
			f.python(strings.TrimPrefix(word, "cpython-"), ".python-version")
		}
	}
}

// python takes a series or a release of CPython that recipes know.
func (f *found) python(version, from string) {
	_, err := f.set.Series(version)
	if err != nil {
		_, err = f.set.Release(version)
	}
	if err != nil {
		series := version[:max(0, strings.LastIndexByte(version, '.'))]
		if _, err := f.set.Series(series); err != nil {
			f.note("%s: Python %s: not taken, no recipe knows it", from, version)
			return
		}
		f.note("%s: Python %s: taken as %s, no recipe knows that release", from, version, series)
		version = series
	}
	if !slices.Contains(f.pythons, version) {
		f.pythons = append(f.pythons, version)
		f.take("python", version, from)
	}
}

func (f *found) distro(codename, from string) {
	if !slices.Contains(f.distros, codename) {
		f.distros = append(f.distros, codename)
		f.take("distro", codename, from)
	}
}

// isLock is whether a file has a name that locks have.
func isLock(file string) bool {
	base := path.Base(file)
	for _, pattern := range []string{
		"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "pylock.*.toml", "requirements*.txt", "requirements*.lock",
	} {
		if ok, _ := path.Match(pattern, base); ok {
			return true
		}
	}
	ext := path.Ext(base)
	return path.Base(path.Dir(file)) == "requirements" && (ext == ".txt" || ext == ".lock")
}

var (
	developers    = pattern.New(`(^|[-_./])(dev|develop|development|tests?|testing|lint|docs?|ci|typing)([-_.]|$)`)
	optionPattern = pattern.New(`(?m)^--[a-z-]+`)

	// Options that tools write into requirements files; what else one holds is for
	// its owner to allow.
	usualOptions = []string{"--extra-index-url", "--find-links", "--index-url", "--no-binary", "--only-binary", "--pre", "--prefer-binary", "--trusted-host"}
)

// readLock takes a lock, if it is one.
func (f *found) readLock(file string) {
	if info, err := fs.Stat(f.tree, file); err != nil || !info.Mode().IsRegular() {
		return
	}
	l, err := lock.Read(f.tree, file, lock.Options{})
	if err != nil {
		var allow []string
		text, _ := f.read(file)
		for _, option := range optionPattern.FindAllString(text, -1) {
			if slices.Contains(usualOptions, option) && !slices.Contains(allow, option) {
				allow = append(allow, option)
			}
		}
		if again, err2 := lock.Read(f.tree, file, lock.Options{Allow: allow}); err2 == nil {
			l, err = again, nil
			f.allowed(file, allow)
		}
	}
	switch {
	case err != nil:
		f.note("%s: no lock that pybake takes: %s", file, firstProblem(err))
	case !plain(file):
		f.note("%q: a lock of a name that is not written into pybake.toml", file)
	case developers.MatchString(strings.TrimSuffix(file, path.Ext(file))):
		f.others = append(f.others, file)
		f.note("%s: a lock for developers: in a comment", file)
	default:
		f.locks = append(f.locks, l)
		f.take("lock", file, l.Format)
	}
}

// plain is whether a text can stand in a TOML file as it is.
func plain(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(c rune) bool { return c == '"' || c == '\\' || !strconv.IsPrint(c) })
}

// allowed takes options of a requirements file.
func (f *found) allowed(file string, options []string) {
	for _, option := range options {
		if !slices.Contains(f.allow, option) {
			f.allow = append(f.allow, option)
			f.take("allow", option, file)
		}
	}
}

func firstProblem(err error) string {
	if errs, ok := errors.AsType[strict.Errors](err); ok && len(errs) > 0 {
		more := ""
		if len(errs) > 1 {
			more = fmt.Sprintf(" (and %d more problems)", len(errs)-1)
		}
		return strings.TrimSpace(strings.TrimPrefix(errs[0].Error(), errs[0].File+":")) + more
	}
	return err.Error()
}

// chooseDistro takes that of this machine where no Dockerfile names one.
func (f *found) chooseDistro(machine string) {
	if len(f.distros) > 0 {
		return
	}
	if _, err := f.set.Distro(machine); err == nil {
		f.distro(machine, "this machine")
		return
	}
	var newest recipes.Distro
	for _, d := range f.set.Distros() {
		if d.ID == "debian" && d.EOL > newest.EOL {
			newest = d
		}
	}
	f.distro(newest.Codename, "pybake: the newest Debian")
}

// choosePython takes the newest series that the locks and pyproject.toml take, one
// that was exercised on the distro before others.
func (f *found) choosePython() {
	if len(f.pythons) > 0 {
		return
	}
	from := "pybake: the newest series"
	if len(f.locks) > 0 || f.py.Project.RequiresPython != "" {
		from += " that the locks and pyproject.toml take"
	}
	var best string
	exercised := false
	for _, s := range f.set.AllSeries() {
		newest, ok := f.set.Newest(s.Series)
		if !ok || newest.Prerelease() || f.set.Supported(s.Series, f.distros[0]) != nil || f.refuses(newest.Version) != "" {
			continue
		}
		if known := slices.Contains(s.Exercised, f.distros[0]+"-"+f.arch); known || !exercised {
			best, exercised = s.Series, known
		}
	}
	if best != "" {
		f.python(best, from)
		return
	}
	f.note("no series of Python fits all of the locks and pyproject.toml: name one in pybake.toml")
}

// refuses is what does not take a version of Python, and why; or empty.
func (f *found) refuses(version string) string {
	for _, l := range f.locks {
		if !l.Admits(version) {
			return l.File + " requires Python " + l.RequiresPython
		}
	}
	requires, err := pep.ParseSpecifiers(f.py.Project.RequiresPython)
	if v, verr := pep.ParseVersion(version); err == nil && verr == nil && f.py.Project.RequiresPython != "" && !requires.Contains(v, pep.PreAuto) {
		return "pyproject.toml requires Python " + f.py.Project.RequiresPython
	}
	return ""
}

// doubt notes what of the matrix cannot be. Pythons that nothing refuses come first.
func (f *found) doubt() {
	var taken, refused []string
	for _, want := range f.pythons {
		version := want
		if newest, ok := f.set.Newest(want); ok {
			version = newest.Version
		}
		if why := f.refuses(version); why != "" {
			refused = append(refused, want)
			f.note("%s, which %s is not", why, version)
		} else {
			taken = append(taken, want)
		}
		release, err := f.set.Release(version)
		if err != nil {
			continue
		}
		for _, codename := range f.distros {
			if err := f.set.Supported(release.Series, codename); err != nil {
				f.note("%v", err)
			}
		}
	}
	f.pythons = slices.Concat(taken, refused)
}
