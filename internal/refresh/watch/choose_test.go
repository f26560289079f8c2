package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pybake/pybake/recipes"
)

// since makes candidates of "3.13.6 2": released two days ago, "3.13.6 2/1": and
// found one day ago, "3.13.6 /1": found one day ago; "3.13.6": known for long.
func since(t *testing.T, texts ...string) (all []Candidate) {
	t.Helper()
	for _, text := range texts {
		version, days, _ := strings.Cut(text, " ")
		released, found, _ := strings.Cut(days, "/")
		ago := func(days string) (at time.Time) {
			var n float64
			if days == "" {
				return at
			}
			if _, err := fmt.Sscan(days, &n); err != nil {
				t.Fatal(err)
			}
			return today.Add(-time.Duration(n * 24 * float64(time.Hour)))
		}
		all = append(all, Candidate{version, ago(released), ago(found)})
	}
	return all
}

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		want       string
		candidates []string
		chosen     string
		waiting    string
	}{
		{"3.13", []string{"3.13.9", "3.13.100", "3.13.11", "3.12.200"}, "3.13.100", ""},
		{"3.13", []string{"3.13.5", "3.13.6 2"}, "3.13.5", "3.13.6"},
		{"3.13", []string{"3.13.5", "3.13.6 3"}, "3.13.6", ""},
		{"3.13", []string{"3.13.5", "3.13.6 4", "3.13.7 1", "3.13.8 0"}, "3.13.6", "3.13.8"},
		{"3.13", []string{"3.13.6 1"}, "", "3.13.6"},
		{"3.13", []string{"3.13.5", "3.13.6 /1"}, "3.13.5", "3.13.6"},
		{"3.13", []string{"3.13.5", "3.13.6 /3"}, "3.13.6", ""},
		{"3.13", []string{"3.13.5", "3.13.6 30/1"}, "3.13.6", ""},     // released long before it was found
		{"3.13", []string{"3.13.5", "3.13.6 1/30"}, "3.13.6", ""},     // a wrong date
		{"3.13", []string{"3.13.5", "3.13.6 -9"}, "3.13.5", "3.13.6"}, // in the future
		{"3.13.6", []string{"3.13.5", "3.13.6 0"}, "3.13.6", ""},
		{"3.15", []string{"3.15.0b4", "3.15.0b10", "3.15.0a7"}, "3.15.0b10", ""},
		{"3.15", []string{"3.15.0rc1", "3.15.0 4"}, "3.15.0", ""},
		{"3.15", []string{"3.15.0rc1", "3.15.0 1"}, "", "3.15.0"},
		{"3.15.0b4", []string{"3.15.0b4", "3.15.0"}, "3.15.0b4", ""},
		{">=3.9, <3.15", []string{"3.13.5", "3.13.6", "3.15.0"}, "3.13.6", ""},
		{">=3.13, <3.13.6", []string{"3.13.5", "3.13.6"}, "3.13.5", ""},
		{">=3.13, !=3.13.6", []string{"3.13.5", "3.13.6"}, "3.13.5", ""},
		{">=3.9", []string{"3.14.0", "3.15.0b4"}, "3.14.0", ""},
		{">=3.15.0b2", []string{"3.15.0b4", "3.15.0 1"}, "", "3.15.0"},
		{">=3.15.0b2", []string{"3.15.0b1", "3.15.0b4"}, "3.15.0b4", ""},
		{"~3.13", []string{"3.13.5", "3.14.0"}, "3.13.5", ""},
		{"3.13.x", []string{"3.13.5", "3.14.0"}, "3.13.5", ""},
	} {
		chosen, waiting, err := Choose(test.want, since(t, test.candidates...), 72*time.Hour, today)
		if err != nil || chosen.Version != test.chosen || waiting.Version != test.waiting {
			t.Errorf("%s of %q: chose %q, waits %q, %v; want %q and %q",
				test.want, test.candidates, chosen.Version, waiting.Version, err, test.chosen, test.waiting)
		}
	}
}

