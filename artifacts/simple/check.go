package simple

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pybake/pybake/internal/pep"
)

// check is what is wrong with a file, or its version.
func check(f File) (pep.Version, error) {
	version, err := checkName(f)
	if err != nil {
		return version, err
	}
	switch {
	case !isHash(f.SHA256):
		return version, fmt.Errorf("%q is not a SHA-256 in lower-case hex digits", f.SHA256)
	case f.MetadataSHA256 != "" && !isHash(f.MetadataSHA256):
		return version, fmt.Errorf("%q, of its metadata, is not a SHA-256 in lower-case hex digits", f.MetadataSHA256)
	case f.Size < 0:
		return version, fmt.Errorf("a size of %d bytes", f.Size)
	case !isLocal(f.Path):
		return version, fmt.Errorf("the path %q is not one below the root", f.Path)
	case path.Base(f.Path) != f.Name:
		return version, fmt.Errorf("the path %q ends in another name", f.Path)
	}
	for _, text := range []string{f.RequiresPython, f.Yanked} {
		if err := checkText(text); err != nil {
			return version, err
		}
	}
	return version, nil
}

// checkName holds the name of a file against its project and version.
func checkName(f File) (pep.Version, error) {
	if !pep.ValidName(f.Project) {
		return pep.Version{}, fmt.Errorf("%q cannot be a project", f.Project)
	}
	version, err := pep.ParseVersion(f.Version)
	if err != nil {
		return version, err
	}
	wheel, err := pep.ParseWheelName(f.Name)
	if err != nil {
		return version, err
	}
	switch {
	case strings.ContainsFunc(f.Name, notInName):
		return version, errors.New("a name of other characters than ASCII letters, digits and -_.+!")
	case wheel.Name != pep.NormalizeName(f.Project):
		return version, fmt.Errorf("a file of %s, not of %s", wheel.Name, pep.NormalizeName(f.Project))
	case wheel.Version.Compare(version) != 0:
		return version, fmt.Errorf("a file of version %s, not %s", wheel.Version, version)
	}
	return version, nil
}

// notInName is whether a wheel's name that is to be published has no such rune.
func notInName(r rune) bool {
	return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.+!", r)
}

func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// isLocal is whether p is a clean path below the root, without dot files.
func isLocal(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part[0] == '.' || checkText(part) != nil || strings.Contains(part, `\`) {
			return false
		}
	}
	return true
}

// checkText refuses what HTML or JSON could not give back.
func checkText(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%q is not UTF-8", text)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return fmt.Errorf("a control character in %q", text)
	}
	return nil
}

const quarantined = "quarantined"

// statuses is the status of each project by its normalised name.
func (x *Index) statuses() (map[string]Status, error) {
	found := map[string]Status{}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(x.Status)) {
		s := x.Status[name]
		key := pep.NormalizeName(name)
		other, twice := found[key]
		switch {
		case !slices.Contains([]string{"active", "archived", quarantined, "deprecated"}, s.State):
			problems = append(problems, fmt.Errorf("status of project %q: %q is not active, archived, quarantined or deprecated", name, s.State))
		case checkText(s.Reason) != nil:
			problems = append(problems, fmt.Errorf("status of project %q: %w", name, checkText(s.Reason)))
		case twice && other != s:
			problems = append(problems, fmt.Errorf("status of project %q: both %q and %q, under two spellings", name, other.State, s.State))
		}
		found[key] = s
	}
	return found, errors.Join(problems...)
}
