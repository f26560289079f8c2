package whl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pybake/pybake/internal/pep"
)

// layout is a wheel that is being read.
type layout struct {
	w    *Wheel
	a    *archive
	p    *problems
	info string // "foo-1.0.dist-info"; "" for none
	data string // "foo-1.0.data", whether it is there or not
}

// find finds the one .dist-info and checks .data beside it.
func (l *layout) find() {
	tops := map[string]bool{}
	for _, m := range l.a.members {
		top, _, below := strings.Cut(m.name, "/")
		if below || m.dir {
			tops[top] = true
		}
	}
	var infos []string
	for top := range tops {
		if strings.HasSuffix(top, ".dist-info") {
			infos = append(infos, top)
		}
	}
	slices.Sort(infos)
	switch {
	case len(infos) == 0:
		l.p.add("no .dist-info directory")
		return
	case len(infos) > 1:
		l.p.add("several .dist-info directories: %s", strings.Join(infos, ", "))
		return
	}
	l.info = infos[0]
	stem := strings.TrimSuffix(l.info, ".dist-info")
	l.data = stem + ".data"
	if !l.named(stem) {
		l.p.add("%s: is not that of %s %s, which the file name says", quote(l.info), l.w.Name.Name, l.w.Name.Version)
	}
	for _, top := range slices.Sorted(maps.Keys(tops)) {
		if strings.HasSuffix(top, ".data") && top != l.data {
			l.p.add("%s: a second .data directory, not %s", quote(top), l.data)
		}
	}
}

// named is whether NAME-VERSION is what the file name says.
func (l *layout) named(stem string) bool {
	i := strings.LastIndexByte(stem, '-')
	if i < 0 || pep.NormalizeName(stem[:i]) != l.w.Name.Name {
		return false
	}
	v, err := pep.ParseVersion(stem[i+1:])
	return err == nil && v.Compare(l.w.Name.Version) == 0
}

// member finds a file of .dist-info.
func (l *layout) member(name string) *member {
	i := slices.IndexFunc(l.a.members, func(m *member) bool { return m.name == l.info+"/"+name && !m.dir })
	if i < 0 {
		return nil
	}
	return l.a.members[i]
}

// text reads a file of .dist-info; false if that is not possible, or, unless it
// is wanted, it is not there.
func (l *layout) text(name string, wanted bool) ([]byte, bool) {
	m := l.member(name)
	if m == nil {
		if wanted {
			l.p.add("no %s/%s", l.info, name)
		}
		return nil, false
	}
	if m.refused {
		return nil, false
	}
	data, err := l.a.whole(m)
	if err != nil {
		l.a.refuse(m, "%v", err)
		return nil, false
	}
	return data, true
}

func (l *layout) wheelFile() {
	data, ok := l.text("WHEEL", true)
	if !ok {
		return
	}
	bad := func(format string, args ...any) { l.p.add("WHEEL: %s", fmt.Sprintf(format, args...)) }
	f := readFields(data)
	one := func(name string, wanted bool) string {
		value, problem := f.one(name)
		if problem == "" && value == "" && wanted {
			problem = "no " + name
		}
		if problem != "" {
			bad("%s", problem)
		}
		return value
	}
	if v := one("Wheel-Version", true); v != "" && v != "1" && !strings.HasPrefix(v, "1.") {
		bad("Wheel-Version %s, not 1", quote(v))
	}
	switch v := one("Root-Is-Purelib", true); strings.ToLower(v) {
	case "true":
		l.w.Purelib = true
	case "false", "":
	default:
		bad("Root-Is-Purelib %s, neither true nor false", quote(v))
	}
	l.w.Generator = one("Generator", false)
	if build := one("Build", false); build != "" && build != l.w.Name.Build {
		bad("Build %s, in the file name %s", quote(build), quote(l.w.Name.Build))
	}
	l.tags(f["tag"], bad)
}

// tags compares those of WHEEL with those of the file name. There is one line
// for each, or, as some write it, one for all.
func (l *layout) tags(lines []string, bad func(string, ...any)) {
	said := map[pep.Tag]bool{}
	for _, line := range lines {
		tags, err := pep.ParseTag(line)
		if err != nil {
			bad("Tag: %v", err)
			continue
		}
		if len(said) > 10_000 {
			bad("more than 10000 tags")
			return
		}
		for _, t := range tags {
			said[t] = true
		}
	}
	named := map[pep.Tag]bool{}
	for _, t := range l.w.Tags {
		if named[t] = true; !said[t] {
			bad("no Tag %s, which the file name has", t)
		}
	}
	for t := range said {
		if !named[t] {
			bad("Tag %s, which the file name has not", t)
		}
	}
}

func (l *layout) metadata() {
	data, ok := l.text("METADATA", true)
	if !ok {
		return
	}
	m, err := ParseMetadata(data)
	if err != nil {
		var bad *MetadataError
		if errors.As(err, &bad) {
			for _, problem := range bad.Problems {
				l.p.add("METADATA: %s", problem)
			}
		}
		return
	}
	l.w.Metadata = m
	if pep.NormalizeName(m.Name) != l.w.Name.Name {
		l.p.add("METADATA: Name %s, in the file name %s", quote(m.Name), quote(l.w.Name.Dist))
	}
	if v, err := pep.ParseVersion(m.ReleaseVersion); err != nil || v.Compare(l.w.Name.Version) != 0 {
		l.p.add("METADATA: Version %s, in the file name %s", quote(m.ReleaseVersion), l.w.Name.Version)
	}
}

// place is where pip installs a file: the directory, and its name there.
func (l *layout) place(name string) (scheme, rest string, err error) {
	rest, ok := strings.CutPrefix(name, l.data+"/")
	if l.data == "" || !ok {
		return "site", name, nil
	}
	scheme, rest, ok = strings.Cut(rest, "/")
	switch {
	case !ok:
		return "", "", errors.New("is in no directory of .data")
	case scheme == "purelib" || scheme == "platlib":
		return "site", rest, nil
	case scheme == "scripts":
		return "data", "bin/" + rest, nil
	case scheme == "headers" || scheme == "data":
		return scheme, rest, nil
	}
	return "", "", fmt.Errorf("%s is no directory of .data that is installed", quote(scheme))
}

// places refuses what is installed nowhere, or where another file is.
func (l *layout) places() {
	taken := make(map[[2]string]string, len(l.a.members))
	for _, m := range l.a.members {
		if m.dir {
			continue
		}
		scheme, rest, err := l.place(m.name)
		if err != nil {
			l.a.refuse(m, "%v", err)
			continue
		}
		key := [2]string{scheme, rest}
		if other, ok := taken[key]; ok && other != m.name {
			l.p.add("%s: is installed where %s is", quote(m.name), quote(other))
		}
		taken[key] = m.name
	}
}
