package pep

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Version is a PEP 440 version. The zero Version is no version; make others
// with ParseVersion. Numbers have any size.
type Version struct {
	epoch   num
	release []num
	pre     string // "a", "b", "rc", or "" for none
	preN    num
	post    num // "" for none
	dev     num // "" for none
	local   []string
}

// ParseVersion reads a version in any spelling that PEP 440 allows, such as
// " v1.0-Alpha.2 " for 1.0a2.
func ParseVersion(s string) (Version, error) {
	if err := checkInput("version", s); err != nil {
		return Version{}, err
	}
	text, lead := trim(s)
	v, end := scanPublic(text, 0)
	if end == 0 {
		return Version{}, &Error{"version", s, lead, "expected a number, found " + snippet(text)}
	}
	v.local, end = scanLocal(text, end)
	if end < len(text) {
		return Version{}, &Error{"version", s, lead + end, "unexpected " + snippet(text[end:])}
	}
	return v, nil
}

// scanPublic reads the longest version without a local part that begins at i,
// and returns where it ended; i if there is none.
func scanPublic(s string, i int) (Version, int) {
	j := i
	if j < len(s) && (s[j] == 'v' || s[j] == 'V') {
		j++
	}
	n, end := scanNum(s, j)
	if end == j {
		return Version{}, i
	}
	v := Version{epoch: "0"}
	if end < len(s) && s[end] == '!' {
		if m, e := scanNum(s, end+1); e > end+1 {
			v.epoch, n, end = n, m, e
		}
	}
	v.release = append(v.release, n)
	for end+1 < len(s) && s[end] == '.' && isDigit(s[end+1]) {
		n, end = scanNum(s, end+1)
		v.release = append(v.release, n)
	}
	var word string
	if word, n, end = scanLabel(s, end, "alpha", "a", "beta", "b", "preview", "pre", "c", "rc"); word != "" {
		v.pre, v.preN = preLetter(word), n
	}
	if end+1 < len(s) && s[end] == '-' && isDigit(s[end+1]) {
		v.post, end = scanNum(s, end+1)
	} else if word, n, end = scanLabel(s, end, "post", "rev", "r"); word != "" {
		v.post = n
	}
	if word, n, end = scanLabel(s, end, "dev"); word != "" {
		v.dev = n
	}
	return v, end
}

func preLetter(word string) string {
	switch word {
	case "a", "alpha":
		return "a"
	case "b", "beta":
		return "b"
	}
	return "rc"
}

// scanLabel reads a separator or none, the first of words that matches in any
// case, a separator or none, and a number or none, which is then 0.
func scanLabel(s string, i int, words ...string) (word string, n num, end int) {
	j := skipSep(s, i)
	for _, w := range words {
		if len(s)-j < len(w) || !strings.EqualFold(s[j:j+len(w)], w) {
			continue
		}
		j = skipSep(s, j+len(w))
		n, end = scanNum(s, j)
		if n == "" {
			n = "0"
		}
		return w, n, end
	}
	return "", "", i
}

func skipSep(s string, i int) int {
	if i < len(s) && isSep(s[i]) {
		return i + 1
	}
	return i
}

func isSep(c byte) bool { return c == '.' || c == '_' || c == '-' }

// scanLocal reads +LABEL at i: the segments in lower case, numbers without
// leading zeros.
func scanLocal(s string, i int) (segments []string, end int) {
	if i >= len(s) || s[i] != '+' {
		return nil, i
	}
	end = i
	for end+1 < len(s) && (end == i || isSep(s[end])) && isAlnum(s[end+1]) {
		start := end + 1
		for end = start; end < len(s) && isAlnum(s[end]); end++ {
		}
		seg := strings.ToLower(s[start:end])
		if n, e := scanNum(seg, 0); e == len(seg) {
			seg = string(n)
		}
		segments = append(segments, seg)
	}
	return segments, end
}

// String is the normal form: "1!2.0rc1.post3.dev4+ubuntu.1". It is "" for the
// zero Version.
func (v Version) String() string {
	if v.release == nil {
		return ""
	}
	return v.public(v.release) + v.localSuffix()
}

// Canonical is the normal form without trailing zeros of the release: "1" for
// 1.0.0. Versions are equal if and only if their canonical forms are.
func (v Version) Canonical() string {
	if v.release == nil {
		return ""
	}
	return v.public(v.trimmed()) + v.localSuffix()
}

