package nfpm

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What the fields may hold, as regular expressions for the whole value.
const (
	namePattern     = `[a-z0-9][a-z0-9+.-]+`                                        // policy 5.6.1
	versionPattern  = `([0-9]{1,9}:)?[0-9][A-Za-z0-9.+~]*(-[A-Za-z0-9.+~]+)*`       // policy 5.6.12
	archPattern     = `[a-z0-9]+(-[a-z0-9]+)*`                                      // policy 5.6.8
	personPattern   = `[^<>,]*[^<>, ] <[^<>@ ]+@[^<>@ ]+>`                          // policy 5.6.2
	wordPattern     = `[a-z0-9+.-]+(/[a-z0-9+.-]+)?`                                // section, priority
	urlPattern      = `https?://[^\s<>]+`                                           // policy 5.6.23
	fieldPattern    = `[!"$-,.-9;-~][!-9;-~]*`                                      // policy 5.1
	relationPattern = namePattern + `(:[a-z0-9-]+)?( \((<<|<=|=|>=|>>) VERSION\))?` // policy 7.1
	providesPattern = namePattern + `(:[a-z0-9-]+)?( \(= VERSION\))?`
	compressPattern = `xz|gzip(:[1-9])?|zstd(:([1-9]|1[0-9]|2[0-2]))?`
)

// match reports whether pattern matches the whole of s. VERSION in it stands
// for versionPattern.
func match(pattern, s string) bool {
	pattern = strings.ReplaceAll(pattern, "VERSION", versionPattern)
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(s)
}

// check returns everything that is wrong with p, each as "field value: why".
func (p *Package) check() error {
	var errs []error
	for _, f := range []struct{ field, value, pattern, want string }{
		{"Package", p.Name, namePattern, "want two or more of a-z 0-9 + - . beginning with a letter or digit (policy 5.6.1)"},
		{"Version", p.Version, versionPattern, "want [epoch:]upstream[-revision], upstream beginning with a digit (policy 5.6.12)"},
		{"Architecture", p.Arch, archPattern, "want Debian's name of one, such as amd64 or all (policy 5.6.8)"},
		{"Maintainer", p.Maintainer, personPattern, "want Name <address> (policy 5.6.2)"},
		{"Section", p.Section, wordPattern, "want one word, such as python (policy 5.6.5)"},
		{"Priority", p.Priority, `required|important|standard|optional|extra`, "want optional (policy 5.6.6)"},
		{"Homepage", p.Homepage, `(` + urlPattern + `)?`, "want a URL (policy 5.6.23)"},
		{"compression", p.Compression, compressPattern, "want zstd, xz or gzip, zstd and gzip perhaps with :LEVEL"},
	} {
		if !match(f.pattern, f.value) || !plain(f.value) {
			errs = append(errs, fmt.Errorf("%s %q: %s", f.field, f.value, f.want))
		}
	}
	if p.Time.IsZero() || p.Time.Unix() < 0 {
		errs = append(errs, fmt.Errorf("time %v: want one since 1970", p.Time))
	}
	errs = append(errs, p.checkDescription(), p.checkRelations(), p.checkFields(), p.checkScripts(), checkFiles(p.Files))
	return errors.Join(errs...)
}

// checkDescription holds the text to policy 3.4 and 5.6.13, and to what nfpm
// passes on unchanged.
func (p *Package) checkDescription() error {
	var errs []error
	if s := p.Synopsis; s == "" || utf8.RuneCountInString(s) >= 80 || strings.TrimSpace(s) != s || !plain(s) {
		errs = append(errs, fmt.Errorf("synopsis %q: want one line of 1 to 79 characters (policy 3.4.1)", s))
	}
	for line := range strings.Lines(p.Description) {
		line = strings.TrimRight(line, " \n")
		switch {
		case strings.HasPrefix(line, " "):
			errs = append(errs, fmt.Errorf("description line %q: indented lines are not supported", line))
		case strings.HasPrefix(line, "."):
			errs = append(errs, fmt.Errorf("description line %q: lines beginning with a full stop are reserved (policy 5.6.13)", line))
		case !plain(line) || len(line) >= bufio.MaxScanTokenSize:
			errs = append(errs, fmt.Errorf("description line %.80q: want printable UTF-8 below %d bytes", line, bufio.MaxScanTokenSize))
		}
	}
	return errors.Join(errs...)
}

