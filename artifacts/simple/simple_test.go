package simple

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// hash is a SHA-256 that is told from others by its first digit.
func hash(digit string) string { return strings.Repeat(digit, 64) }

// wheel is a file that nothing is wrong with.
func wheel(project, version, name, digit string) File {
	return File{
		Project: project, Version: version, Name: name, SHA256: hash(digit), Size: 4711,
		Path: "pool/" + digit + digit + "/" + hash(digit) + "/" + name,
	}
}

func sample() *Index {
	old := wheel("Psycopg2", "2.9.9", "psycopg2-2.9.9-cp313-cp313-linux_x86_64.whl", "2")
	old.Yanked = `not in generation 8, "the 'last' one"`
	now := wheel("psycopg2", "2.9.10", "psycopg2-2.9.10-cp313-cp313-linux_x86_64.whl", "5")
	now.RequiresPython, now.MetadataSHA256 = ">=3.8,<4", hash("9")
	now.Uploaded = time.Date(2026, 1, 2, 4, 4, 5, 123456789, time.FixedZone("", 3600))
	other := now
	other.SHA256, other.Path, other.Yanked = hash("4"), "pool/44/"+hash("4")+"/"+now.Name, "not in generation 8"
	return &Index{
		Title: "trixie, Python 3.13",
		Depth: 3,
		Files: []File{
			now, old, other,
			wheel("Torch", "2.7+cpu", "torch-2.7+cpu-1-cp313-none-any.whl", "7"),
			wheel("zope.interface", "1!1.0", "zope_interface-1!1.0-py3-none-any.whl", "6"),
			wheel("evil", "1", "evil-1-py3-none-any.whl", "e"),
		},
		Status: map[string]Status{
			"Zope_Interface": {State: "archived", Reason: `moved to <a href="https://example.org/">`},
			"evil":           {State: "quarantined"},
			"gone":           {State: "deprecated"},
		},
	}
}

func render(t *testing.T, x *Index) map[string]string {
	t.Helper()
	pages, err := x.Pages()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for i, p := range pages {
		if i > 0 && pages[i-1].Path >= p.Path {
			t.Errorf("%s comes after %s", p.Path, pages[i-1].Path)
		}
		found[p.Path] = string(p.Data)
	}
	return found
}