// Public is the normal form without the local part: "2.1" for 2.1+cpu.
func (v Version) Public() string { return v.withoutLocal().String() }

// Base is the epoch and the release alone: "1!2.0" for 1!2.0rc1.
func (v Version) Base() string {
	return Version{epoch: v.epoch, release: v.release}.String()
}

// Release is the numbers of the release, {3, 13, 5}; math.MaxInt for one that is
// larger.
func (v Version) Release() []int {
	out := make([]int, len(v.release))
	for i, n := range v.release {
		var err error
		if out[i], err = strconv.Atoi(string(n)); err != nil {
			out[i] = math.MaxInt
		}
	}
	return out
}

// Local is the local part, "ubuntu.1", or "".
func (v Version) Local() string { return strings.Join(v.local, ".") }

// IsPrerelease is whether the version is an alpha, beta, candidate or
// development release.
func (v Version) IsPrerelease() bool { return v.pre != "" || v.dev != "" }

// IsZero is whether v is the zero Version.
func (v Version) IsZero() bool { return v.release == nil }

func (v Version) public(release []num) string {
	var b strings.Builder
	if v.epoch != "0" {
		b.WriteString(string(v.epoch) + "!")
	}
	for i, n := range release {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(string(n))
	}
	if v.pre != "" {
		b.WriteString(v.pre + string(v.preN))
	}
	if v.post != "" {
		b.WriteString(".post" + string(v.post))
	}
	if v.dev != "" {
		b.WriteString(".dev" + string(v.dev))
	}
	return b.String()
}

func (v Version) localSuffix() string {
	if v.local == nil {
		return ""
	}
	return "+" + v.Local()
}

func (v Version) withoutLocal() Version {
	v.local = nil
	return v
}

// trimmed is the release without trailing zeros, at least one number long.
func (v Version) trimmed() []num {
	n := len(v.release)
	for n > 1 && v.release[n-1] == "0" {
		n--
	}
	return v.release[:n]
}

// Compare is -1, 0 or 1 as v is before, equal to or after w in the order of
// PEP 440: 1.0.dev1 < 1.0a1 < 1.0 = 1.0.0 < 1.0+local < 1.0.post1.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		v.epoch.compare(w.epoch),
		slices.CompareFunc(v.trimmedZero(), w.trimmedZero(), num.compare),
		cmp.Compare(v.preRank(), w.preRank()),
		v.preN.compare(w.preN),
		v.post.compare(w.post),
		cmp.Compare(v.devRank(), w.devRank()),
		v.dev.compare(w.dev),
		slices.CompareFunc(v.local, w.local, compareSegment),
	)
}

// trimmedZero is the release without any trailing zero, for comparing.
func (v Version) trimmedZero() []num {
	t := v.trimmed()
	if len(t) == 1 && t[0] == "0" {
		return nil
	}
	return t
}

// preRank puts a development release of nothing before every alpha, and a
// version that is no prerelease after every candidate.
func (v Version) preRank() int {
	switch {
	case v.pre == "" && v.post == "" && v.dev != "":
		return 0
	case v.pre == "a":
		return 1
	case v.pre == "b":
		return 2
	case v.pre == "rc":
		return 3
	}
	return 4
}

func (v Version) devRank() int {
	if v.dev != "" {
		return 0
	}
	return 1
}

// compareSegment orders segments of a local part: a word is before a number.
func compareSegment(a, b string) int {
	an, bn := isNum(a), isNum(b)
	switch {
	case an && bn:
		return num(a).compare(num(b))
	case an:
		return 1
	case bn:
		return -1
	}
	return strings.Compare(a, b)
}

// num is a number of any size in decimal digits without leading zeros, or ""
// for none, which is before 0.
type num string

func (a num) compare(b num) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(string(a), string(b)))
}

func isNum(s string) bool {
	_, end := scanNum(s, 0)
	return end == len(s)
}

// scanNum reads the digits at i, "" if there are none.
func scanNum(s string, i int) (n num, end int) {
	for end = i; end < len(s) && isDigit(s[end]); end++ {
	}
	if end == i {
		return "", i
	}
	digits := strings.TrimLeft(s[i:end], "0")
	if digits == "" {
		digits = "0"
	}
	return num(digits), end
}
