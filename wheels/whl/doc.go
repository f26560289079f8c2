// Package whl reads, checks and rewrites wheels. A wheel may come from anybody:
// every part is looked at before it is relied on, all that is wrong is told
// together and by the name of the member (BadError), and memory and time are
// bounded. Members are read once, as streams.
//
//	PEP 427, 491   the archive, WHEEL, RECORD, .data
//	PEP 376        the form of RECORD
//	PEP 566, 643   core metadata; 685, 639 for names of extras and for licences
//	PEP 770        .dist-info/sboms
//	PEP 600        what a manylinux tag promises
//
// # The archive
//
// Two programs that read the same wheel must find the same files in it, whether
// they go by the central directory or by the local headers. So the members fill
// the file from its first byte to the central directory without gaps; the central
// directory, the local headers and the data descriptors agree in name, size,
// packed size, method, flags and CRC; the file ends with the end record, without
// a comment; names have one form; extra fields are whole and give no other name.
//
// Refused are further: members that occur twice or are below a file; names that
// are absolute, not UTF-8, longer than 4096 bytes or deeper than 100 directories,
// or contain "..", ".", empty parts, backslashes, NUL or control characters;
// encrypted members; methods other than stored and deflated; symbolic links,
// devices and other special files; content that is not what the headers say, to
// the byte; more than 200,000 members, 10,000 ELF files or 8 GiB, and more than
// 256 MiB at more than 100 to 1.
//
// # The wheel
//
//   - One .dist-info at the top, of the name (PEP 503) and version (PEP 440) of
//     the file name, with WHEEL, METADATA and RECORD. A .data directory is
//     spelt like it.
//   - WHEEL has a Wheel-Version of 1, Root-Is-Purelib, and the very tags of the
//     file name, as lines of one tag or of compressed sets.
//   - METADATA has a Metadata-Version before 3 and the name and version of the
//     file name.
//   - RECORD lists every file once and no other, with a sha256, sha384 or sha512
//     hash that is right, and a size that is right if there is one. Itself and
//     its signatures (RECORD.jws, RECORD.p7s) have no hash.
//   - In .data are purelib, platlib, headers, scripts and data only, and nothing
//     is installed where another file is.
//   - entry_points.txt has only sections of NAME = VALUE, and under
//     console_scripts and gui_scripts NAME = MODULE:ATTR [EXTRAS].
//
// # Facts
//
// Wheel.Modules are what an import can name first: packages with __init__, single
// modules, extension modules for CPython (with its suffix, .abi3.so, or a plain
// .so that exports PyInit_NAME), and below directories without __init__, which
// are namespaces, what is importable there: "google.protobuf".
//
// # Check
//
// A wheel with problems is refused, notes are for people. Problems are: another
// name or version than the lock's; no tag that fits; a tag for any platform with
// programs or libraries inside; one for another machine than theirs; manylinux
// tags of which none that fits has the glibc whose symbols they ask for; a
// musllinux tag when they ask for glibc; tags for certain Pythons (cp313) with
// modules for others. For those that pybake built, also: what is missing of the
// hardening of elfcheck, run paths not relative to $ORIGIN other than that
// to the interpreter's libpython, and paths of the builder in any file (in text only
// where a path begins: not in ../build/). Of those that others built, executable stacks
// and run paths not relative to $ORIGIN are notes, and so is a second, lower manylinux tag that is not true.
//
// # The canonical form
//
// Rewrite gives the same bytes for the same content, in whatever order, with
// whatever times, modes, compression and RECORD it came. Entries are files only,
// in the order of their names' bytes, .dist-info after all others and RECORD the
// last; times are the epoch in UTC, not before 1980; modes are 0644, and 0755 for
// what anyone may execute and for .data/scripts; all but empty files are deflated
// at level 6 by klauspost/compress, whose version go.mod fixes; there are no extra
// fields, data descriptors or comments. RECORD has sha256 hashes in the order of
// the entries, lines end with \n. Signatures of the old RECORD are left out.
// A run path that names nothing but directories of the distro's libraries goes:
// meson records where pkg-config found a library, which a package of the distro puts
// within reach of the loader. Where it does not, the proof of the house misses it.
// All else, WHEEL too, stays as it is.
package whl
