// Package publish keeps the published directory: static files from which apt, pip and
// uv install what pybake built, over any web server or from a mounted volume.
//
//	published.json            {"format": 1}
//	pool/5f/5f1c…/NAME        packages, wheels, archives; "5f1c…" is the SHA-256 of the bytes,
//	                          in 64 lower-case hex digits
//	pool/5f/5f1c…/NAME.whl.metadata
//	                          METADATA of the wheel beside it (PEP 658); the one file that lies
//	                          under another hash than its own
//	generations/000008/       the heads of a publication
//	    files.txt             the list of its files, signed
//	    files.txt.asc         OpenPGP signature of files.txt, armored, detached
//	    generation.json       number, date, content and keys
//	    set.json              what is published: all that is needed to publish it again
//	    dists/trixie/…        apt repository of a distro, see package apt
//	    simple/trixie/3.13/…  simple index of a target, see package simple
//	    houses/index.html     the archives of wheelhouses; index.json has the same
//	    pybake.asc            public OpenPGP key, armored
//	    pybake.pub            verifier lines of the key for notes
//	    pybake-trixie.sources for /etc/apt/sources.list.d, if the address is known
//	current                   link to generations/000008: the switch
//	dists, simple, houses, pybake.asc, …
//	                          links to current/dists and so on, made once
//	reports/000003/           a report, as the caller gave it
//	report                    link to reports/000003, or to current/report
//	.work/                    drafts, what is being deleted, and the lock; not to be served
//
// Files have mode 0644, directories 0755. Numbers have six digits, or more; they
// count up, and none is used twice. Paths in URLs, in indexes and in lists are relative
// to the root, or to the page that has them, so that the directory can be moved.
//
// # The list
//
// files.txt is a note (golang.org/x/mod/sumdb/note): text, an empty line, a line for
// each signature; the text alone where no key for notes signs. The text is
//
//	pybake published directory, format 1
//	generation 8
//	date 2026-11-21T02:00:00Z
//	content 5f1c…
//	9a03… 460 dists/trixie/Release
//	77a0… 8634400 pool/77/77a0…/pybake-python3.13_3.13.5-1+deb13_amd64.deb
//
// and has, after four lines of head, a line with SHA-256, size in bytes and path for every
// file of the generation but files.txt and files.txt.asc, and for every file of the pool
// that they refer to. Paths are sorted by their bytes; those that do not begin with pool/
// are of the generation. content is the SHA-256 of the set without times, without
// what is stale, and in no order: two publications of the same things have the same.
//
// # The records
//
// set.json is a [Set] as JSON, with "uploaded": since when each wheel has been
// published, by SHA-256. generation.json is
//
//	{"number": 8, "date": "2026-11-21T02:00:00Z", "content": "5f1c…", "of": 0,
//	 "keys": {"openpgp": "FINGERPRINT", "note": "pybake+1b0d3a4e+AcD…"}}
//
// "of" is the generation that this one repeats after a rollback, or 0. What is not
// signed has empty strings, and "UNSIGNED" in keys says in words what that means.
//
// # What readers may rely on
//
// A path below pool/ or by-hash/ never has other bytes. A generation never changes.
// The switch is one rename: what is read through a link at the root is of the former
// generation or of the new one. What a client has read of the former one leads on:
//
//   - The by-hash directories of a generation also have the indexes of those that are
//     kept, so that who read their InRelease finds their Packages.
//   - A simple index lists, beside the wheels of the set, those that only a kept generation
//     has, as yanked (PEP 592): requirements with hashes still install, and nobody else
//     picks them. So does a target that is no longer made. Of two builds of the same
//     wheel in one set, the one of the entry that is not stale, then the later one counts.
//   - The pool keeps what kept generations need.
//
// Kept are, beside the current generation, the newest of each content, until there are as
// many contents as the publisher wants; a night without changes takes no place. A
// generation that was replaced less than an hour ago stays in any case.
//
// A package is never published with other bytes under the name, and so the version, of one
// in the same distro of a kept generation: a [*ConflictError]. The Date of a generation is
// later than that of the one before, also after a rollback, since apt passes over others.
//
// # What writers do
//
// A file enters the pool once it was read and has its hash, by rename. It may be a hard
// link to the file that was given: it then shares the fate of that file's bytes, though
// not of its name. Publish looks at names and sizes in the pool, and reads only what is
// new and small; [Verify] reads all of it.
//
// A generation is written in .work; heads that the current one has with the same bytes are
// hard links to them. One syncfs(2) brings all of it to disk, with what the pool got. Then it
// is renamed into generations/, that directory synced, and the link renamed. A kill, a full
// disk or a power cut at any moment leaves the former generation published, or the new one
// whole; at worst one that is whole and was never switched to. After a power cut, a file of
// the pool whose size is right has its bytes, if the file system writes sizes after data, as
// ext4 (data=ordered), xfs and btrfs do; one that is too short is replaced by the next Put.
//
// Writers hold flock(2) on .work/lock, those that only fill the pool shared. They must
// share a kernel. Readers need no lock.
//
// Errors carry their cause: a full disk satisfies errors.Is(err, syscall.ENOSPC).
package publish
