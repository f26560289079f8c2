// Package gate decides whether a wheelhouse may leave: it finds the packages of
// the distro that the house needs, and proves the whole house in a clean
// container of the target.
//
// # Packages of the distro
//
// The shared libraries that the house needs are those that its ELF files name
// (DT_NEEDED) and that come from nowhere else. For each name, in this order:
//
//	run path    a file of the house, where DT_RPATH or DT_RUNPATH leads
//	system      the base, or the packages that the Python depends on, in a directory
//	            in which the loader looks by itself
//	loaded      another file of the same wheel, or of one that it requires, has the
//	            name: its modules load that one first. The proof shows whether.
//	wanted      everything else
//
// What is wanted has to be in a package. It is the one
//
//	of Gate.Known      that has the file: what an earlier run pinned
//	of Gate.Builders   that owns the file, as dpkg-shlibdeps finds it (dpkg-query -S)
//	of the archive     that has the file by its signed index of contents; if several
//	                   have it, the one of main that is named after the library
//	                   (Debian policy 8.1: libfoo.so.2 is in libfoo2)
//
// A library that no package has, or several, is an error that names the library,
// the wheel and the file; a recipe then names the package. Versions need no
// relations (dpkg-shlibdeps's ">="): apt.txt pins exact ones, and the proof loads
// the libraries against them.
//
// # The proof
//
// In a container of the base with no network, in which nothing is installed but
// the packages of the Python, what they depend on, and the lines of apt.txt:
//
//	house: apt packages install         apt installs what apt.txt lists, and nothing else
//	house: no compiler                  none came with them
//	house: files not overwritten        no two wheels have different files in one place
//	house: installs by pip with hashes  in a virtual environment, with the pip that it has
//	house: installed is the lock        names and versions, and nothing more
//	house: requirements consistent      pip check
//	house: shared libraries resolve     ldd of every program and library
//	house: modules import               every top-level module, and every extension module
//	                                    as far as the loader goes
//	house: console scripts load         their modules import and have the attribute
//
// The last three run as an ordinary user who cannot write to the environment,
// with a home directory of his own, each wheel in a process of its own. Every
// check goes on after its first failure, and names the wheel of each.
//
// Some things that wheels carry by mistake are noted and not held against them:
// top-level modules that nobody can own ("tests", "docs"), when they do not
// import or overwrite each other; modules of a namespace and scripts of an extra
// that need a Python module which the lock does not have; extension modules,
// apart from top-level ones, that load but do not come up by themselves; files
// for another C library or machine; __init__.py files that only declare a
// namespace. But a wheel of which no module imports has failed.
package gate
