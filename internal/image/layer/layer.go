// Package layer writes and reads the layers of images: normalised tars in
// gzip members. It knows no engine and no registry.
//
// # The normal form
//
// A layer is a tar (POSIX.1-2001 ustar, with pax headers for what ustar cannot
// say) of which every byte follows from the files that it describes, so that
// the same files give the same layer whoever listed them, and when:
//
//   - names are relative and clean: "usr/bin/perl"; a directory's ends in "/".
//     They are sorted by their bytes (without that slash), so a directory
//     stands before what is in it. The root itself is not listed, and no
//     directory that the source did not list is added.
//   - owners are numbers; there are no names of users and groups. The mode is
//     the twelve bits of chmod(2).
//   - times are whole seconds, none before 1970 and none after Options.Latest;
//     there is no atime and no ctime.
//   - of extended attributes only security.capability is kept.
//   - names of one file are hard links: the first in order that is kept holds
//     the content, the others link to it. A hard link to a symbolic link
//     becomes a symbolic link.
//   - sparse files are written out. Devices and fifos are refused.
//   - whiteouts (OCI image spec, layer.md) are passed on: an empty file
//     "dir/.wh.NAME" hides NAME in the layers below, "dir/.wh..wh..opq" all
//     that they have in dir. They have mode 0, owner 0:0 and time 0.
//
// # Members
//
// RFC 1952 lets several gzip members follow each other, as if they had been
// compressed together. So a layer is a concatenation of fragments, members of
// tar entries without the end of archive, and a last member that holds only
// that end. A fragment that was made once goes into any number of layers as it
// is:
//
//	fragment of wheel A | fragment of wheel B | … | 1024 zero bytes
//
// Within a layer of several fragments the order is that of the fragments, and
// a directory that they share is listed in each. Members have neither a name
// nor a time, and are compressed by klauspost/compress, whose version go.mod
// fixes. Digest is the SHA-256 of the whole file, DiffID that of the tar:
// "sha256:" and 64 lower case hex digits.
//
// # Hostile and broken sources
//
// Sources are containers in which foreign programs ran as root. Refused, with
// the name of the entry, are names that are absolute, leave the root, are
// longer than 4096 bytes or contain NUL, entries below a file or a symbolic
// link, names that occur twice (but directories that are the same), hard links
// to what the tar does not hold, a tar without its end or with entries after
// it, and more bytes or entries than the limits.
package layer

// Blob is one layer, as a file.
type Blob struct {
	Path     string `json:"-"`
	Digest   string `json:"digest"`   // of the file: "sha256:9f86d0…"
	DiffID   string `json:"diffID"`   // of the tar in it
	Size     int64  `json:"size"`     // of the file, in bytes
	Unpacked int64  `json:"unpacked"` // of the tar, in bytes
}

const (
	maxName    = 4096
	maxEntries = 2_000_000
	maxSize    = 64 << 30
	maxTime    = 1<<33 - 1 // seconds, which ustar can say
	maxID      = 1<<32 - 2 // of a user or group

	maxCapability = 64 // the kernel writes 20 or 24 bytes

	block = 512
)

const (
	whiteout = ".wh."
	reserved = ".wh..wh."
	opaque   = ".wh..wh..opq"
)

// level of compression. A Debian root file system (124 MB) with a CPython and
// its bytecode (43 MB) takes, on one busy core:
//
//	level      1     3     4     5     6     7     9   gzip -6
//	MB/s     184   135   112    96    97    58     9        19
//	MB      74.3  70.4  68.7  67.4  66.8  65.6  65.2      64.2
//
// What is made once and sent often is worth level 6, and no more.
const level = 6

const capability = "SCHILY.xattr.security.capability"
