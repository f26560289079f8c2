package project

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIndexAddress(t *testing.T) {
	const secret = "hunter2"
	for _, good := range []string{
		"https://pypi.example.org:8443/simple/", "http://localhost:3141/root/pypi/+simple/", "http://127.8.0.1/", "http://[::1]:80/", "https://pypi.example.org",
		"https://${TOKEN}@pypi.example.org/", "https://__token__:${TOKEN}@pypi.example.org/", "https://oauth2accesstoken@pypi.example.org/",
		"https://${HOST}/simple/", "https://pypi.example.org/${STAGE}/simple/", "${CORP_INDEX}", "${BASE}/simple/",
	} {
		if err := checkIndex(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"":                                            "missing or empty",
		"pypi.example.org/simple":                     "want an https address",
		"file:///srv/simple":                          "not an address",
		"ftp://pypi.example.org/":                     "ftp: want an https address",
		"https://":                                    "not an address",
		"https:///simple":                             "not an address",
		"https://pypi.example.org:port/":              "not an address",
		"http://pypi.example.org/simple":              "http://pypi.example.org/: want https: only what is on this machine itself may do without",
		"http://127.0.0.1.example.org/":               "http://127.0.0.1.example.org/: want https: only what is on this machine itself may do without",
		"http://${HOST}/":                             "http://x/: want https: only what is on this machine itself may do without",
		"https://pypi.example.org/#x":                 "an address with ? or #: want that of the index alone",
		"https://me:" + secret + "@pypi.example.org/": "an address with credentials; keep them in netrc or a keyring, or write ${VAR} for them",
		"https://${USER}:" + secret + "@pypi.example.org/":      "an address with credentials; keep them in netrc or a keyring, or write ${VAR} for them",
		"https://glpat-hunter2hunter2hunter2@pypi.example.org/": "an address with credentials; keep them in netrc or a keyring, or write ${VAR} for them",
		"https://me:" + secret + "@${HOST}:x@[broken":           "an address with credentials; keep them in netrc or a keyring, or write ${VAR} for them",
		"${SCHEME}://me:" + secret + "@pypi.example.org/":       "want an https address",
		"me:" + secret + "://pypi.example.org/":                 "want an https address",
		"https://pypi.example.org/?token=" + secret:             "an address with ? or #: want that of the index alone",
	} {
		err := checkIndex(bad)
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", bad, err, want)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: a secret shows: %v", bad, err)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2025, 3, 2, 1, 2, 3, 0, time.FixedZone("", 7200))
	for age, want := range map[Age]string{
		"":                          "0001-01-01T00:00:00Z",
		"2025-06-01":                "2025-06-02T00:00:00Z",
		"2024-12-31":                "2025-01-01T00:00:00Z",
		"2025-06-01T12:00:00+02:00": "2025-06-01T10:00:00Z",
		"2d":                        "2025-02-27T23:02:03Z",
		"1w":                        "2025-02-22T23:02:03Z",
	} {
		if got, err := age.Time(now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: %s, %v, want %s", age, got.Format(time.RFC3339), err, want)
		}
	}
	for _, bad := range []Age{"0d", "7", "7 days", "-1d", "99999d", "2025-02-30", "2025-6-1", "2025-06-01 12:00:00", "d"} {
		if at, err := Age(bad).Time(now); err == nil {
			t.Errorf("%q: %v", bad, at)
		}
	}
}

func TestConstraints(t *testing.T) {
	got, err := Constraints("c.txt", "\ufeff# for builds\r\nsetuptools<81\r\n\n  cython==0.29.37 ; python_version < \"3.9\"  # old\nwheel\t#x\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"setuptools<81", `cython==0.29.37 ; python_version < "3.9"`, "wheel"}, got); diff != "" {
		t.Error(diff)
	}
	_, err = Constraints("c.txt", "setuptools<\n\n-r more.txt\nwheel==0.45.1 --hash=sha256:00\ncython \\\n  ==3\n")
	if err == nil {
		t.Fatal("accepted")
	}
	golden(t, "constraints.golden", err.Error()+"\n")
}

// FuzzConstraints: what is accepted is a list of requirements that is accepted again.
func FuzzConstraints(f *testing.F) {
	for _, seed := range []string{"", "a<1 # x\n", "a\\\n<1", "-r x", "\ufeffa; python_version<'3'\r\n", "a --hash=sha256:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Constraints("c.txt", text)
		if err != nil {
			return
		}
		again, err := Constraints("c.txt", strings.Join(list, "\n"))
		if err != nil || !cmp.Equal(list, again) {
			t.Errorf("%q: %q, then %q, %v", text, list, again, err)
		}
	})
}
