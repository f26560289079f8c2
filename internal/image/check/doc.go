// Package check proves that an image holds what it shall hold and nothing else,
// and that it runs where it will run: with a read-only root, as its own user.
//
// # What is looked at
//
// Static reads names, modes and files of the layers, and needs no engine:
//
//	no compiler                       no program of binutils, GCC, Clang, Rust, Go, make, CMake
//	no headers or static archives     *.h *.hh *.hpp *.hxx *.cuh *.pxd, *.a *.la *.lib
//	no installer                      pip, setuptools, wheel, uv, ensurepip, wheels to install
//	no apt state                      lists, archives, caches, logs, backups, documentation
//	no set-uid beyond the base        and no set-gid program, no file with capabilities
//	no device or world-writable file  but directories with the sticky bit, such as /tmp
//	shared libraries resolve          NEEDED of every ELF file above the base
//	requirements consistent           what is in /venv is what Dists lists, and Requires-Dist and
//	                                  Requires-Python of all of it hold (PEP 508; extras that a
//	                                  requirement names, too)
//	entrypoint exists                 the first word of ENTRYPOINT, or without one of CMD, and the
//	                                  command behind tini; its interpreter, too
//	bytecode is there                 for the Python and every distribution, as PEP 552's
//	                                  unchecked hash, as times of sources are not those of their builds
//
// Without Python there is neither "requirements consistent" nor "bytecode is there".
//
// What the lock itself asks for is no fault: a file in /venv that belongs to a
// distribution of Dists (by RECORD) may be a compiler or an installer, and is
// noted. Headers and archives in there are faults, as slimming removes them, but
// where Image.Keep or Dist.Keep has "headers". Of the distro's packages headers
// and archives are faults in a -dev package or in none, else noted: perl needs
// its own. In layers named "files", which the project itself filled, the first
// four look for nothing.
//
// # Libraries
//
// A library is looked for as ld.so(8) does: DT_RPATH, LD_LIBRARY_PATH of the image,
// DT_RUNPATH, /etc/ld.so.cache, then lib and lib/TRIPLET of / and /usr. Beside that a
// library counts as found that is carried by the same distribution or one that
// it requires, since Python loads those before (see package gate), and below
// no distribution by any file above the base.
//
// # What is run
//
// Dynamic runs in a container of the image with no network, a read-only root,
// a tmpfs on /tmp, the image's environment and working directory, and its user:
//
//	modules import    every top-level module of every distribution in New, each
//	                  distribution in a process of its own, two at once
//	starts            Check exits 0 within 5 minutes; without it ENTRYPOINT --version is
//	                  found, begins, and does not end for a missing library, module or
//	                  by a fault; that it knows no --version, or does not end
//	                  within 30 s, is noted
//
// The excuses for modules are those of package gate. Without Python there is
// only "starts".
package check
