package pep

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestErrorsSayWhere has one case for each way to be refused. The place is
// marked by ‸ in the input.
func TestErrorsSayWhere(t *testing.T) {
	version := func(s string) error { _, err := ParseVersion(s); return err }
	specifiers := func(s string) error { _, err := ParseSpecifiers(s); return err }
	requirement := func(s string) error { _, err := ParseRequirement(s); return err }
	marker := func(s string) error { _, err := ParseMarker(s); return err }
	wheel := func(s string) error { _, err := ParseWheelName(s); return err }
	sdist := func(s string) error { _, err := ParseSdistName(s, ""); return err }
	tag := func(s string) error { _, err := ParseTag(s); return err }
	for _, c := range []struct {
		parse func(string) error
		input string
		cause string
	}{
		{version, "‸", "expected a number, found the end"},
		{version, " ‸x", `expected a number, found "x"`},
		{version, " 1.0‸ 1", `unexpected " 1"`},
		{version, "1.0‸+", `unexpected "+"`},
		{version, "1.0‸\xff", "not UTF-8"},
		{specifiers, ">=1, ‸1.0", `expected one of == != <= >= < > ~= ===, found "1.0"`},
		{specifiers, ">=1,<‸a", `expected a version after <, found "a"`},
		{specifiers, "~=‸1", "~= needs a version of two or more numbers"},
		{specifiers, ">=1‸.*", ".* goes with == and != only"},
		{specifiers, "!=1a1‸.*", ".* goes after a release only, not after a pre, post, dev or local part"},
		{specifiers, ">=1‸+x", "a local part goes with == and != only"},
		{requirement, "‸", "expected the name of a project, found the end"},
		{requirement, "foo[a ‸b]", `expected "," or "]", found "b]"`},
		{requirement, "foo[a,‸]", `expected the name of an extra, found "]"`},
		{requirement, "foo @ ‸", `expected a URL after "@", found the end`},
		{requirement, "foo @ https://example.org/‸\n", "control character in a URL"},
		{requirement, "foo @ x ‸y", `expected ";" or the end, found "y"`},
		{requirement, "foo ‸1.0", `expected "[", "@", a specifier, ";" or the end, found "1.0"`},
		{requirement, "foo>=1 ‸os_name", `expected ",", ";" or the end, found "os_name"`},
		{requirement, "foo >=1.0‸+x", "a local part goes with == and != only"},
		{requirement, "foo ===a,‸b", `expected one of == != <= >= < > ~= ===, found "b"`},
		{requirement, "foo (>=1‸", `expected ")" for the "(" at byte 4, found the end`},
		{requirement, "foo; os_name == 'a' ‸x", `expected "and", "or" or the end, found "x"`},
		{marker, "‸python == '3'", `expected a variable or a string, found "python == '3"`},
		{marker, "os_name ‸= 'a'", `expected one of <= < != == >= > ~= === in, not in, found "= 'a'"`},
		{marker, "os_name not ‸on 'a'", `expected " in" after "not", found "on 'a'"`},
		{marker, "(os_name == 'a'‸", `expected "and", "or" or ")", found the end`},
		{marker, "os_name == 'a'‸)", `expected "and", "or" or the end, found ")"`},
		{marker, "os_name == ‸'a", "string without an end"},
		{marker, "os_name == 'a‸\n'", "NUL or line break in a string"},
		{marker, `os_name == 'a‸\x4'`, `invalid escape "\\x4" in a string`},
		{marker, strings.Repeat("(", 100) + "‸(os_name == 'a'", "parentheses nested deeper than 100"},
		{wheel, "foo-1.0-py3-none-any‸", "does not end in .whl"},
		{wheel, "‸foo-1.0.whl", "want five or six parts between hyphens"},
		{wheel, "fo‸ o-1.0-py3-none-any.whl", `unexpected " " in the name`},
		{wheel, "‸f__o-1.0-py3-none-any.whl", "empty name, or two underscores in it"},
		{wheel, "foo-‸x-py3-none-any.whl", `expected a number, found "x"`},
		{wheel, "foo-1.0-‸x-py3-none-any.whl", "the build tag does not begin with a digit"},
		{wheel, "foo-1.0-py3-none-any.‸.whl", "empty part"},
		{sdist, "foo-1.0.rar‸", "does not end in .tar.gz, .zip or another archive's extension"},
		{sdist, "foo‸.zip", "no hyphen between name and version"},
		{sdist, "‸../foo-1.0.zip", `"../foo" cannot be a name`},
		{sdist, "foo-‸bar.zip", `expected a number, found "bar"`},
		{tag, "‸py3-none", "want three parts between hyphens"},
		{tag, "py3-none.‸ -any", "blank in a part"},
		{tag, "py2.‸3-none-any", `"3" cannot be an interpreter`},
		{tag, "‸" + strings.Repeat("py3.", 64) + "py3-" + strings.Repeat("none.", 64) + "none-any", "stands for 4225 tags, more than 4096"},
	} {
		col := strings.Index(c.input, "‸")
		input := strings.Replace(c.input, "‸", "", 1)
		err := c.parse(input)
		var e *Error
		if !errors.As(err, &e) || e.Input != input || e.Col != col || e.Cause != c.cause {
			t.Errorf("%q: %#v, want byte %d: %s", input, err, col, c.cause)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := ParseVersion("1.0" + strings.Repeat("é", 50))
	want := `parse version "1.0` + strings.Repeat("é", 38) + `…": byte 3: unexpected "` + strings.Repeat("é", 12) + `"`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestHostileInput gives every parser the longest input that it reads at all, of
// kinds that make a backtracking or a recursive parser slow, and one byte more.
func TestHostileInput(t *testing.T) {
	const limit = 5 * time.Second // 0.1 s is usual; a busy machine takes longer
	parsers := map[string]func(string) error{
		"version":     func(s string) error { _, err := ParseVersion(s); return err },
		"specifiers":  func(s string) error { _, err := ParseSpecifiers(s); return err },
		"requirement": func(s string) error { _, err := ParseRequirement(s); return err },
		"marker":      func(s string) error { _, err := ParseMarker(s); return err },
		"wheel":       func(s string) error { _, err := ParseWheelName(s); return err },
		"sdist":       func(s string) error { _, err := ParseSdistName(s, "a-a-a-b"); return err },
		"tag":         func(s string) error { _, err := ParseTag(s); return err },
	}
	for _, unit := range []string{
		"1", "1.", "1!", "a", "a-", "-", "a.", "1a", "+1", " ", "\t", "(", ")", "[", "a,", "foo[", ",", "==1,", "===a,", "=",
		"os_name", "os_name ", "'", "\"'\"", "'a' in ", "os_name=='a' and ", "os_name=='a'or ", "(os_name=='a' and ", "not ", "\\", "é", "\x00", "\U0001F600",
	} {
		for _, frame := range [][2]string{{"", ""}, {"1.0", ""}, {"1.0+", ""}, {"foo", ""}, {"foo==", ""}, {"foo[", ""}, {"foo;", ""}, {"foo @ ", ""}, {"os_name == '", "'"}, {"a-", ".zip"}, {"foo-1.0-", ".whl"}} {
			n := (maxInput - len(frame[0]) - len(frame[1])) / len(unit)
			for name, parse := range parsers {
				start := time.Now()
				parse(frame[0] + strings.Repeat(unit, n) + frame[1])
				if took := time.Since(start); took > limit {
					t.Errorf("%s of %q and %q many times: %v", name, frame, unit, took)
				}
			}
		}
	}
	for name, parse := range parsers {
		var e *Error
		if err := parse(strings.Repeat("1", maxInput+1)); !errors.As(err, &e) || e.Cause != fmt.Sprintf("longer than %d bytes", maxInput) {
			t.Errorf("%s: %v for input that is too long", name, err)
		}
	}
}

// TestLiterals reads the escapes of Python, and prints them so that they come
// back.
func TestLiterals(t *testing.T) {
	for _, c := range []struct{ literal, value, printed string }{
		{`'a'`, "a", `"a"`},
		{`'a"b'`, `a"b`, `'a"b'`},
		{`"a'b"`, "a'b", `"a'b"`},
		{`'C:\\x'`, `C:\x`, `"C:\\x"`},
		{`'\d'`, `\d`, `"\\d"`},
		{`'\x41\u00e9\U0001F600\101\0'`, "Aé\U0001F600A\x00", "\"Aé\U0001F600A\\x00\""},
		{`'\a\b\f\n\r\t\v'`, "\a\b\f\n\r\t\v", "\"\a\b\f\\n\\r\t\v\""},
		{`'\x22\x27\x22'`, `"'"`, `"\x22'\x22"`},
		{"'a\\\nb\\\r\nc'", "abc", `"abc"`},
		{`'\400'`, "Ā", `"Ā"`},
	} {
		m, err := ParseMarker("os_name == " + c.literal)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := m.Comparison.Right.Text; got != c.value {
			t.Errorf("%s is %q, want %q", c.literal, got, c.value)
		}
		if got := m.Comparison.Right.String(); got != c.printed {
			t.Errorf("%s prints %s, want %s", c.literal, got, c.printed)
		}
		again, err := ParseMarker(m.String())
		if err != nil || again.Comparison != m.Comparison {
			t.Errorf("%s parsed again: %v, %v", m, again, err)
		}
	}
	for _, literal := range []string{`'\'`, `'\x4'`, `'\xgg'`, `'\ud800'`, `'\U00110000'`, `'\N{DIGIT ONE}'`, `'\u+041'`, "'\x00'", "'\\\x00'"} {
		if m, err := ParseMarker("os_name == " + literal); err == nil {
			t.Errorf("%s was taken as %q", literal, m.Comparison.Right.Text)
		}
	}
}

// TestMarkerStructure checks the tree that readers of markers walk.
func TestMarkerStructure(t *testing.T) {
	m, err := ParseMarker(`os.name == 'a' and ("X_y" in extras or python_implementation != "b") or extra == 'A.b'`)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(m Marker) string
	walk = func(m Marker) string {
		if m.Join == "" {
			return m.Comparison.Left.Text + m.Comparison.Op + m.Comparison.Right.Text
		}
		var args []string
		for _, a := range m.Args {
			args = append(args, walk(a))
		}
		return m.Join + "(" + strings.Join(args, " ") + ")"
	}
	want := "or(and(os_name==a or(x-yinextras platform_python_implementation!=b)) extra==a-b)"
	if got := walk(m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestMarkerMadeByHand prints a tree that no text was parsed to.
func TestMarkerMadeByHand(t *testing.T) {
	is := func(value string) Marker {
		return Marker{Comparison: Comparison{Operand{true, "os_name"}, "==", Operand{false, value}}}
	}
	either := Marker{Join: "or", Args: []Marker{is("a"), is("b")}}
	both := Marker{Join: "and", Args: []Marker{is("c"), is("d")}}
	for want, m := range map[string]Marker{
		`(os_name == "a" or os_name == "b") and os_name == "c" and os_name == "d"`: {Join: "and", Args: []Marker{either, both}},
		`os_name == "a" or os_name == "b" or os_name == "c" and os_name == "d"`:    {Join: "or", Args: []Marker{either, both}},
	} {
		if got := m.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
