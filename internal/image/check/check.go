package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/image/layer"
)

// Format moves when an image is checked differently for the same inputs.
const Format = "1"

// Image is an image that is to be checked.
type Image struct {
	Layers []layer.Blob // from the bottom
	Facts  []*Facts     // of the layers
	Names  []string     // of the layers: "base", "python"
	Base   int          // how many of the layers are the base's

	Series  string // "3.13"; empty without Python
	Python  string // "3.13.5"; needed with Series
	Machine string // as uname -m names it: "x86_64"

	User       string   // "1000:1000"; empty is "0:0"
	Workdir    string   // "/srv"; empty is "/"
	Env        []string // "PATH=/venv/bin:/usr/bin:/bin"
	Entrypoint []string
	Cmd        []string
	Check      []string // a command that has to exit 0; may be nil
	Keep       []string // what slimming left in: "headers"

	Dists   []Dist          // what is installed in /venv: all of the lock, and the app
	New     map[string]bool // normalised names of those whose modules are imported
	Project []string        // as gate.House.Project: names that the lock leaves out

	// Skip are modules that cannot be imported, as gate.House.ImportSkip; Absent
	// are libraries that need not be there, as gate.Gate.Absent.
	Skip, Absent map[string]map[string]string
}

// Dist is an installed distribution.
type Dist struct {
	Name    string   // in any spelling: "Flask"
	Version string   // "3.0.2"
	Keep    []string // what slimming left in of it: "headers"
}

// venv is the environment, in every image.
const venv = "venv"

// site is where distributions are installed.
func (i Image) site() string { return venv + "/lib/python" + i.Series + "/site-packages" }

// found is what a check found.
type found struct {
	problems []string
	notes    []string // the first says how much was looked at
}

func (f *found) bad(format string, args ...any) {
	f.problems = append(f.problems, fmt.Sprintf(format, args...))
}
func (f *found) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// most lines of each kind are told.
const most = 30

// check is the result, where it took from start on.
func (f found) check(name string, start time.Time) artifacts.Check {
	lines := slices.Concat(clip(f.problems), clip(f.notes))
	return artifacts.Check{
		Name: name, OK: len(f.problems) == 0, Seconds: time.Since(start).Seconds(), Detail: strings.Join(lines, "\n"),
	}
}

func clip(lines []string) []string {
	if more := len(lines) - most; more > 0 {
		return append(slices.Clone(lines[:most]), fmt.Sprintf("and %d more", more))
	}
	return lines
}

// plural is "1 file", "2 files".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Static looks at the files of an image. Checks that fail are no error; an
// error is what has nothing to do with the image, or an Image that is not whole.
func Static(ctx context.Context, i Image) ([]artifacts.Check, error) {
	checks, err := static(ctx, i)
	if err != nil {
		return nil, fmt.Errorf("check the files of the image: %w", err)
	}
	return checks, nil
}

func static(ctx context.Context, i Image) ([]artifacts.Check, error) {
	if err := i.whole(); err != nil {
		return nil, err
	}
	s := read(ctx, i)
	var checks []artifacts.Check
	for _, c := range []struct {
		name   string
		python bool
		run    func() (found, error)
	}{
		{"no compiler", false, s.noCompiler},
		{"no headers or static archives", false, s.noHeaders},
		{"no installer", false, s.noInstaller},
		{"no apt state", false, s.noAptState},
		{"no set-uid beyond the base", false, s.noSetUID},
		{"no device or world-writable file", false, s.noWritable},
		{"no private key", false, s.noKey},
		{"shared libraries resolve", false, s.librariesResolve},
		{"requirements consistent", true, s.requirementsHold},
		{"entrypoint exists", false, s.entrypointExists},
		{"bytecode is there", true, s.bytecodeThere},
	} {
		if c.python && i.Series == "" {
			continue
		}
		start := time.Now()
		f, err := c.run()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		checks = append(checks, f.check(c.name, start))
	}
	return checks, ctx.Err()
}

// whole is whether everything is given.
func (i Image) whole() error {
	switch {
	case len(i.Facts) != len(i.Layers) || len(i.Layers) != len(i.Names) || i.Base > len(i.Layers):
		return errors.New("not as many names or facts as layers")
	case i.Machine == "":
		return errors.New("no machine given")
	case i.Series != "" && !strings.HasPrefix(i.Python, i.Series+"."):
		return fmt.Errorf("Python %q is none of %s", i.Python, i.Series)
	}
	_, _, err := i.ids()
	return err
}
