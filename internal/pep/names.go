package pep

import "strings"

// NormalizeName is the PEP 503 form of a project name, and by PEP 685 and
// PEP 735 of an extra and of a dependency group: lower case, runs of "-", "_"
// and "." as one "-". It checks nothing; see ValidName.
func NormalizeName(name string) string {
	var b strings.Builder
	for i, r := range strings.ToLower(name) {
		if r != '-' && r != '_' && r != '.' {
			b.WriteRune(r)
		} else if s := b.String(); i == 0 || s[len(s)-1] != '-' {
			b.WriteByte('-')
		}
	}
	return b.String()
}

// ValidName is whether name can be that of a project or an extra: ASCII letters,
// digits, "-", "_" and ".", with a letter or digit at both ends (core metadata,
// field Name).
func ValidName(name string) bool {
	for i := 0; i < len(name); i++ {
		if !isAlnum(name[i]) && (!isSep(name[i]) || i == 0 || i == len(name)-1) {
			return false
		}
	}
	return name != ""
}
