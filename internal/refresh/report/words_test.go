package report

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// contrast is the ratio of two colours as WCAG 2.2 defines it.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(hex string) float64 {
		n, err := strconv.ParseUint(hex, 16, 32)
		if err != nil {
			t.Fatalf("colour %q: %v", hex, err)
		}
		part := func(shift uint) float64 {
			v := float64(n>>shift&0xff) / 255
			if v <= 0.04045 {
				return v / 12.92
			}
			return math.Pow((v+0.055)/1.055, 2.4)
		}
		return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestContrastOfBlackOnWhite(t *testing.T) {
	if got := contrast(t, "000000", "ffffff"); got != 21 {
		t.Error(got)
	}
}

func TestBytesWords(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 34_100_000: "34.1 MB", 99_949_999: "99.9 MB", 99_950_000: "100 MB",
		999_499_999: "999 MB", 999_500_000: "1.0 GB", -1_200_000: "−1.2 MB", math.MaxInt64: "9.2 EB",
	} {
		if got := bytesWords(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestSecondsWords(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0 s", 0.04: "0 s", 0.44: "0.4 s", 9.94: "9.9 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min 00 s", 252.4: "4 min 12 s",
		3599.4: "59 min 59 s", 3599.6: "1 h 00 min", 3900: "1 h 05 min", 359_900: "99 h 58 min", 360_000: "4 d 04 h", 1e7: "115 d 17 h",
	} {
		if got := secondsWords(s); got != want {
			t.Errorf("%v: %s, want %s", s, got, want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 14210: "14,210", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		states []string
		want   string
	}{
		{nil, "There is nothing in the matrix"},
		{[]string{Failed}, "The artifact failed"},
		{[]string{Stale}, "The artifact is not up to date"},
		{[]string{Rebuilt}, "The artifact is up to date"},
		{[]string{Fresh, Rebuilt}, "All 2 artifacts are up to date"},
		{[]string{Fresh, Failed, Stale}, "1 of 3 artifacts failed"},
		{[]string{Fresh, Skipped}, "1 of 2 artifacts is not up to date"},
		{[]string{"due", Skipped, Fresh}, "2 of 3 artifacts are not up to date"},
	} {
		n := Night{}
		for _, s := range tt.states {
			n.Artifacts = append(n.Artifacts, Artifact{State: s})
		}
		if got := verdict(&n); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.states, got, tt.want)
		}
	}
	for want, n := range map[string]Night{
		"All 2 artifacts are up to date, but 1 thing could not be looked at": {Artifacts: []Artifact{{State: Fresh}, {State: Fresh}}, Trouble: []string{"x"}},
		"1 of 2 artifacts failed, and 2 things could not be looked at":       {Artifacts: []Artifact{{State: Fresh}, {State: Failed}}, Trouble: []string{"x", "y"}},
		"There is nothing in the matrix, and 1 thing could not be looked at": {Trouble: []string{"x"}},
	} {
		if got := verdict(&n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	tried := Night{Artifacts: []Artifact{{State: Stale, Log: "x.txt"}}}
	if got := verdict(&tried); got != "The artifact failed" {
		t.Errorf("stale with a log: %s", got)
	}
}

// TestTroubleIsNoSuccess: a night that could not look everywhere looks like none of
// those where all is well, to people and to machines.
func TestTroubleIsNoSuccess(t *testing.T) {
	quiet := sample(1, 1)
	trouble := sample(1, 1)
	trouble[0].Trouble = []string{"pins of trixie: no such host"}
	if icon(&quiet[0]) == icon(&trouble[0]) {
		t.Error("the same icon")
	}
	for path, want := range map[string]string{
		"index.html": `<h2 id="trouble">Not looked at</h2>`, "night.txt": "NOT LOOKED AT\n  pins of trixie: no such host\n", "feed.atom": "but 1 thing could not be looked at</title>",
		"metrics.prom": "pybake_pins_trouble 1\n", "night.json": `"trouble": [`, "nights.json": `"trouble":1`,
	} {
		if got := written(t, trouble)[path]; !strings.Contains(got, want) {
			t.Errorf("%s has no %q", path, want)
		}
		if got := written(t, quiet)[path]; strings.Contains(got, want) {
			t.Errorf("%s of a quiet night has %q", path, want)
		}
	}
	if got := written(t, trouble)["metrics.prom"]; strings.Contains(got, "pybake_last_success_timestamp_seconds") {
		t.Error("it counts as a success")
	}
}

func TestPassedWords(t *testing.T) {
	for _, tt := range []struct {
		made, passed int
		want         string
	}{{0, 0, ""}, {1, 1, "1 check passed"}, {1, 0, "0 of 1 check passed"}, {24, 24, "24 checks passed"}, {2400, 2399, "2,399 of 2,400 checks passed"}} {
		if got := passedWords(tt.made, tt.passed); got != tt.want {
			t.Errorf("%d of %d: %s, want %s", tt.passed, tt.made, got, tt.want)
		}
	}
}

func TestSpan(t *testing.T) {
	from := time.Date(2026, 7, 12, 23, 0, 0, 0, time.UTC)
	for hours, want := range map[int]string{0: "2026-07-12 23:00 to 23:00 UTC", 2: "2026-07-12 23:00 to 2026-07-13 01:00 UTC"} {
		if got := span(&Night{Started: from, Finished: from.Add(time.Duration(hours) * time.Hour)}); got != want {
			t.Errorf("%d hours: %s, want %s", hours, got, want)
		}
	}
}

func TestBlock(t *testing.T) {
	for in, want := range map[string]string{
		"plain ü → €": "plain ü → €", "a\tb\nc\r\nd": "a\tb\nc\nd",
		"\x1b[1;31mred\x1b[0m": "red", "\x1b]0;title\x07x": "x", "\x1b]8;;http://e.example\x1b\\x": "x", "\x1bMx": "x",
		"\x1b": "\ufffd", "a\x00b": "a\ufffdb", "\u009b31m": "\ufffd31m", "\xff\xfe": "\ufffd", "x\u202ey": "x\ufffdy", "\ufffe": "\ufffd", "\ufeff": "\ufffd",
	} {
		if got := block(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestLogLine(t *testing.T) {
	for in, want := range map[string]string{
		"10%\r100%": "100%", "100%\r": "100%", "x\r\n": "x", "  kept": "  kept", "": "",
	} {
		if got := logLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestFollowable(t *testing.T) {
	for href, want := range map[string]bool{
		"../pool/5f/x.deb": true, "https://example.org/x": true, "logs/x.txt": true, "HTTP://example.org": true,
		"": false, "javascript:alert(1)": false, "JavaScript:x": false, "data:text/html,x": false, "//example.org/x": false, "/var/log/x": false, `\\host\x`: false, "file:///x": false, "%zz": false,
	} {
		if got := followable(href); got != want {
			t.Errorf("%q: %v", href, got)
		}
	}
}

func TestWebAddress(t *testing.T) {
	for in, want := range map[string]string{
		"https://baked.example.org": "https://baked.example.org/", "https://baked.example.org/a//": "https://baked.example.org/a/",
		"https://user:secret@baked.example.org/?token=x#y": "https://baked.example.org/", "": "", "published": "", "file:///x": "", "https://": "",
	} {
		if got := webAddress(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
