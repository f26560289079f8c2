package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	update = flag.Bool("update", false, "rewrite the golden files")
	pages  = flag.String("pages", "", "a directory to write reports into, to look at in a browser")
)

// written are the files of a report by path.
func written(t *testing.T, nights []Night) map[string]string {
	t.Helper()
	files, err := Files(nights)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		out[f.Path] = string(f.Data)
	}
	return out
}

// nightsToTell are what pages are checked with.
func nightsToTell() map[string][]Night {
	wide := sample(1, 2)
	for i := range 9 {
		a := wide[0].Artifacts[0]
		a.Name, a.Column, a.State = fmt.Sprint("python ", i), fmt.Sprint("distro ", i), []string{"", "due", Stale, Skipped}[i%4]
		wide[0].Artifacts = append(wide[0].Artifacts, a)
	}
	return map[string][]Night{
		"nothing":      {{Project: "shop"}},
		"zero":         {{}},
		"one":          sample(1, 1),
		"thirty":       sample(30, 30),
		"five hundred": sample(500, 30),
		"wide":         wide,
		"hostile":      hostile(),
	}
}

// TestPageMarkup reads pages as XML, which is stricter than HTML: every element is
// closed, every attribute quoted, nothing is left unescaped.
func TestPageMarkup(t *testing.T) {
	for name, nights := range nightsToTell() {
		t.Run(name, func(t *testing.T) {
			for _, problem := range markup(written(t, nights)["index.html"]) {
				t.Error(problem)
			}
		})
	}
}

// TestPageAlone holds pages to their policy: the style and the script are those that
// it names, and nothing is loaded.
func TestPageAlone(t *testing.T) {
	for name, nights := range nightsToTell() {
		page := written(t, nights)["index.html"]
		policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
		if policy == nil {
			t.Fatalf("%s: no policy", name)
		}
		for _, tag := range []string{"style", "script"} {
			found := regexp.MustCompile(`(?s)<`+tag+`[^>]*>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
			if len(found) != 1 {
				t.Fatalf("%s: %d of %s", name, len(found), tag)
			}
			hash := strings.ReplaceAll(hashOf(found[0][1]), "+", "&#43;")
			if want := tag + "-src &#39;" + hash + "&#39;"; !strings.Contains(policy[1], want) {
				t.Errorf("%s: policy %s has no %s", name, policy[1], want)
			}
		}
		if found := regexp.MustCompile(`(?i)url\(|@import|<link[^>]*stylesheet`).FindString(page); found != "" {
			t.Errorf("%s: %s", name, found)
		}
		if strings.Contains(page, "ZgotmplZ") {
			t.Errorf("%s: the template refused a value", name)
		}
	}
}

func TestPageSize(t *testing.T) {
	if size := len(written(t, sample(500, History))["index.html"]); size > 1_000_000 {
		t.Errorf("500 artifacts over %d nights: %d bytes", History, size)
	}
	// All fail, with as much to say as there can be.
	nights := sample(500, History)
	for i := range nights[0].Artifacts {
		a := &nights[0].Artifacts[i]
		a.State, a.Error, a.Tail = Failed, strings.Repeat("no ", 3000), slices.Repeat([]string{strings.Repeat("x<", 600)}, 60)
	}
	if size := len(written(t, nights)["index.html"]); size > 2_500_000 {
		t.Errorf("500 failures: %d bytes", size)
	}
}

func TestFolded(t *testing.T) {
	n := sample(500, 2)
	l := newLedger(n)
	for _, k := range kinds(&n[0], l, newIDs(&n[0])) {
		many := k.Title == "Wheelhouses"
		if many != (len(k.Folded) > 0) {
			t.Errorf("%s: %d folded", k.Title, len(k.Folded))
		}
		if many && k.Rows[0].worst() != 0 {
			t.Errorf("first row is %s", k.Rows[0].Name)
		}
		for _, r := range k.Folded {
			if r.worst() != slices.Index(states, Fresh) {
				t.Errorf("folded: %s", r.Name)
			}
		}
	}
}

// TestContrast holds the colours of both themes to 4.5, as WCAG 2.2 asks (1.4.3),
// and lines of the focus and of inputs to 3 (1.4.11).
func TestContrast(t *testing.T) {
	light, dark, ok := strings.Cut(pageCSS, "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark theme")
	}
	dark, _, _ = strings.Cut(dark, "}\n}")
	for theme, css := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
			colours[m[1]] = m[2]
		}
		pairs := [][2]string{{"card", "ink"}} // a chosen filter
		for _, over := range []string{"bg", "card"} {
			for _, text := range []string{"ink", "dim", "link", Failed, Stale, Skipped, Rebuilt, Fresh} {
				pairs = append(pairs, [2]string{text, over})
			}
		}
		for _, s := range states {
			pairs = append(pairs, [2]string{s, s + "-bg"})
		}
		for _, p := range pairs {
			if got := contrast(t, colours[p[0]], colours[p[1]]); got < 4.5 {
				t.Errorf("%s: %s on %s: %.2f", theme, p[0], p[1], got)
			}
		}
		for _, p := range [][2]string{{"focus", "bg"}, {"focus", "card"}, {"dim", "bg"}, {"now", "card"}} {
			if got := contrast(t, colours[p[0]], colours[p[1]]); got < 3 {
				t.Errorf("%s: %s on %s: %.2f", theme, p[0], p[1], got)
			}
		}
	}
}

// TestWritePages writes reports to look at, if it is asked to.
func TestWritePages(t *testing.T) {
	if *pages == "" {
		return
	}
	for name, nights := range nightsToTell() {
		dir := filepath.Join(*pages, strings.ReplaceAll(name, " ", "-"))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for path, data := range written(t, nights) {
			t.Logf("%-12s %-12s %7d bytes", name, path, len(data))
			if err := os.WriteFile(filepath.Join(dir, path), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
