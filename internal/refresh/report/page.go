package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"sync"
	"time"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// Limits of the page, which has to open at once on a telephone: night.json has all.
const (
	pageTails    = 300_000 // characters of all logs together
	pageLines    = 40      // of a log
	pageOpen     = 2       // failures whose logs are open
	pageFailures = 100     // with their errors; the others are in the matrix
	pageReasons  = 4       // in a cell
	pageCauses   = 40      // with the artifacts rebuilt for each
	pageNames    = 20      // of artifacts in a list
	pageMoves    = 300
	pageLinks    = 12 // in a cell
	manyRows     = 24 // above which rows where all is fresh are folded
	manyColumns  = 5  // above which a table scrolls sideways
)

// The templates are read when they are used: most runs write no report.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"bytes":     bytesWords,
		"seconds":   secondsWords,
		"thousands": thousands,
		"plural":    plural,
		"day":       day,
		"minute":    minute,
		"iso":       rfc3339,
		"followed":  followable,
		"cut":       cut,
		"class":     class,
		"ofState":   ofState,
		"took":      took,
		"size":      totalSize,
		"work":      totalSeconds,
		"span":      span,
		"counted":   func(n Night) []count { return counts(&n)[:len(states)] },
	}).Parse(pageHTML))
})

// page is what page.html shows.
type page struct {
	*Night
	Verdict  string
	Counts   []count
	Shares   []share
	Checks   string
	Others   bool // there are states that the page has no sign for
	Failures []failure
	Unshown  int // failures beyond pageFailures
	Changes  changesPage
	Kinds    []kind
	Charts   []chart
	Nights   []Night

	Icon   template.URL
	CSS    template.CSS
	JS     template.JS
	Policy string
}

// ref is a link to the cell of an artifact.
type ref struct{ ID, Name string }

// failure is an artifact that failed.
type failure struct {
	*Artifact
	ID, Cell string // anchors: of the failure, of the artifact in the matrix
	Age      string // "new", "3 nights"
	Tail     []string
	Left     int // lines of the tail that are not shown
	Open     bool
	Holds    []ref
	More     int // held beyond those
}

// changesPage is changes as the page shows them.
type changesPage struct {
	Before                        time.Time // the night compared with; zero: none
	Moves, MoreMoves              []string
	LeftMoves                     int
	Broke, Mended, Added, Removed refs
	Causes                        []causeRefs
	LeftCauses                    int
	Resized                       []resizedRef
	Slow                          []slowRef
}

// refs are the first of some artifacts, and how many there are.
type refs struct {
	List      []ref
	All, Left int
}

type causeRefs struct {
	Reason string
	Of     refs
}

type resizedRef struct {
	ref
	New int64
	By  string // "+1.2 MB"
}

type slowRef struct {
	ref
	Seconds, Before float64
}

// ids are the anchors of artifacts: "a-python-3.13-trixie-amd64". The same name has
// the same one on every page, unless two names come out alike. No other anchor of
// the page begins with "a-".
type ids map[string]string

func newIDs(n *Night) ids {
	of, taken := ids{}, map[string]bool{}
	for i := range n.Artifacts {
		name := n.Artifacts[i].Name
		id := slug(name)
		for k := 2; taken[id]; k++ {
			id = fmt.Sprintf("%s-%d", slug(name), k)
		}
		taken[id], of[name] = true, "a-"+id
	}
	return of
}

// slug is a name of at most 80 letters, digits, dots, underscores and hyphens.
func slug(name string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	return s[:min(80, len(s))]
}

func (of ids) refs(list []*Artifact) refs {
	r := refs{All: len(list), Left: max(0, len(list)-pageNames)}
	for _, a := range list[:len(list)-r.Left] {
		r.List = append(r.List, ref{of[a.Name], a.Name})
	}
	return r
}

