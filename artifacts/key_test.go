package artifacts_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pybake/pybake/artifacts"
)

// The worked example of the package comment.
func ExampleNewKey() {
	key, err := artifacts.NewKey("python", []artifacts.Input{
		{Name: "cpython.version", Value: "3.13.5", Note: "asked for on the command line"},
		{Name: "builder.package.gcc-14", Value: "14.2.0-19"},
	})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(key)

	encoding := "12:pybake-key-1,6:python," +
		"22:builder.package.gcc-14,9:14.2.0-19," +
		"15:cpython.version,6:3.13.5,"
	fmt.Printf("%x\n", sha256.Sum256([]byte(encoding)))
	// Output:
	// f9284eec17f7cd62ea000502adfcfdacc5b04b56189240f75f144afb3121a86a
	// f9284eec17f7cd62ea000502adfcfdacc5b04b56189240f75f144afb3121a86a
}

func ExampleCompare() {
	yesterday := []artifacts.Input{
		{Name: "cpython.version", Value: "3.13.5"},
		{Name: "builder.package.openssl", Value: "3.0.17-1"},
		{Name: "builder.package.bzip2", Value: "1.0.8-6"},
	}
	today := []artifacts.Input{
		{Name: "builder.package.openssl", Value: "3.0.18-1"},
		{Name: "builder.package.zstd", Value: "1.5.7-1"},
		{Name: "cpython.version", Value: "3.13.5", Note: "pinned"},
	}
	for _, change := range artifacts.Compare(yesterday, today) {
		fmt.Println(change)
	}
	// Output:
	// builder.package.bzip2 removed: 1.0.8-6
	// builder.package.openssl 3.0.17-1 → 3.0.18-1
	// builder.package.zstd added: 1.5.7-1
}

type inputs = []artifacts.Input

func newKey(t *testing.T, kind string, in inputs) artifacts.Key {
	t.Helper()
	key, err := artifacts.NewKey(kind, in)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Lists that look alike have different keys.
func TestNewKeyTellsApart(t *testing.T) {
	seen := map[artifacts.Key]string{}
	for _, c := range []struct {
		kind string
		in   inputs
	}{
		{"python", nil},
		{"wheel", nil},
		{"python", inputs{{Name: "a"}}},
		{"python", inputs{{Name: "a"}, {Name: "b"}}},
		{"python", inputs{{Name: "a", Value: "b"}}},
		{"python", inputs{{Name: "ab"}}},
		{"python", inputs{{Name: "a", Value: ",1:b,0:"}}},
		{"python", inputs{{Name: "a", Value: "x\ny"}}},
		{"python", inputs{{Name: "a", Value: "x\n"}, {Name: "y"}}},
		{"python", inputs{{Name: "a", Value: "A"}}},
		{"python", inputs{{Name: "a", Value: "é"}}},
		{"python", inputs{{Name: "a", Value: "e\u0301"}}},
	} {
		key, what := newKey(t, c.kind, c.in), fmt.Sprintf("%s %q", c.kind, c.in)
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the same key", what, other)
		}
		seen[key] = what
	}
}

// Neither order nor notes matter, and the caller's list stays as it was.
func TestNewKeyIgnores(t *testing.T) {
	a := inputs{{Name: "b", Value: "2", Note: "n"}, {Name: "a", Value: "1"}, {Name: "B", Value: "3"}}
	before := slices.Clone(a)
	b := inputs{{Name: "B", Value: "3"}, {Name: "a", Value: "1", Note: "other"}, {Name: "b", Value: "2"}}
	if newKey(t, "k", a) != newKey(t, "k", b) {
		t.Error("order or notes changed the key")
	}
	if d := cmp.Diff(before, a); d != "" {
		t.Error("inputs were changed: ", d)
	}
}

func TestNewKeyErrors(t *testing.T) {
	for _, c := range []struct {
		in   inputs
		want string
	}{
		{inputs{{Name: "a"}, {Name: "b"}, {Name: "a", Value: "2"}}, "input a given twice"},
		{inputs{{Value: "3"}}, `input without a name (value "3")`},
		{inputs{{Name: "a", Value: "\xff"}}, `input "a" is not UTF-8`},
		{inputs{{Name: "a\xff"}}, `input "a\xff" is not UTF-8`},
		{inputs{{Name: "a", Note: "\xff"}}, `input "a" is not UTF-8`},
	} {
		key, err := artifacts.NewKey("python", c.in)
		if key != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewKey(%q) = %q, %v; want error with %q", c.in, key, err, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after inputs
		want          []string
	}{
		{"both empty", nil, nil, nil},
		{"same in another order", inputs{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}, inputs{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}}, nil},
		{"notes only", inputs{{Name: "a", Note: "x"}}, inputs{{Name: "a", Note: "y"}}, nil},
		{"all added", nil, inputs{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}}, []string{"a added: 1", "b added: 2"}},
		{"all removed", inputs{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}}, nil, []string{"a removed: 1", "b removed: 2"}},
		{"to and from empty", inputs{{Name: "a"}, {Name: "b", Value: "2"}}, inputs{{Name: "a", Value: "1"}, {Name: "b"}}, []string{`a "" → 1`, `b 2 → ""`}},
		{"lines", inputs{{Name: "a", Value: "x"}}, inputs{{Name: "a", Value: "x\ny"}}, []string{`a x → "x\ny"`}},
	} {
		var got []string
		for _, change := range artifacts.Compare(c.before, c.after) {
			got = append(got, change.String())
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestKeyShort(t *testing.T) {
	for key, want := range map[artifacts.Key]string{"": "", "abc": "abc", "0123456789abcdef": "0123456789ab"} {
		if got := key.Short(); got != want {
			t.Errorf("Key(%q).Short() = %q, want %q", key, got, want)
		}
	}
}
