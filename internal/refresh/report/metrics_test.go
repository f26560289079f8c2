package report

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// parseMetrics reads Prometheus' text format 0.0.4 and takes nothing that it does not
// ask for: HELP, TYPE and samples of a family stand together in that order, no sample
// is there twice, and the last line ends.
func parseMetrics(text string) (samples map[string]float64, err error) {
	samples, done := map[string]float64{}, map[string]bool{}
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line does not end")
	}
	family, typed := "", false
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		fail := func(words string) (map[string]float64, error) {
			return nil, fmt.Errorf("line %d: %s: %q", i+1, words, line)
		}
		if m := regexp.MustCompile(`^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\]|\\\\|\\n)+$`).FindStringSubmatch(line); m != nil {
			if done[m[1]] {
				return fail("a family is there twice")
			}
			family, typed, done[m[1]] = m[1], false, true
			continue
		}
		if m := regexp.MustCompile(`^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)$`).FindStringSubmatch(line); m != nil {
			if m[1] != family || typed {
				return fail("TYPE of another family")
			}
			typed = true
			continue
		}
		name := regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`).FindString(line)
		if name == "" || name != family || !typed {
			return fail("a sample of no family")
		}
		rest, labels := line[len(name):], ""
		if strings.HasPrefix(rest, "{") {
			labels = regexp.MustCompile(`^\{[a-z_]+="(?:[^"\\]|\\\\|\\"|\\n)*"(?:,[a-z_]+="(?:[^"\\]|\\\\|\\"|\\n)*")*\}`).FindString(rest)
			if labels == "" {
				return fail("labels")
			}
			rest = rest[len(labels):]
		}
		value, err := strconv.ParseFloat(strings.TrimPrefix(rest, " "), 64)
		if err != nil || !strings.HasPrefix(rest, " ") {
			return fail("value")
		}
		if _, twice := samples[name+labels]; twice {
			return fail("a sample is there twice")
		}
		samples[name+labels] = value
	}
	return samples, nil
}

func TestParseMetricsRefuses(t *testing.T) {
	const head = "# HELP a x\n# TYPE a gauge\n"
	for _, bad := range []string{
		"", "a 1\n", head + "a 1", head + "b 1\n", head + "a{} 1\n", head + "a{x=\"\\d\"} 1\n", head + "a{x=\"1\"y=\"2\"} 1\n", head + "a one\n",
		head + "a 1\na 2\n", head + "a 1\n" + head, head + "a  1 2\n", "# TYPE a gauge\na 1\n", head + "\n", head + "a{x=\"\"\"} 1\n",
	} {
		if got, err := parseMetrics(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
	if got, err := parseMetrics(head + "a{x=\"\\\\\\\"\\n\"} 1\n"); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}

func TestMetrics(t *testing.T) {
	for name, nights := range nightsToTell() {
		if _, err := parseMetrics(string(Metrics(nights))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := parseMetrics(string(Metrics(small())))
	if err != nil {
		t.Fatal(err)
	}
	for sample, want := range map[string]float64{
		"pybake_generation":                      8,
		"pybake_signed":                          0,
		"pybake_pins_moved":                      1,
		"pybake_pins_trouble":                    1,
		"pybake_night_duration_seconds":          4320,
		"pybake_night_started_timestamp_seconds": 1783821600,
		`pybake_artifacts{state="failed"}`:       1,
		`pybake_artifacts{state="rebuilt"}`:      2,
		`pybake_artifacts{state="fresh"}`:        1,
		`pybake_artifact_state{` + of("wheels uv.lock 3.13 trixie amd64", "wheels") + `,state="failed"}`:           1,
		`pybake_artifact_size_bytes{` + of("python 3.13 bookworm amd64", "python") + `}`:                           34_600_000,
		`pybake_artifact_build_seconds{` + of("python 3.13 bookworm amd64", "python") + `}`:                        252.4,
		`pybake_artifact_last_success_timestamp_seconds{` + of("wheels uv.lock 3.13 trixie amd64", "wheels") + `}`: 1783735212,
		`pybake_artifact_checks{` + of("python 3.13 trixie amd64", "python") + `}`:                                 31,
		`pybake_artifact_checks_failed{` + of("python 3.13 trixie amd64", "python") + `}`:                          0,
	} {
		if value, ok := got[sample]; !ok || value != want {
			t.Errorf("%s: %v, want %v (there: %v)", sample, value, want, ok)
		}
	}
	// No night of the two was all good, and the worker was never made.
	for sample := range got {
		if sample == "pybake_last_success_timestamp_seconds" || strings.Contains(sample, "image worker") && strings.Contains(sample, "success") {
			t.Errorf("there is %s", sample)
		}
	}
}

func of(name, kind string) string { return `artifact="` + name + `",kind="` + kind + `"` }

func TestLastGood(t *testing.T) {
	nights := sample(1, 4)
	nights[0].Artifacts[0].State = Failed
	nights[1].Trouble = []string{"pins of trixie: no such host"}
	if got := lastGood(nights); got != &nights[2] {
		t.Errorf("got %+v", got)
	}
}
