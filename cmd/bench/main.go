// Bench holds pybake beside its peers: both in one run, one after the other in
// every round, so that what else the machine does befalls both. It prints
// medians and their ratios; it is no test, and no figure fails it.
//
//	go run ./cmd/bench image|interpreter|python|refresh|wheels [--rounds 3] [--json]
//	go run ./cmd/bench reproducible [--version 3.13.5] [--distro trixie] [--fast]
//
// # Image
//
// The application is jupyter_server, from its sdist, with a lock of its 57
// dependencies, native ones among them, on CPython 3.13.5 and Debian trixie. The
// peer is the recipe of docker-library for the slim image of the same release,
// from the same tarball, on the same base image, and pip install --no-cache-dir
// of the same lock. It is compiled once, which takes half an hour, and kept in
// the engine under a name with the hash of the recipe.
//
//	size          what the engine counts above the base of each. pip compiles to
//	              bytecode as we do; docker-library removes that of the standard
//	              library, so that the peer has less of it
//	import        python -c "import …" in a fresh container, with a read-only root, as
//	              an ordinary user: the process, timed by the shell in the container,
//	              and the whole docker run; of the application, and of a server alone
//	install       from a house to the first import of what is in it. pip and uv work in
//	              one container of our Python with the house mounted: a venv, install
//	              from the house with hashes and no index, import. uv is given no cache.
//	              Ours is pybake image, which makes a layer and brings it to the engine,
//	              and then docker run: with trees (what the installer keeps of each
//	              wheel) and without, less the checks that neither peer has; then all
//	              of it
//	edit          a line more in one module of the application, to the tagged image:
//	              pybake image, which builds the wheel, makes the layer, loads and checks,
//	              beside docker build whose only step above cached ones is COPY of the
//	              source, by the engine's classic builder and by BuildKit
//	nothing new   pybake image once more, beside its target
//	base          the base layer beside what is published of debian:SUITE-slim
//
// # Interpreter
//
// Three builds of CPython 3.13.5 on Debian trixie (or 3.11.2 on bookworm, 3.9.2 on bullseye), in
// one container that is pinned to a core: ours, the distro's own package of the same release, and
// the recipe of docker-library from the same tarball, which is compiled once and kept, as for
// image, and whose bytecode is made beforehand. They take turns in every benchmark.
//
//	benchmarks    those of pyperformance that testdata/interpreter/benchmarks.txt names, of a
//	              pinned wheel, run by measure.py beside it in place of pyperf
//	start         20 processes, with -c pass, with -I -S -c pass, and with the import of ten
//	              modules
//
// All figures are processor time, user and system, for a machine that has something else to do
// as well. Where the distro has another source than upstream, the ratio says so and counts for
// nothing. The table has the least of all values, and the median in parentheses; the targets are
// for the ratios of the least.
//
// # Python
//
// pybake python 3.13.5 for Debian trixie, beside configure and make of docker-library's recipe
// on the same base image, with all cores each; both begin with the tarball on disk and the
// images of their compilers. The store has nothing but the profile, neither configured files nor
// a Python. What is compared:
//
//	stored profile  until the packages are there, which the peer does not make
//	bundle          the same again, with the configured files and frozen modules that the
//	                first build stored
//	training first  as stored profile, with --retrain
//	proved          the whole of the first, with all checks
//
// # Refresh
//
// Stores are made up with the packages that would build what is in them, but without
// building: pybake finds all of it fresh. Whoever calls an engine, an index or a proxy
// where there is nothing to do, calls an address of ours, and the run fails.
//
//	night         pybake refresh --frozen where nothing changed: 5 Pythons, a lock of 100
//	              wheels for each; the whole process, with the report that it writes
//	plan          pybake refresh --dry-run --frozen of 1,000 houses and their Pythons
//	publish       pybake publish of 1,000 wheels in ten houses, one changed in each, with
//	              as many generations as are kept; and pybake rollback after it
//	bump          another version of one of 100 pure wheels in a lock: pybake refresh
//	              --frozen makes the house, proves it in a container and publishes it. The
//	              peer is pip wheel of that lock, from the same index on loopback, without
//	              a cache and with the one of its last run. pybake keeps its own
//
// # Wheels
//
// Two locks of sdists, built for CPython 3.11.2 on Debian bookworm: P, 40 pure ones of seven
// backends (setuptools with and without pyproject.toml, setuptools-scm, flit, hatchling,
// poetry, pdm and uv), and C, twelve C extensions. The peers work in one container of the
// base image with our Python and the compilers that pybake uses, without a network; the
// sdists and the wheels that build them are in a directory that they are given. pybake has
// the same files among its downloads, and an index on loopback. Nobody has a cache of the run
// before, pybake's store has the Python alone, and its project the pins. Each has all cores.
// Everybody has to have made the same projects and versions. The peers:
//
//	pip wheel                of all sdists, one process, as it is
//	uv pip install           of all sdists, as parallel as it likes; into a venv, for it has
//	                         no pip wheel
//	uv build                 one process for each sdist, as many at once as there are cores;
//	                         the target is for the better one of uv's medians
//	fromager build-parallel  as many at once as there are cores; its build requirements are
//	                         in its own repository, and it isolates no network
//
// A peer is timed by the shell in its container, without the start of that; pybake as a
// process, with all its containers. What is compared:
//
//	wheels           until pybake has built and checked the last wheel, by its manifest.
//	                 Peers check nothing
//	proved           the whole pybake wheels: the house, installed with pip and imported in a
//	                 clean container, which no peer does
//	nothing pinned   until the last wheel, where pybake.lock has no build requirements, and
//	                 pybake asks the index; peers always resolve
//	-g               the sysconfig of our Python has no -g, which halves what the compiler
//	                 does for peers as well. Beside pip and the better one of uv are these
//	                 with the -g that CPython has in its sysconfig, as other Pythons have
//	debug symbols    with --debug-symbols, if pybake knows it, beside pip with -g
//	nothing changed  pybake wheels once more, beside its target. Whoever is called as an
//	                 engine, an index or a proxy is a trap
//	one line bumped  another version of one project in P, which is pinned: the whole pybake
//	                 wheels, beside pip wheel of P, which is as long with that version, and pip
//	                 wheel of the new lock with the cache of the run before
//
// # Reproducible
//
// It has no peer: a Python is built with what the store has of it, and then once more for
// each thing that pybake python --verify-reproducible varies, apart, and with all of them
// at once. The table says which packages differ, and where. That is eleven builds; two of
// them, all and jobs, with one job.
//
// # What it needs
//
// Reproducible needs an engine, and a store with its pybake.lock. Refresh needs an engine,
// the store and python3 with pip for bump, else nothing. Image, interpreter, python and
// wheels need an engine on this machine and docker, one that knows BuildKit (--buildkit, Debian's docker.io), python3
// with pip, an index as pip is configured here, and a store with the baked Python (--store,
// which is only read; PYBAKE_CACHE as for pybake), image also uv. All that they write is in
// a directory beside the store, and in images, a container and a volume named
// pybake-bench-…; the directory and those of ours go in the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	comparisons := map[string]func(context.Context, []string) error{
		"image": runImage, "interpreter": runInterpreter, "python": runPython, "refresh": runRefresh,
		"reproducible": runReproducible, "wheels": runWheels,
	}
	if len(args) == 0 || comparisons[args[0]] == nil {
		return errors.New("usage: bench image|interpreter|python|refresh|reproducible|wheels [flags]; bench image --help")
	}
	return comparisons[args[0]](ctx, args[1:])
}
