// Package pep reads and compares what Python packaging writes: versions,
// specifiers, requirements, markers, tags and file names. Everything is pure:
// markers and tags are evaluated for a target that is passed in, never for the
// machine that runs this code.
//
//	PEP 440        Version, Specifier, Specifiers   "1!2.0rc1.post3.dev4+ubuntu.1", "~=2.2,!=2.2.5"
//	PEP 508, 751   Requirement, Marker, Env         `requests[socks]>=2; python_version < "3.13"`
//	PEP 425        Tag, Target, ParseTag            "cp313-cp313-manylinux_2_28_x86_64"
//	PEP 600, 656   Platform                         "manylinux2014_aarch64", "musllinux_1_2_x86_64"
//	PEP 503, 685   NormalizeName                    "Foo._Bar" is "foo-bar", for projects, extras and groups
//	PEP 427, 625   WheelName, SdistName             "foo-1.0-1-py3-none-any.whl", "foo-1.0.tar.gz"
//	PEP 735        ExpandGroup                      [dependency-groups] with include-group
//
// The reference is pypa/packaging: testdata/vectors.json holds its answers and
// the tests hold this package to them, so its choices apply where the PEPs are
// silent (a prerelease satisfies a specifier when nothing else was offered;
// a marker compares as versions only for python_version, python_full_version,
// implementation_version and platform_release; linux_ARCH goes before
// manylinux). The differences, all on purpose:
//
//   - A literal of a marker prints with the escapes that bring it back when it
//     is parsed; packaging prints it raw, which a backslash does not survive.
//   - \N{name} and escapes for lone surrogates in a literal are refused.
//   - A URL holds no control characters, a project name in an sdist's file name
//     is a valid name (so it holds no slash), and a build tag no line break.
//   - An interpreter in a tag is ASCII.
//   - .tar.bz2 and the other extensions of old source distributions are read.
//
// Every parser takes time linear in its input, refuses input longer than
// 256 KiB, invalid UTF-8, and parentheses nested deeper than 100, and returns
// an *Error that holds the byte offset of what it could not read. Every String
// method gives text that parses to the same value.
package pep
