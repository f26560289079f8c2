// Package elfcheck reads what pybake asks of ELF files: what they are for, what
// they need, and what they lack of the distro's hardening.
//
// A file is read as the loader reads it, by its program headers; section
// headers, which a file may do without or lie in, are looked at only of files that
// can be trusted: for debug information ([Producers], [Uncompressed]) and for where
// two differ ([Difference]). All others come from archives that nobody vouches for,
// so every table has a limit, a file is read within milliseconds and 64 MiB, and
// what is out of bounds is an error, never a panic:
//
//	program headers   4096
//	dynamic section   1 MiB
//	dynamic strings   64 MiB, each string that is read 4096 bytes
//	names             16 KiB: soname, libraries needed and run paths together
//	notes             1 MiB
//	symbol versions   10,000 with 256 KiB
//	relocations       64 MiB a table
//
// Sources: System V gABI, chapters 4 and 5; LSB Core, symbol versioning;
// Debian's dpkg-buildflags(1) for the hardening.
package elfcheck
