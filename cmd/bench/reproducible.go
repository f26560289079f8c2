package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/python"
)

// runReproducible builds a Python, and then once more for each variation apart and for
// all at once.
func runReproducible(ctx context.Context, args []string) (err error) {
	s := newSession()
	flags := s.flagSet("reproducible", 1)
	version := flags.String("version", "3.13.5", "the release of CPython")
	distro := flags.String("distro", "trixie", "the codename of the distro")
	fast := flags.Bool("fast", false, "without PGO and LTO")
	if err := s.parse(flags, args); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.openReproducible(ctx); err != nil {
		return err
	}
	build := []string{s.pybake, "-C", s.project(), "--store", s.ownStore(), "python", *version, "--distro", *distro}
	if *fast {
		build = append(build, "--fast")
	}
	s.say("build %s for %s", *version, *distro)
	_, took, err := command{args: build}.run(ctx)
	if err != nil {
		return err
	}
	rows := []varied{{vary: "first build", took: took}}
	for _, vary := range append([]string{"all"}, python.Variations...) {
		s.say("build it with another %s", vary)
		r := varied{vary: vary}
		_, r.took, err = command{args: append(build, "--verify-reproducible="+vary)}.run(ctx)
		if err != nil {
			if r.differs = difference(err); r.differs == "" {
				return err
			}
		}
		rows = append(rows, r)
	}
	return printVaried(os.Stdout, rows)
}

// openReproducible makes a project with the pins of the store, and a copy of it.
func (s *session) openReproducible(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(s.project(), 0o755); err != nil {
		return err
	}
	pins, err := os.ReadFile(s.pinFile())
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(s.project(), project.LockFile), pins, 0o644),
		os.WriteFile(filepath.Join(s.project(), project.File), nil, 0o644),
		s.copyStore(ctx, s.store, s.ownStore()),
	)
}

// close removes the directory of the run.
func (s *session) close() error {
	if s.keep {
		s.say("left in %s", s.dir)
		return nil
	}
	return os.RemoveAll(s.dir)
}

// varied is one variation and what came of it.
type varied struct {
	vary    string
	took    float64 // s
	differs string  // "" if nothing does
}

// difference is what pybake said of the first file that differs; of any other failure it
// is empty.
func difference(err error) string {
	for line := range strings.Lines(err.Error()) {
		if _, said, ok := strings.Cut(strings.TrimSpace(line), ": not reproducible: "); ok {
			return said
		}
	}
	return ""
}

// printVaried prints the matrix. That something differs is an error.
func printVaried(w io.Writer, rows []varied) error {
	var table bytes.Buffer
	tw := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ANOTHER\tTIME\tPACKAGES")
	bad := 0
	for i, r := range rows {
		result := "the same, bit by bit"
		if i == 0 {
			result = ""
		}
		if r.differs != "" {
			bad++
			result = "differ: " + r.differs
		}
		fmt.Fprintf(tw, "%s\t%.0f s\t%s\n", r.vary, r.took, result)
	}
	tw.Flush() // to memory
	if err := printTrimmed(w, table.String()); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d builds differ from the first", bad, len(rows)-1)
	}
	return nil
}
