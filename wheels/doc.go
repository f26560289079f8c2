// Package wheels turns a lock file into a wheelhouse for one baked Python on one
// distro.
//
// NewPlan is pure: a lock, a target and what the user asked for in; the packages,
// each with the files that it may come from, out. Builder.Ensure makes the house:
//
//	choose    one file for each package: a wheel of the lock that fits, else the sdist;
//	          where the lock has hashes only, the index says which file has one of them
//	fetch     by hash, from where the lock says or an index has it
//	pin       for an sdist: what builds it, resolved once to wheels with hashes, with
//	          what its backend asks for at run time; into pybake.lock
//	build     a container with no network and nothing of another build; the result is
//	          an artifact of kind "wheel" under its own key, shared between locks
//	check     every wheel: name, structure, RECORD, tags true to content
//	apt       which packages of the distro the shared libraries need
//	prove     the house installed and imported in a clean container, or what differs
//	          from the last one in the container of that
//	publish   into the store, by rename
//
// Packages go through the first five steps on their own, as soon as there is a
// processor for them; a failure ends none but its own package, and all failures
// are told together, with what package explain finds in their logs, the packages of
// the distro that have it, and the recipe that mends it. What was built stays in the
// store for the next run.
//
// # The house
//
// An artifact of kind "wheels", named "wheels LOCK PYTHON DISTRO ARCH":
//
//	*.whl             the wheels, flat
//	requirements.txt  every wheel pinned with its SHA-256; what was built names the
//	                  source that it was built from
//	pylock.toml       the same by PEP 751, with paths; [packages.tool.pybake] names the source
//	apt.txt           NAME=VERSION, a line for each package of the distro that has to be
//	                  there beside the Python's own packages; for apt-get install
//	wheels.json       what each wheel is and came from: a list of Wheel; the apt of one
//	                  that embeds Python has pybake-libpython3.13, which apt.txt does not
//	debug/.build-id/ab/cdef….debug
//	                  with Request.Symbols, the debug information of what was compiled,
//	                  by build id; they are in the artifacts of the wheels, too
//
// # The app
//
// NewAppPlan and Builder.App build one directory of the project to a wheel, in the same
// way and under the same kind of key as a directory in a lock: the files that count are
// those of sdist.OpenDir. Its build requirements are pinned by its path, so that an edit
// needs no index: only other requirements are resolved anew, stated ones or what the
// backend asks for. No build sees the repository. Where the backend would ask that for
// the version, it is given one in the environment, which is then an input of the key:
//
//	setuptools-scm, hatch-vcs, flit-scm   SETUPTOOLS_SCM_PRETEND_VERSION
//	pdm-backend                           PDM_BUILD_SCM_VERSION
//	poetry-dynamic-versioning             POETRY_DYNAMIC_VERSIONING_BYPASS
//	uv-dynamic-versioning                 UV_DYNAMIC_VERSIONING_BYPASS
//
// versioneer and versioningit read none. For setuptools-scm, which counts the files of
// the repository as package data, a tree that setuptools builds gets a
// .git_archival.txt if it has none: all files of the tree count then.
//
// What is pinned for an app is kept, from the second build on, as an image of the engine
// with its bytecode, "pybake/wheels-env:DISTRO-ARCH-HASH": a backend starts in a third
// of the time.
//
// # Rust
//
// A source that asks for maturin or setuptools-rust, or has a Cargo.toml and a Cargo.lock
// that can be used, gets Rust before any hook is called: the packages that the recipe of
// the distro names, or a toolchain of recipes/rust.toml, in an image
// "pybake/wheels-rust:DISTRO-ARCH-HASH". Package cargo says what is given to the build
// and how old the compiler may be. Which crates those are is pinned with the build
// requirements, so that Find needs no source.
//
// # Keys
//
// A built wheel's key is made of the hash of its source, its build requirements, the
// recipe, its crates, and what compiles it: ABI of the interpreter, base image, toolchain,
// and whether with symbols. A wheel without compiled code, from a source that has nothing
// to compile, tagged for any platform, whose metadata agrees with that of its sdist, does
// not depend on the latter: it is kept under a key without them, and serves other Pythons
// and distros too.
package wheels
