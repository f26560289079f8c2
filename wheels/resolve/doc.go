// Package resolve finds the wheels that a source needs to be built: one version of
// each package, so that every requirement holds, with the hash of one file each. It
// is pure over an [Index], which alone knows of networks and caches.
//
// # What is chosen from
//
// Wheels only. A version counts if one of its wheels fits the target (PEP 425),
// was uploaded before the bound, and does not ask for another Python; the best
// tag wins, then the highest build number (PEP 427). Sdists, and versions that
// have nothing else, are as if they were not there. The chosen file must have a
// SHA-256.
//
//   - Yanked files (PEP 592) count only if a requirement or a constraint holds to
//     that version with == or ===.
//   - A prerelease (PEP 440) satisfies a requirement if it is within its
//     specifiers, and if these name a prerelease or no other version is within
//     them. What the caller asks for and the constraints go with every requirement
//     of the same name here. If there is no answer then, any prerelease within the
//     specifiers will do, final versions first, and a note says so.
//   - A requirement whose marker is false for the target is left out. The marker
//     `extra == "x"` is true for the extra x where it was asked for, else false.
//   - A constraint limits the versions of a package that is needed anyway.
//   - "foo @ https://…/foo-1.0-py3-none-any.whl#sha256=…" is that wheel, and only
//     the caller may ask for it; every other address is refused.
//   - A version whose metadata cannot be read, or that needs a package from an
//     address, is passed over with a note. Metadata that belongs to another name
//     or version than its file's is an error.
//
// # The answer
//
// Packages are settled in the order they are first asked for, those with one
// version left before the others: the version in Resolver.Prefer if it will do,
// else the newest. Metadata is read of the versions that are tried, pages of an
// index for all that one version needs at once. The same answers of an index give
// the same result, or the same error.
//
// The search is complete: it keeps for each package the set of versions that are
// possible, learns from each conflict why it arose, and goes back to the choice
// that caused it (PubGrub, with sets in place of ranges). Nothing is in the
// result that nothing in it asks for. A search that looks at what it
// knows more than 10,000,000 times ends in a [LimitError].
package resolve
