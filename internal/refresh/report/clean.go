package report

import (
	"math"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pybake/pybake/internal/pattern"
)

// sequences are what programs say to a terminal: colours, titles, links.
var sequences = pattern.New("\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(\x07|\x1b\\\\)|\x1b[@-Z\\\\-_]")

// block is text with nothing in it but characters to read, and line breaks and tabs.
func block(s string) string {
	if strings.IndexByte(s, 0x1b) >= 0 {
		s = sequences.ReplaceAllString(s, "")
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if !strings.ContainsFunc(s, unreadable) && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unreadable(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// unreadable is whether a character must not be written: XML has no way to, or it
// changes what others look like.
func unreadable(r rune) bool {
	if r >= ' ' && r < 0x7f {
		return false
	}
	switch r {
	case '\n', '\t':
		return false
	case 0x2028, 0x2029, 0xfeff, 0xfffe, 0xffff:
		return true
	}
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r)
}

// line is block on one line, cut after n characters.
func line(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, block(s))
	return cut(strings.TrimSpace(s), n)
}

// cut is s, or its first n characters and a sign that there were more.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count == n {
			return s[:i] + "…"
		}
		count++
	}
	return s
}

// logLine is what a terminal would show of a line: what comes after the last
// carriage return.
func logLine(s string) string {
	s = strings.TrimRight(s, "\r\n")
	if i := strings.LastIndexByte(s, '\r'); i >= 0 {
		s = s[i+1:]
	}
	return strings.ReplaceAll(cut(block(s), 1000), "\n", " ")
}

// each is f of all strings. It is nil for none.
func each(list []string, f func(string) string) []string {
	var out []string
	for _, s := range list {
		out = append(out, f(s))
	}
	return out
}

// cleanNights are copies of at most History nights that hold nothing that is not
// fit to be shown.
func cleanNights(nights []Night) []Night {
	nights = nights[:min(len(nights), History)]
	out := make([]Night, len(nights))
	for i, n := range nights {
		n.Started, n.Finished = n.Started.UTC(), n.Finished.UTC()
		n.Project = line(n.Project, 100)
		n.URL = webAddress(n.URL)
		n.Moves = each(n.Moves, func(s string) string { return line(s, 400) })
		n.Trouble = each(n.Trouble, func(s string) string { return line(s, 1000) })
		n.Notes = each(n.Notes, func(s string) string { return line(s, 1000) })
		seen := map[string]bool{}
		all := make([]Artifact, 0, len(n.Artifacts))
		for _, a := range n.Artifacts {
			if a = cleanArtifact(a); !seen[a.Name] {
				all = append(all, a)
			}
			seen[a.Name] = true
		}
		n.Artifacts = all
		out[i] = n
	}
	return out
}

func cleanArtifact(a Artifact) Artifact {
	a.Name = line(a.Name, 200)
	a.Kind = line(a.Kind, 40)
	a.Row = line(a.Row, 200)
	a.Column = line(a.Column, 60)
	a.State = line(a.State, 20)
	a.Key = line(a.Key, 64)
	a.Reasons = each(a.Reasons, func(s string) string { return line(s, 400) })
	a.Error = cut(strings.TrimSpace(block(a.Error)), 4000)
	a.Tail = each(a.Tail, logLine)
	a.Log = line(a.Log, 1000)
	a.Since = a.Since.UTC()
	a.Needs = each(a.Needs, func(s string) string { return line(s, 200) })
	links := a.Links
	a.Links = nil
	for _, l := range links {
		a.Links = append(a.Links, Link{Text: line(l.Text, 200), Href: line(l.Href, 1000)})
	}
	if math.IsNaN(a.Seconds) || math.IsInf(a.Seconds, 0) || a.Seconds < 0 {
		a.Seconds = 0
	}
	a.Seconds = math.Round(a.Seconds*1000) / 1000
	a.Size, a.Checks, a.Compared = max(0, a.Size), max(0, a.Checks), max(0, a.Compared)
	a.Passed = min(max(0, a.Passed), a.Checks)
	return a
}

// webAddress is the address of a directory on the web, with a slash in the end, or
// nothing: neither the page nor the feed has a use for another.
func webAddress(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	u.Path = strings.TrimRight(u.Path, "/") + "/"
	return u.String()
}

// followable is whether an address of a link leads somewhere for who reads the page.
func followable(href string) bool {
	u, err := url.Parse(href)
	if err != nil || href == "" {
		return false
	}
	if u.Scheme != "" {
		return u.Scheme == "http" || u.Scheme == "https"
	}
	return u.Host == "" && !strings.HasPrefix(href, "/") && !strings.Contains(href, `\`)
}
