// Package lock reads the lock files of Python into one model and selects from it
// what a target needs. Nothing here touches a network, an environment or the
// host's Python: markers are evaluated for the target that is passed in.
//
//	requirements.txt   pinned and hashed, as pip-compile, uv, poetry, pdm and pipenv export it
//	pylock.toml        PEP 751, lock-version 1.x
//	uv.lock            version 1, any revision
//	poetry.lock        0.12 (no lock-version) to 2.x
//	pdm.lock           lock_version 3.1 to 4.x
//	Pipfile.lock       pipfile-spec 6
//
// [Read] recognises a format by its content and tells all problems of a file at
// once, as [strict.Errors] with file, line, column and key. It refuses what
// would let unhashed or unpinned bytes in, whether the target needs it or not:
// no hash, md5 or sha1 alone, a hash of the wrong form; no exact version;
// options that are not allowed; credentials in an address; file: addresses; git
// without a full commit; paths out of the tree; names of files that disagree
// with the package; unknown versions of a format; values of the wrong type.
//
// [Lock.Select] answers for one target. A lock is either flat or a graph:
//
//   - In a flat lock each package says itself when it is needed (Package.When):
//     requirements.txt, pylock.toml, Pipfile.lock, poetry.lock from 2.1 on,
//     pdm.lock with the strategy inherit_metadata. Its dependencies are only
//     looked after: one that the target needs and that is not selected is an
//     error.
//   - In a graph packages are reached from the roots over the dependencies:
//     uv.lock, and older poetry.lock and pdm.lock, whose roots stand only in the
//     pyproject.toml beside them. Without it these are refused.
//
// Groups and extras default to what the tool that wrote the lock installs when
// it is asked for nothing: uv the project and the default-groups of
// [tool.uv] in pyproject.toml, else dev; poetry all groups that pyproject.toml
// does not call optional; pdm all groups that were locked, optional ones too;
// pylock.toml its default-groups; pipenv default.
//
// The project itself and the members of its workspace are left out, their
// dependencies are not. A local directory or archive is taken only from within
// the tree.
//
// # Files
//
// A selected package has candidates, the best first: the wheels of the lock that
// fit, by rank of their tags and then by build number, then the sdist. Where a
// lock names no files but hashes only (requirements.txt, Pipfile.lock, poetry
// before 1.0, the pylock.toml of pipenv), there is one candidate without a file
// name: any file of that version at the index whose hash is among its hashes.
//
// # Limits
//
// A file has at most 8 MiB, requirements with all that they include 4 MiB, and at
// most 250,000 values, nested at most 64 deep, and 10,000 packages, at most 100
// of them of one name; a constraint and a list count as often as they are read,
// up to 150,000 parts. So any file is read or refused within a second and 256 MiB.
package lock
