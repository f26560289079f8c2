package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/pybake/pybake/internal/pattern"
	"github.com/pybake/pybake/recipes"
)

// Candidate is a release that may be taken. One with neither time has been known
// for long.
type Candidate struct {
	Version   string    // "3.13.6"
	Released  time.Time // when it was, as its signature or a CSV tells; zero: unknown
	FirstSeen time.Time // when it was found; zero: unknown
}

// Since is when the cooldown begins: at the earlier of the two times.
func (c Candidate) Since() time.Time {
	if c.Released.IsZero() || !c.FirstSeen.IsZero() && c.FirstSeen.Before(c.Released) {
		return c.FirstSeen
	}
	return c.Released
}

// Choose picks the newest of the candidates that want means and whose cooldown is
// over, and tells of the newest newer one that is still in it; either may be
// without a version. want is
//
//	3.13             a series
//	3.11.9           that release, whatever its cooldown
//	>=3.9, <3.15     a range: the newest of all, so give it the candidates of one series (see Series)
//
// A prerelease is chosen only where no release fits: an exact one, one of a series
// that has none, or of a range that names one (">=3.15.0b1").
//
// Errors: want is none of these, or means no candidate.
func Choose(want string, candidates []Candidate, cooldown time.Duration, now time.Time) (chosen, waiting Candidate, err error) {
	m, err := parseWant(want)
	if err != nil {
		return chosen, waiting, err
	}
	var fit []Candidate
	var newest string
	for _, c := range candidates {
		if recipes.Compare(c.Version, newest) > 0 {
			newest = c.Version
		}
		if v, ok := semantic(c.Version); ok && m.means(v) {
			fit = append(fit, c)
		}
	}
	if slices.ContainsFunc(fit, func(c Candidate) bool { return !prerelease(c.Version) }) {
		fit = slices.DeleteFunc(fit, func(c Candidate) bool { return prerelease(c.Version) })
	}
	if len(fit) == 0 {
		err := fmt.Errorf("python %s: no release is known that it means", want)
		if newest != "" {
			err = fmt.Errorf("%w; the newest is %s", err, newest)
		}
		return chosen, waiting, err
	}
	slices.SortStableFunc(fit, func(a, b Candidate) int { return recipes.Compare(b.Version, a.Version) })
	for _, c := range fit {
		if m.exact != nil || c.Since().IsZero() || !now.Before(c.Since().Add(cooldown)) {
			return c, waiting, nil
		}
		if waiting.Version == "" {
			waiting = c
		}
	}
	return chosen, waiting, nil
}

// patches is more patch releases than a series will ever have.
const patches = 200

// Series are the series that want means, oldest first: that of a series or of an
// exact release, or those of all that the range admits. all are names of series.
//
// A range that ends within a series (<3.13.5) is an error: the newest of that
// series is not what it means.
func Series(want string, all []string) ([]string, error) {
	m, err := parseWant(want)
	if err != nil {
		return nil, err
	}
	var admitted []string
	for _, s := range all {
		switch first, ok := semantic(s + ".0"); {
		case !ok:
			return nil, fmt.Errorf("series %q: want such as 3.13", s)
		case m.series != "" && m.series == s, m.exact != nil && seriesOf(want) == s:
			admitted = append(admitted, s)
		case m.within != nil:
			some, last := m.admits(first)
			if some && !last {
				return nil, fmt.Errorf("python %s: ends within %s: name the series, or the release", want, s)
			}
			if some {
				admitted = append(admitted, s)
			}
		}
	}
	if len(admitted) == 0 {
		known := slices.SortedFunc(slices.Values(all), recipes.Compare)
		return nil, fmt.Errorf("python %s: means none of the known series: %s", want, strings.Join(known, ", "))
	}
	slices.SortFunc(admitted, recipes.Compare)
	return slices.Compact(admitted), nil
}

// meaning is what somebody wants; one of the three is set.
type meaning struct {
	series string
	exact  *semver.Version
	within *semver.Constraints
}

var (
	seriesPattern     = pattern.New(`^` + number + `\.` + number + `$`)
	prereleasePattern = pattern.New(`(\d)(a|b|rc)(\d+)\b`)
)

func parseWant(want string) (meaning, error) {
	if seriesPattern.MatchString(want) {
		return meaning{series: want}, nil
	}
	if v, ok := semantic(want); ok {
		return meaning{exact: v}, nil
	}
	within, err := semver.NewConstraint(prereleasePattern.ReplaceAllString(want, "$1-$2.$3"))
	if err != nil || strings.TrimSpace(want) == "" {
		return meaning{}, fmt.Errorf(`python %q: want a series such as "3.13", a release such as "3.11.9", or a range such as ">=3.9, <3.15"`, want)
	}
	return meaning{within: within}, nil
}

func (m meaning) means(v *semver.Version) bool {
	switch {
	case m.exact != nil:
		return v.Equal(m.exact)
	case m.within != nil:
		return m.within.Check(v)
	}
	return m.series == fmt.Sprintf("%d.%d", v.Major(), v.Minor())
}

// admits tells whether a range admits some release of the series that begins
// with first, and whether it admits those to come.
func (m meaning) admits(first *semver.Version) (some, last bool) {
	for patch := range uint64(patches) {
		v := semver.New(first.Major(), first.Minor(), patch, "", "")
		last = m.within.Check(v)
		some = some || last
	}
	return some, last
}

var exactPattern = pattern.New(`^(` + number + `)\.(` + number + `)\.(` + number + `)(?:(a|b|rc)(` + number + `))?$`)

// semantic is an exact version of CPython as semver compares them: 3.15.0-b.4.
func semantic(version string) (*semver.Version, bool) {
	m := exactPattern.FindStringSubmatch(version)
	if m == nil {
		return nil, false
	}
	var n [3]uint64
	for i := range n {
		n[i], _ = strconv.ParseUint(m[i+1], 10, 16)
	}
	pre := ""
	if m[4] != "" {
		pre = m[4] + "." + m[5]
	}
	return semver.New(n[0], n[1], n[2], pre, ""), true
}

func prerelease(version string) bool { return strings.ContainsAny(version, "abc") }