func TestChooseNothing(t *testing.T) {
	const malformed = `: want a series such as "3.13", a release such as "3.11.9", or a range such as ">=3.9, <3.15"`
	for want, text := range map[string]string{
		"3.16":     "python 3.16: no release is known that it means; the newest is 3.15.0b4",
		"3.13.99":  "python 3.13.99: no release is known that it means; the newest is 3.15.0b4",
		">=3.15":   "python >=3.15: no release is known that it means; the newest is 3.15.0b4",
		"":         `python ""` + malformed,
		" ":        `python " "` + malformed,
		"latest":   `python "latest"` + malformed,
		"==3.13.*": `python "==3.13.*"` + malformed,
		">=3.9 <":  `python ">=3.9 <"` + malformed,
	} {
		chosen, waiting, err := Choose(want, since(t, "3.13.5", "3.15.0b4"), 0, today)
		if err == nil || err.Error() != text || chosen.Version+waiting.Version != "" {
			t.Errorf("%q: %v, %v, %v; want %s", want, chosen, waiting, err, text)
		}
	}
	if _, _, err := Choose("3.13", nil, 0, today); err == nil || err.Error() != "python 3.13: no release is known that it means" {
		t.Errorf("no candidates: %v", err)
	}
}

func TestSeries(t *testing.T) {
	all := []string{"3.10", "3.9", "3.8", "3.13", "3.14"}
	for want, series := range map[string]string{
		"3.13":              "3.13",
		"3.9.25":            "3.9",
		">=3.9, <3.14":      "3.9 3.10 3.13",
		">=3.9 <3.14":       "3.9 3.10 3.13",
		"3.8 || 3.14":       "3.8 3.14",
		">=3.13.5":          "3.13 3.14",
		"~3.13.2":           "3.13",
		">3.13":             "3.14",
		"<=3.9":             "3.8 3.9",
		"!=3.13.7, >=3.13":  "3.13 3.14",
		"*":                 "3.8 3.9 3.10 3.13 3.14",
		">=3.14.0rc1, <3.9": "python >=3.14.0rc1, <3.9: means none of the known series: 3.8, 3.9, 3.10, 3.13, 3.14",
		"3.16":              "python 3.16: means none of the known series: 3.8, 3.9, 3.10, 3.13, 3.14",
		"3.7.1":             "python 3.7.1: means none of the known series: 3.8, 3.9, 3.10, 3.13, 3.14",
		">=3.9, <3.13.5":    "python >=3.9, <3.13.5: ends within 3.13: name the series, or the release",
		"=3.13.5 || 3.9":    "python =3.13.5 || 3.9: ends within 3.13: name the series, or the release",
		"three":             `python "three": want a series such as "3.13", a release such as "3.11.9", or a range such as ">=3.9, <3.15"`,
	} {
		got, err := Series(want, all)
		text := strings.Join(got, " ")
		if err != nil {
			text = err.Error()
		}
		if text != series {
			t.Errorf("%s: got %s; want %s", want, text, series)
		}
	}
	if _, err := Series("3.13", []string{"trixie"}); err == nil {
		t.Error("a series that is none: accepted")
	}
	if got, err := Series("3.13", []string{"3.13", "3.13"}); err != nil || !slices.Equal(got, []string{"3.13"}) {
		t.Errorf("given twice: %v, %v", got, err)
	}
}

func TestEndOfLife(t *testing.T) {
	series := func(name, eol string) recipes.Series {
		return recipes.Series{Series: name, Released: "2020-10-05", Bugfix: "2022-05-01", EOL: eol}
	}
	day := func(text string) time.Time {
		at, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for now, want := range map[string]string{
		"2025-08-01 23:59:59": "",
		"2025-08-02 00:00:00": "3.9 reaches its end of life on 2025-10-31, in 90 days",
		"2025-09-21 12:00:00": "3.9 reaches its end of life on 2025-10-31, in 40 days",
		"2025-10-30 23:00:00": "3.9 reaches its end of life on 2025-10-31, tomorrow",
		"2025-10-31 23:00:00": "3.9 reaches its end of life today",
		"2025-11-01 00:00:00": "3.9 reached its end of life on 2025-10-31: no more security fixes",
	} {
		got := EndOfLife([]recipes.Series{series("3.13", "2029-10-31"), series("3.9", "2025-10-31")}, day(now))
		if strings.Join(got, "\n") != want {
			t.Errorf("%s: got %q; want %q", now, got, want)
		}
	}
}

func TestSigstoreCommand(t *testing.T) {
	for program, want := range map[string]string{
		"/usr/bin/sigstore": "/usr/bin/sigstore verify identity --bundle B --cert-identity I --cert-oidc-issuer O F",
		"cosign":            "cosign verify-blob --new-bundle-format --bundle B --certificate-identity I --certificate-oidc-issuer O F",
	} {
		argv, err := SigstoreCommand(program, "F", "B", "I", "O")
		if err != nil || strings.Join(argv, " ") != want {
			t.Errorf("%s: %q, %v", program, argv, err)
		}
	}
	if _, err := SigstoreCommand("/bin/true", "F", "B", "I", "O"); err == nil {
		t.Error("another program: accepted")
	}
}
