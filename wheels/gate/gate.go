package gate

import (
	"context"
	"slices"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/wheels/whl"
)

// Format moves when a house is proved differently for the same inputs.
const Format = "2"

// Gate proves houses for one Python on one base.
type Gate struct {
	Distros *distro.Maker
	Report  distro.Reporter
	Target  distro.Target
	Base    project.BasePin
	Series  string // "3.13"
	Prefix  string // "/opt/python/3.13", of bin/python3.13

	Python         string            // key of the artifact that Debs are of; they are known by it
	Debs           []string          // files: the packages of the Python and its venv
	PythonPackages []project.Package // what has to be installed with them, pinned

	Known    []project.Package // what an earlier run pinned for the house; may be nil
	Builders []string          // images that wheels were built in; may be nil

	// Absent are libraries that need not be there, by wheel and name or pattern of
	// path.Match, with the reason: "torch" → "libcuda.so.*" → "comes with the driver".
	Absent map[string]map[string]string

	Jobs  int           // processes at once; 0 is 1
	Limit time.Duration // for the imports of one wheel; 0 is 5 minutes
	Full  bool          // nothing counts that was proved with another house

	ending []func() // what Close waits for
}

// House is a finished directory of wheels.
type House struct {
	Dir    string // has the wheels, requirements.txt and apt.txt
	Wheels []*whl.Wheel

	// Key is that of the artifact that it becomes. SHA256 are those of the wheels,
	// by file. Owner says for whom it is, with whose next house it will have most in
	// common: "wheels requirements.lock 3.13.5 trixie amd64 in /srv/baked". Without
	// these it is proved from its beginning, and nothing of it is kept.
	Key    string
	SHA256 map[string]string
	Owner  string

	// Apt are pinned packages, among them all that apt.txt lists. No other of
	// them is installed.
	Apt []project.Package

	// Debs are files: packages of the Python that it needs beside those of the gate,
	// and that depend on nothing else.
	Debs []string

	// Project are the names, normalised, of the project of the lock and its
	// workspace, which the house leaves out. A wheel that depends back on them is
	// installed without that, and what it cannot do alone is noted only.
	Project []string

	// ImportSkip are modules that cannot be imported here, with all below them,
	// by wheel, with the reason: "uwsgi" → "uwsgidecorators" → "only inside uwsgi".
	ImportSkip map[string]map[string]string
}

// Closure resolves the request of Needs to everything that has to be installed
// beside the base and the Python's own packages: the lines of apt.txt.
func (g *Gate) Closure(ctx context.Context, request []string) ([]project.Package, error) {
	if len(request) == 0 {
		return nil, nil
	}
	own, err := g.pythonFiles(ctx)
	if err != nil {
		return nil, err
	}
	all, err := g.Distros.Resolve(ctx, g.Target, g.Base, request, own)
	// apt counts a file that is in the archive too as one of the archive.
	return slices.DeleteFunc(all, func(p project.Package) bool {
		return slices.ContainsFunc(g.PythonPackages, func(o project.Package) bool { return o.Name == p.Name && o.Version == p.Version })
	}), err
}

// pythonFiles are the package files of the Python and of what it depends on.
func (g *Gate) pythonFiles(ctx context.Context) ([]string, error) {
	files, err := g.Distros.Files(ctx, g.Target, g.Base, g.PythonPackages)
	if err != nil {
		return nil, err
	}
	return append(files, g.Debs...), nil
}
