package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// bytesWords is a size: "34.1 MB".
func bytesWords(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "−", -n
	}
	if n < 1000 {
		return fmt.Sprintf("%s%d B", sign, n)
	}
	value := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		value /= 1000
		if value < 999.5 || unit == "EB" {
			if value < 99.95 {
				return fmt.Sprintf("%s%.1f %s", sign, value, unit)
			}
			return fmt.Sprintf("%s%.0f %s", sign, value, unit)
		}
	}
	return ""
}

// secondsWords is a length of time: "0.4 s", "38 s", "4 min 12 s", "1 h 05 min", "4 d 04 h".
func secondsWords(s float64) string {
	whole := int64(math.Round(s))
	switch {
	case s < 9.95:
		return strconv.FormatFloat(math.Round(s*10)/10, 'f', -1, 64) + " s"
	case whole < 60:
		return fmt.Sprintf("%d s", whole)
	case whole < 3600:
		return fmt.Sprintf("%d min %02d s", whole/60, whole%60)
	}
	if whole >= 100*3600 {
		return fmt.Sprintf("%s d %02d h", thousands(int(whole/86400)), whole%86400/3600)
	}
	minutes := (whole + 30) / 60
	return fmt.Sprintf("%s h %02d min", thousands(int(minutes/60)), minutes%60)
}

// thousands is a number with commas: "14,210".
func thousands(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// plural is a number with its word: "1 night", "30 nights".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return thousands(n) + " " + word + "s"
}

// day and minute are how times are shown, in UTC.
func day(t time.Time) string {
	if t.IsZero() {
		return "an unknown day"
	}
	return t.Format("2006-01-02")
}

func minute(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.Format("2006-01-02 15:04") + " UTC"
}

// span is when a night was: "2026-07-12 02:00 to 03:12 UTC".
func span(n *Night) string {
	from, to := n.Started.Format("2006-01-02 15:04"), n.Finished.Format("2006-01-02 15:04")
	if day(n.Started) == day(n.Finished) {
		to = n.Finished.Format("15:04")
	}
	return from + " to " + to + " UTC"
}

// took is how long a night was, in seconds.
func took(n *Night) float64 { return max(0, n.Finished.Sub(n.Started).Seconds()) }

// count is how many artifacts of a night have a state.
type count struct {
	State string
	N     int
}

// counts are those of the known states, and of others that a night has.
func counts(n *Night) (all []count) {
	index := map[string]int{}
	for i, s := range states {
		all, index[s] = append(all, count{State: s}), i
	}
	for i := range n.Artifacts {
		s := n.Artifacts[i].State
		k, ok := index[s]
		if !ok {
			k = len(all)
			all, index[s] = append(all, count{State: s}), k
		}
		all[k].N++
	}
	return all
}

// ofState is how many artifacts of a night have a state.
func ofState(n *Night, state string) (total int) {
	for i := range n.Artifacts {
		if n.Artifacts[i].State == state {
			total++
		}
	}
	return total
}

// verdict is the night in a few words: "2 of 30 artifacts failed", "All 30 artifacts
// are up to date, but 1 thing could not be looked at".
func verdict(n *Night) string {
	words, good := outcome(n)
	if len(n.Trouble) == 0 {
		return words
	}
	return words + map[bool]string{true: ", but ", false: ", and "}[good] + plural(len(n.Trouble), "thing") + " could not be looked at"
}

// outcome is what became of the artifacts, and whether all are up to date.
func outcome(n *Night) (words string, good bool) {
	all, failed, behind := len(n.Artifacts), 0, 0
	for i := range n.Artifacts {
		switch a := &n.Artifacts[i]; {
		case a.broken():
			failed++
		case !a.current():
			behind++
		}
	}
	switch {
	case all == 0:
		return "There is nothing in the matrix", false
	case failed > 0 && all == 1:
		return "The artifact failed", false
	case failed > 0:
		return fmt.Sprintf("%s of %s artifacts failed", thousands(failed), thousands(all)), false
	case behind > 0 && all == 1:
		return "The artifact is not up to date", false
	case behind == 1:
		return fmt.Sprintf("1 of %s artifacts is not up to date", thousands(all)), false
	case behind > 0:
		return fmt.Sprintf("%s of %s artifacts are not up to date", thousands(behind), thousands(all)), false
	case all == 1:
		return "The artifact is up to date", true
	}
	return fmt.Sprintf("All %s artifacts are up to date", thousands(all)), true
}

// checksWords is what the checks of a night came to, empty if none was made.
func checksWords(n *Night) string {
	made, passed := 0, 0
	for i := range n.Artifacts {
		made, passed = made+n.Artifacts[i].Checks, passed+n.Artifacts[i].Passed
	}
	return passedWords(made, passed)
}

func passedWords(made, passed int) string {
	switch {
	case made == 0:
		return ""
	case made == passed && made == 1:
		return "1 check passed"
	case made == passed:
		return thousands(made) + " checks passed"
	}
	return fmt.Sprintf("%s of %s passed", thousands(passed), plural(made, "check"))
}

// totalSize and totalSeconds are sums over a night.
func totalSize(n *Night) (sum int64) {
	for i := range n.Artifacts {
		sum += n.Artifacts[i].Size
	}
	return sum
}

func totalSeconds(n *Night) (sum float64) {
	for i := range n.Artifacts {
		if n.Artifacts[i].built() {
			sum += n.Artifacts[i].Seconds
		}
	}
	return sum
}
