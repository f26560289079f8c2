package report

import (
	"bytes"
	"crypto/sha1"
	"encoding/xml"
	"fmt"
	"html/template"
	"strings"
	"sync"
	"time"
)

// feed and entry are what RFC 4287 asks for, and no more.
type feed struct {
	XMLName  xml.Name   `xml:"http://www.w3.org/2005/Atom feed"`
	ID       string     `xml:"id"`
	Title    string     `xml:"title"`
	Updated  string     `xml:"updated"`
	Author   string     `xml:"author>name"`
	Links    []atomLink `xml:"link"`
	Produced string     `xml:"generator"`
	Entries  []entry    `xml:"entry"`
}

type entry struct {
	ID      string     `xml:"id"`
	Title   string     `xml:"title"`
	Updated string     `xml:"updated"`
	Links   []atomLink `xml:"link"`
	Content content    `xml:"content"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type content struct {
	Type string `xml:"type,attr"`
	HTML string `xml:",chardata"`
}

// Of each night the feed tells of at most so many failures and lines of their logs.
const (
	feedFailures = 20
	feedLines    = 12
	feedMoves    = 50
)

var feedTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("entry").Parse(feedEntry)) })

const feedEntry = `<p>{{.Counts}}</p>
{{range .Broken}}<h3>{{.Name}}</h3>
<p>{{.Error}}</p>
{{with .Tail}}<pre>{{range .}}{{.}}
{{end}}</pre>
{{end}}{{end}}{{with .More}}<p>{{.}}</p>
{{end}}{{with .Trouble}}<h3>Not looked at</h3>
<ul>{{range .}}<li>{{.}}</li>{{end}}</ul>
{{end}}{{with .Moves}}<h3>Pins that moved</h3>
<ul>{{range .}}<li>{{.}}</li>{{end}}</ul>
{{end}}{{with .Notes}}<h3>Notes</h3>
<ul>{{range .}}<li>{{.}}</li>{{end}}</ul>
{{end}}`

// renderFeed is feed.atom. An entry is made of its own night alone, so that it stays
// as it is in later feeds; it links to the page of the newest night, since those
// of former ones are removed with their generation.
func renderFeed(nights []Night) ([]byte, error) {
	now := &nights[0]
	f := feed{
		ID:       name5("feed", now.Project),
		Title:    strings.TrimPrefix(now.Project+": nights", ": "),
		Updated:  rfc3339(now.Finished),
		Author:   "pybake",
		Produced: "pybake",
	}
	var page []atomLink
	if now.URL != "" {
		page = []atomLink{{"alternate", "text/html", now.URL + "report/"}}
		f.Links = append(page[:1:1], atomLink{"self", "application/atom+xml", now.URL + "report/feed.atom"})
	}
	seen := map[string]bool{}
	for i := range nights {
		n := &nights[i]
		html, err := entryHTML(n)
		if err != nil {
			return nil, err
		}
		id := name5("night", now.Project, n.Started.Format(time.RFC3339Nano))
		if seen[id] {
			continue
		}
		seen[id] = true
		f.Entries = append(f.Entries, entry{
			ID:      id,
			Title:   verdict(n),
			Updated: rfc3339(n.Finished),
			Links:   page,
			Content: content{"html", html},
		})
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", " ")
	if err := e.Encode(f); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func rfc3339(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

// entryHTML is what a feed says of a night.
func entryHTML(n *Night) (string, error) {
	var broken []Artifact
	more := 0
	for _, a := range n.Artifacts {
		if !a.broken() {
			continue
		}
		if len(broken) == feedFailures {
			more++
			continue
		}
		a.Tail = a.Tail[max(0, len(a.Tail)-feedLines):]
		broken = append(broken, a)
	}
	data := struct {
		Counts, More          string
		Broken                []Artifact
		Trouble, Moves, Notes []string
	}{Counts: countsWords(n), Broken: broken, Trouble: firstOf(n.Trouble, feedMoves), Moves: firstOf(n.Moves, feedMoves), Notes: n.Notes}
	if more > 0 {
		data.More = fmt.Sprintf("%s more failed.", thousands(more))
	}
	var b strings.Builder
	err := feedTemplate().Execute(&b, data)
	return b.String(), err
}

// countsWords are the states that a night has: "2 failed, 6 rebuilt, 22 fresh".
func countsWords(n *Night) string {
	var parts []string
	for _, c := range counts(n) {
		if c.N > 0 {
			parts = append(parts, thousands(c.N)+" "+c.State)
		}
	}
	return strings.Join(parts, ", ")
}

// firstOf are the first of a list, and how many there are more.
func firstOf(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(list[:n:n], fmt.Sprintf("and %s more", thousands(len(list)-n)))
}

// name5 is a UUID of version 5 (RFC 9562) as a URN: the same for the same words.
func name5(words ...string) string {
	h := sha1.New()
	// The name space is that of URLs, from the RFC.
	h.Write([]byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8})
	fmt.Fprintf(h, "pybake:%q", words)
	u := h.Sum(nil)[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
