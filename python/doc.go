// Package python turns one CPython release into Debian packages.
//
// NewPlan is pure: a request, the recipes and the pins in, a value with a key
// out. Builder.Build runs a plan:
//
//	source    verified by SHA-256, then streamed into a job
//	train     if neither the store nor the recipes have a profile for series,
//	          compiler and workload: an instrumented build without LTO runs the
//	          tests that upstream trains on and workload.py; the counts, with the
//	          frozen modules made on the way, are an artifact of kind
//	          "python-profile", pinned by hash. One that lacks counts for more
//	          than 400 functions of the source is learned again
//	build     a job: configure, compile, shared, install, bytecode, strip
//	package   the staged tree is divided by packages.toml; Depends come from
//	          dpkg-shlibdeps in the builder; nfpm writes the .deb files
//	prove     fresh containers of the base image, with no compiler and no
//	          network, install the packages and run the named checks
//	publish   into the store, by rename
//
// Builder.EnsureSuite runs CPython's own test suite on packages of the store, in
// a clean container like those of prove, and keeps that it passed as an artifact
// of kind "python-suite". What does not pass and is not listed by the recipe
// ([recipes.Suite]) is an error. Builder.Again builds packages a second time in
// other circumstances, see Variations, and compares them bit by bit.
//
// A job is a throwaway container with no network, no capabilities and no new
// privileges, in which an ordinary user runs the steps of job.sh.
//
// # Packages
//
// All have one version, UPSTREAM-RELEASE+DISTRO ("3.13.5-1+deb13"; with ~fast
// before the plus when built without PGO and LTO), and one prefix for each
// series, /opt/python/3.13. Nothing is installed in /usr/bin.
//
//	pybake-python3.13         interpreter, standard library with bytecode
//	pybake-libpython3.13      shared libpython for embedders
//	pybake-python3.13-dev     headers, pkg-config, python3.13-config
//	pybake-python3.13-venv    ensurepip and its bundled wheels
//	pybake-python3.13-tk      tkinter, IDLE, turtle
//	pybake-python3.13-test    the test suite
//	pybake-python3.13-dbgsym  detached symbols, by build id
//
// Those of a variant have the same parts, with names and a prefix of their own:
// debug (configure --with-pydebug; no PGO, no LTO) pybake-python3.13-dbg and
// /opt/python/3.13-dbg, freethreaded (--disable-gil, PEP 703) pybake-python3.13t
// and /opt/python/3.13t. They pass the same checks.
//
// # Checks of files
//
// They read every file of every package, here, and name what they looked at:
//
//	elf              ELF files can be read and are for the architecture
//	hardening        position independent, full RELRO, bound at start, no
//	                 executable stack, no text relocations
//	run-paths        none but $ORIGIN and what is below it
//	needed           only libraries that the recipes of distro and series have
//	                 for the package
//	glibc            no symbol newer than the distro's glibc
//	fortified        no call of a function that _FORTIFY_SOURCE=2 replaces
//	                 whatever its arguments (printf, syslog); the interpreter and
//	                 libpython do call fortified ones
//	stack-protector  every compilation unit was compiled with
//	                 -fstack-protector-strong, by its debug information, or else
//	                 the file calls __stack_chk_fail; the interpreter and
//	                 libpython do
//	symbols          a build id, and the symbols of that build id in -dbgsym; no
//	                 others there
//	builder-paths    no directory of the builder, also in compressed sections
//	modes            of the finished .deb: root's, 0755 or 0644
//
// The checks modules (just those of the recipe, in files or built in), bytecode
// (of the source beside it, by hash and by compiling again) and backtrace (gdb
// finds all symbols and shows the frames of Python) are made where the packages
// are installed.
//
// # The prefix
//
// The prefix belongs to the package manager, so EXTERNALLY-MANAGED (PEP 668)
// is in it on purpose: pip refuses to install there and names the way that
// works, a virtual environment. Bytecode is of the unchecked hash-based kind
// (PEP 552): the package manager, not each import, sees to it that it fits.
package python
