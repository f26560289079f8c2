// Package build builds wheels from sources, each with the hooks of PEP 517 in a
// container, and brings them out. The container has no network, and limits on memory,
// processes and time; what builds is an ordinary user without capabilities.
//
// # The container
//
// The paths are the same for every build, so that what a build writes down of them
// is the same too:
//
//	/build/src     the source; the build's own copy
//	/build/out     where the backend puts the wheel
//	/build/home    HOME, empty
//	/build/debug   what is taken out of a wheel, see Symbols
//	/build-env/ID  the environment: build requirements, unpacked as pip would install
//	               them into a virtual environment, with bytecode. ID is made of the
//	               interpreter and the hashes of the wheels. Nobody can change it
//
// The image brings the interpreter, PREFIX/bin/pythonSERIES, and the compilers; one of
// Prepare brings an environment too. Else environments are on a volume, see
// Environments. The file system is read-only, but for /build, /tmp, /var/tmp,
// /dev/shm and /run/lock, each a tmpfs: what is written counts as memory, and each may
// take a share of it, in bytes and in files.
//
// # One after the other
//
// A start of a container takes as long as a small build, so one is used for many
// sources: a worker. serve.py in it is a process of root, with the capabilities SETUID
// and SETGID alone, to start builds as their user; the others of root wait for the end.
// It is spoken to over its standard input and output. After a build it kills all
// processes of that user, removes what they wrote, and looks whether anything is left:
// processes, files, modes or attributes of the directories above, System V objects,
// message queues, mounts. A worker in which anything is, or of which a build failed, was
// cut off or ran out of something, is removed and another one started. So no build sees
// anything of another one: neither files nor processes nor sockets, for the network's
// loopback goes with the processes.
//
// # Hooks
//
// hook.py runs hooks with the environment below, umask 022, standard input /dev/null,
// and the project's directory in the source as working directory, which is not on
// sys.path (PEP 517). A backend-path is, and the backend must then come from it. One
// value of a config setting is passed as a string, several as a list. A backend without
// get_requires_for_build_wheel asks for nothing. Each hook has a process of its own; in
// Build, where one follows the other, the first is a fork of the second after the import
// of the backend. When a step ends, what it left running is killed.
//
//	PATH                         /build-env/ID/bin:PREFIX/bin:/usr/bin:/bin
//	HOME, TMPDIR                 /build/home, /tmp
//	LANG, LC_ALL, TZ             C.UTF-8, C.UTF-8, UTC
//	SOURCE_DATE_EPOCH            Job.Epoch; 1980, where zip begins, if that is earlier
//	PYTHONHASHSEED               0
//	PYTHONNOUSERSITE             1
//	PYTHONDONTWRITEBYTECODE      1: no bytecode gets into the source and from there
//	                             into a wheel
//	MAKEFLAGS                    -jN; N is Job.Jobs
//	MAX_JOBS, CMAKE_BUILD_PARALLEL_LEVEL, CARGO_BUILD_JOBS, NPY_NUM_BUILD_JOBS   N
//	CFLAGS, CXXFLAGS, FFLAGS     -fno-strict-overflow -DNDEBUG -O3
//	                             what CPython's configure gives to extensions: recent
//	                             setuptools takes CFLAGS in its place, and autoconf
//	                             optimises nothing without
//	                             -g0             no debug information; -g with Job.Symbols
//	                             -fstack-protector-strong -fstack-clash-protection
//	                             -ffile-prefix-map=/build/src=. and =/build-env/ID=env
//	LDFLAGS                      -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--build-id=sha1
//	                             -Wl,-S          debug information of who sets -g himself;
//	                                             not with Job.Symbols
//
// Job.Env goes over these. The flags come after those of the interpreter's
// sysconfig, or replace them, and before those of the package, so a package that
// insists wins.
//
// # Symbols
//
// With Job.Symbols, symbols.py runs after build_wheel, when nothing of the build runs any
// more, and as its user. It moves the debug information of shared objects and programs of
// the wheel to /build/debug, in files by build id, with objcopy and strip of the image.
// These are brought out beside the wheel, into SymbolsDir: nothing but ELF files that are
// called by the build id that they have.
//
// # Network
//
// There is a loopback interface alone. serve.py, with names.py before it, is the name
// server of the container. It knows localhost alone, and writes down which other names
// it is asked for: "pybake: the build asks for files.example.org". These and the hosts
// that common programs name in their errors are FailedError.Reached. A program that
// connects to an address says so itself, or nobody does.
//
// # Errors
//
// What a build is to blame for is a *FailedError; a cancelled context, a stopped
// engine (engine.IsGone), a full disk (engine.IsDiskFull) and a broken wheel among
// the build requirements are other errors.
package build
