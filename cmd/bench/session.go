package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pybake/pybake/internal/project"
)

// options are the flags.
type options struct {
	rounds                               int
	json, keep                           bool
	pybake, store                        string
	docker, buildkit, uv, python, source string
}

// flagSet has the flags that every comparison has.
func (o *options) flagSet(name string, rounds int) *flag.FlagSet {
	flags := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", rounds, "how often everything is measured")
	flags.BoolVar(&o.json, "json", false, "print all figures as JSON")
	flags.BoolVar(&o.keep, "keep", false, "leave what the run made: its images and directories")
	flags.StringVar(&o.pybake, "pybake", "", "the pybake `program` (default: built from this module)")
	flags.StringVar(&o.store, "store", cmp.Or(os.Getenv("PYBAKE_STORE"), "baked"), "a store with the Python, and its pybake.lock; only read")
	flags.StringVar(&o.python, "python", "python3", "a Python with pip, configured for the index")
	return flags
}

// dockerFlags adds the flags of what makes images of peers.
func (o *options) dockerFlags(flags *flag.FlagSet) {
	flags.StringVar(&o.docker, "docker", "docker", "the docker `program`")
	flags.StringVar(&o.buildkit, "buildkit", "/usr/bin/docker", "a docker `program` that builds with BuildKit")
}

// parse reads the command line.
func (o *options) parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.rounds < 1 || flags.NArg() > 0 {
		return fmt.Errorf("usage: %s [flags]: %d rounds, %d arguments too many", flags.Name(), o.rounds, flags.NArg())
	}
	return nil
}

// print prints the rows as the flags say.
func (o *options) print(rows []*row) error {
	if o.json {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return printTable(os.Stdout, rows)
}

// session is one run of the program.
type session struct {
	options
	started time.Time
	dir     string // of this run, beside the store
}

func newSession() session { return session{started: time.Now()} }

// open makes the directory of the run, and the program. With an error, too, the
// directory may be there.
func (s *session) open(ctx context.Context) (err error) {
	if s.store, err = filepath.Abs(s.store); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(filepath.Dir(s.store), "pybake-bench-"); err != nil {
		return err
	}
	return s.findPybake(ctx)
}

// findPybake makes the program if none was named.
func (s *session) findPybake(ctx context.Context) (err error) {
	if s.pybake == "" {
		s.pybake = filepath.Join(s.dir, "pybake")
		_, _, err = command{args: []string{"go", "build", "-buildvcs=false", "-o", s.pybake, "github.com/pybake/pybake/cmd/pybake"}}.run(ctx)
		return err
	}
	s.pybake, err = filepath.Abs(s.pybake)
	return err
}

// hasPython is an error if the store lacks a Python.
func (s *session) hasPython(version, distro string) error {
	if _, err := os.Stat(filepath.Join(s.store, "python", version+"-"+distro+"-"+arch)); err != nil {
		return fmt.Errorf("store %s: %w; pybake python %s --distro %s --store %[1]s makes it", s.store, err, version, distro)
	}
	return nil
}

// pinFile is the pybake.lock of the store: in it, or beside it where the project is.
func (s *session) pinFile() string {
	name := filepath.Join(s.store, project.LockFile)
	if _, err := os.Stat(name); err == nil {
		return name
	}
	return filepath.Join(filepath.Dir(s.store), project.LockFile)
}

// Directories of the run: the project, copies of the store, the caches.
func (s *session) project() string  { return filepath.Join(s.dir, "project") }
func (s *session) ownStore() string { return filepath.Join(s.dir, "store") }
func (s *session) cache() string    { return filepath.Join(s.dir, "cache") }

// copyStore makes a copy of a store in links: artifacts are never written twice.
func (s *session) copyStore(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	_, _, err := command{args: []string{"cp", "-al", from, to}}.run(ctx)
	return err
}

// removeKinds removes the artifacts of some kinds from a copy of a store.
func removeKinds(store string, kinds ...string) (err error) {
	for _, kind := range kinds {
		err = errors.Join(err, os.RemoveAll(filepath.Join(store, kind)), os.RemoveAll(filepath.Join(store, "artifacts", kind)))
	}
	return err
}

// downloads is the directory of pybake's downloads.
func downloads() (string, error) {
	dir := os.Getenv("PYBAKE_CACHE")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, "pybake")
	}
	return filepath.Join(dir, "downloads"), nil
}

// makeCache makes a cache directory: the downloads of the machine, and nothing
// else, no trees above all.
func makeCache(to string) error {
	dir, err := downloads()
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(to, 0o755)); err != nil {
		return err
	}
	return os.Symlink(dir, filepath.Join(to, "downloads"))
}

func (s *session) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "[%5s] %s\n", time.Since(s.started).Round(time.Second), fmt.Sprintf(format, args...))
}
