// Package build builds one wheel from one source in one throwaway container, with
// the hooks of PEP 517, and brings it out. The container has no network, no
// capabilities, an ordinary user, and limits on memory, processes and time.
//
// # The container
//
// The paths are the same for every build, so that what a build writes down of them
// is the same too:
//
//	/build/src     the source; the build's own copy
//	/build/env     the environment: build requirements, unpacked as pip would install
//	               them into a virtual environment; nobody but root may change it
//	/build/out     where the backend puts the wheel
//	/build/home    HOME, empty
//	/build/state   what a hook tells build.py
//	/build/job.json, /build/build.py   what to do, and the program that does it
//
// /build itself is root's, so that nothing in it can be put in the place of
// something else. The image brings the interpreter, PREFIX/bin/pythonSERIES, and
// the compilers; one of Prepare brings /build/env too.
//
// # Hooks
//
// build.py runs a hook in a process of its own with the environment below, umask
// 022, standard input /dev/null, and the project's directory in the source as working
// directory, which is not on sys.path (PEP 517). A backend-path is, and the backend must then come from it.
// One value of a config setting is passed as a string, several as a list. A backend
// without get_requires_for_build_wheel asks for nothing. When a hook ends, what it
// left running is killed.
//
//	PATH                         /build/env/bin:PREFIX/bin:/usr/bin:/bin
//	HOME, TMPDIR                 /build/home, /tmp
//	LANG, LC_ALL, TZ             C.UTF-8, C.UTF-8, UTC
//	SOURCE_DATE_EPOCH            Job.Epoch; 1980, where zip begins, if that is earlier
//	PYTHONHASHSEED               0
//	PYTHONNOUSERSITE             1
//	PYTHONDONTWRITEBYTECODE      1: no bytecode gets into the source and from there
//	                             into a wheel. Two hooks of setuptools take a second of
//	                             a processor more than with bytecode, about as much as
//	                             to compile all of it: Prepare does that once for many
//	MAKEFLAGS                    -jN; N is Job.Jobs
//	MAX_JOBS, CMAKE_BUILD_PARALLEL_LEVEL, CARGO_BUILD_JOBS, NPY_NUM_BUILD_JOBS   N
//	CFLAGS, CXXFLAGS, FFLAGS     -fno-strict-overflow -DNDEBUG -O3
//	                             what CPython's configure gives to extensions: recent
//	                             setuptools takes CFLAGS in its place, and autoconf
//	                             optimises nothing without
//	                             -g0             no debug information
//	                             -fstack-protector-strong -fstack-clash-protection
//	                             -ffile-prefix-map=/build/src=. and =/build/env=env
//	LDFLAGS                      -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=sha1
//	                             -Wl,-S          debug information of who sets -g himself
//
// Job.Env goes over these. The flags come after those of the interpreter's
// sysconfig, or replace them, and before those of the package, so a package that
// insists wins.
//
// # Network
//
// There is a loopback interface alone. build.py is the name server of the container.
// It knows no name, and writes down which it is asked for: "pybake: the build asks for
// files.example.org". These and the hosts that common programs name in their errors
// are FailedError.Reached. A program that connects to an address says so itself, or
// nobody does.
//
// # Errors
//
// What a build is to blame for is a *FailedError; a cancelled context, a stopped
// engine (engine.IsGone), a full disk (engine.IsDiskFull) and a broken wheel among
// the build requirements are other errors.
package build
