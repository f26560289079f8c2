package wheels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pybake/pybake/internal/distro"
	"github.com/pybake/pybake/recipes"
	"github.com/pybake/pybake/wheels/build"
	"github.com/pybake/pybake/wheels/explain"
	"github.com/pybake/pybake/wheels/whl"
)

// Found is what a build failed for want of, and the packages of the distro that have it.
type Found struct {
	explain.Finding
	Packages []distro.Holder // the likeliest first; none if Files is empty
	There    bool            // the likeliest was there
	Unsought bool            // nobody knows which packages have it: see FailedError
}

// String is one line: "missing: libpq-fe.h, which libpq-dev has".
func (f Found) String() string {
	switch {
	case len(f.Files) == 0:
		return f.What
	case f.Unsought:
		return f.What
	case len(f.Packages) == 0:
		return f.What + ", which no package of the distro has"
	case f.There:
		return fmt.Sprintf("%s, though %s is there, which has it in /%s", f.What, f.Packages[0].Package, path.Dir(f.Packages[0].Path))
	}
	text := f.What + ", which " + f.Packages[0].Package + " has"
	var others []string
	for _, h := range f.Packages[1:] {
		others = append(others, h.Package)
	}
	if others != nil {
		text += "; also in " + strings.Join(others, " and ")
	}
	return text
}

// limits are those of a build.
type limits struct {
	memory, most int64 // bytes: what it had, and what any build could have
	time         time.Duration
}

// explain reads what the build printed and finds what it failed for want of. Which
// packages have it is for explained.
func (t *task) explain(f *Failure) {
	f.Note = t.recipe.Note
	e := explain.Failure{Name: t.pkg.Name, Python: t.p.series(), Installed: map[string]string{}}
	bad := (*whl.BadError)(nil)
	switch {
	case errors.As(f.Err, &e.Failed):
	case errors.As(f.Err, &bad) && t.p.compiled(t.pkg) != "": // what is optional may have been left out
	default:
		return
	}
	for _, p := range t.installed {
		e.Installed[p.Name] = p.Version
	}
	e.Log = lastHook(f.Log)
	for _, found := range explain.Read(e) {
		f.Found = append(f.Found, Found{Finding: found})
	}
	f.limits = limits{t.memoryLimit(), t.b.queue.memory, t.limit()}
	f.has = map[string]bool{}
	for _, p := range t.tools.pin.Packages {
		f.has[p.Name] = true
	}
}

// lastHook is the end of a log, as much as belongs to the hook that ran last; empty if
// it cannot be read: then there is nothing to explain.
func lastHook(name string) string {
	file, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > explain.MaxLog {
		if _, err := file.Seek(-explain.MaxLog, io.SeekEnd); err != nil {
			return ""
		}
	}
	data, _ := io.ReadAll(io.LimitReader(file, explain.MaxLog))
	return build.LastHook(string(data))
}

// explained makes the error of some failures, with the packages of the distro that have
// what the builds failed for want of, and with the recipes. It asks once for all of
// them. That this did not work is told, and changes nothing else.
func (b *Builder) explained(ctx context.Context, p *Plan, failures []*Failure) *FailedError {
	e := &FailedError{Name: p.Name, Of: len(p.Packages), Failures: failures}
	var ends []string
	for _, f := range failures {
		for _, found := range f.Found {
			ends = append(ends, found.Files...)
		}
	}
	slices.Sort(ends)
	holders, err := b.holders(ctx, p, slices.Compact(ends))
	e.Unsought = err
	for _, f := range failures {
		for i := range f.Found {
			f.Found[i].settle(holders, err != nil, f)
		}
		f.Recipe = p.req.Recipes.Amend(f.Name, p.Distro, f.amendment())
	}
	return e
}

func (b *Builder) holders(ctx context.Context, p *Plan, ends []string) (holders map[string][]distro.Holder, err error) {
	if len(ends) == 0 {
		return nil, nil
	}
	pins, err := b.Pins.Read()
	if err != nil {
		return nil, err
	}
	base, _ := pins.Base(p.Distro, p.Arch)
	end := b.Report.Step("packages that have what is missing")
	holders, err = b.Distros.FindFiles(ctx, p.distroTarget(), base, ends)
	end(err)
	return holders, err
}

// settle takes the packages that have the first of the files that any has, and what
// goes into the recipe where that is not a package.
func (f *Found) settle(holders map[string][]distro.Holder, unsought bool, of *Failure) {
	for _, end := range f.Files {
		if f.Packages = holders[end]; len(f.Packages) > 0 {
			f.beside(end, of.has)
			return
		}
	}
	f.Unsought = unsought && len(f.Files) > 0
	if f.memory() && of.limits.memory >= of.limits.most {
		f.Advice = "it had all the memory that the engine has for builds: give the engine's machine more"
	}
}

// memory is whether more of it helps: what a build writes counts as such.
func (f *Found) memory() bool {
	return f.Kind == explain.Limit && (f.Name == "memory" || f.Name == "disk")
}

// beside is for a file that is there, in a directory where compilers do not look.
func (f *Found) beside(end string, has map[string]bool) {
	h := f.Packages[0]
	if f.There = has[h.Package]; !f.There {
		return
	}
	dir := strings.TrimSuffix("/"+h.Path, end)
	switch f.Kind {
	case explain.Header:
		f.Env = map[string]string{"CPATH": dir}
	case explain.Library:
		f.Env = map[string]string{"LIBRARY_PATH": dir}
	}
}

// amendment is what the recipe lacks, by what was found.
func (f *Failure) amendment() (a recipes.Amendment) {
	a.Env = map[string]string{}
	for _, found := range f.Found {
		if len(found.Packages) > 0 && !found.There {
			a.Build = append(a.Build, found.Packages[0].Package)
		}
		a.Requires = append(a.Requires, found.Requires...)
		a.Constraints = append(a.Constraints, found.Constraints...)
		maps.Copy(a.Env, found.Env)
		if found.Rust != "" {
			a.Rust = found.Rust
		}
		switch {
		case found.memory() && f.limits.memory < f.limits.most:
			a.Memory = int(min(2*f.limits.memory, f.limits.most) >> 20)
		case found.Kind == explain.Limit && found.Name == "time":
			a.Minutes = min(int(2*f.limits.time/time.Minute)/limitFactor, 24*60)
		}
	}
	return a
}