// checkRelations checks the syntax of the relationship fields.
func (p *Package) checkRelations() error {
	var errs []error
	for _, r := range []struct {
		field  string
		values []string
	}{
		{"Depends", p.Depends}, {"Recommends", p.Recommends}, {"Suggests", p.Suggests}, {"Provides", p.Provides},
		{"Conflicts", p.Conflicts}, {"Breaks", p.Breaks}, {"Replaces", p.Replaces},
	} {
		for _, value := range r.values {
			pattern, want := relationPattern, "want package (>= version) (policy 7.1)"
			switch r.field {
			case "Depends", "Recommends", "Suggests":
				pattern = relationPattern + `( \| ` + relationPattern + `)*`
				want = "want package (>= version), alternatives set apart by \" | \" (policy 7.1)"
			case "Provides":
				pattern, want = providesPattern, "want package or package (= version) (policy 7.5)"
			}
			if !match(pattern, value) {
				errs = append(errs, fmt.Errorf("%s %q: %s", r.field, value, want))
			}
		}
	}
	return errors.Join(errs...)
}

// checkFields checks the further control fields.
func (p *Package) checkFields() error {
	own := []string{
		"package", "version", "architecture", "maintainer", "section", "priority", "homepage", "description",
		"installed-size", "depends", "recommends", "suggests", "provides", "conflicts", "breaks", "replaces",
	}
	var errs []error
	seen := map[string]string{}
	for _, field := range slices.Sorted(maps.Keys(p.Fields)) {
		value, lower := p.Fields[field], strings.ToLower(field)
		switch {
		case !match(fieldPattern, field):
			errs = append(errs, fmt.Errorf("field name %q: want printable ASCII without space and colon (policy 5.1)", field))
		case slices.Contains(own, lower):
			errs = append(errs, fmt.Errorf("%s %q: this field has a place of its own in Package", field, value))
		case seen[lower] != "":
			errs = append(errs, fmt.Errorf("%s %q: given twice, also as %s", field, value, seen[lower]))
		case value == "" || strings.TrimSpace(value) != value || !plain(value):
			errs = append(errs, fmt.Errorf("%s %q: want one line of text (policy 5.1)", field, value))
		}
		seen[lower] = field
	}
	return errors.Join(errs...)
}

// checkScripts checks that the kernel will know how to run the scripts.
func (p *Package) checkScripts() error {
	var errs []error
	for _, s := range []struct{ name, text string }{
		{"preinst", p.Scripts.PreInst}, {"postinst", p.Scripts.PostInst},
		{"prerm", p.Scripts.PreRm}, {"postrm", p.Scripts.PostRm},
	} {
		if first, _, _ := strings.Cut(s.text, "\n"); s.text != "" && !strings.HasPrefix(first, "#!") {
			errs = append(errs, fmt.Errorf("%s %q: want a first line that begins with #! (policy 6.1)", s.name, first))
		}
	}
	return errors.Join(errs...)
}

// checkFiles checks each file, and that they can lie in one tree.
func checkFiles(all []File) error {
	var errs []error
	seen := make(map[string]File, len(all))
	for _, f := range all {
		if err := f.check(); err != nil {
			errs = append(errs, fmt.Errorf("file %q: %w", f.Path, err))
		}
		if _, twice := seen[f.Path]; twice {
			errs = append(errs, fmt.Errorf("file %q: given twice", f.Path))
		}
		seen[f.Path] = f
	}
	for _, f := range all {
		for dir := path.Dir(f.Path); dir != "/" && dir != "."; dir = path.Dir(dir) {
			if above, ok := seen[dir]; ok && !above.Dir {
				errs = append(errs, fmt.Errorf("file %q: %q is not a directory", f.Path, dir))
			}
		}
	}
	return errors.Join(errs...)
}

// check checks one file by itself.
func (f File) check() error {
	if err := checkPath(f.Path); err != nil {
		return err
	}
	kinds := 0
	for _, is := range []bool{f.Dir, f.Link != "", f.Source != "", f.Content != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("more than one of Dir, Link, Source and Content")
	case f.Link != "" && f.Mode != 0:
		return fmt.Errorf("mode %#o: a symlink has none", f.Mode)
	case f.Mode&^0o755 != 0:
		return fmt.Errorf("mode %v: want no more than 0755 (policy 10.9)", f.Mode)
	case f.Link != "" && (path.Clean(f.Link) != f.Link || !plain(f.Link)):
		// nfpm would clean it, which can change where it leads.
		return fmt.Errorf("symlink target %q: want it clean, %q (policy 10.5)", f.Link, path.Clean(f.Link))
	case f.Source == "":
		return nil
	}
	info, err := os.Lstat(f.Source)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("source %s: mode %v: want a regular file", f.Source, info.Mode())
	}
	return err
}

// checkPath checks a destination. dpkg keeps its lists one path a line.
func checkPath(p string) error {
	switch {
	case !path.IsAbs(p) || path.Clean(p) != p || p == "/":
		return errors.New("want a clean absolute path below /")
	case !plain(p):
		return errors.New("want a path of printable UTF-8")
	case p == "/etc" || strings.HasPrefix(p, "/etc/"):
		return errors.New("conffiles are not supported (policy 10.7)")
	}
	return nil
}

// plain reports whether s is UTF-8 without control characters or line breaks.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}
