package project

import (
	"fmt"
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
	// A lock has some hundred of these: a regular expression takes longer than all else.
	fields := strings.Split(string(text), " ")
	if len(fields) < 3 || len(fields) > 4 || !nameForm.has(fields[0]) || !versionForm.has(fields[1]) || !archForm.has(fields[2]) ||
		len(fields) == 4 && !isDigest(fields[3]) {
		return fmt.Errorf("package %q: want name, version, architecture and perhaps sha256:HEX", text)
	}
	*p = Package{Name: fields[0], Version: fields[1], Arch: fields[2]}
	if len(fields) == 4 {
		p.Digest = fields[3]
	}
	return nil
}

// form is a word of at least one character: which may come first, and which after.
// They are letters and digits as "a", "A" and "0", and what else there is.
type form struct{ first, rest string }

// The forms of Debian policy 5.6.1, 5.6.12 and 5.6.8.
var (
	nameForm    = form{"a0", "a0+.-"}
	versionForm = form{"0", "Aa0.+:~-"}
	archForm    = form{"a0-", "a0-"}
)

func (f form) has(word string) bool {
	for i := range len(word) {
		c, allowed := word[i], f.rest
		if i == 0 {
			allowed = f.first
		}
		switch {
		case 'a' <= c && c <= 'z':
			c = 'a'
		case 'A' <= c && c <= 'Z':
			c = 'A'
		case '0' <= c && c <= '9':
			c = '0'
		}
		if strings.IndexByte(allowed, c) < 0 {
			return false
		}
	}
	return word != ""
}
