package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of the text: it is for a glance, the page has all.
const (
	width       = 78  // columns
	textTail    = 12  // lines of the log of a failure
	textBroken  = 15  // failures with their logs
	textListed  = 15  // of what is stale, skipped, rebuilt, moved
	textReasons = 3   // of a rebuilt artifact
	textWords   = 12  // lines of an error
	longWord    = 300 // characters: mail takes lines of up to 998 bytes
)

// text writes lines of at most width columns, where words allow it.
type text struct{ strings.Builder }

// say writes words, wrapped; all lines but the first are indented as far as next.
func (t *text) say(first, next, words string) {
	at, begin := 0, true
	t.WriteString(first)
	at = utf8.RuneCountInString(first)
	for _, word := range strings.Fields(words) {
		word = cut(word, longWord)
		n := utf8.RuneCountInString(word)
		if !begin && at+1+n > width {
			t.WriteString("\n" + next)
			at, begin = utf8.RuneCountInString(next), true
		}
		if !begin {
			t.WriteByte(' ')
			at++
		}
		t.WriteString(word)
		at, begin = at+n, false
	}
	t.WriteByte('\n')
}

// raw writes a line of a log as it is, folded.
func (t *text) raw(prefix, s string) {
	room := width - utf8.RuneCountInString(prefix)
	runes := []rune(strings.ReplaceAll(s, "\t", "    "))
	for {
		n := min(room, len(runes))
		t.WriteString(strings.TrimRight(prefix+string(runes[:n]), " ") + "\n")
		if runes = runes[n:]; len(runes) == 0 {
			return
		}
	}
}

func (t *text) heading(words string) { t.WriteString("\n" + words + "\n") }

// list writes items, and how many more there are beyond a limit.
func (t *text) list(items []string) {
	for _, item := range firstOf(items, textListed) {
		t.say("  ", "    ", item)
	}
}

// renderText is night.txt. With one night, nothing is new and nothing mended.
func renderText(nights []Night) string {
	n := &nights[0]
	l := newLedger(nights)
	c := l.changes()
	t := &text{}
	t.say("", "  ", strings.TrimPrefix(n.Project+": "+verdict(n), ": "))
	when := span(n) + ", " + secondsWords(took(n))
	if n.Generation > 0 {
		when += fmt.Sprintf("; generation %d", n.Generation)
	}
	t.say("", "  ", when)
	if n.URL != "" {
		t.say("", "  ", n.URL+"report/")
	}
	t.say("", "  ", strings.TrimPrefix(countsWords(n)+"; "+checksWords(n), "; "))
	if n.Generation > 0 && !n.Signed {
		t.say("", "  ", "Not signed: those who install from it cannot tell who published it.")
	}
	t.broken(n, l)
	if len(n.Trouble) > 0 {
		t.heading("NOT LOOKED AT")
		t.list(n.Trouble)
	}
	t.behind(n, Stale)
	t.behind(n, Skipped)
	if len(c.Mended) > 0 {
		t.heading("MENDED")
		t.list(names(c.Mended))
	}
	if len(n.Moves) > 0 {
		t.heading("PINS THAT MOVED")
		t.list(n.Moves)
	}
	t.rebuilt(n)
	if len(c.Added) > 0 {
		t.heading("NEW IN THE MATRIX")
		t.list(names(c.Added))
	}
	if len(c.Removed) > 0 {
		t.heading("NO LONGER IN THE MATRIX")
		t.list(names(c.Removed))
	}
	if len(n.Notes) > 0 {
		t.heading("NOTES")
		t.list(n.Notes)
	}
	return t.String()
}

func names(list []*Artifact) (out []string) {
	for _, a := range list {
		out = append(out, a.Name)
	}
	return out
}

// broken writes what failed.
func (t *text) broken(n *Night, l *ledger) {
	holds := held(n)
	said, all := 0, 0
	for i := range n.Artifacts {
		a := &n.Artifacts[i]
		if !a.broken() {
			continue
		}
		if all++; all == 1 {
			t.heading("FAILED")
		}
		if said == textBroken {
			continue
		}
		said++
		name := a.Name
		if age := age(l, a.Name); age != "" {
			name += " (" + age + ")"
		}
		t.say("  ", "    ", name)
		for i, s := range strings.Split(a.Error, "\n") {
			if i == textWords {
				t.say("    ", "    ", "…")
				break
			}
			t.say("    ", "      ", s)
		}
		for _, s := range a.Tail[max(0, len(a.Tail)-textTail):] {
			t.raw("    | ", s)
		}
		if a.Log != "" {
			t.say("    ", "      ", "log: "+a.Log)
		}
		if !a.Since.IsZero() {
			t.say("    ", "      ", "The last good one stays published; out of date since "+minute(a.Since)+".")
		}
		if over := names(holds[a.Name]); len(over) > 0 {
			t.say("    ", "      ", "holds up: "+strings.Join(firstOf(over, 5), ", "))
		}
	}
	if all > said {
		t.say("  ", "    ", fmt.Sprintf("and %s more", thousands(all-said)))
	}
}

// age is for how long an artifact has been failing, in words; empty if only its own
// night is known.
func age(l *ledger, name string) string {
	nights := l.failing(name)
	switch {
	case len(l.of) < 2:
		return ""
	case nights == 1:
		return "new"
	case nights == len(l.of):
		return fmt.Sprintf("%d nights or more", nights)
	}
	return fmt.Sprintf("%d nights", nights)
}

// behind writes what was not made and did not fail.
func (t *text) behind(n *Night, state string) {
	var items []string
	for i := range n.Artifacts {
		a := &n.Artifacts[i]
		if a.State != state || a.broken() {
			continue
		}
		item := a.Name
		if !a.Since.IsZero() {
			item += ", since " + day(a.Since)
		}
		if a.Error != "" {
			item += ": " + a.Error
		}
		items = append(items, item)
	}
	if len(items) > 0 {
		t.heading(strings.ToUpper(state))
		t.list(items)
	}
}

// rebuilt writes what was made, and why.
func (t *text) rebuilt(n *Night) {
	said, all := 0, ofState(n, Rebuilt)
	for i := range n.Artifacts {
		a := &n.Artifacts[i]
		if a.State != Rebuilt || said == textListed {
			continue
		}
		if said++; said == 1 {
			t.heading("REBUILT")
		}
		name := a.Name
		if a.Seconds > 0 {
			name += ", " + secondsWords(a.Seconds)
		}
		t.say("  ", "    ", name)
		for _, reason := range firstOf(a.Reasons, textReasons) {
			t.say("    ", "      ", reason)
		}
	}
	if all > said {
		t.say("  ", "    ", fmt.Sprintf("and %s more", thousands(all-said)))
	}
}
