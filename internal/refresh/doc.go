// Package refresh is the nightly: the matrix of a project, as one plan of all
// its artifacts, run, and told.
//
// A cell is one thing that the project wants to have, by what it asks for and
// not by what that comes to today, so that it is the same cell when a newer
// release comes out:
//
//	python 3.13 trixie amd64                        the newest 3.13, for trixie
//	python 3.11.9 bookworm amd64 fast               exactly that
//	wheels requirements.lock 3.13 trixie amd64      the house of a lock for that Python
//	image web trixie amd64
//
// Cells expands [matrix] to them, and says which need which others. A Job is a
// cell with what finds out whether it is up to date (Look: neither network nor
// engine) and what makes it. Plan looks at all jobs; Run runs them, independent
// ones at once within Limits. A job that fails ends none but those that need
// it. Its Outcome and those of the others are the Night.
//
// # What is published
//
// Entry turns an artifact into what the published directory holds of it
// (package publish), and Merge puts a new set together: the artifacts of this
// night, and for a cell that could not be made the one that was published
// before, marked stale since when and why.
//
// # Package releases
//
// A version of a package has one content forever. So the packages of a Python
// that is built anew from other inputs get the next release number: 3.13.5-1,
// 3.13.5-2. Release keeps them in pybake.lock, by a key of all inputs but the
// number itself.
package refresh
