// Package artifacts keeps what pybake builds: finished files with a manifest,
// in a store, under a key.
//
// # Keys
//
// The key of an artifact is the SHA-256 over its kind and a list of named
// inputs, everything that can change it. The list is kept in the manifest, so
// that comparing two lists ([Compare]) says why something is rebuilt.
//
// What is hashed is a row of netstrings (cr.yp.to/proto/netstrings.txt): the
// length in bytes as a decimal number, a colon, the bytes, a comma. They are
// the word "pybake-key-1", the kind, and then for each input, sorted by the
// bytes of the names, its name and its value. No name occurs twice. The kind
// "python" with the inputs
//
//	cpython.version         3.13.5
//	builder.package.gcc-14  14.2.0-19
//
// is encoded, without the line breaks, as
//
//	12:pybake-key-1,6:python,
//	22:builder.package.gcc-14,9:14.2.0-19,
//	15:cpython.version,6:3.13.5,
//
// and its key is what sha256sum says of that:
//
//	f9284eec17f7cd62ea000502adfcfdacc5b04b56189240f75f144afb3121a86a
//
// # The store
//
// A store is a directory, ./baked unless the user says otherwise:
//
//	store.json                              {"format": 1}
//	artifacts/<kind>/<key>/manifest.json    see Manifest
//	artifacts/<kind>/<key>/SHA256SUMS       for sha256sum -c: the manifest and every file but logs
//	artifacts/<kind>/<key>/logs/...         what was said while building
//	artifacts/<kind>/<key>/...              the files
//	<kind>/<stable name>                    link to the artifact that is current under that name
//	tmp/draft-<kind>-<random>/              a Draft, or what is being removed
//	locks/<name>                            a lock that is held, with who holds it
//
// The stable name of "python 3.13.5 trixie amd64" is
// "python/3.13.5-trixie-amd64", and it links to
// "../artifacts/python/<key>". Files have mode 0644 and directories 0755.
//
// An artifact never changes. It is made in tmp and brought to disk, then
// renamed into place; links are replaced by rename as well. So a reader, a
// kill and a power cut find the old or the new and never half of one. The one
// gap is an artifact that was damaged already: while it is replaced, it may be
// missing. A kill between the two renames of a publication leaves the artifact
// without its stable name; [Store.Point] on the next hit mends that.
//
// Drafts and locks are held by flock(2), which ends with the process however
// it ends; [Store.Sweep] deletes the drafts that nobody holds. A store must
// therefore lie on a file system with working flock, and all writers must
// share a kernel.
//
// Errors carry their cause: a full disk satisfies
// errors.Is(err, syscall.ENOSPC).
package artifacts
