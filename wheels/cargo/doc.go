// Package cargo knows what a build with Rust needs and may not fetch itself: the crates
// that a Cargo.lock names, and a compiler that is new enough. It is pure; where crates
// and compilers come from is the caller's business.
//
// # Crates
//
// ParseLock reads a Cargo.lock of version 1 to 4. A crate of cargo's own registry has
// the SHA-256 of its archive, NAME-VERSION.crate, in its package, or in version 1 in
// [metadata]. What is in the source itself has no origin and is left out. Refused, all
// at once and with line and column, as strict.Errors: crates of git repositories and of
// other registries, and crates without a hash.
//
// # In the container
//
// Vendor writes crates as a directory source of cargo (The Cargo Book, "Source
// Replacement"), beside the source to build:
//
//	/build/cargo               CARGO_HOME, the build's own
//	/build/cargo/config.toml   crates.io is replaced by the directory; offline
//	/build/cargo/rustc         runs rustc, see Env
//	/build/cargo/vendor/NAME-VERSION/   a crate as its archive has it, and
//	    .cargo-checksum.json   {"files":{},"package":"SHA-256 of the archive"}
//
// A configuration in the source goes over that one, as always with cargo.
//
// # The oldest compiler
//
// Minimum is the highest of what holds for certain: rust-version of the manifests in the
// source, the version of a Cargo.lock, and the edition of any manifest, those of crates
// included, as cargo reads them all. The rust-version of a crate does not count: crates
// for other platforms are in a lock, too. Cargo itself names such a crate that it needs.
package cargo
