package pep

import (
	"cmp"
	"strings"
	"unicode"
)

// WheelName is the file name of a wheel (PEP 427), taken apart.
type WheelName struct {
	Name    string // normalised: "foo-bar"
	Dist    string // as written: "Foo_Bar"
	Version Version
	Build   string      // "1", "2abc", or "" for none
	Tag     [3][]string // interpreters, ABIs, platforms, in lower case
}

// ParseWheelName reads the file name of a wheel, such as
// "foo_bar-1.0-1-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl".
func ParseWheelName(filename string) (WheelName, error) {
	fail := func(col int, cause string) (WheelName, error) {
		return WheelName{}, &Error{"wheel name", filename, col, cause}
	}
	if err := checkInput("wheel name", filename); err != nil {
		return WheelName{}, err
	}
	stem, ok := strings.CutSuffix(filename, ".whl")
	if !ok {
		return fail(len(filename), "does not end in .whl")
	}
	parts := strings.Split(stem, "-")
	if len(parts) != 5 && len(parts) != 6 {
		return fail(0, "want five or six parts between hyphens")
	}
	w := WheelName{Dist: parts[0], Name: NormalizeName(parts[0])}
	for i, r := range w.Dist {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '_' && r != '.' {
			return fail(i, "unexpected "+snippet(string(r))+" in the name")
		}
	}
	if w.Dist == "" || strings.Contains(w.Dist, "__") {
		return fail(0, "empty name, or two underscores in it")
	}
	col := len(parts[0]) + 1
	var err error
	if w.Version, err = ParseVersion(parts[1]); err != nil {
		return WheelName{}, within(err, "wheel name", filename, col)
	}
	col += len(parts[1]) + 1
	if len(parts) == 6 {
		w.Build = parts[2]
		if w.Build == "" || !isDigit(w.Build[0]) || strings.ContainsFunc(w.Build, unicode.IsControl) {
			return fail(col, "the build tag does not begin with a digit")
		}
		col += len(parts[2]) + 1
	}
	if w.Tag, err = splitTag(stem[col:]); err != nil {
		return WheelName{}, within(err, "wheel name", filename, col)
	}
	return w, nil
}

// String is the file name, with the version in its normal form.
func (w WheelName) String() string {
	parts := []string{w.Dist, w.Version.String()}
	if w.Build != "" {
		parts = append(parts, w.Build)
	}
	for _, p := range w.Tag {
		parts = append(parts, strings.Join(p, "."))
	}
	return strings.Join(parts, "-") + ".whl"
}

// Tags is every tag of the wheel.
func (w WheelName) Tags() []Tag { return expand(w.Tag) }

// Rank is the best place of the wheel's tags in ranks (Target.Ranks), or false
// if none of them is there: the wheel does not fit.
func (w WheelName) Rank(ranks map[Tag]int) (rank int, ok bool) {
	for _, tag := range w.Tags() {
		if r, found := ranks[tag]; found && (!ok || r < rank) {
			rank, ok = r, true
		}
	}
	return rank, ok
}

// CompareBuild orders wheels that differ in the build tag alone: none, then by
// number, then by the rest.
func (w WheelName) CompareBuild(o WheelName) int {
	a, i := scanNum(w.Build, 0)
	b, j := scanNum(o.Build, 0)
	return cmp.Or(a.compare(b), strings.Compare(w.Build[i:], o.Build[j:]))
}

// SdistName is the file name of a source distribution, taken apart.
type SdistName struct {
	Name    string // normalised: "foo-bar"
	Dist    string // as written: "Foo-Bar"
	Version Version
	Ext     string // ".tar.gz"
}

// ParseSdistName reads the file name of a source distribution: NAME-VERSION.tar.gz
// by PEP 625, and what came before it: .zip and other archives, hyphens in the
// name and in the version. Where the hyphens leave a choice, project, a name in
// any spelling, makes it: "a-b-3.2.3-2.tar.gz" is 3.2.3.post2 of "a-b". With
// project "" the last hyphen divides. A file of another project is an error.
func ParseSdistName(filename, project string) (SdistName, error) {
	fail := func(col int, cause string) (SdistName, error) {
		return SdistName{}, &Error{"sdist name", filename, col, cause}
	}
	if err := checkInput("sdist name", filename); err != nil {
		return SdistName{}, err
	}
	stem, ext := cutSdistExt(filename)
	if ext == "" {
		return fail(len(filename), "does not end in .tar.gz, .zip or another archive's extension")
	}
	hyphen := strings.LastIndexByte(stem, '-')
	if project != "" {
		hyphen = projectEnd(stem, NormalizeName(project))
		if hyphen < 0 {
			return fail(0, "not a file of "+project)
		}
	}
	if hyphen < 0 {
		return fail(len(stem), "no hyphen between name and version")
	}
	dist := stem[:hyphen]
	if !ValidName(dist) {
		return fail(0, snippet(dist)+" cannot be a name")
	}
	v, err := ParseVersion(stem[hyphen+1:])
	if err != nil {
		return SdistName{}, within(err, "sdist name", filename, hyphen+1)
	}
	return SdistName{NormalizeName(dist), dist, v, ext}, nil
}

func cutSdistExt(filename string) (stem, ext string) {
	for _, ext := range []string{".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar.Z", ".tbz", ".tar"} {
		if stem, ok := strings.CutSuffix(filename, ext); ok {
			return stem, ext
		}
	}
	return filename, ""
}

// projectEnd is the hyphen of stem before which the normalised name stands, -1
// if there is none.
func projectEnd(stem, name string) int {
	i := 0
	for j := range len(name) {
		start := i
		for name[j] == '-' && i < len(stem) && isSep(stem[i]) {
			i++
		}
		if name[j] != '-' && i < len(stem) && lower(stem[i]) == name[j] {
			i++
		}
		if i == start {
			return -1
		}
	}
	if i == len(stem) || stem[i] != '-' {
		return -1
	}
	return i
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// String is the file name, with the version in its normal form.
func (s SdistName) String() string { return s.Dist + "-" + s.Version.String() + s.Ext }
