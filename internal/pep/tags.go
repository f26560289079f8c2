package pep

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

const maxTags = 4096 // that one compressed tag set may stand for

// Tag is one PEP 425 compatibility tag, in lower case.
type Tag struct {
	Python   string // "cp313", "py3"
	ABI      string // "cp313t", "abi3", "none"
	Platform string // "manylinux_2_28_x86_64", "any"
}

func (t Tag) String() string { return t.Python + "-" + t.ABI + "-" + t.Platform }

// ParseTag reads a tag or a compressed set of tags, "py2.py3-none-any", and
// returns all that it stands for.
func ParseTag(s string) ([]Tag, error) {
	parts, err := splitTag(s)
	if err != nil {
		return nil, err
	}
	return expand(parts), nil
}

// splitTag returns the interpreters, ABIs and platforms of a compressed set.
func splitTag(s string) (parts [3][]string, err error) {
	if err := checkInput("tag", s); err != nil {
		return parts, err
	}
	if strings.Count(s, "-") != 2 {
		return parts, &Error{"tag", s, 0, "want three parts between hyphens"}
	}
	col, count := 0, 1
	for i, part := range strings.Split(s, "-") {
		parts[i] = strings.Split(strings.ToLower(part), ".")
		count *= len(parts[i])
		for _, name := range parts[i] {
			if name == "" {
				return parts, &Error{"tag", s, col, "empty part"}
			}
			if strings.ContainsFunc(name, isSpace) {
				return parts, &Error{"tag", s, col, "blank in a part"}
			}
			if i == 0 && !isIdentifier(name) {
				return parts, &Error{"tag", s, col, fmt.Sprintf("%q cannot be an interpreter", name)}
			}
			col += len(name) + 1
		}
	}
	if count > maxTags {
		return parts, &Error{"tag", s, 0, fmt.Sprintf("stands for %d tags, more than %d", count, maxTags)}
	}
	return parts, nil
}

func expand(parts [3][]string) []Tag {
	var tags []Tag
	for _, python := range parts[0] {
		for _, abi := range parts[1] {
			for _, platform := range parts[2] {
				tags = append(tags, Tag{python, abi, platform})
			}
		}
	}
	return tags
}

func isIdentifier(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '_' && !isAlnum(s[i]) {
			return false
		}
	}
	return s != "" && !isDigit(s[0])
}

// Target is a CPython on Linux that wheels shall fit.
type Target struct {
	Python       [2]int // {3, 13}
	FreeThreaded bool   // python3.13t, whose ABI is cp313t
	Arch         string // as uname -m names it: "x86_64", "aarch64", "armv7l"
	Glibc        [2]int // {2, 41}; {0, 0} for none
	Musl         [2]int // {1, 2}; {0, 0} for none
}

// Tags is every tag that fits the target, the best first: the ABI of its own
// before the stable one, before none, before stable ABIs of older Pythons; then
// pure Python for the platform, and for any.
func (t Target) Tags() []Tag {
	platforms := t.Platforms()
	var tags []Tag
	add := func(python, abi string, platforms ...string) {
		for _, p := range platforms {
			tags = append(tags, Tag{python, abi, p})
		}
	}
	major, minor := t.Python[0], t.Python[1]
	cp := fmt.Sprintf("cp%d%d", major, minor)
	abi, stable := cp, "abi3"
	switch {
	case t.FreeThreaded:
		abi, stable = cp+"t", "abi3t"
	case major == 3 && minor < 8:
		abi = cp + "m"
	}
	add(cp, abi, platforms...)
	add(cp, stable, platforms...)
	add(cp, "none", platforms...)
	for older := minor - 1; older >= 2; older-- {
		add(fmt.Sprintf("cp%d%d", major, older), stable, platforms...)
	}
	pure := []string{fmt.Sprintf("py%d%d", major, minor), fmt.Sprintf("py%d", major)}
	for older := minor - 1; older >= 0; older-- {
		pure = append(pure, fmt.Sprintf("py%d%d", major, older))
	}
	for _, py := range pure {
		add(py, "none", platforms...)
	}
	add(cp, "none", "any")
	for _, py := range pure {
		add(py, "none", "any")
	}
	return tags
}

