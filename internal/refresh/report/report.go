// Package report tells what a night did: as a page for people, as text, as a
// feed, and as numbers for machines. It is pure: the same nights give the same
// bytes, and nothing is read or written.
//
// # Files
//
//	index.html      the morning page: one file, nothing from elsewhere, readable without its script
//	night.json      {"format": 1, …}: the Night
//	nights.json     {"format": 1, …}: the last 30 nights in columns, see below
//	night.txt       the night as text of at most 80 columns, failures first
//	feed.atom       RFC 4287, an entry for each night
//	metrics.prom    Prometheus text format 0.0.4
//
// # States
//
//	failed     it could not be made; the last good one stays published, if Since is set
//	stale      it is out of date and was not tried; the last good one stays published
//	skipped    it was not tried, and nothing of it is published
//	rebuilt    it was made
//	fresh      it was there already, of today's inputs
//
// A stale artifact with a log or a tail of one was tried: it counts as broken, as
// one that failed does. Any other word is shown as it is and taken for not up to date.
//
// A night with Trouble does not know whether there is anything new where it could not
// look. What is up to date is so by the pins as they are; the night is no success.
//
// # nights.json
//
// Nights are listed newest first; of an artifact of the newest night, each letter of
// states and each number is that of one night, in the same order:
//
//	{"format": 1,
//	 "nights": [{"started": "…", "finished": "…", "generation": 8, "trouble": 1, "states": {"fresh": 28, "failed": 2}}],
//	 "artifacts": [{"name": "python 3.13 trixie amd64", "kind": "python",
//	                "states": "frrx-", "bytes": [34100000, …], "seconds": [0, 252.4, …]}]}
//
// The letters: f fresh, r rebuilt, s stale, x failed, k skipped, ? another word,
// - not in the matrix. Seconds are 0 in nights that did not build it.
//
// # What is escaped
//
// Names, errors and lines of logs come from anywhere. Terminal sequences are taken
// out; what is no UTF-8, a control character or a mark that turns the direction of
// text becomes U+FFFD; what is too long for a page is cut. The page forbids itself
// every script but its own (Content-Security-Policy), and links that are none of
// http, https or relative become text.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// History is how many nights charts, nights.json and the feed tell of.
const History = 30

// format is that of night.json and nights.json.
const format = 1

// States of an artifact, in the order in which they are told.
const (
	Failed  = "failed"
	Stale   = "stale"
	Skipped = "skipped"
	Rebuilt = "rebuilt"
	Fresh   = "fresh"
)

var states = []string{Failed, Stale, Skipped, Rebuilt, Fresh}

// Night is one run of refresh.
type Night struct {
	Project    string     `json:"project"` // "shop"
	Started    time.Time  `json:"started"`
	Finished   time.Time  `json:"finished"`
	Generation int        `json:"generation,omitempty"` // that was published; 0: none
	URL        string     `json:"url,omitempty"`        // of the published directory: "https://baked.example.org/"
	Signed     bool       `json:"signed"`
	Moves      []string   `json:"moves,omitempty"`   // pins that moved: "openssl 3.0.17-1 → 3.0.18-1 in bookworm (base image)"
	Trouble    []string   `json:"trouble,omitempty"` // what could not be looked at, so that pins of it stay: "pins of trixie: …: no such host"
	Notes      []string   `json:"notes,omitempty"`   // "Python 3.9 has had no security fixes since 2025-10-31"
	Artifacts  []Artifact `json:"artifacts"`         // in the order of the matrix
}

// Artifact is what became of one cell of the matrix.
type Artifact struct {
	Name     string    `json:"name"`               // "wheels requirements.lock 3.13 trixie amd64"; no two have the same
	Kind     string    `json:"kind"`               // "python", "wheels", "image"
	Row      string    `json:"row,omitempty"`      // of the matrix: "requirements.lock on 3.13"
	Column   string    `json:"column,omitempty"`   // "trixie"
	State    string    `json:"state"`              // see States
	Key      string    `json:"key,omitempty"`      // of what is published: 64 hex digits
	Reasons  []string  `json:"reasons,omitempty"`  // that it was built, or would have been
	Compared int       `json:"compared,omitempty"` // inputs that were compared
	Error    string    `json:"error,omitempty"`    // why it failed, is stale or was skipped
	Tail     []string  `json:"tail,omitempty"`     // last lines of the log of a failure
	Log      string    `json:"log,omitempty"`      // a link, relative to report/; or an absolute path, which is shown only
	Since    time.Time `json:"since,omitzero"`     // that what is published is out of date
	Size     int64     `json:"size,omitempty"`     // bytes of what is published
	Seconds  float64   `json:"seconds,omitempty"`  // that it took this night
	Checks   int       `json:"checks,omitempty"`   // that were made
	Passed   int       `json:"passed,omitempty"`   // of Checks
	Links    []Link    `json:"links,omitempty"`
	Needs    []string  `json:"needs,omitempty"` // names of artifacts that it is made from
}

// Link is a link to a package, a log, an index.
type Link struct {
	Text string `json:"text"` // "pybake-python3.13_3.13.5-1_amd64.deb"
	Href string `json:"href"` // relative to report/: "../pool/5f/5f1c…/x.deb"
}

// File is one file of a report.
type File struct {
	Path string // without "report/": "index.html"
	Data []byte
}

// broken is whether making an artifact was tried and failed.
func (a *Artifact) broken() bool {
	return a.State == Failed || a.State == Stale && (len(a.Tail) > 0 || a.Log != "")
}

// current is whether an artifact is of the inputs of its night.
func (a *Artifact) current() bool { return a.State == Fresh || a.State == Rebuilt }

// built is whether Seconds are those of a build.
func (a *Artifact) built() bool { return a.State == Rebuilt || a.broken() }

// Files are the files of a report of the first of nights, which are given newest
// first. Nights beyond History are left out.
func Files(nights []Night) ([]File, error) {
	if len(nights) == 0 {
		return nil, errors.New("report: there is no night to tell of")
	}
	nights = cleanNights(nights)
	index, err := renderPage(nights)
	if err != nil {
		return nil, err
	}
	night, err := encode(struct {
		Format int `json:"format"`
		Night
	}{format, nights[0]}, "  ")
	if err != nil {
		return nil, err
	}
	past, err := encode(columns(nights), "")
	if err != nil {
		return nil, err
	}
	feed, err := renderFeed(nights)
	if err != nil {
		return nil, err
	}
	return []File{
		{"feed.atom", feed},
		{"index.html", index},
		{"metrics.prom", renderMetrics(nights)},
		{"night.json", night},
		{"night.txt", []byte(renderText(nights))},
		{"nights.json", past},
	}, nil
}

// Text is a night as text of at most 80 columns, for a terminal or a mail.
func Text(n Night) string { return renderText(cleanNights([]Night{n})) }

// Metrics are the numbers of the first of nights, which are given newest first, in
// Prometheus' text format 0.0.4. Of no night they are empty.
func Metrics(nights []Night) []byte {
	if len(nights) == 0 {
		return nil
	}
	return renderMetrics(cleanNights(nights))
}

// encode is v as JSON, on one line if indent is empty.
func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
