package report

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// checkFeed are the ways in which a feed is not as RFC 4287 asks.
func checkFeed(t *testing.T, data string) (f feed) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(data))
	if err := d.Decode(&f); err != nil {
		t.Fatal(err)
	}
	urn := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	check := func(id, title, updated string, links []atomLink) {
		if !urn.MatchString(id) || seen[id] {
			t.Errorf("id %q (twice: %v)", id, seen[id])
		}
		seen[id] = true
		if strings.TrimSpace(title) == "" {
			t.Errorf("%s has no title", id)
		}
		if _, err := time.Parse(time.RFC3339, updated); err != nil {
			t.Error(err)
		}
		for _, l := range links {
			if !strings.HasPrefix(l.Href, "https://") {
				t.Errorf("link to %q", l.Href)
			}
		}
	}
	if f.XMLName.Space != "http://www.w3.org/2005/Atom" || f.Author == "" {
		t.Errorf("feed %+v", f.XMLName)
	}
	check(f.ID, f.Title, f.Updated, f.Links)
	for _, e := range f.Entries {
		check(e.ID, e.Title, e.Updated, e.Links)
		if e.Content.Type != "html" || e.Content.HTML == "" {
			t.Errorf("%s has no content", e.ID)
		}
		if strings.Contains(e.Content.HTML, "<script") {
			t.Errorf("%s: %s", e.ID, e.Content.HTML)
		}
		// What is inside is closed as well.
		if err := xml.Unmarshal([]byte("<div>"+e.Content.HTML+"</div>"), new(struct{})); err != nil {
			t.Errorf("%s: %v", e.ID, err)
		}
	}
	return f
}

func TestFeed(t *testing.T) {
	for _, nights := range nightsToTell() {
		f := checkFeed(t, written(t, nights)["feed.atom"])
		if len(f.Entries) != len(nights) {
			t.Errorf("%d entries of %d nights", len(f.Entries), len(nights))
		}
	}
}

// TestFeedStays holds an entry to what it was the night before.
func TestFeedStays(t *testing.T) {
	nights := sample(30, 5)
	now := checkFeed(t, written(t, nights)["feed.atom"])
	before := checkFeed(t, written(t, nights[1:])["feed.atom"])
	if now.ID != before.ID || !slices.EqualFunc(now.Entries[1:], before.Entries, func(a, b entry) bool {
		return a.ID == b.ID && a.Title == b.Title && a.Updated == b.Updated && a.Content == b.Content
	}) {
		t.Error("entries change from night to night")
	}
}

func TestFeedMany(t *testing.T) {
	nights := sample(500, 1)
	for i := range nights[0].Artifacts {
		nights[0].Artifacts[i].State = Failed
	}
	f := checkFeed(t, written(t, nights)["feed.atom"])
	if html := f.Entries[0].Content.HTML; !strings.Contains(html, "480 more failed.") || strings.Count(html, "<h3>wheels") != 12 {
		t.Error(html)
	}
}

// textOf is night.txt.
func textOf(t *testing.T, nights []Night) string { return written(t, nights)["night.txt"] }

func TestTextWidth(t *testing.T) {
	for name, nights := range nightsToTell() {
		for _, line := range strings.Split(textOf(t, nights), "\n") {
			// A word that is longer than a line stays whole.
			if n := utf8.RuneCountInString(line); n > 80 && strings.Contains(strings.TrimSpace(line), " ") || len(line) > 990 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
}

func TestTextOrder(t *testing.T) {
	text := textOf(t, small())
	at := -1
	for _, heading := range []string{"shop: 1 of 6", "Not signed", "FAILED", "NOT LOOKED AT", "STALE", "SKIPPED", "MENDED", "PINS THAT MOVED", "REBUILT", "NEW IN THE MATRIX", "NO LONGER IN THE MATRIX", "NOTES"} {
		next := strings.Index(text, heading)
		if next <= at {
			t.Errorf("%s is at %d, after %d:\n%s", heading, next, at, text)
		}
		at = next
	}
	if one := Text(small()[0]); strings.Contains(one, "MENDED") || !strings.Contains(one, "FAILED") {
		t.Errorf("of one night:\n%s", one)
	}
}

func TestTextFits(t *testing.T) {
	nights := sample(500, 2)
	for i := range nights[0].Artifacts {
		a := &nights[0].Artifacts[i]
		a.State, a.Error, a.Tail = Failed, strings.Repeat("no\n", 100), slices.Repeat([]string{"gcc"}, 100)
	}
	if lines := strings.Count(textOf(t, nights), "\n"); lines > 30*textBroken {
		t.Errorf("%d lines", lines)
	}
}
