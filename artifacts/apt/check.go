package apt

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pybake/pybake/internal/pattern"
)

// What fields may hold, by the Debian Policy Manual.
var (
	namePattern     = pattern.New(`^[a-z0-9][a-z0-9+.-]+$`)                                  // 5.6.1
	versionPattern  = pattern.New(`^([0-9]{1,9}:)?[0-9][A-Za-z0-9.+~]*(-[A-Za-z0-9.+~]+)*$`) // 5.6.12
	archPattern     = pattern.New(`^[a-z0-9]+(-[a-z0-9]+)*$`)                                // 5.6.8
	fieldPattern    = pattern.New(`^[!"$-,.-9;-~][!-9;-~]*$`)                                // 5.1
	codenamePattern = pattern.New(`^[a-z0-9][a-z0-9.-]*$`)
	sumPattern      = pattern.New(`^[0-9a-f]{64}$`)
	// No percent sign: not every method of apt leaves one alone.
	filenamePattern = pattern.New(`^[A-Za-z0-9+.~_/-]+$`)
)

// check returns everything that is wrong with r but for its packages.
func (r *Repository) check() error {
	var errs []error
	if !codenamePattern.MatchString(r.Codename) {
		errs = append(errs, fmt.Errorf("codename %q: want a-z 0-9 . -, such as trixie", r.Codename))
	}
	for _, f := range []struct{ name, value string }{
		{"Origin", r.Origin}, {"Label", r.Label}, {"Description", r.Description},
	} {
		if !plain(f.value) || strings.TrimSpace(f.value) != f.value {
			errs = append(errs, fmt.Errorf("%s %q: want one line of text", f.name, f.value))
		}
	}
	switch {
	case r.Date.Year() < 1970 || r.Date.Year() > 9999:
		errs = append(errs, fmt.Errorf("date %v: want one since 1970", r.Date))
	case !r.ValidUntil.IsZero() && (r.ValidUntil.Unix() <= r.Date.Unix() || r.ValidUntil.Year() > 9999):
		errs = append(errs, fmt.Errorf("valid until %v: want a time after the date, %v", r.ValidUntil, r.Date))
	}
	if len(r.Architectures) == 0 {
		errs = append(errs, errors.New("no architecture"))
	}
	for i, arch := range r.Architectures {
		switch {
		case !archPattern.MatchString(arch) || arch == "all" || arch == "any" || arch == "source":
			errs = append(errs, fmt.Errorf("architecture %q: want Debian's name of one, such as amd64", arch))
		case slices.Contains(r.Architectures[:i], arch):
			errs = append(errs, fmt.Errorf("architecture %q: there twice", arch))
		}
	}
	return errors.Join(errs...)
}

// check returns everything that is wrong with p, whose control file has the fields.
func (p Package) check(fields []field, architectures []string) error {
	var errs []error
	name, version, arch := value(fields, "Package"), value(fields, "Version"), value(fields, "Architecture")
	for _, f := range []struct {
		name, value string
		pattern     *pattern.Regexp
		want        string
	}{
		{"Package", name, namePattern, "want two or more of a-z 0-9 + - . (policy 5.6.1)"},
		{"Version", version, versionPattern, "want [epoch:]upstream[-revision] (policy 5.6.12)"},
		{"Architecture", arch, archPattern, "want Debian's name of one, or all (policy 5.6.8)"},
		{"SHA256", p.SHA256, sumPattern, "want 64 lower-case hexadecimal digits"},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("no %s", f.name))
		} else if !f.pattern.MatchString(f.value) {
			errs = append(errs, fmt.Errorf("%s %q: %s", f.name, f.value, f.want))
		}
	}
	if p.Size <= 0 {
		errs = append(errs, fmt.Errorf("size %d: want more than 0", p.Size))
	}
	if !filenamePattern.MatchString(p.Filename) || path.IsAbs(p.Filename) || path.Clean(p.Filename) != p.Filename ||
		strings.HasPrefix(p.Filename, "../") {
		errs = append(errs, errors.New("file name: want a clean relative path of A-Z a-z 0-9 + . ~ _ - /"))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if arch != "all" && !slices.Contains(architectures, arch) {
		errs = append(errs, fmt.Errorf("Architecture %q: the repository is for %s", arch, strings.Join(architectures, " ")))
	}
	_, upstream, ok := strings.Cut(version, ":")
	if !ok {
		upstream = version
	}
	if want := name + "_" + upstream + "_" + arch + ".deb"; path.Base(p.Filename) != want {
		errs = append(errs, fmt.Errorf("the control file is that of %s", want))
	}
	return errors.Join(errs...)
}

// plain reports whether s is UTF-8 in one line without control characters.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}
