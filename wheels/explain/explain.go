package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/wheels/build"
)

// Kind is what sort of thing a build failed for want of.
type Kind string

const (
	Header      Kind = "header"      // of C or C++
	Library     Kind = "library"     // to link with
	Module      Kind = "module"      // of pkg-config or CMake
	Program     Kind = "program"     // to run
	Requirement Kind = "requirement" // a build requirement that is not stated, or not fit
	Compiler    Kind = "compiler"    // another one, or another library of the distro
	Python      Kind = "python"      // an older one: what is built knows nothing of this
	Limit       Kind = "limit"       // more memory, time or room
	Network     Kind = "network"     // there is none
)

// Finding is one thing that a build failed for want of.
type Finding struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"` // "libpq-fe.h", "-lpq", "cairo.pc", "pg_config", "numpy", "rustc 1.88", "memory", "disk"
	What string `json:"what"` // as one reads it: "missing: libpq-fe.h"

	// Files are ends of paths: a package with the first that there is, is wanted.
	// {"/cairo.pc"}; {"/libpq.so", "/libpq.a"}.
	Files       []string          `json:"files,omitempty"`
	Requires    []string          `json:"requires,omitempty"`    // of a recipe: "numpy"
	Constraints []string          `json:"constraints,omitempty"` // of a recipe: "setuptools<81"
	Env         map[string]string `json:"env,omitempty"`         // of a recipe
	Rust        string            `json:"rust,omitempty"`        // of a recipe: "1.88"
	Advice      string            `json:"advice,omitempty"`      // where no recipe helps: "take a newer psycopg2"
}

// Failure is a build that failed.
type Failure struct {
	Name      string             // of the package, normalised: "psycopg2"
	Python    string             // series: "3.13"
	Failed    *build.FailedError // nil: the build went well, but what it made is refused
	Log       string             // what the hook printed, or the end of it
	Installed map[string]string  // build requirements that were there: "setuptools" → "82.0.0"
}

// MaxLog is how much of the end of a log is worth reading, in bytes.
const MaxLog = 1 << 20

// most is how many findings a person would act upon.
const most = 4

// Read finds out what a build failed for want of, what it met last first.
func Read(f Failure) []Finding {
	r := reader{Failure: f}
	log := f.Log[max(0, len(f.Log)-MaxLog):]
	r.lines = strings.Split(escapes.ReplaceAllString(log, ""), "\n")
	if f.Failed != nil {
		r.lines = append(r.lines, f.Failed.Cause)
	}
	var found []Finding
	for r.at = range r.lines {
		r.found = nil
		r.line()
		found = append(r.found, found...)
	}
	return r.relevant(slices.Concat(r.limit(), found, r.network()))
}

var escapes = pattern.New("\x1b\\[[0-9;?]*[ -/]*[@-~]|\r")

// reader is at a line of a log.
type reader struct {
	Failure
	lines []string
	at    int
	found []Finding
}

// sign is what some program prints.
type sign struct {
	has  string // a part of the line, which is faster to look for than re
	re   *pattern.Regexp
	make func(r *reader, m []string)
}

var signs = slices.Concat(fileSigns, moduleSigns, programSigns, requirementSigns, compilerSigns)

// line adds what the line says.
func (r *reader) line() {
	text := r.lines[r.at]
	for _, s := range signs {
		if !strings.Contains(text, s.has) {
			continue
		}
		if m := s.re.FindStringSubmatch(text); m != nil {
			s.make(r, m)
		}
	}
	r.outdated(text)
}

// before is whether one of the last lines, or this one, has a text.
func (r *reader) before(lines int, text string) bool {
	for _, line := range r.lines[max(0, r.at-lines) : r.at+1] {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

func (r *reader) add(f Finding) {
	if f.What == "" {
		f.What = "missing: " + f.Name
	}
	r.found = append(r.found, f)
}

// limit is what the end of the build itself tells.
func (r *reader) limit() []Finding {
	switch e := r.Failed; {
	case e != nil && e.Kind == build.OutOfMemory:
		return []Finding{outOfMemory}
	case e != nil && e.Kind == build.DiskFull:
		return []Finding{outOfRoom}
	case e != nil && e.Kind == build.TimedOut:
		return []Finding{{Kind: Limit, Name: "time", What: "limit: it takes more time than it gets"}}
	}
	return nil
}

// network is what the build looked for there.
func (r *reader) network() []Finding {
	if r.Failed == nil || len(r.Failed.Reached) == 0 {
		return nil
	}
	return []Finding{{
		Kind: Network, Name: r.Failed.Reached[0], What: "network: it wants something from " + strings.Join(r.Failed.Reached, ", "),
		Advice: fmt.Sprintf("where %s can use what the distro has instead, say so by env or config-settings of its recipe, and name the packages in build", r.Name),
	}}
}

// relevant drops what is said twice and what explains nothing more.
func (r *reader) relevant(all []Finding) (out []Finding) {
	raised := r.Failed != nil && strings.Contains(r.Failed.Cause, "No module named")
	for _, f := range all {
		i := slices.IndexFunc(out, func(o Finding) bool { return o.Kind == f.Kind && subject(o) == subject(f) })
		switch {
		case i >= 0 && newer(strings.TrimPrefix(f.Name, "rustc "), strings.TrimPrefix(out[i].Name, "rustc ")):
			out[i] = f // of several minimums the highest counts
		case i >= 0, len(out) == most:
		case f.Kind == Requirement && raised && len(out) > 0 && out[0].Kind == Requirement:
			// Of an exception that was caught on the way to the last one.
		case f.Kind == Network && len(out) > 0:
			// It wanted to download what it did not find.
		default:
			out = append(out, f)
		}
	}
	return out
}

// subject is what a finding is about, whatever its version.
func subject(f Finding) string {
	switch {
	case f.Kind == Python:
		return "python"
	case strings.HasPrefix(f.Name, "rustc "):
		return "rustc"
	}
	return f.Name
}
