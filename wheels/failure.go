package wheels

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pybake/pybake/artifacts"
	"github.com/pybake/pybake/internal/pep"
	"github.com/pybake/pybake/wheels/build"
)

// Failure is a package that there is no wheel of.
type Failure struct {
	Name, Version string
	Step          string   // "fetch", "requirements", "build", "check"
	Err           error    // what happened
	Tail          []string // the last lines of the build
	Log           string   // path of all of them; or empty

	Found  []Found // what it failed for want of, if anybody can tell
	Recipe string  // what to put into RecipeFile, to have that; or empty
	Note   string  // the recipe's own word on failures; or empty

	limits limits
	has    map[string]bool // packages of the distro that it was built with
}

// RecipeFile is where a project mends it: "recipes/wheels/psycopg2.toml".
func (f *Failure) RecipeFile() string {
	return "recipes/wheels/" + pep.NormalizeName(f.Name) + ".toml"
}

func (f *Failure) Error() string {
	var b strings.Builder
	text := f.Err.Error()
	if failed, ok := errors.AsType[*build.FailedError](f.Err); ok { // it names package and hook itself
		text = strings.TrimPrefix(text, failed.Package+": "+failed.Step+": ")
	}
	fmt.Fprintf(&b, "%s: %s: %s", strings.TrimSpace(f.Name+" "+f.Version), f.Step, text)
	for _, line := range f.Tail {
		fmt.Fprintf(&b, "\n  | %s", line)
	}
	if f.Log != "" {
		fmt.Fprintf(&b, "\n  log: %s", f.Log)
	}
	for _, found := range f.Found {
		fmt.Fprintf(&b, "\n  %s", found)
		if found.Advice != "" {
			fmt.Fprintf(&b, "\n    %s", found.Advice)
		}
	}
	if f.Note != "" {
		fmt.Fprintf(&b, "\n  note: %s", f.Note)
	}
	if f.Recipe != "" {
		fmt.Fprintf(&b, "\n  fix: in %s:\n      %s", f.RecipeFile(), strings.ReplaceAll(strings.TrimSpace(f.Recipe), "\n", "\n      "))
	}
	return b.String()
}

func (f *Failure) Unwrap() error { return f.Err }

// FailedError says of which packages there is no wheel. The others are done.
type FailedError struct {
	Name     string // of the house
	Of       int    // packages in all
	Failures []*Failure
}

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d of %s failed", e.Name, len(e.Failures), count(e.Of, "package"))
	if e.Of > 1 {
		b.WriteString("; what the others gave is kept for the next run")
	}
	for _, f := range e.Failures {
		b.WriteString("\n" + strings.ReplaceAll(f.Error(), "\n", "\n  "))
	}
	return b.String()
}

func (e *FailedError) Unwrap() []error {
	var all []error
	for _, f := range e.Failures {
		all = append(all, f)
	}
	return all
}

// CheckError says which checks a house did not pass.
type CheckError struct {
	Name   string // of the house
	Failed []artifacts.Check
	Log    string
}

func (e *CheckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: not accepted, %d checks failed:", e.Name, len(e.Failed))
	for _, c := range e.Failed {
		fmt.Fprintf(&b, "\n  %s: %s", c.Name, strings.ReplaceAll(c.Detail, "\n", "\n    "))
	}
	if e.Log != "" {
		fmt.Fprintf(&b, "\nlog: %s", e.Log)
	}
	return b.String()
}

// Imports is whether modules did not import.
func (e *CheckError) Imports() bool {
	return slices.ContainsFunc(e.Failed, func(c artifacts.Check) bool { return strings.Contains(c.Name, "modules import") })
}

// MoreRequiredError says that a build backend asks for what was not pinned.
type MoreRequiredError struct {
	Name, Version string
	Asked         []string // and not pinned
	Pinned        []string
}

func (e *MoreRequiredError) Error() string {
	return fmt.Sprintf("its backend asks for %s, which is not pinned (pinned: %s)",
		strings.Join(e.Asked, ", "), orNothing(e.Pinned))
}

// UnpinnedError says that the build requirements of a source are not pinned, and
// may not be resolved.
type UnpinnedError struct {
	Name, Version string
	Changed       bool // there is a pin, but for other requirements
}

func (e *UnpinnedError) Error() string {
	if e.Changed {
		return "its build requirements are other ones than those pinned"
	}
	return "its build requirements are not pinned"
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

// failure makes the failure of a package from an error.
func failure(pkg *Package, step, log string, err error) *Failure {
	f := &Failure{Name: pkg.Name, Version: pkg.Version, Step: step, Err: err, Log: log}
	if failed, ok := errors.AsType[*build.FailedError](err); ok {
		f.Step, f.Tail = failed.Step, failed.Tail
	}
	return f
}
