package apt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// order is that of the fields in Packages, dpkg-scanpackages' (CTRL_INDEX_PKG in
// Dpkg::Control::FieldsCore). Other fields follow, sorted by name.
var order = []string{
	"Package", "Package-Type", "Source", "Version", "Kernel-Version", "Built-For-Profiles", "Auto-Built-Package",
	"Architecture", "Subarchitecture", "Installer-Menu-Item", "Build-Essential", "Essential", "Protected", "Origin", "Bugs",
	"Maintainer", "Installed-Size", "Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances", "Conflicts", "Breaks",
	"Replaces", "Provides", "Built-Using", "Static-Built-Using", "Filename", "Size", "SHA256", "Section", "Priority",
	"Multi-Arch", "Homepage", "Description", "Tag", "Task",
}

// indexFields are for the index to say. A control file that has one would speak
// of another .deb.
var indexFields = []string{"Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512", "Description-md5", "Status"}

// field is a control field. In value the folded lines follow the first, each with
// "\n" and its space before it.
type field struct{ name, value string }

// entry is a package of the repository, ready to be written.
type entry struct {
	Package
	name, version, arch string
	stanza              string
}

// entries checks the packages and sorts them. Two packages with one name and
// version would meet in the Packages of one architecture, and apt could take
// either.
func (r *Repository) entries() ([]entry, error) {
	var all []entry
	var errs []error
	for _, p := range r.Packages {
		fields, err := parse(p.Control)
		if err == nil {
			err = p.check(fields, r.Architectures)
		}
		if err != nil {
			errs = append(errs, named(p.Filename, err)...)
			continue
		}
		all = append(all, entry{p, value(fields, "Package"), value(fields, "Version"), value(fields, "Architecture"), p.stanza(fields)})
	}
	slices.SortFunc(all, func(a, b entry) int {
		return strings.Compare(a.key(), b.key())
	})
	all = slices.CompactFunc(all, func(a, b entry) bool { return a.Package == b.Package })
	for i := range all {
		for j := i - 1; j >= 0 && all[j].name == all[i].name && all[j].version == all[i].version; j-- {
			if a, b := all[j], all[i]; a.arch == b.arch || a.arch == "all" || b.arch == "all" {
				errs = append(errs, fmt.Errorf("package %s %s is there twice: %s and %s", a.name, a.version, a.Filename, b.Filename))
			}
		}
	}
	return all, errors.Join(errs...)
}

// key is what entries are sorted by; no part of it can hold a space.
func (e entry) key() string {
	return e.name + " " + e.version + " " + e.arch + " " + e.Filename
}

// named puts the name of a package before each error of a joined one.
func named(filename string, err error) []error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for i, err := range all {
		all[i] = fmt.Errorf("package %q: %w", filename, err)
	}
	return all
}

// parse reads a control file: one stanza, no comments (deb-control(5)).
func parse(control string) ([]field, error) {
	var fields []field
	var errs []error
	wrong := func(line int, format string, args ...any) {
		errs = append(errs, fmt.Errorf("control line %d: "+format, append([]any{line}, args...)...))
	}
	number := 0
	for line := range strings.Lines(control) {
		number++
		line = strings.TrimSuffix(line, "\n")
		switch name, text, colon := strings.Cut(line, ":"); {
		case strings.TrimSpace(line) == "":
			wrong(number, "blank: want one stanza")
		case !plain(strings.ReplaceAll(line, "\t", " ")):
			wrong(number, "%.80q: want printable UTF-8", line)
		case line[0] == ' ' || line[0] == '\t':
			if len(fields) == 0 {
				wrong(number, "%.80q: goes on with a field that did not begin", line)
				continue
			}
			fields[len(fields)-1].value += "\n" + strings.TrimRight(line, " \t")
		case !colon || !fieldPattern.MatchString(name):
			wrong(number, "%.80q: want field: value", line)
		case slices.ContainsFunc(indexFields, func(own string) bool { return strings.EqualFold(own, name) }):
			wrong(number, "%s: the index has this field, a control file has not", name)
		case slices.ContainsFunc(fields, func(f field) bool { return strings.EqualFold(f.name, name) }):
			wrong(number, "%s: there twice", name)
		default:
			fields = append(fields, field{name, strings.TrimSpace(text)})
		}
	}
	for _, f := range fields {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("control field %s: empty (policy 5.1)", f.name))
		}
	}
	return fields, errors.Join(errs...)
}

// value is that of a field, or "".
func value(fields []field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// stanza is the package as Packages has it.
func (p Package) stanza(fields []field) string {
	fields = append(slices.Clone(fields),
		field{"Filename", p.Filename}, field{"Size", fmt.Sprint(p.Size)}, field{"SHA256", p.SHA256})
	slices.SortStableFunc(fields, func(a, b field) int {
		if d := rank(a.name) - rank(b.name); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	var out strings.Builder
	for _, f := range fields {
		out.WriteString(f.name + ":")
		if !strings.HasPrefix(f.value, "\n") {
			out.WriteByte(' ')
		}
		out.WriteString(f.value + "\n")
	}
	return out.String()
}

// rank is where a field stands in order, or after all of it.
func rank(name string) int {
	i := slices.IndexFunc(order, func(o string) bool { return strings.EqualFold(o, name) })
	if i < 0 {
		return len(order)
	}
	return i
}