func TestPages(t *testing.T) {
	got := render(t, sample())
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "-- %s --\n%s", name, got[name])
	}
	golden := filepath.Join("testdata", "pages.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// TestOrder renders the same from files in another order.
func TestOrder(t *testing.T) {
	want, x := render(t, sample()), sample()
	slices.Reverse(x.Files)
	if diff := cmp.Diff(want, render(t, x)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestForms reads both forms of every project, and they say the same.
func TestForms(t *testing.T) {
	pages := render(t, sample())
	for name, page := range pages {
		project, ok := strings.CutSuffix(name, "/index.json")
		if !ok {
			continue
		}
		var doc struct {
			Name  string
			Files []map[string]any
		}
		if err := json.Unmarshal([]byte(page), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Name != project {
			t.Errorf("%s: the name %q", name, doc.Name)
		}
		var fromJSON []map[string]string
		for _, f := range doc.Files {
			sum := f["hashes"].(map[string]any)["sha256"].(string)
			file := map[string]string{"text": f["filename"].(string), "href": f["url"].(string)}
			if !strings.HasSuffix(file["href"], "#sha256="+sum) {
				t.Errorf("%s: the hash %s is not in %s", project, sum, file["href"])
			}
			for _, key := range []string{"requires-python", "yanked"} {
				if value, ok := f[key]; ok {
					file["data-"+key] = value.(string)
				}
			}
			if core, ok := f["core-metadata"].(map[string]any); ok {
				file["data-core-metadata"] = "sha256=" + core["sha256"].(string)
				file["data-dist-info-metadata"] = file["data-core-metadata"]
			}
			fromJSON = append(fromJSON, file)
		}
		if diff := cmp.Diff(fromJSON, anchors(t, pages[project+"/index.html"])); diff != "" {
			t.Errorf("%s (-JSON +HTML):\n%s", project, diff)
		}
	}
}

// anchors are the attributes and the text of each link of a page, and nothing else
// is one.
func anchors(t *testing.T, page string) (found []map[string]string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode || n.Data != "a" {
			if n.Type == html.ElementNode && (n.Data == "script" || n.Data == "base") {
				t.Errorf("an element %s", n.Data)
			}
			continue
		}
		one := map[string]string{"text": n.FirstChild.Data}
		for _, a := range n.Attr {
			one[a.Key] = a.Val
		}
		found = append(found, one)
	}
	return found
}

// TestHostile has texts that would be markup were they not escaped.
func TestHostile(t *testing.T) {
	f := wheel("x", "1", "x-1-py3-none-any.whl", "a")
	f.RequiresPython = `>=3"><script>alert(1)</script>`
	f.Yanked = "</a><base href=\"https://example.org/\">&amp;\n"
	f.Path = "pool/#a?b%2f&amp\"'<>:/" + f.Name
	x := &Index{Title: "</title><script>\xff", Files: []File{f}, Status: map[string]Status{"x": {"deprecated", `"><script>`}}}
	pages := render(t, x)
	got := anchors(t, pages["x/index.html"])
	want := []map[string]string{{
		"text": f.Name, "href": "../pool/%23a%3Fb%252f&amp%22%27%3C%3E:/" + f.Name + "#sha256=" + f.SHA256,
		"data-requires-python": f.RequiresPython, "data-yanked": f.Yanked,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if links := anchors(t, pages["index.html"]); len(links) != 1 {
		t.Errorf("links of the first page: %v", links)
	}
}

func TestErrors(t *testing.T) {
	const name = "x-1-py3-none-any.whl"
	for _, c := range []struct {
		what   string
		change func(f *File)
		want   string
	}{
		{"slash", func(f *File) { f.Name = "x-1-1/../y-py3-none-any.whl" }, "other characters"},
		{"markup", func(f *File) { f.Name = "x-1-1<script>-py3-none-any.whl" }, "other characters"},
		{"quote", func(f *File) { f.Name = `x-1-py3-none-a"y.whl` }, "other characters"},
		{"letter", func(f *File) { f.Name = "x-1-py3-none-äny.whl" }, "other characters"},
		{"line break", func(f *File) { f.Name = "x-1-py3-none-any\n.whl" }, `list "x-1-py3-none-any\n.whl"`},
		{"no wheel", func(f *File) { f.Name = "x-1.tar.gz" }, "does not end in .whl"},
		{"no name", func(f *File) { f.Name = "" }, `list ""`},
		{"no project", func(f *File) { f.Project = "../x" }, `"../x" cannot be a project`},
		{"another project", func(f *File) { f.Project = "y" }, "a file of x, not of y"},
		{"another version", func(f *File) { f.Version = "2" }, "a file of version 1, not 2"},
		{"no version", func(f *File) { f.Version = "one" }, `"one"`},
		{"no hash", func(f *File) { f.SHA256 = "" }, `"" is not a SHA-256`},
		{"upper case", func(f *File) { f.SHA256 = hash("A") }, "is not a SHA-256"},
		{"metadata", func(f *File) { f.MetadataSHA256 = "sha256=" + hash("a") }, "of its metadata"},
		{"size", func(f *File) { f.Size = -1 }, "a size of -1 bytes"},
		{"up", func(f *File) { f.Path = "../pool/" + name }, "not one below the root"},
		{"absolute", func(f *File) { f.Path = "/pool/" + name }, "not one below the root"},
		{"address", func(f *File) { f.Path = "https://example.org/" + name }, "not one below the root"},
		{"hidden", func(f *File) { f.Path = ".work/" + name }, "not one below the root"},
		{"backslash", func(f *File) { f.Path = `pool\..\` + name }, "not one below the root"},
		{"another file", func(f *File) { f.Path = "pool/y-1-py3-none-any.whl" }, "ends in another name"},
		{"not UTF-8", func(f *File) { f.RequiresPython = ">=3\xff" }, "not UTF-8"},
		{"NUL", func(f *File) { f.Yanked = "a\x00b" }, "a control character"},
	} {
		f := wheel("x", "1", name, "a")
		c.change(&f)
		if f.Name != name {
			f.Path = "pool/" + f.Name
		}
		x := &Index{Files: []File{f, wheel("y", "1", "y-2-py3-none-any.whl", "b")}}
		pages, err := x.Pages()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), fmt.Sprintf("list %q", f.Name)) {
			t.Errorf("%s: got %v, want %q and the file's name", c.what, err, c.want)
		}
		if err == nil || !strings.Contains(err.Error(), `list "y-2-py3-none-any.whl"`) || pages != nil {
			t.Errorf("%s: the second problem is not told, or pages are given: %v", c.what, err)
		}
	}
}

func TestStatusErrors(t *testing.T) {
	x := &Index{Depth: -1, Status: map[string]Status{
		"a": {State: "retired"}, "b": {State: "active", Reason: "\x1b[2J"}, "c.d": {State: "active"}, "C_D": {State: "archived"},
	}}
	_, err := x.Pages()
	for _, want := range []string{`a depth of -1`, `project "a": "retired" is not`, `project "b": a control character`, `project "c.d": both`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestSameName has files of one name with other bytes.
func TestSameName(t *testing.T) {
	file := func(digit, yanked string) File {
		f := wheel("x", "1", "x-1-py3-none-any.whl", digit)
		f.Yanked = yanked
		return f
	}
	resized := file("a", "")
	resized.Size++
	for _, c := range []struct {
		what  string
		files []File
		hrefs string // first digits of the hashes listed, "y" behind that of a yanked one
		err   string
	}{
		{"one is current", []File{file("b", "old"), file("a", ""), file("c", "old")}, "a by cy", ""},
		{"none is current", []File{file("b", "old"), file("a", "old")}, "ay by", ""},
		{"two are current", []File{file("b", ""), file("a", "")}, "", "two files have this name, with SHA-256 " + hash("a") + " and " + hash("b")},
		{"one file twice", []File{file("a", ""), file("a", "")}, "a", ""},
		{"one file twice, yanked once", []File{file("a", "old"), file("a", "")}, "a", ""},
		{"one file twice, yanked twice", []File{file("a", "z"), file("a", "old")}, "ay", ""},
		{"one file with two sizes", []File{file("a", ""), resized}, "", "the same bytes twice"},
	} {
		pages, err := (&Index{Files: c.files}).Pages()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "x-1-py3-none-any.whl") {
				t.Errorf("%s: got %v, want %q", c.what, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		var got []string
		for _, a := range anchors(t, string(pages[2].Data)) {
			digit := a["href"][strings.Index(a["href"], "sha256=")+7:][:1]
			if a["data-yanked"] != "" {
				digit += "y"
			}
			got = append(got, digit)
		}
		if strings.Join(got, " ") != c.hrefs {
			t.Errorf("%s: got %q, want %q", c.what, got, c.hrefs)
		}
	}
}

func TestEmpty(t *testing.T) {
	want := map[string]string{"index.json": `{"meta":{"api-version":"1.4"},"projects":[]}` + "\n"}
	got := render(t, &Index{})
	if links := anchors(t, got["index.html"]); links != nil {
		t.Errorf("links in an empty index: %v", links)
	}
	delete(got, "index.html")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// BenchmarkPages renders 500 projects with two wheels each.
func BenchmarkPages(b *testing.B) {
	x := &Index{Title: "trixie, Python 3.13", Depth: 3}
	for i := range 1000 {
		f := wheel(fmt.Sprintf("project-%d", i/2), fmt.Sprintf("1.%d", i), fmt.Sprintf("project_%d-1.%d-cp313-cp313-linux_x86_64.whl", i/2, i), "a")
		f.RequiresPython, f.MetadataSHA256, f.Uploaded = ">=3.9", hash("b"), time.Unix(1767322800, 0)
		x.Files = append(x.Files, f)
	}
	for b.Loop() {
		if _, err := x.Pages(); err != nil {
			b.Fatal(err)
		}
	}
}
