package strict

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type config struct {
	Name  string            `toml:"name"`
	Count int               `toml:"count"`
	Small int8              `toml:"small"`
	Ratio float64           `toml:"ratio"`
	On    bool              `toml:"on"`
	List  []string          `toml:"list"`
	Sub   sub               `toml:"sub"`
	Map   map[string]string `toml:"map"`
	Subs  map[string]sub    `toml:"subs"`
	Items []sub             `toml:"item"`
	Even  even              `toml:"even"`
	Evens []even            `toml:"evens"`
	Ptr   *sub              `toml:"ptr"`
	Not   string            `toml:"-"`
	None  string
}

type sub struct {
	Mirror string   `toml:"mirror"`
	Image  string   `toml:"image"`
	Tags   []string `toml:"tags"`
}

// even is a text of an even number of bytes.
type even string

func (e *even) UnmarshalText(text []byte) error {
	if len(text)%2 != 0 {
		return fmt.Errorf("%q: odd", text)
	}
	*e = even(text)
	return nil
}

// TestGolden decodes every testdata/NAME.toml; what comes out is in NAME.golden.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c config
			doc, err := Decode("x.toml", data, &c)
			got := "ok\n"
			if err != nil {
				got = err.Error() + "\n"
				if diff := cmp.Diff(config{}, c); diff != "" && !doc.Decoded() {
					t.Errorf("the target of a refused file changed:\n%s", diff)
				}
			}
			golden := strings.TrimSuffix(file, ".toml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	const text = `name = "n"
count = 3
small = -7
ratio = 2
on = true
list = ["a", "b"]
sub.mirror = "m"
even = "ab"
evens = ["", "abcd"]
ptr = { image = "p" }
subs."3.13".image = "i"
[map]
b = "changed"
[[item]]
mirror = "1"
[[item]]
mirror = "2"
tags = ["t"]
`
	got := config{
		None: "stays", List: []string{"x", "y", "z"}, Sub: sub{Image: "stays"},
		Map: map[string]string{"a": "stays", "b": "goes"}, Items: []sub{{Mirror: "goes"}},
	}
	doc, err := Decode("x.toml", []byte(text), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		Name: "n", Count: 3, Small: -7, Ratio: 2, On: true, None: "stays",
		List: []string{"a", "b"}, Sub: sub{Mirror: "m", Image: "stays"},
		Map: map[string]string{"a": "stays", "b": "changed"}, Subs: map[string]sub{"3.13": {Image: "i"}},
		Items: []sub{{Mirror: "1"}, {Mirror: "2", Tags: []string{"t"}}},
		Even:  "ab", Evens: []even{"", "abcd"}, Ptr: &sub{Image: "p"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for key, want := range map[string]string{
		"name":                 "x.toml:1:8: name: bad",
		"list[1]":              "x.toml:6:14: list[1]: bad",
		"sub.mirror":           "x.toml:7:14: sub.mirror: bad",
		"sub.image":            "x.toml:7:1: sub.image: bad", // not given: where its table is
		`subs."3.13".image`:    `x.toml:11:21: subs."3.13".image: bad`,
		"ptr.image":            "x.toml:10:17: ptr.image: bad",
		"item[1].tags[0]":      "x.toml:18:9: item[1].tags[0]: bad",
		"item[1]":              "x.toml:16:3: item[1]: bad",
		"item[2].tags":         "x.toml:14:3: item[2].tags: bad",
		"nowhere.at.all":       "x.toml: nowhere.at.all: bad",
		"":                     "x.toml: bad",
		`subs."unterminated`:   `x.toml:11:1: subs."unterminated: bad`,
		"item[99999999999999]": "x.toml:14:3: item[99999999999999]: bad",
	} {
		if got := doc.Errorf(key, "bad").Error(); got != want {
			t.Errorf("Errorf(%s): got %q, want %q", key, got, want)
		}
	}
	for key, want := range map[string]bool{"sub.mirror": true, "sub.image": false, "item[1]": true, "item[2]": false, `subs."3.13"`: true, "subs.3.13": false} {
		if got := doc.Has(key); got != want {
			t.Errorf("Has(%s) = %v", key, got)
		}
	}
}

func TestDecoded(t *testing.T) {
	for text, want := range map[string]bool{
		"name = 'n'":              true,
		"name = 'n'\nnmae = 'x'":  true,
		"name = 'n'\ncount = 'x'": false,
		"name = 'n'\nname = 'x'":  false,
		"name = 'n'\nsmall = 300": false,
		"name = 'n'\nname":        false,
		"name = 'n'\n[x]\n[x]\n":  false,
	} {
		var c config
		doc, err := Decode("x.toml", []byte(text), &c)
		if doc.Decoded() != want || want && c.Name != "n" {
			t.Errorf("%q: decoded %v, name %q, %v", text, doc.Decoded(), c.Name, err)
		}
	}
}

func TestErrorsUnwrap(t *testing.T) {
	doc, err := Decode("x.toml", []byte("name = 'a'\n"), &config{})
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("cause")
	err = Errors{doc.Errorf("name", "reading: %w", cause)}
	if !errors.Is(err, cause) {
		t.Error("the cause is not found")
	}
	if got, want := err.Error(), "x.toml:1:8: name: reading: cause"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if Errors(nil).Err() != nil {
		t.Error("no errors are an error")
	}
}

func TestDecodeTarget(t *testing.T) {
	for _, target := range []any{nil, config{}, new(int), (*config)(nil)} {
		if _, err := Decode("x.toml", []byte("name = 'a'"), target); err == nil {
			t.Errorf("%T is accepted", target)
		}
	}
}

// TestRows reads an array of tables that has far more keys than a file may
// have elsewhere, and no more than that.
func TestRows(t *testing.T) {
	rows := func(n int) string {
		return "name = 'n'\n" + strings.Repeat("[[item]]\nmirror = 'm'\nimage = 'i'\n", n)
	}
	var c config
	if _, err := Decode("x.toml", []byte(rows(MaxRows/3-1)), &c); err != nil || len(c.Items) != MaxRows/3-1 {
		t.Errorf("%d items, %v", len(c.Items), err)
	}
	_, err := Decode("x.toml", []byte(rows(MaxRows/3)), &c)
	if want := fmt.Sprintf("x.toml:%d:1: more than %d keys and tables", MaxRows+1, MaxRows); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	keys := func(n int) (text string) {
		text = "[map]\n"
		for i := range n - 1 {
			text += fmt.Sprintf("k%d = ''\n", i)
		}
		return text
	}
	if _, err := Decode("x.toml", []byte(keys(MaxKeys)), &config{}); err != nil {
		t.Error(err)
	}
	if _, err := Decode("x.toml", []byte(keys(MaxKeys+1)), &config{}); err == nil {
		t.Error("more keys than are read were read")
	}
}

// TestHostile holds files that are made to hurt to seconds, where they could take
// minutes, and to an error of one line; the text of a file must not come back whole in it.
func TestHostile(t *testing.T) {
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	tests := map[string]string{
		"long line":          "name = \"" + strings.Repeat("x", 50<<20) + "\"",
		"NUL":                "name = \"a\x00b\"",
		"BOM":                "\xef\xbb\xbfname = 'a'",
		"UTF-16":             "\xff\xfen\x00a\x00",
		"not UTF-8":          "name = 'a\xff'",
		"deep arrays":        "list = " + strings.Repeat("[", 2<<20),
		"deep closed arrays": "list = " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"deep inline tables": "sub = " + strings.Repeat("{a=", 9000) + "1" + strings.Repeat("}", 9000),
		"deep dotted key":    strings.Repeat("a.", 1<<20) + "a = 1",
		"deep table":         "[" + strings.Repeat("a.", 1<<20) + "a]",
		"many unknown keys":  many("k%d = 1\n", 250_000),
		"many tables":        many("[t%d]\n", 250_000),
		"many wrong values":  "list = [" + strings.Repeat("1,", 2<<20-10) + "]",
		"many known entries": "[map]\n" + many("k%d = 1\n", 250_000),
		"same table":         strings.Repeat("[sub]\n", 600_000),
		"many items":         strings.Repeat("[[item]]\nx=1\n", 250_000),
		"open string":        "name = \"\"\"" + strings.Repeat("x\n", 2<<20-10),
		"long key":           strings.Repeat("k", 4<<20-10) + "=1",
		"keys then items":    many("k%d = 1\n", 9000) + strings.Repeat("[[item]]\n", 100_000),
		"nameless items":     many("k%d = 1\n", 9000) + strings.Repeat("[[\"\"]]\nx=1\n", 100_000),
		"items of items":     strings.Repeat("[[item]]\n", 1000) + strings.Repeat("[[item.x]]\nx=1\n", 100_000),
		"alternate items":    strings.Repeat("[[item]]\n[[evens]]\n", 100_000),
		"keys of an item":    "[[item]]\n" + many("k%d = 1\n", 100_000),
		"spread dotted":      many("a.b.c.d.e.f.g.k%d = 1\n", 130_000),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Decode("x.toml", []byte(text), &config{})
			took := time.Since(start)
			if err == nil {
				t.Fatal("accepted")
			}
			t.Logf("%v, %d bytes of text", took, len(err.Error()))
			if took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if n := len(err.Error()); n > 20_000 {
				t.Errorf("%d bytes of error", n)
			}
		})
	}
}
