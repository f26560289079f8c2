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
//	build     a job: configure, compile, install, bytecode, strip
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
// # Speed
//
// What was tried to make the interpreter quick, and what it gave. Figures are of
// 3.13.5 on trixie with gcc 14, as ratios to Debian's own package of the same
// release, less is better: processor time by the programs of cmd/bench
// interpreter, within some 3 %, or, where that is too coarse, instructions as
// cachegrind counts them (i).
//
//	training      On the tests that upstream trains on alone: 1.00 over 36
//	              benchmarks, json_loads 1.19, regex_dna 1.15, json_dumps 1.09,
//	              unpickle_list 1.09. What is not hot in the training is compiled
//	              for size, and tests try everything about once. workload.py runs
//	              forty small programs for the same time each. With it, with the
//	              modules linked in and with hot-bb-count-ws-permille=999:
//	              json_loads 0.99, json_dumps 0.99, pickle_dict 0.86, telco 0.93,
//	              unpickle_list 1.02; 0.995 over 46 benchmarks.
//	modules       Linked into the interpreter, as the recipe's builtin says: the
//	              import of ten common modules 0.91, before 0.95. The start with
//	              -c pass is still behind: i 1.033, before 1.050; with -I -S
//	              i 1.063, before 1.080.
//	indirect      -fcf-protection=return in place of full: no landing pad for every
//	branches      opcode. i of nbody 1.086 from 1.120, of richards 1.065 from 1.093;
//	              no difference in time. Linux uses none of them in programs; shadow
//	              stacks stay.
//	-O2           For ceval.c alone, even without its counts, which did not fit any
//	              more: i of nbody 1.018, of richards 1.054, of generators 1.036
//	              from 1.063. It asks for a training with the same option, and that
//	              did not fit either; left out.
//	-fno-plt      In all of these builds but the first, and never measured apart;
//	              left out.
//	position      Debian's interpreter is not position independent, and so jumps by
//	              a table at a fixed address, one instruction where ours has two or
//	              three, and has none of the 22,000 relocations at its start. Ours
//	              stays hardened.
//
// Not tried: BOLT, clang with tail calls, -fprofile-partial-training.
//
// logging of Debian's 3.13.5 is not upstream's, so that its benchmarks compare
// nothing.
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