// renderPage is index.html.
func renderPage(nights []Night) ([]byte, error) {
	n := &nights[0]
	l := newLedger(nights)
	of := newIDs(n)
	p := page{
		Night: n, Verdict: verdict(n), Counts: counts(n), Checks: checksWords(n),
		Kinds: kinds(n, l, of), Nights: nights,
		CSS: template.CSS(pageCSS), JS: template.JS(pageJS),
		Policy: fmt.Sprintf("default-src 'none'; img-src data:; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'",
			hashOf(pageCSS), hashOf(pageJS)),
	}
	p.Shares = shares(p.Counts)
	p.Others = len(p.Counts) > len(states)
	p.Failures, p.Unshown = failures(n, l, of)
	p.Changes = changesOf(n, l, of)
	p.Icon = icon(n)
	if len(nights) > 1 {
		p.Charts = charts(nights)
	}
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// hashOf is how a Content-Security-Policy names the text of a style or a script.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// icon is the sign of the night for the tab of a browser.
func icon(n *Night) template.URL {
	const attention, mark = "8a5a00", "M8 4v5M8 11.5v.5"
	colour, path := "3b7a55", "M4 8.5l2.7 2.7L12 5.5"
	if len(n.Trouble) > 0 {
		colour, path = attention, mark
	}
	for i := range n.Artifacts {
		if n.Artifacts[i].broken() {
			colour, path = "b3261e", "M5 5l6 6M11 5l-6 6"
			break
		}
		if !n.Artifacts[i].current() {
			colour, path = attention, mark
		}
	}
	return template.URL("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%23" +
		colour + "'/%3E%3Cpath d='" + path + "' fill='none' stroke='white' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E")
}

func charts(nights []Night) []chart {
	number := func(v float64) string { return thousands(int(v + 0.5)) }
	broken := func(n *Night) (sum float64) {
		for i := range n.Artifacts {
			if n.Artifacts[i].broken() {
				sum++
			}
		}
		return sum
	}
	all := []chart{
		newChart("Failed", nights, broken, number),
		newChart("Rebuilt", nights, func(n *Night) float64 { return float64(ofState(n, Rebuilt)) }, number),
		newChart("Build time", nights, totalSeconds, secondsWords),
		newChart("Size of all", nights, func(n *Night) float64 { return float64(totalSize(n)) },
			func(v float64) string { return bytesWords(int64(v)) }),
	}
	all[0].Bad = true
	return all
}

// failures are what failed, with as much of the logs as fits on the page.
func failures(n *Night, l *ledger, of ids) (list []failure, unshown int) {
	holds := held(n)
	for i := range n.Artifacts {
		a := &n.Artifacts[i]
		if !a.broken() {
			continue
		}
		if len(list) == pageFailures {
			unshown++
			continue
		}
		over := of.refs(holds[a.Name])
		list = append(list, failure{
			Artifact: a, ID: "failed-" + strings.TrimPrefix(of[a.Name], "a-"), Cell: of[a.Name],
			Age: age(l, a.Name), Holds: over.List, More: over.Left,
		})
	}
	for i := range list {
		f := &list[i]
		f.Open = len(list) <= pageOpen
		room, from := pageTails/len(list), len(f.Artifact.Tail)
		for from > 0 && len(f.Artifact.Tail)-from < pageLines && room > 0 {
			room -= len(f.Artifact.Tail[from-1]) + 1
			if room >= 0 || from == len(f.Artifact.Tail) {
				from--
			}
		}
		f.Tail, f.Left = f.Artifact.Tail[from:], from
	}
	return list, unshown
}

func changesOf(n *Night, l *ledger, of ids) changesPage {
	c := l.changes()
	p := changesPage{
		Broke: of.refs(c.Broke), Mended: of.refs(c.Mended), Added: of.refs(c.Added), Removed: of.refs(c.Removed),
		LeftMoves: max(0, len(n.Moves)-pageMoves), LeftCauses: max(0, len(c.Causes)-pageCauses),
	}
	if len(l.nights) > 1 {
		p.Before = l.nights[1].Started
	}
	moves := n.Moves[:len(n.Moves)-p.LeftMoves]
	p.Moves = moves[:min(pageNames, len(moves))]
	p.MoreMoves = moves[len(p.Moves):]
	for _, one := range c.Causes[:len(c.Causes)-p.LeftCauses] {
		p.Causes = append(p.Causes, causeRefs{one.Reason, of.refs(one.Of)})
	}
	for _, r := range c.Resized {
		by := bytesWords(r.Size - r.Old)
		if r.Size > r.Old {
			by = "+" + by
		}
		p.Resized = append(p.Resized, resizedRef{ref{of[r.Name], r.Name}, r.Size, by})
	}
	for _, s := range c.Slow {
		p.Slow = append(p.Slow, slowRef{ref{of[s.Name], s.Name}, s.Seconds, s.Before})
	}
	return p
}