// ranks has what Ranks returned, by target: a matrix asks for the same ones again and
// again, and each has thousands of tags.
var ranks sync.Map

// Ranks is the place of each of Tags in their order, 0 for the best. It is not to be
// changed.
func (t Target) Ranks() map[Tag]int {
	if known, ok := ranks.Load(t); ok {
		return known.(map[Tag]int)
	}
	made, _ := ranks.LoadOrStore(t, t.ranks())
	return made.(map[Tag]int)
}

func (t Target) ranks() map[Tag]int {
	ranks := map[Tag]int{}
	for i, tag := range t.Tags() {
		ranks[tag] = i
	}
	return ranks
}

// Platforms is every platform that fits the target, the best first: linux_ARCH,
// then manylinux from its glibc down, each alias after the version it stands
// for, or musllinux likewise.
func (t Target) Platforms() []string {
	archs := []string{t.Arch}
	if t.Arch == "armv8l" { // 32 bits on an ARM of 64
		archs = append(archs, "armv7l")
	}
	var platforms []string
	for _, arch := range archs {
		platforms = append(platforms, "linux_"+arch)
	}
	for _, arch := range archs {
		platforms = append(platforms, t.manylinux(arch)...)
	}
	if t.Musl[0] > 0 {
		for _, arch := range archs {
			for minor := t.Musl[1]; minor >= 0; minor-- {
				platforms = append(platforms, fmt.Sprintf("musllinux_%d_%d_%s", t.Musl[0], minor, arch))
			}
		}
	}
	return platforms
}

// manylinux is the manylinux platforms of one architecture. PEP 600 begins at
// glibc 2.17, on x86 at 2.5. A glibc 2 after which 3 came is taken to have ended
// at 2.50, as packaging does.
func (t Target) manylinux(arch string) []string {
	oldest := 17
	switch arch {
	case "x86_64", "i686":
		oldest = 5
	case "aarch64", "armv7l", "armv8l", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64":
	default:
		return nil
	}
	var platforms []string
	newest := t.Glibc[1]
	for major := t.Glibc[0]; major >= 2; major-- {
		end := 0
		if major == 2 {
			end = oldest
		}
		for minor := newest; minor >= end; minor-- {
			platforms = append(platforms, fmt.Sprintf("manylinux_%d_%d_%s", major, minor, arch))
			if alias := manylinuxAlias(major, minor); alias != "" {
				platforms = append(platforms, alias+"_"+arch)
			}
		}
		newest = 50
	}
	return platforms
}

// manylinuxAlias is the name that a glibc had before PEP 600 (PEP 513, 571, 599).
func manylinuxAlias(major, minor int) string {
	switch [2]int{major, minor} {
	case [2]int{2, 5}:
		return "manylinux1"
	case [2]int{2, 12}:
		return "manylinux2010"
	case [2]int{2, 17}:
		return "manylinux2014"
	}
	return ""
}

// Platform is the platform of a tag for Linux, taken apart.
type Platform struct {
	Family string // "linux", "manylinux", "musllinux"
	Libc   [2]int // the least glibc or musl: {2, 17} for manylinux2014; {0, 0} for linux
	Arch   string // "x86_64"
}

// ParsePlatform takes the platform of a tag apart: "manylinux2014_x86_64" and
// "manylinux_2_17_x86_64" are the same. It is false for all but Linux.
func ParsePlatform(s string) (Platform, bool) {
	family, rest, _ := strings.Cut(s, "_")
	p := Platform{Family: family, Arch: rest}
	switch family {
	case "linux":
	case "manylinux1":
		p.Family, p.Libc = "manylinux", [2]int{2, 5}
	case "manylinux2010":
		p.Family, p.Libc = "manylinux", [2]int{2, 12}
	case "manylinux2014":
		p.Family, p.Libc = "manylinux", [2]int{2, 17}
	case "manylinux", "musllinux":
		parts := strings.SplitN(rest, "_", 3)
		if len(parts) != 3 {
			return Platform{}, false
		}
		for i := range p.Libc {
			n, err := strconv.ParseUint(parts[i], 10, 16)
			if err != nil {
				return Platform{}, false
			}
			p.Libc[i] = int(n)
		}
		p.Arch = parts[2]
	default:
		return Platform{}, false
	}
	return p, p.Arch != ""
}
