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
// cachegrind counts them (i). All of it together: 0.960 over 50 benchmarks, 0.798 of
// docker-library's build over 53.
//
//	training      On the tests that upstream trains on alone: 1.00 over 36
//	              benchmarks, json_loads 1.19, regex_dna 1.15, json_dumps 1.09,
//	              unpickle_list 1.09. What is not hot in the training is compiled
//	              for size, and tests try everything about once. workload.py runs
//	              forty small programs for the same time each. With it, with the
//	              modules linked in and with hot-bb-count-ws-permille=999:
//	              json_loads 0.99, json_dumps 0.99, pickle_dict 0.86, telco 0.93,
//	              unpickle_list 1.02.
//	modules       Linked into the interpreter, as the recipe's builtin says: the
//	              import of ten common modules 0.91, before 0.95.
//	-fno-gcse     For ceval and sre. What GCC found in common among all opcodes was in
//	              registers, and what each of them needs (the next instruction, the
//	              frame) was not: 2,124 accesses to the stack in the eval loop, now
//	              851. 0.958 over 50 benchmarks from 0.977, nbody 1.04 from 1.14; i of
//	              regexes 0.905 of what they were.
//	one code      For program and libpython, position independent. It costs 1.6 % by
//	for both      itself, nearly all of it for variables of a thread, each look at
//	              which was a call; with -ftls-model=initial-exec it costs nothing
//	              that can be told (0.953 and 0.952 over 19 benchmarks, i 1.006). The
//	              build takes 52 s less.
//	indirect      -fcf-protection=return in place of full: no landing pad for every
//	branches      opcode. i of nbody 1.086 from 1.120, of richards 1.065 from 1.093;
//	              no difference in time. Linux uses none of them in programs; shadow
//	              stacks stay.
//
// What gave nothing, and was left out; figures are ratios to the build without:
//
//	-O2           In place of -O3 for everything, with a training of its own: i 1.08,
//	              of a start 1.09.
//	no LTO        For everything: i 1.05, of a start 1.09. For ceval alone: 1.02 over
//	              six small programs, one that does nothing but call functions 1.16.
//	partitions    One or six of LTO's in place of 97: within the noise, and one takes
//	              104 s to link, not 52.
//	ceval         With -fno-crossjumping, -fno-tree-pre or a greater
//	              max-goto-duplication-insns: i 0.998 to 1.000. Without the loop
//	              optimisations of -O3: i 1.004.
//	-fno-plt      i 0.999.
//	RELR          Packed relocations: no fewer instructions at the start.
//
// What is left to Debian's, which is not position independent: it jumps by a table
// at a fixed address, has none of the 22,000 relocations at its start and looks its
// 480 functions of libraries up when they are called (i 0.027 of a start with -I -S),
// and it is compiled with -fstack-protector, not -strong (i 0.988 of ours; of a start
// 0.983). Ours stays hardened.
//
// Not tried: BOLT, for which the distro's package brings 2 GB, and of whose version
// 19 CPython's configure says that it has to leave the eval loop alone; clang with
// tail calls.
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
