// Package sign makes and checks the signatures of what pybake publishes, and
// checks those of what pybake downloads.
//
// # Two kinds of signatures
//
// OpenPGP (RFC 4880), for apt: InRelease is a clear-signed text, Release.gpg a
// detached signature of it. The digest is SHA-512. Signatures carry no salt
// notation, so the same key, text and time give the same bytes, but for ECDSA.
//
// Notes (golang.org/x/mod/sumdb/note), for lists of files: a text, an empty line,
// and a line for each signature:
//
//	— pybake 1b0d3a4e G7Cw…
//
// # Key files
//
// A private key file is text, mode 0600 and at most 1 MiB. It holds armored
// OpenPGP private keys, as "gpg --export-secret-keys --armor NAME" prints them, and
// lines with the private keys of notes; either may be missing, and whatever stands
// between is a comment:
//
//	-----BEGIN PGP PRIVATE KEY BLOCK-----
//	…
//	-----END PGP PRIVATE KEY BLOCK-----
//	PRIVATE+KEY+pybake+1b0d3a4e+AX3…
//
// The public file is alike, with "PGP PUBLIC KEY BLOCK" and the verifier line:
//
//	pybake+1b0d3a4e+AcD…
//
// Where a file holds several keys, all of them sign: while clients move from one
// key to the next, the file holds both. One that has expired does not sign; if all
// have, signing is an error. One that is revoked or can never sign is an error at
// once. In an OpenPGP key with subkeys the newest one that may sign does, as in gpg;
// the primary key may be missing (--export-secret-subkeys).
//
// # What is believed
//
// A signature holds if it is one of a key that may sign, is not revoked, and was
// valid when the signature was made; an expired key's former signatures hold. MD5,
// SHA-1 and RIPEMD-160, DSA, ElGamal and RSA below 2048 bits are refused.
//
// No error tells any part of a key file.
package sign
