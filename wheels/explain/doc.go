// Package explain reads what a failed build printed and says what it failed for
// want of.
//
// Read is pure. It knows the words of compilers, linkers, pkg-config, CMake, meson,
// configure scripts, shells, distutils, cargo and Python, and makes Findings of them:
//
//	fatal error: libpq-fe.h: No such file or directory
//	    header "libpq-fe.h", of a package that has "/libpq-fe.h"
//	ModuleNotFoundError: No module named 'numpy'
//	    requirement "numpy"
//	package `x v1` cannot be built because it requires rustc 1.88 or newer, …
//	    compiler "rustc 1.88"
//
// What a package of the distro would mend has Files, ends of paths as
// distro.Maker.FindFiles takes them; what a line of a recipe would mend has Requires,
// Constraints, Env or Rust. For all else there is Advice. A log of which it knows nothing
// gives no findings: nothing is guessed.
//
// Headers and programs that a build asks for and does without are in its log like
// those that it fails for. So the last things count, at most four.
package explain
