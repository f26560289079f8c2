package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestMarkupFinds holds the test above to what it is for.
func TestMarkupFinds(t *testing.T) {
	good := `<!DOCTYPE html><html lang="en"><head><title>x</title></head><body><main><h1>x</h1></main></body></html>`
	if problems := markup(good); problems != nil {
		t.Fatal(problems)
	}
	for _, tt := range []struct{ body, want string }{
		{`<p>`, "syntax"},
		{`<h3>x</h3>`, "h3 after h1"},
		{`<table><tr><th>x</th></tr></table>`, "th without scope"},
		{`<input id="a"/>`, "input a has no label"},
		{`<p id="a"/><p id="a"/>`, "id a is there twice"},
		{`<a href="#b">x</a>`, "link to #b"},
		{`<p><ul/></p>`, "ul in p"},
		{`<ul><p/></ul>`, "p in ul"},
		{`<svg><path d=""/></svg>`, "svg without words"},
		{`<p aria-labelledby="c"/>`, "c labels, and is not there"},
		{`<img src="https://example.org/x.png"/>`, "img"},
		{`<p style="color:red"/>`, "style"},
		{`<p onclick="x()"/>`, "onclick"},
		{`<a href=""></a>`, "a without words"},
	} {
		problems := fmt.Sprint(markup(strings.Replace(good, "</main>", tt.body+"</main>", 1)))
		if !strings.Contains(problems, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.body, problems, tt.want)
		}
	}
}

// node is an open element.
type node struct {
	name  string
	words *strings.Builder
	named bool // by an attribute
}

// inside are elements that others may hold only.
var inside = map[string][]string{
	"li": {"ul"}, "td": {"tr"}, "th": {"tr"}, "tr": {"thead", "tbody"}, "thead": {"table"}, "tbody": {"table"},
	"summary": {"details"}, "legend": {"fieldset"}, "figcaption": {"figure"},
}

// only are the elements that an element may hold.
var only = map[string][]string{"ul": {"li"}, "tr": {"td", "th"}, "table": {"thead", "tbody"}}

var blocks = []string{"p", "ul", "div", "table", "details", "section", "article", "figure", "h1", "h2", "h3", "pre", "form"}

// checker reads a page.
type checker struct {
	problems               []string
	open                   []node
	ids, inputs, labels    map[string]bool
	wants                  map[string]string // ids that must be there, with what is wrong if not
	heading, mains, titles int
}

func (c *checker) say(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// markup are the problems of a page.
func markup(page string) []string {
	d := xml.NewDecoder(strings.NewReader(page))
	c := &checker{ids: map[string]bool{}, inputs: map[string]bool{}, labels: map[string]bool{}, wants: map[string]string{}}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return append(c.problems, err.Error())
		}
		switch token := token.(type) {
		case xml.CharData:
			for _, n := range c.open {
				n.words.Write(token)
			}
		case xml.EndElement:
			c.end()
		case xml.StartElement:
			c.start(token)
		}
	}
	for id := range c.inputs {
		if !c.labels[id] {
			c.say("input %s has no label", id)
		}
	}
	for id, words := range c.wants {
		if !c.ids[id] {
			c.say("%s", words)
		}
	}
	if c.mains != 1 || c.titles != 1 || c.heading == 0 || !strings.HasPrefix(page, "<!DOCTYPE html>") {
		c.say("%d main, %d title", c.mains, c.titles)
	}
	return c.problems
}

// speaks are elements that say nothing to a screen reader without words.
var speaks = []string{"a", "th", "td", "h1", "h2", "h3", "summary", "label", "legend", "title", "figcaption", "svg"}

func (c *checker) end() {
	n := c.open[len(c.open)-1]
	c.open = c.open[:len(c.open)-1]
	if slices.Contains(speaks, n.name) && !n.named && strings.TrimSpace(n.words.String()) == "" {
		c.say("%s without words", n.name)
	}
}

func (c *checker) start(token xml.StartElement) {
	name, attrs := token.Name.Local, map[string]string{}
	for _, a := range token.Attr {
		if _, twice := attrs[a.Name.Local]; twice {
			c.say("%s has %s twice", name, a.Name.Local)
		}
		attrs[a.Name.Local] = a.Value
	}
	c.nesting(name)
	c.element(name, attrs)
	c.attributes(name, attrs)
	named := attrs["aria-label"] != "" || attrs["aria-hidden"] == "true"
	c.open = append(c.open, node{name, &strings.Builder{}, named})
}

// nesting checks where an element stands.
func (c *checker) nesting(name string) {
	parent := ""
	if len(c.open) > 0 {
		parent = c.open[len(c.open)-1].name
	}
	if name == "title" && parent == "head" {
		c.titles++
	}
	if h := strings.TrimPrefix(name, "h"); len(h) == 1 && h >= "1" && h <= "6" {
		level, _ := strconv.Atoi(h)
		if level > c.heading+1 || level == 1 && c.heading > 0 {
			c.say("h%d after h%d", level, c.heading)
		}
		c.heading = level
	}
	if parents := inside[name]; parents != nil && !slices.Contains(parents, parent) {
		c.say("%s in %s", name, parent)
	}
	if children := only[parent]; children != nil && !slices.Contains(children, name) {
		c.say("%s in %s", name, parent)
	}
	for _, o := range c.open {
		if slices.Contains([]string{"p", "summary", "pre"}, o.name) && slices.Contains(blocks, name) || o.name == "a" && name == "a" {
			c.say("%s in %s", name, o.name)
		}
	}
}

// element checks what elements of a name must have.
func (c *checker) element(name string, attrs map[string]string) {
	switch name {
	case "main":
		c.mains++
	case "html":
		if attrs["lang"] == "" {
			c.say("html without lang")
		}
	case "th":
		if attrs["scope"] != "col" && attrs["scope"] != "row" {
			c.say("th without scope")
		}
	case "input":
		c.inputs[attrs["id"]] = true
	case "label":
		c.labels[attrs["for"]] = true
	case "svg":
		if attrs["aria-hidden"] != "true" && attrs["role"] != "img" {
			c.say("svg without words")
		}
	case "img", "iframe", "object", "video", "audio", "source":
		c.say("%s: nothing from elsewhere", name)
	}
}

func (c *checker) attributes(name string, attrs map[string]string) {
	for key, value := range attrs {
		switch {
		case strings.HasPrefix(key, "on"), key == "style", key == "src":
			c.say("%s has %s", name, key)
		case key == "id":
			if c.ids[value] {
				c.say("id %s is there twice", value)
			}
			if value == "" || strings.ContainsAny(value, " \t\n") {
				c.say("id %q", value)
			}
			c.ids[value] = true
		case key == "aria-labelledby":
			c.wants[value] = value + " labels, and is not there"
		case key == "for":
			c.wants[value] = "label for " + value
		case key == "href" && strings.HasPrefix(value, "#"):
			c.wants[value[1:]] = "link to " + value + " leads nowhere"
		}
	}
}
