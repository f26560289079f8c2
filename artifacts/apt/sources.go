package apt

import (
	"fmt"
	"strings"
)

// SourcesFile is a deb822 .sources file (sources.list(5)) for apt ≥ 2.4, with the
// armored OpenPGP key in it:
//
//	Types: deb
//	URIs: https://baked.example.org/
//	Suites: trixie
//	Components: main
//	Signed-By:
//	 -----BEGIN PGP PUBLIC KEY BLOCK-----
//	 .
//	 mDMEaR/…
//	 -----END PGP PUBLIC KEY BLOCK-----
//
// uri is the root of the repository: "https://baked.example.org/", or
// "file:/srv/repo" and "copy:/srv/repo" of a mounted one. Bytes of it that could end
// the field are percent-encoded. Without a key apt refuses the repository; the file
// then says, in a comment, which line would take it unsigned.
func SourcesFile(uri, codename string, key []byte) string {
	text := strings.TrimSpace(string(key))
	if text == "" {
		return source(uri, codename) +
			"# This repository is not signed. apt takes it, and whatever else is sent in its place, with:\n" +
			"# Trusted: yes\n"
	}
	var out strings.Builder
	out.WriteString(source(uri, codename) + "Signed-By:\n")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			line = "."
		}
		out.WriteString(" " + line + "\n")
	}
	return out.String()
}

// SourcesFileAt is a .sources file for every apt since 1.4, bullseye's 2.2 among
// them: Signed-By is the absolute path of the key on the client, such as
// "/usr/share/keyrings/pybake.asc". An armored key must be in a file whose name
// ends in .asc.
func SourcesFileAt(uri, codename, keyring string) string {
	return source(uri, codename) + "Signed-By: " + escape(keyring) + "\n"
}

func source(uri, codename string) string {
	return "Types: deb\nURIs: " + escape(uri) + "\nSuites: " + codename + "\nComponents: main\n"
}

// escape percent-encodes spaces, control characters and what is not ASCII.
func escape(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
