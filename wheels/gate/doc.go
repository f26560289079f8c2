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
// The libpython of the Python, where a file's run path leads to it, is in a package of
// the Python: pybake-libpython3.13. The closure is without it, the proof installs it.
//
// A library that no package has, or several, is an error that names the library,
// the wheel and the file; a recipe then names the package. Versions need no
// relations (dpkg-shlibdeps's ">="): apt.txt pins exact ones, and the proof loads
// the libraries against them.
//
// # The proof
//
// In a container of the base with no network, in which nothing is installed but
// the packages of the Python, what they depend on, the lines of apt.txt, and
// pybake-libpython3.13 if a wheel embeds Python:
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
// with a home directory of his own, each wheel in a process of its own: a fork of
// one that has imported nothing of the house. Every check goes on after its first
// failure, and names the wheel of each.
//
// The container is one of an image with the base, the packages of the Python, what
// they depend on and an empty virtual environment, made once:
// "pybake/proof:trixie-amd64-3.13-8129770381ba".
//
// # The next proof
//
// A container in which a whole house was proved becomes an image of its owner,
// "pybake/proved:trixie-amd64-3cc661ddf521", without wheels and without what the
// user left, bytecode apart. Its label org.pybake.house says what was proved (JSON,
// gzip, base64; see record), and what each import was seen to depend on: whose files
// were read, which modules were looked for and not found, which distributions were
// asked for by name, or that more was looked at than can be told, as by who looks
// at all entry points or starts a process.
//
// A house of that owner on the same Python, base and packages is proved in that
// image, and never in one of a house that was itself proved so:
//
//   - pip uninstalls what is gone or another, by name. Nothing of it may be left,
//     and nothing may be where something is going to be installed.
//   - pip installs requirements.txt with hashes, from a directory that has the new
//     wheels only. So it sees that the whole set is the one that is installed. By
//     hash it knows the new ones; the others are those of which the record has the
//     hash that this house wants.
//   - pip check, and installed is the lock: of the whole.
//   - Used is what is new, what requires it by its metadata, what shares a top-level
//     name with it, and whose import depended on anything that has changed; then who
//     read files of those. ELF files are looked at if any that is linked has changed, or
//     what wheels require.
//
// Proved from its beginning is a house when a check fails so, when wheels that have
// changed share files with others or may be part of the environment itself, when a
// wheel of it has files that Python runs at its start (*.pth), when over half of the
// wheels are to be used, when there is no image, and when the caller wants it. Images
// are kept of houses up to 256 MiB of wheels. What an import looks at without opening
// it, by its name alone and in another wheel, is not seen.
//
// Some things that wheels carry by mistake are noted and not held against them:
// top-level modules that nobody can own ("tests", "docs"), when they do not
// import or overwrite each other; modules of a namespace and scripts of an extra
// that need a Python module which the lock does not have; extension modules,
// apart from top-level ones, that load but do not come up by themselves; files
// for another C library or machine; __init__.py files that only declare a
// namespace. But a wheel of which no module imports has failed.
package gate
