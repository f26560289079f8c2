package project

import (
	"fmt"
	"regexp"
	"strings"
)

// Package is a Debian package at a version, written as one string, without
// the hash where none is known:
//
//	gcc-14 14.2.0-19 amd64 sha256:5f1c…
type Package struct {
	Name    string // "gcc-14"
	Version string // "14.2.0-19"
	Arch    string // "amd64", "all"
	Digest  string // of the .deb: "sha256:5f1c…"; or empty
}

// The forms of Debian policy 5.6.1, 5.6.12 and 5.6.8, and of a digest.
var packagePattern = regexp.MustCompile(`^([a-z0-9][a-z0-9+.-]*) ([0-9][A-Za-z0-9.+:~-]*) ([a-z0-9-]+)(?: (sha256:[0-9a-f]{64}))?$`)

// String is the form in the file.
func (p Package) String() string {
	return strings.TrimRight(p.Name+" "+p.Version+" "+p.Arch+" "+p.Digest, " ")
}

// MarshalText is String, if UnmarshalText can read that.
func (p Package) MarshalText() ([]byte, error) {
	text := []byte(p.String())
	return text, new(Package).UnmarshalText(text)
}

func (p *Package) UnmarshalText(text []byte) error {
	m := packagePattern.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("package %q: want name, version, architecture and perhaps sha256:HEX", text)
	}
	*p = Package{Name: string(m[1]), Version: string(m[2]), Arch: string(m[3]), Digest: string(m[4])}
	return nil
}
