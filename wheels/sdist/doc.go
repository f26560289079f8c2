// Package sdist reads what a wheel is built from: a source distribution, an archive
// with sources, or a directory of the project. It says how that is built, and
// streams it clean into a build container.
//
// # Archives
//
// Open reads a source distribution (PEP 517, PEP 625): NAME-VERSION.tar.gz, or by one
// of the older names .tgz, .tar.bz2, .tar.xz, .tar and .zip. FromArchive reads any
// other archive of these forms. What is in a file its first bytes tell; a .zip that
// is none, or the reverse, is refused. So is, as a *BadError with the member's name:
//
//   - whatever fetch.Rules refuse, of zip files too: names that are absolute or go
//     up, links out of the archive, devices, two members of one name ("./a" and "a"),
//     members below a file or a link;
//   - more than 200,000 members, more than 8 GiB, or more than 256 MiB if that is over
//     a hundred times the size of the file;
//   - a zip file that another reader may understand differently: whose local headers
//     are not those of its central directory, with bytes before, between or after what
//     belongs to a member, with ZIP64, encryption, other methods than stored and
//     deflated, backslashes in names or names that are not UTF-8. Its symbolic links
//     are links here, as they are to unzip, though not to pip;
//   - anything beside the one directory that a source distribution holds. (Other
//     archives may do without that directory: pip's rule.)
//   - a PKG-INFO at the top that cannot be read, or is of another project or version
//     than the file's name says. Only Open asks for that.
//
// The file is read twice, once by Open and once by WriteTar; it must not change in
// between, as files of the cache do not.
//
// # How a source is built
//
// [build-system] of pyproject.toml (PEP 517, 518), where problems are strict.Errors
// of the file "foo-1.0.tar.gz/pyproject.toml", all at once:
//
//	requires       an array of requirements (PEP 508); a table without it is refused,
//	               as PEP 518 says and pip does
//	build-backend  "module" or "module:object"
//	backend-path   an array of directories within the source, for a backend that is there
//
// Other keys and tables are ignored. Without build-backend it is setuptools' legacy
// one, with the requirements as they are: pip adds none. Without the table, or without
// the file, "setuptools>=40.8.0" is required. A source with neither pyproject.toml nor
// setup.py is refused.
//
// # Streams
//
// WriteTar gives everything one time, Newest, so that a build does not depend on how it
// was unpacked; generated files are not older than what they were made from, which is
// all that make asks. Modes are 0755 or 0644.
//
// # Directories
//
// OpenDir reads a directory of the project as it is now. In a work tree of git that is
// what git would take, as WorkTree lists it: tracked files as they are on disk, and
// untracked ones that are not ignored. A submodule is taken as it is checked out; another
// repository in the directory is left out. In any case these are left out:
//
//   - .git, .hg, .svn, .bzr; so a version that a backend asks the repository for has to
//     be given in the environment (SETUPTOOLS_SCM_PRETEND_VERSION)
//   - __pycache__, *.pyc, *.pyo; .tox, .nox, .mypy_cache, .pytest_cache, .ruff_cache;
//     node_modules; any directory with a pyvenv.cfg
//   - *.egg-info and .eggs; build/lib, build/lib.*, build/bdist.*, build/temp.* and
//     build/scripts-* at the top; wheels and archives in dist at the top
//   - pybake.toml and pybake.lock at the top, and a store of pybake: store.json beside
//     artifacts
//
// Times say when it was checked out, so Newest is 1980-01-01. Hash is of the form of
// golang.org/x/mod/sumdb/dirhash: "h1:" and the base64 SHA-256 of lines sorted by name,
//
//	HEX  NAME       of a file, HEX being the SHA-256 of its bytes
//	HEX  NAME//x    likewise, if anyone may execute it
//	HEX  NAME//l    of a symbolic link, HEX being the SHA-256 of its target
//
// A directory that has another hash when WriteTar reads it is an error.
//
// # Commits
//
// GitArchive makes an archive of a commit, once, to be pinned by its hash: git makes
// the same bytes again only with luck. It holds one directory, "source". Attributes of
// the repository hold: export-ignore leaves files out, export-subst expands "$Format:…$"
// (without the names of tags and branches, which move). Files of Git LFS are the
// pointers. Submodules are not fetched, so a commit that has any is refused.
package sdist
